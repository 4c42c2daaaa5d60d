"""Where a run stands, in a small file of its folder while a worker computes it: for who watches a suite or sweep."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from vgbench.api import hookimpl
from vgbench.storage.files import parse_json, read_bytes, replacing

NAME = "progress.json.partial"  # so called, it is removed with what a killed run left unfinished
_EVERY = 1.0  # seconds between two writes
_MOST = 4096  # bytes that are read


@dataclass(frozen=True)
class StagePosition:
    """Units done in a stage; `seconds_left` of the stage is None while its rate is not known."""

    stage: str
    done: int
    total: int
    seconds_left: float | None = None

    @property
    def percent(self) -> int:
        """Whole percent, 100 only at the end."""
        return 100 * self.done // self.total if self.total else 0


class StageFile:
    """A logger that keeps the file, and removes it when the run stops."""

    def __init__(self, folder: Path) -> None:
        """Write into a run folder."""
        self._path = folder / NAME
        self._total, self._first, self._began, self._written = 0, 0, 0.0, 0.0

    @hookimpl
    def vgbench_stage_started(self, stage: str, total: int, done: int) -> None:
        """Write the stage."""
        self._total, self._first, self._began = total, done, time.monotonic()
        self._write(StagePosition(stage, done, total))

    @hookimpl
    def vgbench_stage_progress(self, stage: str, done: int) -> None:
        """Write the position, at most once a second."""
        now = time.monotonic()
        if now - self._written >= _EVERY and done > self._first:
            left = (self._total - done) * (now - self._began) / (done - self._first)
            self._write(StagePosition(stage, done, self._total, round(left, 1)))

    @hookimpl
    def vgbench_run_stopped(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _write(self, position: StagePosition) -> None:
        self._written = time.monotonic()
        # A full disk is for the run to report. Not synchronised: nothing depends on this file.
        with suppress(OSError), replacing(self._path, flush=False) as trial:
            trial.write_text(json.dumps(asdict(position)), encoding="utf-8")


def position(folder: Path) -> StagePosition | None:
    """Read where a run stands; None if nobody computes it, or nothing can be read."""
    try:
        found = StagePosition(**parse_json(read_bytes(folder / NAME, _MOST)))
        left = found.seconds_left
        numbers = [found.done, found.total, 0 if left is None else left]
        if not isinstance(found.stage, str) or not all(isinstance(n, int | float) and 0 <= n < 2**53 for n in numbers):
            return None
        return found
    except (OSError, ValueError, TypeError):
        return None
