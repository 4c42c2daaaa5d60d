"""A planning problem whose optimum is known: a point that is pushed about and should reach a goal."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vgbench.api import ActionSet, NormBall
from vgbench.rng import KeyedNoise, Stream


class Quadratic:
    """x_{t+1} = x_t + a_t in the plane; the cost of a plan is the sum of squared distances from x_t to the goal.

    A `vgbench.api.Problem` of as many tasks as there are `ids`: goal and noise of a task depend on its id alone.

    Attributes:
        position, goal: [B, 2].
        asked: sequences per task in each call of `cost`.
        draws: number of calls of `noise`.
    """

    def __init__(
        self,
        ids: Sequence[int] = (0, 1, 2, 3),
        *,
        horizon: int = 6,
        action_set: ActionSet | None = None,
        seed: int = 0,
        step: int = 0,
        executed: int = 0,
        position: Tensor | None = None,
        blind: bool = False,
        spoil: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Set up the tasks `ids`, whose points are at `position` [B, 2] (the origin by default).

        With `blind`, asking for a cost is an error, as it is for planners that declare `baseline`; `spoil` changes
        costs [B, K] before they are handed out.
        """
        self.ids = torch.tensor(list(ids), dtype=torch.int64)
        # 2.4 rad is about the golden angle, by which goals of successive tasks lie well apart.
        angle = 2.4 * self.ids
        # Within reach of 6 steps of length 1.5, the defaults.
        self.goal = 5.0 * torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)
        self.position = torch.zeros(len(self.ids), 2) if position is None else position
        self.action_set = action_set or NormBall(2, 1.5)
        self.action_dim, self.horizon, self.executed = 2, horizon, executed
        self.steps_left = torch.full_like(self.ids, horizon)
        self.asked: list[int] = []
        self.draws = 0
        self._blind, self._spoil = blind, spoil
        self._noise = KeyedNoise(seed, self.ids, step, Stream.PLANNER)

    def path(self, actions: Tensor) -> Tensor:
        """Positions [B, K, H, 2] after the actions [B, K, H, 2]."""
        return self.position[:, None, None] + actions.cumsum(dim=2)

    def _count(self, actions: Tensor) -> None:
        lead, rest = actions.shape[:1], actions.shape[2:]
        if actions.ndim != 4 or lead != self.ids.shape or rest[1] != 2 or not 1 <= rest[0] <= self.horizon:
            want = f"[{len(self.ids)}, K, 1 to {self.horizon}, 2]"
            raise ValueError(f"candidate actions must be {want}, but they are {list(actions.shape)}")
        self.asked.append(actions.shape[1])

    def cost(self, actions: Tensor) -> Tensor:
        """Cost [B, K] of candidates [B, K, H, 2]."""
        if self._blind:
            raise RuntimeError("a planner that declares `baseline` must not ask for the cost")
        self._count(actions)
        cost = (self.path(actions) - self.goal[:, None, None]).square().sum(dim=(2, 3))
        return cost if self._spoil is None else self._spoil(cost)

    def noise(self, *shape: int) -> Tensor:
        """Standard normals [B, *shape], keyed by (seed, task, step, call)."""
        self.draws += 1
        return self._noise.normal(*shape)

    def after(self, actions: Tensor) -> Tensor:
        """Positions [B, 2] once the first action of plans [B, H, 2] is executed, clipped as a world would."""
        return self.position + self.action_set.clip(actions[:, 0])
