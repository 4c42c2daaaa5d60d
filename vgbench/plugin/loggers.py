"""Loads the loggers of a run. One that raises is reported once and switched off; the run goes on."""

import functools
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pluggy

from vgbench.api import hooks as hookspecs
from vgbench.errors import PluginFailed, UsageError, VgbenchError, prefix_error
from vgbench.plugin.contract import check_use
from vgbench.plugin.guard import calling
from vgbench.plugin.registry import load_plugin
from vgbench.text import RENAMED, message

if TYPE_CHECKING:
    from vgbench.plugin.registry import Registry

VARIABLE = "VGBENCH_LOGGERS"


class Loggers:
    """Calls every logger's hooks, each on its own, so that one cannot stop the others or the run."""

    def __init__(self) -> None:
        """Start with no logger."""
        self._manager = pluggy.PluginManager("vgbench")
        self._manager.add_hookspecs(hookspecs)
        self.errors: list[str] = []
        self._sources: dict[str, str] = {}  # distribution and version, by name

    def load(self, registry: "Registry", asked: Iterable[str] = ()) -> "Loggers":
        """Register an instance of every installed logger; one that cannot be imported is reported.

        Those with `on_request` are left out unless they are among `asked` or named, by commas, in `$VGBENCH_LOGGERS`.

        Raises:
            UsageError: there is no logger of an asked name, or it needs a package that is not installed.
        """
        wanted = requested(registry, asked)
        for entry in registry.entries("logger"):
            try:
                made = load_plugin(entry)
                if entry.address not in wanted and getattr(made, "on_request", False):
                    continue  # whatever is wrong with it, nobody asked
                check_use(entry, made)
                self._sources[entry.address] = entry.source
                self.register(made(), entry.address)
            except KeyboardInterrupt:
                raise
            except BaseException as err:  # whatever a third party's code raises
                known = isinstance(err, ImportError | VgbenchError)
                if known and entry.address in wanted:  # better than hours of a run that is not reported
                    raise UsageError(f"{wanted[entry.address]}: {err}") from err
                cause = str(err) if isinstance(err, VgbenchError) else f"{type(err).__name__}: {err}"
                self._report(entry.address, cause if str(entry.dist) in cause else f"{cause} ({entry.source})")
        return self

    def register(self, logger: object, name: str) -> None:
        """Add a logger: an object with some of the methods in `vgbench.api.hooks`."""
        self._manager.register(logger, name)

    def call(self, hook: str, **arguments: Any) -> None:
        """Call `hook` of each logger in turn."""
        # One by one, as pluggy's own call stops at the first error; over a copy, as loggers are taken out.
        for implementation in list(getattr(self._manager.hook, hook).get_hookimpls()):
            chosen: Callable[..., Any] = implementation.function
            name = implementation.plugin_name
            try:
                # Not its streams: bars and services that collect what is printed put themselves in place of them.
                with calling(functools.partial(str, name), hook, streams=False):
                    chosen(*(arguments[name] for name in implementation.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException as err:  # whatever a third party's code raises
                failed = isinstance(err, PluginFailed)  # which names the package
                source = f" ({self._sources[name]})" if name in self._sources and not failed else ""
                self._report(name, f"{err if failed else f'{type(err).__name__} in {hook}: {err}'}{source}")
                self._manager.unregister(implementation.plugin)

    def note(self, text: str) -> None:
        """Tell the user something: through the loggers, or on stderr if none of them takes notes."""
        text = message(text)
        if self._manager.hook.vgbench_noted.get_hookimpls():
            self.call("vgbench_noted", text=text)
        else:
            print(f"note: {text}", file=sys.stderr)

    def _report(self, name: str, cause: str) -> None:
        self.errors.append(f"{name}: {cause}")
        print(message(f"warning: logger '{name}' is switched off: {cause}"), file=sys.stderr)


def requested(registry: "Registry", asked: Iterable[str] = ()) -> dict[str, str]:
    """Loggers asked for by option or variable: by address, the words in which they were. None is imported.

    Raises:
        UsageError: there is none of that name.
    """
    # The names in capitals are those of environment variables.
    if old := next((name for name in RENAMED if name.isupper() and name in os.environ), None):
        raise UsageError(f"the variable {old} is called {RENAMED[old]} now: set that one")
    named = [(f"--logger {name}", name) for name in asked]
    names = (name.strip() for name in os.environ.get(VARIABLE, "").split(","))
    named += [(f"{VARIABLE}: {name}", name) for name in names if name]
    found = {}
    for written, name in named:
        with prefix_error(written):
            found[registry.find("logger", name).address] = written
    return found
