"""Model predictive path integral control (Williams et al. 2017, algorithm 2), batched over tasks."""

from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

import vgbench.api
from vgbench.api import Plan, PlannerState, Problem
from vgbench_plugins.planners.sampling import SamplingPlanner, carried, cheapest, draw, fit, mended


class MPPI(SamplingPlanner):
    """Samples around a nominal plan U and averages them with weights exp(-(S - min S) / temperature).

    Each of `iterations` rounds, per task: eps_k ~ N(0, sigma^2), candidates a_k = clip(U + eps_k) by the action set,
    S_k = cost(a_k), w = softmax(-S / lambda), U <- sum_k w_k a_k: the *clipped* noise is what is averaged. The plan is
    clip(U). The control-cost term lambda * U^T Sigma^-1 eps of the original is left out: the cost is the problem's.

    `temperature` divides the cost, as in Williams et al. and PLDM (half of the field multiplies by a temperature).
    Towards 0 the best sample wins, towards infinity it is the plain mean. Candidates of NaN or infinite cost get no
    weight; if there are no others, U stays.

    Coloured (`noise_beta`) or held (`noise_hold`) noise reaches further than white noise does. With `elites`, the
    cheapest candidates of the last round, shifted by what was executed, take the place of as many of the next plan's
    first round; they are weighed like the others.

    `info`: `ess` = 1 / sum w^2 (1: one sample decided), `cost` and `cost_mean` of the last round, each [B].

    Units: actions and noise are in normalised units (of the standard deviation of the training actions).
    """

    not_discrete = "its plan is an average of sequences, and an average of actions is none of them"

    class Params(vgbench.api.Params):
        """Samples, noise, temperature and warm start."""

        samples: int = Field(256, ge=1, description="candidate sequences per task and iteration (K)")
        horizon: int = Field(16, ge=1, description="steps planned (H)")
        noise: float = Field(3.46, gt=0.0, description="size of the noise, normalised action units")
        noise_as: Literal["std", "variance"] = Field(
            "std", description="whether `noise` is a standard deviation or a variance (PLDM's 12 is one: std 3.46)"
        )
        noise_hold: int = Field(
            1, ge=1, description="steps for which each draw of the noise is held; above 1 the samples reach further"
        )
        temperature: float = Field(
            0.02, gt=0.0, description="temperature that divides the cost; small: the best one wins"
        )
        temperature_as: Literal["absolute", "relative"] = Field(
            "relative", description="absolute: in units of the cost; relative: times the costs' spread (std) per task"
        )
        iterations: int = Field(1, ge=1, description="rounds of sampling per plan")
        warm_start: Literal["shift", "hold", "none"] = Field(
            "shift",
            description="shift: drop executed actions, pad with zeros; hold: only while the horizon shrinks, else keep "
            "the plan as it is (PLDM); none: start from zeros",
        )
        initial_noise: int = Field(
            0, ge=0, description="steps of the very first nominal plan drawn as noise (PLDM: 15)"
        )
        noise_beta: float = Field(
            0.0, ge=0.0, description="exponent of the noise's power spectrum along the horizon, 1 / f^beta; 0 is white"
        )
        elites: int = Field(
            0, ge=0, description="cheapest sequences of a plan that are shifted and tried again in the next one"
        )

        default_preserving: ClassVar[frozenset[str]] = frozenset({"noise_beta", "elites"})

        @model_validator(mode="after")
        def _elites_among_samples(self) -> Self:
            """Some candidates have to be new."""
            if self.elites >= self.samples:
                raise ValueError(f"elites={self.elites} must be less than samples={self.samples}")
            return self

    @property
    def hold(self) -> int:
        """Steps for which each draw of the noise is held."""
        return int(self.params.noise_hold)

    @property
    def noise_std(self) -> float:
        """Standard deviation of the noise, normalised action units."""
        size = float(self.params.noise)
        return size if self.params.noise_as == "std" else size**0.5

    def plan(self, problem: Problem, state: PlannerState) -> Plan:
        """Plan [B, H, A] from the nominal plan in `state` (key `nominal`, [B, H', A])."""
        nominal = self._start(problem, state)
        info: dict[str, Tensor] = {}
        for number in range(self.params.iterations):
            noise = draw(problem, self.params.samples, self.params.noise_hold, self.params.noise_beta)
            if nominal is None:
                nominal = torch.zeros_like(noise[:, 0])
            candidates = problem.action_set.clip(nominal.unsqueeze(1) + self.noise_std * noise)
            if number == 0 and "elites" in state:
                candidates = carried(candidates, state["elites"], problem.executed)
            costs = problem.cost(candidates)
            weights, info = self._weigh(costs)
            average = (weights.to(candidates.dtype)[..., None, None] * candidates).sum(dim=1)
            usable = info["ess"] > 0
            nominal = torch.where(usable[:, None, None], average, nominal)
        assert nominal is not None  # there is at least one iteration
        plan, kept = problem.action_set.clip(nominal), {"nominal": nominal}
        if self.params.elites:
            kept["elites"] = mended(*cheapest(candidates, costs, self.params.elites), plan)
        return Plan(plan, kept, info)

    def _start(self, problem: Problem, state: PlannerState) -> Tensor | None:
        """Nominal plan [B, H, A] to sample around; None stands for zeros."""
        if not state or self.params.warm_start == "none":
            steps = min(self.params.initial_noise, problem.horizon)
            if not steps:
                return None
            return fit(self.noise_std * problem.noise(steps, problem.action_dim), problem.horizon)
        nominal = state["nominal"]
        shrinks = problem.horizon < nominal.shape[1]
        if self.params.warm_start == "shift" or shrinks:
            nominal = nominal[:, problem.executed :]
        return fit(nominal, problem.horizon)

    def _weigh(self, costs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Weights [B, K] of costs [B, K] and diagnostics [B]; a row without a finite cost has weights 0 and ess 0."""
        # In float64: K numbers a task cost nothing, and sums of a long horizon keep their small differences.
        costs = costs.detach().double()
        finite = costs.isfinite()
        count = finite.sum(dim=1, keepdim=True)
        best = costs.masked_fill(~finite, torch.inf).amin(dim=1, keepdim=True)
        # The least cost is taken off first: then no exponential overflows, and small differences keep their digits.
        above = torch.where(finite, costs - best, 0.0)
        mean = above.sum(dim=1, keepdim=True) / count.clamp_min(1)
        scale = torch.full_like(mean, self.params.temperature)
        if self.params.temperature_as == "relative":
            spread = torch.where(finite, above - mean, 0.0).square().sum(dim=1, keepdim=True) / count.clamp_min(1)
            # Equal costs have no spread: then all weights are equal, whatever the scale.
            scale = (scale * spread.sqrt()).clamp_min(torch.finfo(scale.dtype).tiny)
        usable = count > 0
        # A row without any finite cost keeps its zeros: softmax of nothing but -inf is nan.
        logits = (-above / scale).masked_fill(~finite & usable, -torch.inf)
        weights = torch.softmax(logits, dim=1) * usable
        # Rows without weights have 0 / tiny = 0.
        ess = usable.squeeze(1) / weights.square().sum(dim=1).clamp_min(torch.finfo(weights.dtype).tiny)
        info = {"ess": ess.float(), "cost": best.squeeze(1).float(), "cost_mean": (best + mean).squeeze(1).float()}
        return weights, info
