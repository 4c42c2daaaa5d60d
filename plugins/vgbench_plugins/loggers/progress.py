"""Progress of a run on stderr: one line for each stage, with count, rate and time left."""

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import ProgressColumn, Task, TaskID
from rich.text import Text

from vgbench.api import hookimpl

_LINE_EVERY = 30.0  # seconds between two lines where stderr is a file
_LONGEST = 40
"""Columns of a bar."""
_NAME, _NOTE = 19, 17  # the longest is baseline-uninformed
"""Columns of the stage's name and of the loss, in a terminal of 74 or more."""


class Progress:
    """One bar for each stage; plain lines, now and then, where stderr is not a terminal.

    `vgbench -q` shows nothing of it, and `-v` every figure that the stage reports, not the loss alone: stderr has the
    attribute `verbosity`, -1, 0 or 1.
    """

    def __init__(self) -> None:
        """Look at stderr."""
        self._verbosity = int(getattr(sys.stderr, "verbosity", 0))
        # `vgbench` shows escapes of what is printed in its place, but a bar is drawn with them.
        stream = getattr(sys.stderr, "terminal", sys.stderr)
        self._console = Console(file=stream, quiet=self._verbosity < 0)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._total, self._first, self._began, self._said, self._unit = 0, 0, 0.0, 0.0, ""

    @hookimpl
    def vgbench_run_started(self, title: str, folder: str) -> None:
        """Say what runs and where."""
        self._print(f"{title} -> {folder}")

    @hookimpl
    def vgbench_stage_started(self, stage: str, total: int, done: int, unit: str) -> None:
        """Open a bar."""
        self._total, self._first, self._unit = total, done, unit
        self._began = self._said = time.monotonic()
        if self._live:
            self._bar = Bar(
                _Line(self._console, self._verbosity > 0), console=self._console, disable=self._verbosity < 0
            )
            self._task = self._bar.add_task(stage, total=total, completed=done, rate=0.0, note="")
            self._bar.start()

    @hookimpl
    def vgbench_stage_progress(self, stage: str, done: int, logs: dict[str, Any]) -> None:
        """Move the bar, or print a line."""
        now = time.monotonic()
        # The first call may come before the clock has moved.
        rate = (done - self._first) / max(now - self._began, 1e-9)
        shown = logs if self._verbosity > 0 or "loss" not in logs else {"loss": logs["loss"]}
        note = _figures(shown)
        due = now - self._said >= _LINE_EVERY and rate > 0
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, rate=rate, note=_figures(logs) if "loss" not in logs else note)
            if self._verbosity > 0 and logs and due:
                self._said = now
                self._print(f"{stage} {done}: {note}")
        elif due:
            self._said = now
            left = clock((self._total - done) / rate)
            units = f"{self._unit[:-1]}ies" if self._unit.endswith("y") else f"{self._unit}s"
            head = f"{stage}: {done}/{self._total} {units}, {short(rate)}/s, {left} left"
            self._print(f"{head}, {note}" if note else head)

    @hookimpl
    def vgbench_noted(self, text: str) -> None:
        """Print a line above the bar."""
        self._print(f"note: {text}")

    @hookimpl
    def vgbench_run_stopped(self, status: str) -> None:
        """Close what is open: a bar that still draws would run into the message that follows."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    @hookimpl
    def vgbench_stage_ended(self, stage: str) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        else:
            self._print(f"{stage}: done in {time.monotonic() - self._began:.1f} s")

    def _print(self, text: str) -> None:
        encoding = self._console.encoding
        # Without markup: a name or path in brackets would be taken for a style.
        plain = text.encode(encoding, "backslashreplace").decode(encoding)
        self._console.print(plain, markup=False, highlight=False, soft_wrap=True)


class _Line(ProgressColumn):
    """A stage in one line, made for the whole width: rich itself would share the width out and crop every part."""

    def __init__(self, console: Console, verbose: bool) -> None:
        super().__init__()
        self._console, self._room = console, 200 if verbose else _NOTE

    def render(self, task: Task) -> Text:
        encoding, width = self._console.encoding.lower().replace("-", ""), self._console.width
        done, total = int(task.completed), int(task.total or 0)
        rate, note = task.fields["rate"], task.fields["note"]
        shown = parts(task.description, done, total, rate, note, width - 1, encoding.startswith("utf"), self._room)
        name, bar, rest = shown
        return Text.assemble(name, (bar, "cyan"), rest, no_wrap=True, overflow="crop")


def parts(
    name: str, done: int, total: int, rate: float, note: str, width: int, unicode: bool = True, room: int = _NOTE
) -> tuple[str, str, str]:
    """Return name, bar and the rest of a stage's line, together at most `width` characters.

    Name, count and time left always stand, in columns of fixed width; as the width shrinks the note is cropped first,
    then note, bar and rate are dropped.

    Args:
        name: of the stage.
        done: units done.
        total: units of the stage.
        rate: units per second; 0 while it is not known.
        note: the loss.
        width: of the line.
        unicode: whether the terminal has the characters of the bar.
        room: columns for the note.
    """
    digits = len(str(total))
    left = clock((total - done) / rate) if rate > 0 else "-:--"
    count = f"  {done:>{digits}}/{total}"
    speed, time_left = f"  {short(rate) if rate > 0 else '-':>5}/s", f"  {left:>7} left"
    columns = _NAME if width >= 74 else max(6, min(10, width - len(count) - len(time_left)))
    rest = count + (speed if columns + len(count) + len(speed) + len(time_left) <= width else "") + time_left
    free = width - columns - len(rest)
    room = min(room, free - 8)
    if room >= 8:
        # Held open while there is no loss yet, so that nothing moves when it comes.
        rest += f"  {_cropped(note, room - 2, unicode):<{room - 2}}"
        free -= room
    bar = _bar(done / total if total else 0.0, min(free - 1, _LONGEST), unicode) if free >= 6 else ""
    return f"{_cropped(name, columns, unicode):<{columns}}", f" {bar}" if bar else "", rest


def _bar(share: float, width: int, unicode: bool) -> str:
    full = round(min(share, 1.0) * width)
    return ("━" if unicode else "#") * full + ("┄" if unicode else "-") * (width - full)


def _cropped(text: str, width: int, unicode: bool) -> str:
    return text if len(text) <= width else text[: width - 1] + ("…" if unicode else "~")


def _figures(logs: Mapping[str, Any]) -> str:
    return " ".join(f"{name} {value:.4g}" for name, value in logs.items())


def short(value: float) -> str:
    """Return a rate in at most five characters: `6.33`, `123`, `12.3k`."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= 999.5 * size / 1e3:
            return f"{_three(value / size)}{unit}"
    return _three(value)


def _three(value: float) -> str:
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}"


def clock(seconds: float) -> str:
    """Return a time as on a clock: `0:47`, `12:05`, `3:02:10`, `2d 03 h`."""
    whole = math.ceil(seconds)
    if whole >= 100 * 3600:
        return f"{whole // 86400}d {whole % 86400 // 3600:02} h"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
