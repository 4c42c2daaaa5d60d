"""Other data of the wall world than the paper's: experts, mixtures, and trajectories that go where few have been.

The paper's discussion asks what data suit value learning: expert trajectories, in which states that are close never
look far apart, or diverse ones that reach the whole space. Here no trajectory is drawn again for its class: whether it
passes the door is as it comes.

"navigate" and "stitch" are after OGBench's (Park et al. 2025): experts as noisy as the random data, to goals anywhere,
or near their start, so that long ways have to be put together of many trajectories. With OGBench's stitch the agent
stays at its one goal; here it goes on to others that are as near to its start.
"""

from collections.abc import Callable

import numpy as np
import torch

from vgbench.api import Trajectories
from vgbench_plugins.environments import wall_paths
from vgbench_plugins.environments.wall_cells import Visits, points_in
from vgbench_plugins.environments.wall_data import Paths, World, free_points, trajectories, wander
from vgbench_plugins.environments.wall_geometry import SIZE, is_free
from vgbench_plugins.environments.wall_paths import aim
from vgbench_plugins.environments.wall_walk import KAPPA, Walk

EXPERT_KAPPA = 50.0
"""Concentration of the von Mises noise of an expert's headings: a standard deviation of 8 degrees."""
CLEARANCE = 1.0
"""Distance from the corners of the door at which the data's experts turn, px: noise of the heading seldom costs it."""
NEAR = SIZE / 4
"""Goals of the policy "stitch" are at most so far from the trajectory's start along the shortest way, px."""
TRIED = 32
"""Points that are drawn at once for each goal of "stitch", of which the first that will do is taken."""
BATCH = 64
"""Trajectories that the coverage policy runs at once: each batch starts where those before it have been least."""

Draw = Callable[[np.ndarray], np.ndarray]
"""Layouts [M, 2] -> free points [M, 2], one in each."""
DrawNear = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Starts [M, 2] and layouts [M, 2] -> goals [M, 2]."""
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
        policy: "expert", "mixed", "coverage", "navigate" or "stitch".
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
    if policy in ("navigate", "stitch"):
        paths, reached = _noisy(walk, world, layouts, steps, rng, policy == "stitch", progress)
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


def near_points(rng: np.random.Generator, start: np.ndarray, layouts: np.ndarray, reach: float) -> np.ndarray:
    """Draw uniform free points [M, 2] whose shortest ways from free starts [M, 2] are at most `reach` px long."""
    points, pending = np.empty((len(start), 2)), np.arange(len(start))
    while len(pending):
        shape = (len(pending), TRIED)
        radius, angle = reach * np.sqrt(rng.random(shape)), rng.uniform(0, 2 * np.pi, shape)
        # No way is shorter than a straight line, so that all points within reach are in this disc.
        tried = start[pending, None] + radius[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        ends, layout = torch.from_numpy(tried), torch.from_numpy(layouts[pending, None]).expand(*shape, 2)
        good = is_free(ends, layout)
        begun = torch.from_numpy(start[pending, None]).expand(*shape, 2)
        good[good.clone()] = wall_paths.length(begun[good], ends[good], layout[good]) <= reach
        found = good.any(dim=1).numpy()
        chosen = good.int().argmax(dim=1).numpy()
        points[pending[found]] = tried[found, chosen[found]]
        pending = pending[~found]
    return points


def _noisy(
    walk: Walk,
    world: World,
    layouts: np.ndarray,
    steps: int,
    rng: np.random.Generator,
    near: bool,
    progress: Progress,
) -> tuple[Paths, int]:
    """Experts with headings as noisy as the random data's, to goals anywhere, or near the trajectory's start.

    Returns also how many goals were reached.
    """
    if progress:
        progress(0, len(layouts))
    found = _follow(
        walk,
        world,
        layouts,
        steps,
        rng,
        KAPPA,
        lambda layout: free_points(layout, rng),
        goals=(lambda start, layout: near_points(rng, start, layout, NEAR)) if near else None,
    )
    if progress:
        progress(len(layouts), len(layouts))
    return found


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
    goals: DrawNear | None = None,
) -> tuple[Paths, int]:
    """Go the shortest way to a goal, then to the next, with norms of the data's law and von Mises noise on headings.

    A goal counts as reached within half the longest step: norms are not cut to end on it. `seen` is told of all
    positions [M, 2] and their layouts. Starts come from `draw`; goals, too, where `goals` does not draw them. Returns
    also how many goals were reached.
    """
    paths, reached = Paths.empty(len(layouts), steps), 0
    paths.position[:, 0] = draw(layouts)
    start = paths.position[:, 0].copy()
    goal = draw(layouts) if goals is None else goals(start, layouts)
    layout = torch.from_numpy(layouts)
    for time in range(steps):
        now = paths.position[:, time]
        seen(now, layouts)
        there = np.linalg.norm(goal - now, axis=-1) < walk.high / 2
        goal[there] = draw(layouts[there]) if goals is None else goals(start[there], layouts[there])
        reached += int(there.sum())
        target = aim(torch.from_numpy(now), torch.from_numpy(goal), layout, CLEARANCE).numpy()
        heading = np.arctan2(*(target - now).T[::-1]) + rng.vonmises(0.0, kappa, len(now))
        step = walk.norms(rng, heading.shape)[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
        paths.actions[:, time] = step
        paths.position[:, time + 1], paths.moves[:, time] = world.move(rng, now, layouts, paths.actions[:, time])
    seen(paths.position[:, -1], layouts)
    return paths, reached
