"""Whole runs on a device that is not the CPU: every objective, distance, network, planner and environment built in."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from vgbench.analysis.diagnosis import diagnose
from vgbench.analysis.ladder import run_ablation
from vgbench.analysis.ladder.setup import LadderSetup
from vgbench.analysis.offline import offline
from vgbench.analysis.replay import replay
from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.data.dataset import Dataset
from vgbench.errors import RunFailed
from vgbench.experiments import runner
from vgbench.experiments.trained import load_trained
from vgbench.plugin.registry import Registry
from vgbench.reports.plots import rollouts, value_map
from vgbench.reports.plots.picture import SkippedPlot

TINY = [
    "data.trajectories=8",
    "train.steps=2",
    "train_predictor.steps=2",
    "evaluation.tasks=3",
    "mpc.max_steps=4",
    "mpc.replan_every=2",
    "mpc.block_rows=64",
    "strided.stem=4",
    "strided.channels=4",
    "mlp.hidden=[16]",
    "model.latent_dim=16",
]
RUNS = {
    "values": dict(protocol="wall_small", recipe="vf_quasi", planner="mppi"),
    "predictions": dict(protocol="maze", recipe="pred_vcreg_idm", planner="cem"),
    "contrastive": dict(protocol="turnstile", recipe="contrastive", planner="icem"),
    "regressive": dict(protocol="wall_gamble", recipe="regressive", planner="random"),
    "two spaces": dict(protocol="wall_big", recipe="two_space", planner="gradient", set=["projector.hidden=[16]"]),
    "average": dict(protocol="wall_noisy", recipe="pred_ema", planner="mppi", set=["model.image_norm=whiten"]),
    "two levels": dict(
        env="wall", objective=["two_level_iql"], distance="two_level", encoder="impala", set=["impala.channels=[2,2,2]"]
    ),
    "frozen": dict(protocol="wall_small", recipe="frozen_vf", set=["projector.hidden=[16]"]),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder for all runs."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def played(base, monkeypatch):
    """Make a run on a device, or take the same of an earlier test: its specification and its folder, to be read."""
    monkeypatch.setenv("VGBENCH_CACHE", str(base / "cache"))

    def play(device, **how):
        sets = (*TINY, *how.pop("set", ()))
        spec = resolve(RunRequest(**how, scale="smoke", device="cpu", threads=1, set=sets, loose=True))
        folder = base / f"{spec.key()}-{device.replace(':', '-')}"
        if not (folder / "result.json").exists():
            runner.run(replace(spec, device=device), folder)
        return spec, folder

    return play


def figures(folder, name):
    """Numbers of a run's lines, `cost` and the like aside where they are missing."""
    rows = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    return [{key: value for key, value in row.items() if isinstance(value, (int, float))} for row in rows]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_comes_to_what_it_comes_to_on_the_cpu(name, played, elsewhere):
    folders = [played(device, **RUNS[name])[1] for device in ("cpu", elsewhere)]
    for file in ("train.jsonl", "episodes.jsonl", "baseline-random.jsonl"):
        if (folders[0] / file).exists():
            found = [figures(folder, file) for folder in folders]
            assert [sorted(row) for row in found[0]] == [sorted(row) for row in found[1]]
            for row, other in zip(*found, strict=True):
                assert row == pytest.approx(other, rel=2e-3, abs=2e-3), file
    assert json.loads((folders[1] / "result.json").read_text())["device"] == elsewhere


def test_every_built_in_part_computes_there():
    """But for `timm`, which is an extra, and `vector`, which is no more than `mlp` without an action."""
    used = set()
    for how in RUNS.values():
        spec = resolve(RunRequest(**how | {"set": ()}, scale="smoke", device="cpu"))
        used |= {plugin.entry for stage in spec.stages for plugin in stage.objectives}
        used |= {plugin.entry for plugin in (spec.environment, spec.distance, spec.planner, *spec.networks.values())}
        used |= {spec.baseline.entry} if spec.baseline else set()
    kinds = ("environment", "objective", "distance", "network", "planner")
    every = {entry for entry in Registry().entries() if entry.dist == "vgbench" and entry.kind in kinds}
    assert {entry.name for entry in every - used} == {"timm", "vector"}


@pytest.fixture
def looked_at(played, elsewhere):
    """A run of the CPU as `vgbench diagnose` loads it, and the same on the other device."""
    found = []

    def make(**how):
        folder = played("cpu", **how)[1]
        for device in ("cpu", elsewhere):
            trained = load_trained(folder)
            scale = trained.spec.settings["model"].action_scale
            moved = {
                "spec": replace(trained.spec, device=device),
                "data": Dataset(trained.environment, trained.data.trajectories, torch.device(device), scale),
                "model": trained.model.to(device),
                "tasks": trained.tasks.to(device),
            }
            found.append(replace(trained, **moved))
        return found

    return make


def close(a, b, at=""):
    """Compare records of JSON values, numbers up to rounding."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), at
        for key in a:
            close(a[key], b[key], f"{at}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), at
        for index, pair in enumerate(zip(a, b, strict=True)):
            close(*pair, f"{at}[{index}]")
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=2e-2, abs=2e-2, nan_ok=True), at
    else:
        assert a == b, at


@pytest.mark.parametrize("name", ["values", pytest.param("predictions", marks=pytest.mark.slow)])
def test_diagnosis_and_what_is_judged_without_a_simulator(name, looked_at):
    runs = looked_at(**RUNS[name])
    close(*(diagnose(trained, goals=1, states=32) for trained in runs))
    close(*(offline(trained) for trained in runs))


@pytest.mark.parametrize("name", ["values", pytest.param("predictions", marks=pytest.mark.slow)])
def test_the_ladder(name, looked_at):
    rows = []
    for trained in looked_at(**RUNS[name]):
        setup = LadderSetup(trained.spec, trained.environment, trained.data, trained.tasks.first(2), 16)
        rows.append(run_ablation(setup, [trained])["rows"])
    close(*rows)


def test_pictures(looked_at):
    runs = looked_at(**RUNS["values"])
    values = []
    for trained in runs:
        atlas = value_map.ValueMaps(trained)
        pictures = [*value_map.value(atlas, [0]), *rollouts.rollouts(atlas)]
        assert {p.why for p in pictures if isinstance(p, SkippedPlot)} <= {"no task was solved"}
        assert len(pictures) > 2
        start = value_map.row(trained.tasks.start, 0)
        values.append(atlas.distances(atlas.sheet(start), value_map.row(trained.tasks.goal, 0)).cpu().numpy())
        traces = replay(trained, [0, 2])
        assert [trace.steps for trace in traces] == [4, 4]
    np.testing.assert_allclose(*values, rtol=1e-3, atol=1e-4)


PLANTED = """
    import torch
    from vgbench.api import Loss
    from vgbench_plugins.objectives.iql import IQL

    class Planted(IQL):
        def loss(self, batch, model, noise):
            made = super().loss(batch, model, noise)
            return Loss((made.value + torch.zeros(1)).sum(), made.logs)
"""


def test_a_tensor_made_on_the_wrong_device_fails_and_is_attributed(tmp_plugin, played, elsewhere):
    """On the CPU nobody sees it; this is what every test here stands for."""
    tmp_plugin(PLANTED, objectives={"planted": "Planted"}, dist="vgx-planted", version="0.1")
    how = dict(env="wall", objective=["planted"], distance="euclidean")
    played("cpu", **how)
    with pytest.raises(RunFailed, match=r"objective 'planted' \(vgx-planted 0\.1\): loss raised .*two devices"):
        played(elsewhere, **how)
