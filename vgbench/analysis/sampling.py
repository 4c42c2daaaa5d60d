"""What a diagnosis looks at: goals, states all around them, and the learned distances between the two."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vgbench.api import Environment, HasCostToGo, HasStateGrid, State, StateGrid
from vgbench.api.capabilities import CAPABILITIES, MissingCapability, capability, offers
from vgbench.data.dataset import Dataset
from vgbench.experiments.trained import Trained
from vgbench.model.batching import take_rows


@dataclass
class GoalSample:
    """One goal and M states of its layout.

    Attributes:
        goal: a state with leading 1.
        states: M states; those of `grid` if the environment has one, otherwise states of the data.
        points: [M, D'], between which distances are taken.
        distance: [M] float64, learned distance from each state to the goal.
        cost: [M] float64, true least number of steps to the goal, or None.
        sample: [S] numbers of the states that statistics over pairs use.
        goal_point: [1, D'], to which distances are taken.
        stratum: of the task whose goal it is; None where tasks have none, or the goal is no task's.
    """

    goal: State
    states: State
    grid: StateGrid | None
    points: Tensor
    distance: Tensor
    cost: Tensor | None
    sample: Tensor
    goal_point: Tensor | None = None
    stratum: str | None = None

    def goals(self, count: int) -> State:
        """Repeat the goal."""
        return {name: value.expand(count, *value.shape[1:]) for name, value in self.goal.items()}


def by_stratum(strata: Iterable[str | None]) -> dict[str, list[int]]:
    """Return the numbers of the goals or tasks of each stratum, in the order in which these come first."""
    found: dict[str, list[int]] = {}
    for number, name in enumerate(strata):
        if name is not None:
            found.setdefault(name, []).append(number)
    return found


def lacks(environment: Environment, name: str) -> str | None:
    """Say that an environment lacks a capability, or return None."""
    try:
        capability(environment, CAPABILITIES[name])
    except MissingCapability as err:
        return str(err)
    return None


def latents(trained: Trained, state: State) -> Tensor:
    """Encode states as latents [B, D]."""
    # Cloned: tensors of inference mode, which `encode_blocks` returns, cannot be saved for a gradient.
    return trained.model.encode_blocks(trained.environment.observe(state)).clone()


def points(trained: Trained, state: State) -> Tensor:
    """Encode states as points [M, D']."""
    return trained.model.encode_blocks(trained.environment.observe(state), points=True).clone()


def goal_points(trained: Trained, goal: State) -> Tensor:
    """Encode goals as points [B, D'], as the planner sees them."""
    return trained.model.encode_blocks(trained.environment.goal_observation(goal), points=True).clone()


def to_goal(trained: Trained, here: Tensor, goal: Tensor) -> Tensor:
    """Compute learned distances [M] float64 from points [M, D'] to one goal's point [1, D']."""
    with torch.no_grad():
        return trained.model.distance.prepare(goal)(here.unsqueeze(0))[0].double()


def level_to_goal(trained: Trained, view: GoalSample, level: int | None) -> Tensor:
    """Return the learned distances [M] float64 from a goal's states to it, in one level alone or (None) in all."""
    if level is None or view.goal_point is None:
        return view.distance
    with torch.no_grad():
        return trained.model.distance.level(level, view.points, view.goal_point).double()


def windows(data: Dataset, rng: np.random.Generator, count: int, steps: int) -> tuple[Tensor, Tensor] | None:
    """Draw trajectory and first state [count] of windows of `steps` actions; None if no trajectory has so many.

    Of trajectories of different lengths, each window is as likely as any other.
    """
    free = (data.lengths - steps).clamp_min(0).cpu().numpy()
    if not free.any():
        return None
    if not data.ragged:
        drawn = rng.integers(0, len(data), count), rng.integers(0, data.length - steps, count)
    else:
        ends = np.cumsum(free)
        index = rng.integers(0, ends[-1], count)
        row = np.searchsorted(ends, index, side="right")
        drawn = row, index - (ends - free)[row]
    return torch.from_numpy(drawn[0]).to(data.device), torch.from_numpy(drawn[1]).to(data.device)


class GoalSampler:
    """Samples states around some goals; those of a layout are encoded once."""

    def __init__(self, trained: Trained, states: int, seed: int) -> None:
        """`states` is how many states of a layout are sampled for statistics over pairs."""
        self._trained, self._count, self._rng = trained, states, np.random.default_rng(seed)
        self._known: dict[bytes, tuple[State, StateGrid | None, Tensor]] = {}

    def make(self, goals: int) -> list[GoalSample]:
        """Sample around the goals of the first tasks; without a grid, of states of the data."""
        trained = self._trained
        if offers(trained.environment, HasStateGrid):
            count = min(goals, len(trained.tasks))
            views = [self._view(take_rows(trained.tasks.goal, slice(row, row + 1)), None) for row in range(count)]
            strata = trained.tasks.strata or (None,) * count
            return [replace(view, stratum=name) for view, name in zip(views, strata, strict=False)]
        data = trained.data
        chosen = torch.from_numpy(self._rng.integers(0, data.total, goals)).to(data.device)
        return [self._view(data.state(*data.places(index)), index) for index in chosen.split(1)]

    def _view(self, goal: State, index: Tensor | None) -> GoalSample:
        trained = self._trained
        states, grid, here = self._around(goal, index)
        end = goal_points(trained, goal)
        distance = to_goal(trained, here, end)
        count = len(here)
        sample = torch.from_numpy(self._rng.permutation(count)[: self._count]).to(here.device)
        view = GoalSample(goal, states, grid, here, distance, None, sample, end)
        if offers(trained.environment, HasCostToGo):
            view.cost = trained.environment.cost_to_go(states, view.goals(count)).double()
        return view

    def _around(self, goal: State, index: Tensor | None) -> tuple[State, StateGrid | None, Tensor]:
        """States of a goal's layout, its grid, and the states' points."""
        trained, data = self._trained, self._trained.data
        key = b"".join(goal[name].cpu().numpy().tobytes() for name in sorted(data.trajectories.static))
        if key not in self._known:
            grid = None
            if index is None:
                grid = capability(trained.environment, HasStateGrid).state_grid(goal)
                states = grid.states
            else:
                mates = (data.groups == data.groups[data.places(index)[0]]).nonzero().squeeze(1)
                drawn = self._rng.integers(0, int(data.lengths[mates].sum()), 2 * self._count)
                states = data.state(*data.places(torch.from_numpy(drawn).to(data.device), mates))
            self._known[key] = states, grid, points(trained, states)
        return self._known[key]


def array(value: Tensor) -> np.ndarray:
    """Return numbers as a float64 array of NumPy."""
    result: np.ndarray = value.double().cpu().numpy()
    return result
