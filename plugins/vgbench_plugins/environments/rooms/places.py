"""Where walls and doors are: fixed, or drawn once for a data set; and random points of the rooms."""

from typing import Any

import numpy as np

import vgbench.api as api
from vgbench_plugins.environments.rooms.geometry import ONE_DOOR, TURNSTILE, Plan
from vgbench_plugins.environments.wall_geometry import GAP, HALF_WALL, HIGH, LOW
from vgbench_plugins.environments.wall_layouts import WALL_RANGE

MARGIN = 6
"""Least distance of the middle of a door to the border, and to the face of a wall that runs to it, px."""
UPPER_RANGE, LOWER_RANGE = (10, 20), (44, 54)
"""Rows [low, high) of the middles of the two doors of the turnstile: 25 px apart at least, about as far as a plan of 8
big steps (29 px) reaches, since from a closed door such a plan finds one that is near."""
CROSS_RANGE = (26, 38)
"""Column and row [low, high) at which the walls of the ring meet."""
RANGES = {
    TURNSTILE: (WALL_RANGE, UPPER_RANGE, LOWER_RANGE),
    ONE_DOOR: (WALL_RANGE, UPPER_RANGE),
}
"""Ranges [low, high) of a layout's entries, where they are drawn independently."""


def random_layout(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Draw a layout [K] float32 of whole numbers."""
    uniform = rng.random(len(plan.fixed))

    def whole(number: int, low: float, high: float) -> float:
        return low + float(np.floor(uniform[number] * (high - low)))

    if plan in RANGES:
        return np.array([whole(n, *bounds) for n, bounds in enumerate(RANGES[plan])], np.float32)
    column, row = whole(0, *CROSS_RANGE), whole(1, *CROSS_RANGE)
    layout = [column, row]
    # Doors of the vertical wall are above and below the row at which the walls meet; the others left and right of it.
    for cross in (row, column):
        near = HALF_WALL + MARGIN
        layout.append(whole(len(layout), LOW + MARGIN, cross - near + 1))
        layout.append(whole(len(layout), cross + near, HIGH - MARGIN + 1))
    return np.array(layout, np.float32)


def free_points(plan: Plan, layouts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uniform points [M, 2] of the rooms; one within a wall's thickness moves to a random place on a random side."""
    point = rng.uniform(LOW + GAP, HIGH - GAP, (len(layouts), 2))
    for wall in plan.walls:
        line = layouts[:, wall.line]
        before = rng.uniform(LOW + GAP, line - HALF_WALL - GAP)
        after = rng.uniform(line + HALF_WALL + GAP, HIGH - GAP)
        side = np.where(rng.integers(0, 2, len(layouts)) == 0, before, after)
        within = np.abs(point[:, wall.axis] - line) <= HALF_WALL + GAP
        point[:, wall.axis] = np.where(within, side, point[:, wall.axis])
    return point


def only_layout(data: api.Trajectories, width: int) -> np.ndarray:
    """Return the layout [K] float32 that all data have.

    Raises:
        ValueError: they have several, or one of another plan.
    """
    found = np.unique(data.static["layout"], axis=0)
    if found.shape != (1, width):
        raise ValueError(
            f"rooms: expected data of one layout of {width} numbers, but these have {len(found)} of {found.shape[1]}; "
            "were they collected with another rooms.layout?"
        )
    return np.asarray(found[0], np.float32)


def check(tasks: api.Tasks, data: api.Trajectories) -> dict[str, Any]:
    """Return the share of tasks in the layout of the data, which is all of them.

    Raises:
        ValueError: a task is in another layout.
    """
    own = tasks.start["layout"].cpu().numpy()
    seen = (own == only_layout(data, own.shape[1])).all(axis=-1)
    if not seen.all():
        raise ValueError(
            f"rooms: {int((~seen).sum())} of {len(seen)} tasks (the first is task {int(seen.argmin())}) are in a "
            "layout that the data do not have; were they made for other data?"
        )
    return {"share_in_layouts_of_data": 1.0}
