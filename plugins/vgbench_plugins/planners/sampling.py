"""What planners that sample share: noise along the horizon, the best candidates, and the shift of old plans."""

import torch
from torch import Tensor

from vgbench.api import Problem


def coloured(white: Tensor, beta: float) -> Tensor:
    """Give white noise [..., H, A] a spectrum of power 1 / f^beta along its steps; each number keeps variance 1.

    beta 0 gives `white` itself, 1 pink noise, 2 that of a random walk. Steps beyond the last are thought to begin anew
    (the first and the last step are neighbours), and the frequency 0 has the power of the lowest other one, 1 / H, as
    there is no more to be had from a power law: the mean of a sequence stays random.

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
    number[:1].fill_(1.0)
    if steps % 2 == 0:
        number[-1:].fill_(1.0)
    gain = gain / ((number * gain.square()).sum() / steps).sqrt()
    spectrum = torch.fft.rfft(white.to(torch.float64), dim=-2) * gain.unsqueeze(-1)
    return torch.fft.irfft(spectrum, n=steps, dim=-2).to(white.dtype)


def draw(problem: Problem, samples: int, hold: int = 1, beta: float = 0.0) -> Tensor:
    """Noise [B, samples, H, A] of variance 1, coloured by `beta` along its draws, each held for `hold` steps."""
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
    costs, order = costs.sort(dim=1, stable=True)
    index = order[:, :count, None, None].expand(-1, -1, *sequences.shape[2:])
    return sequences.gather(1, index), costs[:, :count]


def mended(sequences: Tensor, costs: Tensor, plan: Tensor) -> Tensor:
    """Put the plan [B, H, A] in the place of those of sequences [B, E, H, A] whose cost [B, E] is not finite."""
    return torch.where(costs.isfinite()[..., None, None], sequences, plan.unsqueeze(1))
