"""Gradient descent on action sequences, from several random starts, batched over tasks."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

import vgbench.api
from vgbench.api import Plan, PlannerState, Problem
from vgbench_plugins.planners.sampling import SamplingPlanner, cheaper, cheapest, draw, fit

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Adam's own (Kingma and Ba 2015)."""


class Gradient(SamplingPlanner):
    """Adam on the actions themselves, through the model and the distance; the cheapest sequence seen is the plan.

    Each task has `samples` sequences, which begin at clip(U + noise * eps) around a first plan U: zeros, or the last
    plan without what was executed of it, which then is itself one of the starts. `iterations` times each is moved
    against the gradient of its own cost by a step of Adam, of about `lr`, and put back into the action set. The
    gradient is taken inside the set, where `clip` changes nothing, so that it is never lost at the border. And Adam's
    scale (its second moment) is one for all numbers of an action: with one for each, steps of a steady gradient turn
    towards the diagonals, and at the border of a ball the projection would come to rest there, not at the optimum.

    What is compared are all sequences that were ever evaluated, so that a step too far does no harm. Sequences of NaN
    or infinite cost are never the plan, and a gradient that is not finite moves nothing.

    It needs a model and a distance that can be differentiated by the actions, and keeps all of a rollout's steps in
    memory: a candidate takes `horizon` times as much of it as MPPI's.

    `info`: `cost`, of the plan, and `cost_start`, of the cheapest start, each [B].

    Units: actions, noise and `lr` are in normalised units (of the standard deviation of the training actions).

    Source: as the gradient planners of DINO-WM (Zhou et al. 2024), PLDM (Sobal et al. 2025) and stable-worldmodel.
    """

    gradient = True
    not_discrete = "it moves actions by small steps, and there is none from one of them to the next"

    class Params(vgbench.api.Params):
        """Starts, steps of Adam and warm start."""

        samples: int = Field(8, ge=1, description="sequences per task, each descended from its own start (K)")
        horizon: int = Field(16, ge=1, description="steps planned (H)")
        iterations: int = Field(30, ge=1, description="steps of Adam per plan")
        lr: float = Field(0.1, gt=0.0, description="step size of Adam, normalised action units")
        noise: float = Field(1.0, gt=0.0, description="standard deviation of the starts, normalised action units")
        warm_start: Literal["shift", "none"] = Field(
            "shift", description="starts lie around the last plan without executed actions, padded with zeros; or zeros"
        )

    @property
    def cost_calls(self) -> int:
        """Calls of the cost in one plan: before each step, and of what the last one led to."""
        return int(self.params.iterations) + 1

    def plan(self, problem: Problem, state: PlannerState) -> Plan:
        """Plan [B, H, A] from the last plan in `state` (key `plan`, [B, H', A])."""
        actions = self._starts(problem, state).requires_grad_()
        mean, square = torch.zeros_like(actions), torch.zeros_like(actions[..., :1])
        costs = problem.cost(actions)
        best, first = _best(actions, costs), costs.detach()
        for number in range(1, self.params.iterations + 1):
            # The sum of the costs has the gradient of each sequence's own cost, whatever the others' are.
            (slope,) = torch.autograd.grad(costs.sum(), actions)
            slope = slope.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
            mean = torch.lerp(slope, mean, BETAS[0])
            square = torch.lerp(slope.square().mean(dim=-1, keepdim=True), square, BETAS[1])
            # Both means begin at 0, and are corrected for it.
            scale = (square / (1 - BETAS[1] ** number)).sqrt() + EPSILON
            step = self.params.lr * mean / (1 - BETAS[0] ** number) / scale
            # Each step has a graph of its own: nothing is differentiated through the steps before.
            actions = problem.action_set.clip(actions.detach() - step).requires_grad_()
            costs = problem.cost(actions)
            best = cheaper(best, _best(actions, costs))
        plan, cost = best
        start = first.masked_fill(~first.isfinite(), torch.inf).amin(dim=1)
        return Plan(plan, {"plan": plan}, {"cost": cost.float(), "cost_start": start.float()})

    def _starts(self, problem: Problem, state: PlannerState) -> Tensor:
        """Admissible sequences [B, K, H, A]."""
        noise = self.params.noise * draw(problem, self.params.samples)
        if state and self.params.warm_start == "shift":
            last = fit(state["plan"][:, problem.executed :], problem.horizon).unsqueeze(1)
            noise = torch.cat([last, last + noise[:, 1:]], dim=1)
        return problem.action_set.clip(noise).detach()


def _best(actions: Tensor, costs: Tensor) -> tuple[Tensor, Tensor]:
    """Cheapest of sequences [B, K, H, A], [B, H, A], and its cost [B]."""
    sequences, costs = cheapest(actions.detach(), costs, 1)
    return sequences[:, 0], costs[:, 0]
