"""Other data of the wall world than the paper's: experts, mixtures, and trajectories that go where few have been.

The paper's discussion asks what data suit value learning: expert trajectories, in which states that are close never
look far apart, or diverse ones that reach the whole space. Here no trajectory is drawn again for its class: whether it
passes the door is as it comes.
"""

from collections.abc import Callable

import numpy as np
import torch

from vgbench.api import Trajectories
from vgbench_plugins.environments.wall_cells import Visits, points_in
from vgbench_plugins.environments.wall_data import Paths, World, free_points, trajectories, wander
from vgbench_plugins.environments.wall_paths import aim
from vgbench_plugins.environments.wall_walk import KAPPA, Walk

EXPERT_KAPPA = 50.0
"""Concentration of the von Mises noise of an expert's headings: a standard deviation of 8 degrees."""
CLEARANCE = 1.0
"""Distance from the corners of the door at which the data's experts turn, px: noise of the heading seldom costs it."""
BATCH = 64
"""Trajectories that the coverage policy runs at once: each batch starts where those before it have been least."""

Draw = Callable[[np.ndarray], np.ndarray]
"""Layouts [M, 2] -> free points [M, 2], one in each."""
Progress = Callable[[int, int], None] | None


def collect(
    policy: str,
    share: float,
    walk: Walk,
    world: World,
    layouts: np.ndarray,
    length: int,
    rng: np.random.Generator,
    progress: Progress = None,
) -> Trajectories:
    """Collect one trajectory of `length` states per layout [N, 2] float32.

    Args:
        policy: "expert", "mixed" or "coverage".
        share: of experts among the trajectories of "mixed".
        walk: law of the action norms, and of the headings of the random part of "mixed".
        world: the environment's step.
        layouts: [N, 2].
        length: number of states, T + 1.
        rng: where all numbers come from.
        progress: called with trajectories done and to do.

    Raises:
        ValueError: no trajectories, or of no step.
    """
    count, steps = len(layouts), length - 1
    if count < 1 or length < 2:
        raise ValueError(f"wall: {count} trajectories of {length} states: expected at least 1 of at least 2 states")
    if policy == "coverage":
        paths, reached = _coverage(walk, world, layouts, steps, rng, progress)
        return trajectories(paths, layouts, {"mean_goals_reached": reached / count})
    expert = rng.permutation(np.arange(count) < round(count * (1.0 if policy == "expert" else share)))
    paths, reached = Paths.empty(count, steps), 0
    wandering = np.flatnonzero(~expert)
    paths.put(wandering, wander(walk, world, layouts[wandering], steps, rng))
    if progress:
        progress(len(wandering), count)
    followed, reached = _follow(
        walk, world, layouts[expert], steps, rng, EXPERT_KAPPA, lambda layout: free_points(layout, rng)
    )
    paths.put(np.flatnonzero(expert), followed)
    if progress:
        progress(count, count)
    about = {"expert_trajectories": int(expert.sum()), "mean_goals_reached": reached / max(int(expert.sum()), 1)}
    return trajectories(paths, layouts, about)


def _coverage(
    walk: Walk, world: World, layouts: np.ndarray, steps: int, rng: np.random.Generator, progress: Progress
) -> tuple[Paths, int]:
    """Trajectories that start in, and go to, cells with few visits so far; headings are as noisy as the random data's.

    Returns also how many goals were reached.
    """
    count, visits, total = len(layouts), Visits(), 0
    paths = Paths.empty(count, steps)
    for first in range(0, count, BATCH):
        rows = np.arange(first, min(first + BATCH, count))
        some, reached = _follow(
            walk,
            world,
            layouts[rows],
            steps,
            rng,
            KAPPA,
            lambda layout: points_in(rng, visits.draw(rng, len(layout)), layout),
            visits.add,
        )
        paths.put(rows, some)
        total += reached
        if progress:
            progress(int(rows[-1]) + 1, count)
    return paths, total


def _follow(
    walk: Walk,
    world: World,
    layouts: np.ndarray,
    steps: int,
    rng: np.random.Generator,
    kappa: float,
    draw: Draw,
    seen: Callable[[np.ndarray, np.ndarray], None] = lambda position, layout: None,
) -> tuple[Paths, int]:
    """Go the shortest way to a goal, then to the next, with norms of the data's law and von Mises noise on headings.

    A goal counts as reached within half the longest step: norms are not cut to end on it. `seen` is told of all
    positions [M, 2] and their layouts. Returns also how many goals were reached.
    """
    paths, reached = Paths.empty(len(layouts), steps), 0
    paths.position[:, 0] = draw(layouts)
    goal = draw(layouts)
    layout = torch.from_numpy(layouts)
    for time in range(steps):
        now = paths.position[:, time]
        seen(now, layouts)
        there = np.linalg.norm(goal - now, axis=-1) < walk.high / 2
        goal[there] = draw(layouts[there])
        reached += int(there.sum())
        target = aim(torch.from_numpy(now), torch.from_numpy(goal), layout, CLEARANCE).numpy()
        heading = np.arctan2(*(target - now).T[::-1]) + rng.vonmises(0.0, kappa, len(now))
        step = walk.norms(rng, heading.shape)[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
        paths.actions[:, time] = step
        paths.position[:, time + 1], paths.moves[:, time] = world.move(rng, now, layouts, paths.actions[:, time])
    seen(paths.position[:, -1], layouts)
    return paths, reached
