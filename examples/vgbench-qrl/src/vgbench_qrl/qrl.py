"""Quasimetric reinforcement learning (Wang, Torralba, Isola and Zhang 2023, arXiv 2304.01203)."""

import math
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

import vgbench.api
from vgbench.api import Batch, Loss, Model, Noise, Objective, ObjectiveShapes


class QRL(Objective):
    """Spreads random pairs of states as far as steps seen in the data, which cost `cost` each, allow.

    ::

        max over d of  E[phi(d(s, g))]   subject to   E[relu(d(s, s') - cost)^2] <= epsilon^2

    Under the triangle inequality no distance can then exceed the sum of steps on any path, and what is as large as
    that allows is the shortest path. phi(d) = -softplus_beta(offset - d) grows less where d is far beyond `offset`.

    The constraint has a multiplier lambda >= 0, a parameter of this objective. What is minimised over the distance and
    *maximised* over lambda is -E[phi] + lambda (E[relu(d(s, s') - cost)^2] - epsilon^2). One optimiser does both, since
    the gradient in lambda is handed to it with the opposite sign. lambda = softplus(dual_speed * raw), so that Adam,
    whose steps are of the size of the learning rate, moves it `dual_speed` times as fast as the weights.

    Shapes: `batch.points` [B, T + 1, D'], with `pairs` random goals for each window.

    Example: d = 3 for the one step and 10 for the one pair, cost 1, epsilon 0, offset 10, beta 1, lambda 0.5:
    log 2 + 0.5 * (3 - 1)^2 = 2.693.
    """

    api = 1
    version = 1
    trains = frozenset({"encoder", "head", "distance", "own"})
    needs = frozenset({"quasimetric"})

    class Params(vgbench.api.Params):
        """The constraint, what is maximised, and how fast the multiplier follows."""

        cost: float = Field(1.0, gt=0.0, description="of one step: the unit of distances")
        epsilon: float = Field(0.25, ge=0.0, description="root mean square excess that steps may have over their cost")
        offset: float = Field(15.0, ge=0.0, description="distance about which pushing eases off (authors: 15 or 500)")
        beta: float = Field(0.1, gt=0.0, description="how sharply it does so (authors: 0.1 or 0.01)")
        pairs: int = Field(4, ge=1, description="random goals for each window")
        scope: Literal["batch", "same_layout"] = Field(
            "batch", description="where they come from: the batch, or its windows with the same layout"
        )
        initial: float = Field(0.01, gt=0.0, description="lambda at the start")
        dual_speed: float = Field(20.0, gt=0.0, description="rate of lambda's raw value, times the learning rate")

    def __init__(self, params: Any, shapes: ObjectiveShapes) -> None:
        """Make the raw value of lambda."""
        super().__init__(params, shapes)
        # log(e^x - 1) is the inverse of softplus.
        self.raw = nn.Parameter(torch.tensor(math.log(math.expm1(params.initial)) / params.dual_speed))

    @property
    def dual(self) -> Tensor:
        """Multiplier lambda >= 0 of the constraint, a scalar with gradient."""
        return softplus(self.params.dual_speed * self.raw)

    def loss(self, batch: Batch, model: Model, noise: Noise) -> Loss:
        """Value of the Lagrangian; its gradient descends in the model and ascends in lambda."""
        params = self.params
        step = model.distance(batch.points[:, :-1], batch.points[:, 1:])
        excess = (step - params.cost).relu().square().mean() - params.epsilon**2

        goals = batch.goals("segment", params.pairs, params.scope)
        far = model.distance(batch.points.unsqueeze(2), goals.points[:, None, 1:])  # the first goal is no random one
        apart = ~goals.same[:, :, 1:]
        count = apart.sum().clamp_min(1)
        push = (softplus(params.offset - far, beta=params.beta) * apart).sum() / count

        # Same value as push + dual * excess; in lambda the gradient is that of -dual * excess.
        dual = self.dual
        value = push + dual.detach() * excess + (dual.detach() - dual) * excess.detach()
        logs = {
            "dual": dual.detach(),
            "excess": excess.detach(),
            "step_mean": step.detach().mean(),
            "far_mean": (far.detach() * apart).sum() / count,
        }
        return Loss(value, logs)
