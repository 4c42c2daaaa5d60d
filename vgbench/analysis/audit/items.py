"""What tasks tell of recipes: how many separate them, whether they agree with the rest, how many would be needed.

An item is a task of a seed: with another data seed come other layouts, and so other tasks.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import ceil, sqrt
from statistics import NormalDist, correlation, median

import numpy as np
from numpy.typing import NDArray

Solved = Mapping[int, Mapping[str, Sequence[float]]]
"""Whether each task was solved (0 or 1): by seed, by recipe."""

RECIPES = 3
"""Fewest recipes from which a task can agree with the rest."""
DRAWS = 100
"""Tables that are drawn to see what chance alone makes of tasks that agree."""


def informative(solved: Solved) -> float | None:
    """Return the share of items that some recipes solve and others miss; None without two recipes on the same tasks."""
    items = [item for seed in _full(solved, 2) for item in zip(*solved[seed].values(), strict=True)]
    return sum(0 < sum(item) < len(item) for item in items) / len(items) if items else None


def item_rest(solved: Solved) -> list[float]:
    """Return the item-rest correlation of each informative item: over recipes, whether they solve it against how many
    of the other tasks they solve. Items whose rest does not vary are left out.
    """
    return [value for *_, value in _correlated(solved)]


def against(solved: Solved) -> list[tuple[int, int, float, float]]:
    """Return the items on which better recipes do worse: seed, task, share of the recipes that solve it, correlation.

    The correlation is that of `item_rest`.
    """
    return [(seed, task, share, value) for seed, task, share, value in _correlated(solved) if value < 0]


def _correlated(solved: Solved) -> Iterator[tuple[int, int, float, float]]:
    """Yield seed, task, share of the recipes that solve it and item-rest correlation, of items that have one."""
    for seed in _full(solved, RECIPES):
        rows = list(solved[seed].values())
        totals = [sum(row) for row in rows]
        for task, item in enumerate(zip(*rows, strict=True)):
            rest = [total - one for total, one in zip(totals, item, strict=True)]
            if len(set(item)) > 1 and len(set(rest)) > 1:
                yield seed, task, sum(item) / len(item), correlation(item, rest)


def negative_share(correlations: Sequence[float]) -> float:
    """Return the share of correlations below 0; at least one."""
    return sum(x < 0 for x in correlations) / len(correlations)


def expected_negative(solved: Solved) -> float | None:
    """Return the share of items with a negative correlation that chance makes where all tasks rank recipes alike.

    Few recipes, or recipes much alike, make a correlation negative by chance. Tables are drawn from the model of Rasch
    1960, "Probabilistic models for some intelligence and attainment tests", fitted to the rates of recipes and items.
    None without recipes enough.
    """
    generator = np.random.default_rng(0)
    shares = []
    for seed in _full(solved, RECIPES):
        chances = _rasch(np.array(list(solved[seed].values())))
        for _ in range(DRAWS):
            drawn = (generator.random(chances.shape) < chances).astype(float)
            found = item_rest({seed: dict(zip(solved[seed], drawn.tolist(), strict=True))})
            shares += [negative_share(found)] if found else []
    return float(np.mean(shares)) if shares else None


def _rasch(table: NDArray[np.float64], steps: int = 500) -> NDArray[np.float64]:
    """Probabilities that recipes solve items [R, T], from who solved what [R, T].

    By penalised likelihood: abilities and difficulties have normal priors, without which an item that all solve, or
    none, has no finite one.
    """
    ability, difficulty = np.zeros((len(table), 1)), np.zeros((1, table.shape[1]))
    # Newton steps on each side by turns; a binary item has an information of at most 1/4.
    for _ in range(steps):
        off = table - 1 / (1 + np.exp(difficulty - ability))
        ability += (off.sum(1, keepdims=True) - 0.05 * ability) / (table.shape[1] / 4 + 0.05)
        off = table - 1 / (1 + np.exp(difficulty - ability))
        difficulty -= (off.sum(0, keepdims=True) + 0.3 * difficulty) / (len(table) / 4 + 0.3)
    return 1 / (1 + np.exp(difficulty - ability))


def discordance(solved: Solved) -> float | None:
    """Return the median, over pairs of recipes, of the share of tasks that one solves and the other misses."""
    shares: dict[tuple[str, str], list[float]] = {}
    for recipes in solved.values():
        for (name_a, a), (name_b, b) in combinations(sorted(recipes.items()), 2):
            shares.setdefault((name_a, name_b), []).extend(float(x != y) for x, y in zip(a, b, strict=True))
    return median(sum(row) / len(row) for row in shares.values()) if shares else None


def tasks_needed(difference: float, discordant: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return how many tasks McNemar's test needs to find a difference with a power.

    The normal approximation of Connett, Smith and McHugh 1987, "Sample size and power for pair-matched case-control
    studies".

    Args:
        difference: of two success rates on the same tasks, above 0.
        discordant: share of the tasks on which the two differ; at least `difference`, as one that is smaller cannot be.
        alpha: two-sided level.
        power: probability to find it.
    """
    discordant = max(discordant, difference)
    z_alpha, z_power = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)
    size = (z_alpha * sqrt(discordant) + z_power * sqrt(discordant - difference**2)) / difference
    # Rounded first: 100.00000000000001 tasks are 100.
    return ceil(round(size**2, 6))


def _full(solved: Solved, fewest: int) -> list[int]:
    """Seeds that at least so many recipes have."""
    return [seed for seed in sorted(solved) if len(solved[seed]) >= fewest]
