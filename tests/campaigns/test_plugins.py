"""Plugins that misbehave, in every way at every hook: named, the process as it was, and the run can go on."""

import json
import os
import shutil
import sys
import textwrap

import pytest
import yaml

pytestmark = pytest.mark.slow

HEAD = """
import os, random, signal, sys, threading, time
import numpy as np
import torch
from torch import nn
from vgbench.api import *

ARMED = "MENDED" not in os.environ
calls = 0

class Odd(BaseException):
    pass

def misbehave(first):
    global calls
    calls += 1
    if ARMED and calls >= first:
        {behaviour}

"""
OBJECTIVE = """
class Mine(Objective):
    def __init__(self, params, shapes):
        {init}
        super().__init__(params, shapes)

    def loss(self, batch, model, noise):
        {loss}
        return Loss(model.distance(batch.points[:, :-1], batch.points[:, 1:]).mean())

    def after_step(self, model):
        {after_step}
"""
DISTANCE = """
class Mine(Distance):
    def __init__(self, params, dim):
        {init}
        super().__init__(params, dim)

    def forward(self, x, y):
        {forward}
        return (x - y).abs().sum(-1)

    def prepare(self, *given):
        {prepare}
        return super().prepare(*given)
"""
PLANNER = """
class Mine(Planner):
    def __init__(self, params):
        {init}
        super().__init__(params)

    def plan(self, problem, state):
        {plan}
        return Plan(torch.zeros(len(problem.steps_left), problem.horizon, problem.action_dim))
"""
NETWORK = """
class Inner(nn.Module):
    def __init__(self, dim, actions):
        super().__init__()
        self.layer = nn.Linear(dim + actions, dim)

    def forward(self, latents, actions):
        {forward}
        return self.layer(torch.cat([latents, actions], -1))

class Mine(Network):
    role = "predictor"

    def __init__(self, params):
        {init}
        super().__init__(params)

    def build(self, shapes):
        {build}
        return Inner(shapes.latent_dim, shapes.action_dim)
"""
ENVIRONMENT = """
class Mine(Environment):
    spec = EnvironmentSpec(
        state={{"x": ArraySpec((1,))}}, observations={{"x": ArraySpec((1,))}}, actions=Box((-1.0,), (1.0,)))
    success_radius = 0.5

    def __init__(self, params):
        {init}
        super().__init__(params)

    def step(self, state, action, noise=None):
        {step}
        return {{"x": state["x"] + self.spec.actions.clip(action)}}

    def observe(self, state):
        {observe}
        return {{"x": state["x"]}}

    def goal_distance(self, state, goal):
        {goal_distance}
        return (state["x"] - goal["x"]).abs().squeeze(-1)

    def goal_observation(self, goal):
        {goal_observation}
        return super().goal_observation(goal)

    def success(self, state, goal):
        {success}
        return super().success(state, goal)

    def collect(self, trajectories, length, seed, progress=None):
        {collect}
        rng = np.random.default_rng(seed)
        actions = rng.uniform(-1, 1, (trajectories, length - 1, 1)).astype(np.float32)
        start = rng.uniform(-9, 9, (trajectories, 1, 1)).astype(np.float32)
        return Trajectories({{"x": np.cumsum(np.concatenate([start, actions], axis=1), axis=1)}}, {{}}, actions)

    def sample_tasks(self, count, seed, data):
        {sample_tasks}
        return Tasks({{"x": torch.full((count, 1), -5.0)}}, {{"x": torch.full((count, 1), 5.0)}})

    def check_tasks(self, tasks, data):
        {check_tasks}
        return {{}}
"""
LOGGER = """
class Mine:
    @hookimpl
    def vgbench_run_started(self, title, folder):
        {vgbench_run_started}

    @hookimpl
    def vgbench_stage_started(self, stage, total, done, unit):
        {vgbench_stage_started}

    @hookimpl
    def vgbench_stage_ended(self, stage):
        {vgbench_stage_ended}

    @hookimpl
    def vgbench_run_stopped(self, status):
        {vgbench_run_stopped}

    @hookimpl
    def vgbench_stage_progress(self, stage, done, logs):
        {vgbench_stage_progress}

    @hookimpl
    def vgbench_run_ended(self, result):
        {vgbench_run_ended}
"""
SMALL = ["--scale", "smoke", "--threads", "1", "--format", "json", "--out", "here"]
SMALL += ["--set", "mpc.max_steps=6", "--set", "evaluation.tasks=2"]
LONG = {"hangs": "10", "spins": "10"}
"""Seconds that a hook may take; more where none hangs, as the machine may be busy."""
RUNS = {
    "objective": (OBJECTIVE, ["--env", "wall", "--objective", "mine", "--distance", "euclidean"]),
    "distance": (DISTANCE, ["--env", "wall", "--objective", "iql", "--distance", "mine"]),
    "planner": (PLANNER, ["--env", "wall", "--recipe", "vf", "--planner", "mine", "--set", "mpc.replan_every=1"]),
    "network": (NETWORK, ["--env", "wall", "--recipe", "vf", "--predictor", "mine"]),
    "environment": (
        ENVIRONMENT,
        ["--env", "mine", "--encoder", "vector", "--objective", "iql", "--distance", "euclidean"],
    ),
    "logger": (LOGGER, ["--env", "wall", "--recipe", "vf"]),
}
HOOKS = {
    "objective": ("init", "loss", "after_step"),
    "distance": ("init", "forward", "prepare"),
    "planner": ("init", "plan"),
    "network": ("init", "build", "forward"),
    "environment": (
        *("init", "step", "observe", "goal_observation", "goal_distance", "success"),
        *("collect", "sample_tasks", "check_tasks"),
    ),
    "logger": (
        *("vgbench_run_started", "vgbench_stage_started", "vgbench_stage_progress", "vgbench_stage_ended"),
        *("vgbench_run_stopped", "vgbench_run_ended"),
    ),
}
BEHAVIOURS = {
    "StopIteration": "raise StopIteration",
    "BaseException": "raise Odd('odd')",
    "SystemExit": "sys.exit(0)",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "escapes": "raise ValueError('\\x1b[2J' + 'y' * 9000)",
    "RecursionError": "misbehave(0)",
    "os._exit": "os._exit(0)",
    "chdir": "os.chdir('/')",
    "dtype": "torch.set_default_dtype(torch.float64)",
    "device": "torch.set_default_device('meta')",
    "threads": "torch.set_num_threads(2)",
    "seed": "torch.manual_seed(99)",
    "random": "random.random()",
    "numpy's random": "numpy.random.seed(3)",
    "no gradients": "torch.set_grad_enabled(False)",
    "handler": "signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "hangs": "time.sleep(60)",
    "spins": "exec('while True: pass')",
    "print": "print('NOISE'); sys.stdout.write('NOISE')",
    "stdout gone": "sys.stdout = None",
}
HARMLESS = {"print"}
ALLOWED = {("logger", name) for name in ("handler", "stdout gone", "random", "numpy's random")}
"""Services that collect what is printed do so; what a logger draws is put back."""

INSIDE = {(kind, name) for kind in ("distance", "network") for name in ("no gradients", "stdout gone", "random")}
"""Found when the hook that called them returns: the message has that one's plugin, "or what it calls"."""


ELSEWHERE = {
    "environment": {"recorded_states"},
    "planner": {"beside", "with_budget"},
    "distance": {"level"},
    "logger": {"vgbench_noted"},
}
"""Hooks that such a run does not call: `tests/plugin/test_guard.py` has those that are watched."""


def public_hooks():
    """The methods of each kind that a plugin may define, from the classes of `vgbench.api`."""
    from torch import nn

    from vgbench import api
    from vgbench.api import hooks

    kinds = {"objective": api.Objective, "distance": api.Distance, "planner": api.Planner, "network": api.Network}
    found = {}
    for kind, cls in (kinds | {"environment": api.Environment}).items():
        names = {name for name, value in vars(cls).items() if callable(value) and not isinstance(value, type)}
        found[kind] = {name for name in names if not name.startswith("_") and name not in vars(nn.Module)} | {"init"}
    found["distance"].add("forward")
    found["network"].add("forward")
    found["logger"] = {name for name in vars(hooks) if name.startswith("vgbench_")}
    return found


def test_every_hook_is_known():
    """A new hook of the interface has to misbehave here, too."""
    assert {kind: set(names) | ELSEWHERE.get(kind, set()) for kind, names in HOOKS.items()} == public_hooks()


def combinations():
    """All of them, in an order that mixes them."""
    found = [(kind, hook, name) for kind in HOOKS for hook in HOOKS[kind] for name in BEHAVIOURS]
    return sorted(found, key=lambda one: hash_of(str(one)))


def hash_of(text):
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def installed(site, kind, hook, behaviour):
    """Write a distribution with a plugin `mine`; its first calls, those of the checks, may be sound."""
    template, _ = RUNS[kind]
    rare = {"init", "build", "collect", "sample_tasks", "check_tasks", "goal_observation"}
    first = 1 if hook in rare or kind == "logger" else 5
    body = {name: f"misbehave({first})" if name == hook else "pass" for name in HOOKS[kind]}
    code = HEAD.replace("{behaviour}", BEHAVIOURS[behaviour]) + template.format(**body)
    info = site / "vgx_mine-0.3.dist-info"
    info.mkdir(parents=True)
    (site / "vgx_mine.py").write_text(textwrap.dedent(code))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vgx-mine\nVersion: 0.3\nSummary: x\n")
    (info / "entry_points.txt").write_text(f"[vgbench.{kind}s]\nmine = vgx_mine:Mine\n")


def test_misbehaving_plugins(campaign, tools, whole, tmp_path):
    every = combinations()
    modes = campaign("plugins", small=4, full=len(every))
    for case, _rng in modes.cases():
        kind, hook, behaviour = every[case]
        what, work, limit = f"{kind}.{hook}: {behaviour}", tmp_path / str(case), LONG.get(behaviour, "300")
        installed(work / "site", kind, hook, behaviour)
        if kind != "environment":
            shutil.copytree(whole / "cache", work / "cache")

        def run(work=work, kind=kind, limit=limit, **environ):
            def started():
                sys.path.insert(0, str(work / "site"))
                tools.command(
                    "run",
                    *RUNS[kind][1],
                    *SMALL,
                    "--plugin-timeout",
                    limit,
                    VGBENCH_CACHE=str(work / "cache"),
                    **environ,
                )()

            return tools.forked(started, work, seconds=300)

        ended = run()
        named = (
            "vgx-mine 0.3" in ended.err
            or ((kind, behaviour) in INSIDE and "or what it calls" in ended.err)
            or (kind == "logger" and "logger 'mine' is switched off" in ended.err)
        )
        if complaint := ended.complaint():
            modes.fail(case, f"{what}: {complaint}", ended)
        elif behaviour in HARMLESS or (kind, behaviour) in ALLOWED or (kind == "logger" and named):
            if ended.code == 0 and (behaviour == "stdout gone" or json.loads(ended.out)["n"] == 2):
                modes.outcomes["the run went on"] += 1
            else:
                modes.fail(case, f"{what}: the run did not go on, or stdout has more than the result", ended)
        elif ended.code == 0 or not named:
            modes.fail(case, f"{what}: not named", ended)
        else:
            mended = run(MENDED="1")
            if mended.code != 0:
                modes.fail(case, f"{what}: named, but the run does not go on once it is mended", mended)
            else:
                modes.outcomes["named, and goes on"] += 1
        shutil.rmtree(work)


RECIPE = {"summary": "x", "objectives": ["iql"], "distance": "euclidean", "training": "separate"}
IN_SUITES = {
    "objective": {"recipe": {"objectives": ["mine"]}},
    "distance": {"recipe": {"distance": "mine"}},
    "planner": {"protocol": {"extends": "wall_big", "planner": "mine", "set": {"mpc.replan_every": 1}}},
    "network": {"protocol": {"extends": "wall_big", "predictor": "mine"}},
    "environment": {
        "protocol": {"extends": "generic", "environment": "mine", "scales": {"smoke": {"encoder": "vector"}}}
    },
}
"""Where a suite's file names the plugin: in one of its two recipes, or in one of its two protocols."""


def test_a_suite_goes_on(campaign, tools, whole, tmp_path):
    """One of two runs has a plugin that misbehaves: the other is complete, and that one is once it is mended.

    What shows before anything is computed, such as a constructor that fails, ends the suite.
    """
    every = [one for one in combinations() if one[0] in IN_SUITES and one[2] not in HARMLESS]
    modes = campaign("plugins-in-suites", small=2, full=150)
    for case, _rng in modes.cases():
        kind, hook, behaviour = every[case]
        what, work = f"{kind}.{hook}: {behaviour}", tmp_path / str(case)
        installed(work / "site", kind, hook, behaviour)
        shutil.copytree(whole / "cache", work / "cache")
        about = IN_SUITES[kind]
        content = {"recipes": {"sound": RECIPE}, "protocols": {}}
        if "recipe" in about:
            content["recipes"]["bad"] = RECIPE | about["recipe"]
        else:
            content["protocols"]["theirs"] = {"summary": "x"} | about["protocol"]
        suite = {"summary": "x", "recipes": list(content["recipes"]), "protocols": ["wall_big", *content["protocols"]]}
        content["suites"] = {"both": suite | {"seeds": [0]}}
        (work / "both.yaml").write_text(yaml.safe_dump({k: v for k, v in content.items() if v}))
        words = ["suite", "both.yaml", "--scale", "smoke", "--workers", "2", "--out", "table", "--format", "json"]
        words += ["--plugin-timeout", LONG.get(behaviour, "300")]
        words += ["--set", "mpc.max_steps=6", "--set", "evaluation.tasks=2"]

        def run(work=work, words=words, **environ):
            def started():
                sys.path.insert(0, str(work / "site"))
                os.chdir(work)
                tools.command(*words, VGBENCH_CACHE="cache", PYTHONPATH=str(work / "site"), **environ)()

            return tools.forked(started, work, seconds=600)

        ended = run()
        told = ended.out + ended.err + "".join(path.read_text() for path in work.rglob("log.txt"))
        complete = [path.parent for path in (work / "table").rglob("result.json")]
        named = "vgx-mine 0.3" in told or ((kind, behaviour) in INSIDE and "or what it calls" in told)
        if complaint := ended.complaint():
            modes.fail(case, f"{what}: {complaint}", ended)
        elif ended.code == 0 or not named:
            modes.fail(case, f"{what}: not named", ended)
        elif ended.code == 2 and complete:
            modes.fail(case, f"{what}: refused, after a run was computed", ended)
        elif ended.code == 1 and (len(complete) != 1 or "mine" in (complete[0] / "config.yaml").read_text()):
            modes.fail(case, f"{what}: the other run is not complete: {complete}", ended)
        elif (mended := run(MENDED="1")).code != 0 or len(list((work / "table").rglob("result.json"))) != 2:
            modes.fail(case, f"{what}: named, but the suite does not go on once it is mended", mended)
        else:
            before = "before anything is computed" if ended.code == 2 else "the other run is complete"
            modes.outcomes[f"named, {before}, and goes on"] += 1
        shutil.rmtree(work)
