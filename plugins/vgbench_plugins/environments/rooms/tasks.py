"""Tasks of the rooms: starts and goals in opposite rooms, half of them where the straight way is closed."""

import numpy as np
import torch
from torch import Tensor

import vgbench.api as api
from vgbench_plugins.environments.rooms import ways
from vgbench_plugins.environments.rooms.geometry import ONE_DOOR, PLANS, Plan, room
from vgbench_plugins.environments.wall_geometry import HALF_WALL, HIGH, LOW
from vgbench_plugins.environments.wall_tasks import MARGIN

STREAM = 1
"""Key of the tasks' random stream beside the seed."""
CANDIDATES = 64
"""Pairs that are drawn for each task; the first of its stratum is taken."""
DETOUR = 1.0
"""By how much the open way is longer in the stratum "trap" than the way through doors that pass either way, px."""
FAR_AROUND, NEARLY_STRAIGHT = 16.0, 8.0
"""The detour through the only door, px: more than half of what a plan of 8 big steps reaches (29 px), or less than a
fourth."""
STRATA = {
    "turnstile": ("trap", "open"),
    "ring": ("trap", "open"),
    "one_door": ("detour", "open"),
}
"""Strata by layout; tasks are of one after another."""


def sample(name: str, layout: np.ndarray, count: int, seed: int) -> api.Tasks:
    """Sample tasks in a layout [K], of each of its `STRATA` in turn.

    Doors of the turnstile and the ring count as one-way here, whether they are: the twin has the same tasks.

    Raises:
        ValueError: a task has no pair of its stratum.
    """
    plan, names = PLANS[name], STRATA[name]
    # Rows of numbers for each task, so that the first tasks do not depend on how many there are.
    uniform = np.random.default_rng([seed, STREAM]).random((count, CANDIDATES, 5))
    start, goal = (torch.from_numpy(x.reshape(-1, 2).astype(np.float32)) for x in pairs(plan, layout, uniform))
    static = torch.from_numpy(layout).repeat(len(start), 1)
    kind = stratum(name, start, goal, static).reshape(count, CANDIDATES)
    good = kind == (torch.arange(count) % len(names)).unsqueeze(1)
    if not good.any(1).all():
        raise ValueError(f"rooms: task {int(good.any(1).int().argmin())} has no start and goal of its stratum")
    chosen = torch.arange(count) * CANDIDATES + good.int().argmax(1)
    return api.Tasks(
        {"position": start[chosen], "layout": static[chosen]},
        {"position": goal[chosen], "layout": static[chosen]},
        tuple(names[n % len(names)] for n in range(count)),
    )


def stratum(name: str, start: Tensor, goal: Tensor, layout: Tensor) -> Tensor:
    """Return the number in its `STRATA` of pairs [B, 2] in two rooms, [B] int64; -1 for none.

    "trap": the start is nearer to the door that leads into its room than to the one that leads out, and through doors
    that pass either way the way would be shorter by more than `DETOUR`. "open": the start is nearer to the door that
    leads out, and the shortest way passes doors in their direction. Of one door, "detour": the shortest way is longer
    than a straight line through the wall by more than `FAR_AROUND`; "open": by less than `NEARLY_STRAIGHT`.
    """
    plan = PLANS[name]
    if plan is ONE_DOOR:
        around = ways.length(name, start, goal, layout, False) - torch.linalg.vector_norm(start - goal, dim=-1)
        return torch.where(around > FAR_AROUND, 0, torch.where(around < NEARLY_STRAIGHT, 1, -1))
    one, two = (ways.length(name, start, goal, layout, one_way) for one_way in (True, False))
    away = {sign: torch.full((len(start),), torch.inf, dtype=torch.float64) for sign in (-1, 1)}
    number = room(plan, start, layout)
    for door in plan.doors:
        place = [layout[:, door.line], layout[:, door.middle]]
        middle = torch.stack(place if door.axis == 0 else place[::-1], dim=-1)
        for side in (-1, 1):
            # A point in front of the door (-1) or behind it: is this the start's room?
            shift = torch.zeros(2)
            shift[door.axis] = side * door.sign * 2 * HALF_WALL
            here = room(plan, middle + shift, layout) == number
            far = torch.linalg.vector_norm(start - middle, dim=-1).double()
            away[side] = torch.where(here, torch.minimum(away[side], far), away[side])
    out, into = away[-1], away[1]
    trap, free = (into < out) & (one - two > DETOUR), (out < into) & (one - two < ways.STRAIGHT)
    return torch.where(trap, 0, torch.where(free, 1, -1))


def pairs(plan: Plan, layout: np.ndarray, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and goals [..., 2] in opposite rooms, from uniform numbers [..., 5]: two points and a room."""
    inner = (LOW + MARGIN, HIGH - MARGIN)
    corner = np.floor(uniform[..., 4] * 2 ** len(plan.walls)).astype(np.int64)
    ends = []
    for first, flip in ((0, False), (2, True)):
        low, high = np.full((*corner.shape, 2), inner[0]), np.full((*corner.shape, 2), inner[1])
        for bit, wall in enumerate(plan.walls):
            far, line = ((corner >> bit) & 1).astype(bool) ^ flip, layout[wall.line]
            low[..., wall.axis] = np.where(far, line + HALF_WALL + MARGIN, low[..., wall.axis])
            high[..., wall.axis] = np.where(far, high[..., wall.axis], line - HALF_WALL - MARGIN)
        ends.append(low + uniform[..., first : first + 2] * (high - low))
    return ends[0], ends[1]
