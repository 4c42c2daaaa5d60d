"""`vgbench check` on the command line, and what comes of plugins that raise."""

import pytest

PLANNER = """
    from pydantic import Field
    import vgbench.api
    from vgbench.api import Plan, Planner

    class Mine(Planner):
        '''Nothing but clipped noise.'''
        api = 1
        baseline = True

        class Params(vgbench.api.Params):
            steps: int = Field(4, ge=1, description="planned")

        def plan(self, problem, state):
            print("hello")
            return Plan(problem.action_set.clip(problem.noise(problem.horizon, problem.action_dim)))
"""


def test_table_and_json(vgbench_cli, tmp_plugin):
    tmp_plugin(PLANNER, planners={"mine": "Mine"}, version="1.2")
    result = vgbench_cli("check", "planner", "vgx-mine:mine")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["CHECK", "RESULT", "WHAT"]
    assert lines[-1] == "planner 'mine' (vgx-mine 1.2): 24 ok, 3 skip"
    assert "hello" not in result.stdout
    assert any(line.startswith("beats_random") and "declares itself a baseline" in line for line in lines)
    found = vgbench_cli(
        "check", "planners", "mine", "-k", "bounds", "-k", "use-leaves-globals", "--format", "json"
    ).json()
    assert (found["ok"], found["dist"], found["counts"]["ok"]) == (True, "vgx-mine", 2)
    assert [check["id"] for check in found["checks"]] == ["bounds", "use_leaves_globals"]
    assert {"status", "message", "where", "seconds", "about"} <= set(found["checks"][0])


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        ("raise KeyError('nobody')", "KeyError: 'nobody'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDiv"),
    ],
)
def test_what_a_plugin_raises_fails_the_check_with_its_file_and_line(vgbench_cli, tmp_plugin, raised, words):
    code = PLANNER.replace('print("hello")', raised)
    site = tmp_plugin(code, planners={"mine": "Mine"})
    result = vgbench_cli("check", "planner", "mine", "-k", "rows", "--format", "json")
    assert result.exit_code == 1
    works, rows = result.json()["checks"]
    line = (site / "vgx_mine.py").read_text().splitlines().index(f"            {raised}".removeprefix("    ")) + 1
    assert works["status"] == "FAIL" and words in works["message"]
    assert works["where"] == f"{site / 'vgx_mine.py'}:{line}"
    assert rows["status"] == "skip" and rows["message"] == "waits for works, which failed"


@pytest.mark.parametrize(("code", "line"), [("import nowhere", 1), ("def f(:", 1), ("\n\nx = 1 / 0", 3)])
def test_a_plugin_that_cannot_be_imported_is_a_failure(vgbench_cli, tmp_plugin, code, line):
    site = tmp_plugin(code, objectives={"mine": "Mine"})
    result = vgbench_cli("check", "objective", "mine")
    assert result.exit_code == 1
    assert "from vgx-mine 0.1 failed to import" in result.stdout
    assert f"vgx_mine.py:{line})" in result.stdout
    assert str(site) in result.stdout


def test_values_are_set_and_refused(vgbench_cli, tmp_plugin):
    tmp_plugin(PLANNER.replace("Field(4,", "Field("), planners={"mine": "Mine"})
    missing = vgbench_cli("check", "planner", "mine")
    assert missing.exit_code == 2 and "needs a value for steps: --set mine.steps=..." in missing.stderr
    assert vgbench_cli("check", "planner", "mine", "--set", "mine.steps=3").exit_code == 0
    wrong = vgbench_cli("check", "planner", "mine", "--set", "mine.steps=0")
    assert wrong.exit_code == 2 and "--set mine.steps=0: steps of planner 'mine' (vgx-mine 0.1) must be" in wrong.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("planer", "mppi"), "KIND: unknown value 'planer'. Did you mean 'planner'?"),
        (("planner", "mpi"), "no planner named 'mpi'. Did you mean 'mppi'?"),
        (("planner", "mppi", "-k", "row"), "no check 'row' of kind planner. Did you mean 'rows'?"),
        (("planner", "mppi", "--set", "mppi.sample=3"), "sample"),
        (("planner", "mppi", "--set", "samples"), "--set samples: expected name.param=value"),
        (("planner", "mppi", "--set", "iql.tau=0.9"), "iql"),
        (("logger", "jsonl", "--set", "jsonl.every=1"), "a logger has no parameters"),
        (("planner", "mppi", "--format", "yaml"), "--format"),
    ],
)
def test_bad_input(vgbench_cli, args, words):
    result = vgbench_cli("check", *args)
    assert result.exit_code == 2, result.output
    assert words in result.stderr and result.stdout == ""


def test_globals_are_as_before_whatever_a_plugin_does(tmp_plugin, tmp_path):
    import os
    import random

    import torch

    from vgbench.testing import Session

    code = PLANNER.replace(
        'print("hello")',
        "import os, random, torch; os.chdir('/'); random.seed(1); torch.manual_seed(1); "
        "torch.set_default_dtype(torch.float64)",
    )
    tmp_plugin(code, planners={"mine": "Mine"})
    before = os.getcwd(), random.getstate(), torch.get_rng_state(), torch.get_default_dtype()  # noqa: PTH109
    outcome = Session.find("planner", "mine").outcome("use_leaves_globals")
    assert os.getcwd() == before[0] and random.getstate() == before[1]  # noqa: PTH109
    assert torch.equal(torch.get_rng_state(), before[2]) and torch.get_default_dtype() == before[3]
    assert outcome.status == "FAIL"
    for what in ("Python's random state", "torch's global random state", "default dtype", "the working directory"):
        assert what in outcome.message
