"""Sizes, shapes and independence of rows of the built-in networks."""

import pytest
import torch

from vgbench.api import ArraySpec, NetworkShapes
from vgbench_plugins.networks.impala import Impala
from vgbench_plugins.networks.mlp import MLP
from vgbench_plugins.networks.strided import Strided

WALL = {"image": ArraySpec((2, 64, 64), "uint8", "image")}
MAZE = {"image": ArraySpec((3, 64, 64), "uint8", "image"), "velocity": ArraySpec((2,))}


def build(network, observations=WALL, latent_dim=512, action_dim=2, **params):
    torch.manual_seed(0)
    return network(network.Params(**params)).build(NetworkShapes(observations, latent_dim, action_dim))


def size(module):
    return sum(p.numel() for p in module.parameters())


def inputs(observations, count):
    return {name: torch.randn(count, *spec.shape) for name, spec in observations.items()}


def test_paper_sizes():
    assert size(build(Impala)) == 2_218_096
    assert size(build(MLP)) == 1_314_816
    # A velocity beside the features: three channels cost 144 more, the two numbers 1,024.
    assert size(build(Impala, MAZE)) == 2_218_096 + 144 + 1_024


def test_strided_is_smaller_but_keeps_where_things_are():
    encoder = build(Strided)
    assert 1_200_000 < size(encoder) < 1_800_000
    assert encoder.out.in_features >= 1500


@pytest.mark.parametrize("network", [Impala, Strided])
@pytest.mark.parametrize("observations", [WALL, MAZE])
def test_encoders(network, observations):
    encoder = build(network, observations, latent_dim=32)
    batch = inputs(observations, 5)
    latents = encoder(batch)
    assert latents.shape == (5, 32)
    one = encoder({name: value[2:3] for name, value in batch.items()})
    torch.testing.assert_close(one[0], latents[2], rtol=1e-4, atol=1e-5)
    latents.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


@pytest.mark.parametrize("network", [Impala, Strided])
def test_every_observation_reaches_the_latent(network):
    encoder = build(network, MAZE, latent_dim=32)
    batch = inputs(MAZE, 1)
    for name in batch:
        changed = encoder({**batch, name: batch[name] + 1})
        assert not torch.allclose(changed, encoder(batch))


@pytest.mark.parametrize("network", [Impala, Strided])
def test_several_images_other_sizes_and_the_norm(network):
    observations = {"a": ArraySpec((1, 40, 48), "uint8", "image"), "b": ArraySpec((3, 40, 48), "uint8", "image")}
    latents = build(network, observations, latent_dim=16, final_norm="layer")(inputs(observations, 3))
    torch.testing.assert_close(latents.mean(dim=1), torch.zeros(3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("network", [Impala, Strided])
@pytest.mark.parametrize("size", [(32, 32), (48, 48), (96, 128), (127, 127), (128, 128), (224, 224), (256, 256)])
def test_the_last_layer_stays_small_for_large_images(network, size):
    """Up to 256 pixels a side the last layer has at most four times the weights that it has for 64."""
    observations = {"image": ArraySpec((3, *size), "uint8", "image")}
    encoder = build(network, observations, latent_dim=16)
    assert encoder(inputs(observations, 2)).shape == (2, 16)
    at_64 = build(network, {"image": ArraySpec((3, 64, 64), "uint8", "image")}, latent_dim=16).out.in_features
    assert at_64 / 4 <= encoder.out.in_features <= 4 * at_64


@pytest.mark.parametrize("network", [Impala, Strided])
@pytest.mark.parametrize("size", [(31, 64), (64, 257), (8, 8)])
def test_a_size_out_of_range_is_refused_with_the_range(network, size):
    with pytest.raises(ValueError, match=rf"32 to 256 pixels a side.*{size[0]} x {size[1]}"):
        build(network, {"image": ArraySpec((3, *size), "uint8", "image")})


@pytest.mark.parametrize("network", [Impala, Strided])
def test_worlds_that_do_not_fit(network):
    with pytest.raises(ValueError, match=r"needs an image.*velocity"):
        build(network, {"velocity": ArraySpec((2,))})
    two = {"a": ArraySpec((1, 40, 40), "uint8", "image"), "b": ArraySpec((1, 64, 64), "uint8", "image")}
    with pytest.raises(ValueError, match="one size"):
        build(network, two)


def test_predictor():
    predictor = build(MLP, hidden=[24, 16], latent_dim=8, activation="mish")
    latents, actions = torch.randn(5, 8), torch.randn(5, 2)
    assert predictor(latents, actions).shape == (5, 8)
    change = build(MLP, hidden=[24, 16], latent_dim=8, activation="mish", residual=True)
    torch.testing.assert_close(change(latents, actions), latents + predictor(latents, actions))


def test_fresh_weights_follow_the_global_seed():
    for network in (Impala, Strided, MLP):
        for a, b in zip(build(network).parameters(), build(network).parameters(), strict=True):
            assert torch.equal(a, b)
