"""Tells whose code failed: an exception that comes out of a plugin is reported as that plugin's, with file and line.

Looked up in the traceback once something has failed, so that nothing is paid for it while all is well.
"""

import functools
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FrameType
from typing import Any

from vgbench.errors import PluginFailed, VgbenchError
from vgbench.plugin.entry import HOME, Entry
from vgbench.plugin.guard import plain
from vgbench.plugin.registry import Registry


def describe_plugin(made: object, kind: str) -> str:
    """Words for the plugin that an object, or its class, is: `objective 'iql' (vgbench 0.1.0)`, else `kind` and class.

    Not for where time counts: all entry points are gone through.
    """
    cls = plain(made if isinstance(made, type) else type(made))
    entry = _of_class(cls)
    return str(entry) if entry else f"{kind} {cls.__name__}"


_USED: dict[type[Any], Entry] = {}
"""Entry by which a class was last chosen: several may share it."""


def note_use(entry: Entry, cls: type[Any]) -> None:
    """Note that a class takes part under the name of `entry`, which is then the one that messages give."""
    _USED[cls] = entry


def describe_value(value: object) -> str:
    """Say what a plugin returned: `shape [3]` of a tensor, or its type."""
    from torch import Tensor

    return f"shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


@contextmanager
def attribute_errors(error: type[VgbenchError], advice: str = "") -> Iterator[None]:
    """Turn an exception of a plugin's code into `error`, which names the plugin; others pass."""
    try:
        yield
    except PluginFailed as err:
        raise error(str(err) + (f". {advice}" if advice else "")) from err
    # The first has its message; the second is the machine's, whoever asked for the last byte; the third is the user's.
    except (VgbenchError, MemoryError, KeyboardInterrupt):
        raise
    # Whatever it is: a plugin that calls sys.exit would end the command without a word.
    except BaseException as err:
        if type(err).__name__ == "OutOfMemoryError":  # torch's: the machine's, whoever asked for the last byte
            raise
        words = explain(err)
        if words is None:
            raise
        raise error(words + (f". {advice}" if advice else "")) from err


def caller() -> str | None:
    """Say which plugin's code is running, the innermost one of those that call each other; None if none is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if owner := _owner(frame):
            return owner
        frame = frame.f_back
    return None


def explain(err: BaseException) -> str | None:
    """Say which plugin an exception came from, where and what it was; None if it came from no plugin's code."""
    frames = list(traceback.walk_tb(err.__traceback__))
    owners = [_owner(frame) for frame, _ in frames]
    what = f"{type(err).__name__}: {err}" if str(err) else type(err).__name__
    # The innermost one: a plugin may be called by another.
    inner = next((index for index in reversed(range(len(frames))) if owners[index]), None)
    if inner is None:
        found = _called_wrongly(err)
        return f"{found} does not fit its contract: {what}" if found else None
    frame, line = frames[inner]
    # A function of a module with several plugins: it belongs to the one that called it.
    objects = [_of_object(outer) for outer, _ in frames[:inner]]
    near = next(
        (entry for entry in reversed(objects) if entry and entry.module == frame.f_globals.get("__name__")), None
    )
    if near and not _of_object(frame) and str(near) in str(owners[inner]).split(" or "):
        owners[inner] = str(near)
    callers = [name for name in owners[:inner] if name and name != owners[inner]]
    called = f", called by {callers[-1]}" if callers else ""
    place = f"{Path(frame.f_code.co_filename).name}, line {line}"
    return f"{owners[inner]}: {frame.f_code.co_name} raised {what} ({place}{called})"


def _called_wrongly(err: BaseException) -> str | None:
    """Plugin whose method does not take what the core hands it: then no frame is the plugin's."""
    # Python begins the TypeError of a wrong call with `Class.method()`.
    found = re.match(r"(\w+)\.\w+\(\)", str(err)) if isinstance(err, TypeError) else None
    for entry, cls in _loaded() if found else ():
        own = (base for base in cls.__mro__ if base.__module__.partition(".")[0] not in (HOME, "torch", "builtins"))
        if found and any(base.__name__ == found[1] for base in own):
            return str(entry)
    return None


def _owner(frame: FrameType) -> str | None:
    """Plugin that a frame's code belongs to: by its object, else by its module."""
    module = str(frame.f_globals.get("__name__", ""))
    if module.partition(".")[0] in (HOME, "torch"):  # methods of the base classes run on a plugin's objects, too
        return None
    entry = _of_object(frame)
    return str(entry) if entry else _of_module(module, frame.f_locals.get("self"))


def _of_object(frame: FrameType) -> Entry | None:
    """Entry of the object whose method a frame is, if it is a plugin."""
    mine = frame.f_locals.get("self")
    return _registered(type(mine)) if mine is not None else None


def _of_module(module: str, mine: object) -> str | None:
    """Plugin, or plugins, whose class stands in a module or in its package."""
    entries = [entry for entry, _ in _loaded() if entry.module == module]
    if not entries:
        package = module.partition(".")[0]
        entries = [e for e, _ in _loaded() if e.dist != HOME and e.module.partition(".")[0] == package]
    if not entries:
        return None
    networks = [entry for entry in entries if entry.kind == "network"]
    if len(networks) == 1 and hasattr(mine, "forward"):  # what a network built
        entries = networks
    return " or ".join(map(str, entries[:3]))


def _registered(cls: type[Any]) -> Entry | None:
    """Entry of a class, or of the nearest one that it descends from."""
    known = {id(loaded) for _, loaded in _loaded()}
    return next((_of_class(base) for base in cls.__mro__ if id(base) in known), None)


def _of_class(cls: type[Any]) -> Entry | None:
    """Entry of just this class: the one by which it was chosen, else the first."""
    entries = [entry for entry, loaded in _loaded() if loaded is cls]
    used = _USED.get(cls)
    return used if used in entries else next(iter(entries), None)


def _loaded() -> Iterator[tuple[Entry, type[Any]]]:
    """Plugins whose class is imported already; nothing is imported for it."""
    for entry in Registry().entries():
        attributes = EntryPoint(entry.name, entry.value, "").attr.split(".")
        try:
            found = functools.reduce(getattr, attributes, sys.modules[entry.module])
        except (KeyError, AttributeError):  # not imported, or not there
            continue
        if isinstance(found, type):
            yield entry, found
