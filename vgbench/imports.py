"""Imports of large libraries, made quickly."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import without Python's cycle collector, which would look at each new class many times and find nothing."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def quick_exit() -> None:
    """Have this process end without looking for cycles in all that it imported: a third of what PyTorch's import takes.

    For a process that ends with its command; files are closed and what is registered for the exit is called all the
    same.
    """
    atexit.register(gc.freeze)
