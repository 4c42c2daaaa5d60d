"""Regressive: values by hand, where gradient flows, a ring."""

from types import SimpleNamespace

import pytest
import torch

from vgbench.api import ObjectiveShapes
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.distances.iqe import IQE
from vgbench_plugins.objectives.regressive import Regressive


def make(**params):
    return Regressive(Regressive.Params(**params), ObjectiveShapes(latent_dim=2, action_dim=1))


def loss_on(batch, head=Euclidean, **params):
    model = SimpleNamespace(distance=head(head.Params(), batch.points.shape[-1]))
    return make(**params).loss(batch, model, None)


def test_by_hand(batch_of):
    # Distances 5, 0 and 1, 13: with target 1 their squares are 16, 1, 0 and 144.
    points = torch.tensor([[[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 1.0], [5.0, 13.0]]])
    loss = loss_on(batch_of(points))
    assert loss.value.item() == pytest.approx((16 + 1 + 0 + 144) / 4)
    assert (float(loss.logs["distance_mean"]), float(loss.logs["distance_max"])) == (19 / 4, 13)
    assert loss_on(batch_of(points), target=5.0).value.item() == pytest.approx((0 + 25 + 16 + 64) / 4)


def test_from_state_to_next_state(batch_of):
    """IQE: going up costs, going down is free."""
    up = torch.arange(3.0).reshape(1, 3, 1).expand(1, 3, 8).contiguous()
    assert loss_on(batch_of(up), IQE).value.item() == pytest.approx(0, abs=1e-10)
    assert loss_on(batch_of(up.flip(1)), IQE).value.item() == pytest.approx(1)


@pytest.mark.parametrize("head", [Euclidean, IQE])
def test_no_nan_where_points_coincide(batch_of, head):
    points = torch.zeros(2, 3, 8, requires_grad=True)
    loss_on(batch_of(points), head).value.backward()
    assert torch.isfinite(points.grad).all()


def test_gradient_reaches_what_it_says(parts_reached):
    assert parts_reached(Regressive) == Regressive.trains


def test_steps_of_a_ring_become_one(train_ring):
    first, last, distances = train_ring(make())
    assert last < 1e-3 * first
    assert distances.roll(-1, 1).diagonal().numpy() == pytest.approx(1, abs=0.05)


def test_stride_and_range(batch_of):
    objective = make(stride=3, target=2.0)
    batch = batch_of(torch.randn(2, 4, 2))
    objective.loss(batch, SimpleNamespace(distance=Euclidean(Euclidean.Params(), 2)), None)
    assert batch.asked == [3] == [objective.stride]
    assert objective.distance_range == 2.0


@pytest.mark.parametrize("bad", [{"target": 0.0}, {"target": float("inf")}, {"stride": 0}])
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Regressive.Params(**bad)
