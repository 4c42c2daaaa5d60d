"""A stage of training: its objectives, the windows that it draws, how long it lasts and its learning rate."""

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
from vgbench.training.short_windows import ShortWindows


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
    """All windows of a data set in a random order, epoch after epoch; the order depends on (seed, epoch) alone.

    Episodes with fewer states than a window, where lengths differ, have shorter windows in batches of their own.
    """

    def __init__(self, data: Dataset, settings: TrainSettings, seed: int, least: int = 2) -> None:
        """Check that there is at least one batch of windows; `least` is the fewest states that a window may have."""
        windows = (data.lengths - settings.window + 1).clamp_min(0)
        # Windows are numbered trajectory by trajectory; those of trajectory i end before number `ends[i]`.
        self._ends = windows.cumsum(0)
        self._begins, self._count = self._ends - windows, int(windows.sum())
        self._batch, self._seed, self._device = settings.batch, seed, data.device
        if self._count < settings.batch:
            least = int(data.lengths.min())
            states = f"{least} to {data.length}" if data.ragged else f"{data.length}"
            raise UsageError(
                f"{len(data)} trajectories of {states} states hold {self._count} windows of {settings.window}: "
                f"fewer than a batch of {settings.batch}; lower the window or the batch, or collect more"
            )
        # What is left of an epoch and does not fill a batch is dropped, so that all batches have one size.
        self._whole, self._window = self._count // settings.batch, settings.window
        self.short = ShortWindows(data, settings.window, settings.batch, least) if data.ragged else None
        self.steps_per_epoch = self._whole + (self.short.batches if self.short else 0)
        self._epoch, self._order, self._slots = -1, torch.empty(0), list[int]()

    def windows(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the trajectory and first state of the windows of a step, both [B]; see `size` for their states."""
        epoch, position = divmod(step, self.steps_per_epoch)
        self._begin(epoch)
        if self._slots:
            position = self._slots[position]
            if position >= self._whole:
                trajectory, start = self._drawn
                number = position - self._whole
                return trajectory[number].to(self._device), start[number].to(self._device)
        index = self._order[position * self._batch : (position + 1) * self._batch]
        trajectory = torch.searchsorted(self._ends, index, right=True)
        return trajectory, index - self._begins[trajectory]

    def size(self, step: int) -> int:
        """Return how many states the windows of a step have."""
        epoch, position = divmod(step, self.steps_per_epoch)
        self._begin(epoch)
        in_short = self.short is not None and bool(self._slots) and self._slots[position] >= self._whole
        return self.short.window if self.short is not None and in_short else self._window

    def _begin(self, epoch: int) -> None:
        """Draw the order of an epoch."""
        if epoch != self._epoch:
            # On the CPU, so that the order is the same for every device.
            generator = torch.Generator().manual_seed(derive(self._seed, Level.EPOCH, epoch))
            self._epoch, self._order = epoch, torch.randperm(self._count, generator=generator).to(self._device)
            if self.short is not None and self.short.batches:
                self._drawn = self.short.drawn(generator)
                self._slots = torch.randperm(self.steps_per_epoch, generator=generator).tolist()


def learning_rate(settings: TrainSettings, step: int, total: int) -> float:
    """Linear warm-up from 0, then a cosine from the peak to `final_lr` times it."""
    warm = settings.warmup * total
    if step < warm:
        # step + 1, so that the first batch is not spent on a rate of 0.
        return settings.lr * (step + 1) / (math.floor(warm) + 1)
    done = (step - warm) / max(total - warm, 1)
    return settings.lr * (settings.final_lr + (1 - settings.final_lr) * 0.5 * (1 + math.cos(math.pi * done)))


def strides_of(terms: Iterable[Term]) -> frozenset[int]:
    """Return the strides of the windows that objectives look at, also where one looks at several."""
    return frozenset(
        stride
        for term in terms
        for stride in (term.objective.stride, *(value.stride for value in term.objective.value_terms))
    )


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
