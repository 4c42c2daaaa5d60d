"""The command line, by its real output."""

import json
import os
import re
import resource
import subprocess
import sys

import pytest
from matplotlib.figure import Figure

import vgbench
from vgbench.plugin.entry import GROUPS

# Not pydantic: typer itself imports it (0.29), to read its options.
HEAVY = ("torch", "numpy", "mujoco", "h5py", "scipy", "matplotlib", "vgbench_plugins", "vgbench.api")
OPTIONS = {"--env", "--protocol", "--recipe", "--objective", "--distance", "--planner", "--encoder", "--predictor"}
OPTIONS |= {"--training", "--scale", "--seed", "--data-seed", "--task-seed", "--device", "--out", "--config", "--set"}
OPTIONS |= {"--format", "--dry-run", "--debug"}
TINY = [  # of scale smoke, which is small already
    "data.trajectories=8",
    "train.steps=2",
    "train_predictor.steps=2",
    "evaluation.tasks=2",
    "mpc.max_steps=4",
    "mpc.block_rows=64",
    "strided.stem=4",
    "strided.channels=4",
    "mlp.hidden=[16]",
    "model.latent_dim=16",
    "iqe.component_dim=4",
]
RUN = ["run", "--env", "wall", "--objective", "iql", "--distance", "iqe", "--scale", "smoke", "--device", "cpu"]
RUN += [part for value in TINY for part in ("--set", value)]


def cpu_seconds(code, runs=5):
    """Least CPU time, user and system, of a Python process."""
    times = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


# list


def test_list_imports_nothing_heavy_and_no_plugin(tmp_plugin):
    folder = tmp_plugin("raise RuntimeError('imported')", objectives={"mine": "Mine"})
    code = f"""
import sys
sys.argv = ["vgbench", "list", "--format", "json"]
from vgbench.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print([name for name in {(*HEAVY, "vgx_mine")!r} if name in sys.modules], file=sys.stderr)
"""
    env = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stderr.strip() == "[]"
    assert {"mine"} <= {row["name"] for row in json.loads(done.stdout)}


def test_list_starts_fast():
    listing = "import sys; sys.argv = ['vgbench', 'list']; from vgbench.cli import main; main()"
    assert cpu_seconds(listing) - cpu_seconds("pass") < 0.4


def test_list_json(vgbench_process):
    rows = json.loads(vgbench_process("list", "--format", "json", cold=True).stdout)
    assert all(set(row) == {"kind", "name", "dist", "version", "summary"} for row in rows)
    assert all(row["summary"] for row in rows if row["dist"] == "vgbench")
    assert {row["kind"] for row in rows} == {*GROUPS, "recipe", "protocol", "variant", "suite", "sweep"}
    assert {("objective", "iql"), ("recipe", "vf_quasi"), ("protocol", "wall_small")} <= {
        (row["kind"], row["name"]) for row in rows
    }
    assert {row["version"] for row in rows if row["dist"] == "vgbench"} == {vgbench.__version__}


def test_list_of_one_kind_as_a_table(vgbench_cli):
    for kind in ("distance", "distances"):
        lines = vgbench_cli("list", kind).stdout.splitlines()
        assert [line.split()[:2] for line in lines[1:]] == [
            ["distance", "euclidean"],
            ["distance", "iqe"],
            ["distance", "two_level"],
        ]


def test_list_is_whole_when_piped_and_shows_strangers(tmp_plugin, vgbench_cli):
    name = "a_name_that_is_rather_long_" * 5
    tmp_plugin("", objectives={name: "Mine", "iql": "Mine"}, dist="vgx-mine")
    result = vgbench_cli("list")
    assert name in result.stdout and "vgx-mine:iql" in result.stdout and "of vgx-mine" in result.stdout
    assert "shares its name with another plugin; use vgx-mine:iql" in result.stderr


# show


@pytest.mark.parametrize("kind", GROUPS)
def test_show_works_for_every_plugin(vgbench_cli, kind):
    for row in vgbench_cli("list", kind, "--format", "json").json():
        about = vgbench_cli("show", kind, row["name"], "--format", "json").json()
        assert about["name"] == row["name"] and about["summary"] == row["summary"]
        for parameter in about["parameters"]:
            assert set(parameter) >= {"name", "type", "range", "default", "meaning"}
            assert parameter["meaning"], f"{row['name']}.{parameter['name']} has no description"


def test_show_parameters(vgbench_cli):
    about = vgbench_cli("show", "objective", "iql", "--format", "json").json()
    tau = next(row for row in about["parameters"] if row["name"] == "tau")
    assert (tau["type"], tau["range"], tau["default"]) == ("number", "> 0.0, < 1.0", 0.8)
    table = vgbench_cli("show", "objective", "iql").stdout
    assert re.search(r"^tau +number +> 0\.0, < 1\.0 +0\.8 +expectile", table, re.MULTILINE)


def test_show_lists_with_type_and_range_of_their_elements(vgbench_cli):
    about = vgbench_cli("show", "network", "impala", "--format", "json").json()
    channels = next(row for row in about["parameters"] if row["name"] == "channels")
    assert (channels["type"], channels["range"]) == ("list of whole numbers", "at least 1 values, each > 0")
    about = vgbench_cli("show", "protocol", "maze", "--format", "json").json()
    hidden = next(row for row in about["values"] if row["name"] == "mlp.hidden")
    assert (hidden["type"], hidden["range"]) == ("list of whole numbers", "each > 0")


@pytest.mark.parametrize("kind", ["recipe", "protocol", "variant", "suite", "sweep"])
def test_show_what_is_in_the_registry_file(vgbench_cli, kind):
    for row in vgbench_cli("list", kind, "--format", "json").json():
        about = vgbench_cli("show", kind, row["name"], "--format", "json").json()
        assert about["summary"] == row["summary"]
        columns = {"choice", "for"} if kind == "variant" else {"type", "default", "meaning"}
        assert all({"name", "value", *columns} <= set(value) for value in about.get("values", ()))
        assert vgbench_cli("show", kind, row["name"]).exit_code == 0


def test_show_settings(vgbench_cli):
    assert "lr" in vgbench_cli("show", "setting", "train").stdout
    assert "Did you mean 'train'?" in vgbench_cli("show", "setting", "tran").stderr


# errors


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run"], "missing --env NAME or --protocol NAME"),
        (["run", "--env", "wal", "--recipe", "vf"], "Did you mean 'wall'?"),
        (["run", "--env", "wall", "--recipe", "vff"], "Did you mean 'vf'?"),
        (
            ["run", "--env", "wall", "--recipe", "vf", "--set", "iql.tau=1.2"],
            "tau of objective 'iql' (vgbench 0.1.0) must",
        ),
        (["run", "--env", "wall", "--recipe", "vf", "--format", "xml"], "--format: unknown value 'xml'"),
        (["run", "--config", "nowhere.yaml"], "--config nowhere.yaml: there is no such file"),
        (["list", "objectve"], "Did you mean 'objective'?"),
        (["new", "loss", "mine"], "error: KIND: unknown value 'loss'."),
        (["show", "bus", "mine"], "error: KIND: unknown value 'bus'."),
        (["report", "nope"], "error: DIR nope: there is no such folder; expected a folder with runs."),
        (["show", "objective", "ilq"], "Did you mean 'iql'?"),
        (["collect", "--env", "wall", "--out", "x.h5", "--preview", "x.gif"], "expected a name that ends in .png"),
        (["collect", "--env", "wall", "--out", "x.h5", "--set", "iql.tau=.5"], "has no part in collecting data"),
        (
            ["run", "--env", "wall", "--recipe", "vf", "--data", "none.h5"],
            "error: --data none.h5: no data set at none.h5",
        ),
        (["run", "--env", "wall", "--recipe", "vf", "--data", "."], "error: --data .: . is a folder"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(vgbench_cli, args, message):
    result = vgbench_cli(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ") and len(result.stderr.splitlines()) == 1
    assert message in result.stderr


def test_options_that_do_not_exist_exit_2(vgbench_cli):
    assert vgbench_cli("run", "--objectiv", "iql").exit_code == 2
    assert vgbench_cli("rum").exit_code == 2


def test_broken_plugin_is_one_message_and_debug_shows_the_traceback(tmp_plugin, vgbench_process):
    folder = tmp_plugin("import does_not_exist", objectives={"broken": "Broken"}, dist="vgx-broken")
    args = ["run", "--env", "wall", "--objective", "broken", "--distance", "iqe"]
    done = vgbench_process(*args, PYTHONPATH=str(folder))
    assert done.returncode == 2
    assert done.stderr == (
        "error: objective 'broken' from vgx-broken 0.1 failed to import (vgx_broken:Broken): "
        "ModuleNotFoundError: No module named 'does_not_exist'\n"
    )
    debug = vgbench_process(*args, "--debug", PYTHONPATH=str(folder))
    assert debug.returncode == 2 and "Traceback" in debug.stderr
    assert vgbench_process("list", cold=True, PYTHONPATH=str(folder)).returncode == 0


def test_unforeseen_errors_are_short_and_exit_1(vgbench_cli, monkeypatch):
    monkeypatch.setattr("vgbench.config.resolve.resolve", lambda request: 1 / 0)
    result = vgbench_cli("run")
    assert result.exit_code == 1
    assert result.stderr == "error: ZeroDivisionError: division by zero (run again with --debug for the traceback)\n"


def test_interrupt_exits_130(vgbench_cli, monkeypatch):
    def interrupted(request):
        raise KeyboardInterrupt

    monkeypatch.setattr("vgbench.config.resolve.resolve", interrupted)
    result = vgbench_cli("run")
    assert result.exit_code == 130 and "interrupted" in result.stderr


# help


def test_help_and_version(vgbench_process):
    assert vgbench_process("--version").stdout == f"vgbench {vgbench.__version__}\n"
    text = vgbench_process("run", "--help", cold=True).stdout
    options = re.findall(r"^  .*?(--[a-z-]+)", text, re.MULTILINE)
    assert set(options) >= OPTIONS
    assert "Examples:" in text


# run


def test_dry_run_shows_values_sources_and_costs(vgbench_cli):
    args = ["run", "--env", "wall", "--objective", "iql", "--distance", "iqe", "--dry-run"]
    result = vgbench_cli(*args)
    assert result.exit_code == 0
    for line in (
        r"recipe +vf_quasi +matched",
        r"iql\.tau +0\.6 +recipe vf_quasi",
        r"wall\.step +big +protocol wall_big",
        r"mppi\.samples +32 +protocol wall_big, scale quick",
        r"iql\.random_goals +6 +default",
        r"vcreg\.axes +batch +variant literal",
        r"predictor evaluations +\S+",
        r"FLOPs +\S+",
        r"memory +\S+ MiB",
        r"time on this machine +\S+",
    ):
        assert re.search(f"^{line}", result.stdout, re.MULTILINE), line
    assert "recipe vf_quasi gives the values" in result.stderr
    plan = vgbench_cli(*args, "--format", "json").json()
    assert plan["values"]["iql.tau"] == {"value": 0.6, "source": "recipe vf_quasi"}
    assert plan["unused"]["vcreg.axes"]["value"] == "batch"
    assert set(plan["estimates"]) >= {"predictor_evaluations", "flops", "memory_bytes", "seconds"}


@pytest.mark.parametrize("planner", ["mppi", "cem", "icem"])
def test_the_estimate_of_evaluations_is_what_a_run_without_success_takes(vgbench_cli, tmp_path, monkeypatch, planner):
    """Rounds of icem shrink; plans are made 7, 4 and 1 steps before the end, and look 5, 4 and 1 ahead."""
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    sets = ["data.trajectories=8", "train.steps=1", "train_predictor.steps=1", "evaluation.tasks=2", "mpc.max_steps=7"]
    sets += ["strided.stem=4", "strided.channels=4", "mlp.hidden=[16]", "model.latent_dim=16", "mpc.replan_every=3"]
    sets += [f"{planner}.samples=40", f"{planner}.horizon=5", f"{planner}.iterations=3", "evaluation.stop=never"]
    args = ["run", "--env", "wall", "--recipe", "vf", "--planner", planner, "--scale", "smoke", "--device", "cpu"]
    args += [part for value in sets for part in ("--set", value)]
    expected = vgbench_cli(*args, "--dry-run", "--format", "json").json()["estimates"]["predictor_evaluations"]
    rounds = {"mppi": [40, 40, 40], "cem": [40, 40, 40], "icem": [40, 32, 25]}[planner]
    assert expected == 2 * sum(rounds) * (5 + 4 + 1)
    assert vgbench_cli(*args, "--out", "out", "--format", "json").json()["predictor_evaluations"] == expected


def test_estimates_count_the_frames_of_strided_windows(vgbench_cli):
    """Trajectories of 64 states hold windows of 16, or of 6 that are 10 steps apart; joint training encodes both."""

    def flops(recipe, stride, stage):
        sets = ["--set", f"iql.stride={stride}", "--set", "train.steps=372"]
        args = ["run", "--env", "wall", "--recipe", recipe, *sets, "--dry-run"]
        return vgbench_cli(*args, "--format", "json").json()["estimates"]["flops_by_stage"][stage]

    assert flops("vf", 10, "encoder") == pytest.approx(flops("vf", 1, "encoder") * 6 / 16)
    assert flops("vf_pred", 10, "joint") - flops("vf_pred", 1, "joint") == pytest.approx(flops("vf", 10, "encoder"))


def test_run_prints_its_result_and_again(vgbench_process, tmp_path):
    cache = {"VGBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    done = vgbench_process(*RUN, "--format", "json", cold=True, PYTHONPROFILEIMPORTTIME="1", **cache)
    assert done.returncode == 0, done.stderr
    # PyTorch's compiler takes longer to load than all of vgbench, and nothing is compiled without --compile.
    assert re.search(r"\| +torch\.optim$", done.stderr, re.MULTILINE)
    assert re.findall(r"\| +(torch\._dynamo|pandas)$", done.stderr, re.MULTILINE) == []
    result = json.loads(done.stdout)
    assert set(result) >= {"success_rate", "successes", "n", "ci95", "run_dir", "recipe", "stages"}
    assert result["recipe"] == "vf_quasi" and result["n"] == 2
    assert all({"seconds", "cpu_seconds"} <= set(stage) for stage in result["stages"].values())
    assert "note: smoke scale: results are not meaningful" in done.stderr

    again = vgbench_process(*RUN, "--format", "json", **cache)
    assert again.returncode == 0 and json.loads(again.stdout) == result

    table = vgbench_process(*RUN, **cache).stdout.splitlines()
    assert table[0] == "wall_big, vf_quasi, scale smoke"
    assert "not meaningful" in table[1]
    assert re.match(r"success +\d?\.\d\d \[\d?\.\d\d, \d?\.\d\d\] +\d of 2", table[2])
    assert table[-1] == result["run_dir"]
    run_dir = tmp_path / "process" / result["run_dir"]
    config = vgbench_process("run", "--config", str(run_dir / "config.yaml"), "--format", "json", **cache)
    assert json.loads(config.stdout) == result


# collect


def test_collect_makes_the_folders_of_its_files_and_checks_them_first(vgbench_cli, tmp_path):
    args = ["collect", "--env", "wall", "--scale", "smoke", "--out", "new/data.h5"]
    (tmp_path / "file").write_text("")
    for bad in ("file/data.png", "/proc/data.png"):
        result = vgbench_cli(*args, "--preview", bad)
        assert result.exit_code == 2 and f"error: --preview {bad}: cannot write there: " in result.stderr
        assert not (tmp_path / "new" / "data.h5").exists()
    result = vgbench_cli(*args, "--preview", "pictures/of/data.png")
    assert result.exit_code == 0, result.stderr
    assert [path.name for path in (tmp_path / "pictures" / "of").iterdir()] == ["data.png"]


def test_collect_says_plainly_why_it_cannot_write(vgbench_cli):
    result = vgbench_cli("collect", "--env", "wall", "--scale", "smoke", "--out", "/proc/w.h5")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "error: --out /proc/w.h5: cannot write there: No such file or directory"


@pytest.mark.parametrize("env", ["wall", "maze"])
def test_collect(vgbench_cli, env, tmp_path, monkeypatch):
    written = []
    save = Figure.savefig

    def look(figure, *args, **kwargs):
        written.extend([figure.get_suptitle(), *(a.get_ylabel() for a in figure.axes if a.get_ylabel())])
        return save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", look)
    args = ["collect", "--env", env, "--trajectories", "10", "--set", "data.length=20", "--out", "data.h5"]
    result = vgbench_cli(*args, "--preview", "data.png", "--format", "json")
    assert result.exit_code == 0, result.stderr
    about = result.json()
    assert (about["trajectories"], about["length"], about["environment"]) == (10, 20, env)
    assert (tmp_path / "data.h5").exists()
    assert (tmp_path / "data.png").read_bytes().startswith(b"\x89PNG")
    assert written == [f"{env}: 10 trajectories of 20 states, data seed 0", *(f"trajectory {n}" for n in range(6))]
    again = vgbench_cli(*args)
    assert again.exit_code == 2 and "exists already" in again.stderr
