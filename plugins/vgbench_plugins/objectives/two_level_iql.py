"""Implicit Q-learning at two time scales, each in a level of the distance."""

from pydantic import Field
from torch import Tensor

from vgbench.api import Batch, Loss, Model, Noise, ValueTerms
from vgbench_plugins.objectives.iql import IQL, expectile_loss


class TwoLevelIQL(IQL):
    """The loss of `iql` twice: of single steps on the near level, of `stride` steps at a time on the far level.

    loss = L(d_near; s_t -> s_{t+1}) + far_weight * L(d_far; s_t -> s_{t+stride})

    The same tau and gamma hold for both, so that the far value fades over `stride` times the way; it is learned from
    coarse windows (`Batch.strided`) and their goals. Neither loss sees the other's half of the points. How the distance
    weighs the levels is its own matter, and does not enter here.

    Source: the paper's outlook: a hierarchy of representation spaces, "where higher levels model longer-range
    transitions or more coarsely sampled trajectories". Details are this toolkit's.
    """

    needs = frozenset({"levels"})

    class Params(IQL.Params):
        """Those of iql, which hold for both levels, and the far level's stride and weight."""

        stride: int = Field(8, ge=2, description="steps between the states that the far level compares")
        far_weight: float = Field(1.0, ge=0.0, description="of the far level's loss beside the near one's")

    @property
    def value_terms(self) -> tuple[ValueTerms, ...]:
        """Those of the near level, whose states are one step apart, and of the far level."""
        params = self.params
        return tuple(
            ValueTerms(params.gamma, params.tau, stride, params.n_step, level)
            for level, stride in enumerate((1, self.stride))
        )

    def loss(self, batch: Batch, model: Model, noise: Noise) -> Loss:
        """Return the value of the loss; logs those of both levels.

        Logs:
            near: loss of the near level
            far: loss of the far level, before `far_weight`
            near.distance_mean: near level: mean distance from states to goals, in discounted steps
            near.distance_max: near level: largest of these distances; a sound value stays below 1 / (1 - gamma)
            near.excess_mean: near level: mean of distance minus target; need not be 0 where tau is not 0.5
            near.share_too_far: near level: share of pairs whose distance is above its target
            near.share_masked: near level: share of pairs left out, as in iql
            far.distance_mean: far level: mean distance, in discounted backups of `stride` steps
            far.distance_max: far level: largest of these distances; a sound value stays below 1 / (1 - gamma)
            far.excess_mean: far level: mean of distance minus target; need not be 0 where tau is not 0.5
            far.share_too_far: far level: share of pairs whose distance is above its target
            far.share_masked: far level: share of pairs left out, as in iql
        """
        near = self._level(0, batch, model)
        far = self._level(1, batch.strided(self.stride), model)
        logs: dict[str, Tensor | float] = {"near": near.value.detach(), "far": far.value.detach()}
        for name, loss in (("near", near), ("far", far)):
            logs |= {f"{name}.{key}": value for key, value in loss.logs.items()}
        return Loss(near.value + self.params.far_weight * far.value, logs)

    def _level(self, index: int, batch: Batch, model: Model) -> Loss:
        """Loss of one level on windows that have its time scale."""
        params = self.params
        goals = batch.goals(params.goal_last, params.random_goals, params.goal_scope)
        # Not `batch.goal_distances`, which are those of both levels together.
        distances = model.distance.level(index, batch.points.unsqueeze(2), goals.points.unsqueeze(1))
        return expectile_loss(distances, goals.same, params.tau, params.gamma, params.n_step)
