"""One process at a time: in a run folder, at a suite's record, at a training stage that runs share.

Locks are the file system's (`flock`), which the system frees when their process ends, however it ends. Some network
file systems have none (ENOLCK): with VGBENCH_LOCKS=files a lock is the existence of its file. One that a killed process
left behind then has to be deleted by hand.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from vgbench.errors import InUse, UsageError

VARIABLE = "VGBENCH_LOCKS"
KINDS: dict[str, type[filelock.BaseFileLock]] = {"flock": filelock.FileLock, "files": filelock.SoftFileLock}


def file_lock(path: Path, timeout: float = 0) -> filelock.BaseFileLock:
    """Return the lock of a file, not acquired yet; acquiring waits `timeout` seconds, or forever if it is negative.

    Raises:
        UsageError: VGBENCH_LOCKS names no kind of lock.
    """
    kind = os.environ.get(VARIABLE, "flock")
    if kind not in KINDS:
        raise UsageError(f"{VARIABLE}={kind}: expected {' or '.join(KINDS)}")
    return KINDS[kind](path, timeout=timeout)


@contextmanager
def locked(folder: Path, timeout: float = 0) -> Iterator[None]:
    """Make the folder that --out names, if need be, and hold its lock.

    By default it does not wait: the other process may compute for hours.

    Raises:
        InUse: another process holds it.
        UsageError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = file_lock(folder / ".lock", timeout)
        lock.acquire()
    except filelock.Timeout as err:
        left = f" (if no process is using it, delete {folder / '.lock'})" if _of_files() else ""
        raise InUse(
            f"{folder} is in use by another process; wait for it, or choose another folder with --out{left}"
        ) from err
    except OSError as err:
        raise UsageError(f"--out {folder}: cannot write there: {_explained(err)}") from err
    try:
        yield
    finally:
        lock.release()


def held(path: Path) -> bool:
    """Whether a process holds the lock of a file at this moment."""
    if not path.exists():
        return False
    if _of_files():
        return True
    try:
        with file_lock(path):
            return False
    except filelock.Timeout:
        return True
    except OSError:  # it cannot be locked here, so nobody does
        return False


def _of_files() -> bool:
    return os.environ.get(VARIABLE) == "files"


def _explained(err: OSError) -> str:
    if err.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
        return f"the file system has no locks ({err.strerror}); set {VARIABLE}=files, see the page “Run on a cluster”"
    return str(err.strerror or err)
