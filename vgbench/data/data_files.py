"""Files that an environment's `collect` reads, hashed: another content is another data set, and another run."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from vgbench.api import Environment
from vgbench.errors import UsageError
from vgbench.plugin.attribution import describe_plugin
from vgbench.storage.files import hash_of


def declares_files(cls: type[Any]) -> bool:
    """Whether environments of a class say which files they read."""
    return bool(cls.data_files is not Environment.data_files)


def hashes(environment: Environment) -> list[str]:
    """Return the hash of each file that an environment declares, 16 hex digits, in their order.

    Raises:
        UsageError: there is no such file, or it cannot be read.
    """
    who = describe_plugin(environment, "environment")
    found = []
    for file in environment.data_files:
        path = Path(file)
        try:
            stamp = path.stat()
            found.append(_hash(path.resolve(), stamp.st_size, stamp.st_mtime_ns))
        except OSError as err:
            raise UsageError(f"{who}: data_files: {path} cannot be read: {err.strerror or err}") from err
    return found


@lru_cache(maxsize=64)
def _hash(path: Path, size: int, changed: int) -> str:
    """Hash a file, once as long as its size and time of change are these."""
    return hash_of(path)[1][:16]
