"""Trajectories of different lengths: kept whole, windows inside them; and equal lengths exactly as ever."""

import hashlib
import os
import resource

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from vgbench.api import Trajectories
from vgbench.data import collection, episode_file, files
from vgbench.data.dataset import Dataset
from vgbench.data.stored import StoredArray
from vgbench.errors import UsageError, VgbenchError
from vgbench.model.jepa import JEPA
from vgbench.rng import Level, ScalarNoise, Stream, derive
from vgbench.settings import DataSettings, TrainSettings
from vgbench.training.batch import WindowBatch
from vgbench.training.latents import encode_all
from vgbench.training.stage import WindowSampler
from vgbench_plugins.environments.wall import Wall

CPU = torch.device("cpu")
WALL = Wall(Wall.Params())


class Pixels(nn.Module):
    """An encoder that returns some of the pixels."""

    def forward(self, observations):
        return observations["image"].flatten(1)[:, :8].float()


def hashed(*tensors):
    state = hashlib.sha256()
    for tensor in tensors:
        state.update(np.ascontiguousarray(tensor.numpy()).tobytes())
    return state.hexdigest()[:16]


def built(data):
    model = JEPA(Pixels(), nn.Identity(), nn.Identity(), nn.Identity())
    model.set_statistics(data.statistics(100))
    return model


def cut(whole, lengths):
    """The first states of each trajectory, padded as the interface says."""
    lengths = np.asarray(lengths)
    most = int(lengths.max())
    time = np.minimum(np.arange(most), lengths[:, None] - 1)
    row = np.arange(len(whole))[:, None]
    actions = whole.actions[:, : most - 1] * (np.arange(most - 1) < lengths[:, None] - 1)[..., None]
    states = {name: array[row, time] for name, array in whole.states.items()}
    return Trajectories(states, whole.static, actions.astype(np.float32), {}, None, lengths)


@pytest.fixture(scope="module")
def whole():
    return WALL.collect(8, 40, 0)


@pytest.fixture(scope="module")
def lengths():
    return np.array([40, 9, 17, 8, 33, 12, 25, 10])


def test_equal_lengths_give_the_numbers_of_before(whole):
    """Hashes recorded with the code of eed7267, which knew no lengths."""
    data = Dataset(WALL, whole, CPU)
    sampler = WindowSampler(data, TrainSettings(batch=16, window=9), 5)
    drawn = [sampler.windows(step) for step in (0, 1, 15, 16, 40)]
    assert hashed(*[tensor for pair in drawn for tensor in pair]) == "e94612542fec1576"
    assert drawn[0][1].tolist() == [13, 29, 11, 26, 15, 21, 7, 25, 26, 25, 5, 20, 11, 17, 8, 13]
    statistics = data.statistics(100)["image"]
    assert hashed(*statistics) == "696842c1d0024197"
    assert files.fingerprint(whole) == "63702795fa905177" and data.action_scale == 1.4885658645287947
    latents = torch.randn(8 * 40, 4, generator=torch.Generator().manual_seed(0))
    batch = WindowBatch(data, built(data), *drawn[0], 9, ScalarNoise(3, 4, Stream.SAMPLER), None, latents)
    goals, others = batch.goals("episode", 3, "same_layout"), batch.goals("segment", 2, "batch")
    coarse = batch.strided(5)
    found = hashed(batch.actions, batch.latents, goals.points, goals.same, others.points, coarse.latents)
    assert found == "35197db1cc82b18f"


@pytest.mark.parametrize(("window", "batch", "seed"), [(4, 8, 0), (16, 3, 7), (40, 2, 1)])
def test_windows_of_equal_lengths_are_numbered_row_by_row(whole, window, batch, seed):
    sampler = WindowSampler(Dataset(WALL, whole, CPU), TrainSettings(batch=batch, window=window), seed)
    per, step = 40 - window + 1, sampler.steps_per_epoch + 1
    generator = torch.Generator().manual_seed(derive(seed, Level.EPOCH, step // sampler.steps_per_epoch))
    at = step % sampler.steps_per_epoch * batch
    index = torch.randperm(8 * per, generator=generator)[at : at + batch]
    trajectory, start = sampler.windows(step)
    assert trajectory.tolist() == (index // per).tolist() and start.tolist() == (index % per).tolist()


def epoch(sampler, number=0):
    """Size, trajectory and start of all windows of an epoch."""
    first = number * sampler.steps_per_epoch
    found = []
    for step in range(first, first + sampler.steps_per_epoch):
        size = sampler.size(step)
        found += [(size, *pair) for pair in zip(*map(torch.Tensor.tolist, sampler.windows(step)), strict=True)]
    return found


def test_an_epoch_has_every_window_inside_an_episode_once(whole, lengths):
    sampler = WindowSampler(Dataset(WALL, cut(whole, lengths), CPU), TrainSettings(batch=2, window=9), 3)
    every = {(9, i, start) for i, length in enumerate(lengths) for start in range(length - 9 + 1)}
    seen = epoch(sampler)
    whole_ones = [window for window in seen if window[0] == 9]
    assert len(whole_ones) == len(set(whole_ones)) and set(whole_ones) <= every and len(every) - len(whole_ones) < 2
    # One of 8 states: too short for a window of 9, but not for one of 8, beside one of another trajectory.
    short = [window for window in seen if window[0] == 8]
    assert len(short) == 2 and (8, 3, 0) in short and sampler.steps_per_epoch == len(every) // 2 + 1
    assert epoch(sampler, 1) != seen and epoch(sampler, 0) == seen


def test_short_trajectories_are_trained_on_in_windows_of_their_own(whole):
    lengths = np.array([40, 9, 17, 8, 33, 6, 25, 3])
    sampler = WindowSampler(Dataset(WALL, cut(whole, lengths), CPU), TrainSettings(batch=4, window=16), 3, least=5)
    for number in range(3):
        seen = epoch(sampler, number)
        short = [(i, start) for size, i, start in seen if size != 16]
        assert {size for size, _, _ in seen} == {6, 16}
        # 9, 8 and 6 states: windows of 6, each once in an epoch; the one of 3 states has too few.
        own = [pair for pair in short if lengths[pair[0]] < 16]
        assert sorted(own) == [(1, 0), (1, 1), (1, 2), (1, 3), (3, 0), (3, 1), (3, 2), (5, 0)]
        assert all(start + 6 <= lengths[i] for i, start in short) and len(short) == 8
    assert sampler.short.unused == 1


def test_windows_goals_and_actions_are_those_of_the_whole_trajectories(whole, lengths):
    short, full = Dataset(WALL, cut(whole, lengths), CPU), Dataset(WALL, whole, CPU)
    model = built(full)
    trajectory, start = WindowSampler(short, TrainSettings(batch=16, window=9), 3).windows(2)
    latents = encode_all(model, short)
    batch = WindowBatch(short, model, trajectory, start, 9, ScalarNoise(3, 4, Stream.SAMPLER), None, latents)
    times = start[:, None] + torch.arange(9)
    expected = encode_all(model, full).reshape(8, 40, -1)
    assert torch.equal(batch.latents, expected[trajectory[:, None], times])
    taken = torch.from_numpy(whole.actions)[trajectory[:, None], times[:, :-1]]
    torch.testing.assert_close(batch.actions * short.action_scale, taken)
    goals = batch.goals("episode", 1, "batch")
    last = torch.from_numpy(lengths)[trajectory] - 1
    assert torch.equal(goals.points[:, 0], expected[trajectory, last])
    assert torch.equal(goals.same[:, :, 0], times == last[:, None])


@pytest.mark.parametrize("stride", [3, 5])
def test_strided_windows_stay_inside_episodes(whole, lengths, stride):
    data = Dataset(WALL, cut(whole, lengths), CPU)
    ids = torch.arange(8 * 40, dtype=torch.float32).unsqueeze(1)  # each state's latent says which state it is
    for step in range(20):
        trajectory, start = WindowSampler(data, TrainSettings(batch=16, window=9), 3).windows(step % 3)
        batch = WindowBatch(data, built(data), trajectory, start, 9, ScalarNoise(3, step, Stream.SAMPLER), None, ids)
        found = batch.strided(stride).latents[..., 0].long()
        assert found.shape == (16, 12 // stride)  # as long as the episode in the middle allows
        assert ((found // 40) == (found // 40)[:, :1]).all() and (found.diff(dim=1) == stride).all()
        assert (found % 40 < torch.from_numpy(lengths)[found // 40]).all()


def test_statistics_and_units_are_of_the_states_that_there_are(whole, lengths):
    data = Dataset(WALL, cut(whole, lengths), CPU)
    states = [torch.from_numpy(whole.states["position"][i, :n]) for i, n in enumerate(lengths)]
    layouts = [torch.from_numpy(whole.static["layout"][i : i + 1]).expand(n, 2) for i, n in enumerate(lengths)]
    images = WALL.observe({"position": torch.cat(states), "layout": torch.cat(layouts)})["image"].double()
    mean, std = data.statistics(10**6)["image"]
    assert len(images) == lengths.sum() == data.total
    torch.testing.assert_close(mean.double(), images.mean(dim=(0, 2, 3)), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(std.double(), images.std(dim=(0, 2, 3), correction=0), atol=1e-6, rtol=1e-6)
    taken = np.concatenate([whole.actions[i, : n - 1] for i, n in enumerate(lengths)])
    assert data.action_scale == pytest.approx(np.sqrt((taken.astype(np.float64) ** 2).mean()), rel=1e-12)


def test_too_few_windows_are_told_with_both_ends(whole, lengths):
    with pytest.raises(UsageError, match="8 trajectories of 8 to 40 states hold 1 windows of 40"):
        WindowSampler(Dataset(WALL, cut(whole, lengths), CPU), TrainSettings(batch=2, window=40), 0)


def written(path, data):
    spec = files.specification(
        "wall", WALL, type("S", (), {"identity": lambda self: {"trajectories": 8, "length": 40}})(), 0
    )
    return episode_file.write(path, data.counts, episode_file.episodes_of(data), spec, {})


def test_a_file_gives_episodes_back(whole, lengths, tmp_path):
    data = cut(whole, lengths)
    fingerprint = written(tmp_path / "data.h5", data)
    found, spec = files.load(tmp_path / "data.h5")
    assert (spec["trajectories"], found.lengths.tolist()) == (8, lengths.tolist())
    assert fingerprint == files.fingerprint(data) == files.fingerprint(found)
    for name, array in data.states.items():
        np.testing.assert_array_equal(found.states[name], array)
    np.testing.assert_array_equal(found.actions, data.actions)
    # What stands behind an end is nothing, but where the ends are is something.
    found.states["position"][1, 20] += 1
    assert files.fingerprint(found) == fingerprint
    found.lengths[1] += 1
    assert files.fingerprint(found) != fingerprint


def test_equal_lengths_in_such_a_file_are_the_same_data_set(whole, tmp_path):
    assert written(tmp_path / "data.h5", whole) == files.fingerprint(whole)
    assert files.load(tmp_path / "data.h5")[0].lengths is None


def test_arrays_that_stay_in_the_file_read_as_arrays_in_memory(whole, lengths, tmp_path):
    written(tmp_path / "data.h5", cut(whole, lengths))
    kept, read = episode_file.read(tmp_path / "data.h5", large=0), episode_file.read(tmp_path / "data.h5")
    stored, array = kept.states["position"], read.states["position"]
    assert isinstance(stored, StoredArray) and stored.shape == array.shape and stored.dtype == array.dtype
    rng = np.random.default_rng(0)
    trajectory, time = rng.integers(0, 8, 50), rng.integers(0, 40, 50)
    np.testing.assert_array_equal(stored[trajectory, time], array[trajectory, time])
    for key in (np.s_[3], np.s_[2, 5], np.s_[1:4, 3:9], np.s_[:, 0], np.s_[4, :, 1], np.s_[-1, -1]):
        np.testing.assert_array_equal(stored[key], array[key])
    np.testing.assert_array_equal(np.asarray(stored), array)
    some = np.array([5, 0, 2])
    np.testing.assert_array_equal(np.asarray(kept.take(some).states["position"])[:, :20], array[some][:, :20])
    assert files.fingerprint(kept) == files.fingerprint(read)


def test_a_stored_set_draws_the_same_with_and_without_reading_ahead(whole, lengths, tmp_path):
    written(tmp_path / "data.h5", cut(whole, lengths))
    kept, read = (Dataset(WALL, episode_file.read(tmp_path / "data.h5", n), CPU) for n in (0, 10**9))
    assert kept.reads_ahead and not read.reads_ahead
    trajectory, time = torch.tensor([0, 4, 4]), torch.tensor([1, 30, 31])
    for ahead in (False, True, False):
        if ahead:
            kept.read_ahead(trajectory, time)
        assert torch.equal(kept.observations(trajectory, time)["image"], read.observations(trajectory, time)["image"])
    kept.read_ahead(trajectory, time)
    other = torch.tensor([2, 2, 2])
    assert torch.equal(kept.observations(other, time)["image"], read.observations(other, time)["image"])


def test_one_long_episode_does_not_make_all_others_take_its_memory(tmp_path, vgbench_cli):
    """Of 4000 episodes, 187 KiB of rows; padded, they would take 244 MiB, and their actions 61."""
    lengths = np.array([2] * 3999 + [4000])
    rows = np.random.default_rng(0).normal(size=(lengths.sum(), 4)).astype("f4")
    actions = np.ones((lengths.sum(), 1), "f4")
    np.savez(
        tmp_path / "r.npz",
        observations=rows,
        actions=actions,
        terminals=np.isin(np.arange(len(rows)), lengths.cumsum() - 1),
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert vgbench_cli("import", "r.npz", "--out", "d.h5").exit_code == 0
    found = files.load(tmp_path / "d.h5")[0]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB
    (seen,) = found.observations.values()
    assert found.lengths.tolist() == lengths.tolist() and isinstance(seen, StoredArray)
    np.testing.assert_array_equal(seen[np.array([0, 3999, 3999]), np.array([1, 0, 3999])], rows[[1, 7998, -1]])


def test_actions_that_would_be_mostly_padding_are_refused_with_a_way_out(tmp_path, vgbench_cli):
    lengths = np.array([2] * 9999 + [10000])
    ends = np.isin(np.arange(lengths.sum()), lengths.cumsum() - 1)
    np.savez(tmp_path / "r.npz", observations=ends[:, None] * 1.0, actions=ends[:, None] * 1.0, terminals=ends)
    done = vgbench_cli("import", "r.npz", "--out", "d.h5")
    assert done.exit_code == 2 and "d.h5: its 10000 episodes would take 399960000 bytes" in done.stderr
    assert "--length N" in done.stderr and not (tmp_path / "d.h5").exists()


@pytest.mark.parametrize("odd", [[0, 9], [-3, 12], [2**63 - 1, 2**63 - 1, 11], [[4, 5]], [4.5, 4.5], []])
def test_lengths_that_are_none_are_refused(whole, tmp_path, odd):
    written(tmp_path / "data.h5", cut(whole, [4, 5, 6, 7, 8, 9, 4, 5]))
    with h5py.File(tmp_path / "data.h5", "r+") as file:
        del file["lengths"]
        file["lengths"] = np.array(odd)
    with pytest.raises(VgbenchError, match=r"data\.h5: its `lengths` are no numbers of states|declares"):
        files.load(tmp_path / "data.h5")


class Cut(Wall):
    """The wall, whose walks end early."""

    lengths = np.array([40, 9, 17, 8, 33, 12, 25, 10])

    def collect(self, trajectories, length, seed, progress=None):
        return cut(super().collect(trajectories, length, seed, progress), self.lengths)


def test_an_environment_may_collect_trajectories_of_different_lengths(tmp_path, monkeypatch):
    settings, made = DataSettings(trajectories=8, length=40), Cut(Cut.Params())
    left = tmp_path / ".0123456789abcdef.partial"  # of a process that was killed long ago
    left.touch()
    os.utime(left, (0, 0))
    data, path = collection.collect("wall", made, settings, 0, folder=tmp_path)
    again = collection.collect("wall", made, settings, 0, folder=tmp_path)[0]
    assert data.counts.tolist() == again.counts.tolist() == Cut.lengths.tolist()
    assert not left.exists()
    assert files.read_source(path) and files.fingerprint(data) == files.fingerprint(made.collect(8, 40, 0))
    monkeypatch.setattr(Cut, "lengths", np.array([39] * 8))
    with pytest.raises(VgbenchError, match="lengths must be int64"):
        collection.collect("wall", made, settings, 1, folder=tmp_path)
