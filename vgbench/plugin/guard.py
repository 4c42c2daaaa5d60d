"""What a plugin may not do to the process that it runs in, and for how long: looked at around each of its hooks.

A working directory, a default type or a seed belongs to everybody. A hook that changes one would change what others
compute, or where they write; it is put back, and the run ends with the name of the plugin.
"""

import functools
import inspect
import math
import os
import signal
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn, cast

from vgbench.errors import PluginFailed, UsageError, VgbenchError
from vgbench.plugin.entry import HOME
from vgbench.plugin.process_state import RANDOM, THREADS, State, setters

VARIABLE = "VGBENCH_PLUGIN_TIMEOUT"
"""Variable with the seconds that a hook may take, as `--plugin-timeout` sets it, for worker processes, too."""

HOOKS = {
    "environment": (
        *("check_size", "collect", "sample_tasks", "check_tasks", "step", "observe"),
        *("goal_observation", "goal_distance", "success", "recorded_states"),
        # Capabilities, each named after its method.
        *("cost_to_go", "expert", "state_grid", "pair_labels", "value_fixed_point", "labels", "track", "map_place"),
    ),
    "objective": ("loss", "after_step"),
    "planner": ("plan", "beside", "with_budget"),
    "network": ("build",),
}
"""Methods of each kind that are watched; networks and distances run inside of these, or of the core's own calls."""

PLAIN = "__unwatched__"
"""Attribute of a class whose hooks are watched: the plugin's own class."""

UNKEPT = ("environment", "planner")
"""Kinds that may not draw from torch's global generators either: what episodes keep does not hold their state."""


class Stopped(BaseException):
    """Ends a hook that took too long, or that would have ended the process; plugins rarely catch it."""


class _Watch:
    """The hook that is running, if one is, and the time that it has."""

    def __init__(self) -> None:
        self.depth, self.who = 0, ""
        self.ends = math.inf  # when the process is ended, if the hook still runs then
        self.thread: threading.Thread | None = None
        self.process = 0  # in which plugins are seen to end it
        self.importing = 0  # modules of plugins, one inside another
        self.threads = weakref.WeakKeyDictionary[threading.Thread, str]()  # plugin that has started a thread
        self.started = dict[str, None]()  # plugins that have started a thread, whether it runs still or not
        self.left: State | None = None  # what the last hook has left, once there are such threads
        self.replaced: dict[tuple[str, str], tuple[Any, Callable[..., Any]]] = {}  # by `seen`: place and function
        self.setters: dict[str, str] = {}  # plugin that has set a value last, by the value's name
        self.of_thread = threading.local()  # `aside`: whether a thread's hooks are not looked at

    def elsewhere(self) -> bool:
        """Whether a hook that is called now is not to be looked at: inside of another one, or in a thread beside."""
        return self.depth > 0 or getattr(self.of_thread, "aside", False)

    def limit(self) -> float:
        return limit() if threading.current_thread() is threading.main_thread() else 0.0


_watch = _Watch()


def limit() -> float:
    """Return the seconds that a hook may take; 0: any number.

    Raises:
        UsageError: the variable is no such number.
    """
    text = os.environ.get(VARIABLE) or "0"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise UsageError(f"{VARIABLE}={text}: expected a number of seconds, 0 for no limit")
    return seconds


@contextmanager
def time_limit(seconds: int | None) -> Iterator[None]:
    """Set the seconds that a hook may take inside, for this process and the workers that it starts.

    Raises:
        UsageError: it is no number of seconds.
    """
    before = os.environ.get(VARIABLE)
    if seconds is not None:
        if seconds < 0:
            raise UsageError(f"--plugin-timeout {seconds}: expected a number of seconds, 0 for no limit")
        os.environ[VARIABLE] = str(seconds)
    limit()
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


@contextmanager
def aside() -> Iterator[None]:
    """Do not look at hooks inside, in a thread beside the one that computes: its changes are not theirs."""
    _watch.of_thread.aside = True
    try:
        yield
    finally:
        _watch.of_thread.aside = False


def alive() -> None:
    """Begin the time of the running hook anew: it has told of its progress."""
    if _watch.depth and (seconds := _watch.limit()):
        _arm(seconds)


@contextmanager
def calling(who: Callable[[], str], hook: str, streams: bool = True, draws: bool = True) -> Iterator[None]:
    """Watch a hook of a plugin; inside of another hook this does nothing.

    Args:
        who: returns words for the plugin, for messages.
        hook: its name.
        streams: whether the hook has to leave standard streams and handlers of signals alone, too.
        draws: whether it may draw from torch's global generators.

    Raises:
        PluginFailed: it took too long, ended the process or raised what is no error, or changed the process's state,
            which is as it was again.
    """
    if _watch.elsewhere():
        yield
        return
    seconds = _watch.limit()
    if seconds and signal.getsignal(signal.SIGALRM) is not _time_up:
        signal.signal(signal.SIGALRM, _time_up)  # before the look at the state, of which it is a part
    before = State(streams, draws and streams)
    _check_between(before)
    _watch.setters.clear()  # what an earlier hook called has nothing to do with what this one changes
    _watch.depth += 1
    if seconds:
        _watch.who = f"{who()}: {hook}"
        _arm(seconds)
    try:
        yield
    except (VgbenchError, KeyboardInterrupt):
        raise
    except BaseException as err:
        # Generators of the core would turn a StopIteration into their own end; what is no Exception passes handlers.
        if isinstance(err, Exception) and not isinstance(err, StopIteration | StopAsyncIteration):
            raise
        raise PluginFailed(_explained(err, who, hook)) from err
    finally:
        _watch.depth -= 1
        if seconds:
            _watch.ends = math.inf
            signal.setitimer(signal.ITIMER_REAL, 0)
        changed = before.restored()
        _watch.left = before if _watch.started else None
    if not streams:
        # What loggers call, services mostly, may draw: nothing that is computed does, and it is as it was again.
        changed = {name: words for name, words in changed.items() if name not in RANDOM}
    if changed:
        keys = (name.split(" of SIG")[0] for name in changed)
        known = next((_watch.setters[key] for key in keys if key in _watch.setters), None)
        whose = known or f"{who()}: {hook}, or what it calls,{_of_threads()}"
        raise _refused(whose, changed)


def _check_between(now: State) -> None:
    """Look at what threads of plugins have changed since the last hook, where there are any, and put it back.

    Raises:
        PluginFailed: one has.
    """
    left, _watch.left = _watch.left, None
    if left is None or not (changed := now.moved(left)):
        return
    known = next((_watch.setters[name] for name in changed if name in _watch.setters), None)
    raise _refused(known or f"a thread that {' or '.join(_watch.started)} has started", changed, " between two hooks")


def settled() -> None:
    """Say that vgbench itself has changed what belongs to all, between two hooks."""
    _watch.left = None


def _of_threads() -> str:
    """Name a plugin whose threads run still: they change what they do while others' hooks run."""
    who = sorted({who for thread, who in list(_watch.threads.items()) if thread.is_alive()})
    return f" or a thread that {' or '.join(who)} has started," if who else ""


def _refused(whose: str, changed: Mapping[str, str], when: str = "") -> PluginFailed:
    """Return the error for what was changed, by its name, and put back."""
    advice = "A plugin has to leave the process as it finds it"
    if set(changed) <= {*RANDOM}:
        advice = "Draw from the noise or seed that the plugin is given, or from a generator of its own"
    return PluginFailed(
        f"{whose} changed {' and '.join(changed.values())}{when}, which others depend on; it was put back. {advice}"
    )


def _explained(err: BaseException, who: Callable[[], str], hook: str) -> str:
    from vgbench.plugin.attribution import explain

    what = f"{type(err).__name__}: {err}" if str(err) else type(err).__name__
    return explain(err) or f"{who()}: {hook} raised {what}"


def guarded(made: Any, kind: str) -> Any:
    """Have the hooks of a plugin's object watched, and return it, of a class made for that.

    What the object copies from itself is then an object of its own: what watches lies in the class. Where Python, or
    the plugin, allows no such class, it lies in the object.
    """
    cls = type(made)
    if PLAIN in vars(cls):  # a copy, say, of a watched one
        return made
    in_class = False
    with suppress(Exception):  # as of a metaclass that knows all classes of its own, or of an object of C code
        object.__setattr__(made, "__class__", _watched_class(cast("Hashable", cls), kind))
        in_class = True
    own = vars(made) if hasattr(made, "__dict__") else {}
    for hook in HOOKS[kind]:
        # Not the class's: functions that an object holds, or that its `__getattr__` finds.
        if callable(method := getattr(made, hook, None)) and (not in_class or hook in own or not hasattr(cls, hook)):
            with suppress(AttributeError):  # an object without room for it
                object.__setattr__(made, hook, functools.partial(_watched(kind, hook, _always(method)), made))
    return made


def plain(cls: type[Any]) -> type[Any]:
    """Return the plugin's own class of an object whose hooks are watched."""
    return cast("type[Any]", vars(cls).get(PLAIN, cls))


class _Anything:
    """Base of a class before it has its own."""


@functools.cache
def _watched_class(own: type[Any], kind: str) -> type[Any]:
    """Return a class that is a plugin's in all but that its hooks are watched; what it pickles is of the plugin's."""

    def reduced(self: Any, protocol: Any) -> Any:
        found = super(watched, self).__reduce_ex__(protocol)
        if isinstance(found, str):
            return found
        make, arguments, *rest = (swapped(part) for part in found)
        # Not `make` itself, of which pickle knows that it makes an object of this very class.
        return _again, (make, *arguments), *rest

    def swapped(part: Any) -> Any:
        if type(part) is tuple:
            return tuple(map(swapped, part))
        if getattr(part, "__self__", None) is watched:  # a class method, by which it is made
            return getattr(own, part.__name__)
        return own if part is watched else part

    def found(hook: str) -> Callable[[Any], Callable[..., Any]]:
        return lambda self: getattr(super(watched, self), hook)

    content: dict[str, Any] = {}
    for hook in HOOKS[kind]:
        static = inspect.getattr_static(own, hook, None)
        method: Any = getattr(own, hook, None)
        if isinstance(static, staticmethod | classmethod):
            # Of the class, and called through it, too.
            content[hook] = staticmethod(_of_class(_watched(kind, hook, _always(method)), own, method))
        elif method is not None and not isinstance(static, property):
            content[hook] = functools.wraps(method)(_watched(kind, hook, found(hook)))
    content |= {"__reduce_ex__": reduced, PLAIN: own, "__doc__": own.__doc__}
    content |= {"__module__": own.__module__, "__qualname__": own.__qualname__, "__slots__": ()}
    watched: Any
    try:
        # Past the plugin's metaclass and `__init_subclass__`, which may keep a list of its own classes.
        watched = type.__new__(type(own), own.__name__, (_Anything,), content)
        watched.__bases__ = (own,)
    except TypeError:  # as of a class with slots
        watched = types.new_class(own.__name__, (own,), exec_body=lambda names: names.update(content))
    return cast("type[Any]", watched)


def _of_class(watched: Callable[..., Any], own: type[Any], method: Callable[..., Any]) -> Callable[..., Any]:
    """Return what watches a method that needs no object."""

    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        return watched(own, *arguments, **named)

    return call


def _always(method: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    return lambda made: method


def _again(make: Callable[..., Any], *arguments: Any) -> Any:
    return make(*arguments)


def _watched(kind: str, hook: str, found: Callable[[Any], Callable[..., Any]]) -> Callable[..., Any]:
    """Return a method that watches a hook; `found` returns that of an object."""

    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        method = found(self)
        if _watch.elsewhere():
            return method(*arguments, **named)

        def who() -> str:
            from vgbench.plugin.attribution import describe_plugin

            return describe_plugin(self, kind)

        with calling(who, hook, draws=kind not in UNKEPT):
            result = method(*arguments, **named)
        # Another object of the plugin's, which nobody has built.
        return guarded(result, kind) if hook == "with_budget" and result is not self else result

    return call


def _arm(seconds: float) -> None:
    """Have the running hook ended after some seconds, and the process if it catches that."""
    _watch.ends = time.monotonic() + 2 * seconds + 20
    signal.setitimer(signal.ITIMER_REAL, seconds, 5.0)
    if _watch.thread is None:
        _watch.thread = threading.Thread(target=_end_if_stuck, daemon=True)
        _watch.thread.start()


def _time_up(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(f"it took more than {limit():g} s (--plugin-timeout)")


def _end_if_stuck() -> None:
    """End the process where a hook does not, as in code that is not Python's: nothing interrupts that."""
    while True:
        time.sleep(1.0)
        if time.monotonic() > _watch.ends:
            words = f"error: {_watch.who} took more than {limit():g} s (--plugin-timeout), and cannot be interrupted\n"
            os.write(2, words.encode())
            _exit(1)


_exit = os._exit


def _end(code: int = 0) -> NoReturn:
    """Take the place of `os._exit`: a plugin's would end the run without a word."""
    from vgbench.plugin.attribution import caller

    # A handler of a signal ends the process on top of whatever runs, and a child that a plugin has forked ends itself.
    ours = str(sys._getframe(1).f_globals.get("__name__", "")).partition(".")[0] == HOME
    if not ours and os.getpid() == _watch.process and (_watch.importing or caller()):
        raise Stopped(f"it called os._exit({code})")
    _exit(code)


@contextmanager
def seen() -> Iterator[None]:
    """See inside which plugin ends the process or sets what belongs to all: the message can then name it.

    Once for all of a command or a run, not around each hook: networks and distances are called by hooks of others.
    Inside of itself it does nothing more.
    """
    outermost = os._exit is not _end
    _watch.process = os.getpid()
    os._exit = _end  # type: ignore[assignment]
    _see_setters()
    try:
        yield
    finally:
        if outermost:
            os._exit = _exit
            for (_, name), (place, function) in _watch.replaced.items():
                setattr(place, name, function)
            _watch.replaced.clear()
            _watch.started.clear()
            _watch.left = None


def _see_setters() -> None:
    """See who calls what sets the process's state, also in libraries that were imported after the last look."""
    if os._exit is not _end:
        return
    for what, place, name in setters():
        if (what, name) not in _watch.replaced:
            function = getattr(place, name)
            _watch.replaced[what, name] = place, function
            setattr(place, name, _noting(what, name, function))


@contextmanager
def importing() -> Iterator[None]:
    """See inside, where the module of a plugin is imported, that it does not end the process."""
    _watch.importing += 1
    try:
        yield
    finally:
        _watch.importing -= 1


def _noting(what: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        from vgbench.plugin.attribution import caller

        if not (who := caller()):
            pass
        elif what == THREADS:
            _watch.threads[arguments[0]] = who
            _watch.started[who] = None
        else:
            _watch.setters[what] = f"{who}: it called {name}, and"
        return function(*arguments, **named)

    return call


def built(kind: str, who: object, make: Callable[[], Any]) -> Any:
    """Make a plugin's object with its constructor watched, and have its hooks watched."""
    _see_setters()
    with calling(lambda: str(who), "__init__", draws=kind not in UNKEPT):
        made = make()
    return guarded(made, kind) if kind in HOOKS else made
