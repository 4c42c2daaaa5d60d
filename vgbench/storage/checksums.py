"""Checksums of a run's records, in a file that `sha256sum -c` reads, too.

SHA256SUMS is written when a run is complete, before result.json. Older records, and those kept without it, are read as
they are.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from vgbench.errors import VgbenchError
from vgbench.storage.files import JSON_BYTES, LOG_BYTES, hash_of, read_whole, write_text

NAME = "SHA256SUMS"
# Not run.json, which changes after the end and has a hash of its own, nor what other commands add.
_RECORDS = re.compile(r"config\.yaml|tasks\.json|result\.json|(train|episodes|baseline-.+)\.jsonl")
_FIRST = "# sha256 of the lines below: "
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def write(folder: Path, added: Mapping[str, bytes]) -> None:
    """Write the checksums of a folder's files, and of those that are about to be written (`added`)."""
    hashes = {p.name: hash_of(p)[1] for p in folder.iterdir() if _RECORDS.fullmatch(p.name)}
    hashes |= {name: _hash(content) for name, content in added.items()}
    text = "".join(f"{found}  {name}\n" for name, found in sorted(hashes.items()))
    write_text(folder / NAME, f"{_FIRST}{_hash(text.encode())}\n{text}")


def verify(folder: Path) -> None:
    """Hold the files of a folder against its checksums, if it has some; files that are not there are not missed.

    Raises:
        VgbenchError: a file, or the list itself, is not as the run wrote it.
    """
    path = folder / NAME
    try:
        first, _, text = read_whole(path, JSON_BYTES).decode().partition("\n")
    except FileNotFoundError:
        return
    except (OSError, ValueError) as err:
        raise VgbenchError(f"{path} cannot be read: {err}; {_advice(path)}") from err
    if first != _FIRST + _hash(text.encode()):
        raise VgbenchError(
            f"{path} is damaged or was edited: its lines have another hash than it says; {_advice(path)}"
        )
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        file = folder / found[2] if found else None
        if found is None or file is None or file.name != found[2]:
            raise VgbenchError(f"{path} is not what vgbench wrote: {line!r}; {_advice(path)}")
        try:
            changed = file.is_file() and hash_of(file, most=LOG_BYTES)[1] != found[1]
        except OSError as err:
            raise VgbenchError(f"{file} cannot be read: {err.strerror or err}") from err
        if changed:
            raise VgbenchError(f"{file} is damaged or was edited: {NAME} beside it has another hash; {_advice(path)}")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _advice(path: Path) -> str:
    return f"take it from a copy, or delete {path.name} there to have the files read as they are"
