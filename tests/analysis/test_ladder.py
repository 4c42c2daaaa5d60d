"""`vgbench ladder` of runs whose planner, or environment, comes from another package."""

import json

import pytest

DESCENT = """
    import torch
    from pydantic import Field

    import vgbench.api
    from vgbench.api import Plan, Planner


    class Descent(Planner):
        '''One step of gradient descent on the actions; only the first two steps of the plan are returned.'''

        api = 1
        gradient = True

        class Params(vgbench.api.Params):
            horizon: int = Field(4, ge=1, description="steps planned")

        @property
        def candidates(self):
            return 32

        def plan(self, problem, state):
            tasks = len(problem.steps_left)
            noise = 0.1 * problem.noise(32, problem.horizon, problem.action_dim)
            actions = problem.action_set.clip(noise).requires_grad_()
            cost = problem.cost(actions)
            (slope,) = torch.autograd.grad(cost.sum(), actions)
            if tasks != 4:
                raise ValueError(f"{tasks} tasks in a block of 128 rows")
            if problem.executed != (2 if state else 0):
                raise ValueError(f"{problem.executed} actions executed of a plan of 2")
            moved = problem.action_set.clip(actions.detach() - slope)
            return Plan(moved[torch.arange(tasks), cost.argmin(dim=1)][:, :2], {"last": moved[:, 0]})
"""

SIMULATOR = """
    import numpy as np

    from vgbench.api import ArraySpec, Box, Environment, EnvironmentSpec, Tasks, Trajectories


    class Line(Environment):
        '''A point on a line, moved by a simulator that is not written in PyTorch.'''

        api = 1
        spec = EnvironmentSpec(
            state={"x": ArraySpec((1,))}, observations={"x": ArraySpec((1,))}, actions=Box((-1.0,), (1.0,))
        )
        success_radius = 0.5

        def step(self, state, action, noise=None):
            moved = state["x"].numpy() + self.spec.actions.clip(action).numpy()
            return {"x": torch.from_numpy(moved)}

        def observe(self, state):
            return {"x": state["x"]}

        def goal_distance(self, state, goal):
            return (state["x"] - goal["x"]).abs().squeeze(-1)

        def collect(self, trajectories, length, seed, progress=None):
            rng = np.random.default_rng(seed)
            actions = rng.uniform(-1, 1, (trajectories, length - 1, 1)).astype(np.float32)
            start = rng.uniform(-9, 9, (trajectories, 1, 1)).astype(np.float32)
            return Trajectories({"x": np.cumsum(np.concatenate([start, actions], axis=1), axis=1)}, {}, actions)

        def sample_tasks(self, count, seed, data):
            ends = torch.tensor(np.random.default_rng(seed).uniform([-9, 3], [-3, 9], (count, 2)), dtype=torch.float32)
            return Tasks({"x": ends[:, :1]}, {"x": ends[:, 1:]})
"""


WALL = ["wall", "train.steps=2", "train_predictor.steps=2", "data.trajectories=8", "mpc.max_steps=6"]
WALL += ["strided.stem=4", "strided.channels=4", "mlp.hidden=[16]", "model.latent_dim=16"]


@pytest.fixture
def ladder_of(vgbench_cli, tmp_path, monkeypatch):
    """Make a smoke run with a planner and some values, then put two of its tasks on a ladder."""
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))

    def make(planner, values, *options, encoder="strided"):
        environment, *sets = values
        common = ["--recipe", "vf", "--scale", "smoke", "--device", "cpu", "--out", tmp_path / "run"]
        chosen = ["--env", environment, "--planner", planner, "--encoder", encoder]
        done = vgbench_cli("run", *chosen, *common, *(word for value in sets for word in ("--set", value)))
        assert done.exit_code == 0, done.stderr
        done = vgbench_cli("ladder", "--run", tmp_path / "run", "--tasks", "2", *options)
        assert done.exit_code == 0, done.stderr
        return done

    return make


def named(done):
    """Rows of a ladder by their names."""
    return {row["name"]: row for row in done.json()["rows"]}


def test_a_run_of_a_third_party_gradient_planner_is_put_on_a_ladder(ladder_of, tmp_plugin, vgbench_cli, tmp_path):
    """It gets a gradient, blocks of the size that it had in the run, and the number of steps that were executed."""
    tmp_plugin(DESCENT, planners={"descent": "Descent"})
    rows = named(ladder_of("descent", WALL, "--format", "json"))
    assert len(rows) == 10 and not [name for name, row in rows.items() if "skipped" in row]
    done = vgbench_cli("ladder", "--run", tmp_path / "run", "--budget", "8")
    assert done.exit_code == 2 and "--budget 8" in done.stderr and "descent" in done.stderr


def test_dynamics_without_a_gradient_leave_a_condition_out_and_nobody_is_blamed(ladder_of, tmp_plugin):
    tmp_plugin(DESCENT + SIMULATOR, planners={"descent": "Descent"}, environments={"line": "Line"})
    rows = named(ladder_of("descent", ["line", "data.length=20"], "--format", "json", encoder="vector"))
    assert "planner 'descent' needs a gradient" in rows["exact model, straight"]["skipped"]
    assert rows["straight line"]["n"] == rows["random actions"]["n"] == 2


def test_the_built_in_gradient_planner_runs_and_is_put_on_a_ladder(ladder_of, tmp_path):
    done = ladder_of("gradient", [*WALL, "gradient.iterations=3"], "--budget", "3")
    assert "3 candidates per plan" in done.stdout and "skipped" not in done.stdout
    row = json.loads((tmp_path / "run" / "episodes.jsonl").read_text().splitlines()[0])
    assert row["cost"] < row["cost_start"]


MINE = """
protocols:
  near_wall:
    extends: wall_big
    summary: the large step, few episodes
    set:
      data.trajectories: 6
      mpc.max_steps: 3
      mppi.samples: 4
"""


def test_a_protocol_of_ones_own_file_is_put_on_a_ladder(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.yaml").write_text(MINE)
    asked = ("--protocol", "near_wall", "--recipes", "mine.yaml", "--scale", "smoke")
    done = vgbench_cli("ladder", *asked, "--tasks", "2", "--format", "json")
    assert done.exit_code == 0, done.stderr
    record = done.json()
    assert record["protocol"] == "near_wall" and record["planner"]["params"]["samples"] == 4
    assert named(done)["straight line"]["n"] == 2
    # Its data and tasks can be made alone, too.
    done = vgbench_cli("tasks", *asked, "--out", "tasks.json")
    assert done.exit_code == 0, done.stderr
    assert json.loads((tmp_path / "tasks.json").read_text())["protocol"] == "near_wall"
    done = vgbench_cli("collect", *asked, "--out", "data.h5", "--format", "json")
    assert done.exit_code == 0 and done.json()["trajectories"] == 6, done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--protocol", "near_wal", "--recipes", "mine.yaml"), "Did you mean 'near_wall'?"),
        (("--protocol", "near_wall", "--recipes", "other.yaml"), "--recipes other.yaml"),
        (("--run", "run", "--recipes", "mine.yaml"), "--recipes: with --run everything is the run's own"),
    ],
)
def test_mistakes_beside_a_file_of_ones_own_are_named(ladder_of, vgbench_cli, tmp_path, options, message):
    (tmp_path / "mine.yaml").write_text(MINE)
    if "--run" in options:
        ladder_of("mppi", WALL)
    done = vgbench_cli("ladder", *options)
    assert done.exit_code == 2 and message in done.stderr, done.stderr
