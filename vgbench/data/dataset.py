"""Training sets: collected once, found again by the hash of their specification, drawn on the device."""

import numpy as np
import torch
from torch import Tensor

from vgbench.api import Environment, State, Trajectories

UNEQUAL = 4.0
"""Times that one component of the actions is larger than another, from which on a user is told."""


class Dataset:
    """Trajectories on a device: states are gathered, frames drawn when asked for.

    Attributes:
        action_scale: root mean square of the actions: one number over all components (so that a ball stays a ball), or
            [A] float32, one for each.
        actions: [N, T, A] divided by `action_scale`.
        groups: [N] int64, the same number for trajectories with the same static state (layout).
    """

    def __init__(
        self, environment: Environment, data: Trajectories, device: torch.device, action_scale: str = "overall"
    ) -> None:
        """Move the arrays of `data` to `device`; `action_scale` as `ModelSettings` says."""
        self.environment = environment
        self.trajectories = data
        self.device = device
        self._states = {name: torch.from_numpy(array).to(device) for name, array in data.states.items()}
        self._static = {name: torch.from_numpy(array).to(device) for name, array in data.static.items()}
        # Not moved to the device as a whole: a batch of them is, when asked for.
        self._observations = {n: torch.from_numpy(a) for n, a in (data.observations or {}).items()}
        self.action_scale: float | Tensor = _overall_scale(data.actions)
        if action_scale == "component" and environment.spec.actions.separable:
            self.action_scale = torch.from_numpy(component_scale(data.actions)).to(device)
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
        """Return the states at pairs of indices, both [M] int64."""
        state = {name: array[trajectory, time] for name, array in self._states.items()}
        return state | {name: array[trajectory] for name, array in self._static.items()}

    def observations(self, trajectory: Tensor, time: Tensor) -> dict[str, Tensor]:
        """Return the raw observations [M, ...] at pairs of indices, both [M] int64."""
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
        flat = torch.linspace(0, len(self) * self.length - 1, min(samples, len(self) * self.length), device=self.device)
        index = flat.round().to(torch.int64)
        return self.observations(index // self.length, index % self.length)


def _overall_scale(actions: np.ndarray) -> float:
    """Root mean square of actions [N, T, A]; 1 where nothing ever acts, which leaves the units as they are."""
    # About 0, not the mean, so that no action stays none; in double precision, as the sum is over the whole set.
    return float(np.sqrt(np.mean(np.square(actions, dtype=np.float64)))) or 1.0


def component_scale(actions: np.ndarray) -> np.ndarray:
    """Root mean square of each component of actions [N, T, A], [A] float32; 1 for one that is always 0."""
    scale = np.sqrt(np.mean(np.square(actions, dtype=np.float64), axis=(0, 1)))
    return np.where(scale > 0, scale, 1.0).astype(np.float32)


def unequal_components(data: Dataset) -> str:
    """Say that components of the actions differ in size where one unit is taken for all of them; else nothing."""
    if not data.environment.spec.actions.separable or isinstance(data.action_scale, Tensor):
        return ""
    sizes = component_scale(data.trajectories.actions)
    if float(sizes.max() / sizes.min()) < UNEQUAL:
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
