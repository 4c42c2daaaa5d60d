"""Runs in processes of this machine."""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from vgbench import hardware
from vgbench.errors import UsageError, VgbenchError
from vgbench.experiments.executors import base
from vgbench.experiments.executors.base import Job, JobResult, Resources, wait_until
from vgbench.storage.files import appending


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen[str]
    log: IO[str]
    device: str | None


class Executor(base.Executor):
    """A process for each run, one thread each by default; what it says goes to the run's log.txt."""

    @classmethod
    def check(cls, place: Resources) -> None:
        """Refuse an address."""
        if place.address is not None:
            raise UsageError(f"--address {place.address}: the executor 'local' has no cluster; add --executor ray")

    def __init__(self, place: Resources) -> None:
        """Take as many runs at once as there are cores for them (on a GPU: one)."""
        self._free = list(place.devices)
        usual = 1 if place.gpu else max(1, hardware.cores() // place.threads)
        self.slots = len(self._free) or place.workers or usual
        self._threads = str(place.threads)
        self._running: list[_Running] = []
        self._stopping = False

    def submit(self, job: Job) -> None:
        """Start a process; its standard input, which it watches, ends when this process does."""
        device = self._free.pop(0) if self._free else None
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), self._threads)
        path = Path(job.folder) / "log.txt"
        try:
            log = appending(path)
        except OSError as err:
            raise VgbenchError(f"cannot write {path}: {err.strerror or err}") from err
        process = subprocess.Popen(
            [sys.executable, "-m", "vgbench.experiments.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | job.env | threads,
            start_new_session=True,  # a terminal's Ctrl-C reaches this process alone, which passes it on once
        )
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it died at once; `finished` sees that
            process.stdin.write(json.dumps(asdict(replace(job, device=device))) + "\n")
            process.stdin.flush()
        self._running.append(_Running(job, process, log, device))

    def finished(self, timeout: float) -> list[JobResult]:
        """Look at all processes until one has ended."""
        over = wait_until(lambda: [running for running in self._running if running.process.poll() is not None], timeout)
        return [self._ending(running) for running in over]

    def _ending(self, running: _Running) -> JobResult:
        self._running.remove(running)
        if running.device is not None:
            self._free.append(running.device)
        process = running.process
        assert process.stdout is not None and process.stdin is not None
        # Not to its end: a process that the worker left behind would hold the pipe open.
        ready, _, _ = select.select([process.stdout], [], [], 0)
        line = process.stdout.readline() if ready else ""
        running.log.close()
        for pipe in (process.stdout, process.stdin):
            with suppress(BrokenPipeError):
                pipe.close()
        if line.endswith("\n"):
            return JobResult(running.job, **json.loads(line))
        if self._stopping:
            return JobResult(running.job, "interrupted")
        code = process.returncode
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return JobResult(
            running.job, "died", f"its process ended without a message ({how}); see {running.job.folder}/log.txt"
        )

    def stop(self) -> None:
        """Send SIGINT to every process."""
        self._stopping = True
        for running in self._running:
            running.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Kill what still runs; checkpoints are whole at any moment."""
        for running in self._running:
            running.process.kill()
            running.process.wait()
            running.log.close()
        self._running.clear()
