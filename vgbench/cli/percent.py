"""Progress of a command that is no run: one line that is drawn again in a terminal, one now and then in a file."""

import sys
import time
from types import TracebackType

from vgbench.cli.common import progress, verbosity

_LINE_EVERY = 30.0
"""Seconds between two lines where stderr is a file."""


class Percent:
    """Called with what is computed, how much of it is done, and how much there is."""

    def __init__(self) -> None:
        """Look at stderr."""
        self._stream = getattr(sys.stderr, "terminal", sys.stderr)
        self._live, self._said, self._width = self._stream.isatty(), time.monotonic(), 0

    def __enter__(self) -> "Percent":
        """Begin."""
        return self

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say so."""
        now = time.monotonic()
        text = f"{what} {done}/{total}" if total > 1 else what
        if verbosity() < 0:
            return
        if self._live:
            self._draw(text)
        elif now - self._said >= _LINE_EVERY:
            self._said = now
            progress(text)

    def _draw(self, text: str) -> None:
        self._stream.write(f"\r{text.ljust(self._width)}\r")
        self._stream.flush()
        self._width = len(text)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave no line behind: a message that follows would run into it."""
        if self._width:
            self._draw("")
