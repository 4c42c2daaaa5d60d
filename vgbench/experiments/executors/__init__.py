"""Where the runs of a suite are computed: entry points of the group `vgbench.executors`, built-in ones like others'."""

import importlib
from typing import TYPE_CHECKING, Any

from vgbench.errors import UsageError
from vgbench.plugin.entry import EXECUTORS
from vgbench.plugin.registry import Registry
from vgbench.text import choice

if TYPE_CHECKING:
    from vgbench.experiments.executors.base import Executor


def names() -> list[str]:
    """Return the names of all executors, without importing them; one whose name is taken is DIST:NAME."""
    return sorted(entry.address for entry in Registry().others(EXECUTORS))


def find(name: str) -> "type[Executor]":
    """Look up an executor by name.

    Raises:
        UsageError: there is none of that name, or it cannot be imported, or is none.
    """
    from vgbench.experiments.executors.base import Executor

    entries = {entry.address: entry for entry in Registry().others(EXECUTORS)}
    entry = entries[choice(name, entries, "--executor")]
    who = f"--executor {name} ({entry.source})"
    module, _, attribute = entry.value.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except Exception as err:  # a foreign module may raise anything
        raise UsageError(f"{who}: {entry.value} cannot be imported: {type(err).__name__}: {err}") from err
    if not (isinstance(found, type) and issubclass(found, Executor)):
        raise UsageError(f"{who}: {entry.value} is no subclass of vgbench.experiments.executors.base.Executor")
    return found
