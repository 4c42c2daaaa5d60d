"""The batch that objectives share: each thing is computed once, when first asked for."""

import copy
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from vgbench.api import Batch, Goals
from vgbench.data.dataset import Dataset
from vgbench.errors import UsageError
from vgbench.model.jepa import JEPA
from vgbench.rng import ScalarNoise
from vgbench.training.latents import Latents


class MovingAverages:
    """Exponential moving averages of an encoder, one for each momentum that was asked for."""

    def __init__(self, encoder: nn.Module) -> None:
        """Follow `encoder`."""
        self._encoder = encoder
        self.copies: dict[str, nn.Module] = {}

    def get(self, momentum: float) -> nn.Module:
        """Return the average; the first time, a copy of the weights as they are."""
        # repr, because the same float comes back from it when a checkpoint is loaded.
        key = repr(momentum)
        if key not in self.copies:
            self.copies[key] = copy.deepcopy(self._encoder).requires_grad_(False)
        return self.copies[key]

    @torch.no_grad()
    def update(self) -> None:
        """Move every average towards the weights, after an optimiser step."""
        for key, average in self.copies.items():
            for old, new in zip(average.parameters(), self._encoder.parameters(), strict=True):
                old.lerp_(new, 1 - float(key))
            for mine, theirs in zip(average.buffers(), self._encoder.buffers(), strict=True):
                # Buffers are no weights: they may count something, and counts have no average.
                mine.copy_(theirs)

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """Return the weights of all averages, by momentum."""
        return {key: module.state_dict() for key, module in self.copies.items()}

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Restore what `state_dict` returned."""
        for key, weights in state.items():
            self.get(float(key)).load_state_dict(weights)


class WindowBatch(Batch):
    """B windows of a data set, seen through a model.

    With `latents`, the cached latents [N * length, D] of the whole set, nothing is drawn or encoded.
    """

    def __init__(
        self,
        data: Dataset,
        model: JEPA,
        trajectory: Tensor,
        start: Tensor,
        window: int,
        noise: ScalarNoise,
        averages: MovingAverages | None = None,
        latents: Latents | None = None,
        stride: int = 1,
    ) -> None:
        """Windows are (trajectory[b], start[b] + stride * t) for 0 <= t < window."""
        self._data, self._model, self._noise, self._averages, self._cache = data, model, noise, averages, latents
        self._trajectory, self._stride = trajectory, stride
        self._time = start.unsqueeze(1) + stride * torch.arange(window, device=start.device)
        self._ids = trajectory.unsqueeze(1) * data.length + self._time
        self._ema: dict[float, Tensor] = {}
        self._goals: dict[tuple[str, int, str], Goals] = {}
        self._distances: dict[Goals, Tensor] = {}  # holds on to its keys, so that none is taken for another
        self._coarse: dict[int, WindowBatch] = {}

    def _flat(self, values: Tensor) -> Tensor:
        return values.reshape(self._ids.shape + values.shape[1:])

    def _encode(self, ids: Tensor) -> Tensor:
        """Latents [M, D] of states by id [M]."""
        if self._cache is not None:
            return self._cache[ids]
        return self._model.encode(self._data.observations(ids // self._data.length, ids % self._data.length))

    @cached_property
    def actions(self) -> Tensor:
        """Actions [B, T, A], in units of their standard deviation."""
        if self._stride > 1:
            raise RuntimeError(f"states {self._stride} steps apart have no one action between them: use stride 1")
        return self._data.actions[self._trajectory.unsqueeze(1), self._time[:, :-1]]

    @cached_property
    def observations(self) -> dict[str, Tensor]:
        """Raw observations [B, T + 1, ...]."""
        ids = self._ids.flatten()
        raw = self._data.observations(ids // self._data.length, ids % self._data.length)
        return {name: self._flat(value) for name, value in raw.items()}

    @cached_property
    def latents(self) -> Tensor:
        """E(o), [B, T + 1, D]."""
        if self._cache is not None:
            return self._cache[self._ids]
        return self._flat(self._model.encode({n: v.flatten(0, 1) for n, v in self.observations.items()}))

    @cached_property
    def points(self) -> Tensor:
        """head(E(o)), [B, T + 1, D']."""
        points: Tensor = self._model.head(self.latents)
        return points

    @cached_property
    def predictions(self) -> Tensor:
        """Latents [B, T, D] rolled out from the first one."""
        return torch.stack(list(self._model.rollout(self.latents[:, 0], self.actions)), dim=1)

    def ema_latents(self, momentum: float) -> Tensor:
        """Return latents [B, T + 1, D] of the encoder's moving average, without gradient."""
        if self._averages is None:
            return self.latents.detach()  # a frozen encoder is its own average
        if momentum not in self._ema:
            encoder = self._averages.get(momentum)
            with torch.no_grad():
                flat = {name: value.flatten(0, 1) for name, value in self.observations.items()}
                self._ema[momentum] = self._flat(encoder(self._model.normalise(flat)))
        return self._ema[momentum]

    def strided(self, stride: int) -> Batch:
        """Return windows of the same trajectories with `stride` steps between states, from random first states."""
        if stride == self._stride:
            return self
        if stride not in self._coarse:
            length = self._data.typical_length
            window = min(self._time.shape[1], length // stride)  # leaves at least `stride` first states to choose from
            if window < 2:
                raise UsageError(
                    f"trajectories of {length} states are too short for windows with {stride} steps between states: "
                    f"the stride can be at most {length // 2}"
                )
            span = (window - 1) * stride
            trajectory = self._reaching(span)
            free = self._data.lengths[trajectory] - span
            start = (self._noise.uniform(len(trajectory)) * free).to(torch.int64)
            common = (self._noise, self._averages, self._cache, stride)
            self._coarse[stride] = WindowBatch(self._data, self._model, trajectory, start, window, *common)
        return self._coarse[stride]

    def _reaching(self, span: int) -> Tensor:
        """Trajectories of the windows; those with no two states `span` steps apart make way for random others."""
        if not self._data.ragged:
            return self._trajectory
        fit = (self._data.lengths > span).nonzero().squeeze(1)
        other = fit[(self._noise.uniform(len(self._trajectory)) * len(fit)).to(torch.int64)]
        return torch.where(self._data.lengths[self._trajectory] > span, self._trajectory, other)

    def goals(self, last: Literal["segment", "episode"], random: int, scope: Literal["batch", "same_layout"]) -> Goals:
        """Return the last state of the segment or episode, then random states of the batch."""
        # Kept, so that objectives that ask for the same goals share the draw, too.
        key = (last, random, scope)
        if key not in self._goals:
            first_points, first_ids = self._last(last)
            index = self._random_index(random, scope)
            points = self.points.flatten(0, 1)[index]
            ids = torch.cat([first_ids, self._ids.flatten()[index]], dim=1)
            # By number of the state: different states may look alike.
            same = self._ids.unsqueeze(2) == ids.unsqueeze(1)
            self._goals[key] = Goals(torch.cat([first_points, points], dim=1), same)
        return self._goals[key]

    def _last(self, last: str) -> tuple[Tensor, Tensor]:
        """Points [B, 1, D'] and ids [B, 1] of the last states."""
        if last == "segment":
            return self.points[:, -1:], self._ids[:, -1:]
        ids = self._trajectory * self._data.length + self._data.lengths[self._trajectory] - 1
        return self._model.head(self._encode(ids)).unsqueeze(1), ids.unsqueeze(1)

    def _random_index(self, count: int, scope: str) -> Tensor:
        """Indices [B, count] into the flattened batch."""
        windows, states = self._ids.shape
        if scope == "batch":
            return (self._noise.uniform(windows, count) * (windows * states)).to(torch.int64)
        groups = self._data.groups[self._trajectory]
        same = (groups.unsqueeze(0) == groups.unsqueeze(1)).float()
        # One uniform draw among the windows of the same layout: the first whose cumulative share exceeds it.
        share = (same.cumsum(dim=1) / same.sum(dim=1, keepdim=True)).contiguous()
        window = torch.searchsorted(share, self._noise.uniform(windows, count), right=True).clamp_max(windows - 1)
        return window * states + (self._noise.uniform(windows, count) * states).to(torch.int64)

    def goal_distances(self, goals: Goals) -> Tensor:
        """Return d(point, goal) for every state of a window and every goal of it, [B, T + 1, G]."""
        if goals not in self._distances:
            distance: Tensor = self._model.distance(self.points.unsqueeze(2), goals.points.unsqueeze(1))
            self._distances[goals] = distance
        return self._distances[goals]
