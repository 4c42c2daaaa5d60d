"""`vgbench demo`: what is shipped, and that it works as it is installed."""

import json
import os
import shlex
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from typer.main import get_command

from vgbench.cli import app
from vgbench.errors import VgbenchError
from vgbench.experiments import demo
from vgbench.experiments.trained import load_trained
from vgbench.storage import rounded

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "vgbench" / "demo_runs"


def test_shipped_runs_are_small_and_say_what_they_are():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < 6_000_000
    assert sorted(path.name for path in SHIPPED.iterdir()) == sorted(demo.NAMES)
    environments = set()
    for name in demo.NAMES:
        run, result = (json.loads((SHIPPED / name / f"{file}.json").read_text()) for file in ("run", "result"))
        rows = [json.loads(line) for line in (SHIPPED / name / "episodes.jsonl").read_text().splitlines()]
        assert 0 < sum(row["success"] for row in rows) == result["successes"] < result["n"] == len(rows)
        assert any("rounded to nine bits" in note for note in run["notes"])
        assert run["notes"] == result["notes"] and run["variant"] == "tuned" and run["scale"] == "quick"
        environments.add(result["environment"])
        assert "/" not in result["run_dir"] and not any(word.startswith("/") for word in run["argv"])
    assert environments == {"maze", "wall"}


def test_rounding_is_as_it_says():
    drawn = torch.Generator().manual_seed(0)
    state = {
        "weight": torch.randn(32, 4, 3, 3, generator=drawn),
        "dead": torch.zeros(10, 200),
        "bias": torch.randn(2000, generator=drawn),
        "scalar": torch.tensor(1.5),
    }
    back = rounded.unpack(rounded.pack(state))
    assert {name: (v.shape, v.dtype) for name, v in back.items()} == {n: (v.shape, v.dtype) for n, v in state.items()}
    for name in ("dead", "bias", "scalar"):
        assert torch.equal(back[name], state[name])
    off = (back["weight"] - state["weight"]).abs().amax(dim=(1, 2, 3))
    largest = state["weight"].abs().amax(dim=(1, 2, 3))
    assert bool((off <= largest / 510 * 1.0001).all()) and bool((off > largest / 5100).all())
    # Rounded once more, nothing changes.
    assert torch.equal(rounded.unpack(rounded.pack(back))["weight"], back["weight"])
    with pytest.raises(VgbenchError, match="no rounded weights"):
        rounded.unpack(b"something else")


def test_copies_are_runs_that_plan_as_they_say(tmp_path, vgbench_cli):
    listed = vgbench_cli("demo", "--copy", "--out", tmp_path / "my runs")
    assert listed.exit_code == 0, listed.stderr
    commands = [line for line in listed.stdout.splitlines() if line.startswith("$ ")]
    assert [line.split()[2] for line in commands] == ["plot", "diagnose", "failures", "evaluate"]
    assert all(f"'{tmp_path}/my runs/" in line for line in commands)  # quoted, so that it can be typed
    assert sorted(p.name for p in (tmp_path / "my runs").iterdir()) == sorted(demo.NAMES)
    for name in demo.NAMES:
        trained = load_trained(tmp_path / "my runs" / name)
        assert trained.folder.result()["key"] == trained.spec.key()  # the present code would make this very run
        weights = rounded.unpack((SHIPPED / name / demo.WEIGHTS).read_bytes())
        assert all(torch.equal(value, weights[key]) for key, value in trained.model.state_dict().items())
    # The recorded episodes are those of these weights: played again they end as they did.
    task = _short(tmp_path / "my runs" / demo.NAMES[1])
    film = vgbench_cli("plot", tmp_path / "my runs" / demo.NAMES[1], "--task", task, "--out", tmp_path)
    assert film.exit_code == 0 and f"Task {task}: solved" in film.stdout


def _short(run):
    rows = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    return min((row for row in rows if row["success"]), key=lambda row: row["steps"])["task"]


def test_what_is_there_is_kept_and_other_things_are_refused(tmp_path, vgbench_cli):
    assert vgbench_cli("demo", "--copy").exit_code == 0
    run = tmp_path / "vgbench-demo" / demo.NAMES[0]
    (run / "diagnosis.json").write_text("{}")
    assert vgbench_cli("demo", "--copy").exit_code == 0 and (run / "diagnosis.json").exists()
    other = tmp_path / "other" / demo.NAMES[1]
    other.mkdir(parents=True)
    refused = vgbench_cli("demo", "--copy", "--out", tmp_path / "other")
    assert refused.exit_code == 2 and "is not the run of the demo; choose another --out" in refused.stderr
    (tmp_path / "file").touch()
    refused = vgbench_cli("demo", "--copy", "--out", tmp_path / "file")
    assert refused.exit_code == 2 and "--out" in refused.stderr and "cannot write there" in refused.stderr


def test_a_command_that_fails_ends_the_demo(tmp_path, vgbench_cli):
    assert vgbench_cli("demo", "--copy").exit_code == 0
    (checkpoint,) = (tmp_path / "vgbench-demo" / demo.NAMES[1] / "checkpoints").glob("*.pt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    failed = vgbench_cli("demo")
    assert failed.exit_code == 1 and "is damaged" in failed.stderr
    assert "$ vgbench plot" in failed.stdout and "$ vgbench diagnose" not in failed.stdout


def test_the_next_commands_are_commands(vgbench_cli):
    done = vgbench_cli("demo", "--copy")
    lines = [line.strip() for line in done.stdout.partition("Next:\n")[2].splitlines()]
    commands = [shlex.split(line.partition("  ")[0])[1:] for line in lines if line.startswith("vgbench ")]
    assert {command[0] for command in commands} >= {"plot", "ladder", "run", "new"}
    group = get_command(app)
    for name, *arguments in commands:
        # Parsed, not run.
        assert group.commands[name].make_context(name, arguments)


@pytest.mark.slow
def test_demo_of_an_installed_wheel(tmp_path):
    """Build, unpack as pip would, and run from another folder: a minute of computing at most, imports included."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT]
    if subprocess.run([sys.executable, "-c", "import hatchling"], capture_output=True).returncode:
        command.remove("--no-isolation")
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    environ = {**os.environ, "PYTHONPATH": str(site), "VGBENCH_CACHE": str(tmp_path / "cache")}
    before = os.times()
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "vgbench", "demo"], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    spent = os.times()
    assert done.returncode == 0, done.stderr
    computed = spent.children_user + spent.children_system - before.children_user - before.children_system
    assert computed < 60, f"{computed:.0f} CPU-s, {time.monotonic() - start:.0f} s"
    assert "Next:" in done.stdout and "Verdict:" in done.stdout
    made = {path.name for path in (tmp_path / "vgbench-demo").rglob("*") if path.is_file()}
    assert {"failures.svg", "diagnosis.json"} <= made and any(name.endswith(".gif") for name in made)
    # It came from the wheel, not from this checkout.
    assert (site / "vgbench" / "demo_runs" / demo.NAMES[0] / demo.WEIGHTS).exists()
