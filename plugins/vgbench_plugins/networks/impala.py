"""Encoder of the paper's size: convolutions and residual connections to a flat latent."""

from typing import Literal

from pydantic import Field, PositiveInt
from torch import nn

import vgbench.api
from vgbench.api import Network, NetworkShapes
from vgbench_plugins.networks.parts import ConvEncoder, ResidualBlock, further_halvings, image_channels


class Impala(Network):
    """Stages of conv 3x3, max-pool 3 stride 2 and residual blocks; relu, flatten, linear (Espeholt et al. 2018).

    With the defaults, 2 channels of 64 x 64 and 512 latents it has 2,218,096 parameters, the paper's "2.2 M".
    Images have 32 to 256 pixels a side; from 128 x 128 on further stages, as wide as the last, keep the map below
    16 x 16.
    There is no final norm by default: a LayerNorm bounds ||z|| by sqrt(D) and with it the distances.
    """

    role = "encoder"

    class Params(vgbench.api.Params):
        """Sizes of the stages."""

        channels: tuple[PositiveInt, ...] = Field(
            (16, 32, 64), min_length=1, description="channels of each stage; each halves"
        )
        blocks: int = Field(1, ge=0, description="residual blocks in each stage")
        final_norm: Literal["none", "layer"] = Field("none", description="LayerNorm on the latent, or nothing")

    def build(self, shapes: NetworkShapes) -> nn.Module:
        """Build the encoder of {name: [N, ...]} to [N, latent_dim].

        Raises:
            ValueError: there is no image, or images of different sizes, or of a size that it does not take.
        """
        width = image_channels(shapes.observations, "impala")
        layers: list[nn.Module] = []
        further = further_halvings(shapes.observations, "impala")
        for channels in (*self.params.channels, *self.params.channels[-1:] * further):
            layers += [nn.Conv2d(width, channels, 3, padding=1), nn.MaxPool2d(3, stride=2, padding=1)]
            layers += [ResidualBlock(channels) for _ in range(self.params.blocks)]
            width = channels
        # Residual blocks end on a sum, so the features still need a ReLU.
        trunk = nn.Sequential(*layers, nn.ReLU())
        return ConvEncoder(shapes.observations, trunk, shapes.latent_dim, self.params.final_norm)
