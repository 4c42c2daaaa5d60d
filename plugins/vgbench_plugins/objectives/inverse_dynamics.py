"""Inverse dynamics: the action between two states, from their latents."""

from typing import Any

import torch
from pydantic import Field
from torch import nn

import vgbench.api
from vgbench.api import Batch, Loss, Model, Noise, Objective, ObjectiveShapes


class InverseDynamics(Objective):
    """Mean squared error of a_t = MLP(z_t, z_{t+1}): latents must contain what actions change.

    The mean is over windows, time and components; actions are in units of their standard deviation. One hidden layer of
    ReLU on the two latents concatenated. It is this objective's own and is trained with the encoder (in PLDM's code the
    optimiser does not see it, so that it stays as it was drawn).

    Source: Sobal et al. 2025 (PLDM, objectives/idm.py); Pathak et al. 2017. Not in the paper.
    """

    trains = frozenset({"encoder", "own"})

    class Params(vgbench.api.Params):
        """The network."""

        hidden: int = Field(512, ge=1, description="width of the hidden layer (PLDM: 512)")

    def __init__(self, params: Any, shapes: ObjectiveShapes) -> None:
        """Build the network."""
        super().__init__(params, shapes)
        self.network = nn.Sequential(
            nn.Linear(2 * shapes.latent_dim, params.hidden), nn.ReLU(), nn.Linear(params.hidden, shapes.action_dim)
        )

    def loss(self, batch: Batch, model: Model, noise: Noise) -> Loss:
        """Return the value of the loss on `batch.latents` [B, T + 1, D] and `batch.actions` [B, T, A].

        Logs:
            unexplained: error over that of always answering with the batch's mean action; 1: nothing was learned
        """
        latents, actions = batch.latents, batch.actions
        answer = self.network(torch.cat([latents[:, :-1], latents[:, 1:]], dim=-1))
        value = (answer - actions).square().mean()
        # Floored below: equal actions have no spread to divide by.
        spread = (actions - actions.mean(dim=(0, 1))).square().mean()
        return Loss(value, {"unexplained": value.detach() / spread.clamp_min(1e-12)})
