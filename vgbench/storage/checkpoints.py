"""Checkpoints: tensors and plain values under the key of the run that they belong to, with a checksum.

A checkpoint is what `torch.save` makes, a zip archive. PyTorch does not compare its checksums when it reads, so that a
damaged weight would go unseen. The archive's comment therefore holds the SHA-256 of the file without that comment,
which is compared before anything of it is used.
"""

import hashlib
import io
import pickle
import struct
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vgbench.errors import VgbenchError
from vgbench.storage.files import Record, read_whole, write_bytes

_MARK = b"vgbench sha256 "
_COMMENT = len(_MARK) + 64  # bytes, with the hash in hex digits
_LENGTH = 2  # bytes before the comment that tell its length, at the end of a zip archive


class Damaged(VgbenchError):
    """A checkpoint that is not as it was written."""


def save(path: Path, key: str | None, content: Record, log: Record | None = None) -> None:
    """Write a checkpoint atomically; `log` says how far the run's log had come, see `RunFolder.log_damage`."""
    write_bytes(path, encode({"key": key, "content": content, "log": log}))


def encode(owned: Record) -> memoryview:
    """Return the bytes of a checkpoint: `key` and `content`, with the checksum."""
    import torch

    # In memory first: what fails half-way through a file that PyTorch writes may end the process.
    stream = io.BytesIO()
    torch.save(owned, stream)
    digest = hashlib.sha256(stream.getbuffer()).hexdigest().encode()
    # The last two bytes are the length of the comment, 0 so far.
    stream.seek(-_LENGTH, io.SEEK_END)
    stream.write(struct.pack("<H", _COMMENT) + _MARK + digest)
    return stream.getbuffer()


def decode(data: bytes) -> Record:
    """Return `key` and `content` of a checkpoint's bytes.

    Raises:
        Damaged: the bytes are not those that were written.
        Exception: whatever PyTorch raises for bytes that are no checkpoint.
    """
    import torch

    _verify(data)
    # Nothing but tensors and plain values is read: a checkpoint of unknown origin must not run code.
    owned: Record = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if not isinstance(owned, dict) or not {"key", "content"} <= set(owned):
        raise Damaged("it is no checkpoint of vgbench")
    return owned


def _verify(data: bytes) -> None:
    """Hold a checkpoint against its checksum or, where an older version wrote it, against those of its archive.

    A checksum says who wrote a file, not how: compressed ones are refused with and without.
    """
    body, comment = memoryview(data)[:-_COMMENT], data[-_COMMENT:]
    marked = comment.startswith(_MARK)
    if marked:
        state = hashlib.sha256(body[:-_LENGTH])
        state.update(bytes(_LENGTH))
        if state.hexdigest().encode() != comment[len(_MARK) :]:
            raise Damaged("it is damaged: its content has another hash than it says")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # PyTorch stores without compressing: nothing here takes more memory than the file has bytes.
            packed = next((i for i in archive.infolist() if i.compress_type != zipfile.ZIP_STORED), None)
            # The hash covers all that the archive's own checksums do.
            broken = packed.filename if packed else None if marked else archive.testzip()
            if archive.comment and not marked:
                broken = "the comment with its hash"
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError, struct.error) as err:
        raise Damaged(f"it is damaged, or no checkpoint of vgbench ({err})") from err
    if broken is not None:
        raise Damaged(f"it is damaged (in {broken})")


def read(path: Path) -> Record:
    """Read `key` and `content` of a checkpoint, of whatever run.

    Raises:
        Damaged, OSError, and what else `decode` raises.
    """
    import torch

    from vgbench import hardware

    # Whatever its networks are: what memory does not hold is of no use.
    free = hardware.free_memory(torch.device("cpu"))
    return decode(read_whole(path, sys.maxsize - 1 if free is None else free))


def load(path: Path, key: str | None) -> tuple[Record, Record | None]:
    """Read a checkpoint of the run with this key: its content, and how far the log had come, where it says so.

    Raises:
        VgbenchError: it is damaged, or another run's.
    """
    with explained(path):
        owned = read(path)
        if owned["key"] != key:
            raise ValueError(f"it belongs to the run with key {owned['key']}")
        content: Record = owned["content"]
        if not isinstance(content, dict):
            raise Damaged("it is no checkpoint of vgbench")
        log = owned.get("log")
        if log is not None and not _told(log):
            raise Damaged("it does not say how far the log had come")
    return content, log


def _told(log: object) -> bool:
    """Whether a checkpoint says of a log what `save` is given: its `bytes`, and their hash."""
    if not isinstance(log, dict) or set(log) != {"bytes", "sha256"}:
        return False
    size, found = log["bytes"], log["sha256"]
    return isinstance(size, int) and not isinstance(size, bool) and size >= 0 and isinstance(found, str)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what loading a checkpoint may raise into one message."""
    try:
        yield
    except Exception as err:  # torch raises many kinds, by what is wrong with the file
        raise VgbenchError(
            f"{path} cannot be used: {reason(err)}. Delete this file to do its stage again, or choose another --out"
        ) from err


def reason(err: Exception) -> str:
    """Say in a line what loading a checkpoint raised; torch's own words run to pages, and advise what is unsafe."""
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    # For a broken zip archive torch raises a plain RuntimeError: only its words tell.
    if isinstance(err, pickle.UnpicklingError | EOFError) or (lines and "zip archive" in lines[0]):
        return "it is damaged, or no checkpoint of vgbench"
    if lines and lines[0].startswith("Error(s) in loading state_dict"):
        return f"it belongs to other networks ({lines[1] if len(lines) > 1 else lines[0]})"
    if isinstance(err, KeyError):
        return f"it has no {err}"
    return lines[0] if lines else type(err).__name__
