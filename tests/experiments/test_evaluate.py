"""`vgbench evaluate`: the model of a run, planned with once more."""

import gc
import json
import subprocess
import sys

import pytest
import torch
import yaml

from vgbench.data import collection
from vgbench.imports import quick_imports

SMALL = ("--set", "strided.stem=4", "--set", "strided.channels=4", "--set", "mlp.hidden=[16]")
SMALL += ("--set", "model.latent_dim=16", "--set", "data.trajectories=8", "--set", "train.steps=2")
SMALL += ("--set", "train_predictor.steps=2", "--set", "mpc.max_steps=6", "--set", "mppi.samples=8")
RUN = ("run", "--protocol", "turnstile", "--recipe", "vf", "--scale", "smoke", *SMALL, "--out", "run")


def read(path):
    return json.loads(path.read_text())


@pytest.fixture
def run(run_once):
    return run_once("run to be evaluated", *RUN[: RUN.index("--out")])


def test_another_planner_gives_what_a_whole_run_with_it_would(run, vgbench_cli, tmp_path):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    done = vgbench_cli("evaluate", "run", "--planner", "cem", "--set", "cem.samples=8", "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert "--planner cem takes the place of mppi, whose" in done.stderr
    result = done.json()
    place = tmp_path / result["run_dir"].split("/")[-1]
    # What is printed for people names the run to compare it with.
    assert (
        f"vgbench compare {place.name} run"
        in vgbench_cli("evaluate", "run", "--planner", "cem", "--set", "cem.samples=8").stdout
    )
    assert place.parent == run.parent and place != run and not {"encoder", "predictor"} & set(result["stages"])
    # The same from the start: the same key, and row by row the same.
    whole = [word for word in RUN if word != "mppi.samples=8"]
    whole = [*whole[: whole.index("--out") - 1], "--planner", "cem", "--set", "cem.samples=8", "--out", "whole"]
    done = vgbench_cli(*whole)
    assert done.exit_code == 0, done.stderr
    assert read(place / "run.json")["key"] == read(tmp_path / "whole" / "run.json")["key"]
    assert (place / "episodes.jsonl").read_bytes() == (tmp_path / "whole" / "episodes.jsonl").read_bytes()
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_other_tasks_and_a_second_call(run, vgbench_cli):
    command = (
        "evaluate",
        "run",
        "--task-seed",
        "7",
        "--set",
        "evaluation.tasks=6",
        "--out",
        "again",
        "--format",
        "json",
    )
    first = vgbench_cli(*command)
    assert first.exit_code == 0, first.stderr
    assert first.json()["n"] == 6 and first.json()["seeds"]["task"] == 7
    second = vgbench_cli(*command)
    assert second.json() == first.json() and "episodes" not in second.stderr
    # It is an ordinary run folder: pictures and the ladder read it.
    assert vgbench_cli("ladder", "--run", "again", "--tasks", "2").exit_code == 0


def test_another_protocol_judges_the_model_where_it_was_not_trained(run, vgbench_cli, tmp_path):
    options = ("--protocol", "turnstile_two_way", "--set", "mpc.max_steps=6", "--out", "twin")
    done = vgbench_cli("evaluate", "run", *options, "--format", "json")
    assert done.exit_code == 0, done.stderr
    record = read(tmp_path / "twin" / "run.json")
    assert record["protocol"] == "turnstile_two_way" and record["identity"]["trained"] == read(run / "run.json")["key"]
    assert record["identity"]["environment"]["params"]["doors"] == "two_way"
    # Its file names the run; trained from scratch it would be another one.
    refused = vgbench_cli("run", "--config", "twin/config.yaml", "--out", "elsewhere")
    assert refused.exit_code == 2 and "use vgbench evaluate RUN" in refused.stderr


def test_a_protocol_of_the_user_s_own(vgbench_cli, tmp_path):
    """Beside a recipe of their own, which the run's file has and the protocol's file need not."""
    recipe = {"extends": "vf", "summary": "x", "set": {"iql.tau": 0.7}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"recipes": {"mine": recipe}}))
    world = {"extends": "turnstile", "summary": "x", "set": {"rooms.doors": "two_way"}}
    (tmp_path / "worlds.yaml").write_text(yaml.safe_dump({"protocols": {"both_ways": world}}))
    words = [word if word != "vf" else "mine" for word in RUN]
    assert vgbench_cli(*words, "--recipes", "mine.yaml").exit_code == 0
    options = ("--protocol", "both_ways", "--recipes", "worlds.yaml", "--set", "mpc.max_steps=6")
    done = vgbench_cli("evaluate", "run", *options, "--plugin-timeout", "300", "--out", "there")
    assert done.exit_code == 0, done.stderr
    record = read(tmp_path / "there" / "run.json")
    assert (record["protocol"], record["recipe"]) == ("both_ways", "mine")
    assert record["identity"]["environment"]["params"]["doors"] == "two_way"
    refused = vgbench_cli("evaluate", "run", "--protocol", "both_way", "--recipes", "worlds.yaml")
    assert refused.exit_code == 2 and "Did you mean 'both_ways'?" in refused.stderr, refused.stderr


def test_the_values_of_the_run_itself_are_its_result(run, vgbench_cli, tmp_path):
    done = vgbench_cli("evaluate", "run", "--format", "json")
    assert done.exit_code == 0 and done.json()["key"] == read(run / "run.json")["key"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("run")) == ["run"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "iql.tau=0.9"), "--set iql.tau: this is a value of the training (the model has 0.8)"),
        (("--set", "train.steps=3"), "--set train.steps: this is a value of the training (the model has 2)"),
        (("--planner", "cem", "--set", "mppi.samples=9"), "mppi"),
        (("--planner", "mpppi"), "no planner named 'mpppi'"),
        (("--protocol", "maze"), "--protocol maze: it shows"),
    ],
)
def test_what_would_need_training_is_refused(run, vgbench_cli, tmp_path, options, message):
    done = vgbench_cli("evaluate", "run", *options)
    assert done.exit_code == 2 and message in done.stderr, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("run")) == ["run"]


def test_a_run_without_checkpoints_or_no_run_is_refused(run, vgbench_cli):
    for path in (run / "checkpoints").glob("*.pt"):
        path.unlink()
    done = vgbench_cli("evaluate", "run")
    assert done.exit_code == 2 and "the trained model is missing" in done.stderr
    done = vgbench_cli("evaluate", "nowhere")
    assert done.exit_code == 2 and "RUN nowhere: there is no such folder" in done.stderr


@pytest.mark.parametrize("missing", ["step", "total", "model"])
def test_a_checkpoint_that_lacks_something_is_refused_by_name(run, vgbench_cli, missing):
    """Whole, and without a hash, as those of earlier versions are."""
    path = run / "checkpoints" / "predictor.pt"
    owned = torch.load(path, weights_only=True)
    del owned["content"][missing]
    torch.save(owned, path)
    (run / "SHA256SUMS").unlink()
    done = vgbench_cli("evaluate", run, "--out", "other")
    assert done.exit_code == 1
    assert "predictor.pt cannot be used: it has no" in done.stderr and repr(missing) in done.stderr


def test_runs_of_several_seeds_and_their_rate(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    done = vgbench_cli(*RUN, "--seeds", "0,3")
    assert done.exit_code == 0, done.stderr
    assert [read(tmp_path / "run" / f"s{seed}" / "run.json")["identity"]["seeds"]["train"] for seed in (0, 3)] == [0, 3]
    assert done.stdout.splitlines()[-1].startswith("2 seeds: ")
    refused = vgbench_cli(*RUN, "--seeds", "0,3", "--seed", "1")
    assert refused.exit_code == 2 and "--seed contradicts --seeds" in refused.stderr


@pytest.mark.parametrize(("options", "times"), [((), 1), (("--protocol", "turnstile_two_way"), 2)])
def test_a_training_set_is_read_once_where_both_have_it(run, vgbench_cli, monkeypatch, options, times):
    read, load = [], collection.load
    monkeypatch.setattr(collection, "load", lambda path: (read.append(path), load(path))[1])
    options = (*options, "--set", "evaluation.tasks=3", "--set", "mpc.max_steps=6", "--out", "more")
    done = vgbench_cli("evaluate", "run", *options, "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert len(read) == times
    assert ("collect" in done.json()["stages"]) and done.json()["data"]["file"] == read[-1].name


def test_an_evaluation_imports_no_more_of_scipy_than_it_needs():
    """Each of these takes a tenth of what an evaluation takes beside planning."""
    code = "import sys, vgbench_plugins.environments.maze; print({'scipy.ndimage', 'scipy.sparse'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_imports_leave_the_collector_as_it_was():
    assert gc.isenabled()
    with quick_imports():
        assert not gc.isenabled()
        with quick_imports():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), quick_imports():
        raise ImportError
    assert gc.isenabled()


def test_a_process_ends_without_a_look_at_all_that_it_imported():
    code = (
        "import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count() > 1000))\n"
        "sys.argv = ['vgbench', '-V']\nfrom vgbench.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"
