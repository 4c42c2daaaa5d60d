"""Length of unions of intervals, for many components at once: the arithmetic of IQE.

A point of C * D numbers is C components of D. For each component the length of the union over j of
[x_j, max(x_j, y_j)] is wanted. Take the right ends in *descending* order and keep the lowest left end so far, r::

    length = sum_j relu(min(y_j, r) - x_j),     r <- min(r, x_j)        (r = inf at first)

Left ends need no order, so sorting is done once per goal and never per state. An empty interval (x_j >= y_j) adds
nothing, and lowers r at most to x_j >= y_j, which the later right ends do not reach.

Layout: "slots" [..., D, C], slot j of all components side by side, so that each step above is one contiguous pass.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

_CACHED = 2**19
"""Numbers of x, broadcast with y, that a thread works on at a time: measured fastest, forward and backward."""


def union_length(x: Tensor, y: Tensor, size: int) -> Tensor:
    """Return the Lebesgue measure of the union over j of [x_kj, max(x_kj, y_kj)] for every component k.

    Shapes: x [..., C * D] and y [..., C * D], broadcasting, and size = D give [..., C].

    Example: x = (0, 1, 5), y = (2, 3, 4), size = 3: |[0, 2] u [1, 3] u empty| = 3.
    """
    pieces = [_UnionLength.apply(a, b, size) for a, b in _pieces(x, y)]
    length: Tensor = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
    return length


def _pieces(x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Cut x and y along a first dimension that they share, into pieces that stay in the cache of a core.

    Rows are computed by themselves, and what is summed over for a gradient lies within a row: pieces change no bit.
    """
    if x.device.type != "cpu" or x.ndim != y.ndim or x.ndim < 2 or len(x) != len(y):
        return [(x, y)]
    numbers = math.prod(_broadcast(x.shape[1:], y.shape[1:]))
    rows = max(1, _CACHED * torch.get_num_threads() // max(1, numbers))
    return list(zip(x.split(rows), y.split(rows), strict=True))


def _broadcast(a: torch.Size, b: torch.Size) -> tuple[int, ...]:
    # torch.broadcast_shapes does the same, and its first call loads sympy: half a second of CPU.
    return np.broadcast_shapes(tuple(a), tuple(b))


def sort_ends(y: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Right ends in slots [..., D, C], descending over D, and the column of y that each came from, [..., D * C]."""
    ends, order = y.unflatten(-1, (-1, size)).sort(dim=-1, descending=True)
    first = torch.arange(0, y.shape[-1], size, device=y.device).unsqueeze(-1)
    return ends.mT.contiguous(), (order + first).mT.flatten(-2)


def take(values: Tensor, columns: Tensor, size: int) -> Tensor:
    """Return columns of values [..., C * D] in slots [..., D, C], broadcasting."""
    shape = _broadcast(values.shape, columns.shape)
    return values.expand(shape).gather(-1, columns.expand(shape)).unflatten(-1, (size, -1))


def measure(starts: Tensor, ends: Tensor, marks: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Return the length [..., C] from left and right ends in slots [..., D, C] (`starts` has the full shape).

    `marks` (two bool tensors like `starts`) are filled: whether a slot's left end extends the union, and whether its
    right end is the end of a new segment.
    """
    length = torch.zeros_like(starts.select(-2, 0))
    reach = torch.full_like(length, torch.inf)
    top = torch.empty_like(length)
    for j in range(starts.shape[-2]):
        start, end = starts.select(-2, j), ends.select(-2, j)
        torch.minimum(end, reach, out=top)
        if marks is not None:
            torch.lt(start, top, out=marks[0].select(-2, j))
            # Where two intervals touch, both are taken for segments: as good a subgradient as their union. A strict
            # comparison would miss the end of a segment if an empty interval [y_j, y_j] came before it.
            torch.le(end, reach, out=marks[1].select(-2, j))
        length.add_(top.sub_(start).relu_())
        torch.minimum(reach, start, out=reach)
    return length


class _UnionLength(torch.autograd.Function):
    """The length and its gradient: -1 at the left and +1 at the right end of each segment of the union.

    Autograd through the loop gives the same numbers, but takes five to eight times as long and keeps every
    intermediate of [..., C] alive; here two bits per interval are kept.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, size: int) -> Tensor:
        ends, columns = sort_ends(y, size)
        starts = take(x, columns, size)
        if not any(ctx.needs_input_grad):
            return measure(starts, ends)
        extends = torch.empty_like(starts, dtype=torch.bool)
        closes = torch.empty_like(extends)
        length = measure(starts, ends, (extends, closes))
        closes &= extends
        ctx.save_for_backward(_first_of_segments(extends, closes), closes, columns)
        ctx.shapes, ctx.size = (x.shape, y.shape), size
        return length

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        opens, closes, columns = ctx.saved_tensors
        grad = grads[0].unsqueeze(-2)
        back = torch.empty_like(columns)
        back.scatter_(-1, columns, torch.arange(columns.shape[-1], device=columns.device).expand_as(columns))
        x_grad = y_grad = None
        if ctx.needs_input_grad[0]:
            by_slot = (grad * opens).flatten(-2)
            x_grad = by_slot.gather(-1, back.expand(by_slot.shape)).sum_to_size(ctx.shapes[0]).neg()
        if ctx.needs_input_grad[1]:
            # The slots are those of y: summing over what was broadcast comes first, putting in place last.
            y_grad = (grad * closes).flatten(-2).sum_to_size(ctx.shapes[1]).gather(-1, back)
        return x_grad, y_grad, None


def _first_of_segments(extends: Tensor, closes: Tensor) -> Tensor:
    """Mark the left end of each segment: the last slot that extends it before the next segment's right end."""
    opens = torch.empty_like(extends)
    taken = torch.zeros_like(extends.select(-2, 0))
    for j in reversed(range(extends.shape[-2])):
        extend = extends.select(-2, j)
        torch.gt(extend, taken, out=opens.select(-2, j))  # extends and not yet taken
        taken.logical_or_(extend)
        torch.gt(taken, closes.select(-2, j), out=taken)  # a right end: what lies above belongs to another segment
    return opens
