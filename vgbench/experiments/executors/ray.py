"""Runs on a Ray cluster: an existing one (`--address`), or one that is started on this machine for the time being."""

import os
import socket
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from vgbench import hardware
from vgbench.errors import UsageError, VgbenchError
from vgbench.experiments.executors import base
from vgbench.experiments.executors.base import Job, JobResult, Resources
from vgbench.extras import install
from vgbench.storage.files import appending

_STORE = 80 * 2**20
"""Bytes of a local cluster's object store, which is hardly used (Ray wants at least 75 MiB): results go to the disk."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_enable_metrics_collection": "0",
}


class Executor(base.Executor):
    """A Ray task for each run, in a process of its own. The folder has to be on a disk that all nodes share."""

    @classmethod
    def check(cls, place: Resources) -> None:
        """Refuse to begin without Ray."""
        _ray()

    def __init__(self, place: Resources) -> None:
        """Connect to the cluster, or start one.

        Raises:
            VgbenchError: there is no cluster at the address.
        """
        self._ray = ray = _ray()
        quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": place.address is None}
        where: dict[str, Any] = {"address": place.address}
        if place.address is None:
            cpus = place.workers * place.threads if place.workers else hardware.cores()
            # "local": without an address Ray would join a cluster that somebody else started on this machine.
            where = {"address": "local", "include_dashboard": False, "object_store_memory": _STORE, "num_cpus": cpus}
        try:
            if place.address is not None:
                _knock(place.address)
            ray.init(**where, **quiet)
        except Exception as err:  # Ray raises many kinds
            raise VgbenchError(_refusal(place, err)) from err
        self.slots = place.workers or _room(ray.cluster_resources(), place)
        # No retries of Ray's own: it is the scheduler that counts deaths. A process is not used twice: what one run
        # leaves in it (threads, generators of random numbers) is nothing to the next one.
        options = {"num_cpus": place.threads, "num_gpus": int(place.gpu), "max_retries": 0, "max_calls": 1}
        self._task = ray.remote(**options)(_perform)
        self._running: dict[Any, Job] = {}
        self._stopping = False

    def submit(self, job: Job) -> None:
        """Hand a job to the cluster."""
        self._running[self._task.remote(job)] = job

    def finished(self, timeout: float) -> list[JobResult]:
        """Wait for the next task to end."""
        if not self._running:
            return []
        over, _ = self._ray.wait(list(self._running), num_returns=1, timeout=timeout)
        return [self._ending(reference) for reference in over]

    def _ending(self, reference: Any) -> JobResult:
        job, errors = self._running.pop(reference), self._ray.exceptions
        gone = (errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError, errors.OutOfMemoryError)
        try:
            return JobResult(job, **self._ray.get(reference))
        except (errors.TaskCancelledError, KeyboardInterrupt):
            return JobResult(job, "interrupted")
        except gone as err:
            if self._stopping:
                return JobResult(job, "interrupted")
            return JobResult(job, "died", f"its worker is gone ({type(err).__name__}); see {job.folder}/log.txt")
        except errors.RayError as err:
            return JobResult(job, "failed", f"{type(err).__name__}: {_first(err)}")

    def stop(self) -> None:
        """Have Ray raise SIGINT's handler in every task; one that has not begun is dropped."""
        self._stopping = True
        for reference in self._running:
            self._ray.cancel(reference, force=False)

    def close(self) -> None:
        """Kill what still runs and disconnect; a cluster that was started here ends."""
        for reference in self._running:
            with suppress(Exception):  # whatever it is, the cluster's end ends it
                self._ray.cancel(reference, force=True)
        self._running.clear()
        self._ray.shutdown()


def _perform(job: Job) -> dict[str, str]:
    """Compute a job on a node; what it says goes to the run's log."""
    from vgbench.experiments import worker

    try:
        os.chdir(job.cwd)
        log = appending(Path(job.folder) / "log.txt", buffering=1)
    except OSError:
        return worker.perform(job)  # which says that the folder is not there
    with log, redirect_stderr(log), redirect_stdout(log):
        return worker.perform(job)


def _room(resources: dict[str, float], place: Resources) -> int:
    """Runs that fit into a cluster at once."""
    room = resources.get("CPU", 0) // place.threads
    if place.gpu:
        room = min(room, resources.get("GPU", 0))
    if room < 1:
        wanted = f"{place.threads} CPUs" + (" and a GPU" if place.gpu else "")
        raise VgbenchError(f"the cluster has no room for a run, which takes {wanted}")
    return int(room)


def _ray() -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ImportError as err:
        raise UsageError(f"--executor ray: Ray is not installed ({err}); run {install('ray')}") from err
    return ray


def _first(err: BaseException) -> str:
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    return lines[0] if lines else type(err).__name__


def _refusal(place: Resources, err: BaseException) -> str:
    if place.address is None:
        return f"cannot start a local Ray cluster: {_first(err)}"
    return (
        f"--address {place.address}: no Ray cluster answers there ({_first(err)}); see `ray status`. If it asks for a "
        "token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
    )


def _knock(address: str) -> None:
    """Raise an OSError if nobody listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
