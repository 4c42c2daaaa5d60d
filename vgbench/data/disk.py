"""Data sets as HDF5 writes them: through a file that never fails, seen whole or not at all."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vgbench.errors import UsageError
from vgbench.storage.files import made_meanwhile, replacing
from vgbench.version import __version__


class Disk(io.RawIOBase):
    """A file for HDF5 that never fails to write, since HDF5 may crash when one does: it keeps the error instead."""

    def __init__(self, path: Path, file: io.FileIO) -> None:
        """Write to `file`, which is open; `path` is where it lies, to be read once all is written."""
        self.path, self._file = path, file
        self.error: OSError | None = None

    def check(self) -> None:
        """Raise the first error, if there was one; what was written is of no use then."""
        if self.error is not None:
            raise self.error

    def write(self, data: Any) -> int:
        """Write bytes, or drop them once something failed."""
        view, done = memoryview(data).cast("B"), 0
        try:
            while self.error is None and done < len(view):
                done += self._file.write(view[done:])
        except OSError as err:
            self.error = err
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Read what is there."""
        return self._file.readinto(buffer) or 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Change the size."""
        try:
            return self._file.truncate(size)
        except OSError as err:
            self.error = self.error or err
            return 0


@contextmanager
def written(path: Path, new: bool) -> Iterator[Disk]:
    """Make a data set, which gets its name only when it is whole; with `new`, no other file is replaced.

    Raises:
        UsageError: there is no room, no right to write, or another process has made the file meanwhile.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, new) as partial, partial.open("r+b", buffering=0) as raw:
            disk = Disk(partial, raw)
            try:
                yield disk
            except Exception:  # HDF5 may read again what it could not write, and raise of that
                disk.check()
                raise
            disk.check()
    except OSError as err:
        if new and path.is_file():
            raise made_meanwhile(path) from err
        raise UsageError(f"cannot write the data set {path}: {reason(err)}") from err


def describe(
    file: Any, format: int, spec: Mapping[str, Any], card: Mapping[str, Any], source: Mapping[str, str] | None
) -> None:
    """Write what a data set says of itself: its format, who made it, its specification, card and source."""
    file.attrs["format"] = format
    file.attrs["generator"] = f"vgbench {__version__}"
    file.attrs["specification"] = json.dumps(spec, sort_keys=True)
    file.attrs["card"] = json.dumps(card, sort_keys=True)
    if source:
        file.attrs["source"] = json.dumps(source, sort_keys=True)


def reason(err: BaseException) -> str:
    """Plain words for an error of a file; HDF5 hides the system's among its own."""
    found = re.search(r"error message = '([^']+)'", str(err))
    return found[1] if found else getattr(err, "strerror", None) or str(err)
