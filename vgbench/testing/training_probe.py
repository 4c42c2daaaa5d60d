"""How the checks of objectives watch a gradient and a training: batches with leaves, or with settled targets."""

from functools import cached_property
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from vgbench.api import Batch, Distance, Goals, Objective
from vgbench.testing.toys import World
from vgbench.training.batch import WindowBatch

STEPS = 80
"""Optimiser steps on the toy chain."""


def states_for(made: Objective) -> int:
    """Return the states in a window that is long enough for the objective."""
    return max(6, made.min_length)


def world_for(made: Objective, distance: Distance | None = None) -> World:
    """Return the toy chain, with trajectories that are long enough for the objective's windows."""
    return World(distance, length=max(40, 2 * states_for(made) * made.stride))


class Probe(WindowBatch):
    """A batch whose latents are where the graph begins, and whose goals have no part in it."""

    leaves: list[Tensor]

    @cached_property
    def latents(self) -> Tensor:
        """Latents of this batch alone."""
        leaf = super().latents.detach().requires_grad_()
        self.leaves.append(leaf)
        return leaf

    @cached_property
    def predictions(self) -> Tensor:
        """Roll-outs from latents of their own: they may depend on the first state."""
        latent, result = self.latents[:, 0].detach(), []
        for action in self.actions.unbind(1):
            latent = self._model.predict(latent, action)
            result.append(latent)
        return torch.stack(result, dim=1)

    def strided(self, stride: int) -> Batch:
        """Another batch of this kind."""
        coarse = super().strided(stride)
        if coarse is not self:
            # So that the latents of the coarse batch are leaves, too.
            coarse.__class__ = Probe
            cast("Probe", coarse).leaves = self.leaves
        return coarse

    def goals(self, last: Literal["segment", "episode"], random: int, scope: Literal["batch", "same_layout"]) -> Goals:
        """Goals without gradient."""
        goals = super().goals(last, random, scope)
        return Goals(goals.points.detach(), goals.same)


class Settled(WindowBatch):
    """A batch whose targets and goals stand still: they are those of another model."""

    old: WindowBatch
    first: int

    @cached_property
    def latents(self) -> Tensor:
        """Latents, those of the targets from the other model."""
        return torch.cat([super().latents[:, : self.first], self.old.latents[:, self.first :].detach()], dim=1)

    @cached_property
    def points(self) -> Tensor:
        """Points, likewise."""
        points = self._model.head(self.latents[:, : self.first])
        return torch.cat([points, self.old.points[:, self.first :].detach()], dim=1)

    def strided(self, stride: int) -> Batch:
        """Another batch of this kind."""
        coarse = super().strided(stride)
        if coarse is not self and isinstance(coarse, WindowBatch):
            coarse.__class__ = Settled
            return settle(coarse, cast("WindowBatch", self.old.strided(stride)), self.first)
        return coarse

    def goals(self, last: Literal["segment", "episode"], random: int, scope: Literal["batch", "same_layout"]) -> Goals:
        """Goals of the other model."""
        goals = self.old.goals(last, random, scope)
        return Goals(goals.points.detach(), goals.same)


def settle(batch: Any, old: WindowBatch, first: int) -> Any:
    """Let the states of a batch from number `first` on be those of `old`."""
    batch.old, batch.first = old, first
    return batch


class Course:
    """Training of an objective on the toy chain.

    The value of a loss with targets of its own making need not fall: they move as the model learns. So where the
    objective claims to detach targets, these are taken from the untrained model.
    """

    def __init__(self, made: Objective) -> None:
        """Choose what is trained."""
        self.made, self.world, self.still = made, world_for(made), world_for(made)
        self.settled = made.stop_gradient_targets != "none"
        self.states = max(2, made.min_length) if self.settled else states_for(made)
        names = set(made.trains) - {"own"} - ({"distance"} if self.settled else set())
        parts: list[nn.Module] = [getattr(self.world.model, name) for name in sorted(names)]
        parts += [self.world.model.action_encoder] if "predictor" in names else []
        parts += [made] if "own" in made.trains else []
        self.weights = [p for part in parts for p in part.parameters() if p.requires_grad]

    def value(self, step: int) -> Tensor:
        """Value of the loss on the batch of a step."""
        batch = self.world.batch(16, self.states, step, Settled if self.settled else WindowBatch)
        if self.settled:
            first = self.states - 1 if self.made.stop_gradient_targets == "last" else 1
            settle(batch, self.still.batch(16, self.states, step), first)
        return self.made.loss(batch, self.world.model, self.world.noise(step)).value

    def level(self) -> float:
        """Mean value on four batches that are not trained on."""
        # Batches are keyed by the step; training takes those below STEPS.
        return sum(float(self.value(1000 + k).detach()) for k in range(4)) / 4

    def train(self) -> None:
        """Take all steps."""
        optimiser = torch.optim.Adam(self.weights, lr=3e-3)
        for step in range(STEPS):
            optimiser.zero_grad()
            self.value(step).backward()
            optimiser.step()
            self.made.after_step(self.world.model)
            self.world.averages.update()
