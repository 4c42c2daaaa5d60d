"""Layouts of the maze: which of the 4 x 4 cells are open.

A layout is an array [4, 4], `layout[i, j]` for the cell with index i along x and j along y, or a code: the integer
whose bit 4 i + j is set if that cell is open. All layouts are listed once (65,536 codes are few), so that drawing
some, all different, or some that are not among others, needs no rejection.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

CELLS = 4
"""Cells along a side."""
OPEN = (8, 9)
"""Numbers of open cells: 50 % to 60 % of 16 (paper, appendix)."""
LONGEST = 7
"""Largest distance between two open cells, steps: PLDM's map generator wants it below 8."""
CROWDED = 6
"""Most open cells among the eight around an open one: PLDM's generator closes those that have more."""

_BITS = 1 << np.arange(CELLS * CELLS, dtype=np.int64)
_FIRST_COLUMN = sum(1 << (CELLS * i) for i in range(CELLS))
_LAST_COLUMN = _FIRST_COLUMN << (CELLS - 1)


def encode(layouts: np.ndarray) -> np.ndarray:
    """Return codes [...] int64 of layouts [..., 4, 4]."""
    return (np.asarray(layouts).reshape(*np.shape(layouts)[:-2], CELLS * CELLS) != 0) @ _BITS


def decode(codes: ArrayLike) -> np.ndarray:
    """Return layouts [..., 4, 4] uint8 (1: open) of codes [...]."""
    codes = np.asarray(codes)
    return ((codes[..., None] & _BITS) != 0).astype(np.uint8).reshape(*codes.shape, CELLS, CELLS)


@lru_cache(maxsize=1)
def all_codes() -> np.ndarray:
    """Codes of all admissible layouts, sorted: 8 or 9 open cells, connected, and PLDM's two rules on their shape.

    Mirror images and rotations count as different layouts. PLDM's generator opens each cell with probability 1/2 and
    rejects, so its layouts are equally likely; here they are drawn uniformly from this list. It also closes crowded
    cells and then tests the rest, where we leave out those layouts that have crowded cells.
    """
    codes = np.arange(1 << (CELLS * CELLS), dtype=np.int64)
    layouts = decode(codes)
    codes = codes[np.isin(layouts.sum(axis=(1, 2)), OPEN) & ~_crowded(layouts)]
    good = np.ones(len(codes), bool)
    for bit in _BITS:
        reached = codes & bit
        # After so many steps all must be reached: connected, and no two cells further apart.
        for _ in range(LONGEST):
            reached = _spread(reached) & codes
        good &= ((codes & bit) == 0) | (reached == codes)
    codes = codes[good]
    # Cached: all callers share this array.
    codes.setflags(write=False)
    return codes


@lru_cache(maxsize=4096)
def distances(code: int) -> np.ndarray:
    """Least numbers of steps between cells, [16, 16] int; -1 where there is no path. Cell (i, j) is number 4 i + j."""
    result = np.full((CELLS * CELLS, CELLS * CELLS), -1)
    reached = _BITS & code
    for steps in range(CELLS * CELLS):
        here = (reached[:, None] & _BITS) != 0
        result[here & (result < 0)] = steps
        reached = _spread(reached) & code
    # Cached: all callers share this array.
    result.setflags(write=False)
    return result


def _spread(codes: np.ndarray) -> np.ndarray:
    """Sets of cells [...] and their neighbours on the four sides (bits beyond the grid may be set along x)."""
    # The masks keep a shift from moving a cell into the next line of cells.
    along_y = ((codes & ~_LAST_COLUMN) << 1) | ((codes & ~_FIRST_COLUMN) >> 1)
    return codes | along_y | (codes << CELLS) | (codes >> CELLS)


def _crowded(layouts: np.ndarray) -> np.ndarray:
    """Whether layouts [N, 4, 4] have an open cell with more than `CROWDED` open ones around it; [N] bool."""
    padded = np.pad(layouts, ((0, 0), (1, 1), (1, 1)))
    blocks = np.stack([padded[:, i : i + CELLS, j : j + CELLS] for i in range(3) for j in range(3)])
    return np.any((blocks.sum(axis=0) - layouts > CROWDED) & (layouts > 0), axis=(1, 2))
