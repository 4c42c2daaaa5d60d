"""Training sets: collected once, found again by the hash of their specification, drawn on the device."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vgbench.api import Environment, Trajectories
from vgbench.data import episode_file
from vgbench.data.data_files import hashes
from vgbench.data.stored import StoredArray
from vgbench.errors import UsageError, VgbenchError
from vgbench.settings import DataSettings
from vgbench.version import __version__

FORMAT = 1
_GROUPS = ("states", "static", "observations")


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


def save(path: Path, data: Trajectories, spec: dict[str, Any], source: Mapping[str, str] | None = None) -> None:
    """Write a data set as HDF5, whole or not at all, with its card in the attributes.

    `source` has the hashes of the modules of the environment that collected it, see `vgbench.plugin.source`.
    """
    if data.lengths is not None:
        episode_file.write(path, data.lengths, episode_file.episodes_of(data), spec, data.card, source)
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(partial, "w") as file:
            file.attrs["format"] = FORMAT
            file.attrs["generator"] = f"vgbench {__version__}"
            file.attrs["specification"] = json.dumps(spec, sort_keys=True)
            file.attrs["card"] = json.dumps(data.card, sort_keys=True)
            file.attrs["fingerprint"] = fingerprint(data)
            if source:
                file.attrs["source"] = json.dumps(source, sort_keys=True)
            file.create_dataset("actions", data=data.actions)
            for group, arrays in zip(_GROUPS, (data.states, data.static, data.observations or {}), strict=True):
                for name, array in arrays.items():
                    file.create_dataset(f"{group}/{name}", data=array)
        # Only when it is whole: this name is what others look for.
        partial.replace(path)
    except OSError as err:
        raise UsageError(f"cannot write the data set {path}: {_reason(err)}") from err
    finally:
        partial.unlink(missing_ok=True)


def _reason(err: BaseException) -> str:
    """Plain words for an error of a file; HDF5 hides the system's among its own."""
    found = re.search(r"error message = '([^']+)'", str(err))
    return found[1] if found else getattr(err, "strerror", None) or str(err)


def load(path: Path) -> tuple[Trajectories, dict[str, Any]]:
    """Read a data set and its specification.

    Raises:
        VgbenchError: the file is not a whole data set of this format, or its arrays are not those that were written.
    """
    with _opened(path) as file:
        spec, expected = json.loads(file.attrs["specification"]), file.attrs["fingerprint"]
        data = episode_file.read(path) if file.attrs["format"] == episode_file.FORMAT else _whole(file)
    if fingerprint(data) != expected:
        raise VgbenchError(f"the arrays in {path} are not those that were written (damaged or edited); {_HINT}")
    return data, spec


def _whole(file: Any) -> Trajectories:
    groups = [{name: item[()] for name, item in file[group].items()} if group in file else {} for group in _GROUPS]
    card = json.loads(file.attrs["card"])
    return Trajectories(groups[0], groups[1], file["actions"][()], card, groups[2] or None)


_HEADER = ("environment", "package", "version", "params", "trajectories", "length", "seed")
_HINT = "collect it again with `vgbench collect`, or delete it if it lies in the cache"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a data set for reading; what is wrong with it, inside too, becomes one message."""
    try:
        with h5py.File(path, "r") as file:
            if "specification" not in file.attrs:
                raise VgbenchError(f"{path} is an HDF5 file, but not a vgbench data set; {_HINT}")
            if file.attrs["format"] not in (FORMAT, episode_file.FORMAT):
                raise VgbenchError(f"{path} has data format {file.attrs['format']}; this is format {FORMAT}; {_HINT}")
            header = json.loads(file.attrs["specification"])
            missing = [key for key in _HEADER if not isinstance(header, dict) or key not in header]
            if missing:
                raise VgbenchError(
                    f"{path} is not what vgbench wrote: its specification has no {missing[0]!r}; {_HINT}"
                )
            yield file
    except FileNotFoundError as err:
        raise UsageError(f"no data set at {path}; make it with `vgbench collect --env NAME --out {path}`") from err
    except IsADirectoryError as err:
        raise UsageError(f"{path} is a folder; expected a data set (HDF5 file)") from err
    except (OSError, KeyError, ValueError) as err:
        raise VgbenchError(f"{path} is not a whole HDF5 data set (truncated?): {_reason(err)}; {_HINT}") from err


def read_header(path: Path) -> tuple[dict[str, Any], str]:
    """Read the specification of a file and the fingerprint of its arrays, but not the arrays.

    Raises:
        VgbenchError: as `load`.
    """
    with _opened(path) as file:
        return json.loads(file.attrs["specification"]), str(file.attrs["fingerprint"])


def read_source(path: Path) -> dict[str, str]:
    """Read the hashes of the modules that collected a data set; empty for a file that does not say.

    Raises:
        VgbenchError: as `load`.
    """
    with _opened(path) as file:
        found: dict[str, str] = json.loads(file.attrs.get("source", "{}"))
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
