"""Architectures: encoders, predictors, action encoders and heads."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from torch import nn

from vgbench.api.environment import ArraySpec
from vgbench.api.plugin import Plugin

Role = Literal["encoder", "predictor", "action_encoder", "head"]
ROLES: tuple[Role, ...] = get_args(Role)
"""All roles, in the order in which they are looked up and listed."""


@dataclass(frozen=True)
class NetworkShapes:
    """Sizes that a network is built for.

    Attributes:
        observations: shape (without batch) and kind of each array that an encoder is given.
        latent_dim: numbers of a latent, D.
        action_dim: numbers of an action as the predictor gets it, A.
    """

    observations: Mapping[str, ArraySpec]
    latent_dim: int
    action_dim: int


class Network(Plugin, ABC):
    """Builds one module of the model, by `role`:

    * `encoder`: forward({name: float [N, ...]}) -> [N, latent_dim]; inputs are normalised, but those that its module
      names in `raw_observations` are as the environment gives them (images uint8);
    * `predictor`: forward(latents [N, latent_dim], actions [N, action_dim]) -> next latents [N, latent_dim];
    * `action_encoder`: forward(actions [N, a]) -> [N, action_dim]; it states its own `out_dim`;
    * `head`: forward(latents [..., latent_dim]) -> points [..., out_dim] between which distances are taken.

    Example: a linear predictor::

        class Linear(Network):
            role = "predictor"

            def build(self, shapes):
                return LinearPredictor(shapes.latent_dim, shapes.action_dim)

    Rows must not depend on one another (no batch statistics at evaluation).

    Weights without `requires_grad` stay as they are. An encoder that has no others is frozen: all states are encoded
    once, and stages in which nothing is left to train are skipped.
    """

    role: ClassVar[Role]
    """Which module it builds: "encoder", "predictor", "action_encoder" or "head"."""

    def __init__(self, params: Any) -> None:
        """Keep the validated parameters."""
        self.params = params

    @abstractmethod
    def build(self, shapes: NetworkShapes) -> nn.Module:
        """Build the module with fresh weights (drawn from torch's global generator, which the core has seeded)."""
