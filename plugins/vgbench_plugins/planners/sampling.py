"""What planners that sample share: their budget, noise along the horizon, the best candidates, shifted old plans."""

from typing import Self

import torch
from torch import Tensor

from vgbench.api import Planner, Problem


class SamplingPlanner(Planner):
    """A planner that tries `samples` sequences in each of `iterations` rounds; its `Params` must have these two."""

    @property
    def candidates(self) -> int:
        """Sequences per task in one call of the cost: `samples`."""
        return int(self.params.samples)

    @property
    def cost_calls(self) -> int:
        """Calls of the cost in one plan: `iterations`."""
        return int(self.params.iterations)

    def with_budget(self, candidates: int) -> Self:
        """Return this planner with `samples` set to `candidates`.

        Raises:
            ValueError: another parameter does not allow so few.
        """
        values = self.params.model_dump() | {"samples": candidates}
        return type(self)(type(self.params)(**values))


def coloured(white: Tensor, beta: float) -> Tensor:
    """Give white noise [..., H, A] a spectrum of power 1 / f^beta along its steps; each number keeps variance 1.

    beta 0 gives `white` itself, 1 pink noise, 2 that of a random walk. The sequence is taken as periodic (its first and
    last step are neighbours), and the frequency 0 has the power of the lowest other one, 1 / H, as there is no more to
    be had from a power law: the mean of a sequence stays random.

    The transform is made in double precision and rounded once, so that the bits of a row do not depend on the others.

    Source: Timmer and Koenig 1995; Pinneri et al. 2020 (iCEM), section 3.1.
    """
    steps = white.shape[-2]
    if beta == 0.0 or steps == 1:
        return white
    frequency = torch.fft.rfftfreq(steps, dtype=torch.float64, device=white.device)
    frequency[0] = frequency[1]
    gain = frequency ** (-beta / 2)
    number = torch.full_like(gain, 2.0)  # of the coefficients of the whole transform that each one stands for
    # The mean, and for an even number of steps the highest frequency, have no mirror image in the whole transform.
    number[:1].fill_(1.0)
    if steps % 2 == 0:
        number[-1:].fill_(1.0)
    # By Parseval's theorem the mean square of the gains is the variance of a step.
    gain = gain / ((number * gain.square()).sum() / steps).sqrt()
    spectrum = torch.fft.rfft(white.to(torch.float64), dim=-2) * gain.unsqueeze(-1)
    return torch.fft.irfft(spectrum, n=steps, dim=-2).to(white.dtype)


def draw(problem: Problem, samples: int, hold: int = 1, beta: float = 0.0) -> Tensor:
    """Draw noise [B, samples, H, A] of variance 1, coloured by `beta` along its draws, each held for `hold` steps."""
    draws = problem.noise(samples, -(-problem.horizon // hold), problem.action_dim)
    return coloured(draws, beta).repeat_interleave(hold, dim=2)[:, :, : problem.horizon]


def fit(nominal: Tensor, horizon: int) -> Tensor:
    """Cut or pad with zeros a plan [B, H', A] to `horizon` steps."""
    missing = horizon - nominal.shape[1]
    if missing <= 0:
        return nominal[:, :horizon]
    return torch.cat([nominal, nominal.new_zeros(len(nominal), missing, nominal.shape[2])], dim=1)


def carried(candidates: Tensor, old: Tensor, executed: int) -> Tensor:
    """Put old sequences [B, E, H', A], less the steps executed since, in the place of the first E of [B, K, H, A].

    Steps beyond their end are those of the candidates that give way.
    """
    count, horizon = min(old.shape[1], candidates.shape[1]), candidates.shape[2]
    old = old[:, :count, executed : executed + horizon]
    first = torch.cat([old, candidates[:, :count, old.shape[2] :]], dim=2)
    return torch.cat([first, candidates[:, count:]], dim=1)


def cheapest(sequences: Tensor, costs: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the `count` cheapest of sequences [B, K, H, A], cheapest first, and their costs [B, count].

    Costs that are not finite come last, as infinity; equal ones stay in their order.
    """
    costs = costs.detach().masked_fill(~costs.isfinite(), torch.inf)
    # Stable: which of several equal costs comes first must not depend on the device's way to sort.
    costs, order = costs.sort(dim=1, stable=True)
    index = order[:, :count, None, None].expand(-1, -1, *sequences.shape[2:])
    return sequences.gather(1, index), costs[:, :count]


def cheaper(one: tuple[Tensor, Tensor] | None, other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Sequences [B, H, A] and costs [B] of whichever is cheaper, task by task; the first one where they are equal."""
    if one is None:
        return other
    better = other[1] < one[1]
    return torch.where(better[:, None, None], other[0], one[0]), torch.where(better, other[1], one[1])


def mended(sequences: Tensor, costs: Tensor, plan: Tensor) -> Tensor:
    """Put the plan [B, H, A] in the place of those of sequences [B, E, H, A] whose cost [B, E] is not finite."""
    return torch.where(costs.isfinite()[..., None, None], sequences, plan.unsqueeze(1))
