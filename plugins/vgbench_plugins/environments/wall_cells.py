"""Coarse cells of the wall world's two rooms: where data have been, and where they have not.

A room is divided into 4 columns and 8 rows. The columns follow the room's width, so that trajectories of different
layouts can be counted together. The door between the rooms has no cell: every way from one to the other leads through.
"""

import numpy as np

from vgbench_plugins.environments.wall_geometry import GAP, HALF_WALL, HIGH, LOW

COLUMNS, ROWS = 4, 8
"""Columns of each room, and rows."""
CELLS = 2 * COLUMNS * ROWS
DRAWN = CELLS // 8
"""Cells from which the coverage policy draws at a time: the eighth that has the fewest visits."""


def cell_of(position: np.ndarray, layout: np.ndarray) -> np.ndarray:
    """Number of the cell (side, column, row) of free positions [..., 2] in layouts [..., 2]; -1 in the door."""
    x, wall = position[..., 0], layout[..., 0]
    left, right = wall - HALF_WALL, wall + HALF_WALL
    side = x > wall
    share = np.where(side, (x - right) / (HIGH - right), (x - LOW) / (left - LOW))
    column = np.clip(share * COLUMNS, 0, COLUMNS - 1).astype(np.int64)
    row = np.clip((position[..., 1] - LOW) / (HIGH - LOW) * ROWS, 0, ROWS - 1).astype(np.int64)
    return np.where((x > left) & (x < right), -1, (side * COLUMNS + column) * ROWS + row)


def points_in(rng: np.random.Generator, cells: np.ndarray, layout: np.ndarray) -> np.ndarray:
    """Draw uniform free points [M, 2] in cells [M] of layouts [M, 2]."""
    side, column, row = np.unravel_index(cells, (2, COLUMNS, ROWS))
    low = np.where(side == 0, LOW, layout[:, 0] + HALF_WALL) + GAP
    high = np.where(side == 0, layout[:, 0] - HALF_WALL, HIGH) - GAP
    u, v = rng.random((2, len(cells)))
    x = low + (high - low) * (column + u) / COLUMNS
    return np.stack([x, LOW + GAP + (HIGH - LOW - 2 * GAP) * (row + v) / ROWS], axis=-1)


def figures(counts: np.ndarray) -> dict[str, float]:
    """Coverage of visits per cell [K]: the share of cells with any, how even they are, and how rare the rarest.

    The evenness is the entropy of the visits over its largest value, log K: 1 if all cells have as many, 0 if one has
    them all. The rarest cell's visits are given as a share of those of the mean cell.
    """
    share = counts / max(counts.sum(), 1)
    # 0 log 0 counts as 0.
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum()
    return {
        "share_cells_visited": float((counts > 0).mean()),
        "cell_evenness": float(entropy / np.log(len(counts))),
        "rarest_cell_over_mean": float(share.min() * len(counts)),
    }


class Visits:
    """How often each cell has been visited, and which have been visited least."""

    def __init__(self) -> None:
        """No visits yet."""
        self.counts = np.zeros(CELLS, np.int64)

    def add(self, position: np.ndarray, layout: np.ndarray) -> None:
        """Count positions [..., 2] in layouts [..., 2]."""
        cells = cell_of(position, layout)
        self.counts += np.bincount(cells[cells >= 0].ravel(), minlength=CELLS)

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw cells [count] among the `DRAWN` least visited (ties by chance): each equally often, in random order."""
        # lexsort ranks by its last key; the random one decides between equal counts.
        order = np.lexsort((rng.random(CELLS), self.counts))[:DRAWN]
        return rng.permutation(np.resize(order, count))
