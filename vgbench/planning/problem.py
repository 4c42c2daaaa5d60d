"""Model predictive control in the latent space: one plan for a block of tasks."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vgbench.api import ActionSet, Planner
from vgbench.errors import RunFailed
from vgbench.model.jepa import JEPA
from vgbench.plugin.attribution import describe_plugin
from vgbench.rng import KeyedNoise
from vgbench.settings import MpcSettings


class BlindProblem:
    """A problem without a cost, for planners that declare `baseline`; and what the real one shares with it."""

    def __init__(
        self, action_set: ActionSet, noise: KeyedNoise, steps_left: Tensor, horizon: int, executed: int
    ) -> None:
        """Actions are in normalised units; `noise` is keyed by the tasks' ids and the step; `steps_left` is [B]."""
        self.action_set, self.action_dim, self.horizon, self.executed = action_set, action_set.dim, horizon, executed
        self.steps_left = steps_left
        self._noise = noise

    def noise(self, *shape: int) -> Tensor:
        """Standard normals [B, *shape] from the tasks' own streams."""
        return self._noise.normal(*shape)

    def cost(self, actions: Tensor) -> Tensor:
        """Refuse: there is none."""
        raise RuntimeError("a planner that declares `baseline` must not ask for the cost")

    rollout = cost

    def with_goal(self, latent: Tensor, horizon: int) -> "BlindProblem":
        """Return the problem with another horizon."""
        other = copy.copy(self)
        other.horizon = horizon
        return other


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


class LatentProblem(BlindProblem):
    """The planning problem of a block of tasks: predicted latents, and their distance to the goal."""

    def __init__(
        self, model: JEPA, latent: Tensor, goal: Tensor, settings: MpcSettings, counter: "Counter", *shared: Any
    ) -> None:
        """`latent` [B, D] is where the tasks are, `goal` [B, D'] the goals' points; `shared` as for `BlindProblem`."""
        super().__init__(*shared)
        self._model, self._latent, self._settings = model, latent, settings
        self._to_goal: Callable[[Tensor], Tensor] = model.distance.prepare(goal)
        self.counter = counter

    def with_goal(self, latent: Tensor, horizon: int) -> "LatentProblem":
        """Return the problem towards other goals [B, D'], with another horizon."""
        other = copy.copy(self)
        other.horizon, other._to_goal = horizon, self._model.distance.prepare(latent)
        return other

    def _latents(self, actions: Tensor) -> Iterator[Tensor]:
        """Yield the predicted latents [B * K, D], step by step."""
        batch, candidates, horizon, _ = actions.shape
        self.counter.add(batch, candidates, horizon)
        latent = self._latent.unsqueeze(1).expand(-1, candidates, -1).flatten(0, 1)
        steps = actions.transpose(0, 2).transpose(1, 2).contiguous()  # [H, B, K, A]
        for step in range(horizon):
            latent = self._model.predict(latent, steps[step].flatten(0, 1))
            yield latent

    def rollout(self, actions: Tensor) -> Tensor:
        """Predicted latents [B, K, H, D]."""
        latents = torch.stack(list(self._latents(actions)), dim=1)
        return latents.reshape(*actions.shape[:3], -1)

    def cost(self, actions: Tensor) -> Tensor:
        """Aggregated distance to the goal along the predicted states, [B, K]."""
        shape, settings = actions.shape[:2], self._settings
        horizon = actions.shape[2]
        total: Tensor | None = None
        for step, latent in enumerate(self._latents(actions)):
            if settings.aggregate == "last" and step < horizon - 1:
                continue
            distance = self._to_goal(self._model.head(latent).reshape(*shape, -1))
            if settings.power != 1.0:
                distance = distance**settings.power
            if settings.aggregate == "discounted":
                distance = distance * settings.discount**step
            total = distance if total is None else total + distance
        if total is None:
            raise ValueError("a plan needs at least one step")
        self.counter.finite.append(torch.isfinite(total.detach()).any(dim=1).all())
        return total / horizon if settings.aggregate == "mean" else total
