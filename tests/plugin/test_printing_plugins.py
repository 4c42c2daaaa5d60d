"""Results on standard output are those of vgbench alone, however a plugin prints."""

import json
import os
import pty
import subprocess
import sys

import pytest

CODE = """
    import ctypes, os, sys
    import torch
    from vgbench.api import *

    def say(where):
        os.write(1, f"by descriptor, {where}\\n".encode())
        ctypes.CDLL(None).puts(f"by C, {where}".encode())
        sys.stdout.buffer.write(f"by bytes, {where}\\n".encode())
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), f"by number, {where}\\n".encode())
        os.system(f"echo by child, {where}")
        print(f"by print, {where}")

    say("at import")

    class Mine(Planner):
        def plan(self, problem, state):
            say("in a hook")
            return Plan(torch.zeros(len(problem.steps_left), problem.horizon, problem.action_dim))
"""
WAYS = ("descriptor", "C", "bytes", "number", "child", "print")
RUN = ["run", "--env", "wall", "--recipe", "vf", "--planner", "mine", "--scale", "smoke", "--threads", "1"]
RUN += ["--device", "cpu", "--set", "train.steps=2", "--set", "evaluation.tasks=2", "--set", "mpc.max_steps=4"]
RUN += ["--set", "mpc.replan_every=1"]


@pytest.fixture
def site(tmp_plugin):
    return tmp_plugin(CODE, planners={"mine": "Mine"}, dist="vgx-mine", version="0.3")


def texts(*places):
    return [f"by {way}, {place}" for place in places for way in WAYS]


@pytest.mark.parametrize(
    ("command", "places"),
    [
        ([*RUN, "--out", "here", "--format", "json"], ("at import", "in a hook")),
        ([*RUN, "--dry-run", "--format", "json"], ("at import",)),
        (["show", "planner", "mine", "--format", "json"], ("at import",)),
        (["check", "planner", "mine", "--format", "json"], ("at import", "in a hook")),
    ],
)
def test_what_a_plugin_prints_by_any_way_stays_out_of_the_result(site, vgbench_process, tmp_path, command, places):
    # By an interpreter of its own: C writes its buffers when that ends.
    done = vgbench_process(*command, cold=True, PYTHONPATH=str(site), VGBENCH_CACHE=str(tmp_path / "cache"))
    assert done.returncode in ((0, 1) if command[0] == "check" else (0,)), done.stderr
    assert isinstance(json.loads(done.stdout), dict), (done.stdout, done.stderr)
    assert [text for text in texts(*places) if text not in done.stderr] == []


SHOW = [sys.executable, "-m", "vgbench", "show", "planner", "mine"]


def test_a_result_goes_where_standard_output_goes_with_or_without_standard_error(site, tmp_path):
    env = os.environ | {"PYTHONPATH": str(site)}
    usual = subprocess.run(SHOW, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert "planner" in usual.stdout and "by C, at import" in usual.stderr
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *SHOW], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
    )
    assert closed.returncode == 0 and closed.stdout == usual.stdout
    nowhere = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *SHOW], cwd=tmp_path, env=env, stderr=subprocess.PIPE)
    assert nowhere.returncode in (0, 1) and b"Traceback" not in nowhere.stderr, nowhere.stderr


def test_a_reader_that_goes_ends_the_command_quietly(site, tmp_path):
    env = os.environ | {"PYTHONPATH": str(site)}
    script = '"$@" 2>errors | true; sleep 0; echo "${PIPESTATUS[0]}"'
    done = subprocess.run(["bash", "-c", script, "bash", *SHOW], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.strip() in ("0", "1", "141")
    said = (tmp_path / "errors").read_text()
    assert "Traceback" not in said and "Exception ignored" not in said and "error:" not in said, said


def test_a_terminal_still_is_one(site, tmp_path):
    """The table is drawn for a terminal, though descriptor 1 leads elsewhere."""
    ours, theirs = pty.openpty()
    env = os.environ | {"PYTHONPATH": str(site), "COLUMNS": "70"}
    command = [sys.executable, "-m", "vgbench", "list", "planners"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # Linux says so where the other end is closed
            pass
        os.close(ours)
    assert process.returncode == 0 and b"mppi" in shown
