"""VCReg against an independent formulation in numpy."""

import numpy as np
import pytest
import torch

from vgbench.api import ObjectiveShapes
from vgbench_plugins.objectives.vcreg import VCReg


@pytest.fixture
def run(batch_of):
    """The loss on given latents."""

    def loss(latents, **params):
        objective = VCReg(VCReg.Params(**params), ObjectiveShapes(latent_dim=latents.shape[-1], action_dim=2))
        return objective.loss(batch_of(latents), None, None)

    return loss


def reference(samples):
    """Variance and covariance terms of samples [N, D], one number at a time."""
    covariance = np.cov(samples, rowvar=False)
    dim = len(covariance)
    std = np.mean([max(0.0, 1 - np.sqrt(covariance[j, j] + 1e-4)) for j in range(dim)])
    off = [covariance[i, j] ** 2 for i in range(dim) for j in range(dim) if i != j]
    return std, np.mean(off)


def make_latents(windows=12, length=6, dim=5):
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(windows, length, dim)) @ rng.normal(size=(dim, dim)) * 0.4
    return torch.tensor(mixed + 3.0, dtype=torch.float64, requires_grad=True)


def test_along_the_batch(run):
    latents = make_latents()
    std, cov = reference(latents.detach().numpy()[:, 0])
    loss = run(latents, std_coeff=2.0, cov_coeff=5.0)
    assert loss.value.item() == pytest.approx(2 * std + 5 * cov, rel=1e-9)
    assert set(loss.logs) == {"std", "cov"}


def test_along_time_too(run):
    latents = make_latents()
    std, cov = reference(latents.detach().numpy()[:, 0])
    std_t, cov_t = np.mean([reference(window[1:]) for window in latents.detach().numpy()], axis=0)
    loss = run(latents, std_coeff=2.0, cov_coeff=5.0, axes="batch_time", std_t=3.0, cov_t=7.0)
    assert loss.value.item() == pytest.approx(2 * std + 5 * cov + 3 * std_t + 7 * cov_t, rel=1e-9)
    assert float(loss.logs["std_t"]) == pytest.approx(std_t)
    assert float(loss.logs["cov_t"]) == pytest.approx(cov_t)


def test_weights_along_time_are_unused_without_that_axis(run):
    latents = make_latents()
    assert run(latents, std_t=9.0, cov_t=9.0).value.item() == run(latents).value.item()


def test_default_weights_are_those_of_pldm_wall():
    params = VCReg.Params()
    assert (params.std_coeff, params.cov_coeff, params.axes) == (3.0, 6.9238, "batch")


def test_only_the_first_state_gets_gradient_along_the_batch(run):
    latents = make_latents()
    run(latents).value.backward()
    assert (latents.grad[:, 0] != 0).any()
    assert (latents.grad[:, 1:] == 0).all()


def test_it_undoes_a_collapse(run, one_thread):
    torch.manual_seed(0)
    latents = torch.nn.Parameter(0.01 * torch.randn(32, 3, 4))
    optimiser = torch.optim.Adam([latents], lr=0.02)
    for _ in range(300):
        optimiser.zero_grad()
        run(latents).value.backward()
        optimiser.step()
    first = latents.detach()[:, 0]
    assert (first.std(dim=0) > 0.95).all()
    off = torch.cov(first.T) - torch.diag(first.var(dim=0))
    assert off.abs().max() < 0.05


def test_collapsed_latents_have_finite_gradient(run):
    latents = torch.ones(4, 3, 5, requires_grad=True)
    run(latents, axes="batch_time", cov_t=1.0).value.backward()
    assert latents.grad.isfinite().all()


def test_one_window_is_refused(run):
    with pytest.raises(ValueError, match="at least two windows"):
        run(torch.zeros(1, 3, 4))
