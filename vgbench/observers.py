"""Loads the observers of a run. One that raises is reported once and switched off; the run goes on."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pluggy

from vgbench import hookspecs
from vgbench.errors import VgbenchError

if TYPE_CHECKING:
    from vgbench.registry import Registry


class Observers:
    """Calls every observer's hooks, each on its own, so that one cannot stop the others or the run."""

    def __init__(self) -> None:
        """Start with no observer."""
        self._manager = pluggy.PluginManager("vgbench")
        self._manager.add_hookspecs(hookspecs)
        self.errors: list[str] = []

    def load(self, registry: "Registry") -> "Observers":
        """Register an instance of every installed observer; one that cannot be imported is reported."""
        for entry in registry.entries("hook"):
            try:
                self.register(entry.load()(), entry.address)
            except Exception as err:  # whatever a stranger's code raises
                cause = str(err) if isinstance(err, VgbenchError) else f"{type(err).__name__}: {err}"
                self._report(entry.address, cause)
        return self

    def register(self, observer: object, name: str) -> None:
        """Add an observer: an object with some of the methods in `vgbench.hookspecs`."""
        self._manager.register(observer, name)

    def call(self, hook: str, **arguments: Any) -> None:
        """Call `hook` of each observer in turn."""
        for implementation in list(getattr(self._manager.hook, hook).get_hookimpls()):
            chosen: Callable[..., Any] = implementation.function
            try:
                chosen(*(arguments[name] for name in implementation.argnames))
            except Exception as err:  # whatever a stranger's code raises
                self._report(implementation.plugin_name, f"{type(err).__name__} in {hook}: {err}")
                self._manager.unregister(implementation.plugin)

    def _report(self, name: str, cause: str) -> None:
        self.errors.append(f"{name}: {cause}")
        print(f"warning: observer '{name}' is switched off: {cause}", file=sys.stderr)
