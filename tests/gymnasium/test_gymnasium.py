"""Gymnasium both ways: environments of vgbench in its registry, and its goal-conditioned envs as environments."""

import inspect
import json
import pickle
import re
import shlex
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from vgbench.api import Environment, GymnasiumEnvironment
from vgbench.errors import UsageError

gymnasium = pytest.importorskip("gymnasium")
from gymnasium.utils.env_checker import check_env  # noqa: E402

import vgbench.gymnasium  # noqa: E402

DOCS = (Path(__file__).parents[2] / "docs" / "gymnasium.md").read_text(encoding="utf-8")
HARMLESS = ("is -infinity", "is infinity", "symmetric and normalized space")
"""States have no bounds that are known, and actions are in the environment's own units: documented, both."""

LINE = "import numpy as np\nimport torch\nfrom vgbench.api import *\n\n\n" + textwrap.dedent(
    re.search(r"::\n\n(.*?)\n\n    Optional", Environment.__doc__, re.DOTALL).group(1)
)


def block(language, containing):
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL) if containing in b]
    assert len(found) == 1
    return found[0]


def world(env):
    return env.unwrapped._world


# environments of vgbench in Gymnasium


def test_every_environment_has_a_name_there_without_an_import_of_vgbench():
    code = """
import sys, gymnasium
spec = gymnasium.make("vgbench.gymnasium:vgbench/Wall-v0").spec
assert spec.max_episode_steps == 64, spec
assert gymnasium.spec("vgbench/Maze-v0").max_episode_steps == 200
assert "vgbench_plugins.environments.maze" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("observation", ["state", "pixels"])
@pytest.mark.parametrize("name", ["vgbench/Wall-v0", "vgbench/Maze-v0"])
def test_gymnasiums_own_check_passes(name, observation):
    env = gymnasium.make(name, observation=observation, render_mode="rgb_array")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env.unwrapped)
    left = [str(w.message) for w in caught if not any(words in str(w.message) for words in HARMLESS)]
    assert not left


def test_actions_can_be_normalised():
    env = gymnasium.wrappers.RescaleAction(gymnasium.make("vgbench/Wall-v0"), np.float32(-1), np.float32(1))
    before, _ = env.reset(seed=0)
    after, *_ = env.step(np.array([0.5, 0.0], np.float32))
    np.testing.assert_allclose(after["observation"][:2] - before["observation"][:2], [3.67 / 2, 0], atol=1e-5)


@pytest.mark.parametrize("name", ["wall", "maze"])
def test_episodes_are_the_tasks_of_vgbench_tasks(name, vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    few = ["--set", "data.trajectories=25", "--set", "data.length=40"]
    result = vgbench_cli("tasks", "--env", name, "--task-seed", 5, *few, "--out", tmp_path / "tasks.json")
    assert result.exit_code == 0, result.stderr
    wanted = json.loads((tmp_path / "tasks.json").read_text())["tasks"][:3]
    env = gymnasium.make(f"vgbench/{name.title()}-v0")
    for index, task in enumerate(wanted):
        observation, info = env.reset(seed=5 if index == 0 else None)
        assert (info["task"], info["task_seed"]) == (index, 5)
        for end, key in (("start", "observation"), ("goal", "desired_goal")):
            arrays = task[end] | task["both"]
            vector = np.concatenate([np.ravel(arrays[n]) for n in world(env).spec.state])
            np.testing.assert_array_equal(observation[key], vector.astype(np.float32))
    again, info = env.reset(options={"task": 1})
    assert info["task"] == 1
    np.testing.assert_array_equal(again["desired_goal"][:2], np.float32(wanted[1]["goal"]["position"]))


def test_an_episode_of_the_wall_by_hand():
    env = gymnasium.make("vgbench/Wall-v0", step="small")
    observation, info = env.reset(seed=1)
    position, goal = observation["observation"][:2], observation["desired_goal"][:2]
    assert info["distance"] == pytest.approx(np.linalg.norm(position - goal), rel=1e-6)
    inward = np.sign(32 - position) * np.array([0.3, 0.4], np.float32)
    after, reward, terminated, truncated, info = env.step(inward)
    np.testing.assert_allclose(after["observation"][:2], position + inward, atol=1e-5)
    assert (reward, terminated, truncated, info["is_success"]) == (-1.0, False, False, False)
    far, *_ = env.step(np.array([1.84, 1.84]) * np.sign(inward))  # projected onto the ball, not clipped by component
    moved = far["observation"][:2] - after["observation"][:2]
    assert np.linalg.norm(moved) == pytest.approx(1.84, abs=1e-4)


def test_an_expert_gets_there_and_the_clock_ends_other_episodes():
    env = gymnasium.make("vgbench/Wall-v0")
    env.reset(seed=0)
    rewards, inner = [], env.unwrapped
    for _ in range(64):
        action = inner._world.expert(inner._state, inner._goal)[0].numpy()
        observation, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
        if terminated or truncated:
            break
    assert terminated and info["is_success"] and info["distance"] < 2**0.5
    assert rewards == [-1.0] * (len(rewards) - 1) + [0.0]
    assert env.unwrapped.compute_reward(observation["achieved_goal"], observation["desired_goal"], {}) == 0.0

    env.reset(seed=0)
    ends = [env.step(np.zeros(2, np.float32))[2:4] for _ in range(64)]
    assert ends == [(False, False)] * 63 + [(False, True)]


def test_rewards_of_relabelled_goals():
    env = gymnasium.make("vgbench/Maze-v0").unwrapped
    observation, _ = env.reset(seed=3)
    state = observation["achieved_goal"]
    goals = np.repeat(state[None, None], 4, axis=1)
    goals[0, :, 0] += [0.0, 0.49, 0.51, -3.0]  # the ball's x, in cells; the radius is 0.5
    rewards = env.compute_reward(np.broadcast_to(state, goals.shape), goals, {})
    assert rewards.tolist() == [[0.0, 0.0, -1.0, -1.0]]


def test_pixels_and_pictures_are_what_the_encoder_sees():
    env = gymnasium.make("vgbench/Maze-v0", observation="pixels", render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    inner = env.unwrapped
    seen = inner._world.observe(inner._state)["image"][0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(observation["observation"], seen)
    np.testing.assert_array_equal(env.render(), seen)
    assert set(observation) == {
        *("observation", "achieved_goal", "desired_goal", "goal_image", "velocity", "goal_velocity")
    }
    wall = gymnasium.make("vgbench/Wall-v0", render_mode="rgb_array")
    wall.reset(seed=0)
    picture = wall.render()
    assert picture.shape == (64, 64, 3) and picture[..., :2].any() and not picture[..., 2].any()


def test_noisy_moves_are_those_of_the_task():
    def walk(seed, options):
        env = gymnasium.make("vgbench/Wall-v0", noise=1.0)
        env.reset(seed=seed)
        start, _ = env.reset(options=options)
        rows = [env.step(np.zeros(2, np.float32))[0]["observation"] for _ in range(3)]
        return np.array(rows)[:, :2] - start["observation"][:2]

    first, again, other = walk(0, {"task": 2}), walk(0, {"task": 2}), walk(0, {"task": 3})
    np.testing.assert_array_equal(first, again)
    assert (first != 0).any() and (first != other).any()


def test_several_at_once():
    envs = gymnasium.make_vec("vgbench/Wall-v0", num_envs=2)
    observation, _ = envs.reset(seed=4)
    _, reward, *_ = envs.step(envs.action_space.sample())
    assert observation["observation"].shape == (2, 4) and reward.tolist() == [-1.0, -1.0]
    alone, _ = gymnasium.make("vgbench/Wall-v0").reset(seed=5)
    np.testing.assert_array_equal(observation["observation"][1], alone["observation"])


def test_the_layout_is_that_of_a_given_data_set(vgbench_cli, tmp_path):
    data = tmp_path / "wall.h5"
    done = vgbench_cli("collect", "--env", "wall", "--trajectories", 4, "--data-seed", 9, "--out", data)
    assert done.exit_code == 0, done.stderr
    from vgbench.data import files

    layout = files.load(data)[0].static["layout"][0]
    observation, _ = gymnasium.make("vgbench/Wall-v0", data=data).reset(seed=0)
    np.testing.assert_array_equal(observation["observation"][2:], layout)
    other, _ = gymnasium.make("vgbench/Wall-v0").reset(seed=0)
    assert (other["observation"][2:] != layout).any()


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("Maze", {"training_layouts": 50, "strata": ["3-6 seen"]}),
        ("Wall", {"training_layouts": 50, "layout": "per_trajectory"}),
    ],
)
def test_more_layouts_than_the_few_trajectories_that_are_collected(name, params):
    made = gymnasium.make(f"vgbench/{name}-v0", tasks=60, **params)
    assert made.reset(seed=0)[1]["task"] == 0


def test_a_strangers_environment_is_registered_and_plays(tmp_plugin):
    tmp_plugin(LINE, environments={"far_line": "Line"})
    assert "vgbench/FarLine-v0" in vgbench.gymnasium.register()
    env = gymnasium.make("vgbench/FarLine-v0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that states have no bounds
        check_env(env.unwrapped)
    observation, _ = env.reset(seed=0)
    steps = int(np.ceil(abs(observation["desired_goal"] - observation["observation"])[0] - 0.5))
    direction = np.sign(observation["desired_goal"] - observation["observation"])
    ends = [env.step(direction)[2] for _ in range(steps + 1)]
    assert any(ends) and not any(ends[: steps - 1])
    with pytest.raises(UsageError, match="'far_line' has no images"):
        gymnasium.make("vgbench/FarLine-v0", observation="pixels")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stp": "big"}, "has no parameter 'stp'. Did you mean 'step'?"),
        ({"step": "bug"}, "must be 'small' or 'big'. Did you mean 'big'?"),
        ({"observation": "pixel"}, "observation=: unknown value 'pixel'. Did you mean 'pixels'?"),
        ({"render_mode": "depth"}, "render_mode=: unknown value 'depth'. Known: rgb_array"),
        ({"tasks": 0}, "evaluation.tasks"),
        ({"data": "nowhere.h5"}, "no data set at nowhere.h5"),
    ],
)
def test_what_does_not_fit_is_said(given, words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium's, about the render mode
        with pytest.raises(UsageError, match=re.escape(words)):
            gymnasium.make("vgbench/Wall-v0", **given)


def test_a_task_and_an_action_that_are_not_there():
    env = gymnasium.make("vgbench/Wall-v0", tasks=3)
    env.reset(seed=0)
    with pytest.raises(UsageError, match=r"an action has shape \(1,\); expected \(2,\)"):
        env.unwrapped.step(np.zeros(1))
    with pytest.raises(UsageError, match="task=3; expected 0 to 2"):
        env.reset(options={"task": 3})


def test_a_named_task_is_one_of_the_present_seed():
    """However far the tasks were played, and also after one that there is not."""
    env = gymnasium.make("vgbench/Wall-v0", tasks=3)
    first = [env.reset(seed=7, options={"task": 0})[0], *(env.reset(options={"task": n})[0] for n in (1, 2))]
    with pytest.raises(UsageError, match="task=99"):
        env.reset(options={"task": 99})
    again = [env.reset(options={"task": n})[0] for n in range(3)]
    for one, other in zip(first, again, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)
    # Without a name the tasks go on, and after the last one come those of another seed.
    later = env.reset()[0]
    assert not all(np.array_equal(later[name], first[0][name]) for name in later)


def test_without_gymnasium_it_says_what_to_install(tmp_path):
    (tmp_path / "gymnasium.py").write_text("raise ModuleNotFoundError('no gymnasium here', name='gymnasium')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import vgbench.api; import vgbench.gymnasium"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert 'vgbench.gymnasium needs Gymnasium: `pip install -c constraints.txt ".[gymnasium]"`' in done.stderr


def test_the_snippet_of_the_docs_runs():
    names = {}
    exec(block("python", "vgbench/Wall-v0"), names)
    assert names["frame"].shape == (64, 64, 3) and names["reward"] == -1.0


# envs of Gymnasium in vgbench


class Cart:
    """A goal-conditioned env without MuJoCo: a cart on a line with a velocity, in float64."""

    observation_space = gymnasium.spaces.Dict(
        {
            "observation": gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64),
            "achieved_goal": gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float64),
            "desired_goal": gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float64),
        }
    )
    action_space = gymnasium.spaces.Box(-1.0, 3.0, (1,), np.float64)

    def reset(self, seed=None, options=None):
        rng = np.random.default_rng(seed)
        self.x, self.v, self.goal = rng.uniform(-1, 1), 0.0, rng.uniform(2, 3)
        return self.seen(), {}

    def step(self, action):
        self.v = 0.9 * self.v + 0.1 * float(action[0])
        self.x += self.v
        return self.seen(), 0.0, False, False, {}

    def seen(self):
        return {
            "observation": np.array([self.x, self.v]),
            "achieved_goal": np.array([self.x]),
            "desired_goal": np.array([self.goal]),
        }


class CartWorld(GymnasiumEnvironment):
    success_radius = 0.5

    def make(self):
        return Cart()

    def get_state(self, env):
        return np.array([env.x, env.v])

    def set_state(self, env, state):
        env.x, env.v = map(float, state)


def test_states_of_an_env_are_stepped_by_themselves():
    """Against the recursion, for a batch whose rows have nothing to do with each other."""
    cart = CartWorld(CartWorld.Params())
    x, v = np.array([0.1, -2.0, 30.0]), np.array([0.5, 0.0, -1.0])
    state = {
        "simulation": torch.tensor(np.stack([x, v], 1)),
        "observation": torch.zeros(3, 2),
        "achieved_goal": torch.zeros(3, 1),
    }
    for action in ([0.5, -1.0, 3.0], [9.0, -9.0, 0.0]):
        state = cart.step(state, torch.tensor(action)[:, None])
        v = 0.9 * v + 0.1 * np.clip(action, -1, 3)
        x = x + v
    np.testing.assert_allclose(state["simulation"].numpy(), np.stack([x, v], 1), rtol=0, atol=1e-8)
    assert state["observation"].dtype == torch.float32
    np.testing.assert_allclose(state["achieved_goal"][:, 0].numpy(), x, rtol=1e-6)
    with pytest.raises(ValueError, match="an action is not finite"):
        cart.step(state, torch.full((3, 1), torch.nan))


def test_data_and_tasks_of_an_env():
    cart = CartWorld(CartWorld.Params())
    data = cart.collect(3, 12, seed=4)
    again = pickle.loads(pickle.dumps(cart)).collect(3, 12, seed=4)
    assert data.actions.shape == (3, 11, 1) and data.length == 12
    for name, array in data.states.items():
        np.testing.assert_array_equal(array, again.states[name])
        assert array.dtype == cart.spec.state[name].dtype and array.shape[2:] == cart.spec.state[name].shape
    assert (data.actions[:, :5] == data.actions[:, :1]).all() and (data.actions >= -1).all() and data.actions.max() > 1
    np.testing.assert_allclose(np.diff(data.states["simulation"][..., 0]), data.states["simulation"][:, 1:, 1])
    tasks = cart.sample_tasks(6, 0, data)  # it has no observation_at: goals are states of the data
    rows = data.states["observation"].reshape(-1, 2).tolist()
    assert all(goal in rows for goal in tasks.goal["observation"].tolist())
    assert not cart.success(tasks.start, tasks.goal).any() and cart.success(tasks.goal, tasks.goal).all()
    few = cart.sample_tasks(2, 0, data)
    assert torch.equal(few.start["simulation"], tasks.start["simulation"][:2])


def test_an_env_that_asks_for_goals_that_can_be_shown():
    class Shown(CartWorld):
        def observation_at(self, goal):
            return np.array([goal[0], 0.0])

    cart = Shown(Shown.Params())
    tasks = cart.sample_tasks(5, 0, cart.collect(2, 4, 0))
    assert ((tasks.goal["achieved_goal"] > 2) & (tasks.goal["achieved_goal"] < 3)).all()
    assert torch.equal(cart.goal_observation(tasks.goal)["observation"][:, :1], tasks.goal["achieved_goal"])


def test_an_env_whose_tasks_are_solved_at_their_start_is_refused():
    class Everywhere(CartWorld):
        success_radius = 100.0

    cart = Everywhere(Everywhere.Params())
    with pytest.raises(ValueError, match="1000 tasks in a row were solved at their start"):
        cart.sample_tasks(1, 0, cart.collect(2, 4, 0))


def test_images_of_an_env_come_channels_first():
    class Seeing(Cart):
        observation_space = gymnasium.spaces.Dict(
            Cart.observation_space.spaces | {"observation": gymnasium.spaces.Box(0, 255, (4, 6, 3), np.uint8)}
        )

        def seen(self):
            frame = np.zeros((4, 6, 3), np.uint8)
            frame[1, int(self.x) % 6, 2] = 200
            return super().seen() | {"observation": frame}

    class SeeingWorld(CartWorld):
        def make(self):
            return Seeing()

    cart = SeeingWorld(SeeingWorld.Params())
    assert cart.spec.observations["observation"].shape == (3, 4, 6)
    data = cart.collect(2, 5, 0)
    column = data.states["simulation"][1, 3, 0].astype(int) % 6
    frame = data.states["observation"][1, 3]
    assert frame.dtype == np.uint8 and frame[2, 1, column] == 200 and frame.sum() == 200


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gymnasium.make("CartPole-v1"), "expected that of a goal-conditioned env, a Dict with observation"),
        (lambda: gymnasium.make("CardPole-v1"), "Odd.make failed: NameNotFound: "),
        (lambda: "CartPole-v1", "expected a gymnasium.Env"),
        (Cart, "how to restore its state is not known; define get_state"),
        (
            lambda: _changed(action_space=gymnasium.spaces.MultiDiscrete([3, 2])),
            "expected a bounded Box of one dimension",
        ),
        (
            lambda: _changed(action_space=gymnasium.spaces.Box(-np.inf, np.inf, (2,))),
            "expected a bounded Box of one dimension",
        ),
    ],
)
def test_an_env_that_does_not_fit_is_refused(make, words):
    base = CartWorld if "bounded Box" in words else GymnasiumEnvironment
    kind = type("Odd", (base,), {"make": lambda self: make(), "success_radius": 1.0})
    with pytest.raises(UsageError, match=re.escape(words)):
        kind(kind.Params()).spec  # noqa: B018 - reading it is what is tried


def _changed(**spaces):
    return type("Changed", (Cart,), spaces)()


def test_the_example_of_the_docstring_is_that_of_the_docs():
    example = re.search(r"::\n\n(.*?)\n\n    Its observations", GymnasiumEnvironment.__doc__, re.DOTALL).group(1)
    assert inspect.cleandoc(example) == block("python", "class UMaze").strip()
    assert len([line for line in example.splitlines() if line.strip()]) < 20


@pytest.fixture
def umaze(tmp_plugin):
    pytest.importorskip("gymnasium_robotics")
    line = re.search(r"umaze = \"my_package:UMaze\"", block("toml", "entry-points"))
    assert line
    return tmp_plugin(block("python", "class UMaze"), dist="my-package", environments={"umaze": "UMaze"})


def test_point_maze_is_restored_to_the_last_bit(umaze):
    """States in any order, each stepped alone, against the env played plainly from beginning to end."""
    from vgbench.plugin.registry import Registry, load_plugin

    cls = load_plugin(Registry().find("environment", "umaze"))
    maze, plain = cls(cls.Params()), cls(cls.Params()).make()
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (40, 2)).repeat(5, axis=0).astype(np.float32)
    seen, _ = plain.reset(seed=3)
    played = [seen["observation"], *(plain.step(action)[0]["observation"] for action in actions)]

    maze._env().reset(seed=3)
    state = {name: torch.from_numpy(value)[None] for name, value in maze._state(seen).items()}
    other = maze.sample_tasks(1, 8, maze.collect(2, 3, 0)).start
    for time, action in enumerate(actions):
        pair = {name: torch.cat([other[name], state[name]]) for name in state}
        after = maze.step(pair, torch.from_numpy(np.stack([-action, action])))
        other, state = ({name: value[i : i + 1] for name, value in after.items()} for i in (0, 1))
        np.testing.assert_array_equal(state["observation"][0].numpy(), played[time + 1].astype(np.float32))
    assert np.abs(np.diff(np.array(played)[:, :2], axis=0)).max() > 0.01


def test_point_maze_trains_and_plans_from_a_package_of_its_own(umaze, vgbench_process, tmp_path):
    command = shlex.split(block("console", "--env umaze").strip())[1:]
    small = ["--set", "data.trajectories=20", "--set", "data.length=20", "--format", "json"]
    variables = {"PYTHONPATH": str(umaze), "VGBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    done = vgbench_process(*command, *small, **variables)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["n"], result["protocol"], result["environment"]) == (4, "generic", "umaze")
    assert vgbench.gymnasium.register().count("vgbench/Umaze-v0") == 1
    there_and_back = gymnasium.make("vgbench/Umaze-v0").unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that states have no bounds
        check_env(there_and_back)
