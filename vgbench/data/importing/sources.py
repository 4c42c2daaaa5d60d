"""Files of recordings, opened: NPZ, HDF5, folders of NPY files, LeRobot data sets."""

import lzma
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vgbench.data.importing import tables
from vgbench.data.importing.recording import Recording
from vgbench.data.opened_file import check_chunk
from vgbench.errors import UsageError
from vgbench.storage import files

EXPECTED = "expected an NPZ or HDF5 file, or the folder of a LeRobot data set"
DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, EOFError, ValueError, KeyError, RuntimeError, MemoryError, OverflowError, TypeError, AttributeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError, SyntaxError),
)
"""What NumPy, h5py and zipfile raise for files that are damaged, or are not what they say."""
PACKED, FREE = 64, 2**28
"""Most times that an array may be larger than its file, and bytes that it may have however small the file is."""


def opened(path: Path, map_: str | None = None) -> Recording:
    """Open a file of recordings; what it is, is seen from its content.

    Raises:
        UsageError: there is no such file, it is of another kind, or it cannot be told what is what in it.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file; {EXPECTED}")
    try:
        if path.is_dir():
            return _folder(path, map_)
        with files.opened(path) as file:
            start = file.read(8)
    except OSError as err:
        raise UsageError(f"{err.filename or path} cannot be read: {err.strerror or err}; {EXPECTED}") from err
    if not start:
        raise UsageError(f"{path} is empty (0 bytes); {EXPECTED}")
    try:
        if start.startswith(b"PK"):
            return tables.recognised(_npz(path), map_, str(path))
        if start == b"\x89HDF\r\n\x1a\n":
            return tables.recognised(_hdf5(path), map_, str(path))
    except DAMAGE as err:
        raise UsageError(f"{path} cannot be read (truncated or damaged?): {err or type(err).__name__}") from err
    if start.startswith(b"\x80"):
        raise UsageError(
            f"{path} is a pickle, which is never read, as it can run any code; save its arrays with numpy.savez"
        )
    if start.startswith(b"\x93NUMPY"):
        raise UsageError(f"{path} is a single array; {EXPECTED}, or the folder in which it lies")
    raise UsageError(f"{path} is of no kind that is known here; {EXPECTED}")


def _folder(path: Path, map_: str | None) -> Recording:
    if (path / "meta" / "info.json").exists():
        from vgbench.data.importing.lerobot import LeRobot

        return LeRobot(path, map_)
    arrays = {file.stem: file for file in sorted(path.glob("*.npy"))}
    if not arrays:
        raise UsageError(f"{path} has neither meta/info.json (LeRobot) nor NPY files; {EXPECTED}")
    try:
        # Mapped, not read; pickles are refused.
        found = {name: np.load(inside(path, file), mmap_mode="r", allow_pickle=False) for name, file in arrays.items()}
        return tables.recognised(_numbers(found), map_, str(path))
    except DAMAGE as err:
        raise UsageError(f"{path}: an NPY file cannot be read: {err or type(err).__name__}") from err


def inside(folder: Path, file: Path) -> Path:
    """Return a file of a folder of recordings, if it is one and lies there, links followed.

    Raises:
        ValueError: it is a link to elsewhere.
        OSError: it cannot be read, or is a pipe or a device.
    """
    with files.opened(files.within(folder, str(file.relative_to(folder)))):
        return file


def _numbers(arrays: Mapping[str, Any]) -> tables.Numbers:
    """Return the arrays of numbers that have rows; text, and lone numbers, say nothing of episodes."""
    found = tables.Numbers({name: a for name, a in arrays.items() if a.dtype.kind in "fiub" and a.ndim})
    found.others = {name: str(array.dtype) for name, array in arrays.items() if array.dtype.kind not in "fiub"}
    return found


def _check_size(path: Path, name: str, size: int) -> None:
    """Refuse an array that is far larger than the file it is in, before memory is taken for it.

    Raises:
        ValueError: it is.
    """
    held = path.stat().st_size
    if size > max(FREE, PACKED * held):
        raise ValueError(f"{name!r} declares {size} bytes, but the file has {held}")


class _Npz(Mapping[str, Any]):
    """Arrays of an NPZ file, each read when first asked for: mapped where it is not compressed."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, dict[str, np.ndarray]()
        with zipfile.ZipFile(path) as file:
            self._members = {i.filename.removesuffix(".npy"): i for i in file.infolist() if i.filename.endswith(".npy")}
            if not self._members:
                torch_file = any(i.filename.endswith("data.pkl") for i in file.infolist())
                what = "a file of torch.save, whose pickle is never read; save its arrays with numpy.savez"
                raise UsageError(f"{path} is {what if torch_file else f'an archive without arrays; {EXPECTED}'}")

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._read:
            self._read[name] = self._load(self._members[name])
        return self._read[name]

    def _load(self, member: zipfile.ZipInfo) -> np.ndarray:
        with zipfile.ZipFile(self._path) as archive, archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
            if dtype.hasobject:
                raise UsageError(
                    f"{self._path}: {member.filename.removesuffix('.npy')!r} holds Python objects, whose pickle is "
                    "never read; save rows of all episodes one after another, and the lengths of episodes"
                )
            size = math.prod(shape) * dtype.itemsize
            if min(shape, default=0) < 0 or size + file.tell() > member.file_size:
                raise ValueError(f"{member.filename!r} declares {size} bytes, but has {member.file_size}")
            _check_size(self._path, member.filename, member.file_size)
            if member.compress_type != zipfile.ZIP_STORED or fortran or 0 in shape:
                archive_again = np.load(self._path, allow_pickle=False)
                loaded: np.ndarray = archive_again[member.filename.removesuffix(".npy")]
                return loaded
            offset = file.tell()
        with self._path.open("rb") as raw:
            raw.seek(member.header_offset + 26)  # lengths of the name and of the extra field
            name, extra = np.frombuffer(raw.read(4), "<u2")
        start = member.header_offset + 30 + int(name) + int(extra) + offset
        return np.memmap(self._path, dtype, "r", start, shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def _npz(path: Path) -> dict[str, Any]:
    members = _Npz(path)
    return _numbers({name: members[name] for name in members})


def _hdf5(path: Path) -> dict[str, Any]:
    """Arrays of numbers in an HDF5 file, by their paths in it; the file stays open.

    Raises:
        UsageError: it points to other files.
    """
    found: dict[str, Any] = {}

    def walk(group: Any, prefix: str, above: tuple[Any, ...]) -> None:
        for name in group:
            full, link = f"{prefix}{name}", group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                kind = "an external link" if isinstance(link, h5py.ExternalLink) else "a link"
                raise UsageError(
                    f"{path}: {full!r} is {kind}, which is not followed; copy what it points to into the file"
                )
            item = group[name]
            if isinstance(item, h5py.Group):
                if item.id in above:
                    raise UsageError(f"{path}: group {full!r} contains itself")
                walk(item, f"{full}/", (*above, item.id))
                continue
            if not isinstance(item, h5py.Dataset):
                continue  # a type that has a name
            if item.external or item.is_virtual:
                raise UsageError(f"{path}: the numbers of {full!r} lie in other files, which are not read")
            if item.shape is not None:
                _check_size(path, full, item.nbytes)
                check_chunk(item, full)
                found[full] = item

    file = h5py.File(path, "r")
    walk(file, "", (file["/"].id,))
    return _numbers(found)
