"""Discrete actions in both directions: a `gymnasium.spaces.Discrete` is one-hot here, and one-hot is a number there."""

import json

import numpy as np
import pytest
import torch

gymnasium = pytest.importorskip("gymnasium")
from gymnasium.utils.env_checker import check_env  # noqa: E402

from vgbench.api import Discrete, Params  # noqa: E402
from vgbench.data.files import load  # noqa: E402
from vgbench.errors import UsageError  # noqa: E402

PLUGIN = '''
import gymnasium
import numpy as np
from gymnasium import spaces
from vgbench.api import GymnasiumEnvironment

class Belt(gymnasium.Env):
    """A number from 0 to 20 that the actions 1, 2 and 3 lower, leave or raise by one."""
    observation_space = spaces.Dict({k: spaces.Box(0, 20, (1,), np.float32)
                                     for k in ("observation", "achieved_goal", "desired_goal")})
    action_space = spaces.Discrete(3, start=1)
    place = goal = 0
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.goal = (int(self.np_random.integers(*r)) for r in ((0, 8), (12, 20)))
        return self.seen(), {}
    def seen(self):
        here = np.array([self.place], np.float32)
        return {"observation": here, "achieved_goal": here, "desired_goal": np.array([self.goal], np.float32)}
    def step(self, action):
        assert self.action_space.contains(action), repr(action)
        self.place = int(np.clip(self.place + action - 2, 0, 20))
        return self.seen(), 0.0, False, False, {}

class Moved(GymnasiumEnvironment):
    """The belt as an environment."""
    success_radius = 0.5
    def make(self):
        return Belt()
    def get_state(self, env):
        return np.array([env.place], np.float64)
    def set_state(self, env, state):
        env.place = int(state[0])
    def observation_at(self, goal):
        return goal
'''


@pytest.fixture
def moved(tmp_plugin):
    tmp_plugin(PLUGIN, environments={"moved": "Moved"})
    from vgbench.plugin.registry import Registry, load_plugin

    return load_plugin(Registry().find("environment", "moved"))(Params())


def test_numbers_become_one_hot_vectors_and_back(moved):
    assert moved.spec.actions == Discrete(3, start=1)
    start = {
        "simulation": torch.tensor([[5.0], [5.0], [0.0]], dtype=torch.float64),
        "observation": torch.tensor([[5.0], [5.0], [0.0]]),
        "achieved_goal": torch.tensor([[5.0], [5.0], [0.0]]),
    }
    after = moved.step(start, torch.tensor([[1.0, 0, 0], [0.1, 0.2, 0.9], [1.0, 0, 0]]))
    assert after["observation"].flatten().tolist() == [4, 6, 0]
    data = moved.collect(6, 12, 0)
    assert data.actions.shape == (6, 11, 3)
    assert set(np.unique(data.actions)) == {0, 1} and (data.actions.sum(axis=2) == 1).all()
    change = np.diff(data.states["observation"][..., 0], axis=1)
    asked = data.actions.argmax(axis=2) - 1
    free = (data.states["observation"][:, :-1, 0] + asked >= 0) & (data.states["observation"][:, :-1, 0] + asked <= 20)
    assert np.array_equal(change[free], asked[free])


def test_it_passes_its_checks_trains_and_plans_with_cem(moved, vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    checked = vgbench_cli("check", "environment", "moved")
    assert checked.exit_code == 0, checked.stdout
    what = ["run", "--env", "moved", "--recipe", "vf", "--encoder", "vector", "--scale", "smoke"]
    done = vgbench_cli(*what, "--planner", "cem", "--out", tmp_path / "run", "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["n"] == 4
    refused = vgbench_cli(*what, "--out", tmp_path / "no")
    assert refused.exit_code == 2 and "Planners that can: cem, random" in refused.stderr


def test_recordings_hold_the_numbers_of_the_env(moved, vgbench_cli, tmp_path):
    places = np.array([5, 6, 7, 6, 6, 8, 9, 8, 7], np.float32)[:, None]
    taken = np.array([3, 3, 1, 2, 2, 3, 1, 1, 2])
    rows = {"observation": places, "achieved_goal": places, "ep_len": [5, 4]}
    out = tmp_path / "belt.h5"
    for name, actions in (("numbers", taken), ("hot", np.eye(3, dtype=np.float32)[taken - 1])):
        np.savez(tmp_path / f"{name}.npz", actions=actions, **rows)
        done = vgbench_cli("import", tmp_path / f"{name}.npz", "--env", "moved", "--out", out)
        assert done.exit_code == 0, done.stderr
        data, _ = load(out)
        assert data.actions[0].argmax(axis=1).tolist() == [2, 2, 0, 1]
        assert data.actions[1, :3].argmax(axis=1).tolist() == [2, 0, 0]
        out.unlink()
    np.savez(tmp_path / "wrong.npz", actions=taken - 1, **rows)
    done = vgbench_cli("import", tmp_path / "wrong.npz", "--env", "moved", "--out", out)
    assert done.exit_code == 2 and "action 0 at step 2; expected 1 to 3" in done.stderr


def test_tasks_in_gymnasium_take_numbers(moved):
    from vgbench.gymnasium import TaskEnv

    env = TaskEnv("moved")
    assert env.action_space == gymnasium.spaces.Discrete(3)
    check_env(env, skip_render_check=True)
    first, _ = env.reset(seed=0)
    after, *_ = env.step(2)
    names, at = list(env._world.spec.state), 0
    assert names[0] == "simulation" and after["observation"][at] == first["observation"][at] + 1
    for wrong in (3, -1, 0.5):
        with pytest.raises(UsageError, match="expected a number of 0 to 2"):
            env.step(wrong)
