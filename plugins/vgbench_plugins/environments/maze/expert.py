"""The fastest way through the maze for a ball whose force has no bound: always at top speed, whatever its velocity.

Told to stop, the ball would come to rest at the end of the action, at a point ahead of it. That point moves by exactly
velocity times duration of each action, since the physics is linear where no wall is touched: without inertia. So it is
led along the shortest way; the ball is always between two of its places, and touches nothing if the lines between them
keep the ball's radius from all walls.
"""

from functools import lru_cache

import numpy as np

from vgbench_plugins.environments.maze import geodesic
from vgbench_plugins.environments.maze.layouts import Grid
from vgbench_plugins.environments.maze.physics import DAMPING, MASS, MAX_SPEED, RADIUS, TIMESTEP

MARGIN = 0.03
"""What the way keeps from the walls beyond the ball's radius, cells: the ball does not follow it to the last digit."""
PASSED = 1e-3
"""A point this near to a bend is taken to be at it, cells: rounding must not hide from it what the bend sees."""
DIRECTIONS = 17
"""Directions that are tried for a move around a bend, over half a circle."""


def coasting(substeps: int) -> float:
    """Return how far the ball moves in an action that stops it, over its velocity before, s; see `force_towards`."""
    kept = MASS / (MASS + TIMESTEP * DAMPING)
    whole = kept**substeps
    return float(TIMESTEP * (kept / (1 - kept) - substeps * whole / (1 - whole)))


def velocities(
    grid: Grid, codes: np.ndarray, position: np.ndarray, velocity: np.ndarray, goal: np.ndarray, substeps: int
) -> np.ndarray:
    """Return the velocities [M, 2] to be told, of norm 5 at most; nan where no way leads on from where it would stop.

    Args:
        grid: cells of the mazes.
        codes: [M], layouts.
        position: [M, 2], cells.
        velocity: [M, 2], cells/s.
        goal: [M, 2], cells.
        substeps: simulation steps that one action lasts.
    """
    rest = position + coasting(substeps) * np.clip(velocity, -MAX_SPEED, MAX_SPEED)
    reach = MAX_SPEED * substeps * TIMESTEP
    moves = [_move(grid, code, point, end, reach) for code, point, end in zip(codes.tolist(), rest, goal, strict=True)]
    return np.stack(moves) / (substeps * TIMESTEP) if moves else np.zeros((0, 2))


def _move(grid: Grid, code: int, point: np.ndarray, goal: np.ndarray, reach: float) -> np.ndarray:
    """Move [2] of a point along its shortest way to the goal, of length `reach` at most; nan where there is no way."""
    aim, left = _way(grid, code, point, goal)
    if aim is None:
        return np.full(2, np.nan)
    offset = aim - point
    distance = float(np.linalg.norm(offset))
    if distance >= reach:
        return offset * (reach / distance)
    if aim is goal:
        return offset
    # To end at the bend would waste the rest of the action: of full moves, whichever leaves least.
    angles = np.arctan2(offset[1], offset[0]) + np.linspace(-np.pi / 2, np.pi / 2, DIRECTIONS)
    tried = reach * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    seen = _sees(grid, code, point[None], point + tried)[0]
    lengths = np.where(seen, _lengths(grid, code, point + tried, goal).min(axis=1), np.inf)
    best = int(lengths.argmin())
    return tried[best] if lengths[best] < left - distance else offset


def _way(grid: Grid, code: int, point: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Where the shortest way from a point first turns, or the goal, None where there is no way; and its length."""
    bends, _ = geodesic.graph(grid, code, RADIUS + MARGIN)
    near = np.linalg.norm(bends - point, axis=-1) < PASSED
    start = bends[near.argmax()] if near.any() else point
    lengths = _lengths(grid, code, start[None], goal)[0]
    # A way that begins where it is leads nowhere.
    lengths[:-1][near] = np.inf
    best = int(lengths.argmin())
    if not np.isfinite(lengths[best]):
        return None, np.inf
    return goal if best == len(bends) else bends[best], float(lengths[best])


def _lengths(grid: Grid, code: int, points: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Lengths [n, V + 1] of the ways from points [n, 2] that first turn at each of the layout's bends, or never."""
    ends, onward = _ends(grid, code, *goal.tolist())
    away = np.linalg.norm(points[:, None] - ends, axis=-1)
    return np.where(_sees(grid, code, points, ends), away, np.inf) + onward


@lru_cache(maxsize=4096)  # an episode asks for the same goal at each of its steps
def _ends(grid: Grid, code: int, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
    """Bends of a layout with the goal (x, y) behind them [V + 1, 2], and the lengths of the ways on from them to it."""
    bends, between = geodesic.graph(grid, code, RADIUS + MARGIN)
    goal = np.array([x, y])
    last = np.where(_sees(grid, code, goal[None], bends)[0], np.linalg.norm(goal - bends, axis=-1), np.inf)
    onward = (between + last).min(axis=1) if len(bends) else last
    return np.concatenate([bends, goal[None]]), np.append(onward, 0.0)


def _sees(grid: Grid, code: int, points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether the lines from points [n, 2] to others [m, 2] are free; [n, m] bool."""
    kept = np.full(len(points), geodesic.chord_distance(RADIUS + MARGIN))
    targets = np.broadcast_to(others, (len(points), *others.shape))
    return geodesic.visible(points, targets, geodesic.walls_of(grid, code), kept)
