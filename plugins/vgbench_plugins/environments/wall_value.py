"""What the paper's value loss converges to on the wall, solved on a grid: its bias, without networks.

The loss makes d(s, g) the expectile of 1 + gamma d(s', g) over the data's next states s', 0 at s = g. Here s' are those
of `SAMPLES` walks drawn once from the data's law (headings spread evenly) and made from every point of the grid, by the
environment's own step; in between, d is interpolated. The state is the position alone, as the image shows it, so
headings are uniform, which leaves out that half of the data's walks are chosen for passing the door.

A goal is a point of the grid: with a spacing of 1 px it counts as reached by walks that end within a pixel, in
proportion. Without such a width random walks never hit it, and d would be the upper bound everywhere.

For given weights the equation is linear, and an expectile is the best of all weightings between 1 - tau and tau: so
weights and solution are improved in turn (policy iteration), which ends after a few rounds.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from scipy.sparse import csr_array

import vgbench.api as api
from vgbench_plugins.environments.lattice import Lattice
from vgbench_plugins.environments.wall_geometry import HIGH, LOW, is_free, stay
from vgbench_plugins.environments.wall_walk import Walk

SAMPLES = 96
"""Walks from each point."""
TOLERANCE = 1e-9
"""Largest error of d as a share of its upper bound 1 / (1 - gamma)."""
ROUNDS = 100
"""Most changes of the weights; about ten are needed."""

Move = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Positions [B, 2], layouts [B, 2] and actions [B, 2] -> next positions [B, 2]."""


def values(
    position: torch.Tensor,
    goal: torch.Tensor,
    layout: torch.Tensor,
    actions: np.ndarray,
    move: Move,
    tau: float,
    gamma: float,
    grid_of: Callable[..., Lattice] | None = None,
) -> torch.Tensor:
    """Return distances d [B] float64 from positions [B, 2] to goals [B, 2] of layouts [B, K]: a solution for each goal.

    `actions` [S, steps, 2] are walks as of `walks`; tau, gamma as for `solve`. Goals count as at the nearest point.
    `grid_of` makes the grid of the numbers of a layout (default: `lattice`, the wall's).
    """
    result = torch.empty(len(position), dtype=torch.float64)
    for place in torch.unique(layout, dim=0):
        grid = (grid_of or lattice)(*place.tolist())
        ends = transitions(grid, place, actions, move)
        rows = (layout == place).all(-1).nonzero().squeeze(-1)
        nearest = grid.nearest(goal[rows])
        for target in torch.unique(nearest).tolist():
            d = torch.from_numpy(solve(ends, target, tau, gamma))
            part = rows[nearest == target]
            number, weight = grid.locate(position[part])
            result[part] = (d[number] * weight).sum(-1)
    return result


@lru_cache(maxsize=64)
def lattice(wall: float, door: float) -> Lattice:
    """Return the free positions of a layout at whole pixels."""
    layout = torch.tensor([[wall, door]])

    def free(points: np.ndarray) -> np.ndarray:
        return is_free(torch.from_numpy(points), layout).numpy()

    def passes(points: np.ndarray, others: np.ndarray) -> np.ndarray:
        target = torch.from_numpy(others)
        return (stay(torch.from_numpy(points), target, layout.expand(len(points), 2)) == target).all(-1).numpy()

    return Lattice(LOW + 1, 1.0, int(HIGH - LOW) - 1, free, passes)


def state_grid(state: api.State) -> api.StateGrid:
    """Return the grid of the layout of a state (leading 1), on its device."""
    layout = state["layout"][:1]
    grid, device = lattice(*layout[0].tolist()), layout.device

    def locate(other: api.State) -> tuple[torch.Tensor, torch.Tensor]:
        number, weight = grid.locate(other["position"].cpu())
        return number.to(device), weight.to(device)

    states = {"position": grid.points.to(device), "layout": layout.expand(len(grid.points), 2)}
    return api.StateGrid(states, grid.neighbours.to(device), locate)


def walks(walk: Walk, steps: int) -> np.ndarray:
    """Actions [SAMPLES, steps, 2] of the data's law, headings of the first ones spread evenly around the circle."""
    # Always the same walks, so that a diagnosis can be repeated.
    rng = np.random.default_rng(0)
    base = 2 * np.pi * (np.arange(SAMPLES) + 0.5) / SAMPLES
    angle = walk.headings(rng, base, steps, np.zeros(SAMPLES, np.int64))
    norm = walk.norms(rng, angle.shape)
    return (norm[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)).astype(np.float32)


def transitions(grid: Lattice, layout: torch.Tensor, actions: np.ndarray, move: Move) -> csr_array:
    """Return the interpolation of the ends of all walks [S, steps, 2] from all points: [M * S, M], rows of sum 1."""
    position = grid.points.repeat_interleave(len(actions), dim=0)
    layouts = layout.expand(len(position), len(layout))
    for step in range(actions.shape[1]):
        position = move(position, layouts, torch.from_numpy(actions[:, step]).repeat(len(grid.points), 1))
    number, weight = grid.locate(position)
    start = np.arange(len(number) + 1) * number.shape[1]
    return csr_array((weight.flatten().numpy(), number.flatten().numpy(), start), (len(number), len(grid.points)))


def solve(ends: csr_array, goal: int, tau: float, gamma: float) -> np.ndarray:
    """Solve d = tau-expectile of 1 + gamma d(s') for one goal.

    Args:
        ends: [M * S, M]; row S i + k has the probabilities of the state that follows state i in sample k.
        goal: number of the goal.
        tau: expectile of the value; above .5 it is optimistic, that is, samples of small d count more.
        gamma: discount.

    Returns:
        d [M], between 0 and 1 / (1 - gamma).
    """
    count = ends.shape[1]
    samples = ends.shape[0] // count
    start, column = np.arange(count + 1) * samples, np.arange(count * samples)
    weights = np.full((count, samples), 1 / samples)
    d = np.zeros(count)
    for _ in range(ROUNDS):
        chain = csr_array((weights.ravel(), column, start), (count, count * samples)) @ ends
        # From the last solution, which is close to the next.
        before, d = d, _values(chain, goal, gamma, d)
        above = d[:, None] > 1 + gamma * (ends @ d).reshape(count, samples)
        weights = np.where(above, tau, 1 - tau)
        weights /= weights.sum(axis=1, keepdims=True)
        if np.abs(d - before).max() < TOLERANCE / (1 - gamma):
            break
    return d


def _values(chain: csr_array, goal: int, gamma: float, d: np.ndarray) -> np.ndarray:
    """Solution [M] of d = 1 + gamma chain d, 0 at the goal, from the guess d [M]."""
    while True:
        after = 1 + gamma * (chain @ d)
        after[goal] = 0
        change, d = float(np.abs(after - d).max()), after
        if change * gamma < TOLERANCE / 10:  # what is left is at most change * gamma / (1 - gamma)
            return d
