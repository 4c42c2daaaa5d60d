"""Plugins that fail or break their contract, through real entry points and the command line.

The message names the plugin, its package and version, what was expected and what came; exit code 2 if nothing was
computed yet, else 1, and then the run folder says so, too.
"""

import json
import re

import pytest

HEAD = """
    import os
    import numpy as np
    import torch
    from pydantic import ConfigDict, Field
    from torch import nn
    import vgbench.api
    from vgbench.api import *

"""

OBJECTIVE = """
    class Mine(Objective):
        def loss(self, batch, model, noise):
            d = model.distance(batch.points[:, :-1], batch.points[:, 1:])
            return {}
"""
PARAMS = """
    class Mine(Objective):
        class Params(vgbench.api.Params):
            {}

        def loss(self, batch, model, noise):
            return Loss(batch.points.mean())
"""
DISTANCE = """
    class Mine(Distance):
        def forward(self, x, y):
            return {}
"""
PLANNER = """
    class Mine(Planner):
        def plan(self, problem, state):
            actions = torch.zeros(len(problem.steps_left), problem.horizon, problem.action_dim)
            return {}
"""
NETWORK = """
    class Inner(nn.Module):
        def __init__(self, out):
            super().__init__()
            self.layer = nn.LazyLinear(out)

        def forward(self, latents, actions):
            return {}

    class Mine(Network):
        role = "predictor"

        def build(self, shapes):
            return {}
"""
ENVIRONMENT = """
    class Mine(Environment):
        spec = EnvironmentSpec(
            state={{"x": ArraySpec((1,))}}, observations={{"x": ArraySpec((1,))}}, actions=Box((-1.0,), (1.0,)))
        success_radius = 0.5

        def step(self, state, action, noise=None):
            return {step}

        def observe(self, state):
            return {observe}

        def goal_distance(self, state, goal):
            return {goal_distance}

        def collect(self, trajectories, length, seed, progress=None):
            rng = np.random.default_rng(seed)
            actions = rng.uniform(-1, 1, (trajectories, length - 1, 1)).astype(np.float32)
            start = rng.uniform(-9, 9, (trajectories, 1, 1)).astype(np.float32)
            steps = np.concatenate([start, actions], axis=1)
            return {collect}

        def sample_tasks(self, count, seed, data):
            return {sample_tasks}
"""
SOUND = {
    "step": '{"x": state["x"] + self.spec.actions.clip(action)}',
    "observe": '{"x": state["x"]}',
    "goal_distance": '(state["x"] - goal["x"]).abs().squeeze(-1)',
    "collect": 'Trajectories({"x": np.cumsum(steps, axis=1)}, {}, actions)',
    "sample_tasks": 'Tasks({"x": torch.full((count, 1), -5.0)}, {"x": torch.full((count, 1), 5.0)})',
}


def environment(**methods):
    return ENVIRONMENT.format(**SOUND | methods)


def constructor(arguments, body="super().__init__()"):
    return f"""
    class Mine(Objective):
        def __init__(self, {arguments}):
            {body}

        def loss(self, batch, model, noise):
            return Loss(batch.points.mean())
"""


UNTRAINED = ["--set", "train.steps=2", "--set", "train_predictor.steps=2"]
RUNS = {
    "objective": ["--env", "wall", "--objective", "mine", "--distance", "euclidean"],
    "distance": ["--env", "wall", "--objective", "iql", "--distance", "mine"],
    "planner": ["--env", "wall", "--recipe", "vf", "--planner", "mine", "--set", "mpc.replan_every=1", *UNTRAINED],
    "network": ["--env", "wall", "--recipe", "vf", "--predictor", "mine"],
    "environment": ["--env", "mine", "--encoder", "vector", "--objective", "iql", "--distance", "euclidean"],
}

BEFORE = {
    "constructor raises": ("objective", constructor("params, shapes", "1 / 0"), r"__init__ raised ZeroDivisionError"),
    "constructor of another signature": (
        "objective",
        constructor("params"),
        r"does not fit its contract: TypeError: .*takes 2 positional arguments but 3 were given",
    ),
    "constructor that asks for more": (
        "objective",
        constructor("params, shapes, more"),
        r"its constructor takes \(self, params, shapes, more\), expected \(self, params, shapes\)",
    ),
    "constructor with kwargs": (
        "objective",
        constructor("*args, **kwargs", "super().__init__(*args, **kwargs)"),
        r"its constructor takes \(self, \*args, \*\*kwargs\), expected \(self, params, shapes\)",
    ),
    "undocumented parameter": (
        "objective",
        PARAMS.format("tau: float = 0.5"),
        r"parameter 'tau' has no description; expected Field",
    ),
    "mutable parameter": (
        "objective",
        PARAMS.format('taus: list[float] = Field([0.5], description="several")'),
        r"parameter 'taus' is of a kind that can be changed \(list\[float\]\); expected .* tuple",
    ),
    "mutable inside": (
        "objective",
        PARAMS.format('taus: tuple[dict[str, int], ...] = Field((), description="several")'),
        r"parameter 'taus' is of a kind that can be changed",
    ),
    "parameters that can be set": (
        "objective",
        PARAMS.format("model_config = ConfigDict(frozen=False)"),
        r"its Params have frozen=False, expected True",
    ),
    "parameters of any name": (
        "objective",
        PARAMS.format('model_config = ConfigDict(extra="allow")'),
        r"its Params have extra='allow', expected 'forbid'",
    ),
    "distance of another shape": (
        "distance",
        DISTANCE.format("(x - y).abs()"),
        r"as distance it returned shape \[2, 512\], expected a tensor of shape \[2\]",
    ),
    "distance of NaN": ("distance", DISTANCE.format("(x - y).sum(-1) / 0"), r"values that are not finite"),
    "distance below 0": (
        "distance",
        DISTANCE.format("-(x - y).abs().sum(-1)"),
        r"as distance it returned -[\d.]+, expected no value below 0",
    ),
    "distance without gradient": (
        "distance",
        DISTANCE.format("(x - y).abs().sum(-1).detach()"),
        r"as distance it returned no gradient \(detached\?\)",
    ),
    "distance that raises": ("distance", DISTANCE.format("x[0, 999]"), r"as distance it raised IndexError"),
    "network of another shape": (
        "network",
        NETWORK.format("self.layer(latents)", "Inner(7)"),
        r"as predictor it returned shape \[2, 7\], expected a tensor of shape \[2, 512\]",
    ),
    "network that builds nothing": (
        "network",
        NETWORK.format("0", "None"),
        r"build returned a NoneType, expected a torch\.nn\.Module",
    ),
    "network that raises": ("network", NETWORK.format("latents @ latents", "Inner(7)"), r"as predictor it raised Runt"),
    "planner that cannot be made": (
        "planner",
        PLANNER.format("None") + "\n        def __init__(self, params):\n            self.x = params.nowhere\n",
        r"__init__ raised AttributeError",
    ),
    "environment without a spec": (
        "environment",
        environment() + "        spec = None\n",
        r"its spec is None, expected",
    ),
}

WHILE = {
    "loss raises": (
        "objective",
        OBJECTIVE.format("Loss(d[999].mean())"),
        r"loss raised IndexError: .*vgx_mine\.py, line",
    ),
    "loss of another shape": (
        "objective",
        OBJECTIVE.format("Loss(d.mean(dim=0)[:3])"),
        r"loss returned shape \[3\], expected a scalar \(a missing \.mean\(\)\?\)",
    ),
    "loss without gradient": (
        "objective",
        OBJECTIVE.format("Loss(d.mean().detach())"),
        r"loss returned a value without gradient .*it trains \(distance, encoder, head\)",
    ),
    "loss of NaN": (
        "objective",
        OBJECTIVE.format("Loss(d.mean() * float('nan'))"),
        r"is nan.*a division at 0, a square root.*`vgbench check objective mine` finds, or try a lower train\.lr or "
        r"train\.clip=1$",
    ),
    "loss that is none": (
        "objective",
        OBJECTIVE.format("d.mean()"),
        r"loss returned a Tensor, expected vgbench\.api\.Loss",
    ),
    "loss of a number": (
        "objective",
        OBJECTIVE.format("Loss(1.0)"),
        r"loss returned a float, expected .* scalar tensor",
    ),
    "log of no number": (
        "objective",
        OBJECTIVE.format("Loss(d.mean(), {'d': d[0]})"),
        r"loss logs shape \[15\] as 'd', expected a number",
    ),
    "gradient of NaN": (
        "distance",
        DISTANCE.format("(x - y).square().sum(-1).sqrt()"),
        r"the gradient is not finite \(in encoder\).* from objective 'iql' \(vgbench 0\.1\.0\), or from",
    ),
    "loss of another signature": (
        "objective",
        OBJECTIVE.format("Loss(d.mean())").replace("batch, model, noise", "batch, model"),
        r"does not fit its contract: TypeError: .*loss\(\) takes 3 positional arguments but 4 were given",
    ),
    "after_step raises": (
        "objective",
        OBJECTIVE.format("Loss(d.mean())")
        + "\n        def after_step(self, model):\n            raise KeyError('x')\n",
        r"after_step raised KeyError: 'x'",
    ),
    "plan raises": ("planner", PLANNER.format("1 / 0"), r"plan raised ZeroDivisionError: division by zero \(vgx_mine"),
    "plan that is none": (
        "planner",
        PLANNER.format("actions"),
        r"plan returned a Tensor, expected vgbench\.api\.Plan",
    ),
    "plan of another shape": (
        "planner",
        PLANNER.format("Plan(actions[:, :, :1])"),
        r"it must return actions of shape \[128, 1 to 1, 2\], but they are \[128, 1, 1\]",
    ),
    "plan of NaN": ("planner", PLANNER.format("Plan(actions / 0)"), r"it returned actions that are not finite"),
    "plan of too many": (
        "planner",
        PLANNER.format("Plan(actions + problem.cost(actions[:, None].expand(-1, 9, -1, -1)).mean())"),
        r"asked for the cost of 9 sequences per task, but declares candidates=1",
    ),
    "observation of another shape": (
        "environment",
        environment(observe='{"x": state["x"][:, 0]}'),
        r"observe: 'x' is float32 shape \[2\], expected float32 of shape \[2, 1\]",
    ),
    "observation of another type": (
        "environment",
        environment(observe='{"x": state["x"].double()}'),
        r"observe: 'x' is float64 shape \[2, 1\], expected float32 of shape \[2, 1\]",
    ),
    "observation of another name": (
        "environment",
        environment(observe='{"y": state["x"]}'),
        r"observe returned \['y'\], expected a dictionary with \['x'\]",
    ),
    "step raises in the middle": (
        "environment",
        environment(step=f"{SOUND['step']} if len(action) == 2 else 1 / 0"),
        r"step raised ZeroDivisionError",
    ),
    "step of NaN": ("environment", environment(step='{"x": state["x"] / 0}'), r"step: 'x' is not finite"),
    "distance to the goal is NaN": (
        "environment",
        environment(goal_distance=f"{SOUND['goal_distance']} + (float('nan') if len(goal['x']) > 2 else 0)"),
        r"goal_distance is not finite after step 1 of stage 'episodes'",
    ),
    "distance to the goal of another shape": (
        "environment",
        environment(goal_distance='(state["x"] - goal["x"]).abs()'),
        r"goal_distance returned shape \[2, 1\], expected a tensor of shape \[2\]",
    ),
    "data that are none": ("environment", environment(collect="None"), r"collect returned a NoneType, expected"),
    "data of another shape": (
        "environment",
        environment(collect='Trajectories({"x": steps[:, :9]}, {}, actions)'),
        r"collect: state 'x' must be float32 \(40, 64, 1\), but it gave float32 \(40, 9, 1\)",
    ),
    "data of NaN": (
        "environment",
        environment(collect='Trajectories({"x": steps / np.float32(np.nan)}, {}, actions)'),
        r"collect: state 'x' must be finite",
    ),
    "too few tasks": (
        "environment",
        environment(sample_tasks=SOUND["sample_tasks"].replace("count", "3")),
        r"sample_tasks \(start\): 'x' is float32 shape \[3, 1\], expected float32 of shape \[4, 1\]",
    ),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, tmp_path_factory, monkeypatch):
    """The built-in environment's data are collected once; those of a stranger of one name are not shared."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("VGBENCH_CACHE", str(folder))
    yield
    for path in (folder / "data").glob("mine-*.h5"):
        path.unlink()


@pytest.fixture
def fails(tmp_plugin, vgbench_cli, tmp_path):
    """Run at smoke scale with a plugin `mine`; return the message."""

    def run(kind, code, exit_code):
        tmp_plugin(HEAD + code, **{f"{kind}s": {"mine": "Mine"}}, dist="vgx-mine", version="0.3")
        result = vgbench_cli("run", *RUNS[kind], "--scale", "smoke", "--out", "here")
        assert result.exit_code == exit_code, (result.exit_code, result.stderr)
        assert "Traceback" not in result.stderr
        assert result.stderr.count("error: ") == 1, result.stderr
        # The error of a plugin about shapes has a line of its own.
        problem = " ".join(result.stderr[result.stderr.index("error: ") :].split())
        assert re.search(rf"{kind} 'mine' \(vgx-mine 0\.3\)", problem), problem
        return problem

    return run


@pytest.mark.parametrize("case", BEFORE)
def test_what_is_wrong_from_the_start_is_told_before_anything_is_computed(fails, tmp_path, case):
    kind, code, message = BEFORE[case]
    assert re.search(message, fails(kind, code, 2))
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize("case", WHILE)
def test_what_goes_wrong_later_is_told_and_noted_in_the_run_folder(fails, tmp_path, case):
    kind, code, message = WHILE[case]
    problem = fails(kind, code, 1)
    assert re.search(message, problem), problem
    record = json.loads((tmp_path / "here" / "run.json").read_text())
    assert record["status"] == "failed" and f"error: {record['error']}" == problem
    assert not (tmp_path / "here" / "result.json").exists()


def test_a_failure_inside_another_plugin_names_both(fails):
    code = OBJECTIVE.format("Loss(model.distance(batch.points, 3 * batch.points[:, :2]).mean())")
    problem = fails("objective", code, 1)
    assert re.search(r"error: distance 'euclidean' \(vgbench 0\.1\.0\): forward raised RuntimeError", problem)
    assert "called by objective 'mine' (vgx-mine 0.3)" in problem


def test_other_commands_name_the_plugin_too(tmp_plugin, vgbench_cli):
    tmp_plugin(HEAD + environment(collect="1 / 0"), environments={"mine": "Mine"}, dist="vgx-mine", version="0.3")
    result = vgbench_cli("collect", "--env", "mine", "--scale", "smoke", "--out", "mine.h5")
    assert result.exit_code == 1 and "Traceback" not in result.stderr
    assert "error: environment 'mine' (vgx-mine 0.3): collect raised ZeroDivisionError" in result.stderr


SHARED = (
    HEAD
    + environment(step="move(state)")
    + """
    def move(state):
        raise KeyError("boom")

    class Other(Mine):
        pass
"""
)


@pytest.mark.parametrize("name", ["first", "second", "other"])
def test_an_error_names_the_plugin_that_runs_not_those_that_share_its_class_or_module(
    tmp_plugin, vgbench_cli, tmp_path, name
):
    """In a method as in a function of the module; `first` and `second` are one class, `other` inherits from it."""
    classes = {"first": "Mine", "second": "Mine", "other": "Other"}
    tmp_plugin(SHARED, environments=classes, dist="vgx-mine", version="0.3")
    result = vgbench_cli("run", "--env", name, *RUNS["environment"][2:], "--scale", "smoke", "--out", tmp_path / "here")
    assert result.exit_code in (1, 2), result.stdout
    problem = result.stderr[result.stderr.index("error:") :]
    assert f"environment '{name}' (vgx-mine 0.3): move raised KeyError" in problem and " or environment" not in problem


def test_the_traceback_is_shown_on_request(tmp_plugin, vgbench_cli):
    tmp_plugin(HEAD + OBJECTIVE.format("Loss(d[999].mean())"), objectives={"mine": "Mine"})
    result = vgbench_cli("run", *RUNS["objective"], "--scale", "smoke", "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr and "d[999]" in result.stderr and "IndexError" in result.stderr


STAGES = {
    "objective": OBJECTIVE.format("Loss(d.mean() + self.count())")
    + """
        calls = 0

        def count(self):
            self.calls += 1
            if self.calls == 4 and "MENDED" not in os.environ:
                raise RuntimeError("not yet")
            return 0
""",
    "planner": PLANNER.format("Plan(actions + self.count(problem))")
    + """
        def count(self, problem):
            if int(problem.steps_left[0]) < 9 and "MENDED" not in os.environ:
                raise RuntimeError("not yet")
            return problem.noise(problem.horizon, problem.action_dim)
""",
}


@pytest.mark.parametrize("kind", STAGES)
def test_a_run_goes_on_once_its_plugin_is_mended(tmp_plugin, vgbench_cli, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("VGBENCH_CHECKPOINT_SECONDS", "0")
    tmp_plugin(HEAD + STAGES[kind], **{f"{kind}s": {"mine": "Mine"}}, dist="vgx-mine", version="0.3")
    command = ["run", *RUNS[kind], "--scale", "smoke"]
    failed = vgbench_cli(*command, "--out", "here")
    assert failed.exit_code == 1 and "RuntimeError: not yet" in failed.stderr
    assert "What was done is kept in here: fix it and give the same command again" in failed.stderr
    kept = {path.name for path in (tmp_path / "here" / "checkpoints").iterdir()}
    assert {"objective": "encoder.pt", "planner": "episodes.pt"}[kind] in kept
    monkeypatch.setenv("MENDED", "1")
    assert vgbench_cli(*command, "--out", "here").exit_code == 0
    assert vgbench_cli(*command, "--out", "whole").exit_code == 0
    for name in ("episodes.jsonl", "train.jsonl"):
        assert (tmp_path / "here" / name).read_text() == (tmp_path / "whole" / name).read_text()
    record = json.loads((tmp_path / "here" / "run.json").read_text())
    assert record["status"] == "done" and record["error"] is None
