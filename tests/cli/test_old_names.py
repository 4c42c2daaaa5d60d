"""Earlier names, wherever a user or a plugin writes them: refused with the new name, and nothing is lost."""

import json
from pathlib import Path

import pytest

import vgbench

WALL = ["run", "--env", "wall", "--recipe", "vf", "--scale", "smoke", "--dry-run"]


def content(folder):
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


# what a user writes


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([*WALL, "--reading", "literal"], "--reading is called --variant now"),
        (["sweep", "paper_figure_3", "--reading=pldm"], "--reading is called --variant now"),
        ([*WALL, "--observer", "jsonl"], "--observer is called --logger now"),
    ],
)
def test_flags(vgbench_process, args, message):
    done = vgbench_process(*args)
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([*WALL, "--set", "mppi.lambda_=1"], "no parameter 'lambda_'. It is called 'temperature' now."),
        ([*WALL, "--set", "planner.lambda_as=1"], "no parameter 'lambda_as'. It is called 'temperature_as' now."),
        (
            ["sweep", "--recipe", "vf", "--protocol", "wall_small", "--grid", "mppi.lambda_=1,2", "--dry-run"],
            "It is called 'temperature' now.",
        ),
        (["list", "hook"], "KIND: unknown value 'hook'. It is called 'logger' now."),
        (["list", "observers"], "It is called 'logger' now."),
        (["list", "readings"], "It is called 'variant' now."),
        (["show", "reading", "literal"], "KIND: unknown value 'reading'. It is called 'variant' now."),
        (["new", "hook", "x"], "It is called 'logger' now."),
        (["check", "hook", "jsonl"], "It is called 'logger' now."),
    ],
)
def test_words(vgbench_cli, tmp_path, args, message):
    result = vgbench_cli(*args)
    assert result.exit_code == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("floor: random", "unknown key 'floor'. It is called 'baseline' now."),
        ("reading: literal", "unknown key 'reading'. It is called 'variant' now."),
        ("set: {mppi.lambda_: 0.1}", "no parameter 'lambda_'. It is called 'temperature' now."),
    ],
)
def test_a_configuration_file(vgbench_cli, tmp_path, line, message):
    (tmp_path / "old.yaml").write_text(f"environment: wall\nrecipe: vf\n{line}\n")
    result = vgbench_cli("run", "--config", "old.yaml", "--dry-run")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --config old.yaml: ") and message in result.stderr


def test_the_variable_that_names_loggers(vgbench_cli, monkeypatch, tmp_path):
    monkeypatch.setenv("VGBENCH_OBSERVERS", "jsonl")
    for args in ([*WALL[:-1]], ["suite", "paper_table_2", "--dry-run"]):
        result = vgbench_cli(*args)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1] == (
            "error: the variable VGBENCH_OBSERVERS is called VGBENCH_LOGGERS now: set that one"
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reading": "pldm"}, "reading: there is no such option of a run. It is called 'variant' now."),
        ({"observer": "jsonl"}, "It is called 'logger' now."),
        ({"hook": "jsonl"}, "It is called 'logger' now."),
        ({"set": {"mppi.lambda_": 1.0}}, "It is called 'temperature' now."),
    ],
)
def test_from_python(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(vgbench.UsageError) as caught:
        vgbench.run(env="wall", recipe="vf", scale="smoke", **options)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


# what a plugin has


def test_a_plugin_in_the_old_group_is_found_with_the_line_to_change(vgbench_cli, tmp_plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    code = "from vgbench.api import hookimpl\nclass Watch:\n    @hookimpl\n    def vgbench_noted(self, text): pass\n"
    tmp_plugin(code, raw="[vgbench.hooks]\nwatch = vgx_watch:Watch\n", dist="vgx-watch", version="2")
    listed = vgbench_cli("list")
    assert listed.exit_code == 0 and "registers watch in vgbench.hooks, which is no group of plugins" in listed.stderr
    assert "It is called 'vgbench.loggers' now." in listed.stderr
    looked = vgbench_cli("doctor")
    assert looked.exit_code == 1
    assert 'change [project.entry-points."vgbench.hooks"] to "vgbench.loggers"' in looked.stdout


def test_a_class_with_an_old_attribute(vgbench_cli, tmp_plugin):
    code = """
        from vgbench.api import Objective, Planner

        class Random(Planner):
            floor = True

            def plan(self, problem, state):
                raise NotImplementedError

        class Loss(Objective):
            def detached(self):
                return "all"

            def loss(self, batch, model, noise):
                raise NotImplementedError
    """
    tmp_plugin(code, planners={"mine": "Random"}, objectives={"mine": "Loss"}, dist="vgx-mine")
    planner = vgbench_cli(*WALL, "--planner", "mine")
    assert planner.exit_code == 2
    assert "vgx_mine:Random declares `floor`, which is called `baseline` now: rename it" in planner.stderr
    objective = vgbench_cli("run", "--env", "wall", "--objective", "mine", "--distance", "iqe", "--dry-run")
    assert objective.exit_code == 2
    assert (
        "vgx_mine:Loss declares `detached`, which is called `stop_gradient_targets` now: rename it" in objective.stderr
    )


# records


@pytest.fixture
def old_run(tmp_path):
    """A run folder as an earlier vgbench wrote it: what of it is read before its format is known."""
    folder = tmp_path / "runs" / "old"
    (folder / "checkpoints").mkdir(parents=True)
    about = {"recipe": "vf", "protocol": "wall_big", "scale": "smoke", "reading": "literal"}
    rate = {"success_rate": 0.5, "successes": 1, "n": 2}
    identity = {"floor": None, "seeds": {"train": 0, "data": 0, "task": 0}}
    run = {"format": 1, "key": "0" * 8, "title": "old", "status": "done", "stages": {}, "identity": identity} | about
    result = {"key": "0" * 8, "title": "old", "run_dir": str(folder), "stages": {}, **rate, **about}
    result |= {"planner": "mppi", "floor": rate | {"planner": "random"}}
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "config.yaml").write_text("format: 1\nenvironment: wall\nrecipe: vf\nfloor: random\nreading: literal\n")
    rows = "".join(json.dumps({"task": i, "success": i == 0, "start_distance": 9.0}) + "\n" for i in range(2))
    for name in ("episodes.jsonl", "floor.jsonl"):
        (folder / name).write_text(rows)
    return folder


FORMAT = "has run format 1: an earlier vgbench wrote it, with names that have changed (`floor`: `baseline`, `reading`: "


@pytest.mark.parametrize(
    "args",
    [
        ["run", "--env", "wall", "--recipe", "vf", "--scale", "smoke", "--device", "cpu", "--out", "{}"],
        ["plot", "{}"],
        ["diagnose", "{}"],
        ["ladder", "--run", "{}"],
    ],
)
def test_an_old_run_folder_is_refused_and_kept(vgbench_cli, old_run, args, monkeypatch, tmp_path):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    before = content(old_run)
    result = vgbench_cli(*(arg.format(old_run) for arg in args))
    assert result.exit_code == 2, result.stderr
    assert f"{old_run} {FORMAT}" in result.stderr
    assert content(old_run) == before


@pytest.mark.parametrize("args", [["report", "{}", "--scale", "smoke"], ["rescore", "{}", "--radius", "1"]])
def test_an_old_run_folder_is_left_out_of_reports_with_a_note(vgbench_cli, old_run, args):
    before = content(old_run)
    result = vgbench_cli(*(arg.format(old_run.parent) for arg in args))
    assert f"{old_run}: it {FORMAT}" in result.stderr
    assert content(old_run) == before


def test_an_old_suite_is_refused_and_kept(vgbench_cli, old_run):
    root = old_run.parent
    about = {"format": 1, "kind": "suite", "name": "paper_table_2", "scale": "smoke", "commands": [], "cells": []}
    (root / "suite.json").write_text(json.dumps(about))
    before = content(root)
    result = vgbench_cli("suite", "paper_table_2", "--scale", "smoke", "--only", "vf,wall_small", "--out", str(root))
    assert result.exit_code == 2
    assert (
        "suite.json has format 1: an earlier vgbench wrote it, and called `cells` what are `runs` now" in result.stderr
    )
    assert content(root) == before
