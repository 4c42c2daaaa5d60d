"""The cross-entropy method (Rubinstein 1999; de Boer et al. 2005), batched over tasks."""

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

import vgbench.api
from vgbench.api import Discrete, Plan, PlannerState, Problem
from vgbench_plugins.planners.sampling import SamplingPlanner, cheaper, cheapest, draw, fit


class CEM(SamplingPlanner):
    """Fits a Gaussian, independent for each step and dimension, to the best of its own samples.

    Each of `iterations` rounds, per task: candidates a_k = clip(mean + std * eps_k) by the action set, the `elites`
    cheapest of them, mean and std (with the number of elites below the bar) of these: the *clipped* candidates. Of the
    old mean and std the share `momentum` stays. The plan is clip(mean), or the cheapest candidate of all rounds.

    Candidates of NaN or infinite cost are no elites; if there are no others, mean and std stay.

    In a discrete action set the law of a step is categorical (de Boer et al. 2005): `mean` is made of the shares of
    each action among the elites, the share s / (s + size) of the draws is uniform, where s is `noise` in the first
    round and `least_noise` in those after it and `size` the length of an action's vector, and the plan takes the action
    of the largest share. A candidate is drawn as the largest log probability plus Gumbel noise.

    `info`: `ess` is the number of elites, `cost` the smallest and `cost_mean` the mean cost of the last round's
    candidates, each [B].

    Units: actions and noise are in normalised units (of the standard deviation of the training actions).
    """

    discrete = True

    class Params(vgbench.api.Params):
        """Samples, elites and warm start."""

        samples: int = Field(64, ge=1, description="candidate sequences per task and iteration (K)")
        horizon: int = Field(16, ge=1, description="steps planned (H)")
        iterations: int = Field(4, ge=1, description="rounds of sampling per plan")
        elites: float = Field(
            0.1, gt=0.0, description="candidates that the Gaussian is fitted to: below 1 a share of them, else a number"
        )
        noise: float = Field(2.0, gt=0.0, description="standard deviation in the first round, normalised action units")
        least_noise: float = Field(0.05, ge=0.0, description="least standard deviation of the rounds after it")
        noise_beta: float = Field(
            0.0, ge=0.0, description="exponent of the noise's power spectrum along the horizon, 1 / f^beta; 0 is white"
        )
        noise_hold: int = Field(
            1, ge=1, description="steps for which each draw of the noise is held; above 1 the samples reach further"
        )
        momentum: float = Field(0.1, ge=0.0, lt=1.0, description="share of the old mean and std that stays in a round")
        returns: Literal["mean", "best"] = Field(
            "mean", description="the plan: the last mean, or the cheapest candidate of all rounds"
        )
        warm_start: Literal["shift", "none"] = Field(
            "shift", description="first mean: the last one without executed actions, padded with zeros; or zeros"
        )

        @model_validator(mode="after")
        def _elites_among_samples(self) -> Self:
            """Elites are some of the candidates."""
            if self.elites >= 1 and self.elites != int(self.elites):
                raise ValueError(f"elites={self.elites:g}: expected a share below 1, or a whole number")
            if self.elites > self.samples:
                raise ValueError(f"elites={self.elites:g} is more than samples={self.samples}")
            return self

    @property
    def hold(self) -> int:
        """Steps for which each draw of the noise is held."""
        return int(self.params.noise_hold)

    @property
    def elites(self) -> int:
        """Number of elites: at least two, which a standard deviation needs, where there are two candidates."""
        asked, samples = float(self.params.elites), int(self.params.samples)
        return int(asked) if asked >= 1 else min(samples, max(2, round(asked * samples)))

    @property
    def sequences_per_plan(self) -> int:
        """Sequences per task in all rounds of a plan."""
        return sum(map(self.samples, range(self.params.iterations)))

    @property
    def kept(self) -> int:
        """Number of elites of a round that stay in the next one."""
        return 0

    def plan(self, problem: Problem, state: PlannerState) -> Plan:
        """Plan [B, H, A] from the mean in `state` (key `mean`, [B, H', A])."""
        mean = self._start(problem, state)
        std = torch.full_like(mean, self.params.noise)
        # None yet, in shapes that the first round can join to its own candidates.
        elites, costs = mean[:, None][:, :0], mean.new_zeros(len(mean), 0)
        winner: tuple[Tensor, Tensor] | None = None
        for number in range(self.params.iterations):
            candidates = self._candidates(problem, mean, std, number, state)
            asked = problem.cost(candidates).detach()
            kept = self.kept
            pool = torch.cat([candidates, elites[:, :kept]], dim=1)
            elites, costs = cheapest(pool, torch.cat([asked, costs[:, :kept].to(asked.dtype)], dim=1), self.elites)
            mean, std = self._refit(elites, costs, mean, std)
            winner = cheaper(winner, (elites[:, 0], costs[:, 0]))
        assert winner is not None  # there is at least one iteration
        plan = problem.action_set.clip(mean)
        if self.params.returns == "best":
            # Where no cost was finite there is no best one, and the mean stays the plan.
            plan = torch.where(winner[1].isfinite()[:, None, None], winner[0], plan)
        return Plan(plan, self._keep(mean, plan, elites, costs), info(asked, costs))

    def _start(self, problem: Problem, state: PlannerState) -> Tensor:
        """Mean [B, H, A] of the first round."""
        if not state or self.params.warm_start == "none":
            shape = (len(problem.steps_left), problem.horizon, problem.action_dim)
            return torch.zeros(shape, device=problem.steps_left.device)
        return fit(state["mean"][:, problem.executed :], problem.horizon)

    def _candidates(self, problem: Problem, mean: Tensor, std: Tensor, number: int, state: PlannerState) -> Tensor:
        """Candidates [B, K, H, A] of a round, admissible."""
        noise = draw(problem, self.samples(number), self.params.noise_hold, self.params.noise_beta)
        if isinstance(problem.action_set, Discrete):
            spread = self.params.noise if number == 0 else self.params.least_noise
            return categorical(problem.action_set, mean.unsqueeze(1), spread, noise)
        return problem.action_set.clip(mean.unsqueeze(1) + std.unsqueeze(1) * noise)

    def samples(self, number: int) -> int:
        """Return the number of candidates of a round; the first one is 0."""
        return int(self.params.samples)

    def _refit(self, elites: Tensor, costs: Tensor, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and std [B, H, A] of the elites [B, E, H, A] of finite cost [B, E], mixed with the old ones."""
        weight = costs.isfinite()[..., None, None].to(elites.dtype)
        count = weight.sum(dim=1)
        centre = (weight * elites).sum(dim=1) / count.clamp_min(1)
        spread = ((weight * (elites - centre.unsqueeze(1)).square()).sum(dim=1) / count.clamp_min(1)).sqrt()
        stays = self.params.momentum
        new_mean = stays * mean + (1 - stays) * centre
        new_std = (stays * std + (1 - stays) * spread).clamp_min(self.params.least_noise)
        return torch.where(count > 0, new_mean, mean), torch.where(count > 0, new_std, std)

    def _keep(self, mean: Tensor, plan: Tensor, elites: Tensor, costs: Tensor) -> PlannerState:
        """What the next plan begins with."""
        return {"mean": mean}


def categorical(actions: Discrete, mean: Tensor, spread: float, noise: Tensor) -> Tensor:
    """Draw actions [B, K, H, A] of a discrete set by standard normals of that shape.

    Args:
        actions: the set, of vectors that are `size` at one place and 0 elsewhere.
        mean: [B, 1, H, A], `size` times the probability of each action; all 0: nothing is known.
        spread: the share spread / (spread + size) of the draws is uniform.
        noise: [B, K, H, A].
    """
    uniform = spread / (spread + actions.size)
    # In double precision: of a normal far out the distribution function must not be 1, nor its logarithm 0.
    chance = (1 - uniform) * mean.double() / actions.size + uniform / mean.shape[-1]
    gumbel = -torch.log(-torch.special.log_ndtr(noise.double()))
    return actions.clip((chance.log() + gumbel).to(mean.dtype))


def info(asked: Tensor, costs: Tensor) -> dict[str, Tensor]:
    """Return diagnostics [B] of a round's candidates, of cost [B, K], and its elites, of cost [B, E]."""
    # In float64, as MPPI's: sums of a long horizon keep their small differences.
    finite, asked = asked.isfinite(), asked.double()
    least = asked.masked_fill(~finite, torch.inf).amin(dim=1)
    mean = torch.where(finite, asked, 0.0).sum(dim=1) / finite.sum(dim=1).clamp_min(1)
    mean = mean.masked_fill(~finite.any(dim=1), torch.inf)
    return {"ess": costs.isfinite().sum(dim=1).float(), "cost": least.float(), "cost_mean": mean.float()}
