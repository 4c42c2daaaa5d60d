"""Counts the runs of a suite or sweep as they end, and estimates the time that is left."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vgbench.text import duration, rate_text

if TYPE_CHECKING:
    from vgbench.experiments.cells import CellOutcome, RunCell
    from vgbench.experiments.executors.base import JobResult


class ProgressReporter:
    """Outcomes by cell. One line is said for each run that ends, with success rate, time and an estimate."""

    def __init__(self, cells: "Sequence[RunCell]", again: bool, say: Callable[[str], None]) -> None:
        """Say which cells are complete; with `again` those that failed before are waiting too."""
        from vgbench.experiments.cells import CellOutcome

        self.slots = 1
        self._say, self._began = say, time.monotonic()
        self._outcomes: dict[str, CellOutcome] = {}
        for cell in cells:
            if cell.stale:
                where, key = cell.stale["folder"], cell.stale["key"]
                say(f"{cell.name}: {where} holds other values (key {key}) and stays, stale; this one is {cell.folder}")
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

    def ended(self, ending: "JobResult") -> None:
        """Note how a run ended, and say it."""
        from vgbench.storage.run_folder import RunFolder

        outcome = self._outcomes[ending.job.folder]
        outcome.status, outcome.reason = ending.outcome, ending.reason
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

    def _left(self) -> str:
        """Estimate the time left; those that are running are taken to be half done."""
        passed, left = time.monotonic() - self._began, self._all - self._over
        if not left:
            return f"all in {duration(passed)}"
        done = self._over + min(self.slots, left) / 2
        return f"about {duration(passed / done * (self._all - done))} left"
