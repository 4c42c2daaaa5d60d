"""Smoothness in time: latents of successive states near."""

from vgbench.api import Batch, Loss, Model, Noise, Objective


class Smoothness(Objective):
    """Mean over windows, time and features of (z_{t+1} - z_t)^2: PLDM's time similarity, `sim_t`.

    In the latents themselves, whatever the distance is. Alone it collapses them; it goes with vcreg.

    Example: latents (0, 0), (3, 4) in one window of two states give (9 + 16) / 2 = 12.5.

    Source: Sobal et al. 2025 (PLDM, objectives/vicreg.py). Not in the paper.
    """

    trains = frozenset({"encoder"})

    def loss(self, batch: Batch, model: Model, noise: Noise) -> Loss:
        """Return the value of the loss on `batch.latents` [B, T + 1, D]."""
        latents = batch.latents
        return Loss((latents[:, 1:] - latents[:, :-1]).square().mean())
