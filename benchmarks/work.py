"""One planning problem that every planner gets: a predictor of the paper's size, a goal, a distance to it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.sorted_iqe import implementations
from vgbench.api import Box, NetworkShapes
from vgbench.model.jepa import JEPA
from vgbench.planning.controller import Controller
from vgbench.rng import KeyedNoise, Stream
from vgbench.settings import MpcSettings
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.distances.iqe import IQE
from vgbench_plugins.networks.mlp import MLP
from vgbench_plugins.planners.mppi import MPPI

DISTANCES = {"euclidean": Euclidean, "iqe": IQE}
# Latents and actions of the paper's sizes; 2.45 standard deviations are PLDM's bound of an action.
DIM, ACTIONS, NOISE, LIMIT = 512, 2, 1.0, 2.45


@dataclass(frozen=True)
class Work:
    """`tasks` problems with K = `samples` and H = `horizon`; the same weights, start and goal for everybody."""

    samples: int
    horizon: int
    distance: str
    tasks: int = 1

    @cached_property
    def model(self) -> JEPA:
        """JEPA without an encoder; 1.3 M weights in the predictor."""
        torch.manual_seed(0)
        predictor = MLP(MLP.Params(residual=True)).build(NetworkShapes({}, DIM, ACTIONS))
        model = JEPA(nn.Identity(), predictor, nn.Identity(), nn.Identity())
        chosen = DISTANCES[self.distance]
        model.distance = chosen(chosen.Params(), DIM)
        return model.eval().requires_grad_(False)

    @cached_property
    def problem(self) -> dict[str, Tensor]:
        """`id` [B], `latent` and `goal` [B, 512]."""
        generator = torch.Generator().manual_seed(1)
        latent, goal = torch.randn(2, self.tasks, DIM, generator=generator)
        return {"id": torch.arange(self.tasks), "latent": latent, "goal": goal}

    @cached_property
    def noise(self) -> Tensor:
        """Standard normals [K, H, A] that our planner draws for the first task."""
        keyed = KeyedNoise(0, torch.zeros(1, dtype=torch.int64), 0, Stream.PLANNER)
        return keyed.normal(self.samples, self.horizon, ACTIONS)[0]

    @property
    def candidates(self) -> Tensor:
        """Action sequences [K, H, A] around the plan 0."""
        return (NOISE * self.noise).clamp(-LIMIT, LIMIT)

    @cached_property
    def costs(self) -> Tensor:
        """Costs that our own planner gets for `candidates`, [K]: asked for through the same door."""
        asked: list[Tensor] = []

        class Asking(MPPI):
            def plan(self, problem: Any, state: Any) -> Any:
                asked.append(problem.cost(candidates))
                return super().plan(problem, state)

        candidates = self.candidates.unsqueeze(0)
        self.controller(Asking).plan({name: x[:1] for name, x in self.problem.items()}, {}, 0, 0)
        return asked[0][0]

    @cached_property
    def temperature(self) -> float:
        """A quarter of the costs' spread: neither the best sample alone nor the plain mean."""
        return float(f"{float(self.costs.std()) / 4:.2g}")

    def controller(self, planner: type[MPPI] = MPPI, temperature: float = 1.0) -> Controller:
        """Return our planner, with clipping to a box, which is the only set that the peers know."""
        params = MPPI.Params(
            samples=self.samples, horizon=self.horizon, noise=NOISE, temperature=temperature, temperature_as="absolute"
        )
        box = Box((-LIMIT,) * ACTIONS, (LIMIT,) * ACTIONS)
        # More steps than any horizon here: near its end an episode would cut plans short.
        return Controller(planner(params), self.model, box, MpcSettings(max_steps=1000), seed=0)

    def peer_distance(self) -> tuple[str, Callable[[Tensor], Tensor]]:
        """Distance [...] of states [..., 512] to the first goal, as the peers' users write it, and what it is."""
        goal = self.problem["goal"][0]
        if self.distance == "euclidean":
            return "vector norm", lambda z: torch.linalg.vector_norm(z - goal, dim=-1)
        # torchqmet's where it is installed: its users' real code.
        name, iqe = list(
            implementations(DIM, self.model.distance.params.component_dim, self.model.distance.raw).items()
        )[-1]
        return name, lambda z: iqe(z, goal)

    def products(self) -> Callable[[], None]:
        """Return the bare matrix products of the rollout: what no planner can do without."""
        layers = [layer for layer in self.model.predictor.modules() if isinstance(layer, nn.Linear)]
        rows = self.samples * self.tasks
        inputs = [torch.randn(rows, layer.in_features) for layer in layers]
        weights = [layer.weight.t() for layer in layers]

        @torch.inference_mode()
        def run() -> None:
            for _ in range(self.horizon):
                for x, weight in zip(inputs, weights, strict=True):
                    x @ weight

        return run

    @property
    def evaluations(self) -> int:
        """Of the predictor, in one solve."""
        return math.prod((self.samples, self.horizon, self.tasks))
