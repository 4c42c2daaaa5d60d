"""QRL: values by hand, the two directions of its gradient, and true distances of a one-way ring."""

import math
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from vgbench_qrl.mrn import MRN
from vgbench_qrl.qrl import QRL

from vgbench.api import Goals, ObjectiveShapes


class Windows:
    """What QRL looks at of a batch: points [B, T + 1, D] and given goals."""

    def __init__(self, points, goals, same=None):
        self.points = points
        # Random goals come after the segment's last state, which this loss leaves alone: a goal that would show.
        goals = torch.cat([torch.full_like(goals[:, :1], 1e6), goals], dim=1)
        none = torch.zeros(*points.shape[:2], 1, dtype=torch.bool)
        same = torch.zeros(*points.shape[:2], goals.shape[1] - 1, dtype=torch.bool) if same is None else same
        self._goals = Goals(goals, torch.cat([none, same], dim=2))

    def goals(self, last, random, scope):
        assert self._goals.points.shape[1] == 1 + random
        return self._goals


def make(**params):
    return QRL(QRL.Params(**params), ObjectiveShapes(latent_dim=1, action_dim=1))


def on_a_line(x, y):
    """From left to right it costs the difference, back nothing."""
    return (y - x).relu().sum(-1)


LINE = SimpleNamespace(distance=on_a_line)


def test_value_by_hand():
    """States 0 and 3; from the first one the goal at 10 is 10 away, and the second one is the goal's own state."""
    batch = Windows(torch.tensor([[[0.0], [3.0]]]), torch.tensor([[[10.0]]]), torch.tensor([[[False], [True]]]))
    objective = make(cost=1, epsilon=0, offset=10, beta=1, pairs=1, initial=0.5)
    loss = objective.loss(batch, LINE, None)
    assert loss.value.item() == pytest.approx(math.log(2) + 0.5 * 4, rel=1e-6)
    logs = {name: float(value) for name, value in loss.logs.items()}
    assert logs == pytest.approx({"dual": 0.5, "excess": 4.0, "step_mean": 3.0, "far_mean": 10.0})


def test_loops_give_the_same_value():
    torch.manual_seed(0)
    points, goals = 5 * torch.rand(3, 4, 1), 5 * torch.rand(3, 2, 1)
    params = {"cost": 0.5, "epsilon": 0.3, "offset": 2.0, "beta": 0.7, "pairs": 2, "initial": 0.2}
    steps, pushes = [], []
    for window, aims in zip(points[..., 0].tolist(), goals[..., 0].tolist(), strict=True):
        steps += [max(0.0, max(0.0, b - a) - 0.5) ** 2 for a, b in pairwise(window)]
        pushes += [math.log1p(math.exp(0.7 * (2.0 - max(0.0, g - s)))) / 0.7 for s in window for g in aims]
    expected = sum(pushes) / len(pushes) + 0.2 * (sum(steps) / len(steps) - 0.09)
    assert make(**params).loss(Windows(points, goals), LINE, None).value.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("reach", "sign"), [(3.0, 1), (1.0, -1)])
def test_the_multiplier_grows_where_the_constraint_is_broken_and_shrinks_where_it_holds(reach, sign):
    points = torch.tensor([[[0.0], [reach]]], requires_grad=True)
    objective = make(epsilon=0.5, pairs=1, initial=0.5)
    before = objective.dual.item()
    objective.loss(Windows(points, torch.tensor([[[10.0]]])), LINE, None).value.backward()
    torch.optim.SGD(objective.parameters(), lr=0.01).step()
    assert sign * (objective.dual.item() - before) > 0


def test_gradient_in_the_points_is_that_of_the_lagrangian_with_a_constant_multiplier():
    points = torch.tensor([[[0.0], [3.0]]], dtype=torch.float64, requires_grad=True)
    objective = make(epsilon=0, offset=10, beta=1, pairs=1, initial=0.5)
    objective.loss(Windows(points, torch.tensor([[[10.0]]]).double()), LINE, None).value.backward()
    # push: mean over the two states of log(1 + e^(10 - d)), d = 10 and 7: d/dx = sigmoid(10 - d) / 2 as d falls with x.
    # constraint: 0.5 * (d(0, 3) - 1)^2 = 0.5 * 4, derivative 0.5 * 2 * 2 = 2 in the second state, -2 in the first.
    sigmoid = [1 / (1 + math.exp(-0)), 1 / (1 + math.exp(-3))]
    expected = [0.5 * sigmoid[0] - 2, 0.5 * sigmoid[1] + 2]
    assert points.grad.flatten().tolist() == pytest.approx(expected, rel=1e-5)


def test_the_multiplier_is_never_negative_and_is_part_of_the_state():
    objective = make(initial=0.3)
    assert objective.dual.item() == pytest.approx(0.3, rel=1e-5)
    with torch.no_grad():
        objective.raw.fill_(-1e3)
    assert objective.dual.item() >= 0
    other = make()
    other.load_state_dict(objective.state_dict())
    assert other.dual.item() == objective.dual.item()


STATES = 8


def learned_distances(walks, dim=32, updates=800):
    """Distances [8, 8] between free points that QRL places under MRN, from steps [N, 2] between 8 states."""
    torch.manual_seed(0)
    table = nn.Parameter(0.1 * torch.randn(STATES, dim))
    model = SimpleNamespace(distance=MRN(MRN.Params(hidden=0), dim))
    objective = make(pairs=STATES, epsilon=0.05, dual_speed=10)
    optimiser = torch.optim.Adam([table, *objective.parameters()], lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
    for _ in range(updates):
        same = walks[:, :, None] == torch.arange(STATES)
        batch = Windows(table[walks], table.expand(len(walks), -1, -1), same)
        optimiser.zero_grad()
        objective.loss(batch, model, None).value.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return model.distance(table[:, None], table)


def test_it_learns_the_true_distances_of_a_chain():
    """From steps between neighbours: all other distances come from the triangle inequality."""
    ahead = torch.stack([torch.arange(STATES - 1), torch.arange(1, STATES)], dim=1)
    learned = learned_distances(torch.cat([ahead, ahead.flip(1)]))
    true = (torch.arange(STATES)[:, None] - torch.arange(STATES)).abs()
    unit = learned.diagonal(1).mean()
    assert 1 <= unit < 1.2  # the cost of a step, and what the constraint allows beyond it
    assert (learned / unit - true).abs().max() < 0.2


def test_it_learns_that_a_ring_has_one_direction():
    """Steps forward only: from i to j it is (j - i) mod 8 steps, which no symmetric distance can say."""
    forward = torch.stack([torch.arange(STATES), (torch.arange(STATES) + 1) % STATES], dim=1)
    learned = learned_distances(forward)
    true = (torch.arange(STATES) - torch.arange(STATES)[:, None]) % STATES
    ahead, back = learned[true == 1], learned[true == STATES - 1]
    assert ahead.max() < 1.3
    assert back.mean() > 3 * ahead.mean()
    assert back.min() > 1.5 * ahead.max()
