"""Opens data files; what is no whole data set of this format is refused in a line."""

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from vgbench.data import episode_file
from vgbench.data.disk import reason
from vgbench.errors import UsageError, VgbenchError
from vgbench.storage import files
from vgbench.storage.files import parse_json

FORMAT = 1
GROUPS = ("states", "static", "observations")
HINT = "collect it again with `vgbench collect`, or delete it if it lies in the cache"

_HEADER_PARTS = ("generator", "specification", "card", "fingerprint", "source")


def header_hash(file: Any) -> str:
    """Return the hash of what a file says of itself; the fingerprint covers its arrays."""
    said = {name: file.attrs[name] for name in _HEADER_PARTS if name in file.attrs}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


_HEADER = {"environment": str, "package": str, "version": int, "params": dict} | dict.fromkeys(
    ("trajectories", "length", "seed"), int
)
_PACKED = 64
"""Most times by which compression may shrink an array: HDF5 gives space that was never written for nothing."""


CHUNK = 64 * 2**20
"""Bytes that a chunk may have however small its array is: reading any number of it takes memory for all of it."""


def check_chunk(array: Any, name: str) -> None:
    """Refuse an array whose chunks are far larger than itself, before memory is taken for one.

    Raises:
        ValueError: they are.
    """
    size = math.prod(array.chunks or ()) * array.dtype.itemsize
    if size > max(CHUNK, array.nbytes):
        raise ValueError(f"{name!r} has chunks of {size} bytes, but is an array of {array.nbytes}")


def hard(place: Any, name: str) -> Any:
    """Return what lies under a name of a group, unless that leads elsewhere: to another file, or to another place."""
    if not isinstance(place.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name!r} is a link to another place or file")
    return place[name]


def check_array(place: Any, name: str, lead: tuple[int, ...]) -> None:
    """Refuse what is no array of numbers in this very file, of other sizes than the specification has, or not written.

    Raises:
        ValueError: it says so.
    """
    array = hard(place, name)
    if not isinstance(array, h5py.Dataset) or array.shape is None or array.dtype.kind not in "biuf":
        raise ValueError(f"{name!r} is no array of numbers")
    if array.is_virtual or array.external:
        raise ValueError(f"the numbers of {name!r} are in another file")
    if array.shape[: len(lead)] != lead:
        raise ValueError(f"{name!r} has the shape {array.shape}, but the specification says {lead} and so on")
    if array.nbytes > _PACKED * array.id.get_storage_size():
        raise ValueError(f"{name!r} declares {array.nbytes} bytes, but the file holds {array.id.get_storage_size()}")
    check_chunk(array, name)


def check_rows(file: Any) -> None:
    """Refuse a file of whole episodes whose parts lie elsewhere, or declare more than there is."""
    places = [(file, name) for name in ("lengths", "actions")]
    for group in GROUPS:
        if group in file:
            places += [(hard(file, group), name) for name in file[group]]
    for place, name in places:
        check_array(place, name, ())


def _recordings(path: Path) -> str:
    """Words for what to do with a file that something else wrote."""
    return f"recordings of any kind become one by `vgbench import {path} --out DATA.h5`; else {HINT}"


def _other_kind(path: Path) -> bool:
    """Whether a file begins as no HDF5 file does; one of 0 bytes is a broken one."""
    try:
        with files.opened(path) as file:
            first = file.read(8)
    except OSError:
        return False
    return bool(first) and not b"\x89HDF\r\n\x1a\n".startswith(first)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a data set for reading; what is wrong with it, inside too, becomes one message."""
    try:
        # HDF5 would wait for whoever writes to a pipe.
        with files.opened(path), h5py.File(path, "r") as file:
            if "specification" not in file.attrs:
                raise UsageError(f"{path} is an HDF5 file, but not a vgbench data set; {_recordings(path)}")
            if file.attrs["format"] not in (FORMAT, episode_file.FORMAT):
                read = f"this vgbench reads formats {FORMAT} and {episode_file.FORMAT}"
                raise VgbenchError(f"{path} has data format {file.attrs['format']}; {read}; {HINT}")
            header = parse_json(file.attrs["specification"])
            missing = [key for key in _HEADER if not isinstance(header, dict) or key not in header]
            if missing:
                raise VgbenchError(f"{path} is not what vgbench wrote: its specification has no {missing[0]!r}; {HINT}")
            for key, kind in _HEADER.items():
                if not isinstance(header[key], kind) or isinstance(header[key], bool):
                    raise VgbenchError(
                        f"{path} is not what vgbench wrote: {key} in its specification is {header[key]!r:.60}; {HINT}"
                    )
            if file.attrs.get("sha256", header_hash(file)) != header_hash(file):
                raise VgbenchError(f"what {path} says of itself is not what was written (damaged or edited); {HINT}")
            yield file
    except FileNotFoundError as err:
        raise UsageError(
            f"no data set at {path}; make it with `vgbench collect --env NAME --out {path}`, or of recordings with "
            f"`vgbench import FILE --out {path}`"
        ) from err
    except IsADirectoryError as err:
        raise UsageError(f"{path} is a folder; expected a data set (HDF5 file)") from err
    except VgbenchError:
        raise
    except Exception as err:  # h5py raises many kinds, by what is wrong with the file
        if not path.is_file():
            raise UsageError(f"{path} is a pipe or a device; expected a data set (HDF5 file)") from err
        if isinstance(err, OSError) and _other_kind(path):
            raise UsageError(f"{path} is no HDF5 file, so not a vgbench data set; {_recordings(path)}") from err
        raise VgbenchError(f"{path} is not a whole HDF5 data set (truncated?): {reason(err)}; {HINT}") from err
