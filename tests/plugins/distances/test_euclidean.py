"""The Euclidean distance: rounding near zero, gradient at zero, the prepared form."""

import torch

from vgbench_plugins.distances.euclidean import Euclidean


def make(dim):
    return Euclidean(Euclidean.Params(), dim)


def test_three_four_five():
    assert make(2)(torch.zeros(2), torch.tensor([3.0, 4.0])).item() == 5.0


def test_broadcasts():
    x, y = torch.randn(3, 5, 1, 8), torch.randn(3, 1, 4, 8)
    distance = make(8)(x, y)
    assert distance.shape == (3, 5, 4)
    torch.testing.assert_close(distance[1, 2, 3], (x[1, 2, 0] - y[1, 0, 3]).square().sum().sqrt())


def test_gradient_is_finite_at_zero_distance():
    x = torch.randn(4, 8, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    distance = make(8)(x, y)
    distance.sum().backward()
    assert (distance == 0).all()
    assert (x.grad == 0).all() and (y.grad == 0).all()


def test_prepared_equals_plain_and_is_exactly_zero_at_the_goal():
    torch.manual_seed(0)
    # Far from the origin: a distance by matrix products would be off by .04 here.
    goal = 100 + 2 * torch.randn(3, 512)
    z = goal.unsqueeze(1) + torch.cat([torch.zeros(3, 1, 512), torch.randn(3, 20, 512)], dim=1)
    distance = make(512).prepare(goal)(z)
    assert (distance[:, 0] == 0).all()
    torch.testing.assert_close(distance, make(512)(z, goal.unsqueeze(1)), rtol=1e-5, atol=1e-5)


def test_prepared_rows_do_not_depend_on_each_other():
    torch.manual_seed(0)
    z, goal = torch.randn(9, 33, 512), torch.randn(9, 512)
    everything = make(512).prepare(goal)(z)
    for b in range(9):
        assert torch.equal(make(512).prepare(goal[b : b + 1])(z[b : b + 1])[0], everything[b])


def test_prepared_gradient():
    goal = torch.randn(2, 8)
    z = torch.randn(2, 5, 8)
    z[:, 0] = goal
    z.requires_grad_()
    make(8).prepare(goal)(z).sum().backward()
    assert (z.grad[:, 0] == 0).all()
    expected = torch.nn.functional.normalize(z.detach() - goal.unsqueeze(1), dim=-1)
    torch.testing.assert_close(z.grad[:, 1:], expected[:, 1:])


def test_every_state_against_every_goal_is_as_pair_by_pair():
    torch.manual_seed(0)
    x, y = 100 + torch.randn(3, 5, 16), 100 + torch.randn(3, 4, 16)
    y[:, 0] = x[:, 2]  # a state that is its own goal
    together = [v.clone().requires_grad_() for v in (x, y)]
    single = [v.clone().requires_grad_() for v in (x, y)]
    weight = torch.randn(3, 5, 4)
    crossed = make(16)(together[0].unsqueeze(2), together[1].unsqueeze(1))
    paired = torch.stack([make(16)(single[0], single[1][:, g : g + 1]) for g in range(4)], dim=2)
    torch.testing.assert_close(crossed, paired)
    assert (crossed[:, 2, 0] == 0).all()
    (weight * crossed).sum().backward()
    (weight * paired).sum().backward()
    for a, b in zip(together, single, strict=True):
        torch.testing.assert_close(a.grad, b.grad)
        assert a.grad.isfinite().all()
