"""The distance of two levels: arithmetic by hand, axioms, the prepared form."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vgbench_plugins.distances.two_level import TwoLevel

quarters = st.integers(-8, 8).map(lambda n: n / 4)
points = st.lists(quarters, min_size=8, max_size=8).map(lambda p: torch.tensor(p, dtype=torch.float64))


def make(dim=8, **params):
    return TwoLevel(TwoLevel.Params(**({"component_dim": 4} | params)), dim)


def test_by_hand():
    x, y = torch.zeros(4), torch.tensor([3.0, 4.0, 0.0, 1.0])
    distance = make(4, base="euclidean", weight=2.0)
    assert distance(x, y).item() == 5 + 2 * 1
    assert [distance.level(i, x, y).item() for i in range(distance.levels)] == [5, 1]
    # IQE of one component is the length of the union: [0, 1] u [0, 3] = 3 in the near half, up is free the other way.
    x, y = torch.zeros(8), torch.tensor([1.0, 3.0, -1.0, -2.0, 5.0, 0.0, 0.0, 0.0])
    distance = make(weight=0.5)
    assert distance(x, y).item() == pytest.approx(3 + 0.5 * 5)
    assert distance(y, x).item() == pytest.approx(2 + 0.5 * 0)


def test_what_it_claims_depends_on_the_halves():
    assert make(base="euclidean").symmetric and not make(base="iqe").symmetric and not TwoLevel.symmetric
    assert make().quasimetric and make().levels == 2


@pytest.mark.parametrize("base", ["iqe", "euclidean"])
@given(x=points, y=points, z=points)
@settings(max_examples=60)
def test_axioms(base, x, y, z):
    distance = make(base=base, weight=3.0).double()
    with torch.no_grad():
        assert distance(x, x).item() == 0
        assert distance(x, y).item() >= 0
        assert distance(x, z).item() <= distance(x, y).item() + distance(y, z).item() + 1e-6


@pytest.mark.parametrize("base", ["iqe", "euclidean"])
def test_prepared_equals_plain(base):
    torch.manual_seed(0)
    distance = make(64, base=base, weight=3.0, component_dim=8)
    goal = torch.randn(3, 64)
    z = torch.cat([goal.unsqueeze(1), torch.randn(3, 9, 64)], dim=1)
    with torch.no_grad():
        prepared = distance.prepare(goal)(z)
        torch.testing.assert_close(prepared, distance(z, goal.unsqueeze(1)))
        assert (prepared[:, 0] == 0).all()
        for b in range(3):  # rows do not depend on each other
            assert torch.equal(distance.prepare(goal[b : b + 1])(z[b : b + 1])[0], prepared[b])
    z.requires_grad_()
    distance.prepare(goal)(z).sum().backward()
    assert torch.isfinite(z.grad).all() and (z.grad != 0).any()


def test_levels_share_nothing():
    distance = make(16)
    x, y = torch.randn(2, 5, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(distance.level(0, x, y).sum(), x, retain_graph=True)
    assert (gradient[:, 8:] == 0).all() and (gradient[:, :8] != 0).any()
    (gradient,) = torch.autograd.grad(distance.level(1, x, y).sum(), x)
    assert (gradient[:, :8] == 0).all() and (gradient[:, 8:] != 0).any()
    assert len(list(distance.parameters())) == 2  # each has its own weight of the maximum


@pytest.mark.parametrize(("dim", "message"), [(7, "two halves"), (12, "half of 6 numbers")])
def test_sizes_that_do_not_fit_are_refused(dim, message):
    with pytest.raises(ValueError, match=message):
        make(dim)
