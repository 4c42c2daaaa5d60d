"""Data sets as HDF5: what decides their contents, their hash, writing and reading."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vgbench.api import Environment, Trajectories
from vgbench.data import episode_file
from vgbench.data.data_files import hashes
from vgbench.data.disk import describe, written
from vgbench.data.opened_file import FORMAT, GROUPS, HINT, check_array, check_rows, hard, header_hash, opened
from vgbench.data.stored import StoredArray
from vgbench.errors import UsageError, VgbenchError
from vgbench.settings import DataSettings
from vgbench.storage.files import parse_json


def specification(name: str, environment: Environment, settings: DataSettings, seed: int) -> dict[str, Any]:
    """Return all that decides the contents of a data set, as JSON values."""
    return {
        "environment": name,
        "package": _package(environment),
        "version": environment.version,
        "params": environment.params.identity(),
        **settings.identity(),
        "seed": seed,
        "format": FORMAT,
        **({"data_files": found} if (found := hashes(environment)) else {}),
    }


def _package(environment: Environment) -> str:
    """Top-level package of an environment: two packages may have a plugin of one name."""
    return type(environment).__module__.partition(".")[0]


def digest(content: Any) -> str:
    """Hash JSON values, 16 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def fingerprint(data: Trajectories) -> str:
    """Return the hash of the arrays' names, types, shapes and bytes, 16 hex digits.

    Where lengths differ, they are part of it, and what stands behind the end of a trajectory is not.
    """
    state = hashlib.sha256()
    counts = {"states": data.lengths, "static": None, "observations": data.lengths}
    counts["actions"] = None if data.lengths is None else data.lengths - 1
    groups = {"states": data.states, "static": data.static, "actions": {"actions": data.actions}}
    groups["observations"] = data.observations or {}
    for kind, group in groups.items():
        # Sorted: a file gives its arrays back by name, not in the order in which they were written.
        for name, array in sorted(group.items()):
            # With names, types and shapes: the bytes of a [2, 3] and a [3, 2] may be the same.
            state.update(f"{name}:{array.dtype}:{array.shape}".encode())
            for piece in _pieces(array, counts[kind]):
                state.update(np.ascontiguousarray(piece).data)
    if data.lengths is not None:
        state.update(f"lengths:{data.lengths.tolist()}".encode())
    return state.hexdigest()[:16]


def _pieces(array: Any, counts: np.ndarray | None) -> Iterable[np.ndarray]:
    """All of an array [N, T, ...], up to the end of each trajectory."""
    if isinstance(array, StoredArray):
        return array.blocks()
    return [array] if counts is None else (row[:count] for row, count in zip(array, counts, strict=True))


def save(
    path: Path,
    data: Trajectories,
    spec: dict[str, Any],
    source: Mapping[str, str] | None = None,
    new: bool = False,
) -> None:
    """Write a data set as HDF5, whole or not at all, with its card in the attributes; with `new`, over no other file.

    `source` has the hashes of the modules of the environment that collected it, see `vgbench.plugin.source`.
    """
    if data.lengths is not None:
        episode_file.write(path, data.lengths, episode_file.episodes_of(data), spec, data.card, source, new)
        return
    with written(path, new) as disk, h5py.File(disk, "w") as file:
        describe(file, FORMAT, spec, data.card, source)
        file.attrs["fingerprint"] = fingerprint(data)
        file.attrs["sha256"] = header_hash(file)
        file.create_dataset("actions", data=data.actions)
        for group, arrays in zip(GROUPS, (data.states, data.static, data.observations or {}), strict=True):
            for name, array in arrays.items():
                file.create_dataset(f"{group}/{name}", data=array)


def load(path: Path) -> tuple[Trajectories, dict[str, Any]]:
    """Read a data set and its specification.

    Raises:
        VgbenchError: the file is not a whole data set of this format, or its arrays are not those that were written.
    """
    with opened(path) as file:
        spec, expected = parse_json(file.attrs["specification"]), file.attrs["fingerprint"]
        if file.attrs["format"] == episode_file.FORMAT:
            check_rows(file)
            data = episode_file.read(path)
        else:
            data = _whole(file, spec)
    if fingerprint(data) != expected:
        raise VgbenchError(f"the arrays in {path} are not those that were written (damaged or edited); {HINT}")
    return data, spec


def _whole(file: Any, spec: Mapping[str, Any]) -> Trajectories:
    """Trajectories of equal length, all in memory; their sizes are looked at before any of them is read."""
    count, length = spec["trajectories"], spec["length"]
    leads = ((count, length), (count,), (count, length))
    found = [(file, "actions", (count, length - 1))]
    for group, lead in zip(GROUPS, leads, strict=True):
        found += [(hard(file, group), name, lead) for name in (hard(file, group) if group in file else ())]
    # All of them before the first is read: a few kilobytes may declare any number of gigabytes.
    for place, name, lead in found:
        check_array(place, name, lead)
    groups = [{n: item[()] for n, item in file[group].items()} if group in file else {} for group in GROUPS]
    return Trajectories(groups[0], groups[1], file["actions"][()], parse_json(file.attrs["card"]), groups[2] or None)


def read_header(path: Path) -> tuple[dict[str, Any], str]:
    """Read the specification of a file and the fingerprint of its arrays, but not the arrays.

    Raises:
        VgbenchError: as `load`.
    """
    with opened(path) as file:
        return parse_json(file.attrs["specification"]), str(file.attrs["fingerprint"])


def read_source(path: Path) -> dict[str, str]:
    """Read the hashes of the modules that collected a data set; empty for a file that does not say.

    Raises:
        VgbenchError: as `load`.
    """
    with opened(path) as file:
        found: dict[str, str] = parse_json(file.attrs.get("source", "{}"))
        return found


def load_for(path: Path, name: str, environment: Environment) -> tuple[Trajectories, dict[str, Any]]:
    """Load a file that a user named, and check that it belongs to the environment as it is set up."""
    data, spec = load(path)
    if spec["environment"] != name:
        raise UsageError(f"{path} holds data of environment '{spec['environment']}', but this run is on '{name}'")
    package = _package(environment)
    if spec["package"] != package:
        raise UsageError(
            f"{path} was collected with '{name}' of package {spec['package']}, but this run has {package}'s"
        )
    if spec["version"] != environment.version:
        raise UsageError(
            f"{path} was collected with version {spec['version']} of environment '{name}'; "
            f"installed is version {environment.version}: collect it again"
        )
    return data, spec
