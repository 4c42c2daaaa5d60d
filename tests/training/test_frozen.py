"""Encoders that stay as they are: latents made once, stages with nothing to train, and what is said of them."""

import json
import os
import zipfile

import pytest
import torch

import vgbench
from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.resolve import RunRequest, resolve
from vgbench.experiments.build import build_environment, build_model
from vgbench.experiments.cost import estimate
from vgbench.experiments.trained import load_trained
from vgbench.storage import checkpoints
from vgbench.training import latent_cache

PLUGIN = '''
import torch
from torch import nn
import vgbench.api

class Fixed(vgbench.api.Network):
    """A fixed random projection of raw images; it counts the rows that it has seen."""
    role = "encoder"
    def build(self, shapes):
        return Encoder(sum(torch.Size(a.shape).numel() for a in shapes.observations.values()), shapes.latent_dim)

class Encoder(nn.Module):
    raw_observations = frozenset({"image"})
    rows = 0
    def __init__(self, size, dim):
        super().__init__()
        self.out = nn.Linear(size, dim).requires_grad_(False)
    def forward(self, observations):
        image = observations["image"]
        assert image.dtype == torch.uint8
        Encoder.rows += len(image)
        return self.out(image.flatten(1).float() / 255)
'''
SMOKE = {"env": "wall", "scale": "smoke", "device": "cpu"}
QUICK = {"evaluation.tasks": 2, "mppi.samples": 8}


@pytest.fixture
def run(tmp_plugin, tmp_path, monkeypatch):
    tmp_plugin(PLUGIN, networks={"fixed": "Fixed"})
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))

    def run(recipe, **options):
        sets = {"train.steps": 8, "mpc.max_steps": 4} | QUICK | options.pop("set", {})
        return vgbench.run(**SMOKE, recipe=recipe, out=tmp_path / recipe, set=sets, **options)

    return run


def untouched(trained):
    """The model of a run as it is before training."""
    return build_model(trained.spec, build_environment(trained.spec.environment))


def state(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_a_stage_without_weights_to_train_is_skipped_and_said_so(run):
    done = run("vf", encoder="fixed")
    said = [note for note in done.record["notes"] if "is skipped" in note]
    assert len(said) == 1 and "stage 'encoder' is skipped" in said[0] and "encoder" in said[0]
    stages = {json.loads(line)["stage"] for line in (done.folder / "train.jsonl").read_text().splitlines()}
    assert stages == {"predictor"}
    trained = load_trained(done.folder)
    assert torch.equal(state(trained.model.encoder), state(untouched(trained).encoder))
    assert not torch.equal(state(trained.model.predictor), state(untouched(trained).predictor))


def test_a_distance_with_weights_of_its_own_is_trained_on_cached_latents(run):
    done = run("vf_quasi", encoder="fixed")
    assert not any("skipped" in note for note in done.record["notes"])
    trained = load_trained(done.folder)
    assert not torch.equal(state(trained.model.distance), state(untouched(trained).distance))


def test_an_objective_that_can_change_nothing_is_named(run):
    done = run("pred_vcreg", encoder="fixed")
    assert any("stage 'joint': nothing that objective 'vcreg'" in note for note in done.record["notes"])


@pytest.mark.parametrize(("recipe", "stages"), [("frozen_pred", ["joint"]), ("frozen_vf", ["joint", "head"])])
def test_the_recipes_leave_any_encoder_as_it_is(run, recipe, stages):
    done = run(recipe)  # the usual encoder, whose features are then random
    trained = load_trained(done.folder)
    assert [stage.name for stage in trained.spec.stages] == stages
    fresh = untouched(trained)
    assert torch.equal(state(trained.model.encoder), state(fresh.encoder))
    assert not torch.equal(state(trained.model.predictor), state(fresh.predictor))
    if "head" in stages:
        assert not torch.equal(state(trained.model.head), state(fresh.head))


def test_a_frozen_encoder_that_nobody_chose_is_noted(tmp_plugin):
    tmp_plugin(PLUGIN, networks={"fixed": "Fixed"})

    def noted(**options):
        return [n for n in resolve(RunRequest(**SMOKE, **options)).notes if "without --encoder" in n]

    assert (
        "keeps the random weights" in noted(recipe="frozen_pred")[0]
        and "--encoder NAME" in noted(recipe="frozen_vf")[0]
    )
    assert not noted(recipe="frozen_pred", encoder="fixed") and not noted(recipe="vf")


def test_every_state_is_encoded_once_and_predicted_in_units_of_the_latents(run):
    done = run("frozen_pred", encoder="fixed", set={"train.steps": 60})
    trained = load_trained(done.folder)
    data, seen = trained.data, type(trained.model.encoder).rows
    states = len(data) * data.length
    # 60 steps of 8 windows of 16 states would be 7,680 more; planning looks at 2 tasks in blocks of 64 rows.
    assert states <= seen < states + 1500
    index = torch.arange(states)
    raw = data.observations(index // data.length, index % data.length)["image"].flatten(1).double() / 255
    weight, bias = (p.double() for p in trained.model.encoder.out.parameters())
    latents = raw @ weight.T + bias
    assert torch.allclose(trained.model.latent_shift.double(), latents.mean(0), atol=1e-5)
    spread = (latents - latents.mean(0)).square().mean().sqrt()
    assert torch.allclose(trained.model.latent_scale.double(), spread.expand(latents.shape[1]), rtol=1e-4)


def test_latents_that_took_long_are_made_once_for_all_runs(run, tmp_path, monkeypatch, capsys):
    """Of another recipe with the same encoder; but not of another encoder."""
    monkeypatch.setattr(latent_cache, "WORTH", 0.0)
    left = tmp_path / "cache" / "latents" / ".0123456789abcdef.partial"  # of a process that was killed long ago
    left.parent.mkdir(parents=True)
    left.touch()
    os.utime(left, (0, 0))
    few = {"train.steps": 2, "mpc.max_steps": 2}
    first = run("frozen_pred", encoder="fixed", set=few)
    folder = tmp_path / "cache" / "latents"
    kept = list(folder.iterdir())
    assert len(kept) == 1 and kept[0].name.startswith("wall-fixed-")
    capsys.readouterr()
    again = run("frozen_vf", encoder="fixed", set=few)
    assert "the latents of this encoder and these data are there already" in capsys.readouterr().err
    assert torch.equal(*(load_trained(done.folder).model.latent_shift for done in (first, again)))
    assert list(folder.iterdir()) == kept
    run("vf", encoder="fixed", seed=1, data_seed=0, set=few)  # other weights, the same data
    assert len(list(folder.iterdir())) == 2


def without_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def compressed(path):
    """The same archive, compressed, as another program may write it: a small file may then take any memory."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def written(path, change):
    """What another run, or another version, has kept under this name: whole, but not what the name stands for."""
    owned = checkpoints.read(path)
    key, latents = change(owned["key"], owned["content"]["latents"])
    checkpoints.save(path, key, {"latents": latents})


def pipe(path):
    path.unlink()
    os.mkfifo(path)


SPOILT = {
    "a bit": (without_a_bit, "another hash"),
    "compressed": (compressed, "it is damaged"),
    "another key": (lambda p: written(p, lambda key, x: (key[::-1], x)), "it is of another encoder, or of other data"),
    "another shape": (lambda p: written(p, lambda key, x: (key, x[1:].clone())), "expected torch.float32 ["),
    "another dtype": (lambda p: written(p, lambda key, x: (key, x.double())), "are torch.float64 ["),
    "not finite": (lambda p: written(p, lambda key, x: (key, x / 0)), "not finite"),
    "one number for all": (lambda p: written(p, lambda key, x: (key, x[:1, :1].expand(x.shape))), "no latents"),
    "no tensor": (lambda p: written(p, lambda key, x: (key, [1.0])), "no latents"),
    "of an older version": (lambda p: torch.save({"sha256": "0", "latents": torch.zeros(1)}, p), "no checkpoint"),
    "a pipe": (pipe, "it is a pipe or a device, expected a file"),
}


def test_kept_latents_that_are_not_what_their_name_stands_for_are_made_again(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(latent_cache, "WORTH", 0.0)
    few = {"train.steps": 2, "mpc.max_steps": 2}
    first = load_trained(run("frozen_pred", encoder="fixed", set=few).folder).model
    (kept,) = (tmp_path / "cache" / "latents").iterdir()
    whole = kept.read_bytes()
    for number, (name, (spoil, words)) in enumerate(SPOILT.items()):
        spoil(kept)
        capsys.readouterr()
        made = vgbench.run(**SMOKE, recipe="frozen_pred", encoder="fixed", out=tmp_path / str(number), set=few | QUICK)
        said = capsys.readouterr().err
        assert f"{kept} cannot be used, so the latents are made again: " in said and words in said, (name, said)
        assert "there already" not in said, name
        assert torch.equal(first.latent_shift, load_trained(made.folder).model.latent_shift), name
        assert kept.read_bytes() == whole, name  # and kept again, in place of what was there


def test_a_run_with_a_skipped_last_stage_is_complete(run, tmp_path):
    """A head's stage with a distance and a head that have no weights."""
    file = tmp_path / "own.yaml"
    file.write_text(
        "recipes:\n  mine:\n    summary: s\n    objectives: [vcreg]\n    distance: euclidean\n    training: separate\n"
        "    head_objectives: [iql]\n"
    )
    done = run("mine", recipes=file)
    assert any("stage 'head' is skipped" in note for note in done.record["notes"])
    assert load_trained(done.folder).model is not None


def test_the_estimate_counts_each_state_once(run):
    usual, frozen = (estimate(resolve(RunRequest(**SMOKE, recipe="pred_ema", set=s))) for s in ([], FREEZE))
    frames = 40 * 64
    trained = 6 * 8 * 16
    assert usual["flops_by_stage"]["encode"] == 0
    each = frozen["flops_by_stage"]["encode"] / frames
    saved = usual["flops_by_stage"]["joint"] - frozen["flops_by_stage"]["joint"]
    assert saved == pytest.approx(3 * trained * each, rel=1e-6)


FREEZE = ["model.freeze_encoder=true"]


def test_no_recipe_freezes_the_encoder_unasked():
    """`--objective prediction --distance euclidean` still means pred_ema, whichever recipe stands first."""
    made = resolve(RunRequest(**SMOKE, objective=["prediction"], distance="euclidean"))
    assert made.recipe == "pred_ema" and not made.settings["model"].freeze_encoder
    frozen = {name for name, recipe in load_catalogue().recipes.items() if recipe.set.get("model.freeze_encoder")}
    assert frozen == {"frozen_pred", "frozen_vf"}


def test_runs_keep_their_keys():
    made = resolve(RunRequest(**SMOKE, recipe="vf"))
    assert not {"freeze_encoder", "action_scale"} & set(made.identity()["settings"]["model"])
    other = resolve(RunRequest(**SMOKE, recipe="vf", set=FREEZE))
    assert other.key() != made.key()


@pytest.mark.parametrize("trained", [False, True])
def test_weights_of_an_objective_that_no_step_changes_are_noted(tmp_plugin, tmp_path, monkeypatch, trained):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    code = f"""
        import torch
        from vgbench.api import *

        class Mine(Objective):
            trains = frozenset({{"encoder"{', "own"' if trained else ""}}})

            def __init__(self, params, shapes):
                super().__init__(params, shapes)
                self.factor = torch.nn.Parameter(torch.ones(()))

            def loss(self, batch, model, noise):
                return Loss((self.factor * batch.points).square().mean())
    """
    tmp_plugin(code, objectives={"mine": "Mine"})
    values = {"train.steps": 2, "train_predictor.steps": 2, "evaluation.tasks": 2, "mpc.max_steps": 4}
    done = vgbench.run(**SMOKE, objective="mine", distance="euclidean", out=tmp_path / "r", set=values)
    said = [note for note in done.record["notes"] if "weights of its own" in note]
    assert bool(said) != trained
    assert all("objective 'mine'" in note and "its `trains` lacks 'own'" in note for note in said)
