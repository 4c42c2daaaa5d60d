"""Intervals and tests of success rates; the mathematics is scipy's."""

from collections.abc import Sequence
from typing import Any

Interval = tuple[float, float]


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Return the Wilson score interval of a rate from `successes` of `n`, one or more."""
    # Not by scipy.stats: to import that takes longer than many an evaluation.
    low, high = score_interval(successes / n, n, confidence)
    # The formula's ends there, which rounding would miss.
    return 0.0 if successes == 0 else low, 1.0 if successes == n else high


def score_interval(mean: float, size: float, confidence: float = 0.95) -> Interval:
    """Return Wilson's interval (1927) of a rate `mean` of `size` independent tasks; neither need be a whole number."""
    from scipy.special import ndtri

    z2 = float(ndtri((1 + confidence) / 2)) ** 2
    middle, half = mean + z2 / (2 * size), (z2 * (mean * (1 - mean) / size + z2 / (4 * size**2))) ** 0.5
    # Within [0, 1] by its formula; only rounding could leave it.
    return max((middle - half) / (1 + z2 / size), 0.0), min((middle + half) / (1 + z2 / size), 1.0)


def t_interval(means: Sequence[float], confidence: float = 0.95) -> Interval:
    """Student's interval of the mean over training seeds, from the seeds' means; a point where they agree exactly.

    Not clipped, so that it serves for differences too.

    Raises:
        ValueError: fewer than two means.
    """
    from scipy import stats

    if len(means) < 2:
        raise ValueError(f"an interval over seeds needs two of them or more, got {len(means)}")
    mean = sum(means) / len(means)
    # Their standard error is 0, for which scipy's interval is nan.
    if len(set(means)) == 1:
        return float(mean), float(mean)
    low, high = stats.t.interval(confidence, len(means) - 1, loc=mean, scale=stats.sem(means))
    return float(low), float(high)


def newcombe(a: int, n_a: int, b: int, n_b: int, confidence: float = 0.95) -> Interval:
    """Return Newcombe's score interval (1998, method 10) of the difference a/n_a - b/n_b of two independent rates."""
    return square_and_add(a / n_a, wilson(a, n_a, confidence), b / n_b, wilson(b, n_b, confidence))


def square_and_add(rate_a: float, interval_a: Interval, rate_b: float, interval_b: Interval) -> Interval:
    """Return the interval of a difference of two independent rates, made of the interval of either one.

    Newcombe's method 10 (1998) for any intervals, as Zou and Donner (2008) have it.
    """
    (low_a, high_a), (low_b, high_b) = interval_a, interval_b
    difference = rate_a - rate_b
    below = ((rate_a - low_a) ** 2 + (high_b - rate_b) ** 2) ** 0.5
    above = ((high_a - rate_a) ** 2 + (rate_b - low_b) ** 2) ** 0.5
    return difference - below, difference + above


def hierarchical_bootstrap(
    rows: Sequence[Sequence[float]], seed: int = 0, confidence: float = 0.95, resamples: int = 4000
) -> Interval:
    """Return the percentile interval of the mean of `rows[seed][task]`: seeds are drawn with replacement, then tasks.

    The seeds share their tasks, so a draw of tasks holds for all seeds of that resample: what one task has in common
    across seeds does not average out (Owen 2007, the pigeonhole bootstrap).

    Args:
        rows: S seeds x T tasks: successes, or differences of two methods' successes.
        seed: of the draws; the same seed gives the same interval.
        confidence: share of the resampled means within the interval.
        resamples: number of draws.

    Raises:
        ValueError: the seeds have different numbers of tasks, or there is none.
    """
    import numpy as np

    if not rows or not rows[0] or len({len(row) for row in rows}) != 1:
        raise ValueError("expected the same number of tasks, at least one, for every seed")
    table = np.asarray(rows, dtype=float)
    seeds, tasks = table.shape
    draw = np.random.default_rng(seed)
    # How often each one is drawn, instead of which: products of arrays then give all resampled means at once.
    times_seed = draw.multinomial(seeds, np.full(seeds, 1 / seeds), resamples)
    times_task = draw.multinomial(tasks, np.full(tasks, 1 / tasks), resamples)
    means = ((times_seed @ table) * times_task).sum(1) / (seeds * tasks)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def sign_flip(differences: Sequence[int]) -> float:
    """Two-sided p-value of the exact sign-flip permutation test: could each difference as well have had the other sign?

    Args:
        differences: whole numbers: successes of a minus those of b, for each task or for each training seed. With one
            checkpoint a side and tasks as units it is McNemar's exact test.
    """
    import numpy as np

    # A difference of 0 is the same with either sign, so it changes no sum.
    sizes = [abs(d) for d in differences if d]
    chances = np.ones(1)  # of the sums -total, -total + 2, ..., total, after the sizes so far
    for size in sizes:
        step = np.zeros(size + 1)
        step[0] = step[-1] = 0.5
        chances = np.convolve(chances, step)
    total = sum(sizes)
    sums = np.arange(-total, total + 1, 2)
    # Rounding may take the sum of the probabilities above 1.
    return float(min(1.0, chances[np.abs(sums) >= abs(sum(differences))].sum()))


def sign_flip_of_reals(differences: Sequence[float], resamples: int = 19_999) -> float:
    """Two-sided p-value of the sign-flip permutation test of differences that are no whole numbers, as `sign_flip`.

    All signs are tried where there are no more of them than `resamples`, else so many that are drawn, always the same.
    """
    import numpy as np
    from scipy import stats

    # A difference of 0 is the same with either sign.
    kept = np.asarray([d for d in differences if d], dtype=float)
    if not len(kept):
        return 1.0
    if len(kept) == 1:
        return 1.0  # either sign is as far from 0
    test = stats.permutation_test(
        (kept,), lambda x, axis: np.sum(x, axis=axis), permutation_type="samples", **_drawn(resamples)
    )
    return float(test.pvalue)


def permutation(a: Sequence[float], b: Sequence[float], resamples: int = 19_999) -> float:
    """Two-sided p-value of the permutation test of the means of two independent samples; drawn as above if too many."""
    import numpy as np
    from scipy import stats

    def difference(x: Any, y: Any, axis: int) -> Any:
        return np.mean(x, axis=axis) - np.mean(y, axis=axis)

    samples = (np.asarray(a, dtype=float), np.asarray(b, dtype=float))
    if min(map(len, samples)) == 1:  # too few for scipy: each value in turn is the one that stands alone
        alone, others = sorted(samples, key=len)
        every = np.append(others, alone)
        apart = every - (every.sum() - every) / max(len(every) - 1, 1)
        # Last bits of equal differences do not tell them apart.
        sides = [(sign * apart >= sign * apart[-1] - 1e-12).mean() for sign in (1, -1)]
        return float(min(2 * min(sides), 1.0))
    test = stats.permutation_test(samples, difference, permutation_type="independent", **_drawn(resamples))
    return float(test.pvalue)


def _drawn(resamples: int) -> dict[str, Any]:
    """Return the options of scipy's permutation tests; in batches, for memory."""
    import numpy as np

    return {"vectorized": True, "n_resamples": resamples, "batch": 2000, "random_state": np.random.default_rng(0)}


def paired_t(means_a: Sequence[float], means_b: Sequence[float]) -> float:
    """Return the two-sided p-value of Student's paired test over training seeds.

    Differences without any spread give 0, or 1 if there is none: the test has nothing to go by, so another one, over
    tasks, has to pass as well.

    Raises:
        ValueError: fewer than two pairs, or no pairs.
    """
    from scipy import stats

    # Rounded, so that the last bits of equal differences are not taken for a spread.
    differences = [round(a - b, 12) for a, b in zip(means_a, means_b, strict=True)]
    if len(differences) < 2:
        raise ValueError(f"a test over seeds needs two of them or more, got {len(differences)}")
    if len(set(differences)) == 1:
        return 1.0 if differences[0] == 0 else 0.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def welch_t(means_a: Sequence[float], means_b: Sequence[float]) -> float:
    """Two-sided p-value of Welch's test over training seeds of two protocols; without any spread as `paired_t`."""
    from scipy import stats

    if min(len(means_a), len(means_b)) < 2:
        raise ValueError("a test over seeds needs two of them or more on either side")
    if len(set(means_a)) == 1 and len(set(means_b)) == 1:
        return 1.0 if means_a[0] == means_b[0] else 0.0
    return float(stats.ttest_ind(means_a, means_b, equal_var=False).pvalue)


def fisher_exact(a: int, n_a: int, b: int, n_b: int) -> float:
    """Return the two-sided p-value of Fisher's exact test of a/n_a against b/n_b, two independent rates."""
    from scipy import stats

    return float(stats.fisher_exact([[a, n_a - a], [b, n_b - b]]).pvalue)


def holm(pvalues: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down method (1979), in the order given."""
    order = sorted(range(len(pvalues)), key=lambda i: pvalues[i])
    corrected, highest = [0.0] * len(pvalues), 0.0
    for rank, index in enumerate(order):
        # Never below the one before: a larger p-value must not come out as the more significant one.
        highest = max(highest, min(1.0, (len(pvalues) - rank) * pvalues[index]))
        corrected[index] = highest
    return corrected
