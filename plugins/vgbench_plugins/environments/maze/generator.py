"""Which layouts there are: all those of 4 x 4 cells, in a list; larger ones, drawn at random.

Mirror images and rotations count as different layouts.

4 x 4: PLDM's generator opens each cell with probability 1/2 and rejects, so its layouts are equally likely; here they
are drawn uniformly from the list. It also closes crowded cells and then tests the rest, where we leave out those
layouts that have crowded cells.

Larger: HWM (which plans with hierarchies in PLDM's mazes) has 8 x 8 cells inside the ring of walls, 50 to 80 % of them
open, and longest shortest paths below 20 steps; it is `cells=8`, `open=[.5, .8]`, `longest=19` here. Connected layouts
are rare among random ones of that size, so that here they are grown (invasion percolation): each cell has a random
weight, and from a random one on the adjacent cell of least weight is opened, until a random share is. All connected
layouts occur, not equally often. There is no rule on crowded cells.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vgbench_plugins.environments.maze.layouts import Grid

CROWDED = 6
"""Most open cells among the eight around an open one, in 4 x 4: PLDM's generator closes those that have more."""
BLOCKS = 16
"""Blocks of candidates, of 8 to 512, among which one must be found, or there counts as none."""

PART = 512
"""Layouts that are measured at a time, to bound the memory."""


@dataclass(frozen=True)
class Rules:
    """What a layout must be to be drawn.

    Attributes:
        grid: its cells.
        least: number of open cells, at least.
        most: at most.
        longest: largest distance between two open cells, steps.
    """

    grid: Grid
    least: int
    most: int
    longest: int

    @property
    def listed(self) -> bool:
        """Whether all layouts are in a list."""
        return self.grid.cells == 16

    @property
    def block(self) -> int:
        """Candidates drawn at a time: so many that a block takes some 0.1 s."""
        return int(np.clip(2**20 // self.grid.cells**2, 8, 512))

    def allow(self, layouts: np.ndarray) -> np.ndarray:
        """Tell which layouts [L, width, height] keep the rules for large mazes; [L] bool."""
        number = (layouts != 0).sum(axis=(1, 2))
        good = (number >= self.least) & (number <= self.most)
        good[good] = self.grid.connected(layouts[good])
        length = self.grid.longest(layouts[good], self.longest)
        good[good] = (length >= 0) & (length <= self.longest)
        return good

    def blocks(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Draw layouts that keep the rules, block by block, [n, width, height] each, without end; n may be 0."""
        while True:
            layouts = _grow(rng, self.grid, self.block, self.least, self.most)
            yield layouts[self.allow(layouts)]

    def stream(self, rng: np.random.Generator, without: np.ndarray) -> Iterator[int]:
        """Draw codes of different layouts, one after the other, none of them among the codes `without`.

        Raises:
            ValueError: there seem to be no more; the message names `training_layouts`.
        """
        taken, blocks = set(without.tolist()), self.blocks(rng)
        while True:
            for _ in range(BLOCKS):
                fresh = [code for code in dict.fromkeys(self.grid.encode(next(blocks)).tolist()) if code not in taken]
                if fresh:
                    break
            else:
                raise ValueError(
                    f"maze: no layout but {len(taken)} found, in {BLOCKS * self.block} more drawn; expected a "
                    "smaller maze.training_layouts, or a wider maze.open or larger maze.longest"
                )
            taken.update(fresh)
            yield from fresh


@lru_cache(maxsize=16)
def all_codes(rules: Rules) -> np.ndarray:
    """Codes of all admissible layouts of 4 x 4, sorted: open cells, connected, and PLDM's two rules on their shape."""
    grid = rules.grid
    codes = np.arange(1 << grid.cells, dtype=np.int64)
    number = grid.decode(codes).sum(axis=(1, 2))
    codes = codes[(number >= max(rules.least, 1)) & (number <= rules.most)]
    codes = codes[~_crowded(grid.decode(codes))]
    codes = codes[grid.connected(grid.decode(codes))]
    codes = codes[longest_of(grid, codes) <= rules.longest]
    # Cached: all callers share this array.
    codes.setflags(write=False)
    return codes


@lru_cache(maxsize=16)
def all_longest(rules: Rules) -> np.ndarray:
    """Return the longest shortest path in each of `all_codes`, [L] int."""
    found = longest_of(rules.grid, all_codes(rules))
    # Cached, as those are.
    found.setflags(write=False)
    return found


def longest_of(grid: Grid, codes: np.ndarray) -> np.ndarray:
    """Return the longest shortest path in each of the layouts [L]; [L] int."""
    parts = range(0, len(codes), PART)
    found = [grid.longest(grid.decode(codes[first : first + PART])) for first in parts]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


@lru_cache(maxsize=64)
def longest_found(rules: Rules, enough: int) -> int:
    """Return the longest shortest path among all layouts, or among some that can be drawn; -1 without any.

    Of those that are drawn no more are looked at once one has `enough`.
    """
    if rules.listed:
        return int(all_longest(rules).max(initial=-1))
    blocks, found = rules.blocks(np.random.default_rng(0)), -1
    for _ in range(BLOCKS):
        found = max(found, int(rules.grid.longest(next(blocks)).max(initial=-1)))
        if found >= enough:
            break
    return found


def distinct(rng: np.random.Generator, rules: Rules, count: int) -> np.ndarray:
    """Draw codes [count] of different layouts.

    Raises:
        ValueError: there are not so many.
    """
    if rules.listed:
        return rng.choice(all_codes(rules), count, replace=False)
    stream = rules.stream(rng, np.zeros(0, np.int64))
    return np.array([next(stream) for _ in range(count)], np.int64)


def _grow(rng: np.random.Generator, grid: Grid, count: int, least: int, most: int) -> np.ndarray:
    """Grow connected layouts [count, width, height] bool of `least` to `most` open cells."""
    weight, target = rng.random((count, *grid.shape)), rng.integers(least, most + 1, count)
    is_open = np.zeros(weight.shape, bool)
    is_open.reshape(count, -1)[np.arange(count), rng.integers(grid.cells, size=count)] = True
    for number in range(1, most):
        beside = grid.spread(is_open) & ~is_open
        chosen = np.where(beside, weight, np.inf).reshape(count, -1).argmin(axis=1)
        growing = np.flatnonzero(number < target)
        is_open.reshape(count, -1)[growing, chosen[growing]] = True
    return is_open


def _crowded(layouts: np.ndarray) -> np.ndarray:
    """Whether layouts [N, w, h] have an open cell with more than `CROWDED` open ones around it; [N] bool."""
    _, width, height = layouts.shape
    padded = np.pad(layouts, ((0, 0), (1, 1), (1, 1)))
    blocks = np.stack([padded[:, i : i + width, j : j + height] for i in range(3) for j in range(3)])
    return np.any((blocks.sum(axis=0) - layouts > CROWDED) & (layouts > 0), axis=(1, 2))
