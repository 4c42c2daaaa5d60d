"""Implicit Q-learning of a goal-reaching value, as the paper's L_VF."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import pad

import vgbench.api
from vgbench.api import Batch, Loss, Model, Noise, Objective, ObjectiveShapes, ValueTerms


class IQL(Objective):
    """Expectile regression of d(s_t, g) on 1 + gamma * d(s_{t+1}, g): V = -d learns the value without actions.

    With x = d(s_t, g) - (1 + gamma * sg d(s_{t+1}, g)) the loss is the mean of w(x) x^2, w = tau for x > 0 and
    1 - tau for x < 0. x > 0 means that d is too large, so tau > 1/2 pulls distances *down*: for the equiprobable
    targets 1 and 3 and tau = 0.8 it ends at d = 0.8 * 1 + 0.2 * 3 = 1.4.

    Gradient flows to s_t and g of d(s_t, g); the target has none, nor is there a target network (as in the paper).
    Pairs where s_t is g (by index) have d = 0 and no target: they are left out of the mean. Where s_{t+1} is g the
    target is 1, whatever the distance says of a state and itself.

    With `stride` k the backup is from s_t to s_{t+k}, over windows of as many states k steps apart: k steps cost 1, and
    gamma is the discount of k steps. Of random data the value is flat beyond a few times the way made in one backup,
    so a coarser look reaches further (the paper's discussion proposes coarsely sampled trajectories).

    With `n_step` n the backup is from s_t to s_{t+n} within the window, each step of it at cost 1. The target is
    (1 - gamma^n) / (1 - gamma) + gamma^n * sg d(s_{t+n}, g), or (1 - gamma^m) / (1 - gamma) if g is s_{t+m} with m < n.
    Near the end of a window only goals that are met in it have a target. The way between is that of the data: a longer
    backup carries values further, and tau cannot choose a better step in the middle of it.

    Source: the paper's L_VF; Ma et al. 2022 and Park et al. 2024 (HILP) for the goal-conditioned form.
    """

    trains = frozenset({"encoder", "head", "distance"})

    class Params(vgbench.api.Params):
        """Expectile, discount and choice of goals."""

        tau: float = Field(0.8, gt=0.0, lt=1.0, description="expectile; above 0.5 is optimistic: distances shrink")
        gamma: float = Field(
            0.98, gt=0.0, lt=1.0, description="discount from a state to the next; distances reach 1 / (1 - gamma)"
        )
        goal_last: Literal["segment", "episode"] = Field(
            "segment", description="first goal of a window: the last state of the window itself or of its trajectory"
        )
        random_goals: int = Field(6, ge=0, description="further goals per window, drawn from the batch")
        goal_scope: Literal["batch", "same_layout"] = Field(
            "batch", description="where random goals come from: the batch, or its windows with the same layout"
        )
        stride: int = Field(
            1, ge=1, description="steps between the states that are compared; above 1 the same gamma reaches further"
        )
        n_step: int = Field(
            1, ge=1, description="states that a backup goes ahead in the window, each at cost 1 and discounted by gamma"
        )

    def __init__(self, params: Any, shapes: ObjectiveShapes) -> None:
        """Ask for windows that hold at least one whole backup."""
        super().__init__(params, shapes)
        self.min_length = 1 + params.n_step

    remedies: ClassVar[Mapping[str, str]] = {
        "diverged": "a smaller gamma or tau",
        "distance_range": "a smaller gamma",
        "stride": "a smaller stride",
    }

    @property
    def value_terms(self) -> tuple[ValueTerms, ...]:
        """Discount, expectile, stride and number of steps of the backup."""
        return (ValueTerms(self.params.gamma, self.params.tau, self.stride, self.params.n_step),)

    @property
    def distance_range(self) -> float:
        """Largest distance that the targets ask for, 1 / (1 - gamma)."""
        return 1.0 / (1.0 - float(self.params.gamma))

    @property
    def stride(self) -> int:
        """Steps between the states that are compared."""
        return int(self.params.stride)

    @property
    def stop_gradient_targets(self) -> Literal["last"]:
        """The last state of a window is a target only."""
        return "last"

    def loss(self, batch: Batch, model: Model, noise: Noise) -> Loss:
        """Return the value of the loss; `batch.goal_distances` [B, T + 1, G] is used for both sides of the backup.

        Logs:
            distance_mean: mean distance from states to goals, in discounted steps
            distance_max: largest of these distances; a sound value stays below 1 / (1 - gamma)
            excess_mean: mean of distance minus target; need not be 0 where tau is not 0.5
            share_too_far: share of pairs whose distance is above its target
            share_masked: share of pairs left out: the state is the goal, or the window ends before the target
        """
        params = self.params
        batch = batch.strided(self.stride)
        goals = batch.goals(params.goal_last, params.random_goals, params.goal_scope)
        return expectile_loss(batch.goal_distances(goals), goals.same, params.tau, params.gamma, params.n_step)


def expectile_loss(distances: Tensor, same: Tensor, tau: float, gamma: float, n_step: int = 1) -> Loss:
    """Loss of distances [B, T + 1, G] to goals, where `same` [B, T + 1, G] says that the state is the goal."""
    # Detached: the estimate moves to the target, and not the target to the estimate.
    target, known = targets(distances.detach(), same, gamma, n_step)
    excess = distances[:, :-1] - target
    valid = ~same[:, :-1] & known
    # The mean is over pairs that count; without any, the loss is 0 and not 0 / 0.
    count = valid.sum().clamp_min(1)
    too_far = excess > 0
    weight = torch.where(too_far, tau, 1.0 - tau) * valid
    value = (weight * excess.square()).sum() / count
    with torch.no_grad():
        logs: dict[str, Tensor | float] = {
            "distance_mean": distances.mean(),
            "distance_max": distances.amax(),
            "excess_mean": (excess * valid).sum() / count,
            "share_too_far": (too_far & valid).sum() / count,
            "share_masked": 1.0 - valid.float().mean(),
        }
    return Loss(value, logs)


def targets(distances: Tensor, same: Tensor, gamma: float, n_step: int) -> tuple[Tensor, Tensor]:
    """Return targets [B, T, G] of n-step backups, and where they are known (bool): not where the window ends before.

    Built from the last step back: the k-step target of s_t is 1 + gamma * the (k - 1)-step target of s_{t+1}, which is
    0 if s_{t+1} is the goal. That of no steps is the distance itself.
    """
    met = same[:, 1:]
    # By index, since a distance need not have d(g, g) = 0: a constant would be its own target, with loss 0.
    target = 1.0 + gamma * distances[:, 1:].masked_fill(met, 0.0)
    known = torch.ones_like(met)
    for _ in range(n_step - 1):
        target = 1.0 + gamma * pad(target[:, 1:], (0, 0, 0, 1)).masked_fill(met, 0.0)
        # What the padding stands for lies beyond the window: unknown, unless the goal is met before.
        known = pad(known[:, 1:], (0, 0, 0, 1)) | met
    return target, known
