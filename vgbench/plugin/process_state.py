"""State of the process that belongs to everybody: looked at, and put back as it was."""

import functools
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

FOLDER = "the working directory"
HANDLERS = "the handler"
TORCH_RANDOM = "the global random state of torch"
RANDOM = ("the global random state of Python", "the global random state of NumPy", TORCH_RANDOM)
"""Generators that runs do not keep, torch's but in training: what is drawn from them cannot be repeated."""
_SEED = "torch's global seed"


class State:
    """State of the process that a plugin must leave alone, as it is when this is made."""

    def __init__(self, streams: bool = True, draws: bool = True) -> None:
        """Look at it; `streams`: also at standard streams and handlers of signals; `draws`: torch's may be drawn from.

        They may where weights are made and in training: checkpoints hold that state.
        """
        self._draws, self._torch = draws, _torch_states()
        self._folder = _folder()
        # By what is imported: a command without PyTorch does not import it for this.
        self._settings = _settings("torch" in sys.modules, "numpy" in sys.modules, streams)
        self._values = [get() for _, get, _ in self._settings]

    def restored(self) -> dict[str, str]:
        """Put back what has changed since, and say what that was, by its name."""
        changed = {}
        if (folder := _folder()) != self._folder and self._folder is not None:
            changed[FOLDER] = f"{FOLDER} (to {folder})"
            with suppress(OSError):
                os.chdir(self._folder)
        for before, (name, get, put) in zip(self._values, self._settings, strict=True):
            now = get()
            if now is not before and now != before:
                shown = "drawn from, or seeded" if name in RANDOM else f"from {_shown(before)} to {_shown(now)}"
                changed[name] = f"{name} ({shown})"
                put(before)
        if _SEED in changed or not self._draws:
            drawn = [(made, state) for made, state in self._torch if _drawn(made, state)]
            if drawn and _SEED not in changed:
                changed[TORCH_RANDOM] = f"{TORCH_RANDOM} (drawn from)"
            for made, state in drawn:
                made.set_state(state)
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


def _shown(value: object) -> str:
    return repr(value)[:60]


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - a Path would take ten times as long, and this is asked at each step
    except OSError:  # it was deleted
        return None


@functools.cache
def _settings(
    torch_too: bool, numpy_too: bool, streams: bool
) -> list[tuple[str, Callable[[], Any], Callable[[Any], object]]]:
    """Return the name of each value, how to read and how to set it."""
    found: list[tuple[str, Callable[[], Any], Callable[[Any], object]]] = [
        (RANDOM[0], random.getstate, random.setstate)
    ]
    if numpy_too:
        found.append((RANDOM[1], _numpy_state, _set_numpy_state))
    if torch_too:
        import torch

        found += [
            ("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
            ("torch's default device", torch.get_default_device, _set_device),
            ("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
            (
                "whether torch adds in a fixed order",
                torch.get_deterministic_debug_mode,
                torch.set_deterministic_debug_mode,
            ),
            (_SEED, torch.initial_seed, lambda seed: None),  # put back with the whole state of the generator
            ("whether gradients are recorded", torch.is_grad_enabled, torch.set_grad_enabled),
            (
                "the precision of matrix products",
                torch.get_float32_matmul_precision,
                torch.set_float32_matmul_precision,
            ),
        ]
    if streams:
        found += [
            ("sys.stdout", lambda: sys.stdout, lambda stream: setattr(sys, "stdout", stream)),
            ("sys.stderr", lambda: sys.stderr, lambda stream: setattr(sys, "stderr", stream)),
        ]
    if streams and threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            read, put = functools.partial(signal.getsignal, number), functools.partial(signal.signal, number)
            found.append((f"{HANDLERS} of {number.name}", read, put))
    return found


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
