"""What an environment gives: states, a training set, planning problems."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

State = dict[str, Tensor]
"""Named state arrays, each with a leading batch dimension. The layout (walls) is part of the state."""


@dataclass
class Trajectories:
    """N trajectories of T + 1 states and T actions.

    Where their lengths differ, arrays have the length of the longest: behind the end of a trajectory stand its last
    state and actions of 0, which nothing looks at.

    Attributes:
        states: arrays that change along a trajectory, [N, T + 1, ...].
        static: arrays that do not (layouts), [N, ...]; the state at (n, t) is the union of both.
        actions: [N, T, A], in the environment's units.
        card: what a reader should know (shares of collisions, of crossings, ...); JSON values.
        observations: only where `restores_state` is False, [N, T + 1, ...].
        lengths: number of states of each trajectory, [N] int64; None: all have T + 1.
    """

    states: dict[str, np.ndarray]
    static: dict[str, np.ndarray]
    actions: np.ndarray
    card: dict[str, Any] = field(default_factory=dict)
    observations: dict[str, np.ndarray] | None = None
    lengths: np.ndarray | None = None

    def __len__(self) -> int:
        """Number of trajectories N."""
        return len(self.actions)

    @property
    def length(self) -> int:
        """Number of states in the longest trajectory, T + 1."""
        return self.actions.shape[1] + 1

    @property
    def counts(self) -> np.ndarray:
        """Number of states of each trajectory, [N] int64."""
        return np.full(len(self), self.length, np.int64) if self.lengths is None else self.lengths

    def take(self, index: np.ndarray) -> "Trajectories":
        """Return some of the trajectories, by their numbers [M] int64."""
        states, static, seen = (
            {name: array[index] for name, array in group.items()}
            for group in (self.states, self.static, self.observations or {})
        )
        lengths = None if self.lengths is None else self.lengths[index]
        return Trajectories(states, static, self.actions[index], self.card, seen or None, lengths)


@dataclass
class Tasks:
    """B planning problems: a start and a goal state each, both with leading B.

    Attributes:
        strata: name of the group that each task belongs to, such as "9-13 unseen"; results are shown by group, too.
            None: there are no groups.
    """

    start: State
    goal: State
    strata: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """Number of tasks B."""
        return len(next(iter(self.start.values())))

    def first(self, count: int) -> "Tasks":
        """Return the first `count` tasks."""
        start, goal = ({name: array[:count] for name, array in end.items()} for end in (self.start, self.goal))
        return Tasks(start, goal, None if self.strata is None else self.strata[:count])

    def to(self, device: torch.device | str) -> "Tasks":
        """Return the tasks on a device."""
        start, goal = ({name: array.to(device) for name, array in end.items()} for end in (self.start, self.goal))
        return Tasks(start, goal, self.strata)
