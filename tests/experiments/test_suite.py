"""`vgbench suite` in processes of its own: cells, resuming, failures, refusals."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

TINY = [  # of scale smoke, which is small already
    "data.trajectories=8",
    "train.steps=40",
    "train_predictor.steps=2",
    "evaluation.tasks=2",
    "mpc.max_steps=8",
    "mpc.block_rows=64",
    "strided.stem=4",
    "strided.channels=4",
    "mlp.hidden=[16]",
    "model.latent_dim=16",
]
SETS = [part for value in TINY for part in ("--set", value)]
SMALL = ["--scale", "smoke", "--device", "cpu", *SETS]
SUITE = ["suite", "paper_table_2", *SMALL, "--only", "vf,wall_big", "--out", "out"]
TWO = [*SUITE, "--only", "vf_quasi"]


@pytest.fixture
def vgbench(tmp_path, tmp_path_factory, vgbench_start):
    """Start `vgbench` in an empty folder; checkpoints after every step. Its workers are interpreters of their own."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    variables = {"VGBENCH_CACHE": str(cache), "VGBENCH_CHECKPOINT_SECONDS": "0"}

    def start(*arguments):
        return vgbench_start(*arguments, cwd=tmp_path, **variables)

    def run(*arguments, code=0):
        process = start(*arguments)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, err
        return out, err

    run.start = start
    return run


def rows(folder):
    return [json.loads(line) for line in (Path(folder) / "episodes.jsonl").read_text().splitlines()]


@pytest.fixture
def alone(vgbench_start, made_once):
    """Folder of the cell vf with seed 0, as an ordinary run makes it."""

    def make(folder):
        command = ["run", "--protocol", "wall_big", "--recipe", "vf", *SMALL, "--out", "out"]
        process = vgbench_start(*command, cwd=folder, VGBENCH_CACHE=str(folder / "cache"))
        _, err = process.communicate()
        assert process.returncode == 0, err

    return made_once("cell", make) / "out"


def load(path):
    return json.loads(path.read_text())


def children(process):
    """Processes that a process has started."""
    task = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in task.read_text().split()]


def wait_for(path, process, seconds=120):
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, f"ended before {path.name}: {process.stderr.read()}"
        assert time.monotonic() < end, f"no {path.name} after {seconds} s"
        time.sleep(0.005)


def test_cells_are_ordinary_runs_and_complete_ones_are_skipped(vgbench, tmp_path, alone):
    out, err = vgbench(*TWO, "--num-seeds", "1", "--format", "json")
    answer = json.loads(out)
    cells = {(c["protocol"], c["recipe"], c["seed"]): c for c in answer["runs"]}
    assert set(cells) == {("wall_big", "vf", 0), ("wall_big", "vf_quasi", 0)}
    assert all(c["status"] == "done" and c["n"] == 2 for c in cells.values())
    folder, other = (tmp_path / "out" / "wall_big" / recipe / "s0" for recipe in ("vf", "vf_quasi"))
    assert cells["wall_big", "vf", 0]["folder"] == str(folder.relative_to(tmp_path))
    assert "[2/2]" in err and "left" in err
    result = load(folder / "result.json")
    assert result["key"] == load(alone / "result.json")["key"] and result["threads"] == 1
    assert rows(folder) == rows(alone)
    assert result["data"]["fingerprint"] == load(other / "result.json")["data"]["fingerprint"]

    before = (folder / "result.json").stat().st_mtime_ns
    out, err = vgbench(*TWO, "--num-seeds", "1")
    assert err.count("complete") == 2 and out.count("complete") == 2
    assert out.splitlines()[-1] == "out"
    assert (folder / "result.json").stat().st_mtime_ns == before


def test_other_values_go_beside_and_the_record_says_which_are_stale(vgbench, tmp_path):
    command = [*SUITE, "--num-seeds", "1"]
    vgbench(*command)
    first = json.loads((tmp_path / "out/wall_big/vf/s0/result.json").read_text())
    out, err = vgbench(*command, "--set", "mppi.samples=16", "--format", "json")
    cell = json.loads(out)["runs"][0]
    assert cell["folder"] == f"out/wall_big/vf/s0-{cell['key']}" and cell["status"] == "done"
    assert "stale" in err and "out/wall_big/vf/s0 " in err
    assert json.loads((tmp_path / "out/wall_big/vf/s0/result.json").read_text()) == first

    def stale():
        cells = json.loads((tmp_path / "out/suite.json").read_text())["runs"]
        return {c["folder"]: c["stale"] for c in cells}

    assert stale() == {"wall_big/vf/s0": True, f"wall_big/vf/s0-{cell['key']}": False}
    vgbench(*command)
    assert stale() == {"wall_big/vf/s0": False, f"wall_big/vf/s0-{cell['key']}": True}


def test_it_goes_on_past_a_failed_cell_and_tries_it_again(vgbench, tmp_path):
    command = [*TWO, "--num-seeds", "1"]
    broken = tmp_path / "out/wall_big/vf/s0/checkpoints/encoder.pt"
    broken.parent.mkdir(parents=True)
    (tmp_path / "out/suite.json").write_text(
        json.dumps({"format": 2, "name": "paper_table_2", "scale": "smoke", "runs": [], "commands": []})
    )
    broken.write_bytes(b"not a checkpoint")
    out, _ = vgbench(*command, "--format", "json", code=1)
    cells = {c["recipe"]: c for c in json.loads(out)["runs"]}
    assert cells["vf"]["status"] == "failed" and "encoder.pt" in cells["vf"]["reason"]
    assert cells["vf_quasi"]["status"] == "done"
    assert "encoder.pt" in (tmp_path / "out/wall_big/vf/s0/log.txt").read_text()
    broken.unlink()
    out, _ = vgbench(*command, "--keep-failed", code=1)
    assert "failed" in out and not (tmp_path / "out/wall_big/vf/s0/result.json").exists()
    out, _ = vgbench(*command)
    assert "done" in out and "complete" in out


def test_a_killed_worker_loses_only_its_cell_which_goes_on(vgbench, tmp_path, alone):
    command = [*SUITE, "--num-seeds", "1"]
    process = vgbench.start(*command)
    wait_for(tmp_path / "out/wall_big/vf/s0/checkpoints/encoder.pt", process)
    (worker,) = children(process)
    os.kill(worker, signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "SIGKILL" in err and "resumes" in err
    assert json.loads((tmp_path / "out/wall_big/vf/s0/run.json").read_text())["resumed"]
    assert rows(tmp_path / "out/wall_big/vf/s0") == rows(alone)


def gone(pid, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_itself_it_leaves_no_process_and_goes_on(vgbench, tmp_path, alone, number):
    command = [*SUITE, "--num-seeds", "1"]
    process = vgbench.start(*command)
    wait_for(tmp_path / "out/wall_big/vf/s0/checkpoints/encoder.pt", process)
    (worker,) = children(process)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert gone(worker)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL), err
    assert not (tmp_path / "out/wall_big/vf/s0/result.json").exists()
    assert json.loads((tmp_path / "out/wall_big/vf/s0/run.json").read_text())["status"] == "interrupted"
    out, _ = vgbench(*command, "--format", "json")
    assert [c["status"] for c in json.loads(out)["runs"]] == ["done"]
    assert rows(tmp_path / "out/wall_big/vf/s0") == rows(alone)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["paper_table_3"], ["no suite named", "paper_table_2"]),
        (["paper_table_2", "--only", "vf_quasy"], ["--only vf_quasy", "vf_quasi"]),
        (["paper_table_2", "--only", ","], ["--only ,: expected names of recipes or protocols"]),
        (["paper_table_2", "--only", "two_space,maze"], ["--only two_space,maze", "two_space on wall_small"]),
        (["paper_table_2", "--seeds", "x"], ["--seeds x", "0-4", "5x"]),
        (["paper_table_2", "--seeds", "4-0"], ["--seeds 4-0", "0,2 or 0-4"]),
        (["paper_table_2", "--seeds", "0-1000000"], ["--seeds 0-1000000", "expected seeds such as"]),
        (["paper_table_2", "--seeds", "0x"], ["--num-seeds 0", "from 1 to 1000"]),
        (["paper_table_2", "--seeds", "0", "--num-seeds", "2"], ["--num-seeds 2 contradicts --seeds 0"]),
        (["paper_table_2", "--seeds", "0-2,1"], ["--seeds 0-2,1", "duplicate"]),
        (["paper_table_2", "--seeds", "1,1"], ["--seeds 1,1", "duplicate"]),
        (["paper_table_2", "--workers", "0"], ["--workers 0"]),
        (["paper_table_2", "--executor", "slrm"], ["--executor", "slurm"]),
        (["paper_table_2", "--address", "auto"], ["--address auto", "--executor ray"]),
        (["paper_table_2", "--scale", "smok"], ["--scale", "smoke"]),
        (["paper_table_2", *SMALL, "--set", "iql.tau=1.5"], ["run wall_small/vf/s0", "iql.tau=1.5"]),
        (["paper_table_2", *SMALL, "--set", "iql.tua=0.5"], ["run wall_small/vf/s0", "tua", "tau"]),
        (["paper_table_2", *SMALL, "--set", "hilp.tau=0.5"], ["no plugin or setting", "hilp"]),
        (
            ["paper_table_2", *SMALL, "--only", "pred_vcreg,wall_big", "--set", "iql.tau=0.5"],
            ["run wall_big/pred_vcreg/s0", "iql", "not part of this run"],
        ),
        (["paper_table_2", *SMALL, "--set", "train.window=65"], ["run wall_small/contrastive/s0"]),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(vgbench_cli, tmp_path, arguments, words):
    result = vgbench_cli("suite", *arguments)
    assert result.exit_code == 2
    for word in words:
        assert word in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_of_something_else_is_refused(vgbench_cli, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    result = vgbench_cli(*SUITE)
    assert result.exit_code == 2 and "precious" in result.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["precious"]


def test_dry_run_shows_cells_and_writes_nothing(vgbench_cli, tmp_path):
    result = vgbench_cli(*TWO, "--seeds", "0,2", "--dry-run", "--format", "json")
    cells = result.json()["runs"]
    assert [(c["recipe"], c["seed"], c["state"]) for c in cells] == [
        ("vf", 0, "new"),
        ("vf", 2, "new"),
        ("vf_quasi", 0, "new"),
        ("vf_quasi", 2, "new"),
    ]
    assert len({c["key"] for c in cells}) == 4
    assert not list(tmp_path.iterdir())


def test_what_the_cells_will_cost(vgbench_cli, tmp_path):
    result = vgbench_cli(*TWO, "--seeds", "0,", "--dry-run", "--estimate", "--format", "json")
    for cell in result.json()["runs"]:
        one = ["run", "--protocol", "wall_big", "--recipe", cell["recipe"], *SMALL, "--dry-run", "--format", "json"]
        assert cell["flops"] == vgbench_cli(*one).json()["estimates"]["flops"] > 0
    assert "TIME" in vgbench_cli(*TWO, "--seeds", "0,", "--dry-run", "--estimate").stdout
    refused = vgbench_cli(*TWO, "--estimate")
    assert refused.exit_code == 2 and "--estimate needs --dry-run" in refused.stderr
    assert not list(tmp_path.iterdir())
