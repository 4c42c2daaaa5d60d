"""Ctrl-C and SIGTERM between two steps, not inside one: work is saved first."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Set by the first signal; the loops look at it between steps. A second signal interrupts at once, a third ends."""

    def __init__(self) -> None:
        """Not requested yet."""
        self.requested = False
        self._interrupted = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Signal handler."""
        if self._interrupted:
            # Whoever caught the interrupt, a plugin maybe, goes on for ever. Checkpoints are whole at any moment.
            os.write(2, b"interrupted\n")
            os._exit(130)
        if self.requested:
            self._interrupted = True
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def deferred_interrupts() -> Iterator[Stop]:
    """Turn SIGINT and SIGTERM into a request; does nothing outside of the main thread."""
    stop = Stop()
    # Python lets the main thread alone set signal handlers.
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    old = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
