"""Shortest ways of the maze, from cell to cell, and the velocities that follow them."""

from functools import lru_cache

import numpy as np

from vgbench_plugins.environments.maze.layouts import Grid
from vgbench_plugins.environments.maze.physics import MASS, MAX_SPEED, TIMESTEP, cell_of, middle_of

GAIN = 0.5
"""Share of the way to its aim that the ball would go in one action, at the velocity that it is told. The velocity
grows during the action, so 1 would overshoot: from rest to half the way, then at once as far beyond."""


@lru_cache(maxsize=4096)
def aims(grid: Grid, code: int) -> np.ndarray:
    """Return the cell to steer for in cell a on the way to cell b, [cells, cells] int: where the way first turns, or b.

    The ball need not be in the middle of a: the cells up to there are in a row, so that nothing stands in between.
    Where there is no path, it is b.
    """
    steps, cells = grid.distances(code), np.arange(grid.cells)
    found = np.broadcast_to(cells, steps.shape).copy()
    pending = steps > 0
    for along, by in ((0, -1), (0, 1), (1, -1), (1, 1)):
        run = np.broadcast_to(cells[:, None], steps.shape).copy()
        for _ in range(grid.shape[along] - 1):
            index = np.stack(np.divmod(run, grid.height))
            index[along] += by
            inside = (index[along] >= 0) & (index[along] < grid.shape[along])
            beside = np.where(inside, index[0] * grid.height + index[1], run)
            nearer = inside & (steps[beside, cells] >= 0) & (steps[beside, cells] < steps[run, cells])
            run = np.where(nearer, beside, run)
        moved = pending & (run != cells[:, None])
        found[moved] = run[moved]
        pending = pending & ~moved
    found.setflags(write=False)
    return found


def velocities(
    grid: Grid, codes: np.ndarray, position: np.ndarray, goal: np.ndarray, substeps: int, max_force: float | None
) -> np.ndarray:
    """Return velocities [M, 2] along the shortest ways to goals, so slow that the ball can stop where the way turns.

    Args:
        grid: cells of the mazes.
        codes: [M], layouts.
        position: [M, 2], cells.
        goal: [M, 2], cells.
        substeps: simulation steps that one action lasts.
        max_force: bound on the force, newton; None for no bound.
    """
    if not len(codes):
        return np.zeros((0, 2))
    there, here = cell_of(grid, goal), cell_of(grid, position)
    layouts, row = np.unique(codes, return_inverse=True)
    aim = np.stack([aims(grid, code) for code in layouts.tolist()])[row, here, there]
    offset = np.where((aim == there)[:, None], goal, middle_of(grid, aim)) - position
    # At the goal itself the direction is 0 / 1e-9, not 0 / 0.
    distance = np.maximum(np.linalg.norm(offset, axis=-1, keepdims=True), 1e-9)
    speed = np.minimum(GAIN / (substeps * TIMESTEP) * distance, MAX_SPEED)
    if max_force is not None:
        # v^2 = 2 (F / m) s: the largest speed that the force can take away within the distance.
        speed = np.minimum(speed, np.sqrt(2 * max_force / MASS * distance))
    return offset / distance * speed
