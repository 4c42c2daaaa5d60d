"""The maze's grid of states: where the ball can rest."""

from functools import lru_cache

import numpy as np
import torch

import vgbench.api as api
from vgbench_plugins.environments.lattice import Lattice
from vgbench_plugins.environments.maze import geodesic
from vgbench_plugins.environments.maze.layouts import Grid
from vgbench_plugins.environments.maze.physics import FIRST_MIDDLE, RADIUS, clearance

SPACING = 0.1
"""Distance of the grid's points, cells; those at a wall touch it, as the ball can."""


@lru_cache(maxsize=256)
def lattice(grid: Grid, code: int) -> Lattice:
    """Return the free positions of the ball's centre in a layout."""
    walls = np.argwhere(grid.decode(code) == 0) + FIRST_MIDDLE

    def is_free(points: np.ndarray) -> np.ndarray:
        # Points at a wall are exactly the radius away, up to float32's rounding.
        free = clearance(grid, np.full(len(points), code), points) >= RADIUS - 1e-5
        # The lattice is a square, as wide as the longer side: what is beyond the shorter one is no place.
        return np.asarray(free & (points < np.array(grid.shape) + FIRST_MIDDLE - 0.5).all(axis=-1))

    def passes(points: np.ndarray, others: np.ndarray) -> np.ndarray:
        # A little less than the points keep, so that moves along a wall are free.
        kept = np.full(len(points), RADIUS - 1e-4)
        return geodesic.visible(points.astype(float), others[:, None].astype(float), walls, kept)[:, 0]

    low = FIRST_MIDDLE - 0.5 + RADIUS
    return Lattice(low, SPACING, round((max(grid.shape) - 2 * RADIUS) / SPACING) + 1, is_free, passes)


def state_grid(grid: Grid, state: api.State) -> api.StateGrid:
    """Return the grid of the layout of a state (leading 1), on its device; the ball is at rest."""
    layout = state["layout"][:1]
    found = lattice(grid, int(grid.encode(layout.cpu().numpy())[0]))
    device = layout.device
    points = found.points.to(device)
    states = {
        "position": points,
        "velocity": torch.zeros_like(points),
        "layout": layout.expand(len(points), *layout.shape[1:]),
    }

    def locate(other: api.State) -> tuple[torch.Tensor, torch.Tensor]:
        number, weight = found.locate(other["position"].cpu())
        return number.to(device), weight.to(device)

    return api.StateGrid(states, found.neighbours.to(device), locate)
