"""Writes a data set as one of Minari."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vgbench.api import Trajectories
from vgbench.data import files
from vgbench.data.minari import KEY, OBSERVED, checked, library
from vgbench.errors import UsageError
from vgbench.version import __version__


def export(path: Path, name: str) -> dict[str, Any]:
    """Write the data set in the file `path` as the local Minari data set `name`, whole or not at all.

    A trajectory is an episode, truncated at its end, without rewards. Observations are a `Dict` of the arrays of the
    state, each under its name, those that do not change repeated at each step; and of stored observations, as
    `observed_NAME`.
    The action space is the smallest box around the data's actions that is symmetric.

    Returns:
        What a user wants to know of it, JSON values.

    Raises:
        UsageError: Minari is not installed, there is no such file, or the name is no name or is taken.
        VgbenchError: the file is damaged.
    """
    minari = library()
    folder = _folder(checked(name))
    if folder.exists():
        raise UsageError(f"--minari {name}: there is a data set of that name in {folder}; raise the number after -v")
    data, spec = files.load(path)
    about = {
        "format": 1,
        "specification": spec,
        "card": data.card,
        "fingerprint": files.fingerprint(data),
        "states": sorted(data.states),
        "static": sorted(data.static),
        "observations": sorted(data.observations or {}),
    }
    with _aside(name) as place:
        _write(minari, name, data, spec, about)
        folder.parent.mkdir(parents=True, exist_ok=True)
        (place / name).rename(folder)
    result = {"minari": name, "folder": str(folder), "episodes": len(data), "states": data.length}
    return result | {"environment": spec["environment"], "fingerprint": about["fingerprint"]}


def _folder(name: str) -> Path:
    """Folder of a local data set; that of all for an empty name."""
    from minari.storage import get_dataset_path

    try:
        return Path(get_dataset_path(name))
    except OSError as err:  # it makes the folder of all
        raise UsageError(f"--minari: cannot write to {err.filename}: {err.strerror or err}") from err


@contextmanager
def _aside(name: str) -> Iterator[Path]:
    """Have Minari write into a folder beside its data sets, from which a whole one is moved to its place."""
    from minari.namespace import create_namespace, list_local_namespaces

    namespace, root = name.rpartition("/")[0], _folder("")
    try:
        if namespace and namespace not in list_local_namespaces():
            create_namespace(namespace)
        place = Path(tempfile.mkdtemp(prefix=".vgbench-", dir=root))
    except OSError as err:
        raise UsageError(f"--minari {name}: cannot write to {root}: {err.strerror or err}") from err
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(place)
    try:
        yield place
    finally:
        if before is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = before
        shutil.rmtree(place, ignore_errors=True)


def _write(minari: Any, name: str, data: Trajectories, spec: dict[str, Any], about: dict[str, Any]) -> None:
    from gymnasium import spaces
    from minari.data_collector.episode_buffer import EpisodeBuffer

    episodes = [_arrays(data, index) for index in range(len(data))]
    buffers = [
        EpisodeBuffer(
            id=index,
            observations=arrays,
            actions=data.actions[index, :steps],
            rewards=[0.0] * steps,
            terminations=[False] * steps,
            truncations=[False] * (steps - 1) + [True],
        )
        for index, (arrays, steps) in enumerate(zip(episodes, data.counts - 1, strict=True))
    ]
    reach = np.abs(data.actions).max(axis=(0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nobody is named as author, and that there are no reference scores
        written = minari.create_dataset_from_buffers(
            dataset_id=name,
            buffer=buffers,
            observation_space=spaces.Dict({key: _space(array) for key, array in episodes[0].items()}),
            action_space=spaces.Box(-reach, reach, dtype=data.actions.dtype),
            algorithm_name=f"vgbench {__version__}, environment {spec['environment']}",
            description=f"trajectories of vgbench's environment {spec['environment']!r}; without rewards",
            jpeg_encoding=False,  # what is exported comes back to the last bit
        )
        written.storage.update_metadata({KEY: about})


def _arrays(data: Trajectories, index: int) -> dict[str, np.ndarray]:
    """Observations [T + 1, ...] of one episode."""
    count = int(data.counts[index])
    arrays = {name: array[index, :count] for name, array in data.states.items()}
    arrays |= {name: np.repeat(array[index : index + 1], count, axis=0) for name, array in data.static.items()}
    return arrays | {f"{OBSERVED}{name}": array[index, :count] for name, array in (data.observations or {}).items()}


def _space(array: np.ndarray) -> Any:
    """Box of an array [T + 1, ...]; a number becomes an array of one."""
    from gymnasium import spaces

    if np.issubdtype(array.dtype, np.integer):
        limits = np.iinfo(array.dtype)
        return spaces.Box(limits.min, limits.max, array.shape[1:], array.dtype.type)
    return spaces.Box(-np.inf, np.inf, array.shape[1:], array.dtype.type)
