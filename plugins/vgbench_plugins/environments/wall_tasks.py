"""Tasks of the wall: starts and goals in opposite rooms."""

import numpy as np
import torch

import vgbench.api as api
from vgbench_plugins.environments import wall_geometry
from vgbench_plugins.environments.wall_drawing import SIGMA
from vgbench_plugins.environments.wall_layouts import random_layouts

MARGIN = 2 * SIGMA
"""Least distance of starts and goals from the walls, px (PLDM, wall.py:163-186)."""

STREAM = 1
"""Key of the tasks' random stream beside the seed: data of the same seed draw from another one."""


def sample(count: int, seed: int, data: api.Trajectories, layout: str, holdout: bool) -> api.Tasks:
    """Sample tasks in the layouts that the parameters `layout` and `holdout` name.

    Raises:
        ValueError: the data have several layouts, but `layout` says one.
    """
    # A row for each task, so that the first tasks do not depend on how many there are; the two numbers of the layout
    # are drawn even where it is given.
    numbers = np.random.default_rng([seed, STREAM]).random((count, 7))
    if layout == "per_trajectory":
        layouts = random_layouts(numbers[:, :2], "evaluation" if holdout else "all")
    else:
        found = np.unique(data.static["layout"], axis=0)
        if len(found) != 1:
            raise ValueError(
                f"wall.layout={layout} expects data of one layout, but these have {len(found)}; "
                "were they collected with layout=per_trajectory?"
            )
        layouts = np.repeat(found.astype(np.float32), count, axis=0)
    start, goal = _opposite_rooms(layouts, numbers[:, 2:])
    static = torch.from_numpy(layouts)
    return api.Tasks(
        {"position": torch.from_numpy(start), "layout": static},
        # A copy, so that a change to one end in place does not change the other.
        {"position": torch.from_numpy(goal), "layout": static.clone()},
    )


def _opposite_rooms(layouts: np.ndarray, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and goal [N, 2] float32 in opposite rooms, from uniform numbers [N, 5] (two x, two y, the side).

    The border's margin counts from where PLDM's does, the room's inner lines: 6.6 px from the picture's first and
    last pixel.
    """
    low, high = wall_geometry.LOW + MARGIN, wall_geometry.SIZE - 1 - wall_geometry.LOW - MARGIN
    wall = layouts[:, 0]
    left_end, right_end = wall - wall_geometry.HALF_WALL - MARGIN, wall + wall_geometry.HALF_WALL + MARGIN
    left_x = low + uniform[:, 0] * (left_end - low)
    right_x = right_end + uniform[:, 1] * (high - right_end)
    y = low + uniform[:, 2:4] * (high - low)
    left, right = np.stack([left_x, y[:, 0]], axis=-1), np.stack([right_x, y[:, 1]], axis=-1)
    swap = uniform[:, 4:] < 0.5
    return np.where(swap, right, left).astype(np.float32), np.where(swap, left, right).astype(np.float32)
