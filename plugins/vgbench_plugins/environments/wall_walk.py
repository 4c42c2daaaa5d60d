"""The law of random walks in the wall world: norms and headings of actions."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

KAPPA = 5.0
"""Concentration of the von Mises noise of headings (paper; PLDM's 1 / 0.2)."""


@dataclass(frozen=True)
class Walk:
    """How random actions are drawn: a normal norm within bounds, and the law of headings."""

    mean: float
    std: float
    low: float
    high: float
    persistent: bool
    clip: bool = False

    def norms(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw independent action norms in px: those beyond [low, high] are drawn again, or with `clip` set to it."""
        if self.clip:
            return np.clip(rng.normal(self.mean, self.std, shape), self.low, self.high)
        return truncated_normal(rng, shape, self.mean, self.std, self.low, self.high)

    def headings(self, rng: np.random.Generator, base: np.ndarray, steps: int, origin: np.ndarray) -> np.ndarray:
        """Draw headings [M, steps] in radians around `base` [M], which the action number `origin` [M] has exactly.

        A persistent walk adds independent von Mises increments, forwards and backwards from its origin; otherwise
        each heading is the base plus its own noise.
        """
        noise = rng.vonmises(0.0, KAPPA, (len(base), steps))
        if not self.persistent:
            return base[:, None] + noise
        path = np.cumsum(noise, axis=1)
        return base[:, None] + path - np.take_along_axis(path, origin[:, None], axis=1)


def truncated_normal(
    rng: np.random.Generator, shape: tuple[int, ...], mean: float, std: float, low: float, high: float
) -> np.ndarray:
    """Draw from a normal law conditioned on [low, high], by inversion."""
    lower, upper = ndtr((low - mean) / std), ndtr((high - mean) / std)
    # The law lies within the bounds already: only rounding is clipped.
    return np.clip(mean + std * ndtri(rng.uniform(lower, upper, shape)), low, high)
