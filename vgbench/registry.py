"""Index of what is installed: entry points by kind and name. Listing imports no plugin; choosing one imports that one.

The built-ins are found the same way as a stranger's plugins. Which of them are worth knowing, and with which values, is
`vgbench.catalogue`'s business.
"""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import Any

from vgbench import API_VERSION
from vgbench.errors import UsageError
from vgbench.wording import same, suggest

GROUPS = {
    "environment": "vgbench.environments",
    "objective": "vgbench.objectives",
    "distance": "vgbench.distances",
    "network": "vgbench.networks",
    "planner": "vgbench.planners",
    "hook": "vgbench.hooks",
}
"""Entry-point group of each kind of plugin."""

HOME = "vgbench"
"""The distribution whose plugins win when two have one name."""


@dataclass(frozen=True)
class Entry:
    """A plugin as its distribution announces it. Nothing of it has been imported.

    Attributes:
        kind: a key of `GROUPS`.
        name: name under which it is registered (lower_snake).
        value: `module:attribute`.
        dist: distribution that brings it, and its `version`.
        about: one line on that distribution, from its metadata.
        shadowed: another plugin has this name; this one is reached as `dist:name` only.
    """

    kind: str
    name: str
    value: str
    dist: str
    version: str
    about: str = ""
    shadowed: bool = False

    @property
    def source(self) -> str:
        """Distribution and version."""
        return f"{self.dist} {self.version}"

    @property
    def address(self) -> str:
        """Name by which `find` returns this plugin and no other."""
        return f"{self.dist}:{self.name}" if self.shadowed else self.name

    def __str__(self) -> str:
        """Words for messages: objective 'iql' (vgbench 0.1.0)."""
        return f"{self.kind} {self.name!r} ({self.source})"

    def load(self) -> type[Any]:
        """Import the plugin and return its class.

        Raises:
            UsageError: it cannot be imported, is no plugin of its kind, or was made for another plugin interface.
        """
        try:
            loaded = EntryPoint(self.name, self.value, GROUPS[self.kind]).load()
        except (Exception, SystemExit) as err:
            raise UsageError(
                f"{self.kind} {self.name!r} from {self.source} failed to import ({self.value}): "
                f"{type(err).__name__}: {err}"
            ) from err
        self._check(loaded)
        return loaded  # type: ignore[no-any-return]

    def _check(self, loaded: Any) -> None:
        """Refuse what is not a complete plugin of this kind for this version of the interface."""
        who = f"{self.kind} {self.name!r} from {self.source}"
        wants = getattr(loaded, "api", API_VERSION)
        if wants != API_VERSION:
            old = HOME if isinstance(wants, int) and wants > API_VERSION else self.dist
            raise UsageError(f"{who} targets plugin API {wants}; this is API {API_VERSION}: upgrade {old}")
        if self.kind == "hook":
            return
        import vgbench.api

        base = getattr(vgbench.api, self.kind.capitalize())
        if not (isinstance(loaded, type) and issubclass(loaded, base)):
            raise UsageError(f"{who} is not a {self.kind}: {self.value} must be a subclass of vgbench.api.{base.__name__}")
        missing = sorted(getattr(loaded, "__abstractmethods__", ()))
        if missing:
            raise UsageError(f"{who} is not complete: {self.value} does not define {', '.join(missing)}")
        params = loaded.Params  # type: ignore[attr-defined]  # every base has one
        if not (isinstance(params, type) and issubclass(params, vgbench.api.Params)):
            raise UsageError(f"{who}: {self.value}.Params must be a subclass of vgbench.api.Params")


class Registry:
    """All plugins that are installed. Making one is cheap: a `sys.path` is scanned once.

    Attributes:
        problems: what was wrong on the way; a broken package takes nobody else down.
    """

    problems: tuple[str, ...]

    def __init__(self) -> None:
        """Scan the installed distributions, as far as VGBENCH_PLUGINS (`none`, or a list of them) allows.

        Raises:
            UsageError: vgbench itself is not installed, so that not even its own plugins can be found.
        """
        self._entries, self.problems = _scan(tuple(sys.path), os.environ.get("VGBENCH_PLUGINS"))

    def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"
