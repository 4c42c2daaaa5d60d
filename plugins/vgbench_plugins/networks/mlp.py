"""Predictor: a multi-layer perceptron on latents and actions."""

from typing import Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

import vgbench.api
from vgbench.api import Network, NetworkShapes

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "mish": nn.Mish}


class MLP(Network):
    """Latent and action concatenated, hidden layers, next latent (or its change, `residual`).

    With the defaults, 512 latents and 2 action numbers it has 1,314,816 parameters, the paper's "1.3 M".
    """

    role = "predictor"

    class Params(vgbench.api.Params):
        """Layers."""

        hidden: tuple[PositiveInt, ...] = Field((1024, 512), description="widths of the hidden layers, first to last")
        residual: bool = Field(False, description="predict the change of the latent instead of the next latent")
        activation: Literal["relu", "gelu", "silu", "mish"] = Field("relu", description="after each hidden layer")

    def build(self, shapes: NetworkShapes) -> nn.Module:
        """Build the module of (latents [N, latent_dim], actions [N, action_dim]) to next latents [N, latent_dim]."""
        layers: list[nn.Module] = []
        width = shapes.latent_dim + shapes.action_dim
        for hidden in self.params.hidden:
            layers += [nn.Linear(width, hidden), _activation(self.params.activation)]
            width = hidden
        return MLPPredictor(nn.Sequential(*layers, nn.Linear(width, shapes.latent_dim)), self.params.residual)


def _activation(name: str) -> nn.Module:
    """ReLU in place: its gradient needs the result only, and a planner's step spares an array as large as a layer."""
    return nn.ReLU(inplace=True) if name == "relu" else _ACTIVATIONS[name]()


class MLPPredictor(nn.Module):
    """`layers` applied to the concatenation of latents and actions; `residual` adds the latents to the result."""

    def __init__(self, layers: nn.Module, residual: bool) -> None:
        super().__init__()
        self.layers = layers
        self.residual = residual

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Return next latents [N, latent_dim]."""
        out: Tensor = self.layers(torch.cat([latents, actions], dim=-1))
        return out.add_(latents) if self.residual else out
