"""Random actions: the baseline that every planner has to beat."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

import vgbench.api
from vgbench.api import Plan, Planner, PlannerState, Problem


class Random(Planner):
    """Actions in random directions, on the boundary of the action set or inside it; ignores the cost.

    A direction is held for `hold` steps, also across plans: what was executed of it so far is remembered.
    """

    baseline = True
    discrete = True
    version = 2  # in 1 the default of `hold` was 1

    class Params(vgbench.api.Params):
        """Law of the actions."""

        norm: Literal["max", "uniform"] = Field(
            "max", description="length: as far as the action set allows, or that times U(0, 1)"
        )
        hold: int = Field(
            0,
            ge=0,
            description="steps for which each action is held; 0: as long as the planner beside which it is evaluated "
            "holds its own (by itself: 1)",
        )
        horizon: int = Field(1, ge=1, description="steps planned at once; raised by the loop to what it executes")

    def beside(self, planner: Planner) -> "Random":
        """Hold actions as long as another planner does, unless `hold` says how long."""
        return type(self)(self.params.model_copy(update={"hold": self.params.hold or planner.hold}))

    @property
    def cost_calls(self) -> int:
        """No call of `problem.cost`."""
        return 0

    def plan(self, problem: Problem, state: PlannerState) -> Plan:
        """Draw `problem.horizon` actions; state: `actions` [B, H, A] planned and `age` [B, H], steps already held."""
        hold, horizon = self.params.hold or 1, problem.horizon
        # One more than fill the horizon, as the first may be partly used up.
        blocks = 1 + -(-horizon // hold)
        fresh = self._draw(problem, blocks)
        start = torch.zeros(len(fresh), dtype=torch.int64, device=fresh.device)
        if state and problem.executed:
            last = problem.executed - 1
            start = state["age"][:, last] + 1
            # A direction that has been held long enough starts at block 1, so this copy is then not used.
            fresh = torch.cat([state["actions"][:, last : last + 1], fresh[:, 1:]], dim=1)
        position = start[:, None] + torch.arange(horizon, device=fresh.device)
        block = (position // hold)[..., None].expand(-1, -1, problem.action_dim)
        actions = fresh.gather(1, block)
        return Plan(actions, {"actions": actions, "age": position % hold})

    def _draw(self, problem: Problem, count: int) -> Tensor:
        """Actions [B, count, A] of the chosen law."""
        noise = problem.noise(count, problem.action_dim + 1)
        actions = problem.action_set.boundary(noise[..., :-1])
        # Of a discrete set every action is on its boundary.
        if self.params.norm == "uniform" and not problem.action_set.discrete:
            # The normal distribution function of a standard normal is uniform.
            actions = actions * torch.special.ndtr(noise[..., -1:])
        return actions
