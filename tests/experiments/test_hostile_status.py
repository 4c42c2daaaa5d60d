"""What a folder of runs says of where they stand, when somebody else has written it."""

import json
import os

import pytest

from vgbench.experiments import stage_file

WHOLE = {"labels": {"protocol": "maze", "recipe": "vf", "seed": 0}, "key": "x", "folder": "maze/vf/s0"}


@pytest.mark.parametrize(
    "run",
    [
        3,
        "x",
        [],
        {},
        WHOLE | {"labels": 3},
        WHOLE | {"folder": None},
        WHOLE | {"folder": "../../elsewhere"},
        WHOLE | {"folder": "/etc"},
    ],
    ids=str,
)
def test_an_odd_suite_json_is_named(vgbench_cli, tmp_path, run):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "suite.json").write_text(json.dumps({"format": 2, "runs": [run]}))
    done = vgbench_cli("suite", "--status", "out")
    assert done.exit_code == 2 and "out/suite.json" in done.stderr and "unforeseen" not in done.stderr
    assert "--debug" not in done.stderr


def test_one_as_vgbench_writes_it_is_read(vgbench_cli, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "suite.json").write_text(json.dumps({"format": 2, "runs": [WHOLE]}))
    done = vgbench_cli("suite", "--status", "out", "--format", "json")
    assert done.exit_code == 0 and [run["state"] for run in done.json()] == ["waiting"]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "[]",
        '{"stage": 3, "done": 1, "total": 2}',
        '{"stage": "x", "done": "1", "total": 2}',
        '{"stage": "x", "done": 1, "total": null}',
        '{"stage": "x", "done": 1, "total": 2, "seconds_left": "soon"}',
        '{"stage": "x", "done": 1, "total": 2, "seconds_left": NaN}',
        '{"stage": "x", "done": 1e400, "total": 2}',
        json.dumps({"stage": "x" * 10_000, "done": 1, "total": 2}),
    ],
    ids=range(9),
)
def test_an_odd_position_is_none(tmp_path, text):
    (tmp_path / stage_file.NAME).write_text(text)
    assert stage_file.position(tmp_path) is None


def test_a_position_is_not_written_through_a_link(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in (stage_file.NAME, f"{stage_file.NAME}.partial"):
        (tmp_path / name).symlink_to(victim)
    stage_file.StageFile(tmp_path).vgbench_stage_started("predictor", 10, 3)
    assert victim.read_text() == "mine"
    found = stage_file.position(tmp_path)
    assert found is not None and (found.stage, found.percent) == ("predictor", 30)


def test_an_odd_result_is_a_failed_run_and_the_runs_beside_it_are_told(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    small = ["mppi.samples=4", "mpc.max_steps=4", "evaluation.tasks=2", "train.steps=2", "train_predictor.steps=2"]
    suite = ["suite", "paper_table_2", "--scale", "smoke", "--only", "vf,wall_small,wall_big", "--seeds", "0"]
    suite += [word for value in small for word in ("--set", value)]
    assert vgbench_cli(*suite, "--out", "out").exit_code == 0
    path = tmp_path / "out" / "wall_small" / "vf" / "s0" / "result.json"
    whole = json.loads(path.read_text())
    odd = [{"n": 0}, {"n": "2"}, {"n": None}, {"successes": [0]}, {"successes": 10**400}, {"success_rate": None}]
    for change in odd:
        path.write_text(json.dumps(whole | change))
        done = vgbench_cli("suite", "--status", "out", "--format", "json")
        assert done.exit_code == 0, done.stderr
        states = {run["folder"].split("/")[-3]: run["state"] for run in done.json()}
        assert states == {"wall_small": "failed", "wall_big": "done"}, change


@pytest.mark.parametrize("kind", ["pipe", "folder", "endless"])
def test_a_token_that_is_no_file_is_named(vgbench_cli, tmp_path, kind):
    path = tmp_path / "out" / ".token"
    path.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    done = vgbench_cli(
        "suite", "paper_table_2", "--only", "vf,maze", "--seeds", "0", "--scale", "smoke", "--out", "out"
    )
    assert done.exit_code == 2 and "out/.token is not what a suite has written" in done.stderr
    assert "unforeseen" not in done.stderr and not list((tmp_path / "out").rglob("result.json"))
