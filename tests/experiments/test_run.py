"""Whole runs through the command line, in processes of their own: results, resuming, refusals."""

import json
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from vgbench.config.resolve import RunRequest, resolve
from vgbench.errors import UsageError
from vgbench.storage.run_folder import RunFolder

SMOKE = ["run", "--env", "wall", "--objective", "iql", "--distance", "iqe", "--scale", "smoke"]


@pytest.fixture
def vgbench(tmp_path, tmp_path_factory, vgbench_start):
    """Start the command in an empty folder; one thread, so that two machines' cores make no difference."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    variables = {"VGBENCH_CACHE": str(cache), "VGBENCH_CHECKPOINT_SECONDS": "0"}

    def start(*arguments, cwd=tmp_path, cold=False):
        return vgbench_start(*arguments, cwd=cwd, cold=cold, **variables)

    def run(*arguments, code=0, **how):
        process = start(*arguments, **how)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, err
        return out, err

    run.start = start
    return run


@pytest.fixture
def whole(vgbench, made_once):
    """Folder of a complete smoke run, to be read; its interpreter is its own, and hashes with a seed of its own."""
    return made_once("smoke", lambda folder: vgbench(*SMOKE, "--out", "here", cwd=folder, cold=True)) / "here"


@pytest.fixture
def here(whole, tmp_path):
    """A copy of it, as `vgbench(*SMOKE, "--out", "here")` makes it."""
    return shutil.copytree(whole, tmp_path / "here")


def rows(folder):
    return [json.loads(line) for line in (Path(folder) / "episodes.jsonl").read_text().splitlines()]


def wait_for(path, process, seconds=120):
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, f"ended before {path.name}: {process.stderr.read()}"
        assert time.monotonic() < end, f"no {path.name} after {seconds} s"
        time.sleep(0.005)


def test_one_command_collects_trains_plans_and_judges(vgbench, tmp_path):
    out, err = vgbench(*SMOKE, "--format", "json", cold=True)
    result = json.loads(out)
    assert result["n"] == 4 and 0 <= result["success_rate"] <= 1
    low, high = result["ci95"]
    assert low <= result["success_rate"] <= high
    assert result["recipe"] == "vf_quasi" and "vf_quasi" in err
    assert [rate["planner"] for rate in result["baselines"]] == ["random", "uninformed"]
    for stage in ("collect", "encoder", "predictor", "episodes"):
        assert result["stages"][stage]["seconds"] > 0 and "cpu_seconds" in result["stages"][stage]
    folder = tmp_path / result["run_dir"]
    assert folder.parent.name == "runs"
    assert json.loads((folder / "result.json").read_text()) == result
    run = json.loads((folder / "run.json").read_text())
    assert run["status"] == "done"
    assert run["argv"] == ["vgbench", *SMOKE, "--format", "json"]  # no path of this machine
    assert {p["name"]: p["dist"] for p in run["plugins"]}["iqe"] == "vgbench"
    assert run["versions"]["torch"] and run["machine"]["threads"] == 1
    assert len(rows(folder)) == 4 and (folder / "train.jsonl").read_text()


def test_a_complete_run_prints_the_same_again(vgbench):
    first, _ = vgbench(*SMOKE, "--format", "json", "--out", "here")
    began = time.monotonic()
    second, _ = vgbench(*SMOKE, "--format", "json", "--out", "here")
    assert first == second
    assert time.monotonic() - began < 30


def test_its_config_makes_the_same_run(vgbench):
    first = json.loads(vgbench(*SMOKE, "--set", "iql.tau=0.7", "--format", "json", "--out", "one")[0])
    out, _ = vgbench("run", "--config", "one/config.yaml", "--format", "json", "--out", "two")
    second = json.loads(out)
    assert second["key"] == first["key"]
    assert second["successes"] == first["successes"]


def test_a_recipe_with_another_weight_is_told_from_the_recipe(vgbench):
    command = [*SMOKE, "--objective", "prediction:0.5", "--out", "here"]
    assert vgbench(*command)[0].splitlines()[0] == "wall_big, vf_quasi_pred, prediction=0.5, scale smoke"
    result = json.loads(vgbench(*command, "--format", "json")[0])
    assert (result["recipe"], result["reweighted"]) == ("vf_quasi_pred", ["prediction=0.5"])


def test_smoke_says_that_its_results_are_not_meaningful(vgbench):
    out, _ = vgbench(*SMOKE)
    assert "not meaningful" in out


@pytest.mark.parametrize("checkpoint", ["encoder", "predictor", "episodes"])
def test_killed_and_asked_again_it_ends_with_the_same_rows(vgbench, whole, tmp_path, checkpoint):
    process = vgbench.start(*SMOKE, "--out", "killed")
    wait_for(tmp_path / "killed" / "checkpoints" / f"{checkpoint}.pt", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "killed" / "result.json").exists()
    vgbench(*SMOKE, "--out", "killed")
    assert rows(tmp_path / "killed") == rows(whole)
    log = [(folder / "train.jsonl").read_text() for folder in (tmp_path / "killed", whole)]
    assert log[0] == log[1]


def test_a_strided_joint_run_on_whitened_images_resumes_too(vgbench, tmp_path):
    """Strided windows draw their own first states: these come from the step's key, not from what was drawn before."""
    command = ["run", "--protocol", "maze", "--recipe", "vf_quasi_pred", "--scale", "smoke"]
    command += ["--set", "iql.stride=7", "--set", "model.image_norm=whiten"]
    vgbench(*command, "--out", "whole")
    process = vgbench.start(*command, "--out", "killed")
    wait_for(tmp_path / "killed" / "checkpoints" / "joint.pt", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    vgbench(*command, "--out", "killed")
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    log = [(tmp_path / name / "train.jsonl").read_text() for name in ("killed", "whole")]
    assert log[0] == log[1]


@pytest.mark.parametrize("flag", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("iql.stride=40", "objective 'iql' compares states 40 steps apart.*can be at most 32; take a smaller stride"),
        ("iqe.component_dim=7", "points of 512 numbers cannot be cut"),
    ],
)
def test_what_does_not_fit_is_found_before_anything_is_written(vgbench, tmp_path, flag, value, message):
    _, err = vgbench(*SMOKE, "--set", value, "--out", "here", *flag, code=2)
    assert re.search(message, err)
    assert not (tmp_path / "here").exists()


def test_ctrl_c_exits_130_and_loses_nothing(vgbench, tmp_path):
    process = vgbench.start(*SMOKE, "--out", "here")
    wait_for(tmp_path / "here" / "checkpoints" / "encoder.pt", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert json.loads((tmp_path / "here" / "run.json").read_text())["status"] == "interrupted"
    vgbench(*SMOKE, "--out", "here")
    assert json.loads((tmp_path / "here" / "run.json").read_text())["status"] == "done"


def test_a_second_process_in_one_folder_is_refused(vgbench, tmp_path):
    first = vgbench.start(*SMOKE, "--out", "here")
    wait_for(tmp_path / "here" / "run.json", first)
    _, err = vgbench(*SMOKE, "--out", "here", code=1)
    assert "in use by another process" in err
    _, err = first.communicate(timeout=300)
    assert first.returncode == 0, err


def test_a_folder_with_another_run_is_refused_and_kept(vgbench, here):
    before = (here / "result.json").read_text()
    _, err = vgbench(*SMOKE, "--seed", "1", "--out", "here", code=2)
    assert "holds another run" in err and "seed" in err and "--out" in err
    assert (here / "result.json").read_text() == before


def test_a_folder_that_became_another_run_s_meanwhile_is_refused(tmp_path):
    """Between the first look at the folder and its lock another command may have begun there."""
    first, second = (
        resolve(RunRequest(protocol="wall_big", recipe=name, scale="smoke", device="cpu")) for name in ("vf", "vf_pred")
    )
    late = RunFolder(tmp_path / "here")
    late.check(second)
    with RunFolder(tmp_path / "here").opened(first, []):
        pass
    before = (tmp_path / "here" / "run.json").read_bytes()
    with pytest.raises(UsageError, match="holds another run"), late.opened(second, []):
        pass
    assert (tmp_path / "here" / "run.json").read_bytes() == before


def test_another_run_is_told_apart_by_the_value_that_differs(vgbench, here):
    _, err = vgbench(*SMOKE, "--set", "iql.tau=0.7", "--out", "here", code=2)
    assert "; objectives.0.params.tau was 0.6 and is now 0.7. Choose another --out" in err
    _, err = vgbench(*SMOKE, "--objective", "vcreg", "--out", "here", code=2)
    assert "; objectives was ['iql'] and is now ['iql', 'vcreg']. Choose another --out" in err


@pytest.mark.parametrize("kind", ["file", "foreign", "readonly"])
def test_a_folder_that_cannot_be_used_is_named(vgbench, tmp_path, kind):
    target = tmp_path / "here"
    if kind == "file":
        target.write_text("precious")
    elif kind == "foreign":
        target.mkdir()
        (target / "thesis.tex").write_text("precious")
    else:
        target = Path("/proc/here")  # cannot be written to, not even by root
    _, err = vgbench(*SMOKE, "--out", target, code=2)
    assert str(target.name) in err and "--out" in err and "Traceback" not in err
    assert kind != "foreign" or [p.name for p in target.iterdir()] == ["thesis.tex"]


def test_training_that_diverges_stops_with_a_message(vgbench, tmp_path):
    wild = ["--set", "train.lr=1e30", "--set", "train.clip=0", "--set", "train.warmup=0"]
    _, err = vgbench(*SMOKE, *wild, "--out", "here", code=1)
    assert "stage 'encoder'" in err and "step" in err and "Traceback" not in err
    assert json.loads((tmp_path / "here" / "run.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--env", "maze", "--objective", "iql", "--distance", "iqe"],
        ["--env", "wall", "--recipe", "pred_vcreg"],
        ["--protocol", "wall_small", "--recipe", "vf_vcreg"],
        ["--protocol", "maze", "--recipe", "vf_quasi_pred"],
    ],
    ids=lambda a: "-".join(x.strip("-") for x in a),
)
def test_every_kind_of_training_runs_at_smoke_scale(vgbench, arguments):
    result = json.loads(vgbench("run", *arguments, "--scale", "smoke", "--format", "json")[0])
    assert result["meaningless"] is True
    assert result["n"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["wall_small", "wall_big", "maze"])
@pytest.mark.parametrize("recipe", ["vf_quasi", "pred_vcreg"])
def test_paper_size_takes_one_step_and_makes_one_plan(vgbench, protocol, recipe):
    few = ["train.steps=1", "train_predictor.steps=1", "evaluation.tasks=1", "data.trajectories=70"]
    # One replanning interval as long as the episode: a single plan, of the published samples and horizon.
    few += ["mpc.max_steps=64", "mpc.replan_every=64"]
    sets = [part for value in few for part in ("--set", value)]
    arguments = ["run", "--protocol", protocol, "--recipe", recipe, "--scale", "paper", *sets, "--format", "json"]
    result = json.loads(vgbench(*arguments)[0])
    assert result["parameters"]["predictor"] == 1_314_816
    velocity = 144 + 1024 if protocol == "maze" else 0  # its encoder, and its part of the last layer
    assert result["parameters"]["encoder"] == 2_218_096 + velocity


def test_a_collected_file_is_trained_on(vgbench, tmp_path):
    vgbench("collect", "--env", "wall", "--scale", "smoke", "--set", "wall.collision=stop", "--out", "mine.h5")
    result = json.loads(vgbench(*SMOKE, "--data", "mine.h5", "--out", "here", "--format", "json")[0])
    assert result["data"]["file"] == "mine.h5"
    identity = json.loads((tmp_path / "here" / "run.json").read_text())["identity"]
    assert identity["environment"]["params"]["collision"] == "stop"  # the file's own, unless the user says otherwise
    assert identity["data_fingerprint"] == result["data"]["fingerprint"]
    _, err = vgbench(*SMOKE, "--data", "mine.h5", "--set", "data.length=30", code=2)
    assert "--data mine.h5" in err and "data.length=64" in err


def test_a_file_of_another_environment_is_refused(vgbench):
    vgbench("collect", "--env", "maze", "--scale", "smoke", "--out", "maze.h5")
    _, err = vgbench(*SMOKE, "--data", "maze.h5", code=2)
    assert "--data maze.h5" in err and "'maze'" in err and "vgbench collect --env wall" in err


def test_a_truncated_file_is_refused(vgbench, tmp_path):
    vgbench("collect", "--env", "wall", "--scale", "smoke", "--out", "mine.h5")
    whole = (tmp_path / "mine.h5").read_bytes()
    (tmp_path / "mine.h5").write_bytes(whole[: len(whole) // 2])
    _, err = vgbench(*SMOKE, "--data", "mine.h5", code=1)
    assert "--data mine.h5: " in err and "truncated" in err and "Traceback" not in err


def test_a_checkpoint_of_another_run_is_refused(vgbench, tmp_path):
    vgbench(*SMOKE, "--seed", "1", "--out", "other")
    process = vgbench.start(*SMOKE, "--out", "here")
    wait_for(tmp_path / "here" / "checkpoints" / "encoder.pt", process)
    process.kill()
    process.communicate()
    foreign = (tmp_path / "other" / "checkpoints" / "encoder.pt").read_bytes()
    (tmp_path / "here" / "checkpoints" / "encoder.pt").write_bytes(foreign)
    _, err = vgbench(*SMOKE, "--out", "here", code=1)
    assert "encoder.pt cannot be used" in err and "belongs to the run with key" in err


def test_a_checkpoint_of_episodes_without_its_record_is_named(vgbench, here):
    (here / "result.json").unlink()
    path = here / "checkpoints" / "episodes.pt"
    whole = torch.load(path, weights_only=True)
    record = whole["content"]["record"]
    for bad, reason in (
        ({}, "it has no 'steps'"),
        (record | {"plans": record["plans"][:3]}, "it has 3 rows of 'plans'"),
    ):
        torch.save(whole | {"content": whole["content"] | {"record": bad}}, path)
        _, err = vgbench(*SMOKE, "--out", "here", code=1)
        assert f"episodes.pt cannot be used: {reason}" in err and "Delete this file" in err


@pytest.mark.parametrize("content", ["{}", "[]", "not JSON", None])
def test_a_damaged_result_is_named_and_made_anew_from_the_checkpoints(vgbench, here, content):
    path = here / "result.json"
    good = json.loads(path.read_text())
    path.write_text(content if content is not None else json.dumps(good | {"success_rate": 0.123}))
    _, err = vgbench(*SMOKE, "--out", "here", code=1)
    assert "result.json" in err and "delete this one file" in err and "Traceback" not in err
    path.unlink()
    vgbench(*SMOKE, "--out", "here")
    assert json.loads(path.read_text())["successes"] == good["successes"]


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "1e999", "soon", ""])
def test_a_time_between_checkpoints_that_means_never_is_refused_at_once(vgbench_cli, tmp_path, monkeypatch, seconds):
    monkeypatch.setenv("VGBENCH_CHECKPOINT_SECONDS", seconds)
    done = vgbench_cli(*SMOKE, "--out", "here")
    assert done.exit_code == 2, done.stderr
    assert f"VGBENCH_CHECKPOINT_SECONDS={seconds}: expected a number of seconds, 0 or more" in done.stderr
    assert not (tmp_path / "here" / "tasks.json").exists()


def test_killed_at_its_very_start_a_run_goes_on(vgbench, tmp_path):
    """Between the first file and run.json: what a kill there leaves must not lock the user out."""
    (tmp_path / "here" / "checkpoints").mkdir(parents=True)
    for name in (".lock", "config.yaml", "run.json.partial", "config.yaml.partial"):
        (tmp_path / "here" / name).write_text("")
    vgbench(*SMOKE, "--out", "here")


def test_data_of_another_setting_than_the_protocols_are_refused(vgbench):
    vgbench("collect", "--protocol", "wall_big", "--scale", "smoke", "--out", "big.h5")
    what = ["--recipe", "vf", "--scale", "smoke", "--data", "big.h5"]
    _, err = vgbench("run", "--protocol", "wall_small", *what, code=2)
    assert "wall.step=big" in err and "protocol wall_small" in err
    _, err = vgbench("run", "--env", "wall", *what, "--data-seed", "9", code=2)
    assert "collected with seed 0" in err


def test_planning_with_costs_that_are_not_finite_stops(vgbench):
    _, err = vgbench(*SMOKE, "--set", "mppi.noise=1e300", code=1)
    assert "finite" in err and "Traceback" not in err


def test_a_damaged_weight_is_refused_by_name_not_planned_with(vgbench, here, whole):
    (here / "result.json").unlink()
    path = here / "checkpoints" / "predictor.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    _, err = vgbench(*SMOKE, "--out", "here", code=1)
    assert "here/checkpoints/predictor.pt cannot be used: it is damaged" in err and "Delete this file" in err
    path.unlink()
    vgbench(*SMOKE, "--out", "here")
    assert rows(here) == rows(whole)


def test_a_damaged_row_or_log_is_not_passed_on(vgbench, here, whole):
    for name in ("episodes.jsonl", "train.jsonl", "config.yaml"):
        text = (here / name).read_text()
        (here / name).write_text(text.replace("1", "2", 1))
        assert f"here/{name} is damaged or was edited" in vgbench(*SMOKE, "--out", "here", code=1)[1]
        (here / name).write_text(text)
    (here / "result.json").unlink()
    (here / "train.jsonl").write_text((here / "train.jsonl").read_text().replace("0.", "1.", 1))
    _, err = vgbench(*SMOKE, "--out", "here")
    assert "note: here/train.jsonl is damaged or was edited" in err
    assert rows(here) == rows(whole)


def test_what_a_run_refuses_before_it_computes_leaves_its_folder_to_the_next(vgbench, tmp_path):
    vgbench(
        "run", "--env", "maze", "--recipe", "vf", "--scale", "smoke", "--out", "here", "--set", "data.length=3", code=2
    )
    left = {path.name for path in (tmp_path / "here").iterdir()} if (tmp_path / "here").exists() else set()
    assert left <= {".lock", "checkpoints"}
    vgbench(*SMOKE, "--out", "here", "--dry-run")


@pytest.mark.parametrize("variable", ["VGBENCH_CACHE", "HOME"])
def test_a_cache_that_cannot_be_is_told_in_a_line(vgbench_start, tmp_path, variable):
    (tmp_path / "file").write_text("")
    environ = {"VGBENCH_CACHE": "", "XDG_CACHE_HOME": "", variable: "file" if variable != "HOME" else "/dev/null"}
    process = vgbench_start(*SMOKE, "--out", "here", cwd=tmp_path, **environ)
    _, err = process.communicate()
    assert process.returncode == 2 and "cannot write the data set" in err, err


def test_a_worker_that_hangs_ends_after_its_suite(tmp_path):
    """It ignores interrupts, as a plugin may; the lock on its run goes with it."""
    import subprocess
    import sys

    code = """
import signal, threading, time
from vgbench.experiments import worker
worker._GRACE = 0.3
signal.signal(signal.SIGINT, lambda number, frame: print("asked", flush=True))
threading.Thread(target=worker._watch_parent, daemon=True).start()
print("ready", flush=True)
while True:
    time.sleep(60)
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, **pipes)
    assert process.stdout.readline() == "ready\n"
    out, _ = process.communicate(timeout=60)  # closes its standard input, as the end of the suite does
    assert out == "asked\nasked\n" and process.returncode == 130
