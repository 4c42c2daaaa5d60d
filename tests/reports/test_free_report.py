"""Reports that no suite is named for: rows of whatever is there, own ones below the paper's; and LaTeX."""

import re

import pytest


def test_rows_and_columns_are_those_that_there_are(record, report):
    record(recipe="vf", protocol="maze")
    record(recipe="contrastive", protocol="turnstile")
    content = report("runs")
    assert content["recipes"] == ["contrastive", "vf"] and content["protocols"] == ["maze", "turnstile"]
    # What the paper has of them stands beside.
    assert content["cells"]["vf", "maze"]["published"]["rate"] == 0.49
    assert content["cells"]["vf", "turnstile"]["published"] is None
    # A named suite has all of its rows.
    assert len(report("runs", "--suite", "paper_table_2")["recipes"]) == 12


def test_values_that_the_command_asked_for_make_a_row_not_a_stale_one(record, report, vgbench_cli, edit):
    record(recipe="vf", solved=set(range(40)))
    own = record(
        recipe="vf", folder="mine", seed=1, solved=set(range(70)), argv=["vgbench", "run", "--set", "iql.tau=0.95"]
    )

    def other(run):
        run["identity"]["objectives"][0]["params"]["tau"] = 0.95
        run["key"] = "0" * 8

    edit(own / "run.json", other)
    edit(own / "result.json", lambda result: result.update(key="0" * 8))
    content = report("runs")
    assert content["recipes"] == ["vf", "vf (iql.tau=0.95)"]
    mine = content["cells"]["vf (iql.tau=0.95)", "maze"]
    assert (mine["state"], mine["success_rate"]) == ("done", 70 / 80)
    # So it does in a picture of the folder.
    curves = vgbench_cli("plot", "runs", "--format", "json").json()["curves"]
    assert curves == {"maze": {"vf": 1, "vf (iql.tau=0.95)": 1}}
    # In a suite's table it is listed below, and the cell has the recipe's own run.
    content = report("runs", "--suite", "paper_table_2")
    cell = content["cells"]["vf", "maze"]
    assert (cell["state"], cell["success_rate"]) == ("done", 0.5)
    assert [(one["seed"], one["why"]) for one in cell["aside"]] == [(1, "has other values: iql.tau=0.95")]
    shown = vgbench_cli("report", "runs", "--suite", "paper_table_2").stdout
    assert "vf on maze, seed 1 has other values: iql.tau=0.95." in shown and "stale" not in shown


@pytest.mark.parametrize("count", [2, 7])
def test_long_names_of_methods_leave_room_for_the_curves(record, vgbench_cli, edit, count):
    for number in range(count):
        values = [f"iql.tau=0.8{number}", "train.batch_size=512", "train.steps=12345", "data.trajectories=88"]
        path = record(recipe="vf", folder=f"{number}", argv=["vgbench", "run", *(f"--set={value}" for value in values)])

        def other(run, number=number):
            run["key"] = "0" * 8
            run["identity"]["objectives"][0]["params"]["tau"] = 0.8 + number / 100
            settings = run["identity"]["settings"]
            settings["train"]["steps"], settings["data"]["trajectories"] = 12345, 88

        edit(path / "run.json", other)
        edit(path / "result.json", lambda result: result.update(key="0" * 8))
    # matplotlib warns where axes have no room left, which is an error of ours.
    done = vgbench_cli("plot", "runs", "--out", "curves.png")
    assert done.exit_code == 0, done.stderr


def test_a_value_that_changed_without_the_user_is_stale_all_the_same(record, report, edit):
    path = record(recipe="vf", argv=["vgbench", "run", "--recipe", "vf"])
    edit(path / "run.json", lambda run: run["identity"]["objectives"][0]["params"].update(tau=0.95))
    edit(path / "run.json", lambda run: run.update(key="0" * 8))
    edit(path / "result.json", lambda result: result.update(key="0" * 8))
    assert report("runs")["cells"]["vf", "maze"]["state"] == "stale"


def test_the_table_as_latex(record, vgbench_cli, tmp_path):
    record(recipe="vf", solved=set(range(60)))
    record(recipe="vf_quasi", solved=set(range(40)))
    done = vgbench_cli("report", "--format", "latex")
    assert done.exit_code == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("%")]
    assert lines[0] == r"\begin{tabular}{lrrrrrr}" and lines[1] == r"\toprule" and lines[-1] == r"\end{tabular}"
    (best,) = [line for line in lines if line.startswith("vf &")]
    assert r"\textbf{.75} {\scriptsize [.65, .83]} & .49" in best
    (other,) = [line for line in lines if line.startswith(r"vf\_quasi &")]
    assert ".50 {" in other and "textbf" not in other
    # Each row has as many columns as the head.
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines if "&" in line} == {6}
    vgbench_cli("report", "--out", "table.tex")
    assert (tmp_path / "table.tex").read_text() == done.stdout
