"""Every command that calls a plugin watches it: constructors, and the hooks outside of runs."""

import json

import numpy as np
import pytest

WORLD = """
    import os, random, sys, time
    import numpy as np
    import torch
    from vgbench.api import *

    class Mine(Environment):
        spec = EnvironmentSpec(
            state={"x": ArraySpec((1,))}, observations={"x": ArraySpec((1,))}, actions=Box((-1.0,), (1.0,)))
        success_radius = 0.5

        def __init__(self, params):
            IN_INIT
            super().__init__(params)

        def step(self, state, action, noise=None):
            return {"x": state["x"] + self.spec.actions.clip(action)}

        def observe(self, state):
            return {"x": state["x"]}

        def goal_distance(self, state, goal):
            return (state["x"] - goal["x"]).abs().squeeze(-1)

        def collect(self, trajectories, length, seed, progress=None):
            IN_COLLECT
            rng = np.random.default_rng(seed)
            actions = rng.uniform(-1, 1, (trajectories, length - 1, 1)).astype(np.float32)
            start = rng.uniform(-9, 9, (trajectories, 1, 1)).astype(np.float32)
            return Trajectories({"x": np.cumsum(np.concatenate([start, actions], axis=1), axis=1)}, {}, actions)

        def sample_tasks(self, count, seed, data):
            return Tasks({"x": torch.full((count, 1), -5.0)}, {"x": torch.full((count, 1), 5.0)})

        def recorded_states(self, recorded):
            IN_IMPORT
            return {"x": recorded["observations"]}
"""
PLANNER = """
    import os, random
    import torch
    from vgbench.api import *
    IN_MODULE
    class Mine(Planner):
        def __init__(self, params):
            IN_INIT
            super().__init__(params)

        def plan(self, problem, state):
            IN_PLAN
            return Plan(torch.zeros(len(problem.steps_left), problem.horizon, problem.action_dim))
"""
ENDS = "os._exit(0)"
WHO = "'mine' (vgx-mine 0.3)"


def filled(code, **lines):
    for place in ("INIT", "COLLECT", "IMPORT", "MODULE", "PLAN"):
        code = code.replace(f"IN_{place}", lines.get(place.lower(), "pass"))
    return code


@pytest.fixture
def misbehaving(tmp_plugin, vgbench_process, tmp_path):
    """Call a command, in its own process, with an environment, or a planner, that has these lines."""

    def call(kind, *command, env=None, **lines):
        code = filled(PLANNER if kind == "planner" else WORLD, **lines)
        site = tmp_plugin(code, **{f"{kind}s": {"mine": "Mine"}}, dist="vgx-mine", version="0.3")
        variables = {"PYTHONPATH": str(site), "VGBENCH_CACHE": str(tmp_path / "cache")} | (env or {})
        return vgbench_process(*map(str, command), **variables)

    return call


COLLECT = ["collect", "--env", "mine", "--out", "x.h5", "--trajectories", "4"]


@pytest.mark.parametrize(
    ("lines", "more", "words"),
    [
        ({"collect": ENDS}, (), "collect raised Stopped: it called os._exit(0)"),
        ({"init": ENDS}, (), "__init__ raised Stopped: it called os._exit(0)"),
        ({"collect": "os.chdir('/')"}, (), "it called chdir, and changed the working directory"),
        ({"init": "os.chdir('/')"}, (), "it called chdir, and changed the working directory"),
        ({"collect": "np.random.rand()"}, (), "collect, or what it calls, changed the global random state of NumPy"),
        ({"collect": "time.sleep(60)"}, ("--plugin-timeout", "1"), "it took more than 1 s (--plugin-timeout)"),
    ],
)
def test_collect_names_an_environment_that_misbehaves(misbehaving, tmp_path, lines, more, words):
    done = misbehaving("environment", *COLLECT, *more, **lines)
    assert done.returncode in (1, 2) and words in done.stderr and WHO in done.stderr, done.stderr
    assert not done.stdout and not list(tmp_path.rglob("x.h5"))


def test_progress_of_collect_is_a_sign_of_life(misbehaving):
    slow = "[(time.sleep(0.5), progress(i, 9)) for i in range(6)]"
    done = misbehaving("environment", *COLLECT, "--plugin-timeout", "2", collect=slow)
    assert done.returncode == 0, done.stderr


def test_tasks_of_an_environment_that_cannot_be_repeated_fill_no_cache(misbehaving, tmp_path):
    done = misbehaving(
        *("environment", "tasks", "--env", "mine", "--out", "t.json", "--scale", "smoke"), collect="np.random.rand()"
    )
    assert done.returncode == 1 and "changed the global random state of NumPy" in done.stderr, done.stderr
    assert WHO in done.stderr and not list((tmp_path / "cache").rglob("*.h5"))


@pytest.mark.parametrize("lines", [{"import": ENDS}, {"init": ENDS}, {"import": "os.chdir('/')"}])
def test_import_names_an_environment_that_misbehaves(misbehaving, tmp_path, lines):
    x = np.zeros((10, 1), np.float32)
    np.savez(tmp_path / "r.npz", observations=x, actions=x, episode_ends=np.array([5, 10]))
    options = ["--map", "episodes=episode_ends", "--out", "x.h5"]
    done = misbehaving("environment", "import", tmp_path / "r.npz", "--env", "mine", *options, **lines)
    assert done.returncode in (1, 2) and WHO in done.stderr, done.stderr
    assert "os._exit(0)" in done.stderr or "chdir" in done.stderr
    assert not list(tmp_path.rglob("x.h5"))


RUN = ["run", "--env", "wall", "--recipe", "vf", "--planner", "mine", "--scale", "smoke", "--threads", "1"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ({"init": ENDS}, "__init__ raised Stopped: it called os._exit(0)"),
        ({"init": "os.chdir('/')"}, "it called chdir, and changed the working directory"),
        ({"init": "random.random()"}, "changed the global random state of Python"),
        ({"module": ENDS}, "failed to import"),
    ],
)
def test_a_planner_that_misbehaves_before_the_run_is_named(misbehaving, tmp_path, lines, words):
    done = misbehaving("planner", *RUN, "--out", "here", **lines)
    assert done.returncode == 2 and words in done.stderr and "vgx-mine 0.3" in done.stderr, done.stderr
    assert not done.stdout and not (tmp_path / "process" / "here").exists()


def test_check_goes_on_behind_a_plugin_that_ends_the_process(misbehaving):
    done = misbehaving("planner", "check", "planner", "mine", "--format", "json", init=ENDS)
    assert done.returncode == 1, done.stderr
    failed = [one for one in json.loads(done.stdout)["checks"] if one["status"] == "FAIL"]
    assert any("os._exit(0)" in one["message"] for one in failed)


def test_a_planner_that_draws_from_torch_is_refused(misbehaving, tmp_path):
    run = [*RUN, "--set", "mpc.replan_every=1", "--out", "here"]
    done = misbehaving("planner", *run, plan="torch.rand(3)")
    assert done.returncode == 1 and f"{WHO}: plan, or what it calls, changed" in done.stderr, done.stderr
    assert "the global random state of torch (drawn from)" in done.stderr
    done = misbehaving("planner", *run)
    assert done.returncode == 0, done.stderr


def test_a_thread_that_a_plugin_leaves_running_is_named_for_what_others_seem_to_do(misbehaving):
    draws = "import threading, time; threading.Thread(target=lambda: [(time.sleep(0.001), random.random()) for _ in "
    draws += "range(99999)] if not time.sleep(0.3) else 0, daemon=True).start()"
    done = misbehaving("planner", *RUN, "--set", "mpc.replan_every=1", "--out", "here", init=draws)
    assert done.returncode in (1, 2) and f"or a thread that planner {WHO} has started, changed" in done.stderr, (
        done.stderr
    )
