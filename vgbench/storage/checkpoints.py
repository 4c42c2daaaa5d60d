"""Checkpoints: tensors and plain values under the key of the run that they belong to."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vgbench.errors import VgbenchError
from vgbench.storage.files import Record, write_atomically


def save(path: Path, key: str | None, content: Record) -> None:
    """Write a checkpoint atomically."""
    import torch

    write_atomically(path, lambda partial: torch.save({"key": key, "content": content}, partial))


def load(path: Path, key: str | None) -> Record:
    """Read a checkpoint of the run with this key.

    Raises:
        VgbenchError: it is damaged, or another run's.
    """
    import torch

    with explained(path):
        # Nothing but tensors and plain values is read: a checkpoint of unknown origin must not run code.
        owned = torch.load(path, map_location="cpu", weights_only=True)
        if owned["key"] != key:
            raise ValueError(f"it belongs to the run with key {owned['key']}")
        content: Record = owned["content"]
    return content


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what loading a checkpoint may raise into one message."""
    try:
        yield
    except Exception as err:  # torch raises many kinds, by what is wrong with the file
        raise VgbenchError(
            f"{path} cannot be used: {_explain(err)}. Delete this file to do its stage again, or choose another --out"
        ) from err


def _explain(err: Exception) -> str:
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
