"""Follows the runs of a suite or sweep: which are running and where they stand, how they ended, the time left."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vgbench.text import duration, rate_text

if TYPE_CHECKING:
    from vgbench.experiments.cells import CellOutcome, RunCell
    from vgbench.experiments.executors.base import Job, JobResult
    from vgbench.experiments.stage_file import StagePosition

_EVERY = 1.0  # seconds between two looks at the running ones


@dataclass(frozen=True)
class Snapshot:
    """The state of a suite or sweep at one moment.

    Attributes:
        running: names of the runs that are being computed, each with its position; None: not known (yet).
        over: runs that this command has seen end, of `total`.
        left: the time left, in words.
    """

    running: "Sequence[tuple[str, StagePosition | None]]"
    over: int
    total: int
    left: str


class Watcher:
    """Someone who watches a suite or sweep; this one does nothing."""

    def planned(self, cells: "Sequence[RunCell]", complete: int, slots: int, share: Path) -> str:
        """Hear, before the first run starts, what will be computed.

        Args:
            cells: runs to compute.
            complete: number of runs that are complete already.
            slots: runs at once.
            share: folder of the training stages that runs share.

        Returns:
            The time that it will take, in words; empty if it is not known.
        """
        return ""

    def running(self, now: Snapshot) -> None:
        """See the present state, about once a second."""

    def close(self) -> None:
        """Stop watching."""


class ProgressReporter:
    """Outcomes by cell. One line is said for each run that ends, with success rate, time and an estimate."""

    def __init__(
        self, cells: "Sequence[RunCell]", again: bool, say: Callable[[str], None], watch: Watcher | None = None
    ) -> None:
        """Say which cells are complete; with `again` those that failed before are waiting too."""
        from vgbench.experiments.cells import CellOutcome

        self._slots, self._expected = 1, ""
        self._say, self._watch = say, watch or Watcher()
        self._began, self._looked = time.monotonic(), 0.0
        self._outcomes: dict[str, CellOutcome] = {}
        for cell in cells:
            if cell.stale:
                where, key = cell.stale["folder"], cell.stale["key"]
                say(f"{cell.name}: {where} holds other values (key {key}) and is kept (stale); this run: {cell.folder}")
            other = f"made before a change of {'; '.join(map(str, cell.changes))}" if cell.changes else ""
            if cell.state == "complete":
                say(f"{cell.name}: complete{', ' if other else ''}{other}")
            status = {"complete": "complete", "failed": "waiting" if again else "failed"}.get(cell.state, "waiting")
            reason = {"failed": cell.reason, "complete": other}.get(status, "")
            self._outcomes[str(cell.folder)] = CellOutcome(cell, status, reason, cell.result)
        self._all = len(self.waiting())
        self._over = 0

    def waiting(self) -> "list[RunCell]":
        """Return the cells that are still to be computed."""
        return [outcome.cell for outcome in self._outcomes.values() if outcome.status == "waiting"]

    def outcomes(self) -> "list[CellOutcome]":
        """Return all outcomes, in the order of the cells."""
        return list(self._outcomes.values())

    def planned(self, slots: int, share: Path) -> None:
        """Announce what will be computed, so many at once."""
        self._slots = min(slots, self._all)
        complete = sum(outcome.status == "complete" for outcome in self._outcomes.values())
        self._expected = self._watch.planned(self.waiting(), complete, self._slots, share)
        self._began = time.monotonic()

    def running(self, jobs: "Sequence[Job]") -> None:
        """Look at the jobs that are running, now and then."""
        from vgbench.experiments.stage_file import position

        now = time.monotonic()
        if now - self._looked < _EVERY:
            return
        self._looked = now
        states = [(self._outcomes[job.folder].cell.name, position(Path(job.folder))) for job in jobs]
        self._watch.running(Snapshot(states, self._over, self._all, self._left()))

    def ended(self, ending: "JobResult") -> None:
        """Note how a run ended, and say it."""
        from vgbench.storage.run_folder import RunFolder

        outcome = self._outcomes[ending.job.folder]
        outcome.status, outcome.reason = ending.outcome, ending.reason
        self._looked = 0.0  # the next look shows one run less
        if ending.outcome == "interrupted":
            return
        self._over += 1
        head = f"[{self._over}/{self._all}] {outcome.cell.name}"
        result = RunFolder(outcome.cell.folder).result() if ending.outcome == "done" else None
        if result is not None:
            outcome.result = result
            self._say(f"{head}: {rate_text(result)}  in {duration(result['seconds'])}; {self._left()}")
        else:
            outcome.status = "failed"
            self._say(f"{head}: failed: {ending.reason}; {self._left()}")

    def close(self) -> None:
        """Let the watcher go."""
        self._watch.close()

    def _left(self) -> str:
        """Estimate the time left from the runs that have ended; those that are running are taken to be half done."""
        passed, left = time.monotonic() - self._began, self._all - self._over
        if not left:
            return f"total time {duration(passed)}"
        if not self._over:
            gone = duration(float(round(passed)))
            return f"{gone} of {self._expected}" if self._expected else f"{gone} so far"
        done = self._over + min(self._slots, left) / 2
        return f"about {duration(passed / done * (self._all - done))} left"
