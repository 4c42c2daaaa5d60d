"""What is drawn at random in the maze's data: layouts, starts, actions."""

import numpy as np

from vgbench_plugins.environments.maze import generator
from vgbench_plugins.environments.maze.coverage import Visits
from vgbench_plugins.environments.maze.generator import Rules
from vgbench_plugins.environments.maze.layouts import Grid
from vgbench_plugins.environments.maze.physics import MAX_SPEED, RADIUS, cell_of, clearance, middle_of

LAYOUTS = 1
"""Second number of the seed of the stream from which large layouts are drawn."""


def chosen_layouts(
    rng: np.random.Generator, seed: int, rules: Rules, fixed: int | None, trajectories: int, layouts: int
) -> np.ndarray:
    """Draw codes of `layouts` different layouts; of large ones no more than there are trajectories.

    Large layouts come from a stream of their own, made of the seed; `fixed` is the code of the only one of a map.

    Raises:
        ValueError: there are not so many layouts.
    """
    if fixed is not None:
        return np.array([fixed])
    # As it was before there were larger mazes: from the stream of all else.
    own = rng if rules.listed else np.random.default_rng([seed, LAYOUTS])
    # No more than there are trajectories: drawing takes its time. The listed ones are drawn at once, as ever.
    return generator.distinct(own, rules, layouts if rules.listed else min(layouts, trajectories))


def training_codes(rng: np.random.Generator, chosen: np.ndarray, fixed: int | None, trajectories: int) -> np.ndarray:
    """Draw codes [N] of the layouts of N trajectories: as many of each of the chosen ones, in random order."""
    codes = chosen[np.arange(trajectories) % len(chosen)]
    # A map's data were drawn without this number.
    return codes if fixed is not None else rng.permutation(codes)


def free_positions(
    rng: np.random.Generator, grid: Grid, codes: np.ndarray, among: np.ndarray | None = None
) -> np.ndarray:
    """Draw uniform positions [N, 2] of the ball in layouts [N], touching no wall; `among` has cells [N, cells]."""
    position = np.empty((len(codes), 2))
    pending = np.arange(len(codes))
    usable = grid.decode(codes).reshape(len(codes), grid.cells) != 0
    usable = usable if among is None else usable & among
    while len(pending):
        # Uniform in a random open cell; near a wall the cell is drawn again, too, so that the whole is uniform.
        is_open = usable[pending]
        cell = (rng.random(is_open.shape) * is_open).argmax(axis=1)
        tried = middle_of(grid, cell) + rng.uniform(-0.5, 0.5, (len(pending), 2))
        position[pending] = tried
        pending = pending[clearance(grid, codes[pending], tried) <= RADIUS]
    return position


def random_velocities(rng: np.random.Generator, shape: tuple[int, ...], law: str) -> np.ndarray:
    """Velocities [*shape, 2] of uniform direction and norm below 5: uniform norms ("radius") or uniform on a disc."""
    norm = rng.random(shape)
    if law == "disc":
        # The area within a radius grows with its square.
        norm = np.sqrt(norm)
    angle = rng.uniform(0, 2 * np.pi, shape)
    return MAX_SPEED * norm[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def card(
    grid: Grid, codes: np.ndarray, position: np.ndarray, velocity: np.ndarray, blocked: np.ndarray
) -> dict[str, object]:
    """Return what a reader of the data should know.

    Args:
        grid: cells of the mazes.
        codes: [N].
        position: [N, T + 1, 2].
        velocity: [N, T + 1, 2].
        blocked: [N, T], whether an action did not end with the velocity of a free ball: a wall was in the way.
    """
    cells = cell_of(grid, position)
    visited = np.zeros((len(codes), grid.cells), bool)
    visited[np.arange(len(codes))[:, None], cells] = True
    is_open = grid.decode(codes).reshape(len(codes), -1) != 0
    layouts = np.unique(codes)
    covered = [visited[codes == code].any(axis=0).sum() / is_open[codes == code][0].sum() for code in layouts]
    visits = Visits(grid, codes)
    visits.add(codes, position)
    return {
        "layouts": ["/".join("".join("#O"[cell] for cell in row) for row in grid.decode(code)) for code in layouts],
        "share_steps_colliding": float(blocked.mean()),
        "share_trajectories_colliding": float(blocked.any(axis=1).mean()),
        "mean_cells_visited": float(visited.sum(axis=1).mean()),
        "share_open_cells_covered": float(np.mean(covered)),
        "mean_displacement_cells": float(np.linalg.norm(position[:, -1] - position[:, 0], axis=-1).mean()),
        "mean_speed": float(np.linalg.norm(velocity, axis=-1).mean()),
        **visits.figures(),
    }
