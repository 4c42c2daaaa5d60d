"""IQE as one writes it from the paper's formula, by sorting: the peer that stands in where torchqmet is not installed.

Wang & Isola 2022 (arXiv 2211.15120): d_k(x, y) is the length of the union over j of [x_kj, max(x_kj, y_kj)]. Sort all
2D ends of a component; between two neighbours the union covers the gap if more intervals have begun than ended.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.peers import TORCHQMET


def sorted_iqe(x: Tensor, y: Tensor, size: int, weight: Tensor) -> Tensor:
    """Distance [...] from x [..., D] to y [..., D], broadcasting; `weight` is that of the maximum over components."""
    x, y = torch.broadcast_tensors(x, y)
    starts = x.unflatten(-1, (-1, size))
    ends = torch.maximum(starts, y.unflatten(-1, (-1, size)))
    values, order = torch.cat([starts, ends], dim=-1).sort(dim=-1)
    # The first `size` of what was sorted are starts, which open an interval; the others close one.
    opened = torch.where(order < size, 1, -1).cumsum(dim=-1)
    lengths = ((values[..., 1:] - values[..., :-1]) * (opened[..., :-1] > 0)).sum(dim=-1)
    return torch.lerp(lengths.mean(-1), lengths.amax(-1), weight)


def implementations(dim: int, size: int, raw: Tensor) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Functions (x, y) -> d by name: the above, and torchqmet's own if it is installed. `raw` as in our IQE."""
    weight = raw.detach().sigmoid()
    found: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"sorted IQE": lambda x, y: sorted_iqe(x, y, size, weight)}
    if TORCHQMET.present:
        import torchqmet

        iqe = torchqmet.IQE(dim, size, reduction="maxmean").requires_grad_(False)
        next(iqe.parameters()).copy_(raw.detach())  # the weight of the maximum is its only parameter
        found["torchqmet"] = iqe
    return found
