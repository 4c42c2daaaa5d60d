"""Events of a run as JSON lines, for programs that watch it."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from vgbench.api import hookimpl

EVERY = 1.0
"""Least time between two lines of progress that have no figures, s."""


class JsonLines:
    """Appends a line to RUN/events.jsonl for each event: `{"time": "2026-01-31T12:00:00.000Z", "event": NAME, ...}`.

    Events: `run_started`, `stage_started`, `stage_progress`, `stage_ended`, `noted`, `run_stopped`, `run_ended`, with
    the arguments of the hooks in `vgbench.api.hooks`. A run that goes on appends to the file.
    """

    on_request = True

    def __init__(self) -> None:
        """Wait for a folder."""
        self._file: TextIO | None = None
        self._said = 0.0

    def _write(self, event: str, **arguments: Any) -> None:
        if self._file is not None:
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._file.write(json.dumps({"time": now, "event": event, **arguments}) + "\n")

    @hookimpl
    def vgbench_run_started(self, title: str, folder: str) -> None:
        """Open the file; a line that a killed run left unfinished is ended first."""
        path = Path(folder) / "events.jsonl"
        cut = path.is_file() and not path.is_symlink() and not path.read_bytes().endswith(b"\n")
        # By lines: a reader sees whole ones, at once.
        self._file = open(path, "a", 1, encoding="utf-8", opener=_itself)  # noqa: SIM115 (open as long as the run)
        if cut:
            self._file.write("\n")
        self._write("run_started", title=title, folder=folder)

    @hookimpl
    def vgbench_stage_started(self, stage: str, total: int, done: int, unit: str) -> None:
        """Write the event."""
        # So that the first progress of a stage is not held back by that of the one before.
        self._said = 0.0
        self._write("stage_started", stage=stage, total=total, done=done, unit=unit)

    @hookimpl
    def vgbench_stage_progress(self, stage: str, done: int, logs: dict[str, Any]) -> None:
        """Write the event if it has figures, or if there was none for a second."""
        if logs or time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            self._write("stage_progress", stage=stage, done=done, logs=logs)

    @hookimpl
    def vgbench_stage_ended(self, stage: str) -> None:
        """Write the event."""
        self._write("stage_ended", stage=stage)

    @hookimpl
    def vgbench_noted(self, text: str) -> None:
        """Write the event."""
        self._write("noted", text=text)

    @hookimpl
    def vgbench_run_stopped(self, status: str) -> None:
        """Write the event; close the file unless the result is still to come."""
        self._write("run_stopped", status=status)
        if status != "done":
            self._close()

    @hookimpl
    def vgbench_run_ended(self, result: dict[str, Any]) -> None:
        """Write the event with the whole result, and close the file."""
        self._write("run_ended", result=result)
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _itself(path: str, flags: int) -> int:
    """Open a file, not what a link leads to, and a pipe without waiting for its other end."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
