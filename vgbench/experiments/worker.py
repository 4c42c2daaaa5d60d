"""One cell of a suite: `python -m vgbench.experiments.worker` reads a job from stdin and tells its end on stdout."""

import json
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from vgbench.errors import InUse, UsageError, VgbenchError
from vgbench.experiments.executors.base import Job
from vgbench.storage.files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vgbench.storage.record_types import PluginOrigin

TOKEN = ".token"
_TOKEN_BYTES = 1000
_GRACE = 8.0  # seconds that a worker has, after each request to stop, once its suite is gone
_PATIENCE = 20.0  # seconds for a predecessor whose suite was killed to let go of the folder


def perform(job: Job) -> dict[str, str]:
    """Run a job to its end; return `outcome` and `reason` of a `JobResult`."""
    try:
        os.environ.update(job.env)
        _same_disk(job)
        _run(job)
    except KeyboardInterrupt:
        return {"outcome": "interrupted", "reason": ""}
    except InUse:
        return {"outcome": "elsewhere", "reason": ""}
    except Exception as err:
        traceback.print_exc()
        reason = str(err) if isinstance(err, VgbenchError) else f"{type(err).__name__}: {err}"
        return {"outcome": "failed", "reason": " ".join(reason.split())[:1000]}  # one line of a table
    return {"outcome": "done", "reason": ""}


def read_token(root: Path) -> str:
    """Return the content of a suite's file `.token`, which shows that two processes see the same folder.

    Raises:
        OSError: it cannot be read, or is no file.
        ValueError: it is not one of vgbench's.
    """
    return read_bytes(root / TOKEN, _TOKEN_BYTES).decode("ascii").strip()


def _same_disk(job: Job) -> None:
    """Check that this machine sees the folder that the suite was started in."""
    try:
        os.chdir(job.cwd)
        found = read_token(Path(job.root))
    except (OSError, ValueError):
        found = None
    if found != job.token:
        import socket

        raise UsageError(
            f"{socket.gethostname()} does not see the folder {job.root} that the suite was started with "
            f"({'it is not there' if found is None else 'there is another one of that name'}): --out must lie on a "
            "file system that all machines of the cluster share, at the same path"
        )


def _run(job: Job) -> None:
    from vgbench.config.resolve import RunRequest, resolve
    from vgbench.experiments import runner
    from vgbench.experiments.stage_file import StageFile
    from vgbench.plugin.loggers import Loggers
    from vgbench.plugin.registry import Registry
    from vgbench.storage.lock import locked
    from vgbench.storage.provenance import chosen_plugins
    from vgbench.storage.source_changes import source_changes

    folder = Path(job.folder)
    spec = resolve(RunRequest(config=folder / "config.yaml"))
    spec = replace(spec, compute=replace(spec.compute, threads=job.threads))
    if job.device is not None:
        spec = replace(spec, device=job.device)
    if spec.key() != job.key:
        raise UsageError(
            f"{folder}/config.yaml means a run with key {spec.key()} here, but {job.key} where the suite was started: "
            "the versions of vgbench and its plugins differ between the two, or a file was edited"
        )
    # An edit after the suite was started would make its later runs others than its first ones.
    if changes := source_changes(cast("Sequence[PluginOrigin]", job.plugins), chosen_plugins(spec)):
        raise UsageError(
            f"the source of {'; '.join(map(str, changes))} was edited after the suite was started, or differs on this "
            "machine. Give the command again"
        )
    # Waits only: the run takes the lock itself, but without patience.
    with locked(folder, _PATIENCE):
        pass
    loggers = Loggers().load(Registry())
    loggers.register(StageFile(folder), "stage_file")
    share = Path(job.share) if job.share else None
    runner.run(spec, folder, job.argv, loggers, share=share, strata=job.strata)


def _watch_parent() -> None:
    """Interrupt this process, as Ctrl-C would, when the one that started it is gone; end it if that does not."""
    # It returns when the pipe is closed, which the system does however the parent ends.
    sys.stdin.read()
    # The first one asks to stop between two steps, the second interrupts the step.
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(_GRACE)
    # It hangs, and would keep the run's lock for ever. Checkpoints are whole at any moment.
    os._exit(130)


def main() -> None:
    """Entry point of a process for one job."""
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever a plugin prints goes to the log
    # Until there is something to save: an interrupted import of a large library may come out as anything.
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))
    job = Job(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_watch_parent, daemon=True).start()
    ending = perform(job)
    os.write(answers, (json.dumps(ending) + "\n").encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # not through the interpreter's end: a library's threads may hang there


if __name__ == "__main__":
    main()
