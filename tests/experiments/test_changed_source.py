"""Results of a plugin whose code was edited: a package of its own on the path, as an author has it in editable mode."""

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import vgbench
from vgbench.config.resolve import RunRequest, resolve
from vgbench.data import collection
from vgbench.experiments.executors.base import Job
from vgbench.experiments.worker import perform
from vgbench.reports.staleness import Comparison, compare
from vgbench.settings import DataSettings
from vgbench.storage import records
from vgbench.storage.source_changes import changed_sources

ROOT = Path(__file__).resolve().parents[2]
TINY = [
    "data.trajectories=8",
    "train.steps=4",
    "train_predictor.steps=2",
    "evaluation.tasks=2",
    "mpc.max_steps=4",
    "mpc.block_rows=64",
    "strided.stem=4",
    "strided.channels=4",
    "mlp.hidden=[16]",
    "model.latent_dim=16",
]
SETS = [part for value in TINY for part in ("--set", value)]
RUN = ["run", "--env", "wall", "--objective", "mine", "--distance", "euclidean", "--scale", "smoke", *SETS]
OUT = [*RUN, "--out", "out"]

OBJECTIVE = '''
import torch

import vgbench.api as vg
from vgx_lab.weights import expectile


class Mine(vg.Objective):
    """Expectile regression."""

    api = 1

    def loss(self, batch, model, noise):
        goals = batch.goals("segment", 2, "batch")
        d = batch.goal_distances(goals)
        excess = d[:, :-1] - (1 + 0.9 * d[:, 1:].detach())
        return vg.Loss((expectile(excess) * excess.square()).mean())
'''
WEIGHTS = '''
import torch


def expectile(excess, tau=0.8):
    """Weigh what is too far by tau."""
    return torch.where(excess > 0, tau, 1 - tau)
'''
PLANNER = """
import vgbench.api as vg
from vgbench_plugins.planners.random import Random


class Walk(Random):
    api = 1

    def plan(self, *arguments):
        return super().plan(*arguments)
"""
WORLD = """
from vgbench_plugins.environments.wall import Wall


class World(Wall):
    SHIFT = 0.0

    def collect(self, trajectories, length, seed, progress=None):
        data = super().collect(trajectories, length, seed, progress)
        data.states["position"] = data.states["position"] + self.SHIFT
        return data
"""
POINTS = """
[vgbench.objectives]
mine = vgx_lab.objective:Mine
[vgbench.planners]
walk = vgx_lab.planner:Walk
[vgbench.environments]
world = vgx_lab.world:World
"""


class Lab:
    """A package `vgx_lab` with an objective, which has a helper module, a planner and an environment."""

    def __init__(self, folder):
        self.site = folder / "site"
        info = self.site / "vgx_lab-0.1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vgx-lab\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(POINTS)
        self.write("__init__", '"""A laboratory."""\n')
        files = {"objective": OBJECTIVE, "weights": WEIGHTS, "planner": PLANNER, "world": WORLD}
        for module, text in files.items():
            self.write(module, text)

    def write(self, module, text):
        path = self.site / "vgx_lab" / f"{module}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def edit(self, module, old, new):
        path = self.site / "vgx_lab" / f"{module}.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


@pytest.fixture
def imported(lab, monkeypatch):
    """The package on this process's path; called, it forgets what was imported, as a new process would."""
    monkeypatch.syspath_prepend(str(lab.site))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget():
        for name in [name for name in sys.modules if name.partition(".")[0] == "vgx_lab"]:
            del sys.modules[name]

    yield forget
    forget()


@pytest.fixture
def vgbench_here(lab, tmp_path, vgbench_start):
    """Run the command in a process that has the package on its path."""
    cwd = tmp_path / "work"
    cwd.mkdir()
    path = os.pathsep.join(filter(None, [str(lab.site), os.environ.get("PYTHONPATH", "")]))
    variables = {"PYTHONPATH": path, "VGBENCH_CACHE": str(tmp_path / "cache"), "VGBENCH_CHECKPOINT_SECONDS": "0"}

    def start(*arguments):
        return vgbench_start(*arguments, cwd=cwd, PYTHONDONTWRITEBYTECODE="1", **variables)

    def run(*arguments, code=0):
        process = start(*arguments)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, err
        return out, err

    run.start, run.cwd = start, cwd
    return run


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def load(path):
    return json.loads(path.read_text())


def wait_for(path, process, seconds=120):
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, f"ended before {path.name}: {process.stderr.read()}"
        assert time.monotonic() < end, f"no {path.name} after {seconds} s"
        time.sleep(0.005)


def test_an_edited_helper_stops_the_same_command_and_again_keeps_the_old_folder(vgbench_here, lab):
    folder = vgbench_here.cwd / "out"
    first, _ = vgbench_here(*OUT, "--format", "json")
    recorded = {p["name"]: p["source"] for p in load(folder / "run.json")["plugins"]}
    assert set(recorded["mine"]) == {"vgx_lab.objective", "vgx_lab.weights"}
    lab.edit("weights", '"""Weigh what is too far by tau."""', "# tau where it is too far\n")
    lab.edit("objective", "excess.square()", "excess . square( )")
    assert vgbench_here(*OUT, "--format", "json")[0] == first
    # The error that this is about: the same parameters, weights swapped.
    lab.edit("weights", "tau, 1 - tau", "1 - tau, tau")
    before = content(folder)
    out, err = vgbench_here(*OUT, code=2)
    assert out == "" and "objective 'mine' (vgx-lab 0.1) in vgx_lab/weights.py" in err
    assert "--again" in err and "--out" in err and "complete" in err
    shown = json.loads(vgbench_here(*OUT, "--dry-run", "--format", "json")[0])
    assert shown["changed_sources"] == ["objective 'mine' (vgx-lab 0.1) in vgx_lab/weights.py"]
    assert "--again repeats the run" in vgbench_here(*OUT, "--dry-run")[1]
    assert content(folder) == before
    second, err = vgbench_here(*OUT, "--again", "--format", "json")
    assert "repeated" in err and "out-1" in err
    assert content(vgbench_here.cwd / ".replaced" / "out-1") == before
    train = Path("train.jsonl")
    assert (folder / train).read_bytes() != before[train]
    assert json.loads(second)["key"] == json.loads(first)["key"]
    # From now on the new result is the one of this command.
    assert vgbench_here(*OUT, "--format", "json")[0] == second
    out, err = vgbench_here(*OUT, "--again", "--format", "json")
    assert out == second and "with the source that its plugins have now" in err
    assert [p.name for p in (vgbench_here.cwd / ".replaced").iterdir()] == ["out-1"]


def test_a_module_that_came_or_went_is_named(vgbench_here, lab):
    vgbench_here(*OUT)
    lab.write("more", "FACTOR = 1\n")
    lab.edit("weights", "import torch", "import torch\nfrom vgx_lab.more import FACTOR")
    assert "in vgx_lab/more.py, vgx_lab/weights.py" in vgbench_here(*OUT, code=2)[1]


def test_an_interrupted_run_does_not_go_on_with_other_source(vgbench_here, lab):
    folder = vgbench_here.cwd / "out"
    command = [*OUT, "--set", "train.steps=300"]
    process = vgbench_here.start(*command)
    wait_for(folder / "checkpoints" / "encoder.pt", process)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert not (folder / "result.json").exists()
    lab.edit("weights", "0.8", "0.7")
    _, err = vgbench_here(*command, code=2)
    assert "incomplete, but made before a change of objective 'mine'" in err and "vgx_lab/weights.py" in err
    lab.edit("weights", "0.7", "0.8")
    vgbench_here(*command)
    assert load(folder / "run.json")["resumed"] and load(folder / "run.json")["status"] == "done"


def test_a_run_continues_where_the_fixed_plugin_was_not_used_yet(vgbench_here, lab):
    folder = vgbench_here.cwd / "out"
    command = [*OUT, "--planner", "vgx-lab:walk"]
    lab.edit("weights", "return torch", "raise ValueError('wrong')\n    return torch")
    lab.edit("planner", "return super()", "raise ValueError('also wrong')\n        return super()")
    assert "wrong (weights.py" in vgbench_here(*command, code=1)[1]
    lab.edit("weights", "raise ValueError('wrong')\n    ", "")
    assert "also wrong (planner.py" in vgbench_here(*command, code=1)[1]
    trained = (folder / "checkpoints" / "predictor.pt").read_bytes()
    lab.edit("planner", "raise ValueError('also wrong')\n        ", "")
    vgbench_here(*command)
    assert (folder / "checkpoints" / "predictor.pt").read_bytes() == trained
    # The record has the source that made the result: it is the present one.
    assert vgbench_here(*command, "--again")[1].count("that its plugins have now") == 1


def test_a_baseline_that_has_played_counts_as_used(vgbench_here, lab):
    folder = vgbench_here.cwd / "out"
    command = [*OUT, "--config", "baseline.yaml", "--set", "mpc.replan_every=1"]
    (vgbench_here.cwd / "baseline.yaml").write_text("baseline: vgx-lab:walk\n")
    counted = (
        "self.plans = getattr(self, 'plans', 0) + 1\n        if self.plans > 2:\n            raise ValueError('wrong')"
    )
    lab.edit("planner", "return super()", f"{counted}\n        return super()")
    assert "wrong (planner.py" in vgbench_here(*command, code=1)[1]
    assert (folder / "checkpoints" / "baseline-walk.pt").exists() and not (folder / "result.json").exists()
    lab.edit("planner", counted, "pass")
    assert "before a change of planner 'walk'" in vgbench_here(*command, code=2)[1]


def test_a_record_without_the_field_says_nothing_until_asked(vgbench_here, lab):
    folder = vgbench_here.cwd / "out"
    first, _ = vgbench_here(*OUT, "--format", "json")
    run = load(folder / "run.json")
    del run["sha256"]  # older, too
    for plugin in run["plugins"]:
        del plugin["source"]
    (folder / "run.json").write_text(json.dumps(run))
    lab.edit("weights", "0.8", "0.7")
    assert vgbench_here(*OUT, "--format", "json")[0] == first
    vgbench_here(*OUT, "--again")
    assert (vgbench_here.cwd / ".replaced" / "out-1").exists()
    assert all("source" in plugin for plugin in load(folder / "run.json")["plugins"])


def test_from_python(imported, lab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    asked = {"env": "wall", "objective": "mine", "distance": "euclidean", "scale": "smoke", "set": TINY, "out": "out"}
    first = vgbench.run(**asked)
    lab.edit("weights", "0.8", "0.3")
    imported()
    with pytest.raises(vgbench.UsageError, match="before a change of objective 'mine'"):
        vgbench.run(**asked)
    assert vgbench.run(**asked, again=True).record["key"] == first.record["key"]
    assert "repeated" in " ".join(load(tmp_path / "out" / "run.json")["notes"])
    assert (tmp_path / ".replaced" / "out-1" / "result.json").exists()


def test_the_working_folder_is_not_moved(imported, lab, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    asked = {"env": "wall", "objective": "mine", "distance": "euclidean", "scale": "smoke", "set": TINY, "out": "."}
    vgbench.run(**asked)
    lab.edit("weights", "0.8", "0.3")
    imported()
    with pytest.raises(vgbench.UsageError, match="is the working folder"):
        vgbench.run(**asked, again=True)


RECIPE = """
recipes:
  lab:
    summary: an objective of one's own
    objectives: [mine, prediction]
    distance: euclidean
    training: joint
"""


def test_a_sweep_names_what_changed_and_asks(vgbench_here, lab):
    """Two numbers of samples: two runs, of which one trains."""
    (vgbench_here.cwd / "mine.yaml").write_text(RECIPE)
    command = ["sweep", "--recipes", "mine.yaml", "--recipe", "lab", "--protocol", "wall_big", "--scale", "smoke"]
    command += [*SETS, "--grid", "mppi.samples=4,8", "--out", "out", "--workers", "1"]
    vgbench_here(*command)
    out = vgbench_here.cwd / "out"
    shared, before = set((out / ".shared").glob("*.pt")), content(out)
    assert len(shared) == 1
    lab.edit("weights", "0.8", "0.3")
    expected = "objective 'mine' (vgx-lab 0.1) in vgx_lab/weights.py: 2 runs"
    _, err = vgbench_here(*command, code=2)
    assert expected in err and "--again" in err and "--keep" in err
    _, err = vgbench_here(*command, "--dry-run")
    assert expected in err
    rows = json.loads(vgbench_here(*command, "--dry-run", "--format", "json")[0])["runs"]
    assert {row["changed_sources"][0] for row in rows} == {expected.partition(":")[0]}
    kept = json.loads(vgbench_here(*command, "--keep", "--format", "json")[0])["runs"]
    assert [run["status"] for run in kept] == ["complete"] * 2 and all(run["changed_sources"] for run in kept)
    assert "before a change of objective 'mine'" in kept[0]["reason"]
    assert {k: v for k, v in content(out).items() if "result" in k.name} == {
        k: v for k, v in before.items() if "result" in k.name
    }
    made = json.loads(vgbench_here(*command, "--again", "--format", "json")[0])["runs"]
    assert [run["status"] for run in made] == ["done"] * 2 and not any(run["changed_sources"] for run in made)
    # What runs share in training was computed again once, and what was there is kept.
    assert len(set((out / ".shared").glob("*.pt")) - shared) == 1
    for run in made:
        folder = vgbench_here.cwd / run["folder"]
        old = content(folder.parent / ".replaced" / f"{folder.name}-1")
        assert old[Path("train.jsonl")] != (folder / "train.jsonl").read_bytes()
        assert all(before[folder.relative_to(out) / name] == text for name, text in old.items())
    assert "complete" in vgbench_here(*command)[1]


def test_a_suite_asks_too_and_repeats_what_is_not_complete(vgbench_here):
    """Built-in plugins: the record is given the hash of another source."""
    command = ["suite", "paper_table_2", "--only", "vf,wall_big", "--scale", "smoke", *SETS, "--num-seeds", "2"]
    command += ["--out", "out", "--workers", "1"]
    vgbench_here(*command)
    folders = [vgbench_here.cwd / "out" / "wall_big" / "vf" / f"s{seed}" for seed in range(2)]
    for folder in folders:
        run = load(folder / "run.json")
        del run["sha256"]
        for plugin in run["plugins"]:
            if plugin["name"] == "iql":
                plugin["source"] = dict.fromkeys(plugin["source"], "0" * 16)
        (folder / "run.json").write_text(json.dumps(run))
    (folders[1] / "result.json").unlink()
    _, err = vgbench_here(*command, code=2)
    assert "vgbench_plugins/objectives/iql.py: 2 runs, 1 of them not complete" in err
    result = (folders[0] / "result.json").read_bytes()
    runs = json.loads(vgbench_here(*command, "--keep", "--format", "json")[0])["runs"]
    assert [run["status"] for run in runs] == ["complete", "done"]
    assert (folders[0] / "result.json").read_bytes() == result
    assert (folders[1].parent / ".replaced" / "s1-1" / "checkpoints").exists()


def test_a_worker_with_other_source_says_so(imported, lab, tmp_path, vgbench_cli):
    plan = vgbench_cli(*RUN, "--dry-run", "--format", "json").json()
    (tmp_path / ".token").write_text("token")
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / "config.yaml").write_text(json.dumps(plan["config"]))
    plugin = {"kind": "objective", "name": "mine", "dist": "vgx-lab", "source": {"vgx_lab.objective": "0" * 16}}
    job = Job("cell", plan["key"], str(tmp_path), "token", cwd=str(tmp_path), plugins=(plugin,))
    ending = perform(job)
    assert ending["outcome"] == "failed" and "vgx_lab/objective.py" in ending["reason"]
    assert "was edited after" in ending["reason"] and not (tmp_path / "cell" / "run.json").exists()


def test_cached_data_of_another_source_are_collected_again(imported, lab, tmp_path):
    def collect():
        imported()
        from vgx_lab.world import World

        return collection.collect(
            "world", World(World.Params()), DataSettings(trajectories=4, length=20), 0, None, tmp_path
        )

    first, path = collect()
    made = path.stat().st_mtime_ns
    lab.edit("world", "    SHIFT", "    # nothing\n    SHIFT")
    assert collect()[1] == path and path.stat().st_mtime_ns == made
    lab.edit("world", "0.0", "0.5")
    second, same = collect()
    assert same == path
    assert (second.states["position"] == first.states["position"] + 0.5).all()
    made = path.stat().st_mtime_ns
    collect()
    assert path.stat().st_mtime_ns == made


def test_a_report_holds_a_record_of_other_source_current_but_says_so(imported, lab):
    found, _ = records.scan([ROOT / "results" / "first_round" / "paper_table_2"], "quick", ["vf"])
    spec = resolve(RunRequest(protocol="maze", recipe="vf", scale="quick", device="cpu"))
    record = replace(next(r for r in found if (r.protocol, r.seed) == ("maze", 0)), key=spec.key())
    assert record.plugins and compare(record, None) == Comparison(spec.key())
    plugins = tuple({**p, "source": {p["value"].partition(":")[0]: "0" * 16}} for p in record.plugins)
    compared = compare(replace(record, plugins=plugins), None)
    assert not compared.differences and compared.key == record.key
    assert any("objective 'iql'" in text and "objectives/iql.py" in text for text in compared.changed_sources)
    gone = {"kind": "objective", "name": "gone", "dist": "vgx-gone", "source": {"vgx_gone": "0" * 16}}
    mine = {"kind": "objective", "name": "mine", "dist": "vgx-lab", "source": {"vgx_lab.objective": "0" * 16}}
    assert changed_sources([gone, mine]) == [
        "objective 'mine' (vgx-lab 0.1) in vgx_lab/objective.py, vgx_lab/weights.py"
    ]
