"""Shared fixtures. `tmp_plugin` comes from vgbench itself (`vgbench.testing.pytest_plugin`)."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vgbench.api import ObjectiveShapes
from vgbench.data.dataset import Dataset
from vgbench.model import jepa
from vgbench.settings import DataSettings, TrainSettings
from vgbench.storage.interrupt import Stop
from vgbench.storage.run_folder import RunFolder
from vgbench.training.stage import Term
from vgbench_plugins.distances.iqe import IQE
from vgbench_plugins.environments.wall import Wall
from vgbench_plugins.networks.mlp import MLP
from vgbench_plugins.networks.strided import Strided
from vgbench_plugins.objectives.iql import IQL
from vgbench_plugins.objectives.prediction import Prediction


@pytest.fixture
def vgbench_process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the `vgbench` command in its own process, in an empty folder."""
    folder = tmp_path / "process"
    folder.mkdir()

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from vgbench.cli import main; main()", *args]
        return subprocess.run(command, cwd=folder, env=os.environ | env, capture_output=True, text=True, timeout=600)

    return run


@pytest.fixture
def vgbench_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Call the command line in this process, in an empty folder: exit_code, stdout, stderr and json()."""
    from typer.testing import CliRunner

    from vgbench.cli import app

    monkeypatch.chdir(tmp_path)

    def call(*args: str | Path) -> Any:
        result = CliRunner().invoke(app, [str(arg) for arg in args])
        result.json = lambda: json.loads(result.stdout)  # type: ignore[attr-defined]
        return result

    return call


@pytest.fixture(scope="session")
def wall_data():
    environment = Wall(Wall.Params(layout="per_trajectory"))
    return Dataset(environment, environment.collect(12, 40, 0), torch.device("cpu"))


@pytest.fixture
def small(wall_data):
    """Builders with which a test makes what it needs; weights depend on the seed alone."""

    def model(seed=0):
        torch.manual_seed(seed)
        networks = {"encoder": Strided(Strided.Params(stem=4, channels=8)), "predictor": MLP(MLP.Params(hidden=(48,)))}
        built, dim = jepa.build(networks, wall_data.environment.spec, 32)
        built.distance = IQE(IQE.Params(), dim)
        built.set_statistics(wall_data.statistics())
        return built

    shapes = ObjectiveShapes(32, 2)
    return SimpleNamespace(
        data=wall_data,
        model=model,
        iql=lambda **p: Term("iql", IQL(IQL.Params(**p), shapes), 1.0),
        prediction=lambda **p: Term("prediction", Prediction(Prediction.Params(**p), shapes), 1.0),
        train=lambda **p: TrainSettings(**{"steps": 6, "batch": 8, "window": 5, "lr": 1e-3, "clip": 1.0} | p),
        shapes=shapes,
    )


@pytest.fixture
def folder(tmp_path):
    """A run folder without the runner around it."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    return RunFolder(tmp_path / "run")


@pytest.fixture
def data_settings():
    return DataSettings(trajectories=8, length=40)


@pytest.fixture
def stop_after():
    """Make a request to stop that comes when it has been looked at `n` times."""

    class StopAfter(Stop):
        def __init__(self, n):
            self._left = n

        @property
        def requested(self):
            self._left -= 1
            return self._left < 0

    return StopAfter
