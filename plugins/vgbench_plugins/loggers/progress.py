"""A progress bar on stderr, with rate and time left."""

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from vgbench.api import hookimpl

_LINE_EVERY = 30.0  # seconds between two lines where stderr is a file


class Progress:
    """One bar for each stage; plain lines, now and then, where stderr is not a terminal."""

    def __init__(self) -> None:
        """Look at stderr."""
        # `vgbench` shows escapes of what is printed in its place, but a bar is drawn with them.
        self._console = Console(file=getattr(sys.stderr, "terminal", sys.stderr))
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._total, self._first, self._began, self._said, self._unit = 0, 0, 0.0, 0.0, ""

    @hookimpl
    def vgbench_run_started(self, title: str, folder: str) -> None:
        """Say what runs and where."""
        # Without markup: a name or path in brackets would be taken for a style.
        self._console.print(f"{title} -> {folder}", markup=False, highlight=False, soft_wrap=True)

    @hookimpl
    def vgbench_stage_started(self, stage: str, total: int, done: int, unit: str) -> None:
        """Open a bar."""
        self._total, self._first, self._unit = total, done, unit
        self._began = self._said = time.monotonic()
        if not self._console.is_terminal:
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description:<10}"),
            BarColumn(),
            TextColumn("{task.fields[rate]:>16}"),
        )
        tail = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
        self._bar = Bar(*columns, *tail, console=self._console)
        self._task = self._bar.add_task(stage, total=total, completed=done, rate="", note="")
        self._bar.start()

    @hookimpl
    def vgbench_stage_progress(self, stage: str, done: int, logs: dict[str, Any]) -> None:
        """Move the bar, or print a line."""
        now = time.monotonic()
        # The first call may come before the clock has moved.
        rate = (done - self._first) / max(now - self._began, 1e-9)
        note = " ".join(f"{name} {value:.4g}" for name, value in logs.items())
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, rate=f"{rate:.3g} {self._unit}/s", note=note)
        elif now - self._said >= _LINE_EVERY and rate > 0:
            self._said = now
            left = (self._total - done) / rate
            text = f"{stage}: {done}/{self._total} {self._unit}s, {rate:.3g}/s, {left:.0f} s left  {note}"
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @hookimpl
    def vgbench_noted(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(f"note: {text}", markup=False, highlight=False, soft_wrap=True)

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
            seconds = time.monotonic() - self._began
            self._console.print(f"{stage}: done in {seconds:.1f} s", markup=False, highlight=False, soft_wrap=True)
