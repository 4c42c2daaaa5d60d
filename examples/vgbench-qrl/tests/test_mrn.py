"""MRN: values by hand, and the axioms for any points and weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vgbench_qrl.mrn import MRN

quarters = st.integers(-8, 8).map(lambda n: n / 4)
points = st.lists(quarters, min_size=6, max_size=6).map(lambda p: torch.tensor(p, dtype=torch.float64))


def make(hidden=0, dim=6, seed=0, **params):
    torch.manual_seed(seed)
    return MRN(MRN.Params(hidden=hidden, **params), dim).double()


def test_example_of_the_docstring_and_its_direction():
    distance = make(dim=4)
    x, y = torch.tensor([3.0, 3, 1, 0]).double(), torch.tensor([0.0, 0, 0, 2]).double()
    assert distance(x, y).item() == pytest.approx(4)
    assert distance(y, x).item() == pytest.approx(5)


@pytest.mark.parametrize("hidden", [0, 5])
@given(x=points, y=points, z=points, seed=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_axioms(hidden, x, y, z, seed):
    distance = make(hidden, seed=seed, components=3)
    with torch.no_grad():
        assert distance(x, x).item() == 0
        assert distance(x, y).item() >= 0
        assert distance(x, z).item() <= distance(x, y).item() + distance(y, z).item() + 1e-9


@given(x=points, y=points)
@settings(max_examples=60, deadline=None)
def test_it_is_a_symmetric_part_and_a_directed_rest(x, y):
    """What the two directions have in common is the metric; where a does not differ, they are the same."""
    distance = make()
    same = torch.cat([y[:3], x[3:]])
    there, back = distance(x, same), distance(same, x)
    squares = [(a - b) ** 2 for a, b in zip(x[:3].tolist(), y[:3].tolist(), strict=True)]
    assert there.item() == back.item() == pytest.approx((sum(squares) / 3) ** 0.5)
    above = max(0.0, *(float(a - b) for a, b in zip(x[3:], y[3:], strict=True)))
    assert (distance(x, y) - there).item() == pytest.approx(above)


def test_gradient_is_finite_where_the_distance_is_zero():
    for hidden in (0, 5):
        x = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
        make(hidden)(x, x.detach().clone()).sum().backward()
        assert x.grad.isfinite().all()


def test_prepared_distance_is_the_plain_one():
    distance = make(hidden=7)
    goal, states = torch.randn(3, 6).double(), torch.randn(3, 5, 6).double()
    torch.testing.assert_close(distance.prepare(goal)(states), distance(states, goal.unsqueeze(1)))


def test_broadcasting():
    distance = make(hidden=7)
    x, y = torch.randn(3, 5, 1, 6).double(), torch.randn(3, 1, 4, 6).double()
    got = distance(x, y)
    assert got.shape == (3, 5, 4)
    torch.testing.assert_close(got[2, 4, 1], distance(x[2, 4, 0], y[2, 0, 1]))


def test_odd_points_cannot_be_halved():
    with pytest.raises(ValueError, match="halves"):
        make(dim=5)
    make(hidden=4, dim=5)
