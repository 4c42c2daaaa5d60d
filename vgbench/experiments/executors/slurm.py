"""Runs as jobs of a Slurm cluster, through submitit; `--address local` tries the same on this machine without Slurm."""

import os
import shutil
from pathlib import Path
from typing import Any

from vgbench.errors import UsageError, VgbenchError
from vgbench.experiments.executors import base
from vgbench.experiments.executors.base import Job, JobResult, Resources, wait_until
from vgbench.extras import install
from vgbench.storage import yaml_file

VARIABLE = "VGBENCH_SLURM"
FOLDER = ".slurm"
"""Folder of submitit's files, within a suite's."""
SLOTS = 64
"""Jobs in the queue at once, where --workers does not say."""


class Executor(base.Executor):
    """A Slurm job for each run. The folder has to be on a disk that all nodes share.

    VGBENCH_SLURM has what a job asks for, in submitit's words: `slurm_partition=gpu,timeout_min=240,mem_gb=8`.
    """

    @classmethod
    def check(cls, place: Resources) -> None:
        """Refuse to begin without submitit, with devices, or with parameters that are none."""
        if place.devices:
            raise UsageError("--devices is for this machine; with --executor slurm, Slurm chooses the device")
        if place.address not in (None, "slurm", "local"):
            raise UsageError(f"--address {place.address}: with --executor slurm: slurm, or local to try it here")
        _submitit()
        _asked()
        if place.address != "local" and shutil.which("sbatch") is None:
            raise UsageError("--executor slurm: there is no sbatch here; run it on a login node, or --address local")

    def __init__(self, place: Resources) -> None:
        """Keep what jobs will ask for; the first one makes the connection."""
        self.slots = place.workers or SLOTS
        self._place = place
        self._queue: Any = None
        self._running: dict[Any, Job] = {}
        self._stopping = False

    def submit(self, job: Job) -> None:
        """Hand a job to Slurm."""
        if self._queue is None:
            self._queue = self._connected(Path(job.root))
        self._running[self._queue.submit(_perform, job)] = job

    def _connected(self, root: Path) -> Any:
        try:
            queue = _submitit().AutoExecutor(folder=root.absolute() / FOLDER, cluster=self._place.address)
            gpus = {"gpus_per_node": 1} if self._place.gpu else {}
            queue.update_parameters(name="vgbench", cpus_per_task=self._place.threads, **gpus, **_asked())
        except Exception as err:  # submitit raises many kinds
            raise VgbenchError(f"--executor slurm: {type(err).__name__}: {err}") from err
        return queue

    def finished(self, timeout: float) -> list[JobResult]:
        """Look at all jobs until one has ended."""
        over = wait_until(lambda: [queued for queued in self._running if queued.done()], timeout)
        return [self._ending(queued) for queued in over]

    def _ending(self, queued: Any) -> JobResult:
        job = self._running.pop(queued)
        try:
            return JobResult(job, **queued.result())
        except Exception as err:  # of a job that Slurm ended: submitit has kinds of its own
            if self._stopping:
                return JobResult(job, "interrupted")
            lines = [line for line in str(err).splitlines() if line.strip()]
            reason = lines[0] if lines else type(err).__name__
            return JobResult(job, "died", f"its job {queued.job_id} ended without a message ({reason}); see {FOLDER}")

    def stop(self) -> None:
        """Cancel all jobs; checkpoints are whole at any moment, so that they resume."""
        self._stopping = True
        for queued in self._running:
            queued.cancel(check=False)

    def close(self) -> None:
        """Cancel what still runs."""
        self.stop()
        self._running.clear()


def _perform(job: Job) -> dict[str, str]:
    from vgbench.experiments.worker import perform

    return perform(job)


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as err:
        raise UsageError(f"--executor slurm needs submitit: {install('slurm')}") from err
    return submitit


def _asked() -> dict[str, Any]:
    """What VGBENCH_SLURM asks for, by submitit's names.

    Raises:
        UsageError: it is of another form.
    """
    found: dict[str, Any] = {}
    for part in os.environ.get(VARIABLE, "").split(","):
        name, equals, value = part.strip().partition("=")
        if not part.strip():
            continue
        if not equals or not name.isidentifier() or not value:
            raise UsageError(f"{VARIABLE}={os.environ[VARIABLE]}: expected NAME=VALUE,..., as in slurm_partition=gpu")
        found[name] = yaml_file.parse(value, VARIABLE)
    return found
