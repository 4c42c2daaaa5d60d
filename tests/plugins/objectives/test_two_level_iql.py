"""Value learning at two levels: the sum by hand, the halves, and what each level ends at."""

from types import SimpleNamespace

import pytest
import torch

from vgbench.api import Goals, ObjectiveShapes
from vgbench_plugins.distances.two_level import TwoLevel
from vgbench_plugins.objectives.two_level_iql import TwoLevelIQL


def make(**params):
    return TwoLevelIQL(TwoLevelIQL.Params(**params), ObjectiveShapes(latent_dim=4, action_dim=1))


@pytest.fixture
def pair_of(batch_of):
    """A batch of fine windows, whose `strided` returns one of coarse windows, each with all its own goals."""

    def pair(fine, coarse):
        def one(points, goals, same):
            return batch_of(points, goals=Goals(goals.expand(len(points), -1, -1), same))

        batch, far = one(*fine), one(*coarse)
        batch.strided = lambda stride: (batch.asked.append(stride), far)[1]
        return batch, far

    return pair


def window(*states):
    return torch.tensor([states], requires_grad=True)


def no(windows, states, goals):
    return torch.zeros(windows, states, goals, dtype=torch.bool)


def test_by_hand(pair_of):
    """Points are (near, far); one goal at the origin; each level sees its half of its own windows only."""
    fine, coarse = window((6.0, 9.0), (4.0, 7.0)), window((8.0, 5.0), (1.0, 1.0))
    goal = torch.zeros(1, 1, 2)
    batch, far = pair_of((fine, goal, no(1, 2, 1)), (coarse, goal, no(1, 2, 1)))
    model = SimpleNamespace(distance=TwoLevel(TwoLevel.Params(base="euclidean", weight=100.0), 2))
    params = {"goal_last": "episode", "random_goals": 0, "goal_scope": "same_layout"}
    loss = make(tau=0.75, gamma=0.5, stride=5, far_weight=2.0, **params).loss(batch, model, None)
    # Near: 6 - (1 + 4 / 2) = 3; far: 5 - (1 + 1 / 2) = 3.5. Both are too far: weight 0.75.
    assert loss.value.item() == pytest.approx(0.75 * (3**2 + 2 * 3.5**2))
    assert float(loss.logs["near"]) == pytest.approx(0.75 * 3**2)
    assert float(loss.logs["far.distance_mean"]) == pytest.approx(3)
    assert batch.asked == [("episode", 0, "same_layout"), 5] and far.asked == [("episode", 0, "same_layout")]
    loss.value.backward()
    assert fine.grad.tolist() == [[[2 * 0.75 * 3, 0], [0, 0]]]
    assert coarse.grad.tolist() == [[[0, 2 * 2 * 0.75 * 3.5], [0, 0]]]


def test_no_nan_where_points_coincide(pair_of):
    points = torch.zeros(2, 3, 16, requires_grad=True)
    both = (points, torch.zeros(1, 1, 16), no(2, 3, 1))
    model = SimpleNamespace(distance=TwoLevel(TwoLevel.Params(), 16))
    make().loss(pair_of(both, both)[0], model, None).value.backward()
    assert torch.isfinite(points.grad).all()


def test_what_it_asks_for():
    objective = make(stride=6, gamma=0.9, n_step=3)
    assert (objective.stride, objective.min_length, objective.needs) == (6, 4, {"levels"})
    assert objective.distance_range == pytest.approx(10)
    tau = objective.params.tau
    assert objective.value_terms == ((0.9, tau, 1, 3, 0), (0.9, tau, 6, 3, 1))


@pytest.mark.parametrize("bad", [{"stride": 1}, {"far_weight": -1.0}, {"tau": 1.0}])
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        TwoLevelIQL.Params(**bad)
