"""Checks of encoders that are for one sort of observations, however they fail on others."""

import pytest

from vgbench.testing.session import Session

ENCODER = """
    import torch
    from torch import nn
    import vgbench.api

    class Module(nn.Module):
        {raw}
        def __init__(self, size, dim):
            super().__init__()
            self.out = nn.Linear(size, dim)

        def forward(self, observations):
            return self.out({forward})

    class Mine(vgbench.api.Network):
        "An encoder."
        api = 1
        role = "encoder"

        def build(self, shapes):
            return Module({size}, shapes.latent_dim)
"""
IMAGE = 'torch.Size(shapes.observations["image"].shape).numel()'
SIZES = "sum(torch.Size(a.shape).numel() for a in shapes.observations.values())"
PIXELS = 'observations["image"].flatten(1).float()'
FIRST_IMAGE = "[o for o in observations.values() if o.ndim == 4][0].flatten(1)"
VECTORS = "torch.cat([v * v.new_tensor(1.0) for v in observations.values()], dim=1)"


@pytest.fixture
def results(tmp_plugin):
    def results(raw="", **parts):
        tmp_plugin(ENCODER.format(raw=raw or "pass", **parts), networks={"mine": "Mine"})
        return {result.id: result for result in Session.find("network", "mine").run()}

    return results


@pytest.mark.parametrize(
    "parts",
    [
        {"size": IMAGE, "forward": PIXELS},  # KeyError in build for vectors
        {"size": "12288 if 'velocity' in shapes.observations else 8192", "forward": FIRST_IMAGE},  # in forward
        {"size": "sum(a.shape[0] for a in shapes.observations.values() if len(a.shape) == 1)", "forward": VECTORS},
    ],
)
def test_an_encoder_is_tried_on_what_it_is_for(results, parts):
    found = results(**parts)
    for name in ("constructs", "works", "gradient", "rows"):
        assert found[name].status == "ok", found[name].message


def test_one_that_fails_on_everything_fails(results):
    found = results(size="shapes.nothing", forward="None")
    assert found["constructs"].status == "FAIL" and "AttributeError" in found["constructs"].message


def test_one_that_fails_on_one_sort_of_images_fails(results):
    """It works on an image alone, so it is one for images: what it does to an image beside a vector is a fault."""
    found = results(size=SIZES, forward=PIXELS)
    assert found["works"].status == "FAIL"


def test_raw_images_are_bytes(results):
    check = "observations['image'].flatten(1).float() / (1 if observations['image'].dtype == torch.uint8 else None)"
    found = results(raw='raw_observations = frozenset({"image"})', size=IMAGE, forward=check)
    assert found["works"].status == "ok", found["works"].message
