"""The problem that a planner sees: what actions cost, and the noise that it may draw."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vgbench.api import ActionSet, Planner
from vgbench.errors import RunFailed
from vgbench.model.batching import Rows
from vgbench.model.jepa import JEPA
from vgbench.plugin.attribution import describe_plugin
from vgbench.rng import KeyedNoise
from vgbench.settings import MpcSettings


class Simulation(NamedTuple):
    """What actions lead to from where a block of B tasks is, and how far that is from their goals.

    Attributes:
        rollout: normalised actions [B, K, H, A] -> H times what they lead to, with B * K rows.
        distance: one of these -> distances to the goals [B, K].
    """

    rollout: Callable[[Tensor], Iterable[Any]]
    distance: Callable[[Any], Tensor]


Simulate = Callable[[Rows], Simulation]
"""A block of tasks -> its simulation."""


def simulate_latents(model: JEPA, tasks: Rows) -> Simulation:
    """Predict latents, and take their learned distance: `tasks` has `latent` [B, D] and `goal` [B, D']."""
    latent, count = tasks["latent"], len(tasks["latent"])
    to_goal = model.distance.prepare(tasks["goal"])

    def rollout(actions: Tensor) -> Iterator[Tensor]:
        start = latent.unsqueeze(1).expand(-1, actions.shape[1], -1).flatten(0, 1)
        # Laid out by steps, so that the actions of each step lie in one piece of memory.
        steps = actions.permute(2, 0, 1, 3).contiguous().flatten(1, 2)
        return model.rollout(start, steps.transpose(0, 1))

    return Simulation(rollout, lambda reached: to_goal(model.head(reached).unflatten(0, (count, -1))))


def aggregate(distances: Iterable[Tensor], settings: MpcSettings) -> Tensor:
    """Return the cost of the distances (of any one shape) after each step of a plan.

    Raises:
        ValueError: there is no step.
    """
    total: Tensor | None = None
    steps = 0
    for distance in distances:
        # At 1, the default, a pass over all costs is spared.
        if settings.power != 1.0:
            distance = distance**settings.power
        if settings.aggregate == "discounted":
            distance = distance * settings.discount**steps
        total = distance if total is None or settings.aggregate == "last" else total + distance
        steps += 1
    if total is None:
        raise ValueError("a plan needs at least one step")
    return total / steps if settings.aggregate == "mean" else total


@dataclass
class Counter:
    """Counts evaluations of the predictor, and holds a planner to the number of candidates that it declares."""

    candidates: int
    planner: Planner | None = None
    evaluations: int = 0
    finite: list[Tensor] = field(default_factory=list)  # of each call of the cost: whether every task has a candidate

    def add(self, tasks: int, candidates: int, horizon: int) -> None:
        """Count one rollout."""
        if candidates > self.candidates:
            who = describe_plugin(self.planner, "planner") if self.planner else "a planner"
            raise RunFailed(
                f"{who} asked for the cost of {candidates} sequences per task, but declares candidates="
                f"{self.candidates}: let its property `candidates` say how many (the size of blocks depends on it)"
            )
        self.evaluations += tasks * candidates * horizon

    def check(self) -> None:
        """Look at all costs of a plan together: each look waits until a GPU has done what it was given.

        Raises:
            RunFailed: a task had no candidate of finite cost.
        """
        if self.finite and not bool(torch.stack(self.finite).all()):
            raise RunFailed(
                "no candidate of a task has a finite cost: the predicted latents or their distances overflow; look at "
                "the predictor's loss in train.jsonl, or plan with less noise or a shorter horizon"
            )


@dataclass
class PlanningProblem:
    """A `vgbench.api.Problem` of B tasks; without simulation and costs, for planners that declare `baseline`.

    Attributes:
        action_set: in normalised units.
        steps_left: [B].
        keyed: noise of the tasks' ids and the step.
        random_costs: where costs are drawn from instead of being simulated: those of an uninformed planner.
    """

    action_set: ActionSet
    steps_left: Tensor
    horizon: int
    executed: int
    keyed: KeyedNoise
    settings: MpcSettings
    counter: Counter
    simulation: Simulation | None = None
    random_costs: KeyedNoise | None = None
    action_dim: int = field(init=False)

    def __post_init__(self) -> None:
        """Tell planners the size of an action."""
        self.action_dim = self.action_set.dim

    def noise(self, *shape: int) -> Tensor:
        """Draw standard normals [B, *shape] from the tasks' own streams."""
        return self.keyed.normal(*shape)

    def cost(self, actions: Tensor) -> Tensor:
        """Return the aggregated distance to the goal along what the actions [B, K, H, A] lead to, [B, K]."""
        if self.random_costs is not None:
            # Of no slope, but differentiable, for planners that want a gradient.
            return self.random_costs.normal(actions.shape[1]) + 0.0 * actions.sum(dim=(2, 3))
        if self.simulation is None:
            raise RuntimeError("a planner that declares `baseline` must not ask for the cost")
        self.counter.add(*actions.shape[:3])
        reached = self.simulation.rollout(actions)
        if self.settings.aggregate == "last":
            reached = deque(reached, maxlen=1)  # no distance is taken on the way
        total = aggregate(map(self.simulation.distance, reached), self.settings)
        # Kept on the device until the plan is made; see `Counter.check`.
        self.counter.finite.append(torch.isfinite(total.detach()).any(dim=1).all())
        return total
