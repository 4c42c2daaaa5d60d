"""Where the runs of a suite are computed. Each module here has a class `Executor`; its name is that of the module."""

import importlib
import pkgutil
from typing import TYPE_CHECKING

from vgbench.text import choice

if TYPE_CHECKING:
    from vgbench.experiments.executors.base import Executor


def names() -> list[str]:
    """Return the names of all executors, without importing them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


def find(name: str) -> "type[Executor]":
    """Look up an executor by name.

    Raises:
        UsageError: there is none of that name.
    """
    module = importlib.import_module(f"{__name__}.{choice(name, names(), '--executor')}")
    executor: type[Executor] = module.Executor
    return executor
