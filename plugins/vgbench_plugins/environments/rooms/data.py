"""Trajectories of the rooms: random walks of which a share passes a door, or experts that go from goal to goal.

The random data are made as the wall's (`wall_data`): each trajectory has its class first, and is then drawn until it is
of that class. Its candidates come from a stream that knows nothing of the doors' directions, so one-way rooms and their
two-way twin get the same ones: a trajectory that meets no closed door is the same in both, if moves have no noise.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch

import vgbench.api as api
from vgbench_plugins.environments.rooms import ways
from vgbench_plugins.environments.rooms.geometry import PLANS, Plan, in_wall, is_free, room
from vgbench_plugins.environments.rooms.places import free_points
from vgbench_plugins.environments.wall_data import DOOR_SIGMA, Paths, World
from vgbench_plugins.environments.wall_geometry import GAP, HALF_DOOR, HALF_WALL, HIGH, LOW
from vgbench_plugins.environments.wall_policies import CLEARANCE, EXPERT_KAPPA
from vgbench_plugins.environments.wall_walk import Walk, truncated_normal

BLOCK = 256
"""Trajectories that are drawn together."""
TRIES = 8
"""Candidates of each of them in a round."""
MAX_ROUNDS = 200

Progress = Callable[[int, int], None] | None


def crosses(plan: Plan, position: np.ndarray, layouts: np.ndarray) -> np.ndarray:
    """Whether trajectories [N, T + 1, 2] in layouts [N, K] are seen in two rooms at least, beyond the doors; [N] bool.

    Shapes may also be one trajectory's, [T + 1, 2] and [K].
    """
    points, layout = torch.from_numpy(position), torch.from_numpy(layouts).unsqueeze(-2)
    number, within = room(plan, points, layout), in_wall(plan, points, layout)
    least, most = number.masked_fill(within, 9).amin(-1), number.masked_fill(within, -1).amax(-1)
    result: np.ndarray = (least < most).numpy()
    return result


def collect(
    plan: Plan, walk: Walk, world: World, layouts: np.ndarray, length: int, seed: int, share: float, progress: Progress
) -> api.Trajectories:
    """Collect one random trajectory of `length` states per layout [N, K] float32; floor(share N) of them pass a door.

    Raises:
        ValueError: crossings are impossible, or too rare to be found, in so few steps.
    """
    count, steps = len(layouts), length - 1
    crossing_count = int(np.floor(share * count + 1e-9))
    _check(count, length)
    if crossing_count and (length < 3 or steps * walk.high <= 2 * HALF_WALL):
        raise ValueError(f"rooms: no trajectory of {length} states can pass a door, but some must; use more")
    crossing = np.random.default_rng([seed, 0]).permutation(np.arange(count) < crossing_count)
    paths, simulated = Paths.empty(count, steps), 0
    for first in range(0, count, BLOCK):
        rows = np.arange(first, min(first + BLOCK, count))
        simulated += _fill(plan, walk, world, layouts, crossing, paths, rows, seed)
        if progress:
            progress(int(rows[-1]) + 1, count)
    return trajectories(plan, paths, layouts, {"candidates_simulated": simulated})


def expert(
    name: str,
    one_way: bool,
    walk: Walk,
    world: World,
    layouts: np.ndarray,
    length: int,
    rng: np.random.Generator,
    progress: Progress,
) -> api.Trajectories:
    """Collect experts that go the shortest way to a random goal, then to the next; headings have von Mises noise.

    Norms are of the data's law, and a goal counts as reached within half the longest one.
    """
    plan = PLANS[name]
    count, steps, reached = len(layouts), length - 1, 0
    _check(count, length)
    paths, layout = Paths.empty(count, steps), torch.from_numpy(layouts)
    paths.position[:, 0], goal = free_points(plan, layouts, rng), free_points(plan, layouts, rng)
    for time in range(steps):
        now = paths.position[:, time]
        there = np.linalg.norm(goal - now, axis=-1) < walk.high / 2
        # Drawn for all, so that the numbers drawn do not depend on who has arrived.
        goal = np.where(there[:, None], free_points(plan, layouts, rng), goal)
        reached += int(there.sum())
        target = ways.aim(name, torch.from_numpy(now), torch.from_numpy(goal), layout, one_way, CLEARANCE).numpy()
        heading = np.arctan2(*(target - now).T[::-1]) + rng.vonmises(0.0, EXPERT_KAPPA, count)
        step = walk.norms(rng, heading.shape)[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
        paths.actions[:, time] = step
        paths.position[:, time + 1], paths.moves[:, time] = world.move(rng, now, layouts, paths.actions[:, time])
        if progress:
            progress(count * (time + 1) // steps, count)
    return trajectories(plan, paths, layouts, {"mean_goals_reached": reached / count})


def trajectories(plan: Plan, paths: Paths, layouts: np.ndarray, more: Mapping[str, object]) -> api.Trajectories:
    """The data set of some paths, its card (shares are over trajectories or over steps, as named) with `more` in it."""
    moved = np.diff(paths.position, axis=1)
    # Above float32's rounding of coordinates (4e-6), far below a pixel.
    cancelled = np.abs(moved - paths.moves).max(axis=-1) > 1e-4
    crossing = crosses(plan, paths.position, layouts)
    card = {
        "crossing_trajectories": int(crossing.sum()),
        "share_trajectories_crossing": float(crossing.mean()),
        "share_steps_cancelled": float(cancelled.mean()),
        "share_trajectories_with_a_step_cancelled": float(cancelled.any(axis=1).mean()),
        "mean_action_norm_px": float(np.linalg.norm(paths.actions, axis=-1).mean()),
        "mean_displacement_px": float(np.linalg.norm(paths.position[:, -1] - paths.position[:, 0], axis=-1).mean()),
        "layout": [float(number) for number in layouts[0]],
        **more,
    }
    return api.Trajectories({"position": paths.position}, {"layout": layouts}, paths.actions, card)


def _check(count: int, length: int) -> None:
    """Refuse no data."""
    if count < 1 or length < 2:
        raise ValueError(f"rooms: {count} trajectories of {length} states: expected at least 1 of at least 2 states")


def _fill(
    plan: Plan,
    walk: Walk,
    world: World,
    layouts: np.ndarray,
    crossing: np.ndarray,
    paths: Paths,
    rows: np.ndarray,
    seed: int,
) -> int:
    """Fill rows [R] of paths with the first of their candidates that are of their class [N]; return how many it took.

    Raises:
        ValueError: there is none for a row among all that were tried.
    """
    pending, simulated = np.arange(len(rows)), 0
    for attempt in range(MAX_ROUNDS):
        rng = np.random.default_rng([seed, 1, int(rows[0]), attempt])
        # For all rows, whoever is still pending: that may differ between one-way and two-way doors.
        every = np.repeat(rows, TRIES)
        start, actions = _candidates(plan, walk, layouts[every], crossing[every], paths.actions.shape[1], rng)
        chosen = (pending[:, None] * TRIES + np.arange(TRIES)).ravel()
        slots = every[chosen]
        tried = _simulate(world, start[chosen], layouts[slots], actions[chosen], rng)
        simulated += len(slots)
        free = is_free(plan, torch.from_numpy(start[chosen]), torch.from_numpy(layouts[slots])).numpy()
        good = (crosses(plan, tried.position, layouts[slots]) == crossing[slots]) & free
        good = good.reshape(len(pending), TRIES)
        found = good.any(axis=1)
        first = (np.arange(len(good)) * TRIES + good.argmax(axis=1))[found]
        paths.put(rows[pending[found]], tried, first)
        pending = pending[~found]
        if not len(pending):
            return simulated
    raise ValueError(
        f"rooms: {len(pending)} of {len(rows)} trajectories not found after {simulated} candidates "
        f"({int(crossing[rows[pending]].sum())} of them must pass a door); use longer ones"
    )


def _candidates(
    plan: Plan, walk: Walk, layouts: np.ndarray, crossing: np.ndarray, steps: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Starts [M, 2] and actions [M, steps, 2] (float32) by the recipe of each row's class.

    The plain recipe starts anywhere, in any direction. The crossing recipe puts the agent in one of the doors after
    `origin` actions, heading within 45 degrees of the wall's normal, either way, and works backwards to its start.
    """
    count = len(layouts)
    # Both recipes are drawn for all rows, so that the numbers drawn do not depend on the classes. A single step leaves
    # no range to draw from, hence the 2; it has no crossing.
    origin = np.where(crossing, rng.integers(1, max(steps, 2), count), 0)
    base = rng.uniform(0, 2 * np.pi, count)
    through = rng.uniform(-np.pi / 4, np.pi / 4, count) + np.pi * rng.integers(0, 2, count)
    door = rng.integers(0, len(plan.doors), count)
    axis = np.array([door.axis for door in plan.doors])[door]
    headings = walk.headings(rng, np.where(crossing, through + np.pi / 2 * axis, base), steps, origin)
    norms = walk.norms(rng, headings.shape)
    actions = np.stack([norms * np.cos(headings), norms * np.sin(headings)], axis=-1)
    offset = np.concatenate([np.zeros((count, 1, 2)), np.cumsum(actions, axis=1)], axis=1)
    across = rng.uniform(-HALF_WALL, HALF_WALL, count)
    along = truncated_normal(rng, (count,), 0.0, DOOR_SIGMA, -HALF_DOOR, HALF_DOOR)
    row = np.arange(count)
    across += layouts[row, np.array([door.line for door in plan.doors])[door]]
    along += layouts[row, np.array([door.middle for door in plan.doors])[door]]
    at_door = np.where(axis[:, None] == 0, np.stack([across, along], axis=-1), np.stack([along, across], axis=-1))
    at_door = at_door - np.take_along_axis(offset, origin[:, None, None], axis=1)[:, 0]
    plain = free_points(plan, layouts, rng)
    start = np.where(crossing[:, None], np.clip(at_door, LOW + GAP, HIGH - GAP), plain)
    return start.astype(np.float32), actions.astype(np.float32)


def _simulate(
    world: World, start: np.ndarray, layouts: np.ndarray, actions: np.ndarray, rng: np.random.Generator
) -> Paths:
    """What follows from starts [M, 2] and actions [M, T, 2]."""
    paths = Paths.empty(len(actions), actions.shape[1])
    paths.position[:, 0], paths.actions[:] = start, actions
    for time in range(actions.shape[1]):
        now = paths.position[:, time]
        paths.position[:, time + 1], paths.moves[:, time] = world.move(rng, now, layouts, actions[:, time])
    return paths
