"""Files that are seen whole or not at all, JSON with limits, and the time as records have it."""

import errno
import hashlib
import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from vgbench.errors import UsageError, VgbenchError

Record = dict[str, Any]

JSON_BYTES = 32 * 2**20
"""Most bytes of a JSON file: what Python makes of one may take thirty times as much memory."""

LOG_BYTES = 256 * 2**20
"""Most bytes of a file that is read whole and whose length follows from what a run did."""

_PIECE = 2**20  # bytes

_STALE = 86400.0  # seconds after which nobody writes a partial file any more


def write_atomically(path: Path, write: Callable[[Path], object], new: bool = False) -> None:
    """Let `write` fill a file beside `path`, then move it there: a reader sees the old file or the new one.

    Raises:
        UsageError: with `new`, another process has made the file meanwhile.
        VgbenchError: it cannot be written; what was begun is gone again, and its space is free.
    """
    try:
        with replacing(path, new) as partial:
            write(partial)
    except FileExistsError as err:
        raise made_meanwhile(path) from err
    except (OSError, RuntimeError) as err:  # a library's writer raises RuntimeError when the disk is full
        reason = getattr(err, "strerror", None) or str(err).splitlines()[0]
        raise VgbenchError(
            f"cannot write {path}: {reason}; free some space or check the folder, then run again"
        ) from err


def made_meanwhile(path: Path) -> UsageError:
    """Return the error for a file that was not there when a command began, and is there at its end."""
    return UsageError(f"{path} was made by another process meanwhile, and is kept; choose another name")


@contextmanager
def replacing(path: Path, new: bool = False, flush: bool = True) -> Iterator[Path]:
    """Make an empty file beside `path`, to be written inside; at the end it takes the place of `path`, or is gone.

    With `new` it takes no place: where another process has made `path` meanwhile, that is kept (`FileExistsError`).
    Without `flush` it may be empty after a power failure.

    Its name is made up, and the file new: neither another process nor a link that somebody has put there is written to.
    """
    # Beside the file, so on the same file system: only there is a move atomic.
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o666))
    try:
        yield partial
        if flush:
            _flush(partial)
        if new:
            _place_new(partial, path)
        else:
            partial.replace(path)
    except BaseException:  # Ctrl-C, too
        with suppress(OSError):  # what went wrong first is what the user has to see
            partial.unlink()
        raise


def _place_new(partial: Path, path: Path) -> None:
    """Move a file to a name that nobody has."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(str(path)) from None
        partial.replace(path)
    else:
        partial.unlink()


def _flush(path: Path) -> None:
    """Bring a file to the disk, so that the move that follows cannot come first."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def drop_partials(folder: Path, older: float = _STALE) -> None:
    """Delete what writers that were killed have left in a folder: partial files older than some seconds."""
    with suppress(OSError):  # only a matter of space
        for path in folder.glob("*.partial"):
            if not path.is_dir() and time.time() - path.lstat().st_mtime >= older:
                path.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes | memoryview, new: bool = False) -> None:
    """Write bytes atomically; with `new`, over no other file."""
    write_atomically(path, lambda partial: partial.write_bytes(content), new)


def write_text(path: Path, text: str, new: bool = False) -> None:
    """Write text atomically; with `new`, over no other file."""
    write_bytes(path, text.encode("utf-8"), new)


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically."""
    write_text(path, json_text(content))


def json_text(content: Any) -> str:
    """Return JSON as records have it."""
    return json.dumps(content, indent=2) + "\n"


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is no JSON, no UTF-8, too long or nested too deeply.
    """
    if len(text) > JSON_BYTES:
        raise ValueError(f"it has {len(text)} bytes, expected at most {JSON_BYTES}")
    try:
        return json.loads(text)
    except RecursionError as err:
        raise ValueError("it is nested too deeply") from err


def read_whole(path: Path, most: int = LOG_BYTES) -> bytes:
    """Read a file of at most `most` bytes.

    Raises:
        OSError: it cannot be read, is no regular file, or has more; names the file also where the disk failed after it
            was opened.
    """
    try:
        return read_bytes(path, most)
    except ValueError as err:
        raise OSError(errno.EFBIG, f"{os.strerror(errno.EFBIG)}: {err}", str(path)) from err


def hash_of(path: Path, size: int | None = None, most: int | None = None) -> tuple[int, str]:
    """Return how many bytes a file has, or the first `size` of it, and their SHA-256; all in little memory.

    Raises:
        OSError: as `read_whole`.
    """
    state, done = hashlib.sha256(), 0
    with opened(path) as file:
        if most is not None and os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"{os.strerror(errno.EFBIG)}: it has more than {most} bytes", str(path))
        while piece := file.read(_PIECE if size is None else min(_PIECE, size - done)):
            state.update(piece)
            done += len(piece)
    return done, state.hexdigest()


def within(folder: Path, name: str) -> Path:
    """Return the path that a file of a folder names, which has to lie in that folder, links followed.

    Raises:
        ValueError: it lies elsewhere.
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r} lies outside of {folder}")
    return path


def read_lines(path: Path) -> list[Record]:
    """Read the records of a JSONL file, up to a line that was cut off; none where there is no file."""
    records: list[Record] = []
    for line in read_whole(path).splitlines() if path.exists() else ():
        try:
            record = parse_json(line)
        except ValueError:
            break  # cut off when the process was killed: it is the last one
        if not isinstance(record, dict):
            break
        records.append(record)
    return records


def named(err: OSError, path: Path) -> OSError:
    """Return an error of the system with the name of its file, which those of an open file lack."""
    return err if err.filename is not None else OSError(err.errno, err.strerror or str(err), str(path))


def appending(path: Path, buffering: int = -1) -> IO[str]:
    """Open a text file to add to it; neither a link that somebody has put there nor a pipe is written to.

    Raises:
        OSError: it cannot be written, or is one of these; names the file.
    """
    try:
        file = open(path, "a", buffering, encoding="utf-8", opener=_itself)  # noqa: SIM115 (it is returned)
    except OSError as err:
        if path.is_symlink():
            raise OSError(err.errno, "it is a link, which is not written through; delete it", str(path)) from err
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is a pipe or a device, expected a file", str(path))
    return file


def _itself(path: str, flags: int) -> int:
    """Open a file, not what a link leads to, and a pipe without waiting for its other end."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)


def read_bytes(path: Path, most: int) -> bytes:
    """Read a file of at most `most` bytes; its size is looked at before memory is taken.

    Raises:
        ValueError: it has more.
        OSError: it cannot be read, or is no regular file.
    """
    pieces, held = [], 0
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        # Its size is only what it says: a file may grow, and those of /proc say 0.
        while max(size, held) <= most and (piece := file.read(max(size - held + 1, _PIECE))):
            pieces.append(piece)
            held += len(piece)
    if max(size, held) > most:
        raise ValueError(f"it has more than {most} bytes")
    return b"".join(pieces)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading; what is none, such as a pipe that nobody writes to, is refused instead of waited for.

    Raises:
        OSError: it cannot be read, or is no regular file; names the file.
    """
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is a pipe or a device, expected a file", str(path))
            yield file
    except OSError as err:
        raise named(err, path) from err


def _at_once(path: str, flags: int) -> int:
    """Open a file, and a pipe without waiting for its other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_json(path: Path, fields: Iterable[str], advice: str) -> Record:
    """Read a JSON object with some fields; a damaged file is named, with what to do about it."""
    try:
        content = parse_json(read_bytes(path, JSON_BYTES))
    except (OSError, ValueError) as err:  # bad UTF-8 and bad JSON are ValueErrors
        raise VgbenchError(f"{path} cannot be read: {err}; {advice}") from err
    missing = [name for name in fields if not isinstance(content, dict) or name not in content]
    if missing:
        raise VgbenchError(f"{path} is not what vgbench wrote: it has no {missing[0]!r}; {advice}")
    if SEAL in content and seal(content) != content[SEAL]:
        raise VgbenchError(f"{path} is damaged or was edited: its content has another hash than it says; {advice}")
    return {name: value for name, value in content.items() if name != SEAL}


SEAL = "sha256"
"""Field with the hash of the other fields of a JSON object, where it has one."""


def seal(content: Record) -> str:
    """Return the hash of a JSON object's fields, but for that of the hash itself."""
    plain = {name: value for name, value in content.items() if name != SEAL}
    # Sorted and without white space: how it is laid out makes no difference.
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_sealed(path: Path, content: Record) -> None:
    """Write a JSON object atomically, with the hash of its fields, which `read_json` checks."""
    write_json(path, content | {SEAL: seal(content)})


def now() -> str:
    """Return the time in UTC, as records have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
