"""A cheap encoder for two CPU cores: strides instead of pooling."""

from typing import Literal

from pydantic import Field
from torch import nn

import vgbench.api
from vgbench.api import Network, NetworkShapes
from vgbench_plugins.networks.parts import ConvEncoder, ResidualBlock, further_halvings, image_channels


class Strided(Network):
    """Conv 8x8 stride 4, conv 4x4 stride 2, one residual block, relu, flatten, linear: for the `quick` scale.

    For 64 x 64 images there are 8 x 8 x 40 = 2,560 features and about 1.4 M parameters at 512 latents.
    Images have 32 to 256 pixels a side; from 128 x 128 on further convolutions 4x4 of stride 2 keep the map below
    16 x 16.
    """

    role = "encoder"

    class Params(vgbench.api.Params):
        """Sizes of the layers."""

        stem: int = Field(32, ge=1, description="channels of the first convolution")
        channels: int = Field(40, ge=1, description="channels of the second convolution and the residual block")
        final_norm: Literal["none", "layer"] = Field("none", description="LayerNorm on the latent, or nothing")

    def build(self, shapes: NetworkShapes) -> nn.Module:
        """Build the encoder of {name: [N, ...]} to [N, latent_dim].

        Raises:
            ValueError: there is no image, or images of different sizes, or of a size that it does not take.
        """
        stem, channels = self.params.stem, self.params.channels
        # Paddings by which each stride divides the side exactly: 64, 16 and 8 px.
        layers: list[nn.Module] = [
            nn.Conv2d(image_channels(shapes.observations, "strided"), stem, 8, stride=4, padding=2),
            nn.ReLU(),
            nn.Conv2d(stem, channels, 4, stride=2, padding=1),
        ]
        for _ in range(further_halvings(shapes.observations, "strided")):
            layers += [nn.ReLU(), nn.Conv2d(channels, channels, 4, stride=2, padding=1)]
        trunk = nn.Sequential(*layers, ResidualBlock(channels), nn.ReLU())
        return ConvEncoder(shapes.observations, trunk, shapes.latent_dim, self.params.final_norm)
