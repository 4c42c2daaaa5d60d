"""What an executor is: it takes jobs and says how they ended. Which, when and how often is the scheduler's matter."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

PASSED_ON = ("VGBENCH_CACHE", "VGBENCH_CHECKPOINT_SECONDS", "VGBENCH_LOGGERS", "VGBENCH_PLUGIN_TIMEOUT")
"""Variables of the environment that a worker on another machine is given too."""


@dataclass(frozen=True)
class Job:
    """One run, in plain values: what crosses over to another process or machine.

    Attributes:
        folder: the run folder, with its config.yaml; relative to `cwd` unless absolute.
        key: that the configuration has to have on the worker too.
        root: folder of the suite, and `token`, the content of its file `.token`: whether a worker sees the same disk.
        argv: the command line, for the record.
        share: folder of checkpoints that runs share, or None.
        threads: of a run.
        env: variables of the environment.
        plugins: where each plugin comes from, with the hashes of its source, which have to be the worker's, too.
        strata: that some task has to be of, and where each is asked for.
        device: on which device of a kind, where there are several; None: as its configuration says.
    """

    folder: str
    key: str
    root: str
    token: str
    argv: tuple[str, ...] = ()
    share: str | None = None
    threads: int = 1
    cwd: str = "."
    env: Mapping[str, str] = field(default_factory=dict)
    plugins: Sequence[Mapping[str, Any]] = ()
    device: str | None = None
    strata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    Attributes:
        outcome: "done", "failed" (`reason` says why), "interrupted" (after `stop`), "elsewhere": another process
            computes it, or "died": the worker is gone without a word, and the same job may be submitted again.
    """

    job: Job
    outcome: str
    reason: str = ""


@dataclass(frozen=True)
class Resources:
    """What the user said about where to compute.

    Attributes:
        workers: runs at once; None: as many as fit.
        threads: of each run.
        address: of an existing cluster, for executors that know one.
        gpu: whether a run wants a GPU.
        devices: of this machine, one run at a time on each; none: as each run says.
    """

    workers: int | None = None
    threads: int = 1
    address: str | None = None
    gpu: bool = False
    devices: tuple[str, ...] = ()


_T = TypeVar("_T")
_POLL = 0.05  # seconds


def wait_until(look: Callable[[], list[_T]], timeout: float) -> list[_T]:
    """Look again and again until there is something, at most `timeout` seconds; return what there is."""
    end = time.monotonic() + timeout
    while not (found := look()) and time.monotonic() < end:
        time.sleep(_POLL)
    return found


class Executor(ABC):
    """Computes jobs, several at once. It is an entry point of the group `vgbench.executors`, whose name users give.

    A worker calls `worker.perform(job)`, which never raises, and lets SIGINT through to its main thread.
    """

    @classmethod
    def check(cls, place: Resources) -> None:
        """Raise a UsageError if what it needs is not installed, or if it does not take these options."""
        return

    slots: int
    """Jobs that it can compute at once."""

    @abstractmethod
    def __init__(self, place: Resources) -> None:
        """Get ready; `check` has passed."""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Start a job; called at most `slots` times more than jobs have ended."""

    @abstractmethod
    def finished(self, timeout: float) -> list[JobResult]:
        """Wait up to `timeout` seconds for a job to end; return those that have, each once."""

    @abstractmethod
    def stop(self) -> None:
        """Ask all running jobs to save their state and end; they end as "interrupted"."""

    @abstractmethod
    def close(self) -> None:
        """End whatever still runs, at once, and free what is held."""
