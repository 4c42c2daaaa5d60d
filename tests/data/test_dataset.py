"""Data sets: files, cache, and what is drawn from them."""

import json
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from vgbench.data import collection, files
from vgbench.data.dataset import Dataset
from vgbench.errors import UsageError, VgbenchError
from vgbench.model.jepa import JEPA
from vgbench.settings import DataSettings
from vgbench_plugins.environments.maze import Maze
from vgbench_plugins.environments.wall import Wall

SETTINGS = DataSettings(trajectories=8, length=40)


@pytest.fixture
def wall():
    return Wall(Wall.Params())


def test_the_cache_gives_back_the_same_bytes_and_collects_once(wall, tmp_path, monkeypatch):
    first, path = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)
    monkeypatch.setattr(Wall, "collect", lambda *a, **k: pytest.fail("collected twice"))
    second, same = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)
    assert path == same
    assert files.fingerprint(first) == files.fingerprint(second)


def test_another_seed_or_parameter_is_another_file(wall, tmp_path):
    other = Wall(Wall.Params(collision="stop"))
    paths = {
        collection.collect("wall", e, SETTINGS, s, folder=tmp_path)[1] for e, s in [(wall, 0), (wall, 1), (other, 0)]
    }
    assert len(paths) == 3


def test_the_card_is_in_the_files_attributes(wall, tmp_path):
    _, path = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)
    with h5py.File(path) as file:
        card, spec = json.loads(file.attrs["card"]), json.loads(file.attrs["specification"])
        assert file["actions"].shape == (8, 39, 2)
    assert spec["params"]["layout"] == "per_dataset" and spec["seed"] == 0
    assert card["share_trajectories_crossing"] == 0.5 and 0 < card["share_steps_colliding"] < 1


def test_a_truncated_file_is_named_with_the_next_step(wall, tmp_path):
    _, path = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(VgbenchError, match=r"not a whole HDF5 data set.*collect it again"):
        files.load(path)


def test_edited_arrays_are_noticed(wall, tmp_path):
    _, path = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)
    with h5py.File(path, "a") as file:
        file["actions"][0, 0, 0] += 1
    with pytest.raises(VgbenchError, match="not those that were written"):
        files.load(path)


def test_data_of_another_environment_are_refused(wall, tmp_path):
    _, path = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)
    with pytest.raises(UsageError, match="holds data of environment 'wall', but this run is on 'maze'"):
        files.load_for(path, "maze", wall)


def test_data_of_another_version_are_refused(wall, tmp_path, monkeypatch):
    _, path = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)
    monkeypatch.setattr(Wall, "version", 99)
    with pytest.raises(UsageError, match=r"version 2 .* installed is version 99"):
        files.load_for(path, "wall", Wall(Wall.Params()))


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        files.load(tmp_path)
    with pytest.raises(UsageError, match="no data set at"):
        files.load(tmp_path / "none.h5")


def test_collecting_never_replaces_a_file(wall, tmp_path):
    path = tmp_path / "mine.h5"
    path.write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        collection.collect_to_file("wall", wall, SETTINGS, 0, path)
    assert path.read_text() == "precious"


def test_a_file_that_cannot_be_written_is_named_with_the_plain_reason(wall):
    with pytest.raises(UsageError, match=r"^cannot write the data set /proc/w\.h5: No such file or directory$"):
        collection.collect_to_file("wall", wall, SETTINGS, 0, Path("/proc/w.h5"))


def test_actions_have_unit_scale_and_groups_number_the_layouts(wall, tmp_path):
    trajectories, _ = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)
    data = Dataset(wall, trajectories, torch.device("cpu"))
    assert float(data.actions.square().mean()) == pytest.approx(1, rel=1e-5)
    layouts = trajectories.static["layout"]
    same = (layouts[:, None] == layouts[None]).all(-1)
    groups = data.groups.numpy()
    assert np.array_equal(groups[:, None] == groups[None], same)


def test_statistics_normalise_the_observations(wall, tmp_path):
    trajectories, _ = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)
    data = Dataset(wall, trajectories, torch.device("cpu"))
    index = torch.arange(8 * 40)
    frames = data.observations(index // 40, index % 40)["image"].double()
    mean, std = data.statistics(10**6)["image"]
    assert torch.allclose(frames.mean(dim=(0, 2, 3)), mean.double(), rtol=1e-5)
    assert torch.allclose(frames.std(dim=(0, 2, 3), correction=0), std.double(), rtol=1e-5)


def test_whitened_images_have_uncorrelated_channels_of_unit_variance():
    """The maze's agent is small and of a colour of its own: by channels, walls and baseline drown it."""
    maze = Maze(Maze.Params())
    data = Dataset(maze, maze.collect(20, 10, 0), torch.device("cpu"))
    everything = 20 * 10
    matrix, statistics = data.whitening(everything), data.statistics(everything)
    model = JEPA(nn.Identity(), nn.Identity(), nn.Identity(), nn.Identity())
    index = torch.arange(everything)
    raw = data.observations(index // 10, index % 10)
    model.set_statistics(statistics)
    agent = raw["image"][:, 1] - raw["image"][:, 1].float().mean(dim=0) > 60  # a green that no wall or baseline has
    by_channel = model.normalise(raw)["image"]
    model.set_statistics(statistics, matrix)
    white = model.normalise(raw)
    pixels = white["image"].transpose(0, 1).flatten(1).double()
    assert torch.allclose(torch.cov(pixels, correction=0), torch.eye(3, dtype=torch.float64), atol=2e-2)
    assert torch.allclose(pixels.mean(dim=1), torch.zeros(3, dtype=torch.float64), atol=1e-3)
    assert torch.allclose(white["velocity"].mean(dim=0), torch.zeros(2), atol=1e-3)

    def size(image):  # of the agent's pixels
        return float(image.square().sum(dim=1)[agent].mean().sqrt())

    assert size(white["image"]) > 3 * size(by_channel)


def test_images_that_are_all_black_are_left_alone(wall, tmp_path):
    trajectories, _ = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)
    data = Dataset(wall, trajectories, torch.device("cpu"))
    data.environment = SimpleNamespace(spec=wall.spec, observe=lambda s: {"image": wall.observe(s)["image"] * 0})
    assert torch.equal(data.whitening()["image"], torch.eye(2))


@pytest.mark.parametrize("text", ["[]", "{}", '{"environment": "wall"}'])
def test_a_specification_with_other_contents_is_named(wall, tmp_path, text):
    _, path = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)
    with h5py.File(path, "a") as file:
        file.attrs["specification"] = text
    with pytest.raises(VgbenchError, match="its specification has no"):
        files.read_header(path)
