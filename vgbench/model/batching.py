"""Blocks of one constant row count.

The last bits of a matrix product depend on its row count, and near-argmin weights turn them into other plans. So
networks see blocks of a constant number of rows, the last one padded, and a row's result does not depend on how many
other rows there are.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Rows = dict[str, Tensor]


def take_rows(rows: Rows, index: Tensor | slice) -> Rows:
    """Return some rows of every tensor."""
    return {name: value[index] for name, value in rows.items()}


def join_rows(parts: Sequence[Rows]) -> Rows:
    """Put rows one after another; all parts have the names of the first."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def padded(rows: Rows, start: int, size: int) -> Rows:
    """Return rows `start` to `start + size` of every tensor; what is missing repeats the block's first row."""
    if not rows:  # a planner that remembers nothing
        return {}
    block = {name: value[start : start + size] for name, value in rows.items()}
    missing = size - len(next(iter(block.values())))
    if missing:
        block = {n: torch.cat([v, v[:1].expand(missing, *v.shape[1:])]) for n, v in block.items()}
    return block


def in_blocks(function: Callable[[Rows], Tensor], rows: Rows, size: int) -> Tensor:
    """Apply a row-wise function to `rows`, `size` rows at a time, and join the results."""
    count = len(next(iter(rows.values())))
    parts = [function(padded(rows, start, size))[: min(size, count - start)] for start in range(0, count, size)]
    return torch.cat(parts)
