"""Training: schedules by hand, resuming bit for bit, and what stops it."""

import json

import numpy as np
import pytest
import torch

from vgbench.errors import RunFailed, UsageError, VgbenchError
from vgbench.plugin.loggers import Loggers
from vgbench.settings import TrainSettings
from vgbench.storage.interrupt import Stop
from vgbench.training.latents import encode_all, fit_latent_scale
from vgbench.training.stage import Stage, Term, WindowSampler, learning_rate
from vgbench.training.trainer import Trainer


def trainer(small, folder, model, *terms, stop=None, latents=None, name="encoder", **settings):
    stage = Stage(name, terms, small.train(**settings), 0)
    return Trainer(stage, model, small.data, folder, Loggers(), stop or Stop(), latents)


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_the_rate_warms_up_and_falls_along_a_cosine():
    settings = TrainSettings(lr=2.0, warmup=0.1, final_lr=0.01)
    rates = [learning_rate(settings, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(2 / 11) and rates[9] == pytest.approx(20 / 11)
    assert rates[10] == pytest.approx(2.0)  # the peak
    assert rates[55] == pytest.approx(2 * (0.01 + 0.99 / 2))  # half-way down
    assert rates[99] == pytest.approx(0.02, rel=0.05)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_an_epoch_visits_every_window_once(small):
    sampler = WindowSampler(small.data, small.train(batch=6), seed=3)
    assert sampler.steps_per_epoch == 12 * 36 // 6
    seen = {(int(n), int(t)) for step in range(72) for n, t in zip(*sampler.windows(step), strict=True)}
    assert seen == {(n, t) for n in range(12) for t in range(36)}
    assert not torch.equal(sampler.windows(0)[1], sampler.windows(72)[1])  # the next epoch has another order


def test_too_few_windows_for_a_batch_is_a_clear_error(small):
    with pytest.raises(UsageError, match="fewer than a batch of 1000"):
        WindowSampler(small.data, small.train(batch=1000), 0)
    with pytest.raises(UsageError, match="hold 0 windows of 41"):
        WindowSampler(small.data, small.train(window=41), 0)


def test_training_lowers_the_loss(small, folder):
    trainer(small, folder, small.model(), small.iql(gamma=0.8), steps=60, batch=16).run()
    losses = [json.loads(line)["loss"] for line in (folder.path / "train.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("interrupted_after", [1, 4])
def test_an_interrupted_stage_ends_with_the_same_weights(small, folder, tmp_path, stop_after, interrupted_after):
    straight, terms = small.model(), (small.iql(), small.prediction(target="ema", momentum=0.9))
    trainer(small, folder, straight, *terms).run()
    other = type(folder)(tmp_path / "other")
    (other.path / "checkpoints").mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt):
        trainer(small, other, small.model(), *terms, stop=stop_after(interrupted_after)).run()
    resumed = small.model(seed=9)  # other weights: all must come from the checkpoint
    going_on = trainer(small, other, resumed, *terms)
    going_on.run()
    assert torch.equal(weights(straight), weights(resumed))
    assert (other.path / "train.jsonl").read_text() == (folder.path / "train.jsonl").read_text()


def test_a_complete_stage_is_only_loaded(small, folder, stop_after):
    done = small.model()
    trainer(small, folder, done, small.iql()).run()
    again = small.model(seed=5)
    trainer(small, folder, again, small.iql(), stop=stop_after(0)).run()  # would stop if it took a step
    assert torch.equal(weights(done), weights(again))


def test_only_what_the_objective_declares_is_trained(small, folder):
    model = small.model()
    before = weights(model.predictor)
    trainer(small, folder, model, small.iql()).run()
    assert torch.equal(weights(model.predictor), before)
    latents = encode_all(model, small.data)
    encoder = weights(model.encoder)
    trainer(small, folder, model, Term("p", small.prediction().objective, 1.0), latents=latents, name="predictor").run()
    assert torch.equal(weights(model.encoder), encoder)
    assert not torch.equal(weights(model.predictor), before)


def test_weights_of_the_terms_scale_their_gradients(small, folder):
    """A term of weight 0+ moves nothing: the encoder ends as with the other term alone."""
    alone, both = small.model(), small.model()
    trainer(small, folder, alone, small.iql(), name="alone").run()
    tiny = Term("prediction", small.prediction().objective, 1e-30)
    trainer(small, folder, both, small.iql(), tiny, name="both").run()
    assert torch.allclose(weights(alone.encoder), weights(both.encoder), atol=1e-6)


def test_a_loss_that_is_not_finite_stops_with_step_and_term(small, folder):
    class Broken(type(small.iql().objective)):
        def loss(self, batch, model, noise):
            good = super().loss(batch, model, noise)
            self.calls = getattr(self, "calls", 0) + 1
            return type(good)(good.value * (float("nan") if self.calls == 3 else 1.0))

    term = Term("broken", Broken(Broken.Params(), small.shapes), 1.0)
    with pytest.raises(RunFailed, match=r"step 2 of stage 'encoder': the loss of objective 'broken' is nan"):
        trainer(small, folder, small.model(), term).run()


def test_a_checkpoint_of_other_networks_is_named(small, folder):
    trainer(small, folder, small.model(), small.iql()).run()
    with pytest.raises(
        VgbenchError, match=r"encoder\.pt cannot be used: it belongs to other networks.*Delete this file"
    ):
        other = small.model()
        other.encoder.out = torch.nn.Linear(7, 32)
        trainer(small, folder, other, small.iql()).run()


def test_a_damaged_checkpoint_is_named(small, folder):
    (folder.path / "checkpoints" / "encoder.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(VgbenchError, match=r"encoder\.pt cannot be used"):
        trainer(small, folder, small.model(), small.iql()).run()


def test_a_window_shorter_than_an_objective_needs_is_refused(small, folder):
    term = small.iql()
    term.objective.min_length = 9
    with pytest.raises(UsageError, match="needs at least 9 states"):
        trainer(small, folder, small.model(), term)


@pytest.mark.parametrize("how", ["overall", "per_dimension"])
def test_the_predictor_works_on_latents_of_order_one(small, how):
    model = small.model()
    latents = encode_all(model, small.data) * torch.logspace(-0.5, 0.5, 32) + 5
    fit_latent_scale(model, latents, how)
    scaled = (latents - model.latent_shift) / model.latent_scale
    assert scaled.mean(dim=0).abs().max() < 1e-3
    assert float(scaled.square().mean()) == pytest.approx(1, rel=1e-3)
    if how == "per_dimension":
        assert torch.allclose(scaled.std(dim=0, correction=0), torch.ones(32), rtol=1e-3)


def test_one_number_for_all_dimensions_keeps_what_translation_means(small):
    """A map of four channels by eight places, one of them brighter: moved by a place, it is scaled to itself moved."""
    model = small.model()
    latents = encode_all(model, small.data) * torch.linspace(1, 3, 32) + torch.arange(32.0)
    moved = latents.reshape(-1, 4, 8).roll(1, dims=2).flatten(1)
    scaled = {}
    for how in ("scalar", "overall"):
        fit_latent_scale(model, latents, how)
        scaled[how] = (latents - model.latent_shift) / model.latent_scale
        after = (moved - model.latent_shift) / model.latent_scale
        same = torch.allclose(after, scaled[how].reshape(-1, 4, 8).roll(1, dims=2).flatten(1), atol=1e-5)
        assert same == (how == "scalar")
    values = latents.double().numpy()
    np.testing.assert_allclose(scaled["scalar"].numpy(), (values - values.mean()) / values.std(), atol=1e-4)


def test_what_a_plugin_froze_stays_frozen(small, folder):
    class Dual(type(small.iql().objective)):
        trains = frozenset({"encoder", "distance", "own"})

        def __init__(self, params, shapes):
            super().__init__(params, shapes)
            self.learned = torch.nn.Linear(32, 1)
            self.target = torch.nn.Linear(32, 1).requires_grad_(False)

        def loss(self, batch, model, noise):
            own = (self.learned(batch.latents) - self.target(batch.latents)).square().mean()
            base = super().loss(batch, model, noise)
            return type(base)(base.value + own)

    objective = Dual(Dual.Params(), small.shapes)
    learned, target = weights(objective.learned), weights(objective.target)
    trainer(small, folder, small.model(), Term("dual", objective, 1.0)).run()
    assert torch.equal(weights(objective.target), target)
    assert not torch.equal(weights(objective.learned), learned)


def test_diverged_weights_are_never_saved(small, folder):
    class Diverging(type(small.iql().objective)):
        def after_step(self, model):
            with torch.no_grad():
                model.encoder.out.weight.fill_(torch.inf)

    term = Term("diverging", Diverging(Diverging.Params(), small.shapes), 1.0)
    with pytest.raises(RunFailed, match="the weights are not finite"):
        trainer(small, folder, small.model(), term, steps=1).run()
    assert not (folder.path / "checkpoints" / "encoder.pt").exists()


def test_a_checkpoint_without_its_fields_is_named(small, folder):
    torch.save({"a": 1}, folder.path / "checkpoints" / "encoder.pt")
    with pytest.raises(VgbenchError, match=r"encoder\.pt cannot be used"):
        trainer(small, folder, small.model(), small.iql()).run()


def test_frames_are_those_of_windows_of_each_stride_and_a_predictor_of_its_own_steps_as_often_as_a_joint_one():
    """On wall_small windows of 16 single steps and of 10 of 6 steps (64 // 6): as many frames and rollouts each."""
    from vgbench.config.resolve import RunRequest, resolve
    from vgbench.experiments.cost import estimate

    def made(recipe, **more):
        return estimate(resolve(RunRequest(protocol="wall_small", recipe=recipe, scale="quick", device="cpu", **more)))

    sets = ["train.frames=66560", "train_predictor.frames=66560", "train.batch=64", "train_predictor.batch=64"]
    separate, joint = (made(recipe, set=sets)["flops_by_stage"] for recipe in ("vf", "vf_pred"))
    assert joint["joint"] == pytest.approx(separate["encoder"] + separate["predictor"], rel=1e-6)
