"""Discrete actions: the set by hand, planners against all sequences there are, and those that refuse."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import vgbench
from vgbench.api import Discrete
from vgbench.errors import UsageError
from vgbench_plugins.planners.cem import CEM, categorical
from vgbench_plugins.planners.random import Random

ACTIONS, STEPS = 5, 5
WORLD = '''
import numpy as np
import torch
from vgbench.api import ArraySpec, Discrete, Environment, EnvironmentSpec, Tasks, Trajectories

MOVES = torch.tensor([[0., 0.], [1., 0.], [-1., 0.], [0., 1.], [0., -1.]])

class Steps(Environment):
    """A point on a board of 9 x 9 places that stays or goes to one of four neighbours."""
    spec = EnvironmentSpec(
        state={"place": ArraySpec((2,))}, observations={"bumps": ArraySpec((18,))}, actions=Discrete(5))
    success_radius = 0.5

    def step(self, state, action, noise=None):
        return {"place": (state["place"] + self.spec.actions.clip(action) @ MOVES).clamp(0, 8)}

    def observe(self, state):
        return {"bumps": torch.exp(-0.5 * (state["place"][..., None] - torch.arange(9.0)).square()).flatten(1)}

    def goal_distance(self, state, goal):
        return (state["place"] - goal["place"]).abs().sum(-1)

    def collect(self, trajectories, length, seed, progress=None):
        rng = np.random.default_rng(seed)
        drawn = rng.integers(5, size=(trajectories, -(-(length - 1) // 2))).repeat(2, axis=1)[:, : length - 1]
        actions = np.eye(5, dtype=np.float32)[drawn]
        places = [torch.from_numpy(rng.integers(0, 9, (trajectories, 2)).astype(np.float32))]
        for time in range(length - 1):
            places.append(self.step({"place": places[-1]}, torch.from_numpy(actions[:, time]))["place"])
        return Trajectories({"place": torch.stack(places, dim=1).numpy()}, {}, actions)

    def sample_tasks(self, count, seed, data):
        rng = np.random.default_rng(seed)
        ends = torch.from_numpy(rng.integers([0, 0, 5, 5], [4, 4, 9, 9], (count, 4)).astype(np.float32))
        return Tasks({"place": ends[:, :2]}, {"place": ends[:, 2:]})
'''
SETS = {
    "model.latent_dim": 32,
    "data.trajectories": 200,
    "train.steps": 500,
    "train.batch": 32,
    "train_predictor.steps": 500,
    "train_predictor.batch": 32,
    "vector.hidden": [64, 64],
    "mlp.hidden": [64, 64],
    "mpc.max_steps": 24,
    "evaluation.tasks": 20,
    "evaluation.uninformed": False,
}
OPTIONS = {"env": "steps", "recipe": "vf", "encoder": "vector", "scale": "smoke", "device": "cpu"}


class Chosen:
    """A `Problem` of B tasks whose costs are a table over all sequences of actions, [B, 5, 5, 5, 5, 5]."""

    def __init__(self, table, seed=0, executed=0, size=1.0):
        self.table, self.action_set = table, Discrete(ACTIONS, size)
        self.action_dim, self.horizon, self.executed = ACTIONS, STEPS, executed
        self.steps_left = torch.full((len(table),), STEPS)
        self._generator = torch.Generator().manual_seed(seed)

    def cost(self, actions):
        assert torch.equal(self.action_set.clip(actions), actions)
        number = self.action_set.number(actions)
        rows = torch.arange(len(number))[:, None]
        return self.table[(rows, *number.unbind(-1))]

    def noise(self, *shape):
        return torch.randn(len(self.table), *shape, generator=self._generator)


@pytest.fixture
def table():
    """Costs of going from 0 to a place on a line by moves of -2 to 2, counted by hand for every sequence."""
    goals = torch.tensor([7.0, -3.0, 0.0, 10.0])
    moves = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
    costs = torch.empty(4, *[ACTIONS] * STEPS)
    for numbers in itertools.product(range(ACTIONS), repeat=STEPS):
        way = moves[list(numbers)].cumsum(0)
        costs[(slice(None), *numbers)] = (goals[:, None] - way).abs().sum(dim=1)
    return costs


def test_the_set_by_hand():
    three = Discrete(3)
    assert three.clip(torch.tensor([[0.2, 0.1, -4.0], [0.0, 0.0, 0.0], [-1.0, -0.5, -0.1]])).tolist() == [
        [1, 0, 0],
        [1, 0, 0],
        [0, 0, 1],
    ]
    assert three.scaled(2.5).clip(torch.tensor([0.0, 9.0, 1.0])).tolist() == [0, 2.5, 0]
    assert three.number(torch.tensor([[0.0, 1.0, 0.0]])).tolist() == [1]
    drawn = three.boundary(torch.randn(3000, 3, generator=torch.Generator().manual_seed(0)))
    assert np.allclose(drawn.mean(0), 1 / 3, atol=0.03) and torch.equal(three.clip(drawn), drawn)
    with pytest.raises(ValueError, match="at least 2"):
        Discrete(1)


@pytest.mark.parametrize("size", [1.0, 5**0.5])
@pytest.mark.parametrize("returns", ["mean", "best"])
def test_cem_finds_the_best_of_all_sequences(table, size, returns):
    planner = CEM(CEM.Params(samples=256, horizon=STEPS, iterations=10, returns=returns))
    problem = Chosen(table, size=size)
    plan = planner.plan(problem, {})
    found = problem.cost(plan.actions[:, None])[:, 0]
    assert torch.equal(found, table.flatten(1).amin(dim=1))


def test_a_warm_start_goes_on_from_the_last_plan(table):
    planner = CEM(CEM.Params(samples=128, horizon=STEPS, iterations=6))
    first = planner.plan(Chosen(table), {})
    few = CEM(CEM.Params(samples=24, horizon=STEPS, iterations=2))
    warm = few.plan(Chosen(table, seed=1), first.state)
    cold = few.plan(Chosen(table, seed=1), {})
    problem = Chosen(table)
    costs = [float(problem.cost(plan.actions[:, None]).sum()) for plan in (warm, cold)]
    assert costs[0] < costs[1]


def test_draws_have_the_shares_that_the_law_says():
    """Half of the draws uniform: share .5 * (.7, .3, 0) + .5 / 3 each."""
    three, noise = Discrete(3, 2.0), torch.randn(1, 60_000, 1, 3, generator=torch.Generator().manual_seed(0))
    mean = 2.0 * torch.tensor([0.7, 0.3, 0.0]).expand(1, 1, 1, 3)
    shares = categorical(three, mean, 2.0, noise).mean(dim=(0, 1, 2)) / 2
    assert np.allclose(shares, [0.35 + 1 / 6, 0.15 + 1 / 6, 1 / 6], atol=0.01)
    nothing = categorical(three, torch.zeros(1, 1, 1, 3), 0.0, noise)
    assert bool(torch.isfinite(nothing).all())


@pytest.mark.parametrize("norm", ["max", "uniform"])
def test_the_random_baseline_draws_actions_of_the_set(table, norm):
    problem = Chosen(table, size=1.5)
    plan = Random(Random.Params(norm=norm, hold=2)).plan(problem, {}).actions
    assert torch.equal(problem.action_set.clip(plan), plan)
    assert torch.equal(plan[:, 0], plan[:, 1]) and len(set(problem.action_set.number(plan).flatten().tolist())) > 2


@pytest.fixture
def world(tmp_plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    tmp_plugin(WORLD, environments={"steps": "Steps"})
    return SimpleNamespace(out=tmp_path / "run")


def test_a_board_is_learned_and_crossed(world):
    """The least number of steps is the sum of the differences: plans come near it."""
    done = vgbench.run(**OPTIONS, planner="cem", out=world.out, set=SETS | {"cem.horizon": 8, "cem.samples": 64})
    assert done.successes >= 18 and done.baseline < 0.3
    shortest = [row["start_distance"] for row in done.rows if row["success"]]
    assert np.mean([row["steps"] for row in done.rows if row["success"]]) < 1.5 * np.mean(shortest)


@pytest.mark.parametrize(
    ("planner", "why"), [("mppi", "an average of actions is none"), ("icem", "coloured noise"), ("gradient", "small")]
)
def test_planners_of_continuous_actions_refuse_with_the_reason(world, planner, why):
    with pytest.raises(
        UsageError, match=rf"--planner {planner}: environment 'steps' has 5 discrete actions.*{why}.*cem, random"
    ):
        vgbench.run(**OPTIONS, planner=planner, out=world.out)
    assert not world.out.exists()
