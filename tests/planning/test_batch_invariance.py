"""Blocks without padding, where plans were tried not to depend on them."""

import pytest
import torch
from torch import nn

from vgbench.api import NetworkShapes, NormBall, Plan
from vgbench.model.jepa import JEPA
from vgbench.planning.controller import Controller
from vgbench.settings import MpcSettings
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.distances.iqe import IQE
from vgbench_plugins.networks.mlp import MLP
from vgbench_plugins.planners.cem import CEM
from vgbench_plugins.planners.icem import ICEM
from vgbench_plugins.planners.mppi import MPPI

DIM, TASKS = 64, 37


class Averaging(MPPI):
    """A planner that lets its tasks speak to one another."""

    def plan(self, problem, state):
        plan = super().plan(problem, state)
        return Plan(plan.actions + 1e-6 * plan.actions.mean(), plan.state, plan.info)


class Failing(MPPI):
    """A planner that cannot plan for fewer tasks than three."""

    def plan(self, problem, state):
        plan = super().plan(problem, state)
        if len(plan.actions) < 3:
            raise ValueError("three at least")
        return plan


class Scaled(nn.Module):
    """A predictor with a weight that is in no linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.factor = nn.Linear(DIM + 2, DIM), nn.Parameter(torch.ones(DIM))

    def forward(self, latents, actions):
        return self.factor * self.layer(torch.cat([latents, actions], dim=1))


class Weightless(nn.Module):
    """A predictor that has learned nothing, so that nothing of it tells where it computes."""

    def forward(self, latents, actions):
        return latents + actions.sum(dim=1, keepdim=True)


def _controller(planner, distance=Euclidean, predictor=None):
    torch.manual_seed(5)
    network = predictor or MLP(MLP.Params(hidden=(96, 64), residual=True)).build(NetworkShapes({}, DIM, 2))
    model = JEPA(nn.Identity(), network, nn.Identity(), nn.Identity())
    model.distance = distance(distance.Params(), DIM)
    settings = MpcSettings(max_steps=30)
    return Controller(planner, model.eval().requires_grad_(False), NormBall(2, 2.0), settings, seed=3)


def _tasks():
    latent, goal = torch.randn(2, TASKS, DIM, generator=torch.Generator().manual_seed(6))
    return {"id": torch.arange(TASKS), "latent": latent, "goal": goal}


def _plans(controller, rows):
    """Actions of two plans, the second from what the first one left."""
    state, made = {}, []
    for step, executed in ((0, 0), (4, 4)):
        parts = [plan for _, plan in controller.blocks(rows, state, 0, step, executed)]
        state = {name: torch.cat([plan.state[name] for plan in parts]) for name in parts[0].state}
        made.append(torch.cat([plan.actions for plan in parts]))
    return torch.stack(made)


@pytest.mark.parametrize("distance", [Euclidean, IQE])
@pytest.mark.parametrize(
    "planner",
    [
        MPPI(MPPI.Params(samples=40, horizon=7, elites=3, noise_hold=2)),
        CEM(CEM.Params(samples=40, horizon=7)),
        ICEM(ICEM.Params(samples=40, horizon=7)),
    ],
    ids=["mppi", "cem", "icem"],
)
def test_a_task_has_the_same_plan_in_blocks_of_any_size(planner, distance):
    rows = _tasks()
    free, filled = _controller(planner, distance), _controller(planner, distance)
    filled.pad_last_block = True
    together = _plans(free, rows)
    assert free.pad_last_block is False and free.block > filled.block > 1
    assert TASKS % filled.block, "nothing would be filled up"
    assert torch.equal(_plans(filled, rows), together)
    assert free.evaluations == filled.evaluations
    for task in (0, 1, TASKS - 1):
        alone = _plans(_controller(planner, distance), {name: x[task : task + 1] for name, x in rows.items()})
        assert torch.equal(alone[:, 0], together[:, task])


@pytest.mark.parametrize(
    ("planner", "predictor"),
    [(Averaging, None), (Failing, None), (MPPI, Scaled), (MPPI, lambda: nn.GRUCell(2, DIM)), (MPPI, Weightless)],
    ids=["tasks speak", "fails when alone", "another weight", "another layer", "no weight"],
)
def test_what_is_not_known_to_be_independent_is_filled_up(planner, predictor):
    network = predictor() if predictor else None
    if isinstance(network, nn.GRUCell):
        cell = network
        network = nn.Module()
        network.cell, network.forward = cell, lambda latents, actions: cell(actions, latents)
    controller = _controller(planner(planner.Params(samples=16, horizon=4)), Euclidean, network)
    _plans(controller, _tasks())
    assert controller.pad_last_block is True and controller.block == 16
