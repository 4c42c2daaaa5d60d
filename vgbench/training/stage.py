"""Training: one stage (joint), or the encoder and then the predictor (separate)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from vgbench.api import Objective
from vgbench.data.dataset import Dataset
from vgbench.errors import UsageError
from vgbench.plugin.attribution import describe_plugin
from vgbench.rng import Level, derive
from vgbench.settings import TrainSettings


@dataclass(frozen=True)
class Term:
    """One weighted objective of a stage."""

    name: str
    objective: Objective
    weight: float

    @property
    def who(self) -> str:
        """Words for messages: objective 'iql' (vgbench 0.1.0)."""
        words = describe_plugin(self.objective, "")
        return words if words.startswith("objective ") else f"objective '{self.name}'"


@dataclass(frozen=True)
class Stage:
    """What is trained together, on which loss and schedule.

    Attributes:
        seed: keys its windows and its objectives' noise.
        group: name of its settings, for messages.
        strides: further ones that a window is looked at by, beside those of its terms: of the objectives that joint
            training would have here, too, so that a predictor of its own takes no more steps than one trained jointly.
    """

    name: str
    terms: tuple[Term, ...]
    settings: TrainSettings
    seed: int
    group: str = "train"
    strides: frozenset[int] = frozenset()

    def states(self, length: int) -> int:
        """Return how many states a window has for all of these together, in trajectories of `length` states."""
        return states_of_window(self.strides | strides_of(self.terms), self.settings.window, length)


class WindowSampler:
    """All windows of a data set in a random order, epoch after epoch; the order depends on (seed, epoch) alone."""

    def __init__(self, data: Dataset, settings: TrainSettings, seed: int) -> None:
        """Check that there is at least one batch of windows."""
        self._per_trajectory = data.length - settings.window + 1
        self._count = len(data) * max(self._per_trajectory, 0)
        self._batch, self._seed, self._device = settings.batch, seed, data.device
        if self._count < settings.batch:
            raise UsageError(
                f"{len(data)} trajectories of {data.length} states hold {self._count} windows of {settings.window}: "
                f"fewer than a batch of {settings.batch}; lower the window or the batch, or collect more"
            )
        # What is left of an epoch and does not fill a batch is dropped, so that all batches have one size.
        self.steps_per_epoch = self._count // settings.batch
        self._epoch, self._order = -1, torch.empty(0)

    def windows(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the trajectory and first state of the windows of a step, both [B]."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            # On the CPU, so that the order is the same for every device.
            generator = torch.Generator().manual_seed(derive(self._seed, Level.EPOCH, epoch))
            self._epoch, self._order = epoch, torch.randperm(self._count, generator=generator).to(self._device)
        index = self._order[position * self._batch : (position + 1) * self._batch]
        return index // self._per_trajectory, index % self._per_trajectory


def learning_rate(settings: TrainSettings, step: int, total: int) -> float:
    """Linear warm-up from 0, then a cosine from the peak to `final_lr` times it."""
    warm = settings.warmup * total
    if step < warm:
        # step + 1, so that the first batch is not spent on a rate of 0.
        return settings.lr * (step + 1) / (math.floor(warm) + 1)
    done = (step - warm) / max(total - warm, 1)
    return settings.lr * (settings.final_lr + (1 - settings.final_lr) * 0.5 * (1 + math.cos(math.pi * done)))


def strides_of(terms: Iterable[Term]) -> frozenset[int]:
    """Return the strides of the windows that objectives look at."""
    return frozenset(term.objective.stride for term in terms)


def states_of_window(strides: Iterable[int], window: int, length: int) -> int:
    """Return how many states a window of each stride has together: those of one stride are not those of another."""
    return sum(min(window, length // stride) for stride in strides)


def total_steps(settings: TrainSettings, steps_per_epoch: int, states: int) -> int:
    """Return the number of optimiser steps of a stage: its `steps`, or what `frames` or `epochs` come to.

    `states` are those of a window, see `Stage.states`: with equal `frames` as many go through the encoder, whatever
    looks at them.
    """
    # A small part of an epoch, or few frames, may be rounded to no step at all.
    steps = settings.frames / (settings.batch * states) or settings.epochs * steps_per_epoch
    return settings.steps or max(1, round(steps))
