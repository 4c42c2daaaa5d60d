"""Latents of a training set that memory does not hold: a file without a name, read window by window."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vgbench.errors import VgbenchError

PIECE = 4096
"""Rows that are looked at at a time where all are."""


class LatentFile:
    """Rows [M, D] float32 on disk; `latents[ids]` reads those of an array of numbers, as of a tensor."""

    def __init__(self, folder: Path, rows: int, dim: int, device: torch.device) -> None:
        """Make the file in `folder`; it is gone when the process ends, however it ends.

        Raises:
            VgbenchError: there is no room.
        """
        self.shape, self._device, self._width = (rows, dim), device, dim * 4
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (open as long as the latents are used)
            os.posix_fallocate(self._file.fileno(), 0, max(1, rows * self._width))
        except OSError as err:
            raise VgbenchError(
                f"cannot keep {rows * self._width} bytes of latents in {folder}: {err.strerror}"
            ) from err

    def __setitem__(self, ids: Tensor, values: Tensor) -> None:
        """Write rows [K, D] at ids [K]."""
        content = values.cpu().numpy()
        for low, high, first in _runs(ids.cpu().numpy()):
            os.pwrite(self._file.fileno(), content[low:high].tobytes(), first * self._width)

    def __getitem__(self, ids: Tensor) -> Tensor:
        """Read rows [..., D] at ids [...]."""
        flat = ids.flatten().cpu().numpy()
        found = np.empty((len(flat), self.shape[1]), np.float32)
        for low, high, first in _runs(flat):
            os.preadv(self._file.fileno(), [found[low:high].data.cast("B")], first * self._width)
        return torch.from_numpy(found).to(self._device).reshape(*ids.shape, self.shape[1])

    def pieces(self, ids: Tensor) -> Iterator[Tensor]:
        """Read many rows, a piece at a time."""
        for part in ids.split(PIECE):
            yield self[part]


def _runs(ids: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Where rows that follow one another begin and end in `ids`, and the first of them."""
    ends = np.flatnonzero(np.diff(ids) != 1) + 1
    for low, high in zip([0, *ends], [*ends, len(ids)], strict=True):
        yield int(low), int(high), int(ids[low])


def moments(latents: LatentFile, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [D] float32 of the rows at ids, in double precision."""
    count, total = len(ids), torch.zeros(latents.shape[1], dtype=torch.float64)
    for piece in latents.pieces(ids):
        total += piece.double().sum(0).cpu()
    mean, squares = total / count, torch.zeros_like(total)
    for piece in latents.pieces(ids):
        squares += (piece.double().cpu() - mean).square().sum(0)
    return mean.float(), (squares / count).sqrt().float()
