"""Precision and compilation: what computes in bfloat16, what stays float32, and that checkpoints fit either way."""

import os
from dataclasses import replace

import pytest
import torch

from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.model import precision
from vgbench.plugin.loggers import Loggers
from vgbench.spec import Compute
from vgbench.storage.interrupt import Stop
from vgbench.training.batch import MovingAverages
from vgbench.training.stage import Stage
from vgbench.training.trainer import Trainer


@pytest.fixture(scope="module")
def spec():
    return resolve(RunRequest(protocol="wall_small", recipe="vf", scale="smoke", device="cpu"))


def with_compute(spec, **how):
    return replace(spec, compute=Compute(**how))


def test_networks_in_bfloat16_give_float32_near_to_what_they_gave(small, spec):
    plain, half = small.model(), small.model()
    precision.accelerate(half, with_compute(spec, precision="bfloat16"))
    inside = []
    half.predictor.layers[0].register_forward_hook(lambda module, inputs, output: inside.append(output.dtype))
    index = torch.arange(8)
    for model in (plain, half):
        model.eval()
    latents = [model.encode(small.data.observations(index, index)) for model in (plain, half)]
    after = [model.predict(latents[0], torch.ones(8, 2)) for model in (plain, half)]
    assert inside == [torch.bfloat16]
    for one, other in (latents, after):
        assert other.dtype == torch.float32
        # bfloat16 has 8 bits: 1/256 relative, added up over a few layers; but not the same bits.
        assert 0 < float(((one - other).norm() / one.norm()).detach()) < 0.03
    assert half.distance(*latents).dtype == torch.float32


def test_names_and_types_of_weights_stay_so_that_a_checkpoint_fits(small, spec):
    plain, half = small.model(0), small.model(1)
    precision.accelerate(half, with_compute(spec, precision="bfloat16", compile=True))
    assert {k: v.dtype for k, v in half.state_dict().items()} == {k: v.dtype for k, v in plain.state_dict().items()}
    half.load_state_dict(plain.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(half.parameters(), plain.parameters(), strict=True))


def test_a_moving_average_computes_as_the_encoder_that_it_follows(small, spec):
    """Its copy must not go on calling the encoder itself."""
    model = small.model()
    precision.accelerate(model, with_compute(spec, precision="bfloat16"))
    average = MovingAverages(model.encoder).get(0.9)
    index = torch.arange(4)
    inputs = model.normalise(small.data.observations(index, index))
    assert torch.equal(average(inputs), model.encoder(inputs))
    with torch.no_grad():
        before = average(inputs)
        for parameter in model.encoder.parameters():
            parameter.zero_()
        assert torch.equal(average(inputs), before) and not model.encoder(inputs).any()


def test_training_in_bfloat16_lowers_the_loss_and_keeps_float32_weights(small, spec, folder):
    model = small.model()
    precision.accelerate(model, with_compute(spec, precision="bfloat16"))
    stage = Stage("encoder", (small.iql(gamma=0.8),), small.train(steps=60, batch=16), 0)
    Trainer(stage, model, small.data, folder, Loggers(), Stop()).run()
    losses = [record["loss"] for record in folder.lines("train.jsonl")]
    assert losses[-1] < 0.5 * losses[0]
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_settings_of_the_process_hold_within_a_run_only(spec):
    def settings():
        threads, allowed = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
        fixed = torch.are_deterministic_algorithms_enabled()
        return threads, torch.get_float32_matmul_precision(), allowed, fixed

    before = settings()
    with precision.in_force(with_compute(spec, precision="tf32", threads=1)):
        assert settings() == (1, "high", True, True)
    with pytest.raises(KeyboardInterrupt), precision.in_force(with_compute(spec)):
        # float32 means float32, in convolutions, too
        assert settings() == (before[0], "highest", False, True)
        raise KeyboardInterrupt
    assert settings() == before


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_gradients_of_rows_taken_several_times_are_the_same_with_several_threads(spec):
    """As a loss does it that compares each state with many goals; two threads add in the order in which they come."""
    torch.manual_seed(0)
    states, weights, index = torch.randn(4096, 512), torch.randn(8192, 512), torch.randint(0, 64, (8192,))

    def gradient():
        made = states.clone().requires_grad_()
        (made[index] * weights).sum().backward()
        return made.grad

    with precision.in_force(with_compute(spec, threads=2)):
        first = gradient()
        assert all(torch.equal(first, gradient()) for _ in range(10))
    # Sums in float64 are right whatever their order.
    want = torch.zeros(4096, 512, dtype=torch.float64).index_add_(0, index, weights.double())
    assert torch.allclose(first.double(), want, atol=1e-4)


@pytest.mark.slow
def test_compiled_networks_give_the_same_numbers(small, spec):
    plain, fast = small.model(), small.model()
    asked = with_compute(spec, compile=True)
    precision.check_compiler(asked)
    precision.accelerate(fast, asked)
    index = torch.arange(8)
    observations = small.data.observations(index, index)
    for model in (plain, fast):
        model.zero_grad()
        latents = model.encode(observations)
        model.predict(latents, torch.ones(8, 2)).square().mean().backward()
    for one, other in zip(plain.parameters(), fast.parameters(), strict=True):
        if one.grad is not None:
            assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-5)
    with torch.inference_mode():
        assert torch.allclose(plain.encode_blocks(observations), fast.encode_blocks(observations), atol=1e-4)
