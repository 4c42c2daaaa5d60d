"""What is drawn at random in the maze: layouts, starts, actions, tasks."""

import numpy as np

from vgbench_plugins.environments.maze.coverage import Visits
from vgbench_plugins.environments.maze.layouts import all_codes, decode, distances, encode
from vgbench_plugins.environments.maze.physics import MAX_SPEED, RADIUS, cell_of, clearance, middle_of

MIN_STEPS = 3
"""Least distance between the cells of start and goal, steps along the shortest path (paper, appendix)."""
HALF_CENTRE = 0.25
"""Starts and goals of tasks lie in the central half of a cell (PLDM, diverse_maze/utils.py:190-222)."""


def training_codes(rng: np.random.Generator, trajectories: int, layouts: int) -> np.ndarray:
    """Draw codes [N] of the layouts of N trajectories: as many of each of `layouts` different ones, in random order."""
    chosen = rng.choice(all_codes(), layouts, replace=False)
    return rng.permutation(chosen[np.arange(trajectories) % layouts])


def free_positions(rng: np.random.Generator, codes: np.ndarray) -> np.ndarray:
    """Draw uniform positions [N, 2] of the ball in layouts [N], touching no wall."""
    position = np.empty((len(codes), 2))
    pending = np.arange(len(codes))
    while len(pending):
        # Uniform in a random open cell; near a wall the cell is drawn again, too, so that the whole is uniform.
        is_open = decode(codes[pending]).reshape(len(pending), -1) != 0
        cell = (rng.random(is_open.shape) * is_open).argmax(axis=1)
        tried = middle_of(cell) + rng.uniform(-0.5, 0.5, (len(pending), 2))
        position[pending] = tried
        pending = pending[clearance(codes[pending], tried) <= RADIUS]
    return position


def random_velocities(rng: np.random.Generator, shape: tuple[int, ...], law: str) -> np.ndarray:
    """Velocities [*shape, 2] of uniform direction and norm below 5: uniform norms ("radius") or uniform on a disc."""
    norm = rng.random(shape)
    if law == "disc":
        # The area within a radius grows with its square.
        norm = np.sqrt(norm)
    angle = rng.uniform(0, 2 * np.pi, shape)
    return MAX_SPEED * norm[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def tasks(rng: np.random.Generator, count: int, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample tasks in layouts that are not among those seen in training.

    Args:
        rng: each task takes the next numbers, so the first tasks do not depend on `count`.
        count: number of tasks B.
        seen: layouts [L, 4, 4] to be left out; their mirror images and rotations may occur.

    Returns:
        Layout codes [B], start positions [B, 2] and goal positions [B, 2].
    """
    codes = np.setdiff1d(all_codes(), encode(seen))
    chosen, cells, offsets = [], [], []
    for _ in range(count):
        chosen.append(rng.choice(codes))
        pairs = np.argwhere(distances(int(chosen[-1])) >= MIN_STEPS)
        cells.append(pairs[rng.integers(len(pairs))])
        offsets.append(rng.uniform(-HALF_CENTRE, HALF_CENTRE, (2, 2)))
    points = middle_of(np.array(cells, np.int64).reshape(count, 2)) + np.array(offsets).reshape(count, 2, 2)
    return np.array(chosen, np.int64), points[:, 0], points[:, 1]


def card(codes: np.ndarray, position: np.ndarray, velocity: np.ndarray, blocked: np.ndarray) -> dict[str, object]:
    """Return what a reader of the data should know.

    Args:
        codes: [N].
        position: [N, T + 1, 2].
        velocity: [N, T + 1, 2].
        blocked: [N, T], whether an action did not end with the velocity of a free ball: a wall was in the way.
    """
    cells = cell_of(position)
    visited = (cells[..., None] == np.arange(16)).any(axis=1)
    is_open = decode(codes).reshape(len(codes), -1) != 0
    layouts = np.unique(codes)
    covered = [visited[codes == code].any(axis=0).sum() / is_open[codes == code][0].sum() for code in layouts]
    visits = Visits(codes)
    visits.add(codes, position)
    return {
        "layouts": ["/".join("".join("#O"[cell] for cell in row) for row in decode(code)) for code in layouts],
        "share_steps_colliding": float(blocked.mean()),
        "share_trajectories_colliding": float(blocked.any(axis=1).mean()),
        "mean_cells_visited": float(visited.sum(axis=1).mean()),
        "share_open_cells_covered": float(np.mean(covered)),
        "mean_displacement_cells": float(np.linalg.norm(position[:, -1] - position[:, 0], axis=-1).mean()),
        "mean_speed": float(np.linalg.norm(velocity, axis=-1).mean()),
        **visits.figures(),
    }
