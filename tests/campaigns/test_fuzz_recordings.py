"""Damaged, hostile and merely odd recordings for `vgbench import`: NPZ, HDF5 and folders of NPY files of others."""

import io
import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.slow

SHAPES = [
    (),
    (0,),
    (-1,),
    (10**9, 10),
    (10**18,),
    (2**62, 4),
    (3,),
    (60, 0),
    (1,) * 33,
    (60, 10**7),
    "x",
    None,
    (60.5,),
]
TYPES = ["<f8", "<f4", ">f4", "<i8", "|u1", "|b1", "<f2", "<c8", "|O", "<U4", "|S3", "<M8[s]", "<f16", "|V8", "x", ""]


def recordings(rng):
    """Sixty steps in four episodes; names as others have them."""
    numbers = np.random.default_rng(rng.randrange(2**32))
    observations, actions, last = rng.choice(
        [("observations", "actions", "terminals"), ("obs", "action", "dones"), ("frames", "u", "timeouts")]
    )
    image = rng.random() < 0.2
    shape = (60, 8, 8, 3) if image else (60, 6)
    ends = np.arange(60) % 15 == 14
    return {
        observations: numbers.integers(0, 255, shape).astype("u1")
        if image
        else numbers.normal(size=shape).astype("f4"),
        actions: numbers.uniform(-1, 1, (60, 2)).astype("f4"),
        last: ends,
    }


def odd(arrays, rng):
    """Change an array as it happens to those who record."""
    name = rng.choice(sorted(name for name, array in arrays.items() if array.dtype.kind != "U") or sorted(arrays))
    array = arrays[name]
    kind = rng.randrange(9)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[name] = array[: rng.choice([0, 1, 3, 59])]
    elif kind == 2:
        arrays[name] = array.astype(rng.choice(["f8", "f2", "i1", "bool", "c8", "i8"]))
    elif kind == 3 and array.dtype.kind == "f":
        arrays[name] = array * np.float32(rng.choice([np.nan, np.inf, 1e38, 0.0]))
    elif kind == 4:
        arrays[name] = array.reshape(
            rng.choice([(1, *array.shape), (*array.shape, 1), (-1,), (2, 30, *array.shape[1:])])
        )
    elif kind == 5:
        arrays[rng.choice(["", "x/y", "../up", "\x1b[31m", "é", "rewards", "states", "x" * 300])] = arrays.pop(name)
    elif kind == 6:
        arrays[name] = np.asfortranarray(array)
    elif kind == 7:
        arrays["more"] = rng.choice([np.array("text"), np.array(3), np.zeros((2, 0)), array])
    return arrays


def member(array, rng):
    """The bytes of an NPY file, whose header may say something else than what follows."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    data = file.getvalue()
    if rng.random() < 0.85:
        return data
    start = data.index(b"\n") + 1
    said = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    said[rng.choice(["shape", "shape", "descr", "fortran_order", "more"])] = rng.choice([*SHAPES, *TYPES, True])
    words = repr(said) if rng.random() < 0.9 else rng.choice(["", "{", "[" * 500, "__import__('os')", "{" * 9000])
    header = words.encode() + b" " * (64 - (len(words) + 11) % 64) + b"\n"
    version = rng.choice([1, 1, 1, 2, 3, 9])
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data[start:]


def npz(path, arrays, rng):
    packed = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    with zipfile.ZipFile(path, "w", packed) as file:
        for name, array in arrays.items():
            file.writestr(f"{name}.npy", member(array, rng))
            if rng.random() < 0.05:
                # Zeros, a thousand to one: more than the machine has, if somebody believes them.
                with file.open(zipfile.ZipInfo("bomb.npy"), "w", force_zip64=True) as large:
                    head = io.BytesIO()
                    np.lib.format.write_array_header_1_0(
                        head, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 60)}
                    )
                    large.write(head.getvalue())
                    large.write(bytes(1 << 16))


def hdf5(path, arrays, rng):
    with h5py.File(path, "w") as file:
        top = file.create_group("data") if rng.random() < 0.3 else file
        for name, array in arrays.items():
            if not name or array.dtype.kind == "U":
                continue
            kind = rng.randrange(40)
            if kind == 0:
                top.create_dataset(name, shape=(10**9, 60), dtype="f4", chunks=(1024, 1))
            elif kind == 1:
                top[name] = h5py.ExternalLink("/etc/passwd", "/x")
            elif kind == 2:
                top[name] = h5py.SoftLink("/")
            elif kind == 3:
                top.create_group(name)["again"] = top  # a circle
            elif kind == 4:
                top.create_dataset(name, shape=(60, 10**8), dtype="f4", chunks=(1, 1000), compression="gzip")
            elif kind == 5:
                top[name] = rng.choice([h5py.Empty("f4"), "text", np.array([b"x"])])
            else:
                top.create_dataset(name, data=array, **rng.choice([{}, {"compression": "gzip"}]) if array.ndim else {})


def folder(path, arrays, rng):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    for name, array in arrays.items():
        (path / f"{name.replace('/', '_') or 'x'}.npy"[-200:]).write_bytes(member(array, rng))
    if rng.random() < 0.2:
        info = rng.choice(["{}", "[" * 9000, "x", json.dumps({"features": [], "fps": 1e999}), '{"features": {"a": 3}}'])
        (path / "meta").mkdir()
        (path / "meta" / "info.json").write_text(info)


WRITERS = {"npz": npz, "h5": hdf5, "npy": folder}


@pytest.mark.parametrize("kind", ["npz", "h5", "npy"])
def test_recordings(campaign, tools, tmp_path, kind):
    fuzz = campaign(f"fuzz-recordings-{kind}", small=6, full=500)
    for case, rng in fuzz.cases():
        path, out = tmp_path / f"fuzzed.{kind}", tmp_path / "work" / "out.h5"
        if path.is_file():
            path.unlink()
        arrays = recordings(rng)
        damaged = rng.random() < 0.4
        for _ in range(0 if damaged else rng.choice([0, 1, 1, 2])):
            arrays = odd(arrays, rng)
        WRITERS[kind](path, arrays, rng)
        if path.is_file() and damaged:
            path.write_bytes(tools.scrambled(path.read_bytes(), rng))
        out.unlink(missing_ok=True)
        ended = tools.forked(tools.command("import", path, "--out", "out.h5"), tmp_path / "work", cpu=tools.HANG)
        complaint = ended.complaint() or ("a file is left" if ended.code and out.exists() else None)
        if complaint:
            fuzz.fail(case, f"{kind}: {complaint}", ended)
        else:
            fuzz.outcomes[f"exit {ended.code}"] += 1
