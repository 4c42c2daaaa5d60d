"""Small worlds for checks and tests: a chain to train on, and a distance that offers all that an objective may need."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from vgbench.api import ArraySpec, Box, Distance, Environment, EnvironmentSpec, Params, State, Tasks, Trajectories
from vgbench.data.dataset import Dataset
from vgbench.model.jepa import JEPA
from vgbench.rng import ScalarNoise, Stream
from vgbench.training.batch import MovingAverages, WindowBatch

LENGTH = 12.0
LATENT = 16
"""Dimension of latents and points."""


class Chain(Environment):
    """A point on [0, 12] that moves by actions in [-1, 1]; seen as 13 bumps and the colour of one of two layouts."""

    spec = EnvironmentSpec(
        state={"place": ArraySpec((1,)), "layout": ArraySpec((1,))},
        observations={"bumps": ArraySpec((14,))},
        actions=Box((-1.0,), (1.0,)),
    )
    success_radius = 0.5

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        """Move, and stay within the ends."""
        place = (state["place"] + self.spec.actions.clip(action)).clamp(0.0, LENGTH)
        return {"place": place, "layout": state["layout"]}

    def observe(self, state: State) -> dict[str, Tensor]:
        """Bumps around the whole numbers, and the layout."""
        bumps = torch.exp(-0.5 * (state["place"] - torch.arange(13.0)).square())
        return {"bumps": torch.cat([bumps, state["layout"]], dim=-1)}

    def goal_distance(self, state: State, goal: State) -> Tensor:
        """Way between the places."""
        return (state["place"] - goal["place"]).abs().squeeze(-1)

    def collect(
        self, trajectories: int, length: int, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> Trajectories:
        """Walk to and fro: each action lasts a few steps."""
        rng = np.random.default_rng(seed)
        # Rounded up and then cut: length - 1 need not be a multiple of 4.
        actions = rng.uniform(-1, 1, (trajectories, -(-(length - 1) // 4), 1)).astype(np.float32)
        actions = np.repeat(actions, 4, axis=1)[:, : length - 1]
        layout = np.arange(trajectories, dtype=np.float32)[:, None] % 2
        place = torch.from_numpy(rng.uniform(0, LENGTH, (trajectories, 1)).astype(np.float32))
        places = [place]
        for time in range(length - 1):
            # Any layout will do: moves do not depend on it.
            place = self.step({"place": place, "layout": place}, torch.from_numpy(actions[:, time]))["place"]
            places.append(place)
        return Trajectories({"place": torch.stack(places, dim=1).numpy()}, {"layout": layout}, actions)

    def sample_tasks(self, count: int, seed: int, data: Trajectories) -> Tasks:
        """From the left third to the right third."""
        ends = torch.from_numpy(np.random.default_rng(seed).uniform([0, 8], [4, 12], (count, 2)).astype(np.float32))
        layout = torch.zeros(count, 1)
        return Tasks({"place": ends[:, :1], "layout": layout}, {"place": ends[:, 1:], "layout": layout})


class ToyDistance(Distance):
    """d(x, y) = sum over i of w_i relu(y_i - x_i) with learned w > 0: asymmetric, a quasimetric, of two levels."""

    quasimetric = True
    levels = 2

    def __init__(self, params: Any, dim: int) -> None:
        """Make the weights."""
        super().__init__(params, dim)
        self.weight = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum of both levels, [...]."""
        return ((y - x).relu() * softplus(self.weight)).sum(-1)

    def level(self, index: int, x: Tensor, y: Tensor) -> Tensor:
        """Half of the coordinates each."""
        half = slice(self.dim // 2) if index == 0 else slice(self.dim // 2, None)
        return ((y - x).relu() * softplus(self.weight))[..., half].sum(-1)


class _Encoder(nn.Sequential):
    """MLP of the bumps."""

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Latents [N, 16]."""
        latents: Tensor = super().forward(observations["bumps"])
        return latents


class _Predictor(nn.Sequential):
    """MLP of latents and actions."""

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:  # type: ignore[override]
        """Next latents [N, 16]."""
        change: Tensor = super().forward(torch.cat([latents, actions], dim=-1))
        return latents + change


class World:
    """A data set of the chain and a small model of it: what an objective is given in a run.

    Attributes:
        data: 16 trajectories of `length` states.
        model: encoder, predictor, action encoder and head of a few thousand weights, drawn from `seed`.
    """

    def __init__(self, distance: Distance | None = None, *, length: int = 40, seed: int = 0) -> None:
        """Collect the data and build the model, with points of 16 numbers."""
        # Modules draw their weights from the global generator, which belongs to the test.
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self.environment = Chain(Params())
            self.data = Dataset(self.environment, self.environment.collect(16, length, seed), torch.device("cpu"))
            self.model = JEPA(
                _Encoder(nn.Linear(14, 32), nn.ReLU(), nn.Linear(32, LATENT)),
                _Predictor(nn.Linear(LATENT + 4, 32), nn.ReLU(), nn.Linear(32, LATENT)),
                nn.Linear(1, 4),
                nn.Linear(LATENT, LATENT),
            )
        self.model.distance = ToyDistance(Params(), LATENT) if distance is None else distance
        self.model.set_statistics(self.data.statistics())
        self.averages = MovingAverages(self.model.encoder)

    def batch(self, windows: int = 8, states: int = 6, step: int = 0, kind: type[WindowBatch] = WindowBatch) -> Any:
        """Windows of consecutive states, of random trajectories and times keyed by `step`."""
        noise = ScalarNoise(0, step, Stream.SAMPLER)
        trajectory = (noise.uniform(windows) * len(self.data)).to(torch.int64)
        start = (noise.uniform(windows) * (self.data.length - states + 1)).to(torch.int64)
        return kind(self.data, self.model, trajectory, start, states, noise, self.averages)

    def noise(self, step: int = 0) -> ScalarNoise:
        """Noise for an objective at a step."""
        return ScalarNoise(0, step, Stream.OBJECTIVE)
