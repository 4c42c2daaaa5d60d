"""Strata of tasks, from the environment through a run's files to the ladder and the last lines."""

import json

import pytest

TURNSTILE = ("run", "--protocol", "turnstile", "--recipe", "vf", "--scale", "smoke", "--set", "mpc.max_steps=40")


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def run(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    done = vgbench_cli(*TURNSTILE, "--set", "evaluation.tasks=7", "--out", "run")
    assert done.exit_code == 0, done.stderr
    return done


def test_a_run_has_a_rate_for_each_stratum(run, tmp_path):
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    for name, rate in [("episodes", result), *((f"baseline-{b['planner']}", b) for b in result["baselines"])]:
        found = rows(tmp_path / "run" / f"{name}.jsonl")
        assert [row["stratum"] for row in found] == ["trap", "open"] * 3 + ["trap"]
        assert list(rate["strata"]) == ["trap", "open"]
        for stratum, part in rate["strata"].items():
            own = [row for row in found if row["stratum"] == stratum]
            solved = sum(row["success"] for row in own)
            assert (part["n"], part["successes"], part["success_rate"]) == (len(own), solved, solved / len(own))
            assert part["timely"] == sum(r["success"] and r["steps"] <= 1.5 * r["expert_steps"] for r in own) / len(own)
    assert "  trap  " in run.stdout and "  open  " in run.stdout


def test_the_manifest_keeps_strata_and_another_run_plans_them(run, vgbench_cli, tmp_path):
    tasks = json.loads((tmp_path / "run" / "tasks.json").read_text())["tasks"]
    assert [task["stratum"] for task in tasks] == ["trap", "open"] * 3 + ["trap"]
    options = ("--tasks", "run/tasks.json", "--set", "evaluation.tasks=5", "--out", "other")
    done = vgbench_cli(*TURNSTILE, *options)
    assert done.exit_code == 0, done.stderr
    result = json.loads((tmp_path / "other" / "result.json").read_text())
    assert {name: part["n"] for name, part in result["strata"].items()} == {"trap": 3, "open": 2}


def test_the_ladder_speaks_of_each_stratum(run, vgbench_cli, tmp_path):
    done = vgbench_cli("ladder", "--run", "run", "--tasks", "4", "--format", "json")
    assert done.exit_code == 0, done.stderr
    for row in done.json()["rows"]:
        assert "skipped" in row or {name: part["n"] for name, part in row["strata"].items()} == {"trap": 2, "open": 2}
    shown = vgbench_cli("ladder", "--run", "run", "--tasks", "4").stdout
    assert "trap" in shown and "open" in shown


def test_tasks_without_strata_have_none_anywhere(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    done = vgbench_cli("run", "--env", "wall", "--recipe", "vf", "--scale", "smoke", "--out", "run")
    assert done.exit_code == 0, done.stderr
    assert "strata" not in json.loads((tmp_path / "run" / "result.json").read_text())
    assert "stratum" not in rows(tmp_path / "run" / "episodes.jsonl")[0]
    assert "stratum" not in (tmp_path / "run" / "tasks.json").read_text()


STRATA = """
    from vgbench.api import Tasks
    from vgbench_plugins.environments.wall import Wall


    class Marked(Wall):
        api = 1

        def sample_tasks(self, count, seed, data):
            tasks = super().sample_tasks(count, seed, data)
            return Tasks(tasks.start, tasks.goal, {strata})
"""


@pytest.mark.parametrize(
    ("strata", "message"),
    [
        ("('far',) * (count - 1)", "strata is 3 names, expected None or a tuple of 4 names"),
        ("'far'", "strata is a str, expected None or a tuple of 4 names"),
        ("('far', 'near', '', 'far')", "stratum '': expected a name of 1 to 40 printable characters"),
        ("('far', 'near', 'a\\nb', 'far')", "stratum 'a\\nb': expected a name of 1 to 40 printable characters"),
        ("('far', 3, 'near', 'far')", "stratum 3: expected a name"),
    ],
)
def test_strata_that_are_none_are_refused_and_the_plugin_is_named(
    strata, message, tmp_plugin, vgbench_cli, tmp_path, monkeypatch
):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    tmp_plugin(STRATA.replace("{strata}", strata), environments={"marked": "Marked"})
    done = vgbench_cli("run", "--env", "marked", "--recipe", "vf", "--scale", "smoke", "--out", "run")
    assert done.exit_code == 1 and message in done.stderr and "marked" in done.stderr
