"""Scores of whole runs: rows, result.json, last lines, result from Python and plots; with an expert and without."""

import json
import re
import textwrap

import pytest

from vgbench.api import Environment

MAZE = ("run", "--protocol", "maze", "--recipe", "vf", "--scale", "smoke", "--set", "maze.substeps=10")
MAZE += ("--set", "mpc.max_steps=120", "--set", "evaluation.tasks=8")
WALL = ("run", "--env", "wall", "--recipe", "vf", "--scale", "smoke", "--set", "mpc.max_steps=40", "--out", "run")


def rows(path, name):
    return [json.loads(line) for line in (path / f"{name}.jsonl").read_text().splitlines()]


@pytest.fixture
def cached(monkeypatch, tmp_path):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))


def by_hand(found):
    spl = [row["success"] * row["expert_steps"] / max(row["steps"], row["expert_steps"]) for row in found]
    timely = [row["success"] and row["steps"] <= 1.5 * row["expert_steps"] for row in found]
    return sum(spl) / len(found), sum(timely) / len(found)


def test_a_runs_scores_are_those_of_its_rows_however_its_episodes_end(vgbench_cli, tmp_path, cached):
    """In a maze of long steps random actions pass some goals; `steps` is the first time, also where episodes go on."""
    done = vgbench_cli(*MAZE, "--out", "early")
    assert done.exit_code == 0, done.stderr
    result = json.loads((tmp_path / "early" / "result.json").read_text())
    experts = []
    for name, rate in (("episodes", result), (f"baseline-{result['baseline']['planner']}", result["baseline"])):
        found = rows(tmp_path / "early", name)
        experts.append([row["expert_steps"] for row in found])
        assert all(1 <= steps <= 20 for steps in experts[-1])
        assert (rate["spl"], rate["timely"]) == pytest.approx(by_hand(found))
        for score in ("spl", "timely"):
            low, high = rate[f"{score}_ci95"]
            assert 0 <= low <= rate[score] <= high <= 1
    assert experts[0] == experts[1] and 0 < result["baseline"]["spl"] < result["baseline"]["success_rate"]
    shown = [line for line in done.stdout.splitlines() if line.startswith(("success", "baseline "))][:2]
    for line, rate in zip(shown, (result, result["baseline"]), strict=True):
        assert f", SPL {rate['spl']:.2f}, timely {rate['timely']:.2f}".replace(" 0.", " .") in line

    assert vgbench_cli(*MAZE, "--out", "late", "--set", "evaluation.stop=never").exit_code == 0
    late = json.loads((tmp_path / "late" / "result.json").read_text())
    for score in ("spl", "timely", "spl_ci95", "timely_ci95"):
        assert (result[score], result["baseline"][score]) == (late[score], late["baseline"][score])


def test_tasks_that_the_expert_does_not_solve_are_left_out_and_the_run_says_so(vgbench_cli, tmp_path, cached):
    values = ("wall.max_step=30", "mpc.max_steps=2", "evaluation.tasks=8", "data.trajectories=20", "mppi.samples=8")
    values += ("train.steps=2", "train_predictor.steps=2", "train_predictor.batch=8")
    command = ("run", "--env", "wall", "--recipe", "vf", "--scale", "quick", "--out", "run")
    done = vgbench_cli(*command, *(part for value in values for part in ("--set", value)))
    assert done.exit_code == 0, done.stderr
    result, found = json.loads((tmp_path / "run" / "result.json").read_text()), rows(tmp_path / "run", "episodes")
    known = [row for row in found if row["expert_steps"] is not None]
    assert 0 < len(known) < 8
    assert (result["spl"], result["timely"]) == pytest.approx(by_hand(known))
    assert result["n"] == 8
    note = f"the expert solves {len(known)} of 8 tasks within mpc.max_steps=2; spl and timely leave the others out"
    assert note in result["notes"] and note in done.stderr


def test_an_environment_without_an_expert_has_null_everywhere(tmp_plugin, vgbench_process, tmp_path):
    example = re.search(r"::\n\n(.*?)\n\n    Optional", Environment.__doc__, re.DOTALL).group(1)
    head = "import numpy as np\nimport torch\nfrom vgbench.api import *\n\n\n"
    site = tmp_plugin(head + textwrap.dedent(example), environments={"line": "Line"})
    variables = {"PYTHONPATH": str(site), "VGBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    what = ["run", "--env", "line", "--encoder", "vector", "--objective", "iql", "--distance", "euclidean"]
    done = vgbench_process(*what, "--scale", "smoke", "--set", "data.length=20", "--out", "run", **variables)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "process" / "run"
    result = json.loads((folder / "result.json").read_text())
    for rate in (result, result["baseline"]):
        assert [rate[name] for name in ("spl", "spl_ci95", "timely", "timely_ci95")] == [None] * 4
    assert {row["expert_steps"] for name in ("episodes", "baseline-random") for row in rows(folder, name)} == {None}
    assert "success " in done.stdout and "SPL" not in done.stdout
    again = vgbench_process("rescore", "run", "--score", "spl", "--format", "json", **variables)
    found = json.loads(again.stdout)
    assert [(row["score_mean"], row["score_bounds"], row["score_ci95"], row["scored"]) for row in found] == [
        (None, None, None, 0)
    ] * 3
    shown = vgbench_process("rescore", "run", "--score", "timely", **variables)
    assert shown.returncode == 0 and "the environment has no expert" in shown.stderr
    drawn = vgbench_process("plot", "run", **variables)
    assert drawn.returncode == 0, drawn.stderr
    assert "expert" not in (folder / "plots" / "plots.json").read_text()


def test_the_plot_of_success_has_the_expert_and_the_scores(vgbench_cli, tmp_path, cached):
    assert vgbench_cli(*WALL, "--set", "wall.max_step=30").exit_code == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert vgbench_cli("plot", "run").exit_code == 0
    index = (tmp_path / "run" / "plots" / "plots.json").read_text()
    assert f"SPL {result['spl']:.2f}, timely {result['timely']:.2f}".replace(" 0.", " .") in index
    assert "expert" in (tmp_path / "run" / "plots" / "success.svg").read_text()


def test_the_schema_lists_the_fields(vgbench_cli):
    def properties(name):
        return vgbench_cli("show", "schema", name).json()["properties"]

    result = properties("result.json")
    for fields in (result, result["baseline"]["anyOf"][0]["properties"]):
        assert {"spl", "spl_ci95", "timely", "timely_ci95"} <= set(fields)
    for name in ("episodes.jsonl", "baseline-NAME.jsonl"):
        assert properties(name)["expert_steps"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]


def test_the_result_from_python_has_them(tmp_path, monkeypatch, cached):
    import vgbench

    monkeypatch.chdir(tmp_path)
    values = {"mpc.max_steps": 40, "wall.max_step": 30.0}
    found = vgbench.run(env="wall", recipe="vf", scale="smoke", set=values)
    assert (found.spl, found.timely) == pytest.approx(by_hand(found.rows))
