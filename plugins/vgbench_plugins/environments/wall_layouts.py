"""Layouts of the wall that are drawn at random: all 24 x 44, or a part that is kept for training or for evaluation."""

import math
from typing import Literal

import numpy as np

from vgbench.api import Tasks, Trajectories

WALL_RANGE, DOOR_RANGE = (20, 44), (10, 54)
"""Integers [low, high) from which random layouts are drawn: 24 x 44 of them (PLDM, wall_utils.py:62-88, at 64 px)."""
FOLDS = 4
"""One layout of so many is kept for evaluation where there is a holdout: 264 of 1056, 11 doors for each wall."""

Part = Literal["all", "training", "evaluation"]


def random_layouts(uniform: np.ndarray, part: Part = "all") -> np.ndarray:
    """Layouts [N, 2] float32, uniform over a part of the 24 x 44 allowed ones, from uniform numbers [N, 2] in [0, 1).

    The wall's column is the same in all parts.
    """
    low, high = np.array([WALL_RANGE, DOOR_RANGE]).T
    if part == "all":
        return (low + np.floor(uniform * (high - low))).astype(np.float32)
    columns = low[0] + np.floor(uniform[:, 0] * (high[0] - low[0]))
    rows = np.arange(low[1], high[1])
    layouts = np.stack(np.broadcast_arrays(columns[:, None], rows), axis=-1)
    inside = held_out(layouts) == (part == "evaluation")
    place = np.floor(uniform[:, 1] * inside.sum(axis=1)).astype(np.int64)
    chosen = (np.cumsum(inside, axis=1) == place[:, None] + 1).argmax(axis=1)
    return layouts[np.arange(len(layouts)), chosen].astype(np.float32)


def different_layouts(rng: np.random.Generator, count: int, part: Part = "all") -> np.ndarray:
    """Draw layouts [N, 2] float32 of a part, all different; each set of so many is as likely.

    Raises:
        ValueError: the part has fewer.
    """
    columns, rows = np.arange(*WALL_RANGE), np.arange(*DOOR_RANGE)
    every = np.stack(np.meshgrid(columns, rows, indexing="ij"), axis=-1).reshape(-1, 2)
    if part != "all":
        every = every[held_out(every) == (part == "evaluation")]
    return every[rng.choice(len(every), count, replace=False)].astype(np.float32)


def number_of_layouts(holdout: bool) -> int:
    """Return how many layouts data may have: 1056, or with a holdout 792."""
    every = math.prod(high - low for low, high in (WALL_RANGE, DOOR_RANGE))
    return every - every // FOLDS if holdout else every


def held_out(layouts: np.ndarray) -> np.ndarray:
    """Tell whether layouts [..., 2] are of the part for evaluation, [...] bool: every fourth along a diagonal.

    So each of them has neighbours in training, 1 px to the side: what is tested is new combinations of wall and door.
    """
    return np.floor(layouts).sum(axis=-1) % FOLDS == 0


def check(tasks: Tasks, data: Trajectories, layout: str, holdout: bool) -> dict[str, float]:
    """Return the share of tasks in layouts of the data; with a holdout there must be none.

    Raises:
        ValueError: there is a holdout, but data and tasks have a layout in common; or all data are in one layout, by
            the parameter `layout`, but tasks are in others.
    """
    own = tasks.start["layout"].cpu().numpy().astype(np.float32)
    seen = (own[:, None] == np.unique(data.static["layout"], axis=0)).all(axis=-1).any(axis=1)
    if holdout and seen.any():
        raise ValueError(
            f"wall.holdout=true: {int(seen.sum())} of {len(seen)} tasks (the first is task {int(seen.argmax())}) are "
            "in layouts that the data have; were these collected with wall.holdout=true?"
        )
    if layout != "per_trajectory" and not seen.all():
        raise ValueError(
            f"wall.layout={layout}: {int((~seen).sum())} of {len(seen)} tasks (the first is task {int(seen.argmin())}) "
            "are in a layout that the data do not have; were they made for other data?"
        )
    return {"share_in_layouts_of_data": float(seen.mean())}
