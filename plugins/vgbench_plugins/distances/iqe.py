"""Interval quasimetric embedding (Wang & Isola 2022, arXiv 2211.15120)."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

import vgbench.api
from vgbench.api import Distance
from vgbench_plugins.distances.interval_union import measure, sort_ends, take, union_length

_CACHED = 2**20
"""Numbers that planning works on at a time on a CPU: measured fastest, and three times as fast as all at once."""


class IQE(Distance):
    """d(x, y) = reduction over components k of |union over j of [x_kj, max(x_kj, y_kj)]|.

    A point of D numbers is cut into D / component_dim components. Going up in a coordinate costs, going down is free:
    d(x, y) = 0 wherever x >= y, so d is a quasi-pseudometric, translation invariant and positively homogeneous.

    Shapes: x [..., D] and y [..., D], broadcasting, give [...].

    Example: one component of 3, x = (0, 1, 5), y = (2, 3, 4): |[0, 2] u [1, 3] u empty| = 3; back, d(y, x) = 1.
    """

    symmetric = False
    quasimetric = True

    class Params(vgbench.api.Params):
        """Components of a point, and how they are combined."""

        default_preserving: ClassVar[frozenset[str]] = frozenset({"scale"})

        component_dim: int = Field(8, ge=1, description="numbers per component (the paper: at least 8); divides D")
        scale: float = Field(
            1.0,
            gt=0,
            description="factor of the distance: for latents of fixed size (a LayerNorm), which would not reach "
            "1 / (1 - gamma)",
        )
        reduction: Literal["maxmean", "sum", "mean", "max"] = Field(
            "maxmean",
            description="over components; maxmean: a * max + (1 - a) * mean with a learned, 0.269 at the start",
        )

    def __init__(self, params: Any, dim: int) -> None:
        """Check the sizes and make the weight of maxmean.

        Raises:
            ValueError: `dim` is no multiple of the component's size.
        """
        super().__init__(params, dim)
        size = params.component_dim
        if dim % size:
            raise ValueError(f"iqe.component_dim is {size}, but points of {dim} numbers cannot be cut into such pieces")
        # As torchqmet: a = sigmoid(-1) = 0.269 is the weight of the maximum.
        self.raw = nn.Parameter(torch.tensor(-1.0)) if params.reduction == "maxmean" else None

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distance from x [..., D] to y [..., D]."""
        return self._reduce(union_length(x, y, self.params.component_dim))

    def prepare(self, goal: Tensor) -> Callable[[Tensor], Tensor]:
        """Return f(z [B, K, D]) -> [B, K]; the goal's right ends are sorted here, states need no sort.

        About 0.5 us per state of 512 numbers on one thread.
        """
        target = goal.unsqueeze(1)
        size = self.params.component_dim
        # Detached: where a gradient is wanted, the whole distance is computed again below.
        ends, columns = sort_ends(target.detach(), size)

        def distance(z: Tensor) -> Tensor:
            if torch.is_grad_enabled() and (z.requires_grad or goal.requires_grad):
                return self(z, target)
            # Tasks in pieces that stay in a core's cache; each row is computed by itself, so pieces change no bit.
            tasks = max(1, _CACHED // max(1, z.shape[1:].numel())) if z.device.type == "cpu" else max(1, len(z))
            pieces = zip(z.split(tasks), ends.split(tasks), columns.split(tasks), strict=True)
            return torch.cat([self._reduce(measure(take(part, where, size), end)) for part, end, where in pieces])

        return distance

    def _reduce(self, components: Tensor) -> Tensor:
        """Reduce lengths [..., components] to distances [...]."""
        if self.raw is not None:
            mean, largest = components.mean(-1), components.amax(-1)
            distance = torch.lerp(mean, largest, self.raw.sigmoid())
        elif self.params.reduction == "sum":
            distance = components.sum(-1)
        else:
            distance = components.mean(-1) if self.params.reduction == "mean" else components.amax(-1)
        return distance if self.params.scale == 1.0 else distance * self.params.scale
