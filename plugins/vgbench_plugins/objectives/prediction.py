"""Prediction loss: rolled-out latents against encoded ones."""

from typing import Literal

from pydantic import Field
from torch import Tensor

import vgbench.api
from vgbench.api import Batch, Loss, Model, Noise, Objective


class Prediction(Objective):
    """Mean squared error of z^_{t+1} = P(z^_t, a_t), z^_0 = E(o_0), rolled out over the whole window.

    The mean is over windows, time and features (PLDM's `sim` term): sum ||z^_t - y_t||^2 / (B * T * D).
    The target y_t is E(o_t) with gradient (PLDM's choice: not collapsing is the regulariser's job), E(o_t) without, or
    the latent of the encoder's exponential moving average.
    """

    trains = frozenset({"encoder", "predictor"})

    class Params(vgbench.api.Params):
        """Target of the predictions."""

        target: Literal["online", "stopgrad", "ema"] = Field(
            "online", description="target latents: with gradient, without, or of the encoder's moving average"
        )
        momentum: float = Field(0.99, ge=0.0, lt=1.0, description="of the moving average; used by target=ema only")

    @property
    def stop_gradient_targets(self) -> Literal["none", "later"]:
        """All but the first state are targets; with target=online they have a gradient all the same."""
        return "none" if self.params.target == "online" else "later"

    def loss(self, batch: Batch, model: Model, noise: Noise) -> Loss:
        """Value of the loss on `batch.predictions` [B, T, D]; logs the error of the first and the last step.

        Logs:
            error_first: mean squared error of the first predicted step, per feature
            error_last: mean squared error of the last predicted step of the window, per feature
        """
        error = (batch.predictions - self._targets(batch)).square()
        steps = error.detach().mean(dim=(0, 2))
        return Loss(error.mean(), {"error_first": steps[0], "error_last": steps[-1]})

    def _targets(self, batch: Batch) -> Tensor:
        """Target latents [B, T, D]."""
        if self.params.target == "ema":
            return batch.ema_latents(self.params.momentum)[:, 1:].detach()
        latents = batch.latents[:, 1:]
        return latents.detach() if self.params.target == "stopgrad" else latents
