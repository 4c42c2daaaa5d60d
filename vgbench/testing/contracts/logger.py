"""Checks of loggers: hooks that exist, arguments that they have, an instance without arguments."""

from typing import Any

import pluggy

from vgbench.api import hooks as hookspecs
from vgbench.testing.check import Collector, Failure, Skip, expect
from vgbench.testing.subject import Subject
from vgbench.text import suggest

check = Collector(("logger",))


def make(subject: Subject) -> Any:
    """Make an instance, as each run does."""
    return subject.cls()


def outputs(subject: Subject, made: Any) -> list[Any]:
    """Nothing: what a logger does with a run is its own matter."""
    return []


def _known() -> dict[str, Any]:
    return {name: spec for name, spec in vars(hookspecs).items() if name.startswith("vgbench_")}


def _implemented(cls: Any) -> dict[str, Any]:
    """Methods that are marked by `hookimpl`."""
    methods = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("__")}
    return {name: method for name, method in methods.items() if hasattr(method, "vgbench_impl")}


@check(after=("loads",))
def constructs(subject: Subject) -> None:
    """It is made without arguments."""
    try:
        subject.make()
    except ImportError as err:
        if getattr(subject.cls, "on_request", False):
            raise Skip(f"an optional package is missing: {err}", final=True) from err
        raise
    except TypeError as err:
        raise Failure("an instance without arguments", str(err), "arguments of __init__ without default") from err


@check(after=("loads",))
def known_hooks(subject: Subject) -> None:
    """It has hooks, and all of them exist."""
    found = _implemented(subject.cls)
    cause = "a missing `@hookimpl` (from vgbench.api)"
    expect(found, "at least one method marked by @hookimpl", "none", cause)
    for name in found:
        expect(name in _known(), "the name of a hook", f"{name}. {suggest(name, _known())}", "a typing error")


@check(after=("loads",))
def marked(subject: Subject) -> None:
    """Every method that is named like a hook is marked as one."""
    named = [name for name in dir(subject.cls) if name.startswith("vgbench_")]
    bare = [name for name in named if name not in _implemented(subject.cls)]
    expect(
        not bare, "@hookimpl on each hook", f"none on {', '.join(bare)}", "the line was left out: it is never called"
    )


@check(after=("constructs", "known_hooks"))
def arguments(subject: Subject) -> None:
    """Its hooks take no argument that there is not."""
    manager = pluggy.PluginManager("vgbench")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(subject.make())
    except pluggy.PluginValidationError as err:
        seen = " ".join(str(err).split())
        raise Failure("a subset of the hook's arguments", seen, "a typing error; see vgbench.api.hooks") from err


CHECKS = check.found
