"""Several commands in one folder, shards, devices, executors of other packages, and where runs stand."""

import json
import os
import subprocess
import sys

import pytest

from vgbench.config.resolve import RunRequest, resolve
from vgbench.experiments.campaign import Campaign
from vgbench.experiments.cells import RunCell
from vgbench.experiments.executors.base import Resources
from vgbench.storage.lock import file_lock
from vgbench.storage.run_folder import RunFolder

TINY = ["data.trajectories=8", "train.steps=30", "train_predictor.steps=2", "evaluation.tasks=2", "mpc.max_steps=8"]
TINY += ["mpc.block_rows=64", "strided.stem=4", "strided.channels=4", "mlp.hidden=[16]", "model.latent_dim=16"]
SMALL = ["--scale", "smoke", "--device", "cpu", *(part for value in TINY for part in ("--set", value))]
SUITE = ["suite", "paper_table_2", *SMALL, "--only", "vf,vf_quasi,wall_big", "--out", "out"]


@pytest.fixture
def start(tmp_path, tmp_path_factory, vgbench_start):
    cache = tmp_path_factory.getbasetemp() / "cache"

    def call(*arguments, **variables):
        return vgbench_start(*arguments, cwd=tmp_path, VGBENCH_CACHE=str(cache), **variables)

    return call


def finished(process, code=0):
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    return out, err


def runs(folder):
    """Commands that made each run, and how often it was begun."""
    found = {}
    for path in sorted(folder.glob("*/*/s*/run.json")):
        run = json.loads(path.read_text())
        found[path.parent.relative_to(folder).as_posix()] = (run["argv"], 1 + len(run.get("resumed", [])))
    return found


@pytest.mark.slow
def test_two_commands_and_two_shards_in_one_folder_compute_each_run_once(start, tmp_path):
    commands = [
        [*SUITE, "--seeds", "0-1", "--workers", "1"],
        [*SUITE, "--seeds", "1-2", "--workers", "1"],
        [*SUITE, "--seeds", "0-2", "--shard", "1/2", "--workers", "1"],
        [*SUITE, "--seeds", "0-2", "--shard", "2/2", "--workers", "1"],
    ]
    for process in [start(*command) for command in commands]:
        finished(process)
    made = runs(tmp_path / "out")
    assert set(made) == {f"wall_big/{recipe}/s{seed}" for recipe in ("vf", "vf_quasi") for seed in range(3)}
    # Each was begun once, and by several commands together.
    assert {times for _, times in made.values()} == {1}
    assert len({tuple(argv) for argv, _ in made.values()}) > 1
    # The record has the runs of all commands.
    record = json.loads((tmp_path / "out" / "suite.json").read_text())
    assert {run["folder"] for run in record["runs"]} == set(made) and len(record["commands"]) == 4
    # Row by row what one command alone would have made.
    finished(start(*SUITE[:-1], "alone", "--seeds", "0-2", "--workers", "2"))
    for folder in made:
        rows = [(tmp_path / name / folder / "episodes.jsonl").read_bytes() for name in ("out", "alone")]
        assert rows[0] == rows[1]


def test_the_first_shard_notes_the_runs_of_all(vgbench_cli, tmp_path):
    folder = tmp_path / "runs"
    done = vgbench_cli(*SUITE, "--seeds", "0-2", "--shard", "2/6", "--workers", "1", "--out", folder)
    assert done.exit_code == 0, done.stderr
    told = vgbench_cli("suite", "--status", folder)
    assert told.stdout.splitlines()[-1] == "6 runs: 1 done, 5 waiting"
    # The others compute what they find waiting, under the same names.
    planned = vgbench_cli(*SUITE, "--seeds", "0-2", "--out", folder, "--dry-run", "--format", "json").json()
    states = json.loads(vgbench_cli("suite", "--status", folder, "--format", "json").stdout)
    assert {one["run"] for one in states} == {f"{p['protocol']}/{p['recipe']}/s{p['seed']}" for p in planned["runs"]}


def test_a_shard_is_every_nth_run_and_all_shards_are_all_runs(vgbench_cli):
    parts = []
    for number in (1, 2, 3):
        done = vgbench_cli(*SUITE, "--seeds", "0-2", "--shard", f"{number}/3", "--dry-run", "--format", "json")
        assert done.exit_code == 0, done.stderr
        parts.append([run["key"] for run in done.json()["runs"]])
    whole = vgbench_cli(*SUITE, "--seeds", "0-2", "--dry-run", "--format", "json").json()["runs"]
    assert sorted(key for part in parts for key in part) == sorted(run["key"] for run in whole)
    assert [len(part) for part in parts] == [2, 2, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "0/3"], "--shard 0/3: expected 1/3 to 3/3"),
        (["--shard", "4/3"], "--shard 4/3: expected 1/3 to 3/3"),
        (["--shard", "x"], "--shard x: expected I/N, as in 3/20"),
        (["--shard", "9/20"], "--shard 9/20: part 9 is empty: there are only 6 runs"),
        (["--devices", "gpu0"], "--devices gpu0: expected a list such as cuda:0,cuda:1"),
        (["--devices", "cpu,cuda:0"], "expected devices of one kind"),
        # No machine has so many.
        (["--devices", "cuda:0,cuda:998"], "--devices cuda:0,cuda:998: "),
        (["--devices", "cpu", "--workers", "2"], "--devices contradicts --workers"),
        (["--executor", "slrm"], "--executor: unknown value 'slrm'. Did you mean 'slurm'?"),
        (["--executor", "slurm", "--address", "host:1"], "slurm, or local to try it here"),
        (["--watch"], "--watch needs --status DIR"),
    ],
)
def test_mistakes_are_named_before_anything_runs(vgbench_cli, tmp_path, options, message):
    done = vgbench_cli(*SUITE, "--seeds", "0-2", *options)
    assert done.exit_code == 2 and message in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_devices_have_one_run_at_a_time_each(start, tmp_path):
    out, _ = finished(start(*SUITE, "--seeds", "0", "--devices", "cpu,cpu", "--format", "json"))
    assert [run["status"] for run in json.loads(out)["runs"]] == ["done", "done"]
    for path in (tmp_path / "out").glob("*/*/s0/result.json"):
        assert json.loads(path.read_text())["device"] == "cpu"


@pytest.mark.slow
def test_slurms_executor_through_submitit_on_this_machine(start, tmp_path):
    pytest.importorskip("submitit")
    options = ("--seeds", "0", "--executor", "slurm", "--address", "local", "--workers", "1", "--format", "json")
    out, _ = finished(start(*SUITE, *options, VGBENCH_SLURM="timeout_min=10"))
    assert [run["status"] for run in json.loads(out)["runs"]] == ["done", "done"]
    assert list((tmp_path / "out" / ".slurm").glob("*_0_log.out"))


def test_what_slurm_is_asked_for_is_read_first(vgbench_cli, monkeypatch, tmp_path):
    pytest.importorskip("submitit")
    monkeypatch.setenv("VGBENCH_SLURM", "gpu")
    done = vgbench_cli(*SUITE, "--seeds", "0", "--executor", "slurm")
    assert (
        done.exit_code == 2 and "VGBENCH_SLURM=gpu: expected NAME=VALUE,..., as in slurm_partition=gpu" in done.stderr
    )
    assert not list(tmp_path.iterdir())


EXECUTOR = """
    from vgbench.experiments.executors.base import Executor, JobResult


    class Refusing(Executor):
        slots = 2

        def __init__(self, place):
            self.jobs = []

        def submit(self, job):
            self.jobs.append(job)

        def finished(self, timeout):
            over, self.jobs = self.jobs, []
            return [JobResult(job, "failed", f"refused {job.folder}") for job in over]

        def stop(self):
            pass

        def close(self):
            pass
"""


def test_an_executor_of_another_package(tmp_plugin, vgbench_cli):
    tmp_plugin(EXECUTOR, raw="[vgbench.executors]\nrefusing = vgx_mine:Refusing\nbroken = vgx_mine:Nothing\n")
    done = vgbench_cli(*SUITE, "--seeds", "0", "--executor", "refusing", "--format", "json")
    assert done.exit_code == 1, done.stderr
    assert [run["reason"] for run in done.json()["runs"]] == [
        "refused out/wall_big/vf/s0",
        "refused out/wall_big/vf_quasi/s0",
    ]
    done = vgbench_cli(*SUITE, "--executor", "broken", "--out", "other")
    assert (
        done.exit_code == 2 and "--executor broken (vgx-mine 0.1): vgx_mine:Nothing cannot be imported" in done.stderr
    )


def test_where_the_runs_of_a_folder_stand(tmp_path, vgbench_cli):
    root = tmp_path / "out"
    names = {"done": 0, "failed": 1, "running": 2, "waiting": 3, "interrupted": 4}
    listed = [{"labels": {"protocol": "p", "recipe": "r", "seed": s}, "key": "k", "folder": f"s{s}"} for s in range(5)]
    root.mkdir()
    (root / "suite.json").write_text(json.dumps({"runs": [*listed, {"labels": {}, "folder": "old", "stale": True}]}))
    run = {"format": 1, "key": "k", "title": "t", "stages": {}, "identity": {}, "status": "started", "notes": []}
    for state, seed in names.items():
        folder = root / f"s{seed}"
        folder.mkdir()
        if state != "waiting":
            more = {"failed": {"status": "failed", "error": "diverged"}, "interrupted": {"status": "interrupted"}}
            (folder / "run.json").write_text(json.dumps(run | more.get(state, {})))
    result = {
        "key": "k",
        "success_rate": 0.5,
        "successes": 1,
        "n": 2,
        "ci95": [0.1, 0.9],
        "stages": {},
        "scale": "quick",
    }
    (root / "s0" / "result.json").write_text(json.dumps(result | {"run_dir": "x"}))
    (root / "s2" / "train.jsonl").write_text('{"stage": "encoder", "step": 40}\n')
    with file_lock(root / "s2" / ".lock"):
        done = vgbench_cli("suite", "--status", root, "--format", "json")
        assert done.exit_code == 0, done.stderr
        rows = {row["run"]: row for row in done.json()}
        assert {name: rows[f"p/r/s{seed}"]["state"] for name, seed in names.items()} == {name: name for name in names}
        assert rows["p/r/s2"]["where"] == "encoder, step 40" and rows["p/r/s1"]["why"] == "diverged"
        assert rows["p/r/s0"]["success_rate"] == 0.5
        shown = vgbench_cli("suite", "--status", root).stdout
        assert "5 runs: 1 done, 1 running, 1 interrupted, 1 failed, 1 waiting" in shown
    refused = vgbench_cli("suite", "--status", tmp_path)
    assert refused.exit_code == 2 and "it has no suite.json or sweep.json" in refused.stderr
    refused = vgbench_cli("suite", "--status", tmp_path / "later")
    assert refused.exit_code == 2 and "there is no such folder yet" in refused.stderr


def test_the_configuration_of_a_run_that_another_command_computes_is_left_alone(tmp_path):
    """As with another --memory: the same run, but another text, and run.json there has the hash of the first one."""

    def spec(memory):
        return resolve(RunRequest(protocol="wall_big", recipe="vf", scale="smoke", device="cpu", memory=memory))

    def prepared():
        campaign._job(cell, Resources(1), ["vgbench"], "token")
        return (folder / "config.yaml").read_text()

    folder = tmp_path / "wall_big" / "vf" / "s0"
    cell = RunCell({"run": "a"}, spec("2GB"), folder)
    campaign = Campaign("suite", "mine", "smoke", tmp_path, [cell])
    with RunFolder(folder).opened(spec("1GB"), []):
        own = (folder / "config.yaml").read_text()
        assert prepared() == own
    # Once it is free, the run is the second command's.
    assert prepared() != own


def test_locks_of_files_where_the_file_system_has_none(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_LOCKS", "files")
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    command = ["run", "--protocol", "wall_big", "--recipe", "vf", *SMALL, "--out", "run"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    done = vgbench_cli(*command)
    assert done.exit_code == 1 and "if no process is using it, delete run/.lock" in done.stderr
    (tmp_path / "run" / ".lock").unlink()
    assert vgbench_cli(*command).exit_code == 0 and not (tmp_path / "run" / ".lock").exists()
    monkeypatch.setenv("VGBENCH_LOCKS", "soft")
    done = vgbench_cli(*command[:-1], "other")
    assert done.exit_code == 2 and "VGBENCH_LOCKS=soft: expected flock or files" in done.stderr


NO_LOCKS = """
import errno, fcntl, sys
def none(*arguments):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = none
sys.argv = ["vgbench", *sys.argv[1:]]
from vgbench.cli import main
main()
"""


def without_locks(tmp_path, *arguments, **variables):
    environ = os.environ | {"VGBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"} | variables
    call = [sys.executable, "-c", NO_LOCKS, *arguments]
    return subprocess.run(call, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command",
    [
        ("run", "--env", "wall", "--recipe", "vf", "--scale", "smoke", "--out", "out"),
        ("suite", "paper_table_2", "--scale", "smoke", "--only", "vf,wall_big", "--num-seeds", "1", "--out", "out"),
    ],
    ids=lambda command: command[0],
)
def test_a_file_system_without_locks_says_what_to_do(command, tmp_path):
    done = without_locks(tmp_path, *command)
    assert done.returncode == 2 and done.stderr.count("error:") == 1, done.stderr
    assert "--out out: cannot write there: the file system has no locks (No locks available)" in done.stderr
    assert "set VGBENCH_LOCKS=files" in done.stderr
    assert not (tmp_path / "out" / "run.json").exists()


def test_without_locks_of_the_file_system_those_of_files_do(tmp_path):
    command = ("run", "--protocol", "wall_big", "--recipe", "vf", *SMALL, "--out", "run", "--format", "json")
    done = without_locks(tmp_path, *command, VGBENCH_LOCKS="files")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "run" / ".lock").exists() and (tmp_path / "run" / "result.json").exists()
