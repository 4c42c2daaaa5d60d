"""Collect training sets, or find them in the cache by the hash of their specification."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vgbench.api import Environment, Trajectories
from vgbench.data.files import digest, load, read_source, save, specification
from vgbench.errors import UsageError, VgbenchError
from vgbench.plugin.attribution import describe_plugin
from vgbench.plugin.source import source
from vgbench.settings import DataSettings
from vgbench.storage.cache import cache_root
from vgbench.storage.differences import first_difference
from vgbench.storage.files import drop_partials


def cache_folder() -> Path:
    """Return the folder of collected data sets: `$VGBENCH_CACHE`, or the user's cache folder."""
    return cache_root() / "data"


def collect(
    name: str,
    environment: Environment,
    settings: DataSettings,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    folder: Path | None = None,
) -> tuple[Trajectories, Path]:
    """Return the data set of a specification and its file: from the cache, if the environment has the same source."""
    spec, own = specification(name, environment, settings, seed), source(type(environment))
    path = (folder or cache_folder()) / f"{name}-{digest(spec)}.h5"
    if not path.exists() or read_source(path) not in ({}, own):
        drop_partials(path.parent)
        save(path, _sample(environment, settings, seed, progress), spec, own)
    # Read back even when just written: fresh and cached sets go the same way, and the file is checked.
    data, found = load(path)
    # Its name is a promise, which whoever can write into the cache may break.
    if digest(found) != digest(spec):
        raise VgbenchError(
            f"{path} holds another data set than its name stands for{first_difference(found, spec)}; delete it, and it "
            "is collected again"
        )
    return data, path


def collect_to_file(
    name: str,
    environment: Environment,
    settings: DataSettings,
    seed: int,
    path: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Trajectories:
    """Collect a data set and write it to `path`; refuses to replace a file."""
    if path.exists():
        raise UsageError(f"{path} exists already; choose another name or delete it")
    data = _sample(environment, settings, seed, progress)
    save(path, data, specification(name, environment, settings, seed), source(type(environment)), new=True)
    return data


def _sample(
    environment: Environment, settings: DataSettings, seed: int, progress: Callable[[int, int], None] | None
) -> Trajectories:
    try:
        data = environment.collect(settings.trajectories, settings.length, seed, progress)
    except ValueError as err:
        raise UsageError(f"data.trajectories={settings.trajectories}, data.length={settings.length}: {err}") from err
    _check(environment, data, settings)
    return data


def _check(environment: Environment, data: Trajectories, settings: DataSettings) -> None:
    """Hold what an environment collected against what it says of itself."""
    n, length, spec = settings.trajectories, settings.length, environment.spec
    who = describe_plugin(environment, "environment")
    if not isinstance(data, Trajectories):
        raise VgbenchError(f"{who}: collect returned a {type(data).__name__}, expected vgbench.api.Trajectories")
    counts = data.counts
    if counts.shape != (n,) or counts.dtype != np.int64 or counts.min() < 2 or counts.max() != length:
        raise VgbenchError(
            f"{who}: collect: lengths must be int64 ({n},) from 2 to {length}, the longest among them, but they are "
            f"{counts.dtype} {counts.shape} from {counts.min()} to {counts.max()}"
        )
    expected: dict[str, tuple[Any, tuple[int, ...], str]] = {
        "actions": (data.actions, (n, length - 1, spec.actions.dim), "float32")
    }
    arrays = {**data.states, **data.static}
    for name, array in spec.state.items():
        lead: tuple[int, ...] = (n,) if name in data.static else (n, length)
        expected[f"state {name!r}"] = (arrays.get(name), (*lead, *array.shape), array.dtype)
    for name, array in spec.observations.items() if not spec.restores_state else ():
        seen = (data.observations or {}).get(name)
        expected[f"observation {name!r}"] = (seen, (n, length, *array.shape), array.dtype)
    for what, (found, shape, dtype) in expected.items():
        if found is None or found.shape != shape or str(found.dtype) != dtype:
            got = "nothing" if found is None else f"{found.dtype} {found.shape}"
            raise VgbenchError(f"{who}: collect: {what} must be {dtype} {shape}, but it gave {got}")
        if np.issubdtype(found.dtype, np.floating) and not np.isfinite(found).all():
            raise VgbenchError(f"{who}: collect: {what} must be finite, but it has NaN or infinity")
