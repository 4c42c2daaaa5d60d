"""Random trajectories of the wall world, half of which pass through the door.

As PLDM's generator does it (Sobal et al. 2025), and the paper's appendix "Datasets". Every trajectory has its layout
and its class (crossing or not) first, and is then drawn until it is of that class. So rejection shifts neither the
share of crossings nor the law of the layouts. Other ways to collect data are in `wall_policies`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from vgbench.api import Trajectories
from vgbench_plugins.environments.wall_cells import Visits, figures
from vgbench_plugins.environments.wall_geometry import GAP, HALF_DOOR, HALF_WALL, HIGH, LOW, is_free
from vgbench_plugins.environments.wall_walk import Walk, truncated_normal

Step = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]
"""(position, layout, action, standard normals or None) -> next position; all [B, 2]."""

DOOR_SIGMA = 1.4
"""Spread of the crossing recipe's point around the middle of the door, px."""
CANDIDATES = 2048
"""Least number of trajectories simulated at once, so that the last few slots do not take a round for each try."""
MAX_ROUNDS = 200


@dataclass(frozen=True)
class Shares:
    """Shares of the trajectories: of those that cross the door, and of those whose headings follow the law of `Walk`.

    Each heading of the others is uniform and independent: they diffuse.
    """

    crossing: float = 0.5
    directed: float = 1.0


@dataclass(frozen=True)
class World:
    """The environment's own step, the standard deviation of the noise on a move, px, and the normals that it takes.

    `dims` is the number of standard normals of a step, where that is not that of its noise.
    """

    step: Step
    noise: float = 0.0
    dims: int | None = None

    def move(
        self, rng: np.random.Generator, position: np.ndarray, layout: np.ndarray, action: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return positions [M, 2] after one action, and the moves [M, 2] if no wall had been in the way."""
        normals = self._normals(rng, len(action))
        after = self.step(torch.from_numpy(position), torch.from_numpy(layout), torch.from_numpy(action), normals)
        if normals is None or not self.noise:
            return after.numpy(), action
        return after.numpy(), action + np.float32(self.noise) * normals.numpy()

    def mover(self, seed: int) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]:
        """Step of positions, layouts and actions [B, 2] that draws its noise itself, again at each call."""
        rng = np.random.default_rng(seed)
        return lambda position, layout, action: self.step(position, layout, action, self._normals(rng, len(action)))

    def _normals(self, rng: np.random.Generator, count: int) -> torch.Tensor | None:
        """Standard normals [count, dims] for a step; None where it takes none."""
        dims = self.dims or (2 if self.noise else 0)
        return torch.from_numpy(rng.standard_normal((count, dims)).astype(np.float32)) if dims else None


@dataclass
class Paths:
    """What M trajectories did: positions [M, T + 1, 2], actions and unhindered moves [M, T, 2]."""

    position: np.ndarray
    actions: np.ndarray
    moves: np.ndarray

    @classmethod
    def empty(cls, count: int, steps: int) -> "Paths":
        """Make room for `count` trajectories of `steps` actions, float32."""
        shapes = ((count, steps + 1, 2), (count, steps, 2), (count, steps, 2))
        return cls(*(np.empty(shape, np.float32) for shape in shapes))

    def put(self, rows: np.ndarray, other: "Paths", chosen: np.ndarray | slice = slice(None)) -> None:
        """Copy trajectories of `other` to rows [R]."""
        for name in ("position", "actions", "moves"):
            getattr(self, name)[rows] = getattr(other, name)[chosen]


@dataclass
class _Slots:
    """N trajectories to be filled: their class is given, their content found by rejection."""

    layouts: np.ndarray
    crossing: np.ndarray
    directed: np.ndarray
    paths: Paths
    pending: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """At first all are pending."""
        self.pending = np.arange(len(self.layouts))

    def fill(self, tries: int, tried: Paths) -> None:
        """Keep, for each pending slot, the first of its `tries` candidates that is of the slot's class."""
        slots = np.repeat(self.pending, tries)
        position = tried.position
        start_free = is_free(torch.from_numpy(position[:, 0]), torch.from_numpy(self.layouts[slots])).numpy()
        good = (crosses(position, self.layouts[slots]) == self.crossing[slots]) & start_free
        good = good.reshape(len(self.pending), tries)
        found = good.any(axis=1)
        chosen = (np.arange(len(good)) * tries + good.argmax(axis=1))[found]
        self.paths.put(self.pending[found], tried, chosen)
        self.pending = self.pending[~found]


def crosses(position: np.ndarray, layout: np.ndarray) -> np.ndarray:
    """Tell whether trajectories [N, T + 1, 2] are seen on both sides of the wall of their layouts [N, 2]; [N] bool."""
    x, wall = position[..., 0], layout[:, 0]
    return (x.min(axis=1) < wall - HALF_WALL) & (x.max(axis=1) > wall + HALF_WALL)


def collect(
    walk: Walk,
    world: World,
    layouts: np.ndarray,
    length: int,
    rng: np.random.Generator,
    shares: Shares,
    progress: Callable[[int, int], None] | None = None,
) -> Trajectories:
    """Collect one trajectory of `length` states per layout [N, 2] float32; floor(share N) of them cross the door.

    Raises:
        ValueError: crossings are impossible, or too rare to be found, in so few steps.
    """
    count = len(layouts)
    if count < 1 or length < 2:
        raise ValueError(f"wall: {count} trajectories of {length} states: expected at least 1 of at least 2 states")
    crossings = int(np.floor(shares.crossing * count + 1e-9))
    if crossings and (length < 3 or (length - 1) * walk.high <= 2 * HALF_WALL):
        raise ValueError(
            f"wall: no trajectory of {length} states can pass the door, but {crossings} of {count} must; use more "
            "states, or wall.crossing=0"
        )
    slots = _Slots(
        layouts,
        crossing=rng.permutation(np.arange(count) < crossings),
        # Drawn only where it says something: the numbers after it are those of data without this share.
        directed=rng.permutation(np.arange(count) < round(shares.directed * count))
        if shares.directed < 1
        else np.ones(count, bool),
        paths=Paths.empty(count, length - 1),
    )
    simulated = 0
    for _ in range(MAX_ROUNDS):
        tries = -(-CANDIDATES // len(slots.pending))
        wanted = np.repeat(slots.pending, tries)
        start, actions = _candidates(
            walk, layouts[wanted], slots.crossing[wanted], slots.directed[wanted], length - 1, rng
        )
        slots.fill(tries, _simulate(world, start, layouts[wanted], actions, rng))
        simulated += len(wanted)
        if progress:
            progress(count - len(slots.pending), count)
        if not len(slots.pending):
            share = {} if slots.directed.all() else {"share_trajectories_directed": float(slots.directed.mean())}
            return trajectories(slots.paths, layouts, {"candidates_simulated": simulated, **share})
    raise ValueError(
        f"wall: {len(slots.pending)} of {count} trajectories of {length} states not found after {simulated} "
        f"candidates ({int(slots.crossing[slots.pending].sum())} of them must pass the door); use longer ones"
    )


def wander(walk: Walk, world: World, layouts: np.ndarray, steps: int, rng: np.random.Generator) -> Paths:
    """Make random trajectories of the plain recipe, one per layout [M, 2], whether they pass the door or not."""
    count = len(layouts)
    start, actions = _candidates(walk, layouts, np.zeros(count, bool), np.ones(count, bool), steps, rng)
    return _simulate(world, start, layouts, actions, rng)


def trajectories(paths: Paths, layouts: np.ndarray, more: Mapping[str, object]) -> Trajectories:
    """The data set of some paths, its card (shares are over trajectories or over steps, as named) with `more` in it."""
    moved = np.diff(paths.position, axis=1)
    # Above float32's rounding of coordinates (4e-6), far below a pixel.
    collided = np.abs(moved - paths.moves).max(axis=-1) > 1e-4
    crossing = crosses(paths.position, layouts)
    visits = Visits()
    visits.add(paths.position, layouts[:, None])
    card = {
        "crossing_trajectories": int(crossing.sum()),
        "share_trajectories_crossing": float(crossing.mean()),
        "share_steps_colliding": float(collided.mean()),
        "share_trajectories_colliding": float(collided.any(axis=1).mean()),
        "mean_action_norm_px": float(np.linalg.norm(paths.actions, axis=-1).mean()),
        "mean_displacement_px": float(np.linalg.norm(paths.position[:, -1] - paths.position[:, 0], axis=-1).mean()),
        "distinct_layouts": len(np.unique(layouts, axis=0)),
        **figures(visits.counts),
        **more,
    }
    return Trajectories({"position": paths.position}, {"layout": layouts}, paths.actions, card)


def _candidates(
    walk: Walk,
    layouts: np.ndarray,
    crossing: np.ndarray,
    directed: np.ndarray,
    steps: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Starts [M, 2] and actions [M, steps, 2] (float32) by the recipe of each row's class.

    The plain recipe starts anywhere, in any direction. The crossing recipe puts the agent in the door after `origin`
    actions, heading within 45 degrees of the wall's normal, and works backwards to its start.
    """
    count = len(layouts)
    # Both recipes are drawn for all rows, so that the numbers drawn do not depend on the classes. A single step leaves
    # no range to draw from, hence the 2; it has no crossing.
    origin = np.where(crossing, rng.integers(1, max(steps, 2), count), 0)
    base = rng.uniform(0, 2 * np.pi, count)
    through = rng.uniform(-np.pi / 4, np.pi / 4, count) + np.pi * rng.integers(0, 2, count)
    headings = walk.headings(rng, np.where(crossing, through, base), steps, origin)
    if not directed.all():
        headings = np.where(directed[:, None], headings, rng.uniform(0, 2 * np.pi, headings.shape))
    norms = walk.norms(rng, headings.shape)
    actions = np.stack([norms * np.cos(headings), norms * np.sin(headings)], axis=-1)
    offset = np.concatenate([np.zeros((count, 1, 2)), np.cumsum(actions, axis=1)], axis=1)
    at_door = _door_points(layouts, rng) - np.take_along_axis(offset, origin[:, None, None], axis=1)[:, 0]
    plain = free_points(layouts, rng)
    start = np.where(crossing[:, None], np.clip(at_door, LOW + GAP, HIGH - GAP), plain)
    return start.astype(np.float32), actions.astype(np.float32)


def _door_points(layouts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random points [M, 2] in the doors: uniform across the wall, concentrated around the middle of the opening."""
    across = rng.uniform(-HALF_WALL, HALF_WALL, len(layouts))
    along = truncated_normal(rng, (len(layouts),), 0.0, DOOR_SIGMA, -HALF_DOOR, HALF_DOOR)
    return layouts + np.stack([across, along], axis=-1)


def free_points(layouts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uniform points [M, 2] of the room; one within the wall's columns moves to a random place on a random side."""
    point = rng.uniform(LOW + GAP, HIGH - GAP, (len(layouts), 2))
    left = rng.uniform(LOW + GAP, layouts[:, 0] - HALF_WALL - GAP)
    right = rng.uniform(layouts[:, 0] + HALF_WALL + GAP, HIGH - GAP)
    side = np.where(rng.integers(0, 2, len(layouts)) == 0, left, right)
    within = np.abs(point[:, 0] - layouts[:, 0]) <= HALF_WALL + GAP
    point[:, 0] = np.where(within, side, point[:, 0])
    return point


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
