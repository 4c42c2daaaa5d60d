"""Networks with weights in oneDNN's order against the ones that they were made from."""

import pytest
import torch
from torch import nn

from vgbench.api import NetworkShapes, NormBall
from vgbench.model import onednn as module
from vgbench.model.jepa import JEPA
from vgbench.model.onednn import PackedLinear, packed
from vgbench.planning.controller import Controller
from vgbench.settings import MpcSettings
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.networks.mlp import MLP
from vgbench_plugins.planners.mppi import MPPI

ROWS, DIM = 48, 32


class Odd(nn.Module):
    """Layers where a plain walk does not expect them: twice, without bias, read by hand, behind a lock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(DIM + 2, DIM)
        self.twice = nn.Sequential(nn.Linear(DIM, DIM, bias=False), nn.ReLU(inplace=True), nn.Linear(DIM, DIM))
        self.list = nn.ModuleList([nn.Linear(DIM, DIM), nn.LayerNorm(DIM)])
        self.register_module("absent", None)
        self.generator = (x for x in ())  # cannot be copied deeply

    def forward(self, latents, actions):
        x = self.twice(self.twice(self.first(torch.cat([latents, actions], dim=1))))
        for layer in self.list:
            x = layer(x) if self.absent is None else x
        return nn.functional.linear(x, self.list[0].weight, self.list[0].bias)


def _model(predictor):
    torch.manual_seed(3)
    model = JEPA(nn.Identity(), predictor(), nn.Identity(), nn.Sequential(nn.Linear(DIM, DIM), nn.ReLU()))
    model.distance = Euclidean(Euclidean.Params(), DIM)
    return model.eval().requires_grad_(False)


def _mlp(activation="relu"):
    params = MLP.Params(hidden=(64, 48), residual=True, activation=activation)
    return lambda: MLP(params).build(NetworkShapes({}, DIM, 2))


@pytest.mark.parametrize("predictor", [_mlp(), _mlp("gelu"), Odd], ids=["relu", "gelu", "odd"])
def test_it_predicts_what_the_plain_model_predicts(predictor):
    model = _model(predictor)
    before = [type(m) for m in model.modules()]
    fast = packed(model)
    latents, actions = torch.randn(ROWS, DIM), torch.randn(ROWS, 2)
    with torch.inference_mode():
        wanted, found = (m.head(m.predict(latents, actions)) for m in (model, fast))
        fewer = fast.head(fast.predict(latents[:5], actions[:5]))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fewer, wanted[:5], atol=1e-5, rtol=1e-5)
    assert [type(m) for m in model.modules()] == before  # the model itself is as it was
    assert all(a is b for a, b in zip(model.parameters(), fast.parameters(), strict=True))
    linear = sum(type(m) is nn.Linear for m in model.modules())
    assert sum(isinstance(m, PackedLinear) for m in fast.modules()) == linear > 3


def test_making_it_draws_no_random_number():
    model = _model(_mlp())
    module._usable.cache_clear()
    before = torch.get_rng_state()
    assert packed(model) is not model
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_go_through_the_weights_themselves():
    fast = packed(_model(_mlp()))
    latents, actions = torch.randn(4, DIM), torch.randn(4, 2, requires_grad=True)
    fast.head(fast.predict(latents, actions)).sum().backward()
    assert actions.grad.abs().sum() > 0


def test_autocast_stays_what_it_was():
    model = _model(_mlp())
    latents, actions = torch.randn(ROWS, DIM), torch.randn(ROWS, 2)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        wanted, found = (m.predictor(latents, actions) for m in (model, packed(model)))
    assert torch.equal(found, wanted)


def test_a_compiled_network_stays_compiled():
    model = _model(_mlp())
    model.predictor._compiled_call_impl = model.predictor.forward  # what `compile` leaves, without a compiler
    assert not any(isinstance(m, PackedLinear) for m in packed(model).predictor.modules())


def _plans(model):
    settings = MpcSettings(max_steps=10)
    controller = Controller(MPPI(MPPI.Params(samples=16, horizon=5)), model, NormBall(2, 2.0), settings, seed=0)
    generator = torch.Generator().manual_seed(0)
    latent, goal = torch.randn(2, 3, DIM, generator=generator)
    return controller.plan({"id": torch.arange(3), "latent": latent, "goal": goal}, {}, 0, 0)


def test_without_onednn_plans_are_made_as_ever(monkeypatch):
    model = _model(_mlp())
    fast = _plans(model)
    monkeypatch.setattr(module, "_usable", lambda: False)
    assert packed(model) is model
    plain = _plans(model)
    torch.testing.assert_close(fast.info["cost"], plain.info["cost"], atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(fast.actions, plain.actions, atol=1e-3, rtol=1e-3)
