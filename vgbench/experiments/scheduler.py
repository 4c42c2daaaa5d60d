"""Keeps an executor busy with cells: goes on past failures, and starts again what died."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from vgbench.experiments.executors.base import Executor, Job, JobResult
from vgbench.storage.interrupt import Stop

RETRIES = 2
"""Times that a cell is started again after its worker died."""

_POLL = 0.2  # seconds between two looks at what asks to stop
_PATIENCE = 1.0  # seconds between two looks at what other commands compute


@dataclass
class Scheduler:
    """Computes jobs; calls `ended` for each, in the order in which they end.

    Attributes:
        jobs: what there is to do.
        required_stages: for a job's key, the names of training stages that it would compute and others need too; while
            one job computes such a stage, no other that needs it is started.
        exists: whether such a thing is there already.
        ended: called with every job that is over.
        say: called with a line for each job that is started again.
        elsewhere: says of a job that waits whether another command computes it, or something that it needs, right now.
        ended_elsewhere: how another command has ended a job; None if none has.
        watch: called again and again with the jobs that are running.
    """

    executor: Executor
    jobs: Collection[Job]
    ended: Callable[[JobResult], None]
    say: Callable[[str], None]
    required_stages: Mapping[str, Collection[str]]
    exists: Callable[[str], bool]
    elsewhere: Callable[[Job], bool] = lambda job: False
    ended_elsewhere: Callable[[Job], JobResult | None] = lambda job: None
    watch: Callable[[Sequence[Job]], None] = lambda running: None

    def run(self, stop: Stop) -> None:
        """Work until nothing is left.

        Raises:
            KeyboardInterrupt: `stop` was requested; the running jobs have saved their state.
        """
        pending, running, deaths = list(self.jobs), list[Job](), dict[str, int]()
        told = False
        try:
            while pending or running:
                if stop.requested:
                    self._drain(running)
                    raise KeyboardInterrupt
                if not running and pending and not self._next(pending, running):
                    if not told:
                        self.say(f"{len(pending)} runs are being computed by other commands; waiting for them")
                        told = True
                    time.sleep(_PATIENCE)
                self._take_over_endings(pending)
                while len(running) < self.executor.slots and (job := self._next(pending, running)):
                    pending.remove(job)
                    running.append(job)
                    self.executor.submit(job)
                self.watch(running)
                for ending in self.executor.finished(_POLL):
                    running.remove(ending.job)
                    if ending.outcome == "elsewhere":
                        pending.append(ending.job)
                    elif self._again(ending, deaths):
                        # In front, since others may wait for a stage that it was computing.
                        pending.insert(0, ending.job)
                    else:
                        self.ended(ending)
        finally:
            self.executor.close()

    def _next(self, pending: Collection[Job], running: Collection[Job]) -> Job | None:
        """First job that waits for nothing that another one is computing."""
        busy = {name for job in running for name in self.required_stages.get(job.key, ()) if not self.exists(name)}
        for job in pending:
            if busy.isdisjoint(self.required_stages.get(job.key, ())) and not self.elsewhere(job):
                return job
        return None

    def _take_over_endings(self, pending: list[Job]) -> None:
        """Note the jobs that another command has ended meanwhile."""
        for job in list(pending):
            ending = self.ended_elsewhere(job)
            if ending is not None:
                pending.remove(job)
                self.ended(ending)

    def _again(self, ending: JobResult, deaths: dict[str, int]) -> bool:
        if ending.outcome != "died" or deaths.get(ending.job.folder, 0) >= RETRIES:
            return False
        deaths[ending.job.folder] = deaths.get(ending.job.folder, 0) + 1
        self.say(f"{ending.job.folder}: {ending.reason}; it resumes from its checkpoint")
        return True

    def _drain(self, running: list[Job]) -> None:
        """Have the running jobs save their state; a second signal raises KeyboardInterrupt and ends the wait."""
        self.say("stopping: running ones save their state")
        self.executor.stop()
        while running:
            for ending in self.executor.finished(_POLL):
                running.remove(ending.job)
                self.ended(ending)
