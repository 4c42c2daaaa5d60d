"""Quarters of the maze's open cells: where the data of a layout have been, and where they have not."""

import numpy as np

from vgbench_plugins.environments.maze.layouts import Grid
from vgbench_plugins.environments.maze.physics import FIRST_MIDDLE, RADIUS, clearance

DRAWN = 4
"""Quarters from which the coverage policy draws at a time: the least visited of a layout."""


def quarter_of(grid: Grid, position: np.ndarray) -> np.ndarray:
    """Return the number 2 height i + j of the quarters of cells that hold positions [..., 2]; [...] int."""
    index = np.clip(np.floor(2 * (position - (FIRST_MIDDLE - 0.5))), 0, 2 * np.array(grid.shape) - 1).astype(np.int64)
    return index[..., 0] * 2 * grid.height + index[..., 1]


def open_quarters(grid: Grid, codes: np.ndarray) -> np.ndarray:
    """Tell whether quarters are open in layouts [L]; [L, 4 cells] bool."""
    return np.repeat(np.repeat(grid.decode(codes) != 0, 2, axis=-2), 2, axis=-1).reshape(len(codes), -1)


class Visits:
    """How often each quarter of each layout has been visited."""

    def __init__(self, grid: Grid, codes: np.ndarray) -> None:
        """No visits yet, in the layouts among the codes [N]."""
        self.grid = grid
        self.codes = np.unique(codes)
        self.counts = np.zeros((len(self.codes), 4 * grid.cells), np.int64)
        self._open = open_quarters(grid, self.codes)

    def add(self, codes: np.ndarray, position: np.ndarray) -> None:
        """Count positions [M, ..., 2] in layouts [M]."""
        layout = np.searchsorted(self.codes, codes).reshape(-1, *[1] * (position.ndim - 2))
        # Not `+=`, which counts a quarter once that occurs twice.
        np.add.at(self.counts, (np.broadcast_to(layout, position.shape[:-1]), quarter_of(self.grid, position)), 1)

    def draw(self, rng: np.random.Generator, codes: np.ndarray) -> np.ndarray:
        """Draw free positions [M, 2] in layouts [M], each in one of the `DRAWN` least visited quarters."""
        layout = np.searchsorted(self.codes, codes)
        # Closed quarters come last, behind any number of visits.
        counts = np.where(self._open, self.counts, np.iinfo(np.int64).max)
        # lexsort ranks by its last key; the random one decides between equal counts.
        order = np.lexsort((rng.random(counts.shape), counts), axis=1)[:, :DRAWN]
        quarter = order[layout, rng.integers(0, DRAWN, len(codes))]
        low = np.stack(np.divmod(quarter, 2 * self.grid.height), axis=-1) / 2 + FIRST_MIDDLE - 0.5
        position, pending = low.copy(), np.arange(len(codes))
        while len(pending):
            position[pending] = low[pending] + rng.uniform(0, 0.5, (len(pending), 2))
            pending = pending[clearance(self.grid, codes[pending], position[pending]) <= RADIUS]
        return position

    def figures(self) -> dict[str, float]:
        """Coverage of open quarters, means over layouts: the share with visits, their evenness, how rare the rarest.

        The evenness is the entropy of a layout's visits over its largest value, the logarithm of the number of open
        quarters. The rarest quarter's visits are given as a share of those of the mean quarter.
        """
        number = self._open.sum(axis=1)
        share = self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        # 0 log 0 counts as 0.
        entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1)
        rarest = np.where(self._open, share, np.inf).min(axis=1)
        return {
            "share_quarters_visited": float(((self.counts > 0) & self._open).sum(axis=1).mean() / number.mean()),
            "quarter_evenness": float((entropy / np.log(number)).mean()),
            "rarest_quarter_over_mean": float((rarest * number).mean()),
        }
