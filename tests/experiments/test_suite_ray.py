"""`vgbench suite --executor ray` with a real Ray on this machine."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vgbench.experiments.executors.base import Job
from vgbench.experiments.worker import perform

SMALL = ["--scale", "smoke", "--device", "cpu", "--set", "mpc.max_steps=8", "--set", "evaluation.tasks=2"]
SUITE = ["suite", "paper_table_2", *SMALL, "--only", "vf,wall_big", "--out", "out"]
# Of the clusters that are started here; without it Ray would write one into the home folder.
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
RAY = [*SUITE, "--executor", "ray", "--workers", "2"]


@pytest.fixture
def vgbench(tmp_path, tmp_path_factory):
    """Start `python -m vgbench` in an empty folder; checkpoints after every step."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    variables = {"VGBENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1", "VGBENCH_CHECKPOINT_SECONDS": "0", **TOKEN}

    def start(*arguments, **more):
        command = [sys.executable, "-m", "vgbench", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(
            command, cwd=tmp_path, env=os.environ | variables | more, start_new_session=True, **pipes
        )

    def run(*arguments, code=0, **more):
        process = start(*arguments, **more)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, err
        return out, err

    run.start = start
    return run


def rows(folder):
    return [json.loads(line) for line in (Path(folder) / "episodes.jsonl").read_text().splitlines()]


def wait_for(condition, process, seconds=180):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


def cell_processes(folder):
    """Processes of Ray that compute a cell in `folder`: they have its log open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(entry.readlink() == folder / "log.txt" for entry in (process / "fd").iterdir()):
                found.append(int(process.name))
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


def test_without_ray_it_says_what_to_install(vgbench, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "ray.py").write_text("raise ImportError('no ray here')")
    _, err = vgbench(*RAY, code=2, PYTHONPATH=str(tmp_path / "site"))
    assert '--executor ray: Ray is not installed (no ray here); run `pip install -c constraints.txt ".[ray]"`' in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [None, "another"])
def test_a_worker_that_sees_another_disk_says_so(tmp_path, content, capsys):
    if content:
        (tmp_path / ".token").write_text(content)
    ending = perform(Job(str(tmp_path / "cell"), "key", str(tmp_path), "token", cwd=str(tmp_path)))
    assert ending["outcome"] == "failed" and "share" in ending["reason"] and str(tmp_path) in ending["reason"]
    assert not (tmp_path / "cell").exists()


def test_a_worker_with_other_versions_says_so(tmp_path, vgbench_cli):
    plan = vgbench_cli("run", "--protocol", "wall_big", "--recipe", "vf", "--dry-run", "--format", "json").json()
    (tmp_path / ".token").write_text("token")
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / "config.yaml").write_text(json.dumps(plan["config"]))
    ending = perform(Job("cell", "0" * 8, str(tmp_path), "token", cwd=str(tmp_path)))
    assert ending["outcome"] == "failed" and plan["key"] in ending["reason"] and "versions" in ending["reason"]


@pytest.mark.slow
def test_the_same_rows_as_on_the_local_executor(vgbench, tmp_path):
    pytest.importorskip("ray")
    out, err = vgbench(*RAY, "--num-seeds", "2", "--format", "json")
    assert [cell["status"] for cell in json.loads(out)["runs"]] == ["done", "done"]
    vgbench(*SUITE, "--num-seeds", "2", "--out", "local")
    for seed in (0, 1):
        one, other = (tmp_path / out / "wall_big" / "vf" / f"s{seed}" for out in ("out", "local"))
        assert rows(one) == rows(other)
        assert (one / "train.jsonl").read_text() == (other / "train.jsonl").read_text()
        assert json.loads((one / "result.json").read_text())["threads"] == 1
    assert "ray" not in err.lower()  # none of its notices


@pytest.mark.slow
def test_a_killed_worker_s_cell_goes_on(vgbench, tmp_path):
    pytest.importorskip("ray")
    folder = tmp_path / "out" / "wall_big" / "vf" / "s0"
    process = vgbench.start(*RAY, "--num-seeds", "1", "--set", "train.steps=40")
    wait_for((folder / "checkpoints" / "encoder.pt").exists, process)
    (worker,) = cell_processes(folder)
    os.kill(worker, signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "resumes" in err
    assert json.loads((folder / "run.json").read_text())["resumed"]
    vgbench("run", "--protocol", "wall_big", "--recipe", "vf", *SMALL, "--set", "train.steps=40", "--out", "alone")
    assert rows(folder) == rows(tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_of_six_runs_each_is_computed_once_though_a_worker_is_killed(vgbench, tmp_path):
    pytest.importorskip("ray")
    process = vgbench.start(*RAY, "--num-seeds", "6", "--set", "train.steps=20")

    def halfway():
        """A run that is training while another one is done already."""
        begun = [path.parents[1] for path in sorted(tmp_path.glob("out/wall_big/vf/s*/checkpoints/encoder.pt"))]
        done = [folder for folder in begun if (folder / "result.json").exists()]
        at_work = [(f, found) for f in begun if f not in done and (found := cell_processes(f))]
        return at_work and done and at_work[0]

    folder, (worker,) = wait_for(halfway, process, 900)
    os.kill(worker, signal.SIGKILL)
    _, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    again = []
    for seed in range(6):
        run = tmp_path / "out" / "wall_big" / "vf" / f"s{seed}"
        record = json.loads((run / "run.json").read_text())
        assert record["status"] == "done" and json.loads((run / "result.json").read_text())["n"] == 2
        again += [run] if record.get("resumed") else []
        # No task is played twice, and no step of training logged twice.
        assert [row["task"] for row in rows(run)] == [0, 1]
        steps = [(row["stage"], row["step"]) for row in map(json.loads, (run / "train.jsonl").open())]
        assert len(steps) == len(set(steps)) and ("encoder", 20) in steps
    assert again == [folder]


@pytest.mark.slow
def test_a_terminal_s_ctrl_c_saves_and_the_local_executor_goes_on(vgbench, tmp_path):
    pytest.importorskip("ray")
    folder = tmp_path / "out" / "wall_big" / "vf" / "s0"
    process = vgbench.start(*RAY, "--num-seeds", "1", "--set", "train.steps=40")
    wait_for((folder / "checkpoints" / "encoder.pt").exists, process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert not cell_processes(folder)
    vgbench(*SUITE, "--num-seeds", "1", "--set", "train.steps=40")
    vgbench("run", "--protocol", "wall_big", "--recipe", "vf", *SMALL, "--set", "train.steps=40", "--out", "alone")
    assert rows(folder) == rows(tmp_path / "alone")


HEAD = """
import os, sys, ray
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
ray.init("local", num_cpus=2, object_store_memory=80 * 2**20, include_dashboard=False, log_to_driver=False)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_an_existing_cluster_by_its_address(vgbench, tmp_path):
    pytest.importorskip("ray")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    # Its workers start in another folder.
    head = subprocess.Popen([sys.executable, "-c", HEAD], cwd="/", env=os.environ | TOKEN, **pipes)
    try:
        address = head.stdout.readline().strip()
        out, _ = vgbench(*SUITE, "--executor", "ray", "--address", address, "--num-seeds", "1", "--format", "json")
        assert json.loads(out)["runs"][0]["status"] == "done"
        assert head.poll() is None  # it is left running
    finally:
        head.stdin.close()
        head.wait(timeout=60)


def test_an_address_where_nobody_listens(vgbench, tmp_path):
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for form in (address, f"ray://{address}"):
        _, err = vgbench(*SUITE, "--executor", "ray", "--address", form, code=1)
        assert f"--address {form}: no Ray cluster answers there" in err
    assert [path.name for path in (tmp_path / "out").glob("*")] in ([], ["suite.json"])  # no run was begun
