"""`vgbench rescore` on hand-made rows, and episodes that go on after their first success."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from vgbench.api import ArraySpec, Box, Environment, EnvironmentSpec, Plan, Planner, Tasks
from vgbench.planning.controller import Controller
from vgbench.planning.evaluation import Evaluation
from vgbench.plugin.loggers import Loggers
from vgbench.settings import MpcSettings
from vgbench.statistics import wilson
from vgbench.storage.interrupt import Stop
from vgbench.storage.run_folder import RunFolder

SOURCE = Path(__file__).parents[2] / "results" / "quick" / "maze-vf_quasi-s0"

# Radius 0.5. Solved: two that came to 0.4 and 0.2. Not solved: nearest 0.6 and 1.5, at the end 2.0 and 1.5.
ROWS = [
    {"task": 0, "success": True, "steps": 3, "start_distance": 4.0, "min_distance": 0.4, "final_distance": 0.4},
    {"task": 1, "success": True, "steps": 5, "start_distance": 4.0, "min_distance": 0.2, "final_distance": 0.2},
    {"task": 2, "success": False, "steps": 9, "start_distance": 4.0, "min_distance": 0.6, "final_distance": 2.0},
    {"task": 3, "success": False, "steps": 9, "start_distance": 4.0, "min_distance": 1.5, "final_distance": 1.5},
]


@pytest.fixture
def record(tmp_path):
    """A copy of a committed record with other rows."""

    def make(rows=ROWS, stop=None, radius=None):
        path = tmp_path / "records" / "one"
        shutil.copytree(SOURCE, path)
        run, result = (json.loads((path / f"{name}.json").read_text()) for name in ("run", "result"))
        if stop:
            run["identity"]["settings"]["evaluation"]["stop"] = stop
        successes = sum(row["success"] for row in rows)
        result |= {"successes": successes, "n": len(rows), "success_rate": successes / len(rows), "baseline": None}
        result |= {"tasks": {"radius": radius}} if radius else {}
        (path / "run.json").write_text(json.dumps(run))
        (path / "result.json").write_text(json.dumps(result))
        (path / "episodes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return make


@pytest.fixture
def bounds(vgbench_cli):
    def call(path, radius, at="ever"):
        result = vgbench_cli("rescore", path, "--radius", str(radius), "--at", at, "--format", "json")
        assert result.exit_code == 0, result.stderr
        (row,) = result.json()
        return row["bounds"]

    return call


@pytest.mark.parametrize(
    ("radius", "at", "expected"),
    [
        (0.5, "ever", [2, 2]),
        (0.7, "ever", [3, 3]),  # larger: unsolved episodes were played to the end, solved ones are solved here, too
        (1.6, "ever", [4, 4]),
        (0.3, "ever", [1, 2]),  # smaller: task 0 stopped at 0.4, it might have come nearer
        (0.1, "ever", [0, 2]),
        (0.7, "end", [0, 2]),  # where the solved ones would have ended is not known at any radius
        (1.6, "end", [1, 3]),
        (2.5, "end", [2, 4]),
    ],
)
def test_an_episode_that_stopped_tells_bounds(record, bounds, radius, at, expected):
    assert bounds(record(), radius, at) == expected


@pytest.mark.parametrize(
    ("radius", "at", "expected"),
    [(0.5, "ever", 2), (0.3, "ever", 1), (0.1, "ever", 0), (0.3, "end", 1), (0.45, "end", 2), (1.6, "end", 3)],
)
def test_whole_episodes_are_exact_at_any_radius(record, bounds, radius, at, expected):
    assert bounds(record(stop="never"), radius, at) == [expected, expected]


def test_a_distance_as_near_to_the_radius_as_its_last_digit_tells_nothing(record, bounds):
    rows = [ROWS[0] | {"min_distance": 0.5, "final_distance": 0.5}, *ROWS[1:]]  # 0.4999998, say
    path = record(rows)
    assert bounds(path, 0.5) == [1, 2]
    shutil.rmtree(path)
    assert bounds(record(rows, radius=0.5), 0.5) == [2, 2]  # unless it is known that 0.5 is what they were solved by


def test_the_interval_spans_the_bounds_and_no_record_changes(record, vgbench_cli):
    path = record()
    before = {p.name: p.read_bytes() for p in path.iterdir() if p.is_file()}
    (row,) = vgbench_cli("rescore", path.parent, "--radius", "0.3", "--format", "json").json()
    assert row["ci95"] == pytest.approx([wilson(1, 4)[0], wilson(2, 4)[1]], abs=1e-4)
    assert row["success_rate"] is None and row["rate_bounds"] == [0.25, 0.5] and row["recorded_successes"] == 2
    shown = vgbench_cli("rescore", path, "--radius", "0.3")
    assert ".25 to .50  1 to 2 of 4" in shown.stdout and "evaluation.stop=never" in shown.stderr
    exact = vgbench_cli("rescore", path, "--radius", "0.7").stdout
    assert ".75" in exact and "3 of 4" in exact and "[.30, .95]" in exact
    assert {p.name: p.read_bytes() for p in path.iterdir() if p.is_file()} == before


def test_a_baseline_has_a_row_of_its_own(vgbench_cli):
    rows = vgbench_cli("rescore", SOURCE, "--radius", "0.5", "--format", "json").json()
    assert [(row["planner"], row["baseline"], row["bounds"]) for row in rows] == [
        ("mppi", False, [64, 64]),
        ("random", True, [14, 14]),
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nowhere", "--radius", "1"), "RUN_OR_DIR nowhere: there is no such folder"),
        ((SOURCE, "--radius", "0"), "--radius 0: expected a number above 0"),
        ((SOURCE, "--radius", "nan"), "--radius nan: expected a number above 0"),
        ((SOURCE, "--radius", "1", "--at", "ending"), "--at: unknown value 'ending'. Did you mean 'end'?"),
        ((".", "--radius", "1"), "no complete run there"),
    ],
)
def test_what_cannot_be_rescored_is_refused(vgbench_cli, args, message):
    result = vgbench_cli("rescore", *args)
    assert result.exit_code == 2 and message in result.stderr


def test_a_damaged_record_is_left_out(record, vgbench_cli):
    path = record()
    (path / "episodes.jsonl").write_text(json.dumps(ROWS[2]) + "\n")
    result = vgbench_cli("rescore", path, "--radius", "1")
    assert result.exit_code == 2 and "episodes.jsonl contradicts result.json" in result.stderr


def test_a_result_of_another_run_is_left_out(record, vgbench_cli):
    path = record()
    content = json.loads((path / "result.json").read_text()) | {"key": "another"}
    (path / "result.json").write_text(json.dumps(content))
    result = vgbench_cli("rescore", path, "--radius", "1")
    assert result.exit_code == 2 and "result.json has key another" in result.stderr


class Line(Environment):
    """A point on a line, 1 to the right at most."""

    spec = EnvironmentSpec({"x": ArraySpec((1,))}, {"x": ArraySpec((1,))}, Box((-1.0,), (1.0,)))
    success_radius = 0.5

    def step(self, state, action, noise=None):
        return {"x": state["x"] + self.spec.actions.clip(action)}

    def observe(self, state):
        return {"x": state["x"]}

    def goal_distance(self, state, goal):
        return (state["x"] - goal["x"]).abs().squeeze(-1)

    def collect(self, *args):
        raise NotImplementedError

    def sample_tasks(self, *args):
        raise NotImplementedError


class Right(Planner):
    baseline = True

    def plan(self, problem, state):
        return Plan(torch.ones(len(problem.steps_left), problem.horizon, 1))


@pytest.mark.parametrize(("whole", "final"), [(False, [0.0, 0.25]), (True, [7.0, 1.25])])
def test_a_whole_episode_goes_on_after_its_first_success(tmp_path, whole, final):
    """From 0, ten steps of 1: past 3 (there at step 3, and at 10 in the end) and past 8.75 (there at step 9)."""
    (tmp_path / "checkpoints").mkdir()
    environment, settings = Line(Line.Params()), MpcSettings(max_steps=10, replan_every=4)
    tasks = Tasks({"x": torch.zeros(2, 1)}, {"x": torch.tensor([[3.0], [8.75]])})
    controller = Controller(Right(Right.Params()), None, environment.spec.actions, settings, seed=0)
    args = (controller, 1.0, RunFolder(tmp_path), Loggers(), Stop(), whole)
    rows = Evaluation("episodes", environment, tasks, *args).run()
    assert [(row["success"], row["steps"]) for row in rows] == [(True, 3), (True, 9)]
    assert [row["min_distance"] for row in rows] == [0.0, 0.25]
    assert [row["final_distance"] for row in rows] == final


def test_the_default_is_not_part_of_a_runs_key_and_another_value_is():
    from vgbench.config.resolve import RunRequest, resolve

    def spec(*sets):
        return resolve(RunRequest(protocol="maze", recipe="vf", scale="smoke", device="cpu", set=sets))

    assert "stop" not in spec().identity()["settings"]["evaluation"]
    assert spec("evaluation.stop=ever").key() == spec().key() != spec("evaluation.stop=never").key()


def test_a_run_to_the_end_of_its_episodes_can_be_rescored_exactly(vgbench_cli, tmp_path, monkeypatch):
    """Random actions in a maze of long steps pass some goals within 120 steps, and seldom stay there."""
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    command = ("run", "--protocol", "maze", "--recipe", "vf", "--planner", "random", "--scale", "smoke", "--out", "run")
    values = ("evaluation.stop=never", "maze.substeps=10", "mpc.max_steps=120", "evaluation.tasks=12")
    assert vgbench_cli(*command, *(part for value in values for part in ("--set", value))).exit_code == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "episodes.jsonl").read_text().splitlines()]
    solved = [row for row in rows if row["success"]]
    assert solved and all(row["steps"] <= 120 and row["min_distance"] < 0.5 for row in solved)
    assert any(row["final_distance"] > 0.5 for row in solved)
    for at, column in (("ever", "min_distance"), ("end", "final_distance")):
        (about,) = vgbench_cli("rescore", "run", "--radius", "0.4", "--at", at, "--format", "json").json()
        count = sum(row[column] < 0.4 for row in rows)
        assert (about["bounds"], about["successes"], about["recorded_radius"]) == ([count, count], count, 0.5)
