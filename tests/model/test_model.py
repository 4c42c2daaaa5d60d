"""Normalising observations: the plain formulas to the bit, in the order in memory that the encoder works in."""

import pytest
import torch
from torch import nn

from vgbench.api import ArraySpec, NetworkShapes
from vgbench.model.jepa import JEPA
from vgbench_plugins.networks.impala import Impala
from vgbench_plugins.networks.strided import Strided

MEAN, STD = torch.tensor([71.3, 12.9, 180.2]), torch.tensor([33.1, 5.7, 61.9])
MATRIX = torch.tensor([[0.031, -0.007, 0.002], [-0.007, 0.19, 0.011], [0.002, 0.011, 0.023]])


def networks():
    shapes = NetworkShapes({"image": ArraySpec((3, 64, 64), "uint8", "image")}, 16, 2)
    return {
        "strided": Strided(Strided.Params(stem=4, channels=8)).build(shapes),
        "impala": Impala(Impala.Params(channels=(4, 8))).build(shapes),
        "flat": nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()),
        "none": nn.Identity(),
    }


def model(encoder, **whitening):
    made = JEPA(encoder, nn.Identity(), nn.Identity(), nn.Identity())
    statistics = {"image": (MEAN, STD), "velocity": (MEAN[:2], STD[:2])}
    made.set_statistics(statistics, whitening)
    return made


def frames(count=5):
    return torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def by_channel(image):
    scale = 1 / STD
    return image * scale[:, None, None] - (MEAN * scale)[:, None, None]


@pytest.mark.parametrize(("name", "last"), [("strided", True), ("impala", True), ("flat", False), ("none", False)])
def test_images_equal_the_plain_formula_in_the_order_of_the_encoders_weights(name, last):
    image, velocity = frames(), torch.randn(5, 2)
    before = image.clone()
    got = model(networks()[name]).normalise({"image": image, "velocity": velocity})
    assert torch.equal(got["image"], by_channel(image))
    assert got["image"].dtype == torch.float32
    assert got["image"].is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    assert torch.equal(image, before)
    assert torch.equal(got["velocity"], velocity * (1 / STD[:2]) - MEAN[:2] * (1 / STD[:2]))


def test_numbers_by_hand():
    image = frames(1)
    image[0, :, 3, 4] = torch.tensor([71, 255, 0], dtype=torch.uint8)
    pixel = model(nn.Identity()).normalise({"image": image, "velocity": torch.zeros(1, 2)})["image"][0, :, 3, 4]
    expected = torch.tensor([(71 - 71.3) / 33.1, (255 - 12.9) / 5.7, -180.2 / 61.9])
    torch.testing.assert_close(pixel, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["strided", "none"])
def test_whitened_images_equal_the_plain_formula(name):
    image = frames()
    got = model(networks()[name], image=MATRIX).normalise({"image": image, "velocity": torch.zeros(5, 2)})["image"]
    first, second, third = image.float().unbind(1)
    offset = MATRIX @ MEAN
    for channel, (a, b, c) in enumerate(MATRIX):
        assert torch.equal(got[:, channel], first * a + second * b + third * c - offset[channel])


@pytest.mark.parametrize("name", ["strided", "impala"])
def test_the_encoder_learns_the_same_as_from_images_normalised_outside(name):
    encoder = networks()[name]
    image = frames(16)
    inside = model(encoder).encode({"image": image, "velocity": torch.zeros(16, 2)})
    outside = encoder({"image": by_channel(image)})
    assert torch.equal(inside, outside)
    weights = list(encoder.parameters())
    parts = [torch.autograd.grad(latents.square().sum(), weights) for latents in (inside, outside)]
    assert all(torch.equal(a, b) for a, b in zip(*parts, strict=True))


@pytest.mark.parametrize("name", ["strided", "flat"])
def test_gradients_reach_images_that_are_floats_already_and_leave_them_as_they_are(name):
    image = frames().float().requires_grad_()
    before = image.detach().clone()
    got = model(networks()[name]).normalise({"image": image, "velocity": torch.zeros(5, 2)})["image"]
    (grad,) = torch.autograd.grad(got.sum(), image)
    assert torch.equal(grad, (1 / STD)[:, None, None].expand_as(image))
    assert torch.equal(image.detach(), before)
    assert torch.equal(got, by_channel(image))


def test_an_encoder_that_views_its_feature_maps_as_rows_still_can():
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 8, stride=8)

        def forward(self, observations):
            return self.conv(observations["image"]).view(len(observations["image"]), -1)

    assert model(Rows()).encode({"image": frames(), "velocity": torch.zeros(5, 2)}).shape == (5, 4 * 8 * 8)
