"""The improved cross-entropy method, iCEM (Pinneri et al. 2020), batched over tasks."""

import math
from typing import Literal

from pydantic import Field
from torch import Tensor

from vgbench.api import PlannerState, Problem
from vgbench_plugins.planners.cem import CEM
from vgbench_plugins.planners.sampling import carried, mended


class ICEM(CEM):
    """The cross-entropy method, improved for few samples.

    Beyond `CEM`: noise is coloured along the horizon; round i has samples / decay^i candidates, but at least twice the
    elites; the share `keep` of a round's elites competes again in the next one; the share `carry` of the last round's
    takes, shifted by what was executed, the place of candidates of the next plan, their last steps being those of the
    candidates that give way; in the last round the mean takes the place of a candidate; and the plan is the cheapest
    candidate of all rounds.

    Elites that are kept within a plan keep their cost, too, as the same actions cost the same: the paper's code
    evaluates them again. So `samples` is the number of evaluations of the first round, those carried over included.

    `info` is CEM's. Units: actions and noise are in normalised units.
    """

    discrete = False
    not_discrete = "its coloured noise and its mean as a candidate are those of continuous actions"

    class Params(CEM.Params):
        """Samples, elites and warm start."""

        iterations: int = Field(3, ge=1, description="rounds of sampling per plan")
        noise: float = Field(1.0, gt=0.0, description="standard deviation in the first round, normalised action units")
        least_noise: float = Field(0.0, ge=0.0, description="least standard deviation of the rounds after it")
        noise_beta: float = Field(
            2.0, ge=0.0, description="exponent of the noise's power spectrum along the horizon, 1 / f^beta; 0 is white"
        )
        returns: Literal["mean", "best"] = Field(
            "best", description="the plan: the last mean, or the cheapest candidate of all rounds"
        )
        keep: float = Field(0.3, ge=0.0, le=1.0, description="share of the elites that stays in the next round")
        carry: float = Field(0.3, ge=0.0, le=1.0, description="share of the last elites put into the next plan")
        decay: float = Field(1.25, ge=1.0, description="divides the number of candidates after each round")

    @property
    def kept(self) -> int:
        """Number of elites of a round that stay in the next one."""
        return math.ceil(self.params.keep * self.elites)

    def samples(self, number: int) -> int:
        """Return the number of candidates of a round: samples / decay^number, but at least twice the elites."""
        samples = int(self.params.samples)
        return max(int(samples / self.params.decay**number), min(samples, 2 * self.elites))

    def _candidates(self, problem: Problem, mean: Tensor, std: Tensor, number: int, state: PlannerState) -> Tensor:
        """Candidates [B, K, H, A] of a round: with old elites in the first, and the mean in the last."""
        candidates = super()._candidates(problem, mean, std, number, state)
        if number == 0 and "elites" in state:
            candidates = carried(candidates, state["elites"], problem.executed)
        if number == self.params.iterations - 1:
            # At the end: old elites stand at the beginning, also where the first round is the last.
            candidates[:, -1] = problem.action_set.clip(mean)
        return candidates

    def _keep(self, mean: Tensor, plan: Tensor, elites: Tensor, costs: Tensor) -> PlannerState:
        """Mean [B, H, A], and the elites [B, E, H, A] that the next plan looks at again."""
        count = math.ceil(self.params.carry * self.elites)
        if not count:
            return {"mean": mean}
        return {"mean": mean, "elites": mended(elites[:, :count], costs[:, :count], plan)}
