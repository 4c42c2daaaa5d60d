"""Contrastive: values by hand, which pairs are taken, where gradient flows."""

import math
from types import SimpleNamespace

import pytest
import torch

from vgbench.api import Goals, ObjectiveShapes
from vgbench.rng import ScalarNoise, Stream
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.distances.iqe import IQE
from vgbench_plugins.objectives.contrastive import Contrastive


def make(**params):
    return Contrastive(Contrastive.Params(**params), ObjectiveShapes(latent_dim=2, action_dim=1))


def noise(step=0):
    return ScalarNoise(0, step, Stream.OBJECTIVE)


@pytest.fixture
def loss_of(batch_of):
    """The loss on given points, with the Euclidean distance."""

    def loss(points, step=0, **params):
        model = SimpleNamespace(distance=Euclidean(Euclidean.Params(), points.shape[-1]))
        return make(**params).loss(batch_of(points), model, noise(step))

    return loss


# Two windows of two states: the only negatives of a pair are the two states of the other window.
FAR = torch.tensor([[[0.0, 0.0], [0.0, 0.5]], [[3.0, 0.0], [3.0, 0.0]]], dtype=torch.float64)
STILL = torch.tensor([[[0.0, 0.0]] * 2, [[3.0, 0.0]] * 2], dtype=torch.float64)


def test_margin_by_hand(loss_of):
    # Positives 0.5 and 0: mean square 0.125. Negatives are at least 3 away, beyond the margin.
    resting = loss_of(FAR, margin=2.0)
    assert resting.value.item() == pytest.approx(0.125)
    assert float(resting.logs["share_within"]) == 0
    assert float(resting.logs["positive_mean"]) == pytest.approx(0.25)
    # Positives 0, every negative 3: it lacks 2 to the margin.
    loss = loss_of(STILL, margin=5.0)
    assert loss.value.item() == pytest.approx(4)
    assert (float(loss.logs["negative_mean"]), float(loss.logs["share_within"])) == (3, 1)


def test_infonce_by_hand(loss_of):
    value = loss_of(STILL, form="infonce", negatives=5, temperature=2.0).value
    assert value.item() == pytest.approx(math.log(1 + 5 * math.exp(-1.5)))
    coinciding = loss_of(torch.zeros_like(STILL), form="infonce", negatives=3).value
    assert coinciding.item() == pytest.approx(math.log(4))


def test_negatives_are_every_state_but_the_pair(batch_of):
    """Which states are compared is read off the arguments of the distance."""
    points = torch.arange(12.0).reshape(3, 4, 1)
    seen = []

    def distance(x, y):
        seen.append((x, y))
        return (y - x).abs().sum(-1)

    make(negatives=400).loss(batch_of(points), SimpleNamespace(distance=distance), noise())
    (first, second), (anchors, others) = seen
    assert torch.equal(second, first + 1)
    assert torch.equal(anchors.squeeze(2), first)
    for anchor, drawn in zip(first.flatten(), others.flatten(0, 1).squeeze(-1), strict=True):
        states, counts = drawn.unique(return_counts=True)
        assert set(states.tolist()) == set(range(12)) - {int(anchor), int(anchor) + 1}
        assert counts.min() > 400 / 10 / 3  # uniform: 40 of each


@pytest.mark.parametrize("form", ["margin", "infonce"])
def test_negatives_of_the_same_layout_by_hand(batch_of, form):
    """They are the random goals of the window; where one is a state of the pair, it is left out."""
    window = torch.tensor([[[0.0], [1.0], [3.0]]], dtype=torch.float64, requires_grad=True)
    goals = torch.tensor([[[3.0], [1.0], [5.0]]], dtype=torch.float64, requires_grad=True)  # the last state, two random
    same = torch.tensor([[[False, False, False], [False, True, False], [True, False, False]]])
    batch = batch_of(window, goals=Goals(goals, same), distances=None)
    model = SimpleNamespace(distance=Euclidean(Euclidean.Params(), 1))
    params = {"form": form, "margin": 6.0, "negatives": 2, "negative_scope": "same_layout"}
    loss = make(**params).loss(batch, model, noise())
    # The second state belongs to both pairs: of the negatives 1 and 5 only 5 remains, 5 away from 0 and 4 from 1.
    expected = {
        "margin": (1 + 4) / 2 + (1**2 + 2**2) / 2,
        "infonce": (math.log(1 + math.exp(1 - 5)) + math.log(1 + math.exp(2 - 4))) / 2,
    }
    assert loss.value.item() == pytest.approx(expected[form])
    assert float(loss.logs["negative_mean"]) == pytest.approx(4.5)
    assert batch.asked == [1, ("segment", 2, "same_layout")]
    loss.value.backward()
    assert torch.isfinite(window.grad).all() and goals.grad[0, :2].tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("form", ["margin", "infonce"])
def test_the_noise_decides(loss_of, form):
    torch.manual_seed(0)
    points = torch.randn(8, 5, 2)
    first, again, other = (loss_of(points, step, form=form, margin=3.0).value.item() for step in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("form", ["margin", "infonce"])
@pytest.mark.parametrize("head", [Euclidean, IQE])
def test_no_nan_where_points_coincide(batch_of, form, head):
    points = torch.zeros(3, 4, 8, requires_grad=True)
    model = SimpleNamespace(distance=head(head.Params(), 8))
    make(form=form).loss(batch_of(points), model, noise()).value.backward()
    assert torch.isfinite(points.grad).all()


@pytest.mark.parametrize("form", ["margin", "infonce"])
def test_gradient_reaches_what_it_says(parts_reached, form):
    assert parts_reached(Contrastive, form=form) == Contrastive.trains


@pytest.mark.parametrize(("form", "ratio"), [("margin", 0.5), ("infonce", 0.5)])
def test_steps_end_nearer_than_random_pairs(train_ring, form, ratio):
    """A ring of 12 states, an embedding for each: steps end much shorter than the mean distance."""
    first, last, distances = train_ring(make(form=form))
    assert last < 0.7 * first
    step = distances.roll(-1, 1).diagonal().mean()
    assert step < ratio * distances.mean()


def test_stride_and_range(batch_of):
    objective = make(stride=4, margin=2.0)
    batch = batch_of(torch.randn(3, 4, 2))
    objective.loss(batch, SimpleNamespace(distance=Euclidean(Euclidean.Params(), 2)), noise())
    assert batch.asked == [4] == [objective.stride]
    assert objective.distance_range == 2.0
    assert make(form="infonce").distance_range is None


def test_one_pair_has_no_negatives(loss_of):
    with pytest.raises(ValueError, match="more windows"):
        loss_of(torch.zeros(1, 2, 2))


@pytest.mark.parametrize(
    "bad", [{"margin": 0.0}, {"temperature": 0.0}, {"negatives": 0}, {"stride": 0}, {"form": "l2"}]
)
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Contrastive.Params(**bad)
