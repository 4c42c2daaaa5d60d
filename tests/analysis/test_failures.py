"""`vgbench failures`: what happened to tasks that were not solved, on paths made by hand and on a run."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from vgbench.analysis.paths import Path, reason, stuck_stretch
from vgbench.analysis.verdict import verdict
from vgbench.reports.plots.sweep import front

TINY = ("data.trajectories=8", "train.steps=20", "train_predictor.steps=2", "evaluation.tasks=3", "mpc.max_steps=20")
TINY += ("mpc.block_rows=64", "strided.stem=4", "strided.channels=4", "mlp.hidden=[16]", "model.latent_dim=16")
TINY += ("iqe.component_dim=4",)


def on_a_line(places, goal=0.0):
    """Path of an agent on a line, where the cost to go is the distance."""
    places = np.asarray(places, float)
    far = np.abs(places - goal)
    return Path(far, far, np.abs(places[:, None] - places[None, :]), known=False)


STUCK = [50, 49, 48, *([47, 46] * 20), 45, 44]
WANDERING = [60, 66, 72, 78, 84, 90, 84, 78, 72, 66] * 4
SLOW = [*range(100, 40, -1)]
MISS = [9, 6, 3, 1.5, 4, 7, 10, 13, 16, 19]


@pytest.mark.parametrize(
    ("places", "why"), [(STUCK, "stuck"), (WANDERING, "wandering"), (SLOW, "too_slow"), (MISS, "near_miss")]
)
def test_a_path_says_what_went_wrong(places, why):
    assert reason(on_a_line(places), unit=1.0, radius=1.0) == why


def test_the_longest_stay_is_found():
    # Within 3 of each other: from 49 to the last of the 46.
    assert stuck_stretch(on_a_line(STUCK), unit=1.0) == (1, 42)
    by_hand = max(
        ((a, b) for a in range(45) for b in range(a, 45) if max(STUCK[a : b + 1]) - min(STUCK[a : b + 1]) <= 3),
        key=lambda ends: ends[1] - ends[0],
    )
    assert by_hand[1] - by_hand[0] == 41


def test_near_a_goal_behind_a_wall_is_no_near_miss():
    path = on_a_line(STUCK, goal=46.0)
    behind = Path(path.distance, np.full(len(STUCK), 30.0), path.between, known=True)
    assert reason(path, 1.0, 1.0) == "near_miss" and reason(behind, 1.0, 1.0) == "stuck"


@pytest.fixture
def run(run_once):
    given = [part for value in TINY for part in ("--set", value)]
    what = ("run", "--env", "wall", "--recipe", "vf_quasi", "--scale", "smoke", "--device", "cpu", *given)
    return run_once("run with failures", *what)


def test_failures_of_a_run_are_those_that_it_recorded(run, vgbench_cli):
    rows = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    failed = {row["task"]: row for row in rows if not row["success"]}
    assert failed, "an untrained model is to fail"
    done = vgbench_cli("failures", run, "--draw", "--format", "json")
    assert done.exit_code == 0, done.stderr
    found = done.json()
    assert (found["failed"], found["tasks"]) == (len(failed), 3) and [r["task"] for r in found["rows"]] == [*failed]
    assert sum(found["counts"].values()) == len(failed)
    for row in found["rows"]:
        # Played again, it went as the run recorded it.
        for name in ("steps", "start_distance", "min_distance", "final_distance"):
            assert row[name] == pytest.approx(failed[row["task"]][name], abs=1e-3)
        assert (row["reason"] == "stuck") == (row["model_moves"] is not None) == row["text"].startswith("stuck")
    words = [e.text for e in ElementTree.parse(run / "plots" / "failures.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert any(text.startswith(f"task {found['rows'][0]['task']}: ") for text in words) and "start" in words
    # It stands among the run's pictures, also after others are drawn, and in the report.
    drawn = vgbench_cli("plot", run, "--format", "json").json()["pictures"]
    (picture,) = (p for p in drawn if p["kind"] == "Failed tasks")
    assert picture["file"] == str(run / "plots" / "failures.svg") and "tasks failed" in picture["text"]
    assert vgbench_cli("report", run, "--scale", "smoke", "--html", run.parent / "page.html").exit_code == 0
    assert "Failed tasks" in (run.parent / "page.html").read_text()
    text = vgbench_cli("failures", run, "--first", "1")
    assert text.exit_code == 0 and "TASK" in text.stdout and "next: vgbench plot" in text.stdout


def test_a_folder_of_runs_is_told_from_a_run(vgbench_cli, tmp_path):
    for name in "abcd":
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text("{}")
    done = vgbench_cli("failures", tmp_path / "runs")
    inside = ", ".join(f"{tmp_path}/runs/{name}" for name in "abc")
    assert (
        done.exit_code == 2 and "has no run.json" in done.stderr and f"Runs in it: {inside} and 1 more." in done.stderr
    )


def test_an_episode_is_drawn_as_gif(run, vgbench_cli, monkeypatch):
    rows = {row["task"]: row for row in map(json.loads, (run / "episodes.jsonl").read_text().splitlines())}
    done = vgbench_cli("plot", run, "--task", "1", "--format", "gif", "--out", run / "films")
    assert done.exit_code == 0, done.stderr
    word = "solved" if rows[1]["success"] else "failed"
    with Image.open(run / "films" / f"rollout-{word}-task1.gif") as film:
        assert film.size == (448, 504)
        # A step that a wall cancels may share its frame; but its caption counts on.
        assert film.n_frames == rows[1]["steps"] + 1
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    refused = vgbench_cli("plot", run, "--task", "1", "--format", "mp4")
    assert refused.exit_code == 2 and ".[video]" in refused.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("plot", "run", "--task", "9"), "--task 9: the run has no episode of that task; expected 0 to 2"),
        (("plot", "run", "--format", "gif"), "give --task N as well"),
        (("plot", "run", "--task", "1", "--format", "pdf"), "expected --format gif or mp4 or webp"),
        (("failures", "run", "--task", "9"), "--task 9: it does not exist"),
        (("failures", "run", "--first", "0"), "--first 0: expected at least 1"),
        (("failures", "nowhere"), "RUN nowhere: there is no such folder"),
    ],
)
def test_what_cannot_be_shown_is_refused(run, vgbench_cli, args, message):
    result = vgbench_cli(*args)
    assert result.exit_code == 2 and message in result.stderr


def test_a_diagnosis_has_a_verdict():
    blocks = {
        "rank": {"groups": {"all": {"spearman": {"mean": 0.97}}, "across the door": {"spearman": {"mean": 0.5}}}},
        "prediction": {
            "horizon": 2,
            "cost": [1, 2],
            "cost_unchanged": [3, 4],
            "latent": [1, 1],
            "latent_shuffled": [2, 2],
        },
        "planning": {"kept": 0.9},
    }
    said = verdict({"blocks": blocks})
    assert said.startswith("Verdict: the value falls short") and "0.50 (across the door)" in said
    assert said.endswith("no shortfall of the model shown.") and "\n" not in said
    blocks["rank"]["groups"]["across the door"]["spearman"]["mean"] = 0.95
    assert verdict({"blocks": blocks}).startswith(
        "Verdict: no shortfall shown (rank correlation with the true cost 0.97"
    )
    blocks["planning"]["kept"] = 0.2
    assert "the model falls short: 20% of the improvement" in verdict({"blocks": blocks})
    blocks["planning"]["kept"] = None
    assert "the model falls short: its plans promise no improvement" in verdict({"blocks": blocks})
    assert "none" in verdict({"blocks": {"rank": {"skipped": "no grid"}}})


def test_a_front_has_no_setting_that_a_cheaper_one_equals():
    points = [(100, 0.5), (200, 0.4), (300, 0.7), (400, 0.7), (250, 0.6), (100, 0.45)]
    rows = [{"evaluations_per_task": cost, "success_rate": rate} for cost, rate in points]
    assert [(r["evaluations_per_task"], r["success_rate"]) for r in front(rows)] == [(100, 0.5), (250, 0.6), (300, 0.7)]
