"""What a command writes to: control characters made visible, and what plugins print kept out of the results."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO, cast

from vgbench.errors import VgbenchError
from vgbench.text import encodable, printable


class Output(io.TextIOBase):
    """Standard output or error of a command, as text that a terminal only shows.

    Attributes:
        terminal: the stream itself, for who draws on it what no plugin, file or user has written.
        others: where that goes which is not written by vgbench itself; None: to the stream, too.
        failed: whether a result could not be written.
        verbosity: -1 after -q, 1 after -v, else 0; progress and notes go by that of standard error.
    """

    def __init__(self, stream: TextIO, others: TextIO | None = None) -> None:
        """Take the place of `stream`."""
        self.terminal, self.others = stream, others
        self.failed = False
        self.verbosity = 0

    def write(self, text: str) -> int:
        """Write text; characters that the stream's encoding does not have are written as escapes."""
        if self.others is not None and not _ours(sys._getframe(1)):
            return self.others.write(text)
        shown = printable(text)
        with self._told():
            try:
                self.terminal.write(shown)
            except UnicodeEncodeError:
                self.terminal.write(encodable(shown, self.terminal.encoding))
        return len(text)

    def flush(self) -> None:
        """Write what is kept back."""
        with self._told():
            self.terminal.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Note that results cannot be written; of what else cannot be told nobody hears."""
        try:
            yield
        except BrokenPipeError:
            if self.others is not None:  # what is kept back would be tried again at the end, and fail again
                _close(self.terminal)
            raise
        except OSError:
            if self.others is not None:
                self.failed = True
                raise

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self.terminal.isatty()

    def fileno(self) -> int:
        """Return the descriptor: to others than vgbench that of what they print."""
        if self.others is not None and not _ours(sys._getframe(1)):
            return self.others.fileno()
        return self.terminal.fileno()

    def writable(self) -> bool:
        """Return True."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream."""
        return self.terminal.encoding

    def __getattr__(self, name: str) -> Any:
        # Others get what writes below the text, such as `buffer`, of where their own text goes.
        theirs = self.others is not None and not _ours(sys._getframe(1))
        return getattr(self.others if theirs else self.terminal, name)


def _ours(frame: FrameType) -> bool:
    """Whether vgbench itself prints, not a plugin, nor a library that one uses."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in ("vgbench", "click", "typer")


def keep_results_apart() -> None:
    """Let descriptor 1 lead to standard error from now on, and `sys.stdout` alone to standard output.

    Results are then not mixed with what code that is not Python's writes. It lasts until the process ends, since C's
    buffers are written at its end. Does nothing where `sys.stdout` is another file.
    """
    try:
        # A closed one is none to Python, and its number that of the next file that is opened.
        for number, name in ((1, "stdout"), (2, "stderr")):
            if getattr(sys, name) is None:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                closed = os.fdopen(nowhere if nowhere == number else os.dup2(nowhere, number), "w")
                setattr(sys, name, closed)
                setattr(sys, f"__{name}__", closed)  # which keeps it open
        stream = cast("io.TextIOWrapper", sys.stdout)
        if stream.fileno() != 1:
            return
        stream.flush()
        results = os.dup(1)
    except (OSError, ValueError):  # it is no file
        return
    os.dup2(2, 1)
    sys.stdout = io.TextIOWrapper(
        os.fdopen(results, "wb"),
        stream.encoding,
        stream.errors,
        newline=None if os.linesep != "\n" else "\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


@contextmanager
def outputs() -> Iterator[None]:
    """Put both streams in place while a command runs.

    Raises:
        VgbenchError: standard output cannot be written.
    """
    stdout, stderr = sys.stdout, sys.stderr
    # A command inside of another has them in place already.
    results = stdout if isinstance(stdout, Output) else Output(stdout, cast("TextIO", Output(stderr)))
    if results is not stdout:
        sys.stdout, sys.stderr = cast("TextIO", results), cast("TextIO", results.others)
    try:
        try:
            yield
        finally:
            results.flush()
    except BrokenPipeError:
        raise
    except OSError as err:
        if not results.failed:
            raise
        _close(results.terminal)
        raise VgbenchError(f"the result cannot be written to standard output: {err.strerror or err}") from err
    finally:
        sys.stdout, sys.stderr = stdout, stderr


def _close(stream: TextIO) -> None:
    """Let a stream that cannot be written go nowhere: the interpreter would try once more at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
