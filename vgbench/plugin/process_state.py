"""State of the process that belongs to everybody: looked at, and put back as it was."""

import functools
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

FOLDER = "the working directory"
HANDLERS = "the handler"
TORCH_RANDOM = "the global random state of torch"
RANDOM = ("the global random state of Python", "the global random state of NumPy", TORCH_RANDOM)
"""Generators that runs do not keep, torch's but in training: what is drawn from them cannot be repeated."""
_SEED = "torch's global seed"
THREADS, TIMERS = "threads", "timers that send signals"
_VARIABLES, _FILTERS = "the environment's variables", "the filters of warnings"
_UMASK, _DTYPE = "the mask of new files (umask)", "torch's default dtype"
_NUMBER, _ORDER = "torch's number of threads", "whether torch adds in a fixed order"
_PRECISION, _TF32 = "the precision of matrix products", "whether cuDNN computes in TF32"
_CUDNN = ("cuDNN's benchmark", "cuDNN's fixed order", _TF32)
_BETWEEN = (_UMASK, _DTYPE, _ORDER, _PRECISION, *_CUDNN)
"""What a thread changes for all others, and the core between two hooks only where it says so (`guard.settled`)."""
_BY_IMPORTS = (_VARIABLES, _FILTERS)
"""What libraries set when they are imported, which a hook may do first: where one did, this is left alone."""
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_TINY = 1e-310  # a number that becomes 0 where those are flushed
_umask = 0o022  # as it was last

Setting = tuple[str, Callable[[], Any], Callable[[Any], object]]
"""Name of a value, how to read and how to set it."""


class State:
    """State of the process that a plugin must leave alone, as it is when this is made."""

    def __init__(self, streams: bool = True, draws: bool = True) -> None:
        """Look at it; `streams`: also at standard streams and handlers of signals; `draws`: torch's may be drawn from.

        They may where weights are made and in training: checkpoints hold that state.
        """
        self._draws, self._torch = draws, _torch_states()
        self._folder = _folder()
        # By what is imported: a command without PyTorch does not import it for this.
        main = threading.current_thread() is threading.main_thread()
        self._settings = _settings("torch" in sys.modules, "numpy" in sys.modules, streams, main)
        self._modules = len(sys.modules)
        self._values = [get() for _, get, _ in self._settings]

    def restored(self) -> dict[str, str]:
        """Put back what has changed since, and say what that was, by its name."""
        changed = {}
        imported = len(sys.modules) > self._modules
        if (folder := _folder()) != self._folder and self._folder is not None:
            changed[FOLDER] = f"{FOLDER} (to {folder})"
            with suppress(OSError):
                os.chdir(self._folder)
        for before, (name, get, put) in zip(self._values, self._settings, strict=True):
            now = get()
            if name == TIMERS:  # one that has ended meanwhile is no change
                now = tuple(runs or ran for runs, ran in zip(now, before, strict=True))
            if now is not before and now != before and not (imported and name in _BY_IMPORTS):
                changed[name] = f"{name} ({_words(name, before, now)})"
                put(before)
        if _SEED in changed or not self._draws:
            drawn = [(made, state) for made, state in self._torch if _drawn(made, state)]
            if drawn and _SEED not in changed:
                changed[TORCH_RANDOM] = f"{TORCH_RANDOM} (drawn from)"
            for made, state in drawn:
                made.set_state(state)
        return changed

    def moved(self, left: "State") -> dict[str, str]:
        """Put back what others' threads have changed since `left`, which a hook has left, and say what, by its name."""
        changed = {}
        if self._folder != left._folder and left._folder is not None:
            changed[FOLDER] = f"{FOLDER} (to {self._folder})"
            with suppress(OSError):
                os.chdir(left._folder)
        earlier = {name: value for value, (name, *_) in zip(left._values, left._settings, strict=True)}
        for now, (name, _, put) in zip(self._values, self._settings, strict=True):
            if name in _BETWEEN and earlier.get(name, now) != now:
                changed[name] = f"{name} ({_words(name, earlier[name], now)})"
                put(earlier[name])
        return changed


def _torch_states() -> list[tuple[Any, Any]]:
    """Return torch's global generators, each with its state: that of the CPU, and those of CUDA once it is in use."""
    if "torch" not in sys.modules:
        return []
    import torch

    devices = torch.cuda.default_generators if torch.cuda.is_initialized() else ()
    return [(made, made.get_state()) for made in (torch.default_generator, *devices)]


def _drawn(generator: Any, state: Any) -> bool:
    # As bytes: comparing tensors takes three times as long.
    return bool(generator.get_state().numpy().tobytes() != state.numpy().tobytes())


def _words(name: str, before: Any, now: Any) -> str:
    if name in RANDOM:
        return "drawn from, or seeded"
    if name == _VARIABLES:
        return ", ".join(sorted(os.fsdecode(key) for key, _ in before.items() ^ now.items()))[:200]
    if name == _FILTERS:
        return f"{len(before)} of them before, {len(now)} after"
    return f"from {_shown(before)} to {_shown(now)}"


def _shown(value: object) -> str:
    return repr(value)[:60]


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - a Path would take ten times as long, and this is asked at each step
    except OSError:  # it was deleted
        return None


@functools.cache
def _settings(torch_too: bool, numpy_too: bool, streams: bool, main: bool) -> list[Setting]:
    """Return what is looked at, in the order in which it is put back."""
    found: list[Setting] = [
        (RANDOM[0], random.getstate, random.setstate),
        (_UMASK, _read_umask, os.umask),
    ]
    if numpy_too:
        import numpy as np

        found.append((RANDOM[1], _numpy_state, _set_numpy_state))
        found.append(("how NumPy treats errors", np.geterr, lambda errors: np.seterr(**errors)))
    found += _of_torch() if torch_too else []
    found += _of_streams() if streams else []
    return found + (_of_signals() if streams and main else [])


def _of_torch() -> list[Setting]:
    import torch

    cudnn = torch.backends.cudnn
    filled: Any = torch.utils.deterministic
    return [
        (_DTYPE, torch.get_default_dtype, torch.set_default_dtype),
        ("torch's default device", torch.get_default_device, _set_device),
        (_NUMBER, torch.get_num_threads, torch.set_num_threads),
        (
            _ORDER,
            torch.get_deterministic_debug_mode,
            torch.set_deterministic_debug_mode,
        ),
        (_SEED, torch.initial_seed, lambda seed: None),  # put back with the whole state of the generator
        # Before whether gradients are recorded, which it sets, too.
        ("whether torch is in inference mode", torch.is_inference_mode_enabled, _set_inference),
        ("whether gradients are recorded", torch.is_grad_enabled, torch.set_grad_enabled),
        (
            _PRECISION,
            torch.get_float32_matmul_precision,
            torch.set_float32_matmul_precision,
        ),
        ("autocast", _autocast, _set_autocast),
        # After the default device, which is one of them.
        ("the modes of torch, such as a device, that are open", _modes, _close_modes),
        ("whether numbers near 0 are flushed to it", lambda: _TINY * 0.5 == 0, torch.set_flush_denormal),
        (_CUDNN[0], lambda: cudnn.benchmark, lambda on: setattr(cudnn, "benchmark", on)),
        (_CUDNN[1], lambda: cudnn.deterministic, lambda on: setattr(cudnn, "deterministic", on)),
        (_TF32, lambda: cudnn.allow_tf32, lambda on: setattr(cudnn, "allow_tf32", on)),
        ("whether torch looks for anomalies", torch.is_anomaly_enabled, torch.set_anomaly_enabled),
        ("whether torch fills new memory", lambda: filled.fill_uninitialized_memory, _set_filled),
    ]


def _of_streams() -> list[Setting]:
    return [
        ("sys.stdout", lambda: sys.stdout, lambda stream: setattr(sys, "stdout", stream)),
        ("sys.stderr", lambda: sys.stderr, lambda stream: setattr(sys, "stderr", stream)),
        (_VARIABLES, lambda: _raw_variables().copy(), _set_variables),
        (_FILTERS, lambda: warnings.filters[:], _set_filters),
    ]


def _of_signals() -> list[Setting]:
    found: list[Setting] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        read, put = functools.partial(signal.getsignal, number), functools.partial(signal.signal, number)
        found.append((f"{HANDLERS} of {number.name}", read, put))
    return [*found, (TIMERS, lambda: tuple(signal.getitimer(timer)[0] > 0 for timer in _TIMERS), _stop_timers)]


def _stop_timers(before: tuple[bool, ...]) -> None:
    for timer, ran in zip(_TIMERS, before, strict=True):
        if not ran:
            signal.setitimer(timer, 0)


def _read_umask() -> int:
    """Return the umask. It can only be read by setting it: to what it probably is, for the sake of other threads."""
    global _umask
    found = os.umask(_umask)
    if found != _umask:
        _umask = found
        os.umask(found)
    return found


def _raw_variables() -> dict[Any, Any]:
    # Of `os.environ` itself a copy takes a hundred times as long.
    found: dict[Any, Any] = vars(os.environ)["_data"]
    return found


def _set_variables(before: dict[Any, Any]) -> None:
    now = _raw_variables()
    for key in {key for key, _ in before.items() ^ now.items()}:
        name = os.fsdecode(key)
        if key in before:
            os.environ[name] = os.fsdecode(before[key])
        else:
            os.environ.pop(name, None)


def _set_filters(before: Any) -> None:
    warnings.filters[:] = before  # type: ignore[index]
    with warnings.catch_warnings():  # tells the module that they have changed
        pass


def _autocast() -> tuple[Any, ...]:
    import torch

    nesting = torch.autocast_increment_nesting() - 1
    torch.autocast_decrement_nesting()
    devices = ((d, torch.is_autocast_enabled(d), torch.get_autocast_dtype(d)) for d in ("cpu", "cuda"))
    return nesting, torch.is_autocast_cache_enabled(), *devices


def _set_autocast(before: tuple[Any, ...]) -> None:
    import torch

    nesting, cached, *devices = before
    for device, enabled, dtype in devices:
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)
    torch.set_autocast_cache_enabled(cached)
    for _ in range(_autocast()[0] - nesting):
        torch.autocast_decrement_nesting()
    torch.clear_autocast_cache()


_inference: list[Any] = []
"""What holds the inference mode as it was: torch takes it back where the object is gone."""


def _set_inference(on: bool) -> None:
    import torch

    _inference.append(torch._C._InferenceMode(on))


def _set_filled(on: bool) -> None:
    import torch

    options: Any = torch.utils.deterministic
    options.fill_uninitialized_memory = on


def _modes() -> tuple[int, int]:
    """Return how many modes are open, for functions and for what is dispatched."""
    import torch

    return torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()


def _close_modes(before: tuple[int, int]) -> None:
    from torch.overrides import _pop_mode
    from torch.utils._python_dispatch import _pop_mode as _pop_dispatch

    for close, now, wanted in zip((_pop_mode, _pop_dispatch), _modes(), before, strict=True):
        for _ in range(now - wanted):
            close()


def _set_device(device: Any) -> None:
    import torch

    torch.set_default_device(None if device == torch.device("cpu") else device)


def _numpy_state() -> tuple[Any, ...]:
    """Return the state as values that can be compared."""
    import numpy as np

    name, key, *rest = np.random.get_state()
    return name, np.asarray(key).tobytes(), *rest


def _set_numpy_state(state: tuple[Any, ...]) -> None:
    import numpy as np

    np.random.set_state((state[0], np.frombuffer(state[1], np.uint32), *state[2:]))


def setters() -> list[tuple[str, Any, str]]:
    """Return what is set, and the function that sets it, by its place and name."""
    found: list[tuple[str, Any, str]] = [
        (FOLDER, os, "chdir"),
        (RANDOM[0], random, "seed"),
        (HANDLERS, signal, "signal"),
        (THREADS, threading.Thread, "start"),
    ]
    # By what is imported, as above.
    if "numpy" in sys.modules:
        import numpy as np

        found.append((RANDOM[1], np.random, "seed"))
    if "torch" in sys.modules:
        import torch

        found += [
            ("torch's default dtype", torch, "set_default_dtype"),
            ("torch's default device", torch, "set_default_device"),
            ("torch's number of threads", torch, "set_num_threads"),
            (_SEED, torch, "manual_seed"),
        ]
    return found
