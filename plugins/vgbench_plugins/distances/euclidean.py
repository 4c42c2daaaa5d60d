"""Euclidean distance between latents (the value head of the rows "VF")."""

from collections.abc import Callable

import torch
from torch import Tensor

from vgbench.api import Distance


class Euclidean(Distance):
    """d(x, y) = ||x - y||_2: a metric, so going there costs as much as coming back.

    Shapes: x [..., D] and y [..., D], broadcasting, give [...].

    Example: d((0, 0), (3, 4)) = 5.
    """

    symmetric = True
    quasimetric = True

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distance from x [..., D] to y [..., D].

        The difference is formed explicitly: ||x||^2 + ||y||^2 - 2xy loses the small distances near a goal to rounding.
        The gradient of `vector_norm` at 0 is 0, that of sqrt(sum of squares) would be NaN.

        Every x against every y of a batch (x [..., N, 1, D], y [..., 1, M, D]) takes `cdist`, which never writes the
        array of differences: several times as fast, forward and backward. It has no second derivative.
        """
        if min(x.ndim, y.ndim) > 2 and x.shape[-2] == 1 == y.shape[-3]:
            return _cross(x.squeeze(-2), y.squeeze(-3))
        return torch.linalg.vector_norm(x - y, dim=-1)

    def prepare(self, goal: Tensor) -> Callable[[Tensor], Tensor]:
        """Return f(z [B, K, D]) -> [B, K] without the [B, K, D] array of differences; exactly 0 at z = goal."""
        target = goal.unsqueeze(1)

        def distance(z: Tensor) -> Tensor:
            return _cross(z, target).squeeze(-1)

        return distance


def _cross(x: Tensor, y: Tensor) -> Tensor:
    """Distances [..., N, M] from x [..., N, D] to y [..., M, D]; exactly 0 where they are equal, with gradient 0."""
    # The other modes of cdist expand the square.
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
