"""A problem whose world is known: a point that is pushed about and should reach a goal."""

from types import SimpleNamespace

import pytest
import torch

from vgbench.api import NormBall


class Push:
    """x_{t+1} = x_t + a_t from 0 in the plane; the cost is the sum of squared distances to `goals` [B, 2].

    Noise is keyed by (seed, task, call), as the core's: task b gets the same numbers in any batch.
    """

    def __init__(self, goals, horizon=8, *, executed=0, seed=0, tasks=None, action_set=None, cost=None):
        self.goals = goals
        self.action_dim = 2
        self.horizon = horizon
        self.executed = executed
        self.action_set = action_set or NormBall(2, 1.0)
        self.steps_left = torch.full((len(goals),), horizon)
        self.costs_asked = 0
        self._cost = cost
        self._streams = [torch.Generator().manual_seed(1000 * seed + int(b)) for b in tasks or range(len(goals))]

    def cost(self, actions):
        self.costs_asked += 1
        assert torch.equal(self.action_set.clip(actions), actions) or torch.allclose(
            self.action_set.clip(actions), actions, atol=1e-6
        )
        if self._cost is not None:
            return self._cost(actions)
        return (actions.cumsum(dim=2) - self.goals[:, None, None]).square().sum(dim=(2, 3))

    def noise(self, *shape):
        return torch.stack([torch.randn(*shape, generator=stream) for stream in self._streams])


@pytest.fixture
def push():
    """The class of problems."""
    return Push


@pytest.fixture
def linear_quadratic():
    """x' = A x + a, priced by |x|^2 + |a|^2 / 2: start, cost [B, K] and best plan [B, 2 H] (solved)."""
    steps, start = 6, torch.tensor([[3.0, -1.0], [0.5, 2.0]])
    world = torch.tensor([[0.9, 0.3], [-0.2, 0.7]])

    def cost(actions):
        state, total = start[:, None].expand(-1, actions.shape[1], -1), 0.0
        for step in range(steps):
            state = state @ world.T + actions[:, :, step]
            total = total + state.square().sum(dim=-1) + 0.5 * actions[:, :, step].square().sum(dim=-1)
        return total

    powers = [torch.linalg.matrix_power(world, k) for k in range(steps + 1)]
    reach = torch.cat(
        [torch.cat([powers[t - s] if t >= s else 0 * world for s in range(steps)], 1) for t in range(steps)]
    )
    drift = torch.cat([start @ powers[t + 1].T for t in range(steps)], dim=1)
    optimum = -torch.linalg.solve(reach.T @ reach + 0.5 * torch.eye(2 * steps), reach.T @ drift.T).T
    return SimpleNamespace(steps=steps, start=start, cost=cost, optimum=optimum)
