"""Units of actions: one for all components or one for each, and what that is worth where their ranges differ."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import vgbench
from vgbench.api import Box, Discrete, NormBall, Trajectories
from vgbench.data.dataset import Dataset

PLANE = '''
import numpy as np
import torch
from pydantic import Field
import vgbench.api
from vgbench.api import ArraySpec, Box, Environment, EnvironmentSpec, Tasks, Trajectories

class Plane(Environment):
    """A point in a square of 8 x 8; a component of an action at the end of its range moves it by 1."""

    class Params(vgbench.api.Params):
        first: float = Field(1.0, gt=0, description="range of the first component")
        second: float = Field(1.0, gt=0, description="range of the second component")

    success_radius = 0.75

    @property
    def ranges(self):
        return self.params.first, self.params.second

    @property
    def spec(self):
        return EnvironmentSpec(
            state={"place": ArraySpec((2,))}, observations={"bumps": ArraySpec((18,))},
            actions=Box(tuple(-r for r in self.ranges), self.ranges))

    def step(self, state, action, noise=None):
        return {"place": (state["place"] + self.spec.actions.clip(action) / torch.tensor(self.ranges)).clamp(0, 8)}

    def observe(self, state):
        return {"bumps": torch.exp(-0.5 * (state["place"][..., None] - torch.arange(9.0)).square()).flatten(1)}

    def goal_distance(self, state, goal):
        return torch.linalg.vector_norm(state["place"] - goal["place"], dim=-1)

    def collect(self, trajectories, length, seed, progress=None):
        rng = np.random.default_rng(seed)
        blocks = rng.uniform(-1, 1, (trajectories, -(-(length - 1) // 4), 2)).astype(np.float32)
        actions = blocks.repeat(4, axis=1)[:, : length - 1] * np.array(self.ranges, np.float32)
        places = [torch.from_numpy(rng.uniform(0, 8, (trajectories, 2)).astype(np.float32))]
        for time in range(length - 1):
            places.append(self.step({"place": places[-1]}, torch.from_numpy(actions[:, time]))["place"])
        return Trajectories({"place": torch.stack(places, 1).numpy()}, {}, actions)

    def sample_tasks(self, count, seed, data):
        rng = np.random.default_rng(seed)
        start, way = rng.uniform(0, 8, (count, 2)), rng.uniform(2, 4, (count, 2))
        goal = np.where(start > 4, start - way, start + way)
        return Tasks(*({"place": torch.from_numpy(end.astype(np.float32))} for end in (start, goal)))
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
    "mppi.samples": 64,
    "mppi.horizon": 8,
    "mpc.max_steps": 16,
    "evaluation.tasks": 20,
    "evaluation.uninformed": False,
}


@pytest.fixture
def run(tmp_plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    tmp_plugin(PLANE, environments={"plane": "Plane"})

    def run(first, second, scale, **more):
        sets = SETS | {"plane.first": first, "plane.second": second, "model.action_scale": scale} | more
        options = {"env": "plane", "recipe": "vf", "encoder": "vector", "scale": "smoke", "device": "cpu"}
        return vgbench.run(**options, set=sets, out=tmp_path / f"{first}-{second}-{scale}")

    return run


def dataset(actions, action_set, scale):
    count, steps, _ = actions.shape
    data = Trajectories({"x": np.zeros((count, steps + 1, 1), np.float32)}, {}, actions)
    spec = SimpleNamespace(actions=action_set)
    return Dataset(SimpleNamespace(spec=spec), data, torch.device("cpu"), scale)


ACTIONS = np.array([[[3.0, 0.0, 0.02], [-4.0, 0.0, -0.01]]], np.float32)


def test_each_component_in_its_own_root_mean_square():
    box = Box((-5.0, -1.0, -0.1), (5.0, 1.0, 0.1))
    data = dataset(ACTIONS, box, "component")
    wanted = torch.tensor([12.5**0.5, 1.0, 0.00025**0.5])  # (9 + 16) / 2, never used, (4 + 1) / 2 * 1e-4
    assert torch.allclose(data.action_scale, wanted)
    assert torch.allclose(data.actions * wanted, torch.from_numpy(ACTIONS), atol=1e-6)
    scaled = box.scaled(1 / data.action_scale)
    assert np.allclose(scaled.high, [5 / 12.5**0.5, 1, 0.1 / 0.00025**0.5]) and np.allclose(
        scaled.low, -np.array(scaled.high)
    )
    assert isinstance(dataset(ACTIONS, box, "overall").action_scale, float)


@pytest.mark.parametrize("action_set", [NormBall(3, 5.0), Discrete(3)])
def test_a_ball_and_discrete_actions_keep_one_unit(action_set):
    data = dataset(ACTIONS, action_set, "component")
    assert data.action_scale == pytest.approx(((25 + 0.0005) / 6) ** 0.5)


def test_ranges_of_a_hundredth_and_ten_solve_what_ones_solve(run):
    equal, unequal = run(1, 1, "component"), run(0.01, 10, "component")
    assert equal.successes >= 18 and unequal.successes >= 18
    assert not any("components of the actions" in note for note in unequal.record["notes"])


def test_one_unit_for_unequal_components_is_told(run):
    done = run(0.01, 10, "overall", **{"train.steps": 2, "train_predictor.steps": 2, "evaluation.tasks": 2})
    told = [note for note in done.record["notes"] if "components of the actions" in note]
    assert len(told) == 1 and "--set model.action_scale=component" in told[0]
    few = run(1, 0.5, "overall", **{"train.steps": 2, "train_predictor.steps": 2, "evaluation.tasks": 2})
    assert not any("components of the actions" in note for note in few.record["notes"])


def test_a_component_that_never_acts_has_no_size():
    from vgbench.data.dataset import unequal_components

    def told(*ranges):
        actions = np.stack([np.full((2, 3), size, np.float32) for size in ranges], axis=-1)
        spec = SimpleNamespace(actions=Box((-1.0,) * len(ranges), (1.0,) * len(ranges)))
        data = SimpleNamespace(
            environment=SimpleNamespace(spec=spec), action_scale=1.0, trajectories=Trajectories({}, {}, actions)
        )
        return unequal_components(data)

    assert told(0.016, 0.0) == told(0.0, 0.0) == told(0.016, 0.016) == ""
    assert "0.016 to 1)" in told(0.016, 0.0, 1.0)
