"""Distance of two levels: one half of a point for the near, the other for the far."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

import vgbench.api
from vgbench.api import Distance
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.distances.iqe import IQE


class TwoLevel(Distance):
    """d(x, y) = d_near(x_1, y_1) + weight * d_far(x_2, y_2), with x = (x_1, x_2) cut in the middle.

    Each half has a distance of its own kind `base`. A sum of quasimetrics with weights >= 0 is one, so planning and the
    triangle inequality know nothing of the levels; their largest would be one too, but has the slope of a single level.

    What the weight does: let the near level count steps and the far level k steps at a time, both discounted by gamma
    (two_level_iql). m steps away the near level still falls by gamma^m per step, the far one by gamma^(m / k) / k. With
    weight 1 the near level leads close to the goal, the far level from m = ln k / ((1 - 1 / k) ln(1 / gamma)) on: at 35
    steps for k = 10 and gamma = 0.93, where gamma^m is 0.08. A weight of k would measure both in steps, but then the
    far level, which knows nothing of single steps, weighs as much as the near one at the goal.

    Shapes: x [..., D] and y [..., D], broadcasting, give [...].

    Example: Euclidean halves, weight 2, x = (0, 0, 0, 0), y = (3, 4, 0, 1): 5 + 2 * 1 = 7.

    Source: after the paper's outlook on a hierarchy of representation spaces.
    """

    symmetric = False
    quasimetric = True
    levels = 2

    class Params(vgbench.api.Params):
        """The two distances and their weight."""

        base: Literal["iqe", "euclidean"] = Field("iqe", description="distance of each half")
        weight: float = Field(1.0, gt=0.0, description="of the far level beside the near one")
        component_dim: int = Field(8, ge=1, description="numbers per component of a half (base=iqe); divides D / 2")

    def __init__(self, params: Any, dim: int) -> None:
        """Make the two distances; they share nothing.

        Raises:
            ValueError: `dim` cannot be halved, or a half not be cut into components.
        """
        super().__init__(params, dim)
        if dim % 2:
            raise ValueError(f"two_level: points of {dim} numbers cannot be cut into two halves")
        self.cut = dim // 2
        if params.base == "iqe" and self.cut % params.component_dim:
            raise ValueError(
                f"two_level.component_dim is {params.component_dim}, but a half of {self.cut} numbers cannot be cut "
                "into such pieces"
            )
        self.near, self.far = self._base(), self._base()
        self.symmetric = self.near.symmetric

    def _base(self) -> Distance:
        if self.params.base == "euclidean":
            return Euclidean(Euclidean.Params(), self.cut)
        return IQE(IQE.Params(component_dim=self.params.component_dim), self.cut)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distance from x [..., D] to y [..., D]."""
        return self.level(0, x, y) + self.params.weight * self.level(1, x, y)

    @property
    def level_weights(self) -> tuple[float, float]:
        """1 for the near level, `weight` for the far one."""
        return 1.0, float(self.params.weight)

    def level(self, index: int, x: Tensor, y: Tensor) -> Tensor:
        """Return the distance [...] of the near (0) or the far (1) level, without its weight."""
        part = slice(self.cut) if index == 0 else slice(self.cut, None)
        base = self.near if index == 0 else self.far
        distance: Tensor = base(x[..., part], y[..., part])
        return distance

    def prepare(self, goal: Tensor) -> Callable[[Tensor], Tensor]:
        """Return f(z [B, K, D]) -> [B, K], combined from the two levels."""
        cut, weight = self.cut, self.params.weight
        near, far = self.near.prepare(goal[:, :cut]), self.far.prepare(goal[:, cut:])
        return lambda z: near(z[..., :cut]) + weight * far(z[..., cut:])
