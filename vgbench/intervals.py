"""Intervals over tasks and training seeds: of tasks like these and, where there are several seeds, of seeds like these.

Scores `rows[seed][task]` vary with the task, with the seed, and by what is left of both. An analysis of variance tells
the three apart. Where the seeds share their tasks, a hard task is hard for all of them, and more seeds do not make more
of it. Where each seed has tasks of its own, all tasks are independent, and only what the seeds differ by is missing.
How often the intervals hold the true value is simulated by `python -m benchmarks.coverage`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from vgbench.statistics import Interval, score_interval, square_and_add

Rows = Sequence[Sequence[float]]
_SMALLEST = 1e-12
"""Below it no p-value is told from another one."""


class _Spread(NamedTuple):
    """What an analysis of variance says of the scores of S seeds on n tasks each.

    Attributes:
        mean: of all scores.
        square: variance of the mean, times S x n; one independent score a task and seed would have its own variance.
        tasks: n, with the pseudo-tasks.
    """

    mean: float
    square: float
    tasks: float


def _spread(rows: Rows, shared: bool, confidence: float, pseudo: Sequence[float], weight: float) -> _Spread:
    """Estimate the variance of the mean score, with pseudo-tasks of the scores `pseudo` added for every seed.

    The mean square between tasks beyond the residual one, and the mean square between seeds as Korn and Graubard (1998)
    take it: times the square of Student's to the normal quantile, S - 1 degrees of freedom, and not below the residual
    one, since seeds that agree better than chance allows say nothing of other seeds (components of variance of two
    crossed factors: Searle, Casella and McCulloch 1992, chapter 4). Where each seed has tasks of its own there is no
    component of tasks, and the residual is that within seeds.
    """
    import numpy as np

    seeds, added = len(rows), np.asarray(pseudo)
    if not shared or seeds == 1:
        return _own_spread(rows, confidence, added, weight)
    table = np.asarray(rows, dtype=float)
    tasks = table.shape[1] + weight * len(added)
    means = (table.sum(1) + weight * added.sum()) / tasks
    mean = float(means.mean())
    # Sums of squares; a pseudo-task has the same score for every seed.
    total = ((table - mean) ** 2).sum() + seeds * weight * ((added - mean) ** 2).sum()
    of_seeds = tasks * float(((means - mean) ** 2).sum())
    of_tasks = seeds * (((table.mean(0) - mean) ** 2).sum() + weight * ((added - mean) ** 2).sum())
    # Rounding may leave less than nothing.
    residual = max(total - of_seeds - of_tasks, 0.0) / ((seeds - 1) * (tasks - 1))
    between_tasks = max(of_tasks / (tasks - 1) - residual, 0.0)
    return _Spread(mean, float(between_tasks + max(_student(seeds, confidence) * of_seeds, residual)), tasks)


def _own_spread(rows: Rows, confidence: float, added: Any, weight: float) -> _Spread:
    """As `_spread`, of one seed or of seeds with tasks of their own: `tasks` is the harmonic mean of their numbers.

    The variance of the mean of S rates on n_s tasks each is that of a task over S, times the mean of 1 / n_s.
    """
    import numpy as np

    seeds, sizes = len(rows), np.array([len(row) + weight * len(added) for row in rows])
    tasks = float(seeds / (1 / sizes).sum())
    means = np.array([(np.sum(row) + weight * added.sum()) / size for row, size in zip(rows, sizes, strict=True)])
    within = [
        ((np.asarray(row) - mean) ** 2).sum() + weight * ((added - mean) ** 2).sum()
        for row, mean in zip(rows, means, strict=True)
    ]
    residual = float((np.array(within) / (sizes - 1)).mean())
    mean = float(means.mean())
    if seeds == 1:
        return _Spread(mean, residual, tasks)
    of_seeds = tasks * float(((means - mean) ** 2).sum())
    return _Spread(mean, max(_student(seeds, confidence) * of_seeds, residual), tasks)


def _student(seeds: int, confidence: float) -> float:
    """Square of Student's to the normal quantile, over the degrees of freedom between S seeds."""
    from scipy.special import ndtri, stdtrit

    upper = (1 + confidence) / 2
    return float((stdtrit(seeds - 1, upper) / ndtri(upper)) ** 2 / (seeds - 1))


def rate_interval(rows: Rows, shared: bool = True, confidence: float = 0.95) -> tuple[float, float, str]:
    """Return the interval of a rate on tasks like these, and its kind.

    One seed: Wilson's (`wilson`), which speaks of this checkpoint. Several: Wilson's with the number of tasks that
    would be as good as these S x n, were each one independent: S x n over the design effect, the ratio of the variance
    of the mean to that of independent tasks (Kish 1965; with Wilson's interval Korn and Graubard 1998, Dean and Pagano
    2015). A quarter of a task that all seeds solve and a quarter of one that none solves go into the ratio, so that
    rates of 0 and 1 have one, too; they count as tasks that seeds agree on.

    Seeds may have different numbers of tasks of their own, as groups of tasks may: the interval is around the mean of
    their rates, and n is the harmonic mean.

    Args:
        rows: S seeds x n tasks: scores from 0 to 1, mostly successes.
        shared: whether the columns are the same tasks for all seeds (`wilson_over_seeds`), or each seed has tasks of
            its own (`wilson_own_tasks`).
        confidence: how often it ought to hold the rate.

    Raises:
        ValueError: the seeds have different numbers of shared tasks, or there is none.
    """
    import numpy as np

    _checked(rows if shared else [row[:1] for row in rows])
    mean = float(np.mean([np.mean(row) for row in rows]))
    count = len(rows) ** 2 / sum(1 / len(row) for row in rows)
    if len(rows) == 1:
        return (*score_interval(mean, count, confidence), "wilson")
    spread = _spread(rows, shared, confidence, (0.0, 1.0), 0.25)
    independent = spread.mean * (1 - spread.mean) * spread.tasks / (spread.tasks - 1)
    # A task and seed never counts for more than one.
    effect = max(spread.square / independent, 1.0)
    kind = "wilson_over_seeds" if shared else "wilson_own_tasks"
    return (*score_interval(mean, count / effect, confidence), kind)


def strata_interval(rows_a: Rows, shared_a: bool, rows_b: Rows, shared_b: bool, confidence: float = 0.95) -> Interval:
    """Return the interval of the difference of one method's rates on two sets of tasks, for tasks and seeds like these.

    The seeds are the same on both sides, so what a seed adds to both cancels. Wilson's intervals of both sides over
    tasks are combined by squares (Newcombe 1998). To their squared half-widths comes the variance of the seeds'
    differences beyond what tasks explain, with Student's factor as in `rate_interval`.

    Args:
        rows_a: S seeds x n tasks: scores from 0 to 1.
        shared_a: whether the columns of `rows_a` are the same tasks for all seeds.
        rows_b: S seeds x m tasks, of the same seeds in their order.
        shared_b: as `shared_a`.
        confidence: how often it ought to hold the difference.

    Raises:
        ValueError: the sides have different numbers of seeds, the seeds different numbers of tasks, or there is none.
    """
    import numpy as np
    from scipy.special import ndtri, stdtrit

    sides = [np.asarray(rows, dtype=float) for rows in (rows_a, rows_b) if _checked(rows)]
    if len(rows_a) != len(rows_b):
        raise ValueError("both sides need the same seeds")
    seeds, of_tasks, residual = len(rows_a), [], 0.0
    for table, shared in zip(sides, (shared_a, shared_b), strict=True):
        units, mean = table.mean(0) if shared else table.ravel(), float(table.mean())
        # A mean over seeds varies less than a success: it counts for more, for all of its seeds at most.
        variance = float(units.var()) or 1.0
        count = min(max(len(units) * mean * (1 - mean) / variance, len(units)), table.size)
        of_tasks.append((mean, score_interval(mean, count, confidence)))
        if seeds > 1:
            fitted = table.mean(1, keepdims=True) + (table.mean(0) - table.mean() if shared else 0)
            degrees = (seeds - 1 if shared else seeds) * (table.shape[1] - 1)
            residual += float(((table - fitted) ** 2).sum()) / max(degrees, 1) / table.size
    low, high = square_and_add(*of_tasks[0], *of_tasks[1])
    if seeds == 1:
        return low, high
    upper = (1 + confidence) / 2
    differences = sides[0].mean(1) - sides[1].mean(1)
    middle, spread = float(differences.mean()), float(differences.var(ddof=1)) / seeds
    student, normal = float(stdtrit(seeds - 1, upper)), float(ndtri(upper))
    more = max(student**2 * spread - normal**2 * residual, 0.0)
    low, high = middle - ((middle - low) ** 2 + more) ** 0.5, middle + ((high - middle) ** 2 + more) ** 0.5
    return max(low, -1.0), min(high, 1.0)


def area_interval(groups: Sequence[tuple[Rows, Sequence[float]]], confidence: float = 0.95) -> Interval:
    """Return the interval of a weighted mean of one checkpoint's rates at several points, for tasks like these.

    Points that share their tasks are paired: a task that is hard at one of them is hard at others. The variance is that
    of the paired bootstrap over tasks, which for a weighted mean has a closed form; the ends are Wilson's for so many
    independent tasks, since the bootstrap's quantiles are too narrow near 0 and 1.

    Args:
        groups: for each set of tasks, scores from 0 to 1 of K points x n tasks, and the K weights; all weights add up
            to 1.
        confidence: how often it ought to hold the mean.

    Raises:
        ValueError: the points of a group have different numbers of tasks, or there is none.
    """
    import numpy as np

    mean, variance, counts, units = 0.0, 0.0, [], 0
    for rows, weights in groups:
        counts.append(_checked(rows))
        units += counts[-1] * len(rows)
        scores = np.asarray(weights, dtype=float) @ np.asarray(rows, dtype=float)
        mean += float(scores.mean())
        variance += float(scores.var()) / counts[-1]
    mean = min(max(round(mean, 12), 0.0), 1.0)  # rounding may leave [0, 1]
    # A score never counts for more than a task; where all are solved, or none, no point says more than one does.
    size = units if variance < 1e-12 and 0 < mean < 1 else mean * (1 - mean) / max(variance, 1e-12)
    return score_interval(mean, min(max(size, min(counts)), units), confidence)


def difference_interval(rows: Rows, shared: bool = True, confidence: float = 0.95) -> Interval:
    """Return the interval of a difference of two methods on the same tasks, for tasks like these.

    Bonett and Price's adjusted interval for paired rates (2012), whose variance is that of `rate_interval` where there
    are several seeds: two pseudo-tasks are added, one that only the first method solves and one that only the second
    does, so that methods that never differ have an interval, too.

    Args:
        rows: S seeds x n tasks: differences of scores, from -1 to 1.
        shared: whether the seeds share their tasks, as for `rate_interval`.
        confidence: how often it ought to hold the difference.

    Raises:
        ValueError: the seeds have different numbers of tasks, or there is none.
    """
    from scipy.special import ndtri

    _checked(rows)
    spread = _spread(rows, shared, confidence, (-1.0, 1.0), 1.0)
    half = float(ndtri((1 + confidence) / 2)) * (spread.square / (len(rows) * spread.tasks)) ** 0.5
    return max(spread.mean - half, -1.0), min(spread.mean + half, 1.0)


def p_value(value: float, interval: Callable[[float], Interval]) -> float:
    """Return the two-sided p-value of `value`: one minus the confidence at which `interval` first reaches it.

    So p < .05 where the 95 % interval leaves the value out: a test by inversion of an interval.

    Args:
        value: of the hypothesis.
        interval: makes the interval of a confidence; a higher confidence gives a wider one.
    """
    # By their exponents: p-values far below .05 have to be told apart, too.
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        ends = interval(1 - _SMALLEST**middle)
        low, high = (low, middle) if ends[0] <= value <= ends[1] else (middle, high)
    return float(_SMALLEST**high)


def _checked(rows: Rows) -> int:
    """Return the number of tasks a seed."""
    if not len(rows) or not len(rows[0]) or len({len(row) for row in rows}) != 1:
        raise ValueError("expected the same number of tasks, at least one, for every seed")
    return len(rows[0])
