"""Data files of whole episodes of any length (format 2): arrays of rows, one episode after another.

`lengths` [N] int64 says how many states each episode has; `states/NAME` and `observations/NAME` [sum of lengths, ...]
and `actions` [sum of lengths - 1, A] hold its rows, `static/NAME` [N, ...] what does not change. Arrays are in chunks
of about a quarter of a MiB, uncompressed, so that windows can be read from them without the rest.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vgbench.api import Trajectories
from vgbench.data.disk import Disk, describe, written
from vgbench.data.stored import LARGE, StoredArray
from vgbench.errors import UsageError, VgbenchError
from vgbench.storage.files import parse_json

FORMAT = 2
CHUNK = 256 * 1024
"""Bytes of a chunk, about."""
PACKED = 64
"""Most times by which padding may enlarge actions of more than `LARGE` bytes."""
PADDING = 64 * 2**20
"""Bytes behind the ends of episodes from which on arrays stay in the file, if those outweigh what they hold."""
Arrays = Mapping[str, np.ndarray]


def write(
    path: Path,
    lengths: np.ndarray,
    episodes: Iterable[Mapping[str, Arrays]],
    spec: Mapping[str, Any],
    card: Mapping[str, Any],
    source: Mapping[str, str] | None = None,
    new: bool = False,
) -> str:
    """Write episodes as they come, whole or not at all, and return the fingerprint.

    Args:
        path: of the file.
        lengths: [N] int64, states of each episode.
        episodes: each with the groups `states`, `static`, `observations`, and `actions` under `""`; rows of `lengths`.
        spec: of the data set, see `vgbench.data.files.specification`.
        card: what a reader should know.
        source: hashes of the modules of the environment that collected them, if one did.
        new: whether a file that is there already is left alone, which is an error.

    Raises:
        UsageError: there is no room, or no right to write.
    """
    from vgbench.data.files import fingerprint
    from vgbench.data.opened_file import header_hash

    with written(path, new) as disk:
        with h5py.File(disk, "w") as file:
            describe(file, FORMAT, spec, card, source)
            file.create_dataset("lengths", data=lengths)
            _fill(path, file, lengths, episodes, disk)
        disk.check()
        # After the file is closed: it is read as everybody else will read it.
        found = fingerprint(read(disk.path))
        with h5py.File(disk, "r+") as file:
            file.attrs["fingerprint"] = found
            file.attrs["sha256"] = header_hash(file)
    return found


def episodes_of(data: Trajectories) -> Iterator[dict[str, Arrays]]:
    """Yield the trajectories of a set as `write` takes them."""
    for number, count in enumerate(data.counts):
        groups: dict[str, Arrays] = {
            group: {name: array[number][:count] for name, array in arrays.items()}
            for group, arrays in (("states", data.states), ("observations", data.observations or {}))
        }
        groups["static"] = {name: array[number] for name, array in data.static.items()}
        yield {**groups, "": {"actions": data.actions[number, : count - 1]}}


def _fill(path: Path, file: Any, lengths: np.ndarray, episodes: Iterable[Mapping[str, Arrays]], disk: Disk) -> None:
    rows = {"static": len(lengths), "": int((lengths - 1).sum())}
    at: dict[str, int] = {}
    for episode in episodes:
        disk.check()  # the other episodes would be read for nothing
        for group, arrays in episode.items():
            for name, array in arrays.items():
                full, piece = f"{group}/{name}".lstrip("/"), array[None] if group == "static" else array
                if full not in at:
                    count = rows.get(group, int(lengths.sum()))
                    if full == "actions":
                        _check_actions(path, lengths - 1, piece[0].nbytes)
                    _make_room(path, count * piece[0].nbytes)
                    chunk = min(count, max(1, CHUNK // max(1, piece[0].nbytes)))
                    file.create_dataset(full, (count, *piece.shape[1:]), piece.dtype, chunks=(chunk, *piece.shape[1:]))
                    at[full] = 0
                file[full][at[full] : at[full] + len(piece)] = piece
                at[full] += len(piece)


def _make_room(path: Path, size: int) -> None:
    """See that there is room before anything is written: HDF5 may crash where there is none."""
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise UsageError(f"cannot write the data set {path}: it needs {size} bytes, but {free} are free there")


def _check_actions(path: Path, counts: np.ndarray, row: int) -> None:
    """Refuse lengths of which one makes the others' actions, which are padded in memory, take far more than they hold.

    Raises:
        UsageError: they do.
    """
    size, held = len(counts) * int(counts.max()) * row, int(counts.sum()) * row
    if size > max(LARGE, PACKED * held):
        raise UsageError(
            f"{path}: its {len(counts)} episodes would take {size} bytes for the actions, of which {held} are used, as "
            f"one has {int(counts.max()) + 1} states and most are short; cut it with `vgbench import FILE --length N`"
        )


def _lengths(path: Path, file: Any) -> np.ndarray:
    """States of each episode [N] int64.

    Raises:
        VgbenchError: they are no such numbers.
    """
    item = file["lengths"]
    fits = isinstance(item, h5py.Dataset) and item.ndim == 1 and item.size and item.dtype.kind in "iu"
    lengths = np.asarray(item[()], np.int64) if fits else np.zeros(1, np.int64)
    # With whole numbers of any size: a sum of int64 may begin again below 0.
    if lengths.min() < 1 or sum(lengths.tolist()) >= 2**62:
        raise VgbenchError(f"{path}: its `lengths` are no numbers of states, 1 or more for each episode")
    return lengths


def read(path: Path, large: int = LARGE) -> Trajectories:
    """Read the arrays; those of more than `large` bytes stay in the file, see `StoredArray`.

    So do those of episodes of such different lengths that padding them would take much more than what they hold.

    Raises:
        VgbenchError: arrays have other shapes than `lengths` says, or `lengths` are none.
        UsageError: one episode is so long that the others' actions cannot be padded to it.
    """
    with h5py.File(path, "r") as file:
        lengths = _lengths(path, file)
        card = parse_json(file.attrs["card"])
        whole, steps, count = int(lengths.sum()), int((lengths - 1).sum()), len(lengths)
        wanted = {"states": whole, "static": count, "observations": whole}
        names = {group: list(file[group]) if group in file else [] for group in wanted}
        for full, rows in [("actions", steps), *((f"{g}/{n}", wanted[g]) for g in wanted for n in names[g])]:
            if not isinstance(file.get(full), h5py.Dataset) or file[full].shape[:1] != (rows,):
                raise VgbenchError(f"{path}: {full} is not an array of {rows} rows, as its `lengths` say")
        same = bool((lengths == lengths[0]).all())
        _check_actions(path, lengths - 1, file["actions"].nbytes // max(1, steps))
        actions = padded(file["actions"][()], lengths - 1, fill=0)
        static = {name: file[f"static/{name}"][()] for name in names["static"]}
        kept: dict[str, dict[str, Any]] = {"states": {}, "observations": {}}
        limit = 0 if _mostly_padding([file[f"{g}/{n}"].nbytes for g in kept for n in names[g]], lengths) else large
        for group, arrays in kept.items():
            for name in names[group]:
                item = file[f"{group}/{name}"]
                arrays[name] = None if item.nbytes > limit else padded(item[()], lengths)
    starts = np.cumsum(lengths) - lengths
    for group, arrays in kept.items():
        for name, array in arrays.items():
            if array is None:
                arrays[name] = StoredArray.opened(path, f"{group}/{name}", starts, lengths)
    return Trajectories(kept["states"], static, actions, card, kept["observations"] or None, None if same else lengths)


def _mostly_padding(sizes: Sequence[int], lengths: np.ndarray) -> bool:
    """Whether padded arrays would take much more memory than the rows of these bytes do."""
    held, whole = sum(sizes), int(lengths.sum())
    padding = held * (len(lengths) * int(lengths.max()) - whole) // whole
    return padding > max(PADDING, held)


def padded(rows: np.ndarray, counts: np.ndarray, fill: int | None = None) -> np.ndarray:
    """Rows of episodes one after another as [N, T, ...]; behind an end stands its last row, or `fill`."""
    most, starts = int(counts.max()), np.cumsum(counts) - counts
    if (counts == most).all():
        return rows.reshape(len(counts), most, *rows.shape[1:])
    # One by one: an index of all of it would take as much memory again, or more.
    found = np.empty((len(counts), most, *rows.shape[1:]), rows.dtype)
    for episode, start, count in zip(found, starts.tolist(), counts.tolist(), strict=True):
        episode[:count] = rows[start : start + count]
        episode[count:] = rows[start + count - 1] if fill is None else fill
    return found
