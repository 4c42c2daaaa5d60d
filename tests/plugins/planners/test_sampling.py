"""What sampling planners share: coloured noise, the cheapest candidates, sequences carried over."""

import math

import pytest
import torch

from vgbench_plugins.planners.cem import CEM
from vgbench_plugins.planners.gradient import Gradient
from vgbench_plugins.planners.icem import ICEM
from vgbench_plugins.planners.mppi import MPPI
from vgbench_plugins.planners.random import Random
from vgbench_plugins.planners.sampling import carried, cheapest, coloured, draw, fit, mended


def filter_matrix(steps, beta):
    """The linear map that colouring is, by what it makes of unit impulses: noise is `matrix @ white`."""
    return coloured(torch.eye(steps, dtype=torch.float64)[:, :, None], beta)[:, :, 0].T


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("steps", [2, 3, 8, 16, 25])
def test_variance_is_one_at_every_step_and_powers_follow_the_law(steps, beta):
    matrix = filter_matrix(steps, beta)
    covariance = matrix @ matrix.T
    torch.testing.assert_close(covariance.diagonal(), torch.ones(steps, dtype=torch.float64))
    # Cycles per sequence: 0 (as strong as 1), the others twice (sine and cosine), but once the fastest of an even one.
    cycles = [1] + [min(k, steps - k) for k in range(1, steps)]
    law = torch.tensor(sorted(k**-beta for k in cycles), dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.eigvalsh(covariance), law * steps / law.sum(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_the_spectrum_of_samples_falls_with_the_exponent(push, beta):
    noise = draw(push(torch.zeros(4, 2), horizon=256), 500, beta=beta)
    assert noise.shape == (4, 500, 256, 2) and noise.dtype == torch.float32
    assert noise.var(correction=0).item() == pytest.approx(1, abs=0.05)
    # A plain sum over cosines and sines at a few frequencies, not the transform that made it.
    frequencies = torch.tensor([2.0, 8.0, 32.0]) / 256
    angle = 2 * math.pi * frequencies[:, None] * torch.arange(256.0)
    parts = [torch.einsum("ft,bkta->fbka", turned, noise) for turned in (angle.cos(), angle.sin())]
    power = sum(part.square() for part in parts).mean(dim=(1, 2, 3)).log()
    for first, second in ((0, 1), (1, 2)):
        slope = (power[second] - power[first]) / math.log(4)
        assert slope.item() == pytest.approx(-beta, abs=0.1)


def test_white_noise_is_left_as_it_is(push):
    white = push(torch.zeros(3, 2)).noise(5, 8, 2)
    assert torch.equal(draw(push(torch.zeros(3, 2)), 5), white)
    assert coloured(white, 0.0) is white
    single = white[:, :, :1]
    assert torch.equal(coloured(single, 2.0), single)


def test_bits_of_a_row_do_not_depend_on_the_others(push):
    white = push(torch.zeros(13, 2)).noise(37, 24, 2)
    together = coloured(white, 2.0)
    for rows in ([0], [12], [3, 4, 5], list(range(1, 13))):
        assert torch.equal(coloured(white[rows], 2.0), together[rows])


def test_held_draws_are_coloured_among_themselves(push):
    noise = draw(push(torch.zeros(2, 2), horizon=7), 5, hold=3, beta=1.0)
    draws = coloured(push(torch.zeros(2, 2)).noise(5, 3, 2), 1.0)
    assert noise.shape == (2, 5, 7, 2)
    assert all(torch.equal(noise[:, :, step], draws[:, :, step // 3]) for step in range(7))


def numbered(*shape):
    return torch.arange(1.0, 1 + math.prod(shape)).reshape(shape)


def test_cheapest_first_and_what_is_not_finite_last():
    sequences = numbered(1, 5, 2, 1)
    costs = torch.tensor([[3.0, torch.nan, 1.0, -torch.inf, 1.0]])
    found, theirs = cheapest(sequences, costs, 4)
    assert found[0, :3, 0, 0].tolist() == [5, 9, 1]
    assert theirs.tolist() == [[1.0, 1.0, 3.0, torch.inf]]
    plan = torch.full((1, 2, 1), -1.0)
    assert mended(found, theirs, plan)[0, :, 0, 0].tolist() == [5, 9, 1, -1]


@pytest.mark.parametrize(
    ("executed", "horizon", "first"),
    [  # old steps are 1, 2, 3, 4; those of the candidate that gives way are 10, 11, ...
        (0, 4, [1, 2, 3, 4]),
        (1, 4, [2, 3, 4, 13]),
        (3, 4, [4, 11, 12, 13]),
        (4, 4, [10, 11, 12, 13]),
        (9, 4, [10, 11, 12, 13]),
        (1, 2, [2, 3]),
        (1, 6, [2, 3, 4, 13, 14, 15]),
    ],
)
def test_sequences_are_carried_over(executed, horizon, first):
    candidates = 9 + numbered(1, 3, horizon, 1)
    made = carried(candidates, numbered(1, 1, 4, 1), executed)
    assert made[0, 0, :, 0].tolist() == first
    assert torch.equal(made[:, 1:], candidates[:, 1:])


def test_a_plan_is_cut_or_padded():
    plan = numbered(1, 3, 1)
    assert fit(plan, 2)[0, :, 0].tolist() == [1, 2]
    assert fit(plan, 5)[0, :, 0].tolist() == [1, 2, 3, 0, 0]


@pytest.mark.parametrize("planner", [MPPI, CEM, ICEM, Gradient])
def test_a_budget_changes_the_candidates_and_nothing_else(planner):
    made = planner(planner.Params(horizon=7, iterations=2))
    other = made.with_budget(12)
    assert type(other) is planner and (other.candidates, other.horizon) == (12, 7)
    assert other.params == made.params.model_copy(update={"samples": 12}) and made.candidates != 12


def test_a_budget_that_other_parameters_do_not_allow_is_refused():
    with pytest.raises(ValueError, match="elites=8 must be less than samples=8"):
        MPPI(MPPI.Params(samples=64, elites=8)).with_budget(8)


def test_a_planner_without_a_choice_of_candidates_has_no_budget():
    made = Random(Random.Params())
    assert made.with_budget(12) is made and made.candidates == 1
