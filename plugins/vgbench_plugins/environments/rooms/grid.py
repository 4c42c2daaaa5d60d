"""The whole pixels of the rooms as a grid, whose neighbours are those that doors let pass."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from vgbench_plugins.environments.lattice import Lattice
from vgbench_plugins.environments.rooms.geometry import PLANS, is_free, passes
from vgbench_plugins.environments.wall_geometry import HIGH, LOW


class RoomsLattice(Lattice):
    """A lattice that is never interpolated across the line of a one-way door: costs jump there."""

    def __init__(self, name: str, places: tuple[float, ...], one_way: bool) -> None:
        """Lay the points of a layout of the plan of a name."""
        self._plan, self._layout, self._one_way = PLANS[name], torch.tensor(places), one_way
        super().__init__(LOW + 1, 1.0, int(HIGH - LOW) - 1, self._free, self._possible)

    def locate(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Interpolate as `Lattice.locate`; points that are beyond a one-way line do not count."""
        number, weight = super().locate(position)
        if not self._one_way:
            return number, weight
        lines = [(position[:, wall.axis] - self._layout[wall.line]).abs() < 1 for wall in self._plan.walls]
        near = torch.stack(lines).any(0)
        corner, here = self.points[number[near]], position[near].unsqueeze(1)
        out = passes(self._plan, here, corner, self._layout, True)
        back = passes(self._plan, corner, here, self._layout, True)
        # Moves are possible in one direction only: else it is a wall, which the lattice knows.
        kept = torch.where(out != back, 0.0, weight[near])
        total = kept.sum(dim=-1, keepdim=True)
        # A weight that is nothing but rounding is none to divide by.
        weight[near] = torch.where(total > 1e-9, kept / total.clamp_min(1e-9), weight[near])
        return number, weight

    def _free(self, points: np.ndarray) -> np.ndarray:
        result: np.ndarray = is_free(self._plan, torch.from_numpy(points), self._layout).numpy()
        return result

    def _possible(self, points: np.ndarray, others: np.ndarray) -> np.ndarray:
        start, target = torch.from_numpy(points), torch.from_numpy(others)
        result: np.ndarray = passes(self._plan, start, target, self._layout, self._one_way).numpy()
        return result


@lru_cache(maxsize=64)
def lattice(name: str, places: tuple[float, ...], one_way: bool) -> RoomsLattice:
    """Return the free positions of a layout at whole pixels."""
    return RoomsLattice(name, places, one_way)
