"""Encoder of vector observations: a multi-layer perceptron."""

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

import vgbench.api
from vgbench.api import Network, NetworkShapes


class Vector(Network):
    """All vectors joined, hidden layers with relu, linear to the latent: for environments without images."""

    role = "encoder"

    class Params(vgbench.api.Params):
        """Layers."""

        hidden: tuple[PositiveInt, ...] = Field((256, 256), description="widths of the hidden layers, first to last")

    def build(self, shapes: NetworkShapes) -> nn.Module:
        """Build the encoder of {name: [N, n]} to [N, latent_dim].

        Raises:
            ValueError: there is an image, or no vector.
        """
        kinds = {name: spec.kind for name, spec in shapes.observations.items()}
        if set(kinds.values()) != {"vector"}:
            raise ValueError(f"network vector takes vectors only; the environment's observations are {kinds}")
        sizes = {name: torch.Size(spec.shape).numel() for name, spec in shapes.observations.items()}
        layers: list[nn.Module] = []
        width = sum(sizes.values())
        for hidden in self.params.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        return VectorEncoder(list(sizes), nn.Sequential(*layers, nn.Linear(width, shapes.latent_dim)))


class VectorEncoder(nn.Module):
    """`layers` applied to the vectors `names`, joined in this order."""

    def __init__(self, names: list[str], layers: nn.Module) -> None:
        super().__init__()
        self.names, self.layers = names, layers

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Return latents [N, latent_dim] of {name: [N, n]}."""
        latents: Tensor = self.layers(torch.cat([observations[name].flatten(1) for name in self.names], dim=1))
        return latents
