"""Smoothness: values by hand and where gradient flows."""

import pytest
import torch

from vgbench.api import ObjectiveShapes
from vgbench_plugins.objectives.smoothness import Smoothness


def loss_on(batch):
    return Smoothness(Smoothness.Params(), ObjectiveShapes(latent_dim=2, action_dim=1)).loss(batch, None, None)


def test_by_hand(batch_of):
    # Changes (3, 4), (0, 0) and (-1, 0), (0, 2): squares 25, 0, 1, 4 over 2 windows, 2 steps and 2 features.
    latents = torch.tensor([[[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]]])
    assert loss_on(batch_of(latents)).value.item() == pytest.approx(30 / 8)


def test_still_latents_cost_nothing_and_give_no_nan(batch_of):
    latents = torch.ones(2, 3, 2, requires_grad=True)
    value = loss_on(batch_of(latents)).value
    value.backward()
    assert value.item() == 0
    assert (latents.grad == 0).all()


def test_gradient_reaches_what_it_says(parts_reached):
    assert parts_reached(Smoothness) == Smoothness.trains
