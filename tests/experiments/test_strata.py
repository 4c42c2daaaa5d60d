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


def test_a_diagnosis_speaks_of_each_stratum(run, vgbench_cli, tmp_path):
    done = vgbench_cli("diagnose", "run", "--goals", "4", "--states", "64", "--format", "json")
    assert done.exit_code == 0, done.stderr
    record, found = done.json(), rows(tmp_path / "run" / "episodes.jsonl")
    names = ["trap", "open"]
    assert record["strata"] == {
        name: {
            "goals": 2,
            "tasks": sum(row["stratum"] == name for row in found),
            "successes": sum(row["stratum"] == name and row["success"] for row in found),
        }
        for name in names
    }
    blocks = record["blocks"]
    for name in ("rank", "descent", "planning"):
        assert list(blocks[name]["strata"]) == names, name
    # Goals of one stratum are part of all goals: their mean is that of the strata, as each has two.
    whole = blocks["rank"]["groups"]["all"]["spearman"]["mean"]
    parts = [blocks["rank"]["strata"][name]["spearman"] for name in names]
    assert [part["goals"] for part in parts] == [2, 2]
    assert whole == pytest.approx(sum(part["mean"] for part in parts) / 2, abs=2e-4)
    covered = [blocks["descent"]["strata"][name]["learned"]["coverage"]["mean"] for name in names]
    assert blocks["descent"]["learned"]["coverage"]["mean"] == pytest.approx(sum(covered) / 2, abs=2e-4)
    plans = [blocks["planning"]["strata"][name] for name in names]
    count = sum(part["plans"] for part in plans)
    assert count == blocks["planning"]["plans"]
    for key in ("promised", "realised", "staying"):
        mean = sum(part["plans"] * part[key] for part in plans) / count
        assert blocks["planning"][key] == pytest.approx(mean, abs=2e-4)
    shown = vgbench_cli("diagnose", "run", "--goals", "4", "--states", "64").stdout
    assert "trap: 2 goals, the run solved" in shown and "goals of open" in shown and "tasks of trap (" in shown


def test_failures_are_counted_by_stratum(run, vgbench_cli, tmp_path):
    done = vgbench_cli("failures", "run", "--format", "json")
    assert done.exit_code == 0, done.stderr
    record, found = done.json(), rows(tmp_path / "run" / "episodes.jsonl")
    assert {row["task"]: row["stratum"] for row in record["rows"]} == {
        row["task"]: row["stratum"] for row in found if not row["success"]
    }
    assert record["rows"]
    for name, part in record["strata"].items():
        own = [row for row in found if row["stratum"] == name]
        assert (part["tasks"], part["failed"]) == (len(own), sum(not row["success"] for row in own))
        assert sum(part["counts"].values()) == part["failed"]
    assert list(record["strata"]) == ["trap", "open"]
    shown = vgbench_cli("failures", "run").stdout
    assert "STRATUM" in shown and f"trap: {record['strata']['trap']['failed']} of 4 failed" in shown


def test_tasks_without_strata_have_none_anywhere(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    done = vgbench_cli("run", "--env", "wall", "--recipe", "vf", "--scale", "smoke", "--out", "run")
    assert done.exit_code == 0, done.stderr
    assert "strata" not in json.loads((tmp_path / "run" / "result.json").read_text())
    assert "stratum" not in rows(tmp_path / "run" / "episodes.jsonl")[0]
    assert "stratum" not in (tmp_path / "run" / "tasks.json").read_text()
    for command in (("diagnose", "run", "--goals", "2", "--states", "64"), ("failures", "run")):
        done = vgbench_cli(*command, "--format", "json")
        assert done.exit_code == 0 and "strat" not in done.stdout, done.stderr
        assert "strat" not in vgbench_cli(*command).stdout.lower()


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


SUITE = """
protocols:
  marked:
    extends: wall_big
    environment: {environment}
    summary: for a test
suites:
  mine:
    summary: for a test
    recipes: [vf, vf_quasi]
    protocols: [{protocol}]
    seeds: [0]
    claims:
      - name: far
        text: vf is better
        a: vf
        b: {b}
        protocols: [{protocol}]
        {strata}
"""
TINY = [
    *("data.trajectories=25", "train.steps=2", "train_predictor.steps=2", "mpc.max_steps=4", "strided.stem=4"),
    *("strided.channels=4", "mlp.hidden=[16]", "model.latent_dim=16", "evaluation.tasks=4"),
]


@pytest.fixture
def suite(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))

    def call(strata, protocol, *options, b="vf_quasi", environment="wall"):
        text = SUITE.format(strata=strata, protocol=protocol, b=b, environment=environment)
        (tmp_path / "mine.yaml").write_text(text)
        sets = [word for value in TINY for word in ("--set", value)]
        return vgbench_cli("suite", "mine.yaml", "--scale", "smoke", *sets, "--out", "out", *options)

    return call


@pytest.mark.parametrize(
    ("strata", "protocol", "b", "message"),
    [
        ("stratum: trapp", "turnstile", "vf_quasi", "claim far, stratum 'trapp' on turnstile: no task is of it. Did"),
        ("stratum: [trap, opne]", "ring", "vf_quasi", "stratum 'opne' on ring: no task is of it. Did you mean 'open'?"),
        (
            "{stratum: open, against_stratum: detuor}",
            "one_door",
            "same",
            "against_stratum 'detuor' on one_door: no task is of it. Did you mean 'detour'?",
        ),
        ("stratum: surre", "wall_gamble", "vf_quasi", "stratum 'surre' on wall_gamble: no task is of it. Did you mean"),
        ("stratum: 5-8 unsen", "maze_far", "vf_quasi", "on maze_far: no task is of it. Did you mean '5-8 unseen'?"),
        ("stratum: far", "wall_big", "vf_quasi", "on wall_big: no task is of it. Its tasks have no strata."),
    ],
)
@pytest.mark.parametrize("plan", [(), ("--dry-run",)])
def test_a_claim_about_a_stratum_that_no_task_has_is_refused_before_anything_runs(
    suite, tmp_path, strata, protocol, b, message, plan
):
    lines = strata.strip("{}").replace(", against", "\n        against")
    done = suite(lines, protocol, *plan, b=b)
    assert done.exit_code == 2 and message in " ".join(done.stderr.split()), done.stderr
    assert "suite mine" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob("cache/**/*.h5"))


def test_a_claim_about_a_stratum_of_another_scale_is_noted_and_the_suite_can_run(vgbench_cli):
    asked = ("suite", "ranking", "--only", "vf,maze_far", "--seeds", "0", "--dry-run", "--scale")
    assert "ranking, claim" not in vgbench_cli(*asked, "quick").stderr
    done = vgbench_cli(*asked, "paper")
    assert done.exit_code == 0, done.stderr
    words = " ".join(done.stderr.split())
    assert "claim seen_over_unseen, stratum '9-13 seen' on maze_far: no task is of it with this scale" in words


def test_the_same_from_python(suite, tmp_path, monkeypatch):
    import vgbench

    suite("stratum: trapp", "turnstile", "--dry-run")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(vgbench.UsageError, match="stratum 'trapp' on turnstile: no task is of it"):
        vgbench.suite("mine.yaml", scale="smoke", out="out")
    assert not (tmp_path / "out").exists()


def test_a_plugin_that_declares_no_strata_is_checked_when_its_tasks_are_known(suite, tmp_plugin, tmp_path, monkeypatch):
    site = tmp_plugin(STRATA.replace("{strata}", "('far', 'near') * (count // 2)"), environments={"marked": "Marked"})
    monkeypatch.setenv("PYTHONPATH", str(site))  # of the workers
    options = {"environment": "marked"}
    assert suite("stratum: fra", "marked", "--dry-run", **options).exit_code == 0
    done = suite("stratum: fra", "marked", "--workers", "1", "--only", "vf", **options)
    assert done.exit_code == 1 and "stratum 'fra' on marked: none of the 4 tasks is of it. Did you mean 'far'?" in (
        " ".join((done.stdout + done.stderr).split())
    )
    folder = tmp_path / "out" / "marked" / "vf" / "s0"
    assert not list(folder.glob("checkpoints/*")) and not (folder / "train.jsonl").exists()
    done = suite("stratum: far", "marked", "--only", "vf", "--out", "good", **options)
    assert done.exit_code == 0, done.stderr
    assert list(json.loads((tmp_path / "good/marked/vf/s0/result.json").read_text())["strata"]) == ["far", "near"]


def with_stratum(path, name):
    """Write another stratum into the second task of a manifest, as a program would that knows the format."""
    from vgbench.data.task_manifest import digest

    content = json.loads(path.read_text())
    content.pop("sha256")
    content["tasks"][1]["stratum"] = name
    path.write_text(json.dumps(content | {"sha256": digest(content)}))


def test_a_file_of_tasks_with_a_stratum_that_the_environment_has_not_is_refused(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    place = ("--protocol", "turnstile", "--scale", "smoke")
    done = vgbench_cli("tasks", *place, "--out", "tasks.json")
    assert done.exit_code == 0, done.stderr
    run = ("run", *place, "--recipe", "vf", "--tasks", "tasks.json", "--out", "run")
    assert vgbench_cli(*run, "--dry-run").exit_code == 0
    with_stratum(tmp_path / "tasks.json", "opne")
    for more in ((), ("--dry-run",)):
        done = vgbench_cli(*run, *more)
        assert done.exit_code == 2, done.stderr
        words = "--tasks tasks.json: task 1 is of stratum 'opne', which the environment has not. Did you mean 'open'?"
        assert words in " ".join(done.stderr.split()) and not (tmp_path / "run").exists()


def test_tasks_of_other_strata_than_a_plugin_declares_are_refused(tmp_plugin, vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    text = STRATA.replace("{strata}", "('far', 'near') * (count // 2)") + "        task_strata = {declared}\n"
    tmp_plugin(text.replace("{declared}", "('far', 'close')"), environments={"marked": "Marked"})
    run = ("run", "--env", "marked", "--recipe", "vf", "--scale", "smoke", "--out", "run")
    done = vgbench_cli(*run)
    words = "sampled a task of stratum 'near'; its task_strata are: far, close"
    assert done.exit_code == 1 and words in " ".join(done.stderr.split()) and "marked" in done.stderr


@pytest.mark.parametrize(
    ("environment", "params", "names"),
    [
        ("Maze", {"cells": 6, "open": (0.5, 0.75), "strata": ("5-8 unseen", "9-13 seen")}, ("5-8 unseen", "9-13 seen")),
        ("Maze", {"tasks": "ood"}, None),
        ("Maze", {}, ()),
        ("Rooms", {"layout": "ring"}, ("trap", "open")),
        ("Rooms", {"layout": "one_door", "doors": "two_way"}, ("detour", "open")),
        ("Gamble", {}, ("trap", "sure")),
        ("Wall", {}, ()),
    ],
)
def test_what_built_in_environments_declare_is_what_their_tasks_have(environment, params, names):
    from vgbench_plugins.environments.gamble import Gamble
    from vgbench_plugins.environments.maze import Maze
    from vgbench_plugins.environments.rooms import Rooms
    from vgbench_plugins.environments.wall import Wall

    cls = {"Maze": Maze, "Rooms": Rooms, "Gamble": Gamble, "Wall": Wall}[environment]
    made = cls(cls.Params(**params))
    tasks = made.sample_tasks(8, 0, made.collect(8, 40, 0))
    assert set(made.task_strata) == set(tasks.strata or ())
    assert names is None or made.task_strata == names
