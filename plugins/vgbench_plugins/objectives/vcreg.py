"""Variance-covariance regularisation of the latents, as PLDM does it."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

import vgbench.api
from vgbench.api import Batch, Loss, Model, Noise, Objective


class VCReg(Objective):
    """Keeps every latent feature spread out (variance) and different from the others (covariance).

    Along the batch, on the *first* state of each window, z [B, D]::

        std = mean_j relu(1 - sqrt(var_j + 1e-4))          cov = sum_{i != j} C_ij^2 / (D (D - 1))

    with unbiased variances and covariances. `axes=batch_time` adds the same two terms taken over the time steps t >= 1
    of each window and averaged over windows. Value: std_coeff * std + cov_coeff * cov (+ std_t * ... + cov_t * ...).

    Default weights are those of PLDM's wall runs (configs/wall/icml/seqlen17_3M.yaml) beside a prediction loss of
    weight 1. Source: Bardes et al. 2022 (VICReg), Sobal et al. 2025 (PLDM, vicreg.py, with `adjust_cov`).
    """

    trains = frozenset({"encoder"})
    min_length = 3  # a variance over the steps t >= 1 needs two of them

    class Params(vgbench.api.Params):
        """Weights of the terms and the axes of the statistics."""

        std_coeff: float = Field(3.0, ge=0.0, description="weight of the variance term along the batch")
        cov_coeff: float = Field(6.9238, ge=0.0, description="weight of the covariance term along the batch")
        axes: Literal["batch", "batch_time"] = Field(
            "batch", description="axes of the statistics; batch_time: also along time (paper: maze)"
        )
        std_t: float = Field(0.24535, ge=0.0, description="weight of the variance term along time (axes=batch_time)")
        cov_t: float = Field(0.0, ge=0.0, description="weight of the covariance term along time (axes=batch_time)")

    def loss(self, batch: Batch, model: Model, noise: Noise) -> Loss:
        """Return the value of the loss on `batch.latents` [B, T + 1, D].

        Logs:
            std: variance term along the batch; 0: every feature has a standard deviation of 1 or more, 1: collapsed
            cov: covariance term along the batch: mean squared covariance of two features
            std_t: variance term along time (axes=batch_time)
            cov_t: covariance term along time (axes=batch_time, cov_t above 0)

        Raises:
            ValueError: there is only one window: a variance needs two.
        """
        latents, params = batch.latents, self.params
        if len(latents) < 2:
            raise ValueError("vcreg: the variance over a batch needs at least two windows in it")
        first = latents[:, 0]
        std, cov = std_loss(first), cov_loss(first)
        value = params.std_coeff * std + params.cov_coeff * cov
        logs: dict[str, Tensor | float] = {"std": std.detach(), "cov": cov.detach()}
        if params.axes == "batch_time":
            later = latents[:, 1:]
            std_t = std_loss(later)
            value = value + params.std_t * std_t
            logs["std_t"] = std_t.detach()
            if params.cov_t:  # skipped at weight 0: it is the one that costs
                cov_t = cov_loss(later)
                value = value + params.cov_t * cov_t
                logs["cov_t"] = cov_t.detach()
        return Loss(value, logs)


def std_loss(samples: Tensor) -> Tensor:
    """Mean over features (and leading dimensions) of relu(1 - std); samples are [..., N, D], statistics over N."""
    # The 1e-4 keeps the slope of the root finite where a feature does not vary.
    return (1.0 - torch.sqrt(samples.var(dim=-2) + 1e-4)).relu().mean()


def cov_loss(samples: Tensor) -> Tensor:
    """Return the mean square of the off-diagonal covariances of samples [..., N, D], averaged over leading dimensions.

    Uses sum_ij C_ij^2 = ||X X^T||_F^2 / (N - 1)^2: N x N products instead of D x D (N = 15 or 64, D = 512).
    """
    count, dim = samples.shape[-2:]
    # There is no other feature to vary with, and the denominator would be 0.
    if dim == 1:
        return samples.new_zeros(())
    centred = samples - samples.mean(dim=-2, keepdim=True)
    everything = (centred @ centred.mT).square().sum(dim=(-2, -1))
    diagonal = centred.square().sum(dim=-2).square().sum(dim=-1)
    return ((everything - diagonal) / ((count - 1) ** 2 * dim * (dim - 1))).mean()
