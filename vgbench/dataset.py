"""Training sets: collected once, found again by the hash of their specification, drawn on the device."""

# ruff: noqa: TID253 - imported only by modules that compute
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import platformdirs
import torch
from torch import Tensor

import vgbench
from vgbench.api import Environment, State, Trajectories
from vgbench.blame import owner
from vgbench.errors import UsageError, VgbenchError
from vgbench.settings import DataSettings

FORMAT = 1
_GROUPS = ("states", "static", "observations")


def cache_folder() -> Path:
    """Folder of collected data sets: `$VGBENCH_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("VGBENCH_CACHE") or platformdirs.user_cache_dir("vgbench")) / "data"


def specification(name: str, environment: Environment, settings: DataSettings, seed: int) -> dict[str, Any]:
    """All that decides the contents of a data set, as JSON values."""
    return {
        "environment": name,
        "package": _package(environment),
        "version": environment.version,
        "params": environment.params.identity(),
        **settings.identity(),
        "seed": seed,
        "format": FORMAT,
    }


def _package(environment: Environment) -> str:
    """Top-level package of an environment: two packages may have a plugin of one name."""
    return type(environment).__module__.partition(".")[0]


def digest(content: Any) -> str:
    """Hash JSON values, 16 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def fingerprint(data: Trajectories) -> str:
    """Hash of the arrays' names, types, shapes and bytes, 16 hex digits."""
    state = hashlib.sha256()
    for group in (data.states, data.static, {"actions": data.actions}, data.observations or {}):
        for name, array in sorted(group.items()):
            state.update(f"{name}:{array.dtype}:{array.shape}".encode())
            state.update(np.ascontiguousarray(array).data)
    return state.hexdigest()[:16]


def save(path: Path, data: Trajectories, spec: dict[str, Any]) -> None:
    """Write a data set as HDF5, whole or not at all, with its card in the attributes."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(partial, "w") as file:
            file.attrs["format"] = FORMAT
            file.attrs["generator"] = f"vgbench {vgbench.__version__}"
            file.attrs["specification"] = json.dumps(spec, sort_keys=True)
            file.attrs["card"] = json.dumps(data.card, sort_keys=True)
            file.attrs["fingerprint"] = fingerprint(data)
            file.create_dataset("actions", data=data.actions)
            for group, arrays in zip(_GROUPS, (data.states, data.static, data.observations or {}), strict=True):
                for name, array in arrays.items():
                    file.create_dataset(f"{group}/{name}", data=array)
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
        groups = [{name: item[()] for name, item in file[group].items()} if group in file else {} for group in _GROUPS]
        card, actions = json.loads(file.attrs["card"]), file["actions"][()]
        spec, expected = json.loads(file.attrs["specification"]), file.attrs["fingerprint"]
    data = Trajectories(groups[0], groups[1], actions, card, groups[2] or None)
    if fingerprint(data) != expected:
        raise VgbenchError(f"the arrays in {path} are not those that were written (damaged or edited); {_HINT}")
    return data, spec


_HEADER = ("environment", "package", "version", "params", "trajectories", "length", "seed")
_HINT = "collect it again with `vgbench collect`, or delete it if it lies in the cache"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a data set for reading; what is wrong with it, inside too, becomes one message."""
    try:
        with h5py.File(path, "r") as file:
            if "specification" not in file.attrs:
                raise VgbenchError(f"{path} is an HDF5 file, but not a vgbench data set; {_HINT}")
            if file.attrs["format"] != FORMAT:
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


def collect(
    name: str,
    environment: Environment,
    settings: DataSettings,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    folder: Path | None = None,
) -> tuple[Trajectories, Path]:
    """Return the data set of a specification and its file, from the cache if it is there."""
    spec = specification(name, environment, settings, seed)
    path = (folder or cache_folder()) / f"{name}-{digest(spec)}.h5"
    if not path.exists():
        save(path, _sample(environment, settings, seed, progress), spec)
    return load(path)[0], path


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
    save(path, data, specification(name, environment, settings, seed))
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
    who = owner(environment, "environment")
    if not isinstance(data, Trajectories):
        raise VgbenchError(f"{who}: collect returned a {type(data).__name__}, expected vgbench.api.Trajectories")
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


class Dataset:
    """Trajectories on a device: states are gathered, frames drawn when asked for.

    Attributes:
        actions: [N, T, A] divided by `action_scale`, their standard deviation over all components (one number, so
            that a ball of actions stays a ball).
        groups: [N] int64, the same number for trajectories with the same static state (layout).
    """

    def __init__(self, environment: Environment, data: Trajectories, device: torch.device) -> None:
        """Move the arrays of `data` to `device`."""
        self.environment = environment
        self.trajectories = data
        self.device = device
        self._states = {name: torch.from_numpy(array).to(device) for name, array in data.states.items()}
        self._static = {name: torch.from_numpy(array).to(device) for name, array in data.static.items()}
        self._observations = {n: torch.from_numpy(a) for n, a in (data.observations or {}).items()}
        self.action_scale = float(np.sqrt(np.mean(np.square(data.actions, dtype=np.float64)))) or 1.0
        self.actions = torch.from_numpy(data.actions).to(device) / self.action_scale
        self.groups = torch.from_numpy(_layout_groups(data)).to(device)

    def __len__(self) -> int:
        """Number of trajectories N."""
        return len(self.trajectories)

    @property
    def length(self) -> int:
        """Number of states in a trajectory."""
        return self.trajectories.length

    def state(self, trajectory: Tensor, time: Tensor) -> State:
        """States at pairs of indices, both [M] int64."""
        state = {name: array[trajectory, time] for name, array in self._states.items()}
        return state | {name: array[trajectory] for name, array in self._static.items()}

    def observations(self, trajectory: Tensor, time: Tensor) -> dict[str, Tensor]:
        """Raw observations [M, ...] at pairs of indices, both [M] int64."""
        if not self._observations:
            return self.environment.observe(self.state(trajectory, time))
        where = trajectory.cpu(), time.cpu()
        return {name: array[where].to(self.device) for name, array in self._observations.items()}

    def statistics(self, samples: int = 512) -> dict[str, tuple[Tensor, Tensor]]:
        """Mean and standard deviation of each observation: by channel for images, by component for vectors."""
        result = {}
        for name, array in self._spread(samples).items():
            values = array.to(torch.float64)
            dims = [0, *range(2, values.ndim)]
            std = values.std(dim=dims, correction=0)
            result[name] = values.mean(dim=dims).float(), torch.where(std > 0, std, 1.0).float()
        return result

    def whitening(self, samples: int = 512) -> dict[str, Tensor]:
        """Symmetric matrix [C, C] for each image, C^(-1/2) of the covariance of its channels over all pixels (ZCA).

        A direction of colour with less than a thousandth of the largest variance is amplified as if it had that.
        """
        images = [name for name, array in self.environment.spec.observations.items() if array.kind == "image"]
        result = {}
        for name, array in self._spread(samples).items():
            if name in images:
                pixels = array.to(torch.float64).transpose(0, 1).flatten(1)
                values, vectors = torch.linalg.eigh(torch.cov(pixels, correction=0).reshape(len(pixels), -1))
                least = values[-1] * 1e-3 if float(values[-1]) > 0 else torch.ones_like(values[-1])
                scale = torch.maximum(values, least).rsqrt()
                result[name] = ((vectors * scale) @ vectors.mT).float()
        return result

    def _spread(self, samples: int) -> dict[str, Tensor]:
        """Observations of at most `samples` states, spread evenly over the set."""
        flat = torch.linspace(0, len(self) * self.length - 1, min(samples, len(self) * self.length), device=self.device)
        index = flat.round().to(torch.int64)
        return self.observations(index // self.length, index % self.length)


def _layout_groups(data: Trajectories) -> np.ndarray:
    """Number the distinct static states, [N] int64."""
    if not data.static:
        return np.zeros(len(data), dtype=np.int64)
    rows = np.concatenate([array.reshape(len(data), -1).astype(np.float64) for array in data.static.values()], axis=1)
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
