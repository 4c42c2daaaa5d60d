"""Who collects the maze's data: random actions turned towards goals, for experts, mixtures and coverage.

The paper's discussion asks what data suit value learning: expert trajectories, or diverse ones that reach the whole
space. A guided trajectory keeps the norms that the law of the data gave its actions, as far as it can turn in time.

"navigate" and "stitch" are after OGBench's (Park et al. 2025): noisy experts to goals anywhere, or near their start, so
that long ways have to be put together of many trajectories. With OGBench's stitch the agent stays at its one goal; here
it goes on to others that are as near to its start.
"""

from collections.abc import Callable

import numpy as np

from vgbench_plugins.environments.maze.coverage import Visits
from vgbench_plugins.environments.maze.data import free_positions
from vgbench_plugins.environments.maze.layouts import Grid
from vgbench_plugins.environments.maze.physics import cell_of

KAPPA = {"expert": 50.0, "mixed": 50.0, "coverage": 5.0, "navigate": 5.0, "stitch": 5.0}
"""Concentration of the von Mises noise on the directions: 50 are 8 degrees, 5 are 27."""
NEAR = 4
"""Goals of the policy "stitch" are at most so many cells from the trajectory's start, along the shortest path."""
ARRIVED = 0.25
"""A goal this near, cells, is reached, and followed by another."""
BATCH = 64
"""Trajectories that the coverage policy runs at once: each batch starts where those before it have been least."""

Velocities = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Codes [M], positions [M, 2] and goals [M, 2] -> velocities of an expert [M, 2]."""


class Guide:
    """Turns the actions of some of N trajectories towards goals, which it draws."""

    def __init__(
        self,
        policy: str,
        share: float,
        grid: Grid,
        codes: np.ndarray,
        velocities: Velocities,
        rng: np.random.Generator,
    ) -> None:
        """Choose the trajectories that are guided: none, all, or `share` of the codes [N] if the policy is "mixed"."""
        self._grid, self._codes, self._velocities, self._rng = grid, codes, velocities, rng
        self._visits = Visits(grid, codes) if policy == "coverage" else None
        self._kappa = KAPPA.get(policy, 0.0)
        # Cells [N, cells] in which goals may be; None: all.
        self._near = np.zeros((len(codes), grid.cells), bool) if policy == "stitch" else None
        self._goal = np.zeros((len(codes), 2))
        self.guided = np.full(len(codes), policy != "random")
        if policy == "mixed":
            self.guided = rng.permutation(np.arange(len(codes)) < round(share * len(codes)))
        self.reached = 0

    def blocks(self) -> list[np.ndarray]:
        """Return the rows of the trajectories that are run together, in the order in which they are run."""
        rows = np.arange(len(self._codes))
        return [rows] if self._visits is None else np.split(rows, np.arange(BATCH, len(rows), BATCH))

    def begin(self, rows: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Return starts [R, 2] of trajectories [R]: the given positions, or the policy's own. Draws the first goals."""
        if self._visits is not None:
            position = self._draw(rows)
        if self._near is not None:
            cells = cell_of(self._grid, position)
            steps = np.stack(
                [self._grid.distances(c)[a] for c, a in zip(self._codes[rows].tolist(), cells, strict=True)]
            )
            self._near[rows] = (steps >= 0) & (steps <= NEAR)
        guided = rows[self.guided[rows]]
        self._goal[guided] = self._draw(guided)
        return position

    def turn(self, rows: np.ndarray, position: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Return actions [R, 2] of trajectories [R] at positions [R, 2], made of those that were drawn, [R, 2]."""
        if self._visits is not None:
            self._visits.add(self._codes[rows], position)
        which = self.guided[rows]
        guided, here = rows[which], position[which].astype(np.float64)
        if not len(guided):
            return drawn
        there = np.linalg.norm(self._goal[guided] - here, axis=-1) < ARRIVED
        self._goal[guided[there]] = self._draw(guided[there])
        self.reached += int(there.sum())
        wanted = self._velocities(self._codes[guided], here, self._goal[guided])
        speed = np.minimum(np.linalg.norm(wanted, axis=-1), np.linalg.norm(drawn[which], axis=-1))
        angle = np.arctan2(wanted[:, 1], wanted[:, 0]) + self._rng.vonmises(0.0, self._kappa, len(guided))
        actions = drawn.copy()
        actions[which] = speed[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        return actions

    def figures(self) -> dict[str, float]:
        """Return what the card says of the guided trajectories."""
        count = int(self.guided.sum())
        return {"guided_trajectories": count, "mean_goals_reached": self.reached / count} if count else {}

    def _draw(self, rows: np.ndarray) -> np.ndarray:
        """Free positions [R, 2] for trajectories [R]."""
        codes = self._codes[rows]
        if self._visits is not None:
            return self._visits.draw(self._rng, codes)
        return free_positions(self._rng, self._grid, codes, None if self._near is None else self._near[rows])
