"""Tasks of the gamble: starts and goals in different rooms, so that the lower door is the right one on average."""

import numpy as np
import torch
from torch import Tensor

import vgbench.api as api
from vgbench_plugins.environments.gamble import chance
from vgbench_plugins.environments.rooms import ways
from vgbench_plugins.environments.rooms.geometry import TURNSTILE
from vgbench_plugins.environments.rooms.tasks import pairs

STRATA = ("trap", "sure")
"""With luck the upper door would be shorter, but on average it is longer; or the lower door is shorter in any case.

There are no tasks in which the upper door is worth it: a planner that looks ahead with one outcome of each step cannot
see that, however good its value.
"""
STREAM = 2
"""Key of the tasks' random stream beside the seed."""
CANDIDATES = 128
"""Pairs that are drawn for each task; the first of its stratum is taken."""
CLEAR = 1.0
"""By how much one way has to be shorter than the other, px."""


def sample(layout: np.ndarray, count: int, seed: int) -> api.Tasks:
    """Sample tasks in a layout [3]; even ones are traps.

    Raises:
        ValueError: a task has no pair of its stratum.
    """
    # Rows of numbers for each task, so that the first tasks do not depend on how many there are.
    uniform = np.random.default_rng([seed, STREAM]).random((count, CANDIDATES, 5))
    start, goal = (torch.from_numpy(x.reshape(-1, 2).astype(np.float32)) for x in pairs(TURNSTILE, layout, uniform))
    static = torch.from_numpy(layout).repeat(len(start), 1)
    kind = stratum(start, goal, static).reshape(count, CANDIDATES)
    good = kind == (torch.arange(count) % len(STRATA)).unsqueeze(1)
    if not good.any(1).all():
        raise ValueError(f"gamble: task {int(good.any(1).int().argmin())} has no start and goal of its stratum")
    chosen = torch.arange(count) * CANDIDATES + good.int().argmax(1)
    return api.Tasks(
        {"position": start[chosen], "layout": static[chosen]},
        {"position": goal[chosen], "layout": static[chosen].clone()},
        tuple(STRATA[n % len(STRATA)] for n in range(count)),
    )


def stratum(start: Tensor, goal: Tensor, layout: Tensor) -> Tensor:
    """Return the number in `STRATA` of pairs [B, 2] in different rooms, [B] int64; -1 for none."""
    lucky = ways.length("turnstile", start, goal, layout, one_way=False)
    sure, risky = chance.ways(start, goal, layout)
    trap = (lucky < sure - CLEAR) & (risky > sure + CLEAR)
    return torch.where(trap, 0, torch.where(lucky > sure - ways.STRAIGHT, 1, -1))
