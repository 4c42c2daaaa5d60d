"""Recordings that are damaged, or declare what is not there: `vgbench import` refuses them, in little memory."""

import io
import re
import shutil
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

ROWS = 40


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "observations": rng.normal(size=(ROWS, 3)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (ROWS, 2)).astype(np.float32),
        "terminals": np.arange(ROWS) % 10 == 9,
    }


@pytest.fixture
def refused(vgbench_cli, tmp_path):
    """Import what must not be, in 200 MB; return the message."""

    def call(name):
        tracemalloc.start()
        result = vgbench_cli("import", name, "--out", "never.h5")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert result.exit_code == 2 and result.stderr.count("error:") == 1, (result.exit_code, result.stderr)
        assert name in result.stderr and most < 2e8
        assert not (tmp_path / "never.h5").exists()
        return result.stderr

    return call


def npy(shape, content=b"", descr="<f4"):
    """An NPY file with any header."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + content


def with_member(path, arrays, name, content, packed=zipfile.ZIP_DEFLATED):
    np.savez(path, **{key: array for key, array in arrays.items() if key != name})
    with zipfile.ZipFile(path, "a", packed) as file:
        file.writestr(f"{name}.npy", content)


@pytest.mark.parametrize("shape", [(10**9, 60), (2**62, 4), (ROWS, -3)], ids=["large", "overflow", "negative"])
@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_an_npz_that_declares_more_than_it_has(arrays, refused, shape, packed):
    with_member("r.npz", arrays, "observations", npy(shape, bytes(480)), packed)
    assert "declares" in refused("r.npz")


def test_an_npz_that_unpacks_to_a_thousand_times_its_size(arrays, refused):
    rows = 2**23
    with_member("r.npz", arrays, "observations", npy((rows, 12), bytes(rows * 48)))
    assert Path("r.npz").stat().st_size < 10**6
    assert "declares" in refused("r.npz")


def test_a_small_one_may_be_packed_well(arrays, vgbench_cli):
    np.savez_compressed("r.npz", **(arrays | {"observations": np.zeros((ROWS, 2000), np.float32)}))
    assert vgbench_cli("import", "r.npz", "--out", "d.h5").exit_code == 0


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_in_any_kind_of_packing(arrays, refused, packed):
    file = io.BytesIO()
    np.save(file, arrays["observations"])
    with_member("r.npz", arrays, "observations", file.getvalue(), packed)
    with zipfile.ZipFile("r.npz") as archive:
        start = archive.getinfo("observations.npy").header_offset + 30 + len("observations.npy")
    data = bytearray(Path("r.npz").read_bytes())
    data[start : start + 40] = b"\xff" * 40
    Path("r.npz").write_bytes(data)
    refused("r.npz")


@pytest.mark.parametrize("words", [b"{", b"[" * 300, b"{'descr': 3}", b"", b"(" * 9000])
def test_headers_that_are_none(arrays, refused, words):
    content = b"\x93NUMPY\x01\x00" + len(words).to_bytes(2, "little") + words + bytes(100)
    with_member("r.npz", arrays, "observations", content)
    refused("r.npz")
    Path("folder").mkdir()
    for name, array in arrays.items():
        np.save(f"folder/{name}.npy", array)
    Path("folder/observations.npy").write_bytes(content)
    refused("folder")


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("observations", np.float32(3)),
        ("actions", np.float32(3)),
        ("terminals", np.bool_(True)),
        ("observations", np.zeros((ROWS, 0), np.float32)),
        ("actions", np.zeros((ROWS, 0), np.float32)),
        ("observations", np.full((ROWS, 2), 1e300)),
        ("actions", np.full((ROWS, 2), -1e300)),
        ("observations", np.zeros(0, np.float32)),
        ("actions", np.zeros((2, 20, 2), np.float32)),
    ],
)
@pytest.mark.parametrize("kind", ["npz", "h5", "folder"])
def test_arrays_that_are_no_rows_of_numbers(arrays, refused, name, odd, kind):
    arrays[name] = odd
    if kind == "npz":
        np.savez("r.npz", **arrays)
    elif kind == "h5":
        with h5py.File("r.h5", "w") as file:
            for key, array in arrays.items():
                file[key] = array
    else:
        Path("r.folder").mkdir()
        for key, array in arrays.items():
            np.save(f"r.folder/{key}.npy", array)
    refused(f"r.{kind}")


def test_flags_of_fewer_steps_than_there_are_actions(arrays, refused):
    stacked = {"observations": np.zeros((4, 10, 3), "f4"), "actions": np.zeros((4, 10, 2), "f4")}
    np.savez("r.npz", **stacked, terminals=np.zeros((6, 10), bool))
    assert "terminals" in refused("r.npz")


def test_large_numbers_that_never_change_have_a_range(arrays, vgbench_cli):
    arrays["actions"][:, 0] = 1e30
    np.savez("r.npz", **arrays)
    assert vgbench_cli("import", "r.npz", "--out", "d.h5").exit_code == 0


def test_an_hdf5_file_that_declares_more_than_it_has(arrays, refused):
    with h5py.File("r.h5", "w") as file:
        file.create_dataset("observations", shape=(10**9, 3), dtype="f4", chunks=(1024, 3))
        file["actions"], file["terminals"] = arrays["actions"], arrays["terminals"]
    assert "'observations' declares 12000000000 bytes" in refused("r.h5")


def test_a_group_inside_itself_and_a_named_type(arrays, refused, vgbench_cli):
    with h5py.File("r.h5", "w") as file:
        for key, array in arrays.items():
            file[key] = array
        file["kind"] = np.dtype("f4")
    shutil.copy("r.h5", "circle.h5")
    assert vgbench_cli("import", "r.h5", "--out", "d.h5").exit_code == 0
    with h5py.File("circle.h5", "r+") as file:
        group = file.create_group("a")
        group["b"] = group
    assert "'a/b' contains itself" in refused("circle.h5")


def test_damage_inside_of_an_episode_names_it(arrays, refused):
    with h5py.File("r.h5", "w") as file:
        noise = np.random.default_rng(0).integers(0, 255, (ROWS, 900), dtype=np.uint8)
        seen = file.create_dataset("observations", data=noise, chunks=(10, 900), compression="gzip")
        place = seen.id.get_chunk_info(2).byte_offset
        file["actions"], file["terminals"] = arrays["actions"], arrays["terminals"]
    data = bytearray(Path("r.h5").read_bytes())
    data[place : place + 60] = bytes(60)
    Path("r.h5").write_bytes(data)
    assert "episode 2: recording: it cannot be read" in refused("r.h5")


def test_a_data_set_that_another_process_imported_meanwhile_is_kept(arrays, vgbench_cli, tmp_path, monkeypatch):
    np.savez("r.npz", **arrays)
    # The last thing that the command looks at before it writes.
    monkeypatch.setattr("vgbench.cli.import_.check_writable", lambda option, out: out.write_text("theirs"))
    done = vgbench_cli("import", "r.npz", "--out", "d.h5")
    assert done.exit_code == 2 and "d.h5 was made by another process meanwhile, and is kept" in done.stderr
    assert Path("d.h5").read_text() == "theirs" and not list(tmp_path.glob(".*.partial"))


@pytest.mark.parametrize("text", ["[" * 50_000, '{"codebase_version": "v3", "features": {"action": 3}}', "[]"])
def test_what_a_lerobot_folder_says_of_itself(refused, tmp_path, text):
    pytest.importorskip("pyarrow")
    (tmp_path / "robot" / "meta").mkdir(parents=True)
    (tmp_path / "robot" / "meta" / "info.json").write_text(text)
    assert "info.json is not what LeRobot writes" in refused("robot")


@pytest.mark.parametrize(
    "template", ["../{video_key}.mp4", "{episode_index:99999999999d}", "{video_key.__class__}", "{}"]
)
def test_where_the_videos_of_a_lerobot_folder_may_lie(tmp_path, template):
    """Asked of the class: the folder itself needs an extra."""
    from vgbench.data.importing.videos import Videos
    from vgbench.errors import UsageError

    folder = tmp_path / "robot"
    folder.mkdir()
    (tmp_path / "cam.mp4").write_bytes(b"secret")
    info = {"codebase_version": "v2.1", "video_path": template}
    with pytest.raises(UsageError, match="video_path"):
        Videos(folder, info, ["cam"]).check("cam", [0], "")


@pytest.mark.parametrize(
    ("version", "about", "message"),
    [
        ("v3.0", {}, "info.json: fps None: expected frames in a second"),
        ("v3.0", {"fps": None}, "info.json: fps None: expected frames in a second"),
        ("v3.0", {"fps": 0}, "info.json: fps 0: expected frames in a second"),
        ("v3.0", {"fps": "ten"}, "info.json: fps 'ten': expected frames in a second"),
        ("v2.1", {"chunks_size": 0}, "info.json: chunks_size 0: expected episodes in a folder"),
        ("v2.1", {"chunks_size": None}, "info.json: chunks_size None: expected episodes in a folder"),
    ],
)
def test_what_a_lerobot_folder_says_of_its_videos(tmp_path, version, about, message):
    from vgbench.data.importing.videos import Videos
    from vgbench.errors import UsageError

    info = {"codebase_version": version, "video_path": "{video_key}.mp4", **about}
    with pytest.raises(UsageError, match=re.escape(message)):
        Videos(tmp_path, info, ["cam"])
