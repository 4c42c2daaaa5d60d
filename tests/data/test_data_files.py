"""An environment whose `collect` reads a file: declared, it is part of the key and of the data set's name."""

import numpy as np
import pytest

CODE = '''
from pathlib import Path

import numpy as np
import torch
from pydantic import Field

from vgbench.api import ArraySpec, Box, Environment, EnvironmentSpec, Params, Tasks, Trajectories


class Line(Environment):
    """A point on a line, with data from a file."""

    spec = EnvironmentSpec(
        state={"x": ArraySpec((1,))}, observations={"x": ArraySpec((1,))}, actions=Box((-1.0,), (1.0,)))
    success_radius = 0.5

    class Params(Params):
        file: str = Field("line.npz", description="where the walks are")

    @property
    def data_files(self):
        return (self.params.file,)

    def step(self, state, action, noise=None):
        return {"x": state["x"] + self.spec.actions.clip(action)}

    def observe(self, state):
        return {"x": state["x"]}

    def goal_distance(self, state, goal):
        return (state["x"] - goal["x"]).abs().squeeze(-1)

    def collect(self, trajectories, length, seed, progress=None):
        walks = np.load(self.params.file)["x"][:trajectories, :length, None]
        return Trajectories({"x": walks}, {}, np.diff(walks, axis=1))

    def sample_tasks(self, count, seed, data):
        rng = np.random.default_rng(seed)
        ends = torch.tensor(rng.uniform([-9, 3], [-3, 9], (count, 2)), dtype=torch.float32)
        return Tasks({"x": ends[:, :1]}, {"x": ends[:, 1:]})
'''


def walks(path, seed):
    steps = np.random.default_rng(seed).uniform(-1, 1, (60, 70)).astype(np.float32)
    np.savez(path, x=np.cumsum(steps, axis=1))


@pytest.fixture
def line(tmp_plugin, tmp_path, monkeypatch):
    tmp_plugin(CODE, dist="lines", environments={"line": "Line"})
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))


def resolved(**options):
    from vgbench.config.resolve import RunRequest, resolve

    return resolve(RunRequest(env="line", recipe="vf", encoder="vector", scale="smoke", **options))


def test_another_content_is_another_run_and_another_data_set(line, vgbench_cli, tmp_path):
    walks(tmp_path / "line.npz", 0)
    first = resolved()
    again = vgbench_cli("collect", "--env", "line", "--trajectories", 8, "--out", "a.h5", "--format", "json").json()
    walks(tmp_path / "line.npz", 1)
    second = resolved()
    assert first.key() != second.key() and first.identity()["data_files"] != second.identity()["data_files"]
    other = vgbench_cli("collect", "--env", "line", "--trajectories", 8, "--out", "b.h5", "--format", "json").json()
    assert again["fingerprint"] != other["fingerprint"]
    walks(tmp_path / "elsewhere.npz", 1)
    assert resolved(set={"line.file": "elsewhere.npz"}).identity()["data_files"] == second.identity()["data_files"]


def test_the_cache_does_not_give_back_what_another_file_gave(line, vgbench_cli, tmp_path):
    from vgbench.data import collection, files
    from vgbench.experiments.build import build_environment, load_data

    found = []
    for seed in (0, 1, 0):
        walks(tmp_path / "line.npz", seed)
        spec = resolved()
        found.append(files.fingerprint(load_data(spec, build_environment(spec.environment))[0]))
    assert found[0] == found[2] != found[1]
    assert len(list((collection.cache_folder()).glob("line-*.h5"))) == 2


def test_a_file_that_is_not_there_is_named(line, vgbench_cli):
    result = vgbench_cli("run", "--env", "line", "--recipe", "vf", "--encoder", "vector", "--scale", "smoke")
    assert result.exit_code == 2 and "data_files: line.npz cannot be read: No such file" in result.stderr


def test_vgbench_check_passes_such_an_environment(line, vgbench_cli, tmp_path):
    walks(tmp_path / "line.npz", 0)
    out = vgbench_cli("check", "environment", "line").stdout
    assert "data_seeded" in out and " FAIL " not in out, out


def test_keys_of_environments_without_files_are_as_they_were():
    from vgbench.config.resolve import RunRequest, resolve

    assert "data_files" not in resolve(RunRequest(env="wall", recipe="vf", scale="smoke")).identity()
