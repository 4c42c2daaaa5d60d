"""IQE against brute-force interval unions, the metric axioms, and its own hand-written gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vgbench_plugins.distances.interval_union import union_length
from vgbench_plugins.distances.iqe import IQE

# Quarters are exact in binary and tie often: ties and touching intervals are where such code goes wrong.
quarters = st.integers(-8, 8).map(lambda n: n / 4)


def points(dim):
    return st.lists(quarters, min_size=dim, max_size=dim).map(lambda p: torch.tensor(p, dtype=torch.float64))


def make(dim=8, size=4, reduction="maxmean"):
    return IQE(IQE.Params(component_dim=size, reduction=reduction), dim).double()


def brute_union(x, y):
    """Walk over the intervals sorted by left end and merge them."""
    merged = []
    for low, high in sorted((a, b) for a, b in zip(x, y, strict=True) if b > a):
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    return sum(high - low for low, high in merged)


def brute_distance(x, y, size, reduction, raw=-1.0):
    parts = [brute_union(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]
    a = 1 / (1 + np.exp(-raw))
    return {
        "sum": np.sum(parts),
        "mean": np.mean(parts),
        "max": np.max(parts),
        "maxmean": a * np.max(parts) + (1 - a) * np.mean(parts),
    }[reduction]


def autograd_union(x, y, size):
    """The same union by plain operations: what autograd makes of it is compared with the written gradient."""
    left, right = torch.broadcast_tensors(x, y)
    left, right = left.unflatten(-1, (-1, size)), right.unflatten(-1, (-1, size))
    left, order = left.sort(dim=-1)
    right = torch.maximum(right.gather(-1, order), left)
    reach = torch.cat([left[..., :1], right.cummax(dim=-1).values[..., :-1]], dim=-1)
    return (right - torch.maximum(left, reach)).relu().sum(-1)


@pytest.mark.parametrize("reduction", ["maxmean", "sum", "mean", "max"])
@given(x=points(8), y=points(8))
@settings(max_examples=60)
def test_brute_force(reduction, x, y):
    with torch.no_grad():
        distance = make(reduction=reduction)(x, y).item()
    assert distance == pytest.approx(brute_distance(x.tolist(), y.tolist(), 4, reduction), abs=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 16])
def test_brute_force_at_every_component_size(size):
    rng = np.random.default_rng(size)
    x, y = rng.normal(size=(2, 20, 4 * size))
    got = union_length(torch.tensor(x), torch.tensor(y), size)
    expected = [[brute_union(a[i : i + size], b[i : i + size]) for i in range(0, 4 * size, size)] for a, b in zip(x, y)]  # noqa: B905
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_example_of_the_docstring_and_its_direction():
    distance = make(3, 3, "sum")
    x, y = torch.tensor([0.0, 1, 5]).double(), torch.tensor([2.0, 3, 4]).double()
    assert distance(x, y).item() == 3
    assert distance(y, x).item() == 1


def test_scale_multiplies_plain_and_prepared():
    x, y = torch.tensor([[0.0, 1.0, 5.0]]), torch.tensor([[2.0, 3.0, 4.0]])
    distance = IQE(IQE.Params(component_dim=3, scale=2.5), 3)
    assert distance(x, y).item() == 7.5
    assert distance.prepare(y)(x.unsqueeze(1)).item() == 7.5


def test_one_way_toy():
    """Up costs, down is free: swapping the arguments must fail here."""
    bottom, top = torch.zeros(8).double(), torch.ones(8).double()
    assert make(reduction="mean")(bottom, top).item() == 1
    assert make(reduction="mean")(top, bottom).item() == 0


@given(x=points(8), y=points(8), z=points(8), shift=quarters, factor=st.sampled_from([0.25, 0.5, 3.0]))
@settings(max_examples=150)
def test_axioms(x, y, z, shift, factor):
    for reduction in ("maxmean", "sum", "max"):
        distance = make(reduction=reduction)
        with torch.no_grad():
            assert distance(x, x).item() == 0
            assert distance(x, y).item() >= 0
            assert distance(x, z) <= distance(x, y) + distance(y, z) + 1e-9
            torch.testing.assert_close(distance(x + shift, y + shift), distance(x, y))
            torch.testing.assert_close(distance(factor * x, factor * y), factor * distance(x, y))
            assert distance(torch.maximum(x, y), y).item() == 0
            assert distance(x, torch.maximum(y, z)) >= distance(x, y) - 1e-9  # monotone in the goal


def test_size_one_is_the_sum_of_positive_differences():
    x, y = torch.randn(2, 5, 6).double()
    torch.testing.assert_close(make(6, 1, "sum")(x, y), (y - x).relu().sum(-1))


def test_ties_and_duplicates():
    length = lambda x, y: union_length(torch.tensor(x), torch.tensor(y), len(x)).item()  # noqa: E731
    assert length([0.0, 0, 0], [1.0, 1, 1]) == 1
    assert length([0.0, 1, 2], [1.0, 2, 3]) == 3
    assert length([0.0, 0, 2], [0.0, 1, 2]) == 1
    assert length([-0.0, 0], [0.0, -0.0]) == 0


def test_broadcasting_as_in_training():
    torch.manual_seed(0)
    x, y = torch.randn(3, 5, 1, 16).double(), torch.randn(3, 1, 4, 16).double()
    distance = make(16, 8)
    got = distance(x, y)
    assert got.shape == (3, 5, 4)
    torch.testing.assert_close(got[2, 4, 1], distance(x[2, 4, 0], y[2, 0, 1]))
    assert distance(x[0, 0, 0], y).shape == (3, 1, 4)


@pytest.mark.parametrize("shapes", [((3, 5, 1, 16), (3, 1, 4, 16)), ((16,), (6, 16)), ((6, 16), (16,)), ((1, 16),) * 2])
def test_gradcheck(shapes):
    torch.manual_seed(1)
    x, y = (torch.randn(shape, dtype=torch.float64) for shape in shapes)  # no ties within the step of the check
    distance = make(16, 8)
    assert torch.autograd.gradcheck(distance, (x.requires_grad_(), y.requires_grad_()))
    assert torch.autograd.gradcheck(lambda a: distance(a, y.detach()), (x,))
    assert torch.autograd.gradcheck(lambda b: distance(x.detach(), b), (y,))


def test_written_gradient_equals_that_of_autograd():
    torch.manual_seed(2)
    x, y = torch.randn(2, 9, 1, 64, requires_grad=True), torch.randn(2, 1, 7, 64, requires_grad=True)
    weight = torch.randn(2, 9, 7, 8)
    ours = torch.autograd.grad((union_length(x, y, 8) * weight).sum(), (x, y))
    plain = torch.autograd.grad((autograd_union(x, y, 8) * weight).sum(), (x, y))
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@given(x=points(6), y=points(6))
@settings(max_examples=200)
def test_gradient_where_numbers_tie_is_one_of_a_point_nearby(x, y):
    """Euler: d is homogeneous, so <gradient, (x, y)> = d; and it is translation invariant, so gradients sum to 0."""
    x, y = x.requires_grad_(), y.requires_grad_()
    length = union_length(x, y, 6).sum()
    gx, gy = torch.autograd.grad(length, (x, y))
    assert ((gx * x).sum() + (gy * y).sum() - length).abs().item() < 1e-12
    assert gx.sum() + gy.sum() == 0
    assert ((gx == 0) | (gx == -1)).all() and ((gy == 0) | (gy == 1)).all()


def test_gradient_is_finite_at_zero_distance():
    x = torch.randn(5, 16, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    distance = make(16, 8)
    value = distance(x, y)
    value.sum().backward()
    assert (value == 0).all()
    assert x.grad.isfinite().all() and y.grad.isfinite().all() and distance.raw.grad.isfinite()


def test_gradient_can_be_differentiated_in_the_upstream_weight():
    x, y = torch.randn(2, 16, dtype=torch.float64, requires_grad=True).unbind()
    (grad,) = torch.autograd.grad(make(16, 8)(x, y).square(), x, create_graph=True)
    torch.autograd.grad(grad.square().sum(), x)


def training_pair(windows=40, states=16, goals=7):
    """Points of a training step, more than are computed in one go."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(windows, states, 1, 512, generator=generator, requires_grad=True)
    return x, torch.randn(windows, 1, goals, 512, generator=generator, requires_grad=True)


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def rows_of_points():
    generator = torch.Generator().manual_seed(6)
    return [torch.randn(2100, 512, generator=generator, requires_grad=True) for _ in range(2)]


@pytest.mark.parametrize("reduction", ["maxmean", "sum"])
@pytest.mark.parametrize("pair", [training_pair, rows_of_points])
def test_pieces_change_no_bit_of_distance_or_gradient(threads, reduction, pair):
    """A first dimension of one cannot be cut: the same points beneath it are computed all at once."""
    x, y = pair()
    distance = IQE(IQE.Params(reduction=reduction), 512)
    assert union_length(x, y, 8).grad_fn.name() == "CatBackward0"  # else this would compare a thing with itself
    assert union_length(x[None], y[None], 8).grad_fn.name() != "CatBackward0"
    cut, whole = distance(x, y), distance(x[None], y[None])[0]
    assert torch.equal(cut, whole)
    weight = torch.randn(cut.shape, generator=torch.Generator().manual_seed(7))
    inputs = (x, y, *distance.parameters())
    for a, b in zip(*(torch.autograd.grad((d * weight).sum(), inputs) for d in (cut, whole)), strict=True):
        assert torch.equal(a, b)


def test_pieces_against_windows_one_by_one_and_only_one_side_that_learns():
    x, y = training_pair()
    weight = torch.randn(40, 16, 7, 64, generator=torch.Generator().manual_seed(8))
    for end, other in ((x, y), (y, x)):
        fixed = other.detach()
        length = union_length(end, fixed, 8) if end is x else union_length(fixed, end, 8)
        (grad,) = torch.autograd.grad((length * weight).sum(), end)
        for window in (0, 8, 9, 39):
            alone = end[window].detach().requires_grad_()
            pair = (alone, fixed[window]) if end is x else (fixed[window], alone)
            value = union_length(*pair, 8)
            assert torch.equal(value, length[window])
            assert torch.equal(torch.autograd.grad((value * weight[window]).sum(), alone)[0], grad[window])


def test_brute_force_where_pieces_meet():
    x, y = (p.detach() for p in rows_of_points())
    got = union_length(x, y, 8)
    assert got.shape == (2100, 64)
    for row in (0, 1023, 1024, 2047, 2048, 2099):
        left, right = x[row].tolist(), y[row].tolist()
        expected = [brute_union(left[i : i + 8], right[i : i + 8]) for i in range(0, 512, 8)]
        np.testing.assert_allclose(got[row], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("reduction", ["maxmean", "sum", "mean", "max"])
def test_prepared_equals_plain(reduction):
    torch.manual_seed(0)
    distance = IQE(IQE.Params(reduction=reduction), 512)
    z, goal = torch.randn(7, 400, 512), torch.randn(7, 512)
    z[3, 5] = goal[3]
    with torch.inference_mode():
        prepared = distance.prepare(goal)(z)
        torch.testing.assert_close(prepared, distance(z, goal.unsqueeze(1)), rtol=1e-5, atol=1e-5)
    assert prepared[3, 5] == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_prepared_rows_do_not_depend_on_each_other(threads):
    torch.manual_seed(0)
    distance = IQE(IQE.Params(), 512)
    z, goal = torch.randn(23, 256, 512), torch.randn(23, 512)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            everything = distance.prepare(goal)(z)
            for part in (slice(0, 1), slice(4, 9), slice(22, 23)):
                assert torch.equal(distance.prepare(goal[part])(z[part]), everything[part])
    finally:
        torch.set_num_threads(before)


def test_prepared_gradient_for_planners_that_need_it():
    distance = make(16, 8)
    z, goal = torch.randn(2, 5, 16, dtype=torch.float64, requires_grad=True), torch.randn(2, 16, dtype=torch.float64)
    (prepared,) = torch.autograd.grad(distance.prepare(goal)(z).sum(), z)
    (plain,) = torch.autograd.grad(distance(z, goal.unsqueeze(1)).sum(), z)
    assert torch.equal(prepared, plain)


def test_not_a_number_is_passed_on():
    x = torch.zeros(16).double()
    x[3] = torch.nan
    assert make(16, 8)(x, torch.ones(16).double()).isnan()
    assert make(16, 8)(torch.ones(16).double(), x).isnan()


def test_weight_of_the_maximum_starts_as_in_torchqmet_and_learns():
    distance = make()
    assert torch.sigmoid(distance.raw).item() == pytest.approx(0.269, abs=1e-3)
    distance(torch.zeros(8).double(), torch.arange(8.0).double()).backward()
    assert distance.raw.grad.abs() > 0


def test_size_must_divide_the_dimension():
    with pytest.raises(ValueError, match=r"component_dim is 8.*10 numbers"):
        IQE(IQE.Params(), 10)
