"""Data sets that are not what they say: refused by name, before memory is taken or another file is read."""

import json
import resource
import shutil
import signal
import zlib
from contextlib import contextmanager

import h5py
import numpy as np
import pytest

from vgbench.data import collection, files
from vgbench.errors import UsageError, VgbenchError
from vgbench.settings import DataSettings
from vgbench_plugins.environments.wall import Wall

SETTINGS = DataSettings(trajectories=8, length=12)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def wall():
    return Wall(Wall.Params())


@pytest.fixture
def path(tmp_path, wall):
    return collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)[1]


def test_another_seed_s_file_under_this_seed_s_name_is_refused(tmp_path, wall, path):
    other = collection.collect("wall", wall, SETTINGS, 1, folder=tmp_path)[1]
    shutil.copyfile(other, path)
    with pytest.raises(VgbenchError, match=rf"{path.name} holds another data set .*seed was 1 and is now 0; delete it"):
        collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path)


def replaced(path, change):
    with h5py.File(path, "r+") as file:
        array = file["actions"][()]
        del file["actions"]
        change(file, array)


def chunked(file, name, array):
    """One chunk that unpacks to 256 MiB, of which the array is the first rows; the file is said to hold enough."""
    rows = 2**28 // array[0].nbytes
    chunks = (rows, *array.shape[1:])
    made = file.create_dataset(
        name, array.shape, array.dtype, maxshape=(None, *chunks[1:]), chunks=chunks, compression=9
    )
    # Packed by hand, a piece at a time, so that this takes no memory either.
    packer = zlib.compressobj(1)
    packed = b"".join([*(packer.compress(bytes(2**20)) for _ in range(2**8)), packer.flush()])
    made.id.write_direct_chunk((0,) * array.ndim, packed)


HOSTILE = {
    "declared only": lambda file, array: file.create_dataset("actions", (10**9, 11, 2), "f4", chunks=(1024, 11, 2)),
    "of this size, but empty": lambda file, array: file.create_dataset("actions", array.shape, "f4", chunks=(1, 1, 1)),
    "in another file": lambda file, array: file.create_dataset(
        "actions", array.shape, "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    ),
    "an external link": lambda file, array: file.__setitem__("actions", h5py.ExternalLink("other.h5", "/actions")),
    "a soft link": lambda file, array: file.__setitem__("actions", h5py.SoftLink("/states")),
    "a group": lambda file, array: file.create_group("actions"),
    "a scalar": lambda file, array: file.__setitem__("actions", 1.0),
    "nothing": lambda file, array: file.__setitem__("actions", h5py.Empty("f4")),
    "text": lambda file, array: file.__setitem__("actions", [["a"]]),
    "ragged": lambda file, array: file.create_dataset("actions", array.shape[:1], h5py.vlen_dtype("f4")),
    "one trajectory short": lambda file, array: file.__setitem__("actions", array[:-1]),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_array_of_numbers_of_this_size_in_this_file_is_refused(path, case):
    replaced(path, HOSTILE[case])
    with pytest.raises(VgbenchError, match=rf"{path.name} is not a whole HDF5 data set"):
        files.load(path)


def test_a_few_kilobytes_that_declare_gigabytes_take_no_memory(path):
    """With a header that says so, too."""
    with h5py.File(path, "r+") as file:
        spec = json.loads(file.attrs["specification"]) | {"trajectories": 10**8}
        file.attrs["specification"] = json.dumps(spec, sort_keys=True)
        file.attrs["sha256"] = files.header_hash(file)
        for name in ("actions", *(f"states/{name}" for name in file["states"])):
            shape, dtype = file[name].shape[1:], file[name].dtype
            del file[name]
            file.create_dataset(name, (10**8, *shape), dtype, chunks=(64, *shape))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(VgbenchError, match=r"declares .* bytes, but the file holds 0"):
        files.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize("kind", ["a data set", "a recording"])
def test_a_small_array_in_a_large_chunk_takes_no_memory(path, vgbench_cli, kind):
    name = "actions" if kind == "a data set" else "observations"
    with h5py.File(path, "r+" if kind == "a data set" else "w") as file:
        array = np.ones((40, 2), "f4") if kind == "a recording" else file["actions"][()]
        if kind == "a recording":
            file["actions"], file["terminals"] = array, np.arange(40) % 10 == 9
        else:
            del file["actions"]
        chunked(file, name, array)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if kind == "a data set":
        with pytest.raises(VgbenchError, match=rf"{path.name} .*'actions' has chunks of"):
            files.load(path)
    else:
        done = vgbench_cli("import", path, "--out", "never.h5")
        assert done.exit_code == 2 and "'observations' has chunks of" in done.stderr
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize("name", ["card", "specification", "source", "generator"])
def test_what_a_file_says_of_itself_has_a_checksum(path, name):
    with h5py.File(path, "r+") as file:
        file.attrs[name] = file.attrs[name].replace("0", "1").replace("v", "w")
    with pytest.raises(VgbenchError, match=r"not what was written|not what vgbench wrote|cannot be read|whole HDF5"):
        files.load(path)


def test_files_of_older_versions_have_none_and_are_read(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["sha256"]
    assert len(files.load(path)[0]) == 8


@contextmanager
def full_disk():
    """A limit on the size of files stands for the disk; it is set by what is yielded."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_is_told_in_a_line_and_leaves_nothing(tmp_path, wall):
    """HDF5 would crash the process."""
    whole = collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path / "whole")[1].stat().st_size
    with full_disk() as limit:
        for size in (0, 100, 3000, whole - 1):
            limit(size)
            with pytest.raises(UsageError, match=r"cannot write the data set .*: File too large"):
                collection.collect("wall", wall, SETTINGS, 0, folder=tmp_path / "full")
    assert names(tmp_path / "full") == []


def test_a_full_disk_is_told_for_whole_episodes_too(tmp_path, vgbench_cli):
    """At sizes inside of the header, of the arrays, and of what is added last."""
    rng = np.random.default_rng(0)
    arrays = {"observations": rng.normal(size=(400, 9)).astype("f4"), "actions": rng.normal(size=(400, 2)).astype("f4")}
    np.savez(tmp_path / "rec.npz", **arrays, terminals=np.isin(np.arange(400), (99, 149, 399)))
    assert vgbench_cli("import", "rec.npz", "--out", "whole.h5").exit_code == 0
    whole = (tmp_path / "whole.h5").stat().st_size
    (tmp_path / "whole.h5").unlink()
    with full_disk() as limit:
        for size in (100, 1024, 2500, 5000, 9000, whole - 2000, whole - 1):
            limit(size)
            done = vgbench_cli("import", "rec.npz", "--out", "whole.h5")
            assert done.exit_code == 2, (size, done.stderr)
            assert "cannot write the data set whole.h5: File too large" in done.stderr, (size, done.stderr)
            assert names(tmp_path) == ["rec.npz"]


def test_a_file_that_another_process_made_meanwhile_is_kept(tmp_path, wall):
    path = tmp_path / "mine.h5"

    def meanwhile(done, total):
        path.write_text("theirs")

    with pytest.raises(UsageError, match=r"mine\.h5 was made by another process meanwhile, and is kept"):
        collection.collect_to_file("wall", wall, SETTINGS, 0, path, meanwhile)
    assert path.read_text() == "theirs" and names(tmp_path) == ["mine.h5"]


def test_numbers_come_back_as_they_were(path, wall):
    again = wall.collect(SETTINGS.trajectories, SETTINGS.length, 0)
    found = files.load(path)[0]
    assert np.array_equal(found.actions, again.actions)
    assert all(np.array_equal(found.states[name], array) for name, array in again.states.items())
