"""`vgbench rescore --score`: of records without the expert's steps, whose tasks are made again; at another radius."""

import json
import shutil
from functools import cache
from pathlib import Path

import pytest

from vgbench.data.task_files import load
from vgbench_plugins.environments.maze import Maze

TABLE = Path(__file__).parents[2] / "results" / "first_round" / "paper_table_2"


@pytest.fixture(autouse=True)
def cached(monkeypatch, made_once):
    monkeypatch.setenv("VGBENCH_CACHE", str(made_once("rescored", lambda folder: None)))


def rows(path, name="episodes"):
    return [json.loads(line) for line in (path / f"{name}.jsonl").read_text().splitlines()]


@cache
def experts_steps():
    """Steps of the expert for the 80 tasks of the records in the maze."""
    env = Maze(Maze.Params())
    return expert(env, env.sample_tasks(80, 0, env.collect(1000, 101, 0)), 0.5)


def expert(env, tasks, radius, most=200):
    """Steps of the expert, by a loop of its own that plays on after the first success."""
    state, count = tasks.start, len(tasks.start["position"])
    first = [None] * count
    for step in range(1, most + 1):
        state = env.step(state, env.expert(state, tasks.goal))
        gap = (state["position"] - tasks.goal["position"]).norm(dim=-1)
        for task in range(count):
            if first[task] is None and gap[task] < radius:
                first[task] = step
        if None not in first:
            break
    return first


def scored(vgbench_cli, path, *args):
    result = vgbench_cli("rescore", path, "--format", "json", *args)
    assert result.exit_code == 0, result.stderr
    return result.json()


@pytest.mark.parametrize(
    ("record", "hashed"),
    [("maze/vf_quasi", False), ("maze/vf_vcreg_pred", True)],
    ids=["older than hashes", "with a hash of its tasks"],
)
def test_an_old_records_scores_are_those_of_its_rows_and_the_experts_own_steps(vgbench_cli, record, hashed):
    path = TABLE / record / "s0"
    assert ("tasks" in json.loads((path / "result.json").read_text())) == hashed
    before = {p.name: p.read_bytes() for p in path.iterdir() if p.is_file()}
    both, in_time = (scored(vgbench_cli, path, "--score", score) for score in ("spl", "timely"))
    for name, index in (("episodes", 0), ("baseline", 1)):
        found = list(zip(rows(path, name), experts_steps(), strict=True))
        spl = sum(row["success"] * e / max(e, row["steps"]) for row, e in found) / 80
        timely = sum(row["success"] and row["steps"] <= 1.5 * e for row, e in found)
        about = both[index]
        assert (about["score"], about["scored"]) == ("spl", 80)
        assert about["score_mean"] == pytest.approx(spl) and about["score_bounds"] == pytest.approx([spl, spl])
        assert about["score_ci95"][0] <= spl <= about["score_ci95"][1]
        assert in_time[index]["score_mean"] == pytest.approx(timely / 80)
        assert about["successes"] == sum(row["success"] for row, _ in found)
    assert {p.name: p.read_bytes() for p in path.iterdir() if p.is_file()} == before


def test_runs_of_the_same_tasks_are_played_once_and_shown_in_a_table(vgbench_cli):
    paths = [TABLE / "maze" / recipe / "s0" for recipe in ("vf", "pred_ema")]
    shown = vgbench_cli("rescore", *paths, "--score", "spl")
    assert shown.exit_code == 0 and shown.stderr.count("the training set decides the tasks") == 1
    means = [about["score_mean"] for path in paths for about in scored(vgbench_cli, path, "--score", "spl")]
    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["RUN", "PLANNER", "SPL", "95", "%", "RECORDED"]
    for line, mean in zip(lines[1:], means, strict=True):
        assert f" {mean:.2f}  [".replace(" 0.", " .") in line and line.endswith("within 0.5")


def test_without_a_radius_success_is_what_was_recorded(vgbench_cli):
    path = TABLE / "maze" / "vf_quasi" / "s0"
    result = json.loads((path / "result.json").read_text())
    about, baseline = scored(vgbench_cli, path)
    assert (about["score"], about["score_mean"], about["successes"]) == ("success", 67 / 80, result["successes"])
    assert about["ci95"] == about["score_ci95"] == result["ci95"]
    assert baseline["successes"] == 14


@pytest.fixture
def record(tmp_path):
    """A copy of a record, with its JSON files as `edit` changes them."""

    def make(edit):
        path = shutil.copytree(TABLE / "maze" / "vf_pred" / "s0", tmp_path / "one")
        run, result = (json.loads((path / f"{name}.json").read_text()) for name in ("run", "result"))
        edit(run, result)
        for name, content in (("run", run), ("result", result)):
            (path / f"{name}.json").write_text(json.dumps(content))
        return path

    return make


def other_hash(run, result):
    result["tasks"]["sha256"] = "a" * 64


def no_hash_and_other_seed(run, result):
    del result["tasks"]
    run["identity"]["seeds"]["task"] = 1


def not_installed(run, result):
    run["identity"]["environment"]["name"] = "pond"


def other_version(run, result):
    run["identity"]["environment"]["version"] = 7


def other_parameters(run, result):
    run["identity"]["environment"]["params"]["wind"] = 1.0


def tasks_of_a_file(run, result):
    run["identity"]["tasks_sha256"] = "a" * 64


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (other_hash, "its tasks cannot be made again: they have the hash"),
        (no_hash_and_other_seed, "its tasks cannot be made again: their starts are at other distances"),
        (not_installed, "no environment named 'vgbench:pond'"),
        (other_version, "it ran in version 7 of environment 'maze'"),
        (other_parameters, "no longer takes the run's parameters"),
        (tasks_of_a_file, "its tasks came from a file, and the folder has no tasks.json"),
    ],
)
def test_a_record_whose_tasks_cannot_be_had_is_left_out_and_told(vgbench_cli, record, edit, reason):
    path = record(edit)
    result = vgbench_cli("rescore", path, TABLE / "maze" / "vf" / "s0", "--score", "spl", "--format", "json")
    assert result.exit_code == 0 and {about["path"] for about in result.json()} == {str(TABLE / "maze/vf/s0")}
    assert f"skipped {path}: " in result.stderr and reason in result.stderr
    assert vgbench_cli("rescore", path, "--radius", "1").exit_code == 0  # which needs no tasks


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--score", "slp"), "--score: unknown value 'slp'. Did you mean 'spl'?"),
        (("--score", "spl", "--at", "end"), "--score spl counts steps to the first success, so it needs --at ever"),
    ],
)
def test_what_cannot_be_scored_is_refused(vgbench_cli, args, message):
    result = vgbench_cli("rescore", TABLE / "wall_big" / "vf" / "s0", *args)
    assert result.exit_code == 2 and message in result.stderr


# Within 0.5 in a maze, of 40 steps at most: two solved, at their nearest 0.4 and 0.2; two not, 0.6 and 1.5.
TASKS = [(True, 10, 0.4), (True, 30, 0.2), (False, 40, 0.6), (False, 40, 1.5)]


@pytest.fixture
def made(tmp_path, vgbench_cli, made_once):
    """A run in the maze, with its tasks and other episodes, those of `TASKS`; and its experts' steps by radius."""

    def run(folder):
        command = ("run", "--protocol", "maze", "--recipe", "vf", "--planner", "random", "--scale", "smoke")
        result = vgbench_cli(*command, "--set", "mpc.max_steps=40", "--out", folder / "run")
        assert result.exit_code == 0, result.stderr

    path = shutil.copytree(made_once("maze_of_40_steps", run) / "run", tmp_path / "run")
    env = Maze(Maze.Params())
    tasks = load(path / "tasks.json", env).tasks

    def make(stop, keep_steps=True):
        run, result, found = *(json.loads((path / f"{n}.json").read_text()) for n in ("run", "result")), rows(path)
        run["identity"]["settings"]["evaluation"]["stop"] = stop
        result |= {"successes": 2, "success_rate": 0.5}
        for row, (success, steps, least) in zip(found, TASKS, strict=True):
            row |= {"success": success, "steps": steps, "min_distance": least, "final_distance": least}
            if not keep_steps:
                del row["expert_steps"]
        # Like a record that is older than hashes and checksums.
        run.pop("sha256", None)
        (path / "SHA256SUMS").unlink(missing_ok=True)
        (path / "run.json").write_text(json.dumps(run))
        (path / "result.json").write_text(json.dumps(result))
        (path / "episodes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
        return path

    make.experts = lambda radius: expert(env, tasks, radius)
    return make


def spl(expert_steps, steps):
    return expert_steps / max(expert_steps, steps)


CASES = [
    ("ever", None, lambda e: [(spl(e[0], 10),) * 2, (spl(e[1], 30),) * 2, (0, 0), (0, 0)]),
    ("ever", 0.5, lambda e: [(spl(e[0], 10),) * 2, (spl(e[1], 30),) * 2, (0, 0), (0, 0)]),
    # Larger: reached no later than recorded, or some time on the way.
    ("ever", 0.7, lambda e: [(spl(e[0], 10), 1), (spl(e[1], 30), 1), (spl(e[2], 40), 1), (0, 0)]),
    ("never", 0.7, lambda e: [(spl(e[0], 10), 1), (spl(e[1], 30), 1), (spl(e[2], 40), 1), (0, 0)]),
    # Smaller: one might have gone on and come nearer, a step later at best; the other was there when it stopped.
    ("ever", 0.3, lambda e: [(0, spl(e[0], 11)), (spl(e[1], 30),) * 2, (0, 0), (0, 0)]),
    # Nothing nearer came; when it was within 0.3 after it was within 0.5 is not recorded.
    ("never", 0.3, lambda e: [(0, 0), (spl(e[1], 40), spl(e[1], 30)), (0, 0), (0, 0)]),
]


@pytest.mark.parametrize("stop, radius, ends", CASES)
def test_at_another_radius_spl_has_the_bounds_that_the_record_allows(vgbench_cli, made, stop, radius, ends):
    path = made(stop)
    (about,) = scored(vgbench_cli, path, "--score", "spl", *(("--radius", str(radius)) if radius else ()))
    experts = made.experts(radius or 0.5)
    low, high = zip(*ends(experts), strict=True)
    assert about["score_bounds"] == pytest.approx([sum(low) / 4, sum(high) / 4])
    assert (about["score_mean"] is None) == (low != high)
    if radius is None:
        path = made(stop, keep_steps=False)  # as if it were older: played again, with the same figures
        (again,) = scored(vgbench_cli, path, "--score", "spl")
        assert again["score_bounds"] == about["score_bounds"]


def test_timely_at_a_larger_radius_is_certain_where_the_recorded_steps_are_in_time(vgbench_cli, made):
    path, radius = made("ever"), 0.7
    experts = made.experts(radius)
    (about,) = scored(vgbench_cli, path, "--score", "timely", "--radius", str(radius))
    certain = sum(steps <= 1.5 * e for e, (success, steps, _) in zip(experts, TASKS, strict=True) if success)
    assert about["score_bounds"] == [certain / 4, 3 / 4]
    shown = vgbench_cli("rescore", path, "--score", "timely", "--radius", str(radius))
    assert f"{certain / 4:.2f} to .75".removeprefix("0") in shown.stdout
    assert "does not tell at which step" in shown.stderr
