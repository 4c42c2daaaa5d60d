"""A square lattice of free points in the plane, which wall, maze and rooms offer as their grid of states."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

OFFSETS = tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)
"""The eight neighbours of a lattice point."""


class Lattice:
    """Free points of a square lattice, which of them are neighbours, and how to interpolate between them.

    Attributes:
        points: [M, 2] float32.
        neighbours: [M, 8] int64, numbers of the neighbours that a straight move reaches; -1 where there is none.
    """

    def __init__(
        self,
        low: float,
        spacing: float,
        count: int,
        is_free: Callable[[np.ndarray], np.ndarray],
        passes: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> None:
        """Lay `count` x `count` points, the first at (low, low).

        Args:
            low: smallest coordinate.
            spacing: distance of neighbours along an axis.
            count: points along an axis.
            is_free: points [K, 2] -> whether a state can be there, [K] bool.
            passes: points [K, 2] and others [K, 2] -> whether the straight move between them is free, [K] bool.
        """
        # Here, not above: a diagnosis needs it, an evaluation does not, and it takes a while.
        from scipy.ndimage import distance_transform_edt

        axis = low + spacing * np.arange(count)
        every = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).astype(np.float32)
        free = is_free(every.reshape(-1, 2)).reshape(count, count)
        number = np.full((count, count), -1)
        number[free] = np.arange(free.sum())
        self.points = torch.from_numpy(every[free])
        self.neighbours = torch.from_numpy(_neighbours(every[free], np.argwhere(free), number, passes))
        nearest = distance_transform_edt(~free, return_distances=False, return_indices=True)
        self._low, self._spacing, self._count = low, spacing, count
        self._number, self._nearest = torch.from_numpy(number), torch.from_numpy(number[tuple(nearest)])

    def locate(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Interpolate bilinearly: return numbers [B, 4] of points and their weights [B, 4], float64, of sum 1.

        Corners of the square around a position that are not free do not count; where none is, the free point nearest
        to the nearest corner does. Positions [B, 2] beyond the lattice count as on its edge.
        """
        place = ((position.double() - self._low) / self._spacing).clamp(0, self._count - 1)
        # At most the last but one, so that a position on the far edge has a corner beyond it, too.
        corner = place.floor().clamp(0, self._count - 2).long()
        part = place - corner
        numbers, weights = [], []
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            numbers.append(self._number[corner[:, 0] + i, corner[:, 1] + j])
            along = [part[:, axis] if step else 1 - part[:, axis] for axis, step in ((0, i), (1, j))]
            weights.append(along[0] * along[1])
        number, weight = torch.stack(numbers, dim=-1), torch.stack(weights, dim=-1)
        weight = torch.where(number >= 0, weight, 0.0)
        total = weight.sum(dim=-1, keepdim=True)
        near = place.round().long()
        fallback = self._nearest[near[:, 0], near[:, 1]].unsqueeze(-1)
        # A weight that is nothing but rounding is none to divide by.
        lost = total < 1e-9
        first = torch.arange(4) == 0
        weight = torch.where(lost, first.double(), weight / total.clamp_min(1e-9))
        # The weight of a missing corner is 0, but its number has to be an index all the same.
        return torch.where(lost, fallback, number.clamp_min(0)), weight

    def nearest(self, position: Tensor) -> Tensor:
        """Return the numbers [B] of the points that weigh most at positions [B, 2]."""
        number, weight = self.locate(position)
        return number.gather(1, weight.argmax(dim=1, keepdim=True)).squeeze(1)


def _neighbours(
    points: np.ndarray,
    index: np.ndarray,
    number: np.ndarray,
    passes: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Numbers [M, 8] of the neighbours of points [M, 2] at lattice indices [M, 2]."""
    result = np.full((len(points), len(OFFSETS)), -1)
    # A rim of missing points, so that those at the edge are no special case.
    padded = np.pad(number, 1, constant_values=-1)
    for column, offset in enumerate(OFFSETS):
        other = padded[tuple((index + 1 + np.array(offset)).T)]
        known = np.flatnonzero(other >= 0)
        free = passes(points[known], points[other[known]])
        result[known[free], column] = other[known[free]]
    return result
