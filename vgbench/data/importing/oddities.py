"""What is no fault of a recording, but worth a look before anything is trained on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vgbench.data.importing.recording import Episode

ROWS = 256
"""Actions of an episode that quantiles are taken of, at most."""
LEAST = 200
"""Actions without which nothing is said of outliers."""
OUTLIER = 10.0
"""Times the 99th percentile from which on the largest action is one."""
PADDED = 3
"""Steps at the end of an episode in which nothing acts or changes, from which on they may be padding."""


@dataclass
class Oddities:
    """Collected episode by episode.

    Attributes:
        sample: actions [n, A] of each episode, spread over it.
        padding: steps at the end of each episode in which the action is 0 and no observation changes.
    """

    sample: list[np.ndarray] = field(default_factory=list)
    padding: list[int] = field(default_factory=list)

    def add(self, episode: Episode) -> None:
        """Look at one with vectors as actions."""
        actions = episode.actions
        at = np.linspace(0, len(actions) - 1, min(ROWS, len(actions))).astype(np.int64)
        self.sample.append(np.abs(actions[at].astype(np.float64)))
        acts = np.flatnonzero((actions != 0).any(axis=1))
        quiet = len(actions) - (int(acts[-1]) + 1 if len(acts) else 0)
        if quiet >= PADDED:
            for array in episode.observations.values():
                rows = array[len(array) - quiet - 1 :].reshape(quiet + 1, -1)
                moved = np.flatnonzero((rows[:-1] != rows[-1]).any(axis=1))
                quiet = min(quiet, quiet - (int(moved[-1]) + 1 if len(moved) else 0))
                if quiet < PADDED:
                    break
        self.padding.append(quiet)

    def notes(self, fields: Mapping[str, str], low: np.ndarray, high: np.ndarray) -> list[str]:
        """Say what was found; `low` and `high` [A] are the range of the actions."""
        where = f"field {fields['actions']!r}"
        return [*self._constant(where, low, high), *self._outliers(where, low, high), *self._padding()]

    def _constant(self, where: str, low: np.ndarray, high: np.ndarray) -> list[str]:
        still = np.flatnonzero(low >= high)
        if not len(still):
            return []
        if len(still) == len(low):
            return [f"{where}: all actions are the same, so nothing can be learned of what they do"]
        named = ", ".join(f"{number} (always {low[number]:.4g})" for number in still[:6])
        more = ", ..." if len(still) > 6 else ""
        return [
            f"{where}: components that never change: {named}{more}; a planner will try other values of them, whose "
            "effect nobody knows: leave them out"
        ]

    def _outliers(self, where: str, low: np.ndarray, high: np.ndarray) -> list[str]:
        sample = np.concatenate(self.sample) if self.sample else np.zeros((0, 1))
        if len(sample) < LEAST:
            return []
        usual, largest = np.quantile(sample, 0.99, axis=0), np.maximum(np.abs(low), np.abs(high))
        found = np.flatnonzero((largest > OUTLIER * usual) & (usual > 0))
        if not len(found):
            return []
        worst = int(found[np.argmax(largest[found] / usual[found])])
        return [
            f"{where}: component {worst} reaches {largest[worst]:.4g}, but 99 % of its actions are within "
            f"{usual[worst]:.4g}: outliers set the range in which plans are made; --action-range LOW:HIGH clips them"
        ]

    def _padding(self) -> list[str]:
        padded = [count for count in self.padding if count >= PADDED]
        if len(padded) < max(2, len(self.padding) / 4):
            return []
        return [
            f"{len(padded)} of {len(self.padding)} episodes end with steps in which the action is 0 and nothing "
            f"changes (median {np.median(padded):g}): if that is padding, say where episodes end with --map "
            "episodes=FIELD (their lengths, or flags of last rows)"
        ]
