"""Files that are seen whole or not at all, JSON, and the time as records have it."""

import json
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vgbench.errors import VgbenchError

Record = dict[str, Any]


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, then move it there: a reader sees the old file or the new one."""
    # Beside the file, so on the same file system: only there is a move atomic.
    partial = path.with_name(f"{path.name}.partial")
    try:
        write(partial)
        partial.replace(path)
    except (OSError, RuntimeError) as err:  # torch.save raises RuntimeError when the disk is full
        reason = getattr(err, "strerror", None) or str(err).splitlines()[0]
        raise VgbenchError(
            f"cannot write {path}: {reason}; free some space or check the folder, then run again"
        ) from err


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically."""
    write_atomically(path, lambda p: write_text(p, json.dumps(content, indent=2) + "\n"))


def write_text(path: Path, text: str) -> None:
    """Write and flush to the disk, so that the move that follows cannot come first."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_json(path: Path, fields: Iterable[str], advice: str) -> Record:
    """Read a JSON object with some fields; a damaged file is named, with what to do about it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:  # bad UTF-8 and bad JSON are ValueErrors
        raise VgbenchError(f"{path} cannot be read: {err}; {advice}") from err
    missing = [name for name in fields if not isinstance(content, dict) or name not in content]
    if missing:
        raise VgbenchError(f"{path} is not what vgbench wrote: it has no {missing[0]!r}; {advice}")
    return dict(content)


def now() -> str:
    """Return the time in UTC, as records have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
