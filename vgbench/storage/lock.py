"""One process at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from vgbench.errors import UsageError, VgbenchError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder that --out names, if need be, and hold its lock.

    Raises:
        VgbenchError: another process holds it.
        UsageError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # timeout=0: the other process may compute for hours; rather say so than wait.
        lock = filelock.FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout as err:
        raise VgbenchError(
            f"{folder} is in use by another process; wait for it, or choose another folder with --out"
        ) from err
    except OSError as err:
        raise UsageError(f"--out {folder}: cannot write there: {err.strerror or err}") from err
    try:
        yield
    finally:
        lock.release()
