"""vgbench from Python beside `run`: many runs, evaluation, comparison, reports and what a folder holds."""

from pathlib import Path

import numpy as np
import pytest

import vgbench

SMALL = {"data.trajectories": 8, "train.steps": 2, "train_predictor.steps": 2, "mpc.max_steps": 6, "mppi.samples": 8}
SMALL |= {"strided.stem": 4, "strided.channels": 4, "mlp.hidden": [16], "model.latent_dim": 16}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))


def test_a_run_is_loaded_with_its_rows_model_data_and_tasks():
    result = vgbench.run(protocol="turnstile", recipe="vf", scale="smoke", set=SMALL, out="run")
    loaded = vgbench.load("run")
    assert loaded.result["success_rate"] == result.success_rate and loaded.rows == result.rows
    arrays = loaded.arrays()
    assert arrays["steps"].dtype == np.int64 and arrays["success"].dtype == bool
    assert list(arrays["stratum"]) == ["trap", "open", "trap", "open"]
    assert len(loaded.tasks) == 4 and len(loaded.data) == 8
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    with pytest.raises(vgbench.UsageError, match="folder=nowhere: there is no such folder"):
        vgbench.load("nowhere")


def test_a_field_that_some_tasks_lack_is_nan():
    loaded = vgbench.python_api.records.LoadedRun(Path(), {}, {}, [{"a": 1, "b": None}, {"a": 2, "b": 3}])
    arrays = loaded.arrays()
    assert list(arrays["a"]) == [1, 2] and np.isnan(arrays["b"][0]) and arrays["b"][1] == 3


def test_evaluate_and_compare():
    first = vgbench.run(protocol="turnstile", recipe="vf", scale="smoke", set=SMALL, out="run")
    again = vgbench.evaluate("run", planner="cem", set={"cem.samples": 8}, out="again")
    assert again.folder == Path("again") and again.record["planner"] == "cem" and again.tasks == first.tasks
    rows = {(row["protocol"], row["stratum"], row["score"]): row for row in vgbench.compare("run", "again")}
    row = rows["turnstile", None, "success"]
    assert (row["a"], row["b"], row["paired"]) == ("run", "again", True)
    assert (row["rate_a"], row["rate_b"]) == (first.success_rate, again.success_rate)
    with pytest.raises(vgbench.UsageError, match="a value of the training"):
        vgbench.evaluate("run", set={"iql.tau": 0.9})


@pytest.mark.slow
def test_a_suite_and_a_report_of_it():
    lines = []
    options = {"scale": "smoke", "device": "cpu", "set": SMALL}
    options |= {"only": ["vf", "wall_big"], "seeds": [0, 1], "out": "out"}
    runs = vgbench.suite("paper_table_2", tell=lines.append, **options)
    assert set(runs.results) == {("wall_big", "vf", 0), ("wall_big", "vf", 1)} and not runs.missing and lines
    report = [vgbench.report("out", scale="smoke") for _ in range(2)][1]  # whatever was imported by the first
    (cell,) = report["cells"]
    assert (cell["recipe"], cell["protocol"], [run["seed"] for run in cell["runs"]]) == ("vf", "wall_big", [0, 1])
    again = vgbench.suite("paper_table_2", **options)
    assert {labels: r.success_rate for labels, r in again.results.items()} == {
        labels: r.success_rate for labels, r in runs.results.items()
    }


@pytest.mark.slow
def test_a_sweep_has_points():
    grid = {"mpc.replan_every": [1, 4]}
    runs = vgbench.sweep("vf", "wall_big", grid, scale="smoke", device="cpu", set=SMALL, out="out")
    assert [(p["value"], p["n"], p["missing"]) for p in runs.points] == [("1", 4, 0), ("4", 4, 0)]
    assert len(runs.results) == 2


def test_options_that_are_none_are_named():
    with pytest.raises(vgbench.UsageError, match=r"scal: there is no such option of many runs. Did you mean 'scale'\?"):
        vgbench.suite("paper_table_2", scal="smoke")
    with pytest.raises(vgbench.UsageError, match="no suite named 'paper_tabel'"):
        vgbench.suite("paper_tabel")
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vgbench.sweep("vf", "wall_big", {}), "grid={}: expected at least one"),
        (lambda: vgbench.sweep("vf", "wall_big", {"iql.tau": []}), "grid: iql.tau=[]: expected at least one"),
        (
            lambda: vgbench.sweep("vf", "wall_big", {"iql.tau": 0.8}),
            "grid: iql.tau=0.8: expected a list, such as [0.8]",
        ),
        (lambda: vgbench.sweep("vf", "wall_big", {"planner": "cem"}), "expected a list, such as ['cem']"),
        (lambda: vgbench.sweep("vf", "wall_big", {"iql.tau": [0.8]}, seeds=[]), "seeds=[]: expected at least one"),
        (lambda: vgbench.suite("paper_table_2", seeds=[]), "seeds=[]: expected at least one"),
        (lambda: vgbench.suite("paper_table_2", seeds=3), "seeds=3: expected a list, such as [3]"),
        (lambda: vgbench.sweep("vf", "wall_big", {"iql.tau": ["0.8", "0.80"]}), "are the same run; leave one of the"),
        (
            lambda: vgbench.suite("paper_table_2", plugin_timeout=-1),
            "--plugin-timeout -1: expected a number of seconds",
        ),
    ],
)
def test_many_runs_that_cannot_be_made_are_usage_errors(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(vgbench.UsageError) as caught:
        call()
    assert message in str(caught.value)
    assert not list(tmp_path.rglob("run.json"))
