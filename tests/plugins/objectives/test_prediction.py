"""The prediction loss against a plain loop, and where its gradient goes."""

import pytest
import torch

from vgbench.api import ObjectiveShapes
from vgbench_plugins.objectives.prediction import Prediction


def run(batch, **params):
    objective = Prediction(Prediction.Params(**params), ObjectiveShapes(latent_dim=6, action_dim=2))
    return objective.loss(batch, None, None)


@pytest.fixture
def batch(batch_of):
    torch.manual_seed(0)
    latents, predictions = torch.randn(3, 5, 6, requires_grad=True), torch.randn(3, 4, 6, requires_grad=True)
    return batch_of(latents, predictions=predictions, ema=torch.randn(3, 5, 6))


@pytest.mark.parametrize("target", ["online", "stopgrad", "ema"])
def test_against_a_plain_loop(batch, target):
    truth = batch.ema_latents(0.5) if target == "ema" else batch.latents
    total = 0.0
    for b in range(3):
        for t in range(4):
            for j in range(6):
                total += (batch.predictions[b, t, j] - truth[b, t + 1, j]).item() ** 2
    loss = run(batch, target=target)
    assert loss.value.item() == pytest.approx(total / (3 * 4 * 6), rel=1e-5)
    first = (batch.predictions[:, 0] - truth[:, 1]).square().mean()
    assert float(loss.logs["error_first"]) == pytest.approx(first.item(), rel=1e-5)


@pytest.mark.parametrize(("target", "flows"), [("online", True), ("stopgrad", False), ("ema", False)])
def test_gradient_of_the_target(batch, target, flows):
    run(batch, target=target).value.backward()
    assert (batch.predictions.grad != 0).all()
    assert (batch.latents.grad is not None and (batch.latents.grad[:, 1:] != 0).all()) == flows


def test_momentum_is_passed_on(batch):
    run(batch, target="ema", momentum=0.996)
    assert batch.asked == [0.996]
    assert Prediction.trains == {"encoder", "predictor"}
