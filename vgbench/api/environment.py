"""The environment: a batched, pure world that draws its own observations."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from vgbench.api.data import State, Tasks, Trajectories
from vgbench.api.plugin import Plugin


@dataclass(frozen=True)
class ArraySpec:
    """Shape (without batch), dtype and meaning of one named state or observation array.

    `kind` is `"image"` (channels, height, width; uint8) or `"vector"` (float32).
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    kind: str = "vector"
    description: str = ""


class ActionSet(ABC):
    """A set of admissible actions of dimension `dim`, known by its projection."""

    dim: int

    separable: ClassVar[bool] = False
    """Whether each component has a range of its own, so that `scaled` takes a factor for each."""

    discrete: ClassVar[bool] = False
    """Whether the set is finite: an average of actions is none, and planners have to say that they can plan in it."""

    @abstractmethod
    def clip(self, actions: Tensor) -> Tensor:
        """Project actions [..., dim] into the set; the result has the same shape and dtype."""

    @abstractmethod
    def scaled(self, factor: Any) -> "ActionSet":
        """Return the set {factor * a}: the same set in other units, by a positive number.

        A `separable` set takes one for each component, too: a tensor [dim].
        """

    @abstractmethod
    def boundary(self, directions: Tensor) -> Tensor:
        """Return the largest admissible action along each direction [..., dim] (directions need not be unit)."""


@dataclass(frozen=True)
class NormBall(ActionSet):
    """Actions whose Euclidean norm is at most `radius`; clipping keeps the direction."""

    dim: int
    radius: float

    def clip(self, actions: Tensor) -> Tensor:
        """Scale down those actions that are longer than the radius."""
        norm = torch.linalg.vector_norm(actions, dim=-1, keepdim=True)
        # Within the ball the factor is exactly 1, so that such actions keep their bits, and no norm of 0 is divided by.
        return actions * (self.radius / norm.clamp_min(self.radius))

    def scaled(self, factor: float) -> "NormBall":
        """Return the ball of radius `factor * radius`."""
        return NormBall(self.dim, self.radius * factor)

    def boundary(self, directions: Tensor) -> Tensor:
        """Return the point of the sphere along each direction."""
        norm = torch.linalg.vector_norm(directions, dim=-1, keepdim=True)
        numbers = torch.finfo(directions.dtype)
        # The quotient overflows for a direction of 0, and 0 times infinity is not a number.
        return directions * (self.radius / norm.clamp_min(numbers.tiny)).clamp_max(numbers.max)


@lru_cache(maxsize=64)
def _placed(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # it may be part of a graph later
        return torch.tensor(values, dtype=dtype, device=device)


def _vector(values: tuple[float, ...], like: Tensor) -> Tensor:
    """Numbers as a tensor beside `like`; kept, since copying them to a GPU waits for all that it has still to do."""
    return _placed(values, like.dtype, like.device)


@dataclass(frozen=True)
class Box(ActionSet):
    """Actions between `low` and `high`, component by component."""

    separable = True

    low: tuple[float, ...]
    high: tuple[float, ...]
    dim: int = field(init=False)

    def __post_init__(self) -> None:
        """Take the dimension from the bounds."""
        if len(self.low) != len(self.high) or any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f"Box: low {self.low} must be below high {self.high}, component by component")
        object.__setattr__(self, "dim", len(self.low))

    def clip(self, actions: Tensor) -> Tensor:
        """Clamp each component."""
        return torch.clamp(actions, _vector(self.low, actions), _vector(self.high, actions))

    def scaled(self, factor: float | Tensor) -> "Box":
        """Return the box with both bounds multiplied by `factor` (positive): one number, or one for each component."""
        factors = factor.tolist() if isinstance(factor, Tensor) and factor.ndim else [float(factor)] * self.dim
        low, high = (tuple(x * f for x, f in zip(ends, factors, strict=True)) for ends in (self.low, self.high))
        return Box(low, high)

    def boundary(self, directions: Tensor) -> Tensor:
        """Return the point of the boundary reached by going along each direction from the middle of the box."""
        high, low = _vector(self.high, directions), _vector(self.low, directions)
        tiny = torch.finfo(directions.dtype).tiny
        reach = ((high - low) / 2 / directions.abs().clamp_min(tiny)).amin(dim=-1, keepdim=True)
        moves = (directions != 0).any(dim=-1, keepdim=True)
        return torch.clamp((high + low) / 2 + directions * torch.where(moves, reach, 0.0), low, high)


@dataclass(frozen=True)
class Discrete(ActionSet):
    """One of `dim` actions, as a vector that is `size` at the action's number and 0 elsewhere (one-hot).

    `start` is the number of the first action in simulators and recordings that count from another one than 0; numbers
    here count from 0.
    """

    discrete = True

    dim: int
    size: float = 1.0
    start: int = 0

    def __post_init__(self) -> None:
        """Refuse a set without a choice."""
        if self.dim < 2:
            raise ValueError(f"Discrete({self.dim}): expected at least 2 actions")

    def clip(self, actions: Tensor) -> Tensor:
        """Return the action of the largest component, the first of several: no other one-hot vector is nearer."""
        best = torch.argmax(actions, dim=-1, keepdim=True)
        return torch.zeros_like(actions).scatter_(-1, best, self.size)

    def scaled(self, factor: float) -> "Discrete":
        """Return the set of vectors of size `factor * size`."""
        return Discrete(self.dim, self.size * factor, self.start)

    def boundary(self, directions: Tensor) -> Tensor:
        """Return the action nearest to each direction; with directions that are drawn evenly, each is as likely."""
        return self.clip(directions)

    def number(self, actions: Tensor) -> Tensor:
        """Return the number of each action, [...] int64 of [..., dim]."""
        return torch.argmax(actions, dim=-1)


@dataclass(frozen=True)
class EnvironmentSpec:
    """What vgbench needs to know of an environment before it builds networks for it.

    `noise_dim` is the number of standard normals that one `step` uses (0: deterministic). An environment that cannot
    restore a state sets `restores_state=False`: its observations are then stored in the data set, not drawn again.
    """

    state: Mapping[str, ArraySpec]
    observations: Mapping[str, ArraySpec]
    actions: ActionSet
    noise_dim: int = 0
    restores_state: bool = True
    distance_unit: str = ""


class Environment(Plugin, ABC):
    """A batched world. All methods are pure: the whole state goes in and comes out.

    Example: a point on a line that must reach another point::

        class Line(Environment):
            spec = EnvironmentSpec(
                state={"x": ArraySpec((1,))}, observations={"x": ArraySpec((1,))}, actions=Box((-1.0,), (1.0,)))

            def step(self, state, action, noise=None):
                return {"x": state["x"] + self.spec.actions.clip(action)}

            def observe(self, state):
                return {"x": state["x"]}

            def goal_distance(self, state, goal):
                return (state["x"] - goal["x"]).abs().squeeze(-1)

            success_radius = 0.5

            def collect(self, trajectories, length, seed, progress=None):
                rng = np.random.default_rng(seed)
                actions = rng.uniform(-1, 1, (trajectories, length - 1, 1)).astype(np.float32)
                start = rng.uniform(-9, 9, (trajectories, 1, 1)).astype(np.float32)
                steps = np.concatenate([start, actions], axis=1)
                return Trajectories({"x": np.cumsum(steps, axis=1)}, {}, actions)

            def sample_tasks(self, count, seed, data):
                rng = np.random.default_rng(seed)
                ends = torch.tensor(rng.uniform([-9, 3], [-3, 9], (count, 2)), dtype=torch.float32)
                return Tasks({"x": ends[:, :1]}, {"x": ends[:, 1:]})

    Optional capabilities (the true cost to go, an expert, a grid of states, places on a map, ...) are the Protocols of
    `vgbench.api.capabilities`: it has their methods, and names them in `capabilities`.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset()
    """Names of the capabilities that it offers, such as `frozenset({"cost_to_go"})`; methods of others are not called.
    """
    success_radius: float
    """A task is solved at the first state whose `goal_distance` is below this (in `spec.distance_unit`)."""

    def __init__(self, params: Any) -> None:
        """Keep the validated parameters (an instance of the class's own `Params`)."""
        self.params = params

    @property
    @abstractmethod
    def spec(self) -> EnvironmentSpec:
        """State and observation arrays and the action set (or a class attribute)."""

    @abstractmethod
    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        """Apply actions [B, A] (the environment's units; clipped to the action set here) for one step.

        `noise` is [B, spec.noise_dim] standard normal, or None where noise_dim is 0.
        """

    @abstractmethod
    def observe(self, state: State) -> dict[str, Tensor]:
        """Return observations of states, on the states' device: images uint8 [B, C, H, W], vectors float32 [B, n]."""

    def goal_observation(self, goal: State) -> dict[str, Tensor]:
        """Return the observation that represents a goal; by default that of the goal state."""
        return self.observe(goal)

    @abstractmethod
    def goal_distance(self, state: State, goal: State) -> Tensor:
        """Return distances [B] to the goals in `spec.distance_unit`; recorded, and compared with `success_radius`."""

    def success(self, state: State, goal: State) -> Tensor:
        """Tell whether each state counts as the goal reached, [B] bool."""
        return self.goal_distance(state, goal) < self.success_radius

    @abstractmethod
    def collect(
        self, trajectories: int, length: int, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> Trajectories:
        """Sample a training set: the same seed gives the same bytes. `progress(done, total)` may be called."""

    def check_size(self, trajectories: int, length: int) -> None:
        """Refuse a training set that `collect` could not make of so many trajectories of `length` states.

        Asked before a run begins, a dry run and each run of a suite or sweep, too; `collect` has to refuse it itself.

        Raises:
            ValueError: there are too few or too many for the parameters; the message says which, and what is expected.
        """

    @property
    def data_files(self) -> tuple[str | Path, ...]:
        """Return files that `collect` reads: their content is part of the key of data set and run, like a parameter."""
        return ()

    @abstractmethod
    def sample_tasks(self, count: int, seed: int, data: Trajectories) -> Tasks:
        """Sample planning problems, none of them solved at its start; `data` is what the model was trained on."""

    @property
    def task_strata(self) -> tuple[str, ...] | None:
        """Return the strata that its tasks may have with these parameters, `()` for none; None: only the tasks tell.

        Names in claims and in files for --tasks are held against it before anything is computed.
        """
        return None

    def check_tasks(self, tasks: Tasks, data: Trajectories) -> dict[str, Any]:
        """Check tasks, sampled or read from a file, against the data that the model is trained on.

        Returns:
            Figures for `tasks` in result.json (JSON values), such as the share of tasks in layouts of the data.

        Raises:
            ValueError: a model trained on these data must not be judged on these tasks; the message says why.
        """
        return {}

    def recorded_states(self, recorded: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Make states from another program's record of one episode, for `vgbench import`.

        Args:
            recorded: arrays [T + 1, ...] by name, such as the entries of a Gymnasium `Dict` observation.

        Returns:
            The arrays of `spec.state` [T + 1, ...]; here those of the same names.

        Raises:
            ValueError: an array is missing, or has another shape; the message says which.
        """
        states = {}
        for name, array in self.spec.state.items():
            if name not in recorded:
                raise ValueError(
                    f"state {name!r} was not recorded; there is {', '.join(sorted(recorded)) or 'nothing'}"
                )
            found = recorded[name]
            if found.shape[1:] != array.shape:
                raise ValueError(f"{name!r} was recorded with shape {found.shape[1:]}; expected {array.shape}")
            states[name] = found.astype(array.dtype)
        return states
