"""Regressive distances: successive states one apart."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

import vgbench.api
from vgbench.api import Batch, Loss, Model, Noise, Objective


class Regressive(Objective):
    """Mean of (d(z_t, z_{t+1}) - target)^2: each step costs the same.

    It says nothing of states further apart, which may even coincide: the triangle inequality bounds their distance from
    above only. A regulariser (vcreg) has to spread them.

    Example: distances 0.5 and 3 with target 1 give (0.25 + 4) / 2 = 2.125.

    Source: the paper's regressive baseline, together with VCReg.
    """

    trains = frozenset({"encoder", "head", "distance"})

    class Params(vgbench.api.Params):
        """The distance of a step."""

        target: float = Field(1.0, gt=0.0, description="distance between successive states")
        stride: int = Field(1, ge=1, description="steps between the states of a pair")

    remedies: ClassVar[Mapping[str, str]] = {"stride": "a smaller stride"}

    @property
    def distance_range(self) -> float:
        """Largest distance that the loss asks for: the target."""
        return float(self.params.target)

    @property
    def stride(self) -> int:
        """Steps between the states of a pair."""
        return int(self.params.stride)

    def loss(self, batch: Batch, model: Model, noise: Noise) -> Loss:
        """Return the value of the loss on `batch.points` [B, T + 1, D'].

        Logs:
            distance_mean: mean distance of successive states; approaches the parameter `target`
            distance_max: largest distance of successive states
        """
        points = batch.strided(self.stride).points
        distances = model.distance(points[:, :-1], points[:, 1:])
        value = (distances - self.params.target).square().mean()
        seen = distances.detach()
        return Loss(value, {"distance_mean": seen.mean(), "distance_max": seen.amax()})
