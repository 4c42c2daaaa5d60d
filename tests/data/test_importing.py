"""`vgbench import`: the same recordings in every format, layouts of images, and what is wrong with a recording."""

import io
import json
import os
import re
import warnings

import h5py
import numpy as np
import pytest
from PIL import Image

from vgbench.data import files

LENGTHS = (12, 30, 7, 19)
"""States of the episodes."""


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def episodes():
    """Frames [T + 1, 24, 20, 3] and actions [T, 2] of each."""
    rng = np.random.default_rng(0)
    return [
        (rng.integers(0, 256, (n, 24, 20, 3), dtype=np.uint8), rng.uniform(-1, 1, (n - 1, 2)).astype(np.float32))
        for n in LENGTHS
    ]


def rows(episodes, last=0.0):
    """Rows of all episodes, as most projects have them: the last action leads nowhere."""
    frames = np.concatenate([frames for frames, _ in episodes])
    actions = np.concatenate([np.concatenate([a, np.full((1, a.shape[1]), last, a.dtype)]) for _, a in episodes])
    done = np.concatenate([np.arange(len(f)) == len(f) - 1 for f, _ in episodes])
    return frames, actions, done


@pytest.fixture
def imported(vgbench_cli):
    """Import, and return what the command says and the data."""

    def call(*args, out="out.h5"):
        result = vgbench_cli("import", *args, "--out", out, "--format", "json")
        assert result.exit_code == 0, result.stderr
        return result.json(), files.load(out)[0]

    return call


@pytest.fixture
def refused(vgbench_cli, tmp_path):
    def call(*args):
        result = vgbench_cli("import", *args, "--out", "never.h5")
        assert result.exit_code == 2 and result.stderr.count("error:") == 1, (result.exit_code, result.stderr)
        assert not (tmp_path / "never.h5").exists()
        return result.stderr

    return call


def write_npz(path, episodes):
    frames, actions, done = rows(episodes)
    np.savez(path, observations=frames, actions=actions, terminals=done)


def write_compressed(path, episodes):
    frames, actions, _ = rows(episodes, last=7.0)
    np.savez_compressed(path, observations=frames, actions=actions, episode_ends=np.cumsum(LENGTHS))


def write_d4rl(path, episodes):
    """Transitions with `next_observations`; the ends of some are terminal, of others timeouts."""
    with h5py.File(path, "w") as file:
        file["observations"] = np.concatenate([f[:-1] for f, _ in episodes])
        file["next_observations"] = np.concatenate([f[1:] for f, _ in episodes])
        file["actions"] = np.concatenate([a for _, a in episodes])
        ends = np.concatenate([np.arange(len(a)) == len(a) - 1 for _, a in episodes])
        which = np.repeat(np.arange(len(episodes)) % 2 == 0, [len(a) for _, a in episodes])
        file["terminals"], file["timeouts"] = ends & which, ends & ~which
        file["rewards"] = np.zeros(len(ends))
        file["metadata/algorithm"] = "by hand"


def write_swm(path, episodes):
    frames, actions, _ = rows(episodes, last=np.float32(0))
    with h5py.File(path, "w") as file:
        file["pixels"], file["action"] = np.moveaxis(frames, -1, 1), actions
        file["ep_len"], file["ep_offset"] = np.array(LENGTHS), np.cumsum([0, *LENGTHS[:-1]])


def write_groups(path, episodes):
    """As robomimic and Minari: more than ten, so that their order is that of numbers."""
    with h5py.File(path, "w") as file:
        for number, (frames, actions) in enumerate(episodes):
            file[f"data/demo_{number + 8}/obs/agentview"], file[f"data/demo_{number + 8}/actions"] = frames, actions


def write_stacked(path, episodes):
    frames, actions = np.zeros((4, 30, 24, 20, 3), np.uint8), np.zeros((4, 29, 2), np.float32)
    for number, (f, a) in enumerate(episodes):
        frames[number, : len(f)], actions[number, : len(a)] = f, a
    np.savez(path, states=frames, actions=actions, locations=np.zeros((4, 30, 2)), lengths=np.array(LENGTHS))


def write_floats(path, episodes):
    frames, actions, _ = rows(episodes)
    where = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    np.savez(path, image=(frames / 255).astype(np.float32), u=actions, episode=where)


def write_lerobot(version):
    def png(frame):
        content = io.BytesIO()
        Image.fromarray(frame).save(content, "PNG")
        return {"bytes": content.getvalue(), "path": None}

    def write(path, episodes):
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        frames, actions, _ = rows(episodes)
        index = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
        features = {
            "observation.image": {"dtype": "image", "shape": [24, 20, 3], "names": ["height", "width", "channel"]},
            "action": {"dtype": "float32", "shape": [2]},
            "episode_index": {"dtype": "int64", "shape": [1]},
        }
        (path / "meta").mkdir(parents=True)
        (path / "meta" / "info.json").write_text(
            json.dumps({"codebase_version": version, "fps": 10, "features": features})
        )
        parts = [[i] for i in range(4)] if version == "v2.1" else [[0, 1, 2], [3]]
        for number, part in enumerate(parts):
            chosen = np.flatnonzero(np.isin(index, part))
            table = pa.table(
                {
                    "observation.image": [png(frames[i]) for i in chosen],
                    "action": [actions[i].tolist() for i in chosen],
                    "episode_index": index[chosen],
                }
            )
            name = f"episode_{number:06d}" if version == "v2.1" else f"file-{number:03d}"
            file = path / "data" / "chunk-000" / f"{name}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, file)

    return write


FORMATS = {
    "own.npz": (write_npz, "OGBench"),
    "compressed.npz": (write_compressed, "episode_ends"),
    "d4rl.hdf5": (write_d4rl, "D4RL"),
    "swm.h5": (write_swm, "stable-worldmodel"),
    "groups.hdf5": (write_groups, "4 groups"),
    "stacked.npz": (write_stacked, "PLDM"),
    "floats.npz": (write_floats, "told apart by episode"),
    "lerobot_v2": (write_lerobot("v2.1"), "LeRobot v2.1"),
    "lerobot_v3": (write_lerobot("v3.0"), "LeRobot v3.0"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_recordings_in_any_format_are_the_same_data_set(name, episodes, imported, tmp_path):
    write, layout = FORMATS[name]
    write(tmp_path / name, episodes)
    about, data = imported(tmp_path / name)
    assert layout in about["card"]["layout"] and about["lengths"]["states"] == sum(LENGTHS)
    assert data.lengths.tolist() == list(LENGTHS)
    for number, (frames, actions) in enumerate(episodes):
        seen = data.observations["observation"][number, : LENGTHS[number]]
        np.testing.assert_array_equal(seen, np.moveaxis(frames, -1, 1))
        np.testing.assert_array_equal(data.actions[number, : LENGTHS[number] - 1], actions)
    write_npz(tmp_path / "first.npz", episodes)
    assert about["fingerprint"] == imported(tmp_path / "first.npz", out="first.h5")[0]["fingerprint"]


@pytest.fixture
def minari_set():
    """Make a local Minari data set of episodes."""
    minari = pytest.importorskip("minari")
    from gymnasium import spaces
    from minari.data_collector.episode_buffer import EpisodeBuffer

    def make(name, episodes, **options):
        buffers = [
            EpisodeBuffer(
                id=i,
                observations=f,
                actions=a,
                rewards=[0.0] * len(a),
                terminations=[False] * len(a),
                truncations=[False] * (len(a) - 1) + [True],
            )
            for i, (f, a) in enumerate(episodes)
        ]
        options["observation_space"] = spaces.Box(0, 255, episodes[0][0].shape[1:], np.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            minari.create_dataset_from_buffers(name, buffers, action_space=spaces.Box(-1, 1, (2,)), **options)

    return make


def test_minari_gives_the_same_data_set(episodes, imported, minari_set, tmp_path):
    minari_set("own-v0", episodes)
    about, _ = imported("--minari", "own-v0")
    write_npz(tmp_path / "first.npz", episodes)
    assert about["fingerprint"] == imported(tmp_path / "first.npz", out="first.h5")[0]["fingerprint"]


def test_minari_episodes_of_one_and_two_steps_are_kept_and_trained_on(imported, minari_set, vgbench_cli):
    rng, lengths = np.random.default_rng(0), (2, 20, 3, 24, 2, 18)
    episodes = [
        (rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8), rng.uniform(-1, 1, (n - 1, 2)).astype(np.float32))
        for n in lengths
    ]
    minari_set("short-v0", episodes, jpeg_encoding=False)
    _, data = imported("--minari", "short-v0")
    assert data.lengths.tolist() == list(lengths)
    for number, (frames, actions) in enumerate(episodes):
        seen = data.observations["observation"][number, : lengths[number]]
        np.testing.assert_array_equal(seen, np.moveaxis(frames, -1, 1))
        np.testing.assert_array_equal(data.actions[number, : lengths[number] - 1], actions)
    small = ("--scale", "smoke", "--set", "strided.stem=4", "--set", "strided.channels=4")
    done = vgbench_cli("train", "--data", "out.h5", "--recipe", "vf", *small, "--out", "run", "--format", "json")
    assert done.exit_code == 0, done.stderr


def test_images_that_minari_keeps_as_jpeg_are_told(imported, minari_set, tmp_path):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (n, 48, 48, 3), dtype=np.uint8) for n in LENGTHS]
    episodes = [(f, np.zeros((len(f) - 1, 2), np.float32) + np.float32(0.5)) for f in frames]
    write_npz(tmp_path / "first.npz", episodes)
    whole = imported(tmp_path / "first.npz", out="first.h5")[0]["fingerprint"]
    minari_set("jpeg-v0", episodes)
    about, _ = imported("--minari", "jpeg-v0", out="jpeg.h5")
    assert about["fingerprint"] != whole and "Minari keeps images as JPEG" in about["notes"][0]
    minari_set("raw-v0", episodes, jpeg_encoding=False)
    about, _ = imported("--minari", "raw-v0", out="raw.h5")
    assert about["fingerprint"] == whole and not any("JPEG" in text for text in about["notes"])


def test_a_mapping_says_what_fields_of_any_name_are(episodes, imported, refused, tmp_path):
    frames, actions, done = rows(episodes)
    np.savez(tmp_path / "a.npz", cam=frames, motors=actions, fin=done, temperature=np.ones(len(done)))
    about, data = imported(tmp_path / "a.npz", "--map", "observations=cam,actions=motors,episodes=fin")
    assert data.lengths.tolist() == list(LENGTHS) and "'cam'" in about["fields"]["observation"]
    words = refused(tmp_path / "a.npz")
    assert "--map observations=" in words and "cam (68, 24, 20, 3)" in words
    assert "--map actions=" in refused(tmp_path / "a.npz", "--map", "observations=cam")
    assert "--map episodes=FIELD" in refused(tmp_path / "a.npz", "--map", "observations=cam,actions=motors")
    assert "no field 'camera'. Did you mean 'cam'?" in refused(tmp_path / "a.npz", "--map", "observations=camera")
    assert "Did you mean 'actions'?" in refused(tmp_path / "a.npz", "--map", "action=motors")
    assert "expected ROLE=FIELD" in refused(tmp_path / "a.npz", "--map", "cam")
    both = imported(tmp_path / "a.npz", "--map", "observations=cam+temperature,actions=motors,episodes=fin", out="b.h5")
    assert sorted(both[1].observations) == ["cam", "temperature"]


def vector_file(path, observations, actions=None, lengths=(5, 6), **others):
    total = sum(lengths)
    actions = np.linspace(-1, 1, total, dtype=np.float32)[:, None] if actions is None else actions
    np.savez(path, observations=observations, actions=actions, ep_len=np.array(lengths), **others)


IMAGES = {
    "hwc": ((24, 20, 3), lambda x: np.moveaxis(x, -1, 1)),
    "chw": ((3, 24, 20), lambda x: x),
    "grey": ((24, 20), lambda x: x[:, None]),
    "stack of grey": ((4, 24, 20), lambda x: x),
    "stack last": ((24, 20, 9), lambda x: np.moveaxis(x, -1, 1)),
    "stack of hwc": ((2, 24, 20, 3), lambda x: np.moveaxis(x, -1, 2).reshape(-1, 6, 24, 20)),
    "stack of chw": ((2, 3, 24, 20), lambda x: x.reshape(-1, 6, 24, 20)),
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("floats", [False, True])
def test_images_of_any_layout_become_channels_height_width(name, floats, imported, tmp_path):
    shape, layout = IMAGES[name]
    frames = np.random.default_rng(0).integers(0, 256, (11, *shape), dtype=np.uint8)
    vector_file(tmp_path / "a.npz", (frames / 255).astype(np.float64) if floats else frames)
    about, data = imported(tmp_path / "a.npz")
    seen = data.observations["observation"]
    np.testing.assert_array_equal(np.concatenate([seen[0, :5], seen[1, :6]]), layout(frames))
    assert seen.dtype == np.uint8 and "image" in about["fields"]["observation"]


def test_ambiguous_images_need_a_flag(imported, refused, tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (11, 3, 24, 3), dtype=np.uint8)
    vector_file(tmp_path / "a.npz", frames)
    assert "--images" in refused(tmp_path / "a.npz")
    assert imported(tmp_path / "a.npz", "--images", "vector")[1].observations["observation"].shape == (2, 6, 216)
    wide = np.zeros((11, 24, 24, 24), np.uint8)
    vector_file(tmp_path / "b.npz", wide)
    assert "channels first or channels last; say which with --images hwc|chw|vector" in refused(tmp_path / "b.npz")
    assert (
        imported(tmp_path / "b.npz", "--images", "hwc", out="b.h5")[1].observations["observation"].shape[2:]
        == (24,) * 3
    )
    signed = np.random.default_rng(0).uniform(-1, 1, (11, 24, 20, 3))
    vector_file(tmp_path / "c.npz", signed)
    assert "--image-range LOW:HIGH" in refused(tmp_path / "c.npz")
    seen = imported(tmp_path / "c.npz", "--image-range", "-1:1", out="c.h5")[1].observations["observation"][0, :5]
    np.testing.assert_array_equal(seen, np.rint((np.moveaxis(signed[:5], -1, 1) + 1) * 127.5))
    assert "expected LOW:HIGH" in refused(tmp_path / "c.npz", "--image-range", "1")
    assert "Known: " in refused(tmp_path / "c.npz", "--images", "cwh")


def test_vectors_stay_vectors(imported, tmp_path):
    numbers = np.random.default_rng(0).normal(size=(11, 3))
    vector_file(tmp_path / "a.npz", numbers)
    seen = imported(tmp_path / "a.npz")[1].observations["observation"]
    np.testing.assert_array_equal(seen[1, :6], numbers[5:].astype(np.float32))
    assert seen.dtype == np.float32


def test_frame_skip_joins_the_actions_between(imported, tmp_path):
    numbers = np.arange(22, dtype=np.float32)[:, None]
    vector_file(tmp_path / "a.npz", numbers, np.arange(22, dtype=np.float32)[:, None], lengths=(11, 11))
    about, data = imported(tmp_path / "a.npz", "--frame-skip", 3)
    assert data.observations["observation"][0, :, 0].tolist() == [0, 3, 6, 9]
    assert data.actions[1].tolist() == [[11, 12, 13], [14, 15, 16], [17, 18, 19]]
    assert about["card"]["share_of_steps_left_out"] == 0.1  # one of ten actions in each


def test_bad_episodes_are_named_and_left_out_if_asked(imported, refused, tmp_path):
    numbers = np.random.default_rng(0).normal(size=(22, 3))
    lengths = (5, 6, 7, 4)
    numbers[13, 1] = np.nan
    vector_file(tmp_path / "a.npz", numbers, lengths=lengths)
    words = refused(tmp_path / "a.npz")
    assert "episode 2: field 'observations': NaN at step 2" in words and "--skip-bad" in words
    about, data = imported(tmp_path / "a.npz", "--skip-bad")
    assert data.counts.tolist() == [5, 6, 4] and about["card"]["bad_episodes_left_out"] == 1
    assert any("episode 2" in note for note in about["notes"])
    actions = np.zeros((22, 1), np.float32)
    actions[3] = np.inf
    vector_file(tmp_path / "b.npz", np.nan_to_num(numbers), actions, lengths)
    assert "episode 0: field 'actions': infinity at step 3" in refused(tmp_path / "b.npz")
    numbers[:] = np.nan
    vector_file(tmp_path / "c.npz", numbers, lengths=lengths)
    words = refused(tmp_path / "c.npz", "--skip-bad")
    assert "episode 0" in words and "3 more of 4 are bad" in words


def test_one_episode_with_as_many_observations_as_actions_is_named(imported, refused, tmp_path, episodes):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number, (frames, actions) in enumerate(episodes):
            file[f"ep_{number}/observations"] = frames[: len(actions)] if number == 1 else frames
            file[f"ep_{number}/actions"] = actions
    words = refused(tmp_path / "a.h5")
    assert "episode 1: field 'observations': 29 observations for 29 actions; expected 30" in words
    assert imported(tmp_path / "a.h5", "--skip-bad")[1].counts.tolist() == [12, 7, 19]


def test_actions_outside_of_the_set_are_clipped_and_told(imported, tmp_path):
    actions = np.full((11, 1), 0.5, np.float32)
    actions[7] = 3
    vector_file(tmp_path / "a.npz", np.zeros((11, 2)), actions)
    about, data = imported(tmp_path / "a.npz", "--action-range", "-1:1")
    assert data.actions[1, :, 0].tolist() == [0.5, 0.5, 1, 0.5, 0.5]
    assert about["card"]["share_of_actions_clipped"] == pytest.approx(1 / 9, abs=1e-4)
    note = next(note for note in about["notes"] if "action set" in note)
    assert "field 'actions'" in note and "episode 1" in note and "other units" in note


def test_files_that_are_none(refused, tmp_path):
    def file(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    assert "there is no such file" in refused(tmp_path / "nothing.npz")
    assert "is empty (0 bytes)" in refused(file("empty.npz", b""))
    assert "is of no kind" in refused(file("text.txt", b"hello"))
    assert "is a pickle, which is never read" in refused(file("data.p", b"\x80\x04N."))
    assert "is a single array" in refused(file("a.npy", b"\x93NUMPY\x01\x00"))
    assert "cannot be read" in refused(file("cut.npz", b"PK\x03\x04 and no more"))
    assert "cannot be read" in refused(file("cut.h5", b"\x89HDF\r\n\x1a\n and no more"))
    (tmp_path / "folder").mkdir()
    assert "neither meta/info.json" in refused(tmp_path / "folder")
    np.savez(tmp_path / "objects.npz", observations=np.array([[1], [2, 3]], dtype=object))
    assert "Python objects, whose pickle is never read" in refused(tmp_path / "objects.npz")
    assert "expected one of FILE and --minari" in refused()


def test_recordings_given_as_a_data_set_are_told_of_import(vgbench_cli, tmp_path):
    vector_file(tmp_path / "a.npz", np.zeros((11, 2)))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["observations"] = np.zeros((11, 2))
    for name, kind in (("a.npz", "is no HDF5 file"), ("a.h5", "is an HDF5 file, but not a vgbench data set")):
        done = vgbench_cli("train", "--data", tmp_path / name, "--recipe", "vf", "--out", tmp_path / "no")
        assert done.exit_code == 2 and kind in done.stderr
        assert f"`vgbench import {tmp_path / name} --out DATA.h5`" in done.stderr


def test_truncated_files_are_told(episodes, refused, tmp_path):
    for name, write in (("a.npz", write_npz), ("a.hdf5", write_d4rl)):
        write(tmp_path / name, episodes)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        assert "cannot be read (truncated or damaged?)" in refused(tmp_path / name)


def test_hdf5_never_leads_to_other_files(refused, tmp_path, episodes):
    write_d4rl(tmp_path / "real.h5", episodes)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["observations"] = h5py.ExternalLink("real.h5", "/observations")
        file["actions"] = np.zeros((3, 1))
    assert "'observations' is an external link, which is not followed" in refused(tmp_path / "link.h5")
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file.create_dataset("observations", (10, 2), "f4", external=[(str(tmp_path / "real.h5"), 0, 80)])
    assert "lie in other files" in refused(tmp_path / "outside.h5")
    layout = h5py.VirtualLayout((10, 2), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "real.h5"), "actions", shape=(10, 2))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("observations", layout)
    assert "lie in other files" in refused(tmp_path / "virtual.h5")


def test_fields_of_different_lengths_are_named(refused, tmp_path):
    vector_file(tmp_path / "a.npz", np.zeros((11, 2)), np.zeros((9, 1), np.float32), lengths=(5, 6, 3))
    words = refused(tmp_path / "a.npz")
    assert "fields of different lengths" in words and "'observations' has 11 rows, 'actions' has 9" in words
    vector_file(tmp_path / "b.npz", np.zeros((9, 2)), np.zeros((11, 1), np.float32))
    assert "'observations' has 9 rows, 'actions' has 11" in refused(tmp_path / "b.npz")
    vector_file(tmp_path / "c.npz", np.zeros((11, 2)), lengths=(5, 7))
    np.savez(tmp_path / "d.npz", observations=np.zeros((11, 2)), actions=np.zeros((11, 1), np.float32), ep_len=[5, 5])
    assert "which do not tell the episodes of 11 rows apart" in refused(tmp_path / "d.npz")
    np.savez(
        tmp_path / "e.npz", observations=np.zeros((11, 2)), actions=np.zeros((11, 1), np.float32), done=np.zeros(11)
    )
    assert "'done' mark no end of an episode" in refused(tmp_path / "e.npz")


def test_whole_numbers_are_discrete_actions(imported, refused, tmp_path):
    numbers = np.array([2, 3, 4, 2, 2, 4, 3, 2, 3, 4, 2])
    hot = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]], np.float32)
    vector_file(tmp_path / "a.npz", np.zeros((11, 2)), numbers)
    words, data = imported(tmp_path / "a.npz", out=tmp_path / "a.h5")
    # Five states, then six: the last action of each leads nowhere.
    assert np.array_equal(data.actions[0, :4], hot) and data.actions[1].argmax(axis=1).tolist() == [2, 1, 0, 1, 2]
    assert words["fields"]["actions"] == "one of 3, numbers 2 to 4 (the data's own range), one-hot, from 'actions'"
    vector_file(tmp_path / "b.npz", np.zeros((11, 2)), numbers[:, None].astype(np.uint8))
    assert imported(tmp_path / "b.npz", out=tmp_path / "b.h5")[0]["fingerprint"] == words["fingerprint"]
    words, data = imported(tmp_path / "b.npz", "--action-range", "0:5", out=tmp_path / "c.h5")
    assert data.actions.shape[2] == 6 and data.actions[0, 0].argmax() == 2
    assert words["fields"]["actions"] == "one of 6, numbers 0 to 5 (as given), one-hot, from 'actions'"
    assert "action 4 at step 2; expected 2 to 3" in refused(tmp_path / "a.npz", "--action-range", "2:3")
    assert "the numbers of the first and the last" in refused(tmp_path / "a.npz", "--action-range", "0.5:4")
    assert "discrete actions, which cannot be combined" in refused(tmp_path / "a.npz", "--frame-skip", "2")
    vector_file(tmp_path / "d.npz", np.zeros((11, 2)), 700 * np.arange(11))
    assert "whole numbers of 0 to 6300, too many" in refused(tmp_path / "d.npz")
    said = "; ".join(words["notes"])
    assert "whole numbers are taken for the numbers of 6 discrete actions" in said and "float32" in said
    for values, odd in ((np.arange(11) - 3, "-3 to 6, negative ones"), (50 * np.arange(11), "0 to 450, 451 of them")):
        vector_file(tmp_path / "f.npz", np.zeros((11, 2)), values)
        told = refused(tmp_path / "f.npz")
        assert f"whole numbers of {odd}" in told and "save them as float32" in told
        way = re.search(r"--action-range (\S+),", told)[1]
        # The last action of each of the two episodes is left out: the range is that of the others.
        assert imported(tmp_path / "f.npz", "--action-range", way, out=tmp_path / f"f{values[1]}.h5")
    vector_file(tmp_path / "e.npz", np.zeros((11, 2)), np.zeros((11, 2), np.int64))
    assert "expected real numbers, or one whole number for each step" in refused(tmp_path / "e.npz")


def test_fields_that_are_no_numbers_are_named(refused, vgbench_cli, tmp_path):
    """Nor is the field of actions proposed as that of observations."""
    np.savez(tmp_path / "a.npz", observations=np.array(["a"] * 6), actions=np.zeros((6, 1)), ep_len=np.array([3, 3]))
    said = refused(tmp_path / "a.npz")
    assert "no numbers are observations (<U1)" in said and "--map observations=FIELD" in said
    several = vgbench_cli("import", "a.npz", "b.npz", "--out", "x.h5")
    assert several.exit_code == 2 and "one file has all episodes" in " ".join(several.stderr.split())


def test_what_is_odd_about_a_recording_is_noted(imported, tmp_path):
    """A component that never changes, an outlier that sets the range, and episodes padded with their last row."""
    rng = np.random.default_rng(0)
    places, actions = rng.normal(size=(10, 60, 2)), rng.uniform(-1, 1, (10, 60, 3)).astype(np.float32)
    np.savez(tmp_path / "a.npz", observations=places, actions=actions)
    assert not any("componen" in note or "padding" in note for note in imported(tmp_path / "a.npz")[0]["notes"])
    actions[..., 1] = 0.5
    actions[3, 20, 2] = 400
    for episode in range(6):
        actions[episode, 50:], places[episode, 50:] = 0, places[episode, 50]
    actions[..., 1] = 0.5
    np.savez(tmp_path / "b.npz", observations=places, actions=actions)
    said = "\n".join(imported(tmp_path / "b.npz", out=tmp_path / "b.h5")[0]["notes"])
    assert "components that never change: 1 (always 0.5)" in said
    assert re.search(r"component 2 reaches 400, but 99 % of its actions are within 0?\.9\d*|within 1", said), said
    assert "padding" not in said  # component 1 acts all along
    actions[:6, 50:] = 0
    np.savez(tmp_path / "c.npz", observations=places, actions=actions)
    said = "\n".join(imported(tmp_path / "c.npz", out=tmp_path / "c.h5")[0]["notes"])
    # Ten actions from row 50 on, of which the last is left out.
    assert "6 of 10 episodes end with steps in which the action is 0 and nothing changes (median 9)" in said


def test_one_long_episode_is_enough_if_it_is_cut(imported, refused, tmp_path):
    vector_file(tmp_path / "a.npz", np.arange(40.0).reshape(20, 2), lengths=(20,))
    assert "1 of 1 episodes have two states or more; expected at least 2; --length N cuts it" in refused(
        tmp_path / "a.npz"
    )
    # 20 states, 19 actions with a next state: pieces that share their ends hold 5 states each.
    about, data = imported(tmp_path / "a.npz", "--length", "5")
    assert about["trajectories"] == 4 and data.states == {} and len(data) == 4
    assert "expected at least 2: give a smaller --length" in refused(tmp_path / "a.npz", "--length", "15")


def test_discrete_actions_train_and_are_judged_without_a_simulator(imported, vgbench_cli, tmp_path):
    rng = np.random.default_rng(0)
    lengths = rng.integers(12, 30, 20)
    numbers = rng.integers(0, 4, lengths.sum())
    moves = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)[numbers]
    places = np.concatenate([np.cumsum(part, axis=0) for part in np.split(moves, np.cumsum(lengths)[:-1])])
    np.savez(tmp_path / "a.npz", observations=places, actions=numbers, ep_len=lengths)
    imported(tmp_path / "a.npz", out=tmp_path / "a.h5")
    what = ["train", "--data", tmp_path / "a.h5", "--recipe", "vf", "--encoder", "vector", "--scale", "smoke"]
    refused = vgbench_cli(*what, "--out", tmp_path / "no")
    assert refused.exit_code == 2 and "Planners that can: cem, random" in refused.stderr
    done = vgbench_cli(*what, "--planner", "cem", "--out", tmp_path / "model")
    assert done.exit_code == 0, done.stderr
    judged = vgbench_cli("offline", tmp_path / "model", "--format", "json")
    assert judged.exit_code == 0, judged.stderr
    assert judged.json()["blocks"]["plan"]["plans"] > 0


def films(folder, version, episodes):
    """Videos of the frames, in place of those in the Parquet files, beside a vector."""
    av = pytest.importorskip("av")
    import pyarrow as pa
    import pyarrow.parquet as pq

    info = json.loads((folder / "meta" / "info.json").read_text())
    info["features"]["observation.image"]["dtype"] = "video"
    one = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
    many = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    info["video_path"] = one if version == "v2.1" else many
    (folder / "meta" / "info.json").write_text(json.dumps(info))
    if version == "v2.1":
        files_ = {one.format(episode_chunk=0, video_key="observation.image", episode_index=i): [i] for i in range(4)}
    else:
        files_ = {
            many.format(video_key="observation.image", chunk_index=0, file_index=i): p
            for i, p in enumerate([[0, 1, 2], [3]])
        }
        key, rows_ = "videos/observation.image", []
        for number, part in enumerate(files_.values()):
            at = 0
            for i in part:
                rows_.append(
                    {
                        "episode_index": i,
                        f"{key}/chunk_index": 0,
                        f"{key}/file_index": number,
                        f"{key}/from_timestamp": at / 10,
                    }
                )
                at += LENGTHS[i]
        (folder / "meta" / "episodes").mkdir()
        pq.write_table(pa.Table.from_pylist(rows_), folder / "meta" / "episodes" / "file-000.parquet")
    for where, part in files_.items():
        (folder / where).parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(folder / where), "w") as out:
            stream = out.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 20, 24, "yuv420p", 10**7
            for i in part:
                for frame in episodes[i][0]:
                    out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            out.mux(stream.encode())
    return [folder / where for where in files_]


def smooth():
    """Episodes of one colour per frame, which a video keeps."""
    rng = np.random.default_rng(0)
    colours = [rng.integers(0, 256, (n, 1, 1, 3), dtype=np.uint8) for n in LENGTHS]
    return [(np.tile(c, (1, 24, 20, 1)), np.zeros((len(c) - 1, 2), np.float32) + 0.5) for c in colours]


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_videos_of_a_lerobot_set_are_decoded(version, imported, refused, tmp_path):
    episodes = smooth()
    write_lerobot(version)(tmp_path / "set", episodes)
    paths = films(tmp_path / "set", version, episodes)
    _, data = imported(tmp_path / "set")
    assert data.lengths.tolist() == list(LENGTHS)
    for number, (frames, _) in enumerate(episodes):
        seen = data.observations["observation"][number, : LENGTHS[number]].astype(float)
        assert np.abs(seen.mean(axis=(2, 3)) - frames[:, 0, 0]).mean() < 12  # what the codec loses
    paths[-1].unlink()
    words = refused(tmp_path / "set")
    assert "feature 'observation.image' is a video, but there is no" in words and "download the videos" in words
    paths[-1].write_bytes(b"no video")
    assert "episode 3: field 'observation.image'" in refused(tmp_path / "set") and "cannot be decoded" in refused(
        tmp_path / "set"
    )


def test_tables_outside_of_a_lerobot_set_and_pipes_in_it_are_not_read(episodes, refused, tmp_path):
    write_lerobot("v3.0")(tmp_path / "set", episodes)
    table = sorted((tmp_path / "set" / "data").rglob("*.parquet"))[0]
    table.rename(tmp_path / "elsewhere.parquet")
    table.symlink_to(tmp_path / "elsewhere.parquet")
    words = refused(tmp_path / "set")
    assert f"{table} cannot be read" in words and "lies outside of" in words
    table.unlink()
    os.mkfifo(table)
    assert f"{table} cannot be read" in refused(tmp_path / "set")


def test_a_table_that_declares_far_more_than_its_file_has(episodes, refused, tmp_path):
    write_lerobot("v3.0")(tmp_path / "set", episodes)
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = sorted((tmp_path / "set" / "data").rglob("*.parquet"))[0]
    pq.write_table(pa.table({"episode_index": np.zeros(40_000_000, np.int64)}), table)
    assert table.stat().st_size < 1e6
    assert "its table declares" in refused(tmp_path / "set")


@pytest.mark.parametrize("factor", [1, 3])
def test_an_image_of_more_pixels_than_is_safe_to_unpack(factor, episodes, refused, tmp_path, monkeypatch):
    """Of more than PIL warns of, and of more than it refuses."""
    write_lerobot("v3.0")(tmp_path / "set", episodes)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 20 // factor - 1)
    words = refused(tmp_path / "set")
    assert "field 'observation.image': an image cannot be read" in words and "decompression bomb" in words


def test_a_lerobot_set_that_is_damaged(episodes, refused, tmp_path):
    write_lerobot("v3.0")(tmp_path / "set", episodes)
    where = tmp_path / "set" / "meta" / "info.json"
    info = json.loads(where.read_text())
    info["features"]["observation.image"]["dtype"] = "video"
    where.write_text(json.dumps(info))
    assert "no video_path, though 'observation.image' is a video" in refused(tmp_path / "set")
    where.write_text("{")
    assert "is not what LeRobot writes" in refused(tmp_path / "set")
    where.write_text(json.dumps(info | {"codebase_version": "v1.6"}))
    assert "expected v2 or v3" in refused(tmp_path / "set")


def test_without_pyarrow_it_says_what_to_install(refused, tmp_path, monkeypatch):
    import sys

    (tmp_path / "set" / "meta").mkdir(parents=True)
    (tmp_path / "set" / "meta" / "info.json").write_text("{}")  # Parquet files cannot be made without it either
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert 'pip install -c constraints.txt ".[lerobot]"' in refused(tmp_path / "set")


def test_an_environment_of_ones_own_reads_its_states(imported, refused, tmp_path):
    """Positions and layouts of the wall, recorded by something else, under its names."""
    position = np.concatenate([np.linspace([8, 8], [20, 20], n) for n in (6, 9)])
    layout = np.tile([[32.0, 22.0]], (15, 1))
    actions = np.tile(np.float32([[0.5, 0.5]]), (15, 1))
    np.savez(
        tmp_path / "a.npz", observations=position, position=position, layout=layout, actions=actions, ep_len=[6, 9]
    )
    about, data = imported(tmp_path / "a.npz", "--env", "wall")
    assert about["environment"] == "wall" and data.counts.tolist() == [6, 9]
    np.testing.assert_array_equal(data.states["position"][1], position[6:].astype(np.float32))
    np.testing.assert_array_equal(data.static["layout"], [[32, 22]] * 2)
    assert "leave it out" in refused(tmp_path / "a.npz", "--env", "wall", "--frame-skip", 2)
    np.savez(tmp_path / "b.npz", observations=position, actions=actions, ep_len=[6, 9])
    assert "state 'position' was not recorded" in refused(tmp_path / "b.npz", "--env", "wall")


def test_a_field_that_an_environment_needs_and_that_is_short_in_one_episode(refused, imported, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(3):
            group = file.create_group(f"episode_{number}")
            group["observations"], group["actions"] = np.zeros((9, 2)), np.zeros((8, 2), np.float32)
            group["layout"] = np.tile([[32.0, 22.0]], (9, 1))
            group["position"] = np.full((8 if number == 1 else 9, 2), 12.0)
    words = refused(tmp_path / "a.h5", "--env", "wall")
    assert "episode 1: field 'position': 8 rows, where the episode has 9 states" in words
    assert len(imported(tmp_path / "a.h5", "--env", "wall", "--skip-bad")[1]) == 2
