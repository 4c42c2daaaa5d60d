"""A training set, from which batches are taken on the device of the run."""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vgbench.api import Environment, State, Trajectories
from vgbench.data.stored import BLOCK, ReadAhead, StoredArray

UNEQUAL = 4.0
"""Times that one component of the actions is larger than another, from which on a user is told."""


class Dataset:
    """Trajectories on a device: states are gathered, frames drawn when asked for.

    Attributes:
        action_scale: root mean square of the actions: one number over all components (so that a ball stays a ball), or
            [A] float32, one for each.
        actions: [N, T, A] divided by `action_scale`.
        groups: [N] int64, the same number for trajectories with the same static state (layout).
        lengths: [N] int64, number of states of each trajectory.
        ragged: whether these differ.
    """

    def __init__(
        self,
        environment: Environment,
        data: Trajectories,
        device: torch.device,
        action_scale: str = "overall",
        like: "Dataset | None" = None,
    ) -> None:
        """Move the arrays of `data` to `device`; `action_scale` as `ModelSettings` says, or that of the set `like`."""
        self.environment = environment
        self.trajectories = data
        self.device = device
        self.ragged = data.lengths is not None
        self.lengths = torch.from_numpy(data.counts).to(device)
        self._ends = self.lengths.cumsum(0)
        # Arrays that stay in their file are read as states are asked for.
        self._states = {
            n: a if isinstance(a, StoredArray) else torch.from_numpy(a).to(device) for n, a in data.states.items()
        }
        self._static = {name: torch.from_numpy(array).to(device) for name, array in data.static.items()}
        # Not moved to the device as a whole: a batch of them is, when asked for.
        self._observations = {
            n: a if isinstance(a, StoredArray) else torch.from_numpy(a) for n, a in (data.observations or {}).items()
        }
        self.reads_ahead = any(
            isinstance(array, StoredArray) for array in (*self._states.values(), *self._observations.values())
        )
        """Whether observations come from a file, so that `read_ahead` has an effect."""
        self._ahead = ReadAhead()
        self.action_scale: float | Tensor = _overall_scale(_taken(data))
        if action_scale == "component" and environment.spec.actions.separable:
            self.action_scale = torch.from_numpy(component_scale(_taken(data))).to(device)
        if like is not None:
            self.action_scale = like.action_scale
        self.actions = torch.from_numpy(data.actions).to(device) / self.action_scale
        self.groups = torch.from_numpy(_layout_groups(data)).to(device)

    def __len__(self) -> int:
        """Number of trajectories N."""
        return len(self.trajectories)

    @property
    def length(self) -> int:
        """Number of states in the longest trajectory."""
        return self.trajectories.length

    @cached_property
    def typical_length(self) -> int:
        """Median number of states in a trajectory."""
        return int(self.lengths.median())

    @cached_property
    def total(self) -> int:
        """Number of states in all trajectories together."""
        return int(self.lengths.sum())

    @property
    def ids(self) -> Tensor:
        """Numbers `trajectory * length + time` of all states, [total] int64."""
        trajectory, time = self.places(torch.arange(self.total, device=self.device))
        return trajectory * self.length + time

    def places(self, index: Tensor, among: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return trajectory and time of states, which are numbered through all trajectories: all [M] int64.

        With `among` [K] int64 they are numbered through these trajectories alone.
        """
        if not self.ragged:
            row = index // self.length
            return (row if among is None else among[row]), index % self.length
        lengths = self.lengths if among is None else self.lengths[among]
        ends = self._ends if among is None else lengths.cumsum(0)
        row = torch.searchsorted(ends, index, right=True)
        return (row if among is None else among[row]), index - (ends - lengths)[row]

    def state(self, trajectory: Tensor, time: Tensor) -> State:
        """Return the states at pairs of indices, both [M] int64."""
        state = {name: self._picked(array, trajectory, time) for name, array in self._states.items()}
        return state | {name: array[trajectory] for name, array in self._static.items()}

    def observations(self, trajectory: Tensor, time: Tensor) -> dict[str, Tensor]:
        """Return the raw observations [M, ...] at pairs of indices, both [M] int64."""
        if self.reads_ahead:
            found: dict[str, Tensor] | None = self._ahead.take((trajectory.cpu().numpy(), time.cpu().numpy()))
            if found is not None:
                return found
        return self._observed(trajectory, time)

    def rows_at_once(self, most: int) -> int:
        """Return how many states, at most `most`, are looked at together: of those in a file, about as a block has."""
        arrays = [a for a in (*self._states.values(), *self._observations.values()) if isinstance(a, StoredArray)]
        size = sum(int(np.prod(array.shape[2:])) * array.dtype.itemsize for array in arrays)
        # A multiple of 64, as the encoder's blocks are padded to so many.
        return most if not size else min(most, max(64, BLOCK // size // 64 * 64))

    def read_ahead(self, trajectory: Tensor, time: Tensor) -> None:
        """Begin to read the observations at pairs of indices, both [M] int64, that will be asked for next."""
        if self.reads_ahead:
            key = trajectory.cpu().numpy(), time.cpu().numpy()
            self._ahead.start(key, lambda: self._observed(trajectory, time))

    def _observed(self, trajectory: Tensor, time: Tensor) -> dict[str, Tensor]:
        if not self._observations:
            return self.environment.observe(self.state(trajectory, time))
        where = trajectory.cpu(), time.cpu()
        return {name: self._picked(array, *where).to(self.device) for name, array in self._observations.items()}

    def _picked(self, array: Any, trajectory: Tensor, time: Tensor) -> Tensor:
        if not isinstance(array, StoredArray):
            return array[trajectory, time]
        return torch.from_numpy(array.take(trajectory.cpu().numpy(), time.cpu().numpy())).to(self.device)

    def statistics(self, samples: int = 512) -> dict[str, tuple[Tensor, Tensor]]:
        """Mean and standard deviation of each observation: by channel for images, by component for vectors."""
        result = {}
        for name, array in self._spread(samples).items():
            values = array.to(torch.float64)
            dims = [0, *range(2, values.ndim)]
            std = values.std(dim=dims, correction=0)
            # What never varies has the deviation 0: it is centred only.
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
                # eigh sorts them in ascending order, so the last one is the largest.
                least = values[-1] * 1e-3 if float(values[-1]) > 0 else torch.ones_like(values[-1])
                scale = torch.maximum(values, least).rsqrt()
                result[name] = ((vectors * scale) @ vectors.mT).float()
        return result

    def _spread(self, samples: int) -> dict[str, Tensor]:
        """Observations of at most `samples` states, spread evenly over the set."""
        # No random draw: statistics depend on the data alone.
        flat = torch.linspace(0, self.total - 1, min(samples, self.total), device=self.device)
        # Of more than 2^24 states a float of 32 bits may round the last number up.
        return self.observations(*self.places(flat.round().to(torch.int64).clamp_max(self.total - 1)))


def _taken(data: Trajectories) -> np.ndarray:
    """Actions [n, A] without those behind the ends of trajectories."""
    if data.lengths is None:
        return data.actions.reshape(-1, data.actions.shape[-1])
    return data.actions[np.arange(data.length - 1) < data.lengths[:, None] - 1]


def _overall_scale(actions: np.ndarray) -> float:
    """Root mean square of actions [n, A]; 1 where nothing ever acts, which leaves the units as they are."""
    # About 0, not the mean, so that no action stays none; in double precision, as the sum is over the whole set.
    return float(np.sqrt(np.mean(np.square(actions, dtype=np.float64)))) or 1.0


def component_scale(actions: np.ndarray) -> np.ndarray:
    """Root mean square of each component of actions [n, A], [A] float32; 1 for one that is always 0."""
    scale = np.sqrt(np.mean(np.square(actions, dtype=np.float64), axis=0))
    return np.where(scale > 0, scale, 1.0).astype(np.float32)


def unequal_components(data: Dataset) -> str:
    """Say that components of the actions differ in size where one unit is taken for all of them; else nothing."""
    if not data.environment.spec.actions.separable or isinstance(data.action_scale, Tensor):
        return ""
    actions = _taken(data.trajectories)
    sizes = component_scale(actions)[(actions != 0).any(axis=0)]  # one that never acts has no size
    if not len(sizes) or float(sizes.max() / sizes.min()) < UNEQUAL:
        return ""
    return (
        f"components of the actions differ in size (root mean squares {sizes.min():.3g} to {sizes.max():.3g}), "
        "and model.action_scale=overall takes one unit for all, in which planners hardly try the large ones or the "
        "model hardly sees the small ones; --set model.action_scale=component gives each its own"
    )


def _layout_groups(data: Trajectories) -> np.ndarray:
    """Number the distinct static states, [N] int64."""
    if not data.static:
        return np.zeros(len(data), dtype=np.int64)
    rows = np.concatenate([array.reshape(len(data), -1).astype(np.float64) for array in data.static.values()], axis=1)
    # reshape, because releases of NumPy differ in the shape of the inverse.
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
