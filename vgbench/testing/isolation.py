"""Keeps a check from changing what others see, and tells whose code raised."""

import contextlib
import importlib
import importlib.util
import os
import random
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vgbench.plugin.guard import settled


def snapshot() -> dict[str, Any]:
    """Return the state of the process that a plugin must leave alone, by the name under which it is reported."""
    kind, keys, *rest = np.random.get_state()  # the global generator is what is looked at
    return {
        "Python's random state": random.getstate(),
        # Bytes, since the comparison of two arrays is not one truth value.
        "NumPy's global random state": (kind, np.asarray(keys).tobytes(), *rest),
        "torch's global random state": torch.get_rng_state().numpy().tobytes(),
        "torch's default dtype": torch.get_default_dtype(),
        "the working directory": str(Path.cwd()),
        "whether gradients are recorded": torch.is_grad_enabled(),
        "torch's number of threads": torch.get_num_threads(),
    }


def changed(before: dict[str, Any], ignore: tuple[str, ...] = ()) -> list[str]:
    """Name what is no longer as it was at `before`."""
    now = snapshot()
    return [name for name, value in before.items() if name not in ignore and now[name] != value]


@contextlib.contextmanager
def isolated(seed: int = 0) -> Iterator[None]:
    """Seed all global generators within, restore the process's state after, and keep stdout for results."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    dtype, folder, threads, grad = (
        torch.get_default_dtype(),
        Path.cwd(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
    )
    try:
        seed_all(seed)
        torch.set_grad_enabled(True)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.set_grad_enabled(grad)
        os.chdir(folder)
        settled()


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def package_of(module: str) -> str:
    """Return the top-level package of a module."""
    return module.partition(".")[0]


@contextlib.contextmanager
def fresh_modules(package: str) -> Iterator[None]:
    """Let the modules of a package be imported again within; after that the old ones are back."""
    ours = [name for name in sys.modules if package_of(name) == package]
    kept = {name: sys.modules.pop(name) for name in ours}
    try:
        yield
    finally:
        for name in [name for name in sys.modules if package_of(name) == package]:
            del sys.modules[name]
        # The old ones again: a class that is imported twice is two classes, and isinstance tells them apart.
        sys.modules.update(kept)


def place(err: BaseException, module: str) -> str:
    """`file:line` of the plugin's own code in which an error arose; empty if it has no part in it."""
    roots = _roots(package_of(module))
    seen: BaseException | None = err
    found = ""
    while seen is not None:
        # Code that cannot be compiled has no frame; the error itself knows file and line.
        if isinstance(seen, SyntaxError) and seen.filename and _within(seen.filename, roots):
            return f"{seen.filename}:{seen.lineno}"
        for frame in traceback.extract_tb(seen.__traceback__):
            if _within(frame.filename, roots):
                found = f"{frame.filename}:{frame.lineno}"
        # The plugin's own error may lie behind one of ours (`raise ... from err`).
        seen = seen.__cause__
    return found


def _roots(package: str) -> list[str]:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # ValueError: the module has no __spec__
        return []
    if spec is None:
        return []
    return list(spec.submodule_search_locations or [spec.origin or ""])


def _within(file: str, roots: list[str]) -> bool:
    # With the separator: /a/plugin is not the folder of /a/plugin_two.
    return any(root and (file == root or file.startswith(root.rstrip(os.sep) + os.sep)) for root in roots)
