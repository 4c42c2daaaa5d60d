"""What a command says to who has named something that is not there: what was meant, in most cases."""

import json

import pytest

SUITE = """
suites:
  my_table: {summary: two, recipes: [vf, vf_quasi], protocols: [maze]}
"""


@pytest.fixture
def folder(tmp_path):
    """A suite file, and folders of runs as `vgbench suite` lays them out."""
    (tmp_path / "my_table.yaml").write_text(SUITE)
    for seed in (0, 1):
        place = tmp_path / "runs" / "my_table-quick" / "maze" / "vf" / f"s{seed}"
        place.mkdir(parents=True)
        (place / "run.json").write_text(json.dumps({}))
    return tmp_path


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run --env wall --recipe my_method --dry-run", "One of your own needs its file: --recipes FILE."),
        ("run --env wall --recipe vff --dry-run", "no recipe named 'vff'. Did you mean 'vf'?"),
        ("suite my_table --dry-run", "no suite named 'my_table', but there is a file: my_table.yaml. Did you mean"),
        ("suite my-table --dry-run", "Did you mean 'my_table.yaml'?"),
        ("suite my_tabel.yaml --dry-run", "my_tabel.yaml: there is no such file. Did you mean 'my_table.yaml'?"),
        ("report runs --suite my_tabel.yaml", "error: --suite my_tabel.yaml: there is no such file. Did you mean"),
        ("plot my_table-quick", "RUN my_table-quick: there is no such folder"),
        ("plot my_table-quick", "or of runs. Did you mean 'runs/my_table-quick'?"),
        ("plot runs/my_tabel-quick", "Did you mean 'runs/my_table-quick'?"),
        ("failures my_table-quick/maze/vf/s0", "Did you mean 'runs/my_table-quick/maze/vf/s0'?"),
        ("evaluate runs/my_table-quik", "Did you mean 'runs/my_table-quick'?"),
        (
            "compare vf vf_quasi",
            "vf: there is no such folder; expected run folders, a folder of them, or a glob. A and B",
        ),
        ("compare vf vf_quasi", "can be recipes with --in DIR, the folder of their runs."),
        ("compare my_table-quick runs", "a glob. Did you mean 'runs/my_table-quick'?"),
        ("failures runs/my_table-quick", "Runs in it: runs/my_table-quick/maze/vf/s0, runs/my_table-quick/maze/vf/s1."),
        ("diagnose runs/my_table-quick", "Runs in it: runs/my_table-quick/maze/vf/s0"),
        ("new loss x", "KIND: unknown value 'loss'. It is called 'objective' here."),
        ("new losses x", "KIND: unknown value 'losses'."),
        ("list encoders", "It is called 'network' here."),
        ("check iql", "KIND iql: the kind comes first: vgbench check objective iql"),
        ("check vgbench:iqe", "the kind comes first: vgbench check distance vgbench:iqe"),
        ("check objective", "NAME is missing: vgbench check KIND NAME, such as vgbench check objective iql"),
    ],
)
def test_what_was_meant(folder, vgbench_cli, line, message):
    done = vgbench_cli(*line.split())
    assert done.exit_code == 2 and message in done.stderr, done.stderr


def test_a_recipe_that_a_file_lacks_is_not_asked_for_in_another(folder, vgbench_cli):
    (folder / "mine.yaml").write_text("recipes: {mine: {extends: vf}}")
    done = vgbench_cli("run", "--env", "wall", "--recipes", "mine.yaml", "--recipe", "other", "--dry-run")
    assert done.exit_code == 2 and "no recipe named 'other'" in done.stderr and "--recipes FILE" not in done.stderr


def test_an_error_about_shapes_has_a_line_of_its_own(tmp_plugin, vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    code = """
        from vgbench.api import *

        class Mine(Objective):
            def loss(self, batch, model, noise):
                return Loss(batch.points.flatten().view(3, -1, 7).mean())
    """
    tmp_plugin(code, objectives={"mine": "Mine"})
    asked = ("--env", "wall", "--objective", "mine", "--distance", "euclidean", "--scale", "smoke", "--out", "r")
    done = vgbench_cli("run", *asked)
    assert done.exit_code == 1
    first, own, rest = done.stderr[done.stderr.index("error: ") :].splitlines()
    assert first.endswith("loss raised") and rest.startswith("(vgx_mine.py, line")
    assert own.startswith("  RuntimeError: shape '[3, -1, 7]' is invalid for input of size")


def test_a_folder_of_runs_may_be_named_beside_its_suite(folder, vgbench_cli):
    root = folder / "runs" / "my_table-quick"
    run = {"labels": {"protocol": "maze", "recipe": "vf", "seed": 5}, "key": "k", "folder": "maze/vf/s5"}
    (root / "suite.json").write_text(json.dumps({"name": "my_table", "runs": [run]}))
    for named in ((), ("my_table.yaml",)):
        done = vgbench_cli("suite", *named, "--status", "runs/my_table-quick")
        assert done.exit_code == 0 and "1 runs: 1 waiting" in done.stdout, done.stderr
    other = vgbench_cli("suite", "paper_table_2", "--status", "runs/my_table-quick")
    assert other.exit_code == 2
    assert "--status runs/my_table-quick: it is the folder of my_table, not of paper_table_2" in other.stderr
