"""Layouts of the maze: which of its cells are open.

A layout is an array [width, height], `layout[i, j]` for the cell with index i along x and j along y, or a code, an
integer. Cell (i, j) is number `height` i + j.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

EXACT_CELLS = 62
"""Up to so many cells a code has a bit for each cell; beyond, it is a hash."""


@dataclass(frozen=True)
class Grid:
    """The cells of a maze, without the ring of walls around them.

    Codes of up to 62 cells have bit `height` i + j set if that cell is open. Those of more cells are sums of 64-bit
    weights of the open cells: each process remembers which layout a code stands for, and refuses another of that code.

    Attributes:
        width: cells along x.
        height: cells along y.
    """

    width: int
    height: int

    _weights: ClassVar[dict[tuple[int, int], np.ndarray]] = {}
    _known: ClassVar[dict[tuple[int, int], dict[int, np.ndarray]]] = {}

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.width * self.height

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a layout: width and height."""
        return self.width, self.height

    @property
    def exact(self) -> bool:
        """Whether a code holds the layout itself."""
        return self.cells <= EXACT_CELLS

    def weights(self) -> np.ndarray:
        """Return what each open cell adds to a code, [cells] int64: powers of two, or pseudorandom numbers."""
        if self.shape not in self._weights:
            found = 1 << np.arange(min(self.cells, EXACT_CELLS), dtype=np.int64)
            if not self.exact:
                found = np.random.PCG64(self.width << 32 | self.height).random_raw(self.cells).view(np.int64)
            self._weights[self.shape] = found
        return self._weights[self.shape]

    def encode(self, layouts: np.ndarray) -> np.ndarray:
        """Return codes [...] int64 of layouts [..., width, height].

        Raises:
            ValueError: the shape is another one, or two layouts have one code (for hashes: about never).
        """
        if np.shape(layouts)[-2:] != self.shape:
            raise ValueError(
                f"maze: a layout of {' x '.join(map(str, np.shape(layouts)[-2:]))} cells; expected "
                f"{self.width} x {self.height}, as maze.cells or maze.map says"
            )
        flat = np.asarray(layouts).reshape(*np.shape(layouts)[:-2], self.cells) != 0
        codes: np.ndarray = flat @ self.weights()
        if not self.exact:
            self._remember(codes.reshape(-1), flat.reshape(-1, self.cells))
        return codes

    def decode(self, codes: ArrayLike) -> np.ndarray:
        """Return layouts [..., width, height] uint8 (1: open) of codes [...].

        Raises:
            KeyError: a hash that no layout of this process has had.
        """
        codes = np.asarray(codes, np.int64)
        if self.exact:
            return ((codes[..., None] & self.weights()) != 0).astype(np.uint8).reshape(*codes.shape, *self.shape)
        different, rows = np.unique(codes, return_inverse=True)
        known = self._known.get(self.shape, {})
        table = np.array([known[code] for code in different.tolist()], np.uint8).reshape(-1, self.cells)
        return table[rows.reshape(-1)].reshape(*codes.shape, *self.shape)

    def distances(self, code: int) -> np.ndarray:
        """Return the least numbers of steps between cells, [cells, cells] int; -1 where there is no path."""
        return _distances(self, code)

    def spread(self, cells: np.ndarray) -> np.ndarray:
        """Return sets of cells [..., width, height] bool with their neighbours on the four sides."""
        found = cells.copy()
        found[..., 1:, :] |= cells[..., :-1, :]
        found[..., :-1, :] |= cells[..., 1:, :]
        found[..., 1:] |= cells[..., :-1]
        found[..., :-1] |= cells[..., 1:]
        return found

    def longest(self, layouts: np.ndarray, most: int | None = None) -> np.ndarray:
        """Return the longest of the shortest paths in layouts [L, width, height], [L] int.

        -1 where some open cells have no path to others; `most` + 1 stands for any larger number.
        """
        is_open = np.asarray(layouts) != 0
        if not len(is_open):
            return np.zeros(0, np.int64)
        sources = np.eye(self.cells, dtype=bool).reshape(self.cells, *self.shape)
        # A path to itself for closed cells, so that they do not count below.
        reached = sources & is_open[:, None]
        steps = np.zeros(len(is_open), np.int64)
        for _ in range(self.cells if most is None else most + 1):
            further = self.spread(reached) & is_open[:, None]
            changed = (further != reached).any(axis=(1, 2, 3))
            if not changed.any():
                break
            steps += changed
            reached = further
        first = is_open.reshape(len(is_open), -1).argmax(axis=1)
        whole = (
            self.connected(is_open)
            if most is not None
            else (reached[np.arange(len(first)), first] == is_open).all(axis=(1, 2))
        )
        return np.where(whole, steps, -1)

    def connected(self, layouts: np.ndarray) -> np.ndarray:
        """Tell which layouts [L, width, height] have a path between any two open cells; [L] bool."""
        is_open = np.asarray(layouts) != 0
        if not len(is_open):
            return np.zeros(0, bool)
        first = is_open.reshape(len(is_open), -1).argmax(axis=1)
        reached = np.zeros((len(is_open), self.cells), bool)
        reached[np.arange(len(first)), first] = True
        reached = reached.reshape(is_open.shape) & is_open
        while True:
            further = self.spread(reached) & is_open
            if (further == reached).all():
                return np.asarray((reached == is_open).all(axis=(1, 2)))
            reached = further

    def _remember(self, codes: np.ndarray, flat: np.ndarray) -> None:
        """Keep the layouts [N, cells] of hashes [N]."""
        known = self._known.setdefault(self.shape, {})
        different, first, rows = np.unique(codes, return_index=True, return_inverse=True)
        for code, row in zip(different.tolist(), first.tolist(), strict=True):
            if code not in known:
                known[code] = flat[row].copy()
        table = np.array([known[code] for code in different.tolist()]).reshape(-1, self.cells)
        if (table[rows.reshape(-1)] != flat).any():
            raise ValueError(f"maze: two layouts of {self.width} x {self.height} cells have the same 64-bit hash")


@lru_cache(maxsize=8192)
def _distances(grid: Grid, code: int) -> np.ndarray:
    is_open = grid.decode(code) != 0
    reached = np.eye(grid.cells, dtype=bool).reshape(grid.cells, *grid.shape) & is_open
    result = np.where(reached, 0, -1)
    for steps in range(1, grid.cells):
        further = grid.spread(reached) & is_open
        new = further & ~reached
        if not new.any():
            break
        result[new] = steps
        reached = further
    result = result.reshape(grid.cells, grid.cells)
    # Cached: all callers share this array.
    result.setflags(write=False)
    return result
