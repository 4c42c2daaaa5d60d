"""The encoder `timm`, with small models of random weights: what a model sees, its features, files of weights."""

import importlib.util
import shutil

import pytest
import torch

import vgbench
from vgbench.api import ArraySpec, NetworkShapes
from vgbench.config.resolve import RunRequest, resolve
from vgbench.errors import UsageError
from vgbench.testing import conformance
from vgbench_plugins.networks.timm import Timm, fixed_map

if importlib.util.find_spec("timm") is None or importlib.util.find_spec("torchvision") is None:
    pytest.skip("needs vgbench[timm]", allow_module_level=True)


def _library():
    """timm; beside a torch without CUDA, PyPI's torchvision lacks its compiled operators, which nothing here calls."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        global _OPERATORS
        _OPERATORS = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            _OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm

    return timm


timm = _library()
RGB = {"image": ArraySpec((3, 64, 64), "uint8", "image")}
SETS = ["timm.model=test_vit", "timm.weights=random", "timm.image_size=64"]
MEAN = STD = 0.5  # of test_vit's configuration

test_conformance = conformance("network", "timm", sets=SETS)


def build(observations=RGB, latent_dim=64, seed=0, **params):
    torch.manual_seed(seed)
    values = {"model": "test_vit", "weights": "random", "image_size": 64} | params
    return Timm(Timm.Params(**values)).build(NetworkShapes(observations, latent_dim, 2)).eval()


def image(channels=3, size=64, count=3):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=generator)


def tokens(encoder, pictures):
    """What the model itself makes of pictures of 0 to 1, [N, 1 + 16, 64]."""
    return encoder.body.forward_features((pictures - MEAN) / STD)


def test_the_model_sees_normalised_pictures_and_its_pooled_features_are_the_latent():
    encoder = build()
    wanted = tokens(encoder, image() / 255)[:, 0]  # its pooling is the class token
    assert torch.allclose(encoder({"image": image()}), wanted, atol=1e-5)
    assert not any(p.requires_grad for p in encoder.parameters())


def test_all_patch_tokens_stand_side_by_side():
    encoder = build(latent_dim=16 * 64, tokens="patch")
    assert torch.allclose(encoder({"image": image()}), tokens(encoder, image() / 255)[:, 1:].flatten(1), atol=1e-5)


def test_a_convolutional_model_of_any_size():
    encoder = build(model="test_resnet", image_size=96, latent_dim=96)
    assert encoder({"image": image()}).shape == (3, 96) and encoder.size == 96


def test_images_are_resized_as_pillow_does_it():
    import numpy as np
    from PIL import Image

    encoder = build(image_size=32)
    small = [Image.fromarray(p.permute(1, 2, 0).numpy()).resize((32, 32), Image.Resampling.BICUBIC) for p in image()]
    pictures = torch.from_numpy(np.stack([np.asarray(p) for p in small])).permute(0, 3, 1, 2) / 255
    # Pillow rounds to whole bytes, twice; without its filter the two would be some 60 bytes apart.
    assert torch.allclose(encoder._prepared(image()), (pictures - MEAN) / STD, atol=2 * 3 / 255)


def test_grey_red_and_green_and_stacks_of_frames():
    one, two = (build({"image": ArraySpec((c, 64, 64), "uint8", "image")}) for c in (1, 2))
    grey, pair = image(1), image(2)
    assert torch.allclose(one({"image": grey}), build()({"image": grey.repeat(1, 3, 1, 1)}), atol=1e-6)
    with_blue = torch.cat([pair, torch.zeros_like(pair[:, :1])], dim=1)
    assert torch.allclose(two({"image": pair}), build()({"image": with_blue}), atol=1e-6)
    stack = image(6)
    both = build({"image": ArraySpec((6, 64, 64), "uint8", "image")}, latent_dim=128)({"image": stack})
    each = [build()({"image": part}) for part in stack.split(3, dim=1)]
    assert torch.allclose(both, torch.cat(each, dim=1), atol=1e-5)
    with pytest.raises(ValueError, match=r"has 4 channels; expected 1 \(grey\), 2 \(red and green\), 3 \(RGB\) or a"):
        build({"image": ArraySpec((4, 64, 64), "uint8", "image")})


def test_vectors_stand_beside_the_features():
    encoder = build(RGB | {"velocity": ArraySpec((2,))}, latent_dim=66)
    velocity = torch.randn(3, 2)
    latents = encoder({"image": image(), "velocity": velocity})
    assert torch.equal(latents[:, 64:], velocity) and encoder.raw_observations == {"image"}


def test_more_dimensions_keep_all_distances_and_fewer_keep_them_nearly():
    plain, wide = build()({"image": image(count=8)}), build(latent_dim=200)({"image": image(count=8)})
    assert wide.shape == (8, 200) and torch.allclose(torch.cdist(wide, wide), torch.cdist(plain, plain), atol=1e-4)
    points = torch.randn(20, 3000, generator=torch.Generator().manual_seed(2))
    mapped = points @ fixed_map(3000, 512)
    ratio = torch.pdist(mapped) / torch.pdist(points)
    assert ratio.std() == pytest.approx(1 / (2 * 512) ** 0.5, rel=0.25) and abs(ratio.mean() - 1) < 0.03
    other = build(latent_dim=200, seed=5)
    assert torch.equal(other.matrix, build(latent_dim=200).matrix)  # the same for every seed


@pytest.fixture
def weights(tmp_path):
    """A file of weights with its classifier, as timm saves them, and the model that it is of."""
    torch.manual_seed(9)
    model = timm.create_model("test_vit")  # of 160 px, as trained
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    return tmp_path / "vit.pth", model.eval()


def test_weights_come_from_a_local_file_whatever_the_seed(weights):
    file, model = weights
    encoder = build(weights=str(file), image_size=0)
    assert encoder.size == 160
    large = image(size=160)
    wanted = model.forward_head(model.forward_features((large / 255 - MEAN) / STD), pre_logits=True)
    observations = {"image": ArraySpec((3, 160, 160), "uint8", "image")}
    assert torch.allclose(build(observations, weights=str(file), image_size=0)({"image": large}), wanted, atol=1e-5)
    again = build(weights=str(file), seed=3)  # at 64 px, for which its places are interpolated
    assert torch.equal(again.body.blocks[0].attn.qkv.weight, model.blocks[0].attn.qkv.weight)


def test_loading_draws_nothing_from_the_runs_stream(weights):
    torch.manual_seed(4)
    wanted = torch.rand(3)
    build(seed=4, weights=str(weights[0]))
    assert torch.equal(torch.rand(3), wanted)


def test_the_content_of_a_file_is_part_of_a_runs_key_and_its_place_is_not(weights, tmp_path):
    def key(file):
        sets = ["timm.model=test_vit", f"timm.weights={file}"]
        return resolve(RunRequest(env="wall", recipe="frozen_pred", encoder="timm", scale="smoke", set=sets)).key()

    file, _ = weights
    (tmp_path / "sub").mkdir()
    copy = shutil.copy(file, tmp_path / "sub" / "other.pth")
    assert key(file) == key(copy)
    state = torch.load(file)
    state["cls_token"] += 1
    torch.save(state, copy)
    assert key(file) != key(copy)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"model": "test_vitt"}, "no model of that name; did you mean test_vit"),
        ({"image_size": 65}, "takes no images of 65 pixels"),
    ],
)
def test_what_timm_does_not_know_is_refused(params, words):
    with pytest.raises(ValueError, match=words):
        build(**params)


def test_files_that_will_not_do(weights, tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        build(weights=str(tmp_path / "none.pth"))
    with pytest.raises(ValueError, match=r"arrays of test_resnet are not in it, such as|vit\.pth cannot be used"):
        build(weights=str(weights[0]), model="test_resnet", image_size=0)
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "resnet.pth")
    with pytest.raises(ValueError, match=r"28 of 78 arrays of test_vit are not in it, such as cls_token"):
        build(weights=str(tmp_path / "resnet.pth"))
    (tmp_path / "junk.pth").write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"junk\.pth cannot be used"):
        build(weights=str(tmp_path / "junk.pth"))
    with pytest.raises(UsageError, match=r"--set timm\.weights=nowhere\.pth"):
        resolve(RunRequest(env="wall", recipe="vf", encoder="timm", scale="smoke", set=["timm.weights=nowhere.pth"]))


def test_a_model_that_is_trained_on_has_gradients():
    encoder = build(freeze=False).train()
    encoder({"image": image()}).square().sum().backward()
    assert all(p.grad is not None for p in encoder.body.blocks.parameters())


def test_a_whole_run_on_pre_trained_features(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    sets = {"timm.model": "test_vit", "timm.weights": str(weights[0]), "timm.image_size": 64, "train.steps": 4}
    options = {"env": "wall", "recipe": "frozen_vf", "encoder": "timm", "scale": "smoke", "device": "cpu"}
    done = vgbench.run(**options, set=sets, out=tmp_path / "run")
    assert done.tasks == 4 and done.record["parameters"]["encoder"] > 300_000
