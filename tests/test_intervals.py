"""Intervals over tasks and seeds against least squares, hand-made examples and simulation."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks import coverage
from vgbench.intervals import area_interval, difference_interval, p_value, rate_interval, strata_interval
from vgbench.statistics import score_interval, t_interval, wilson

ROOT = Path(__file__).parents[1]


def rows(counts, n):
    """Seeds that solve the first so many tasks each."""
    return [[1] * count + [0] * (n - count) for count in counts]


def squares(table, weights):
    """Sums of squares of seeds, of tasks and of the rest, by weighted least squares with dummies for both."""
    seeds, tasks = table.shape
    y, w = table.ravel(), np.sqrt(np.tile(weights, seeds))
    one = np.ones((y.size, 1))
    of_seed = np.kron(np.eye(seeds), np.ones((tasks, 1)))
    of_task = np.tile(np.eye(tasks), (seeds, 1))

    def left(*columns):
        design = np.hstack([one, *columns]) * w[:, None]
        fitted = design @ np.linalg.lstsq(design, y * w, rcond=None)[0]
        return float(((y * w - fitted) ** 2).sum())

    return left() - left(of_seed), left() - left(of_task), left(of_seed, of_task)


TABLE = np.random.default_rng(5).random((4, 12)) < np.linspace(0.1, 0.95, 12)


def test_one_seed_has_wilsons_interval():
    assert rate_interval(rows([64], 80)) == (
        pytest.approx(wilson(64, 80)[0]),
        pytest.approx(wilson(64, 80)[1]),
        "wilson",
    )
    assert score_interval(0.3, 40) == pytest.approx(wilson(12, 40))
    for bad in ([], [[]], [[1, 0], [1]]):
        with pytest.raises(ValueError, match="same number of tasks"):
            rate_interval(bad)


@pytest.mark.parametrize(("counts", "n"), [([64, 64, 64], 80), ([0, 0], 40), ([100] * 10, 100)])
def test_seeds_that_always_agree_count_a_shared_task_once_and_an_own_one_each(counts, n):
    low, high, kind = rate_interval(rows(counts, n))
    assert (low, high) == pytest.approx(wilson(counts[0], n), abs=1e-9) and kind == "wilson_over_seeds"
    low, high, kind = rate_interval(rows(counts, n), shared=False)
    assert (low, high) == pytest.approx(wilson(sum(counts), n * len(counts)), abs=1e-9) and kind == "wilson_own_tasks"


@pytest.mark.parametrize("shared", [True, False])
def test_the_design_effect_is_that_of_an_analysis_of_variance(shared):
    seeds, tasks, weight = 4, 12, 0.25
    table = np.hstack([TABLE.astype(float), np.tile([0.0, 1.0], (seeds, 1))])
    of_seeds, of_tasks, rest = squares(table, [1.0] * tasks + [weight] * 2)
    n = tasks + 2 * weight
    student = stats.t.ppf(0.975, seeds - 1) / stats.norm.ppf(0.975)
    if shared:
        rest /= (seeds - 1) * (n - 1)
        variance = of_tasks / (n - 1) - rest + max(student**2 * of_seeds / (seeds - 1), rest)
        assert of_tasks / (n - 1) > rest  # or else it would be left out
    else:
        variance = max(student**2 * of_seeds / (seeds - 1), (of_tasks + rest) / (seeds * (n - 1)))
    p = (TABLE.sum() + weight * seeds) / (n * seeds)
    effect = variance / (p * (1 - p) * n / (n - 1))
    expected = score_interval(TABLE.mean(), seeds * tasks / effect)
    assert effect > 1 and rate_interval(TABLE, shared)[:2] == pytest.approx(expected)


def test_seeds_may_have_unlike_numbers_of_tasks_of_their_own():
    """A mean of two rates on 20 and 60 tasks varies as one of two on 30 does, their harmonic mean."""
    unlike = rate_interval([*rows([10], 20), *rows([30], 60)], shared=False)
    assert unlike[2] == "wilson_own_tasks" and unlike[:2] == pytest.approx(wilson(30, 60), abs=2e-3)
    assert unlike[:2] == pytest.approx(rate_interval(rows([15, 15], 30), shared=False)[:2], abs=2e-3)
    for shared, table in ((True, [*rows([10], 20), *rows([20], 40)]), (False, [[1.0], []]), (False, [])):
        with pytest.raises(ValueError, match="same number of tasks"):
            rate_interval(table, shared)


def test_seeds_that_disagree_leave_few_tasks():
    # Rates .4 and .6 of 50 own tasks: between .02, within .25 / 49; quantiles 12.7062 and 1.95996: excess 42.03 x 3.92,
    # so that 100 tasks count for about .607. Half of Wilson's width at .5 is z / 2 / sqrt(.607 + z^2) = .4642.
    assert rate_interval(rows([20, 30], 50), shared=False)[:2] == pytest.approx((0.0358, 0.9642), abs=2e-3)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("counts", "near", "by"), [([65] * 3, [64, 65, 65], 0.005), ([100] * 3, [99, 100, 100], 0.03)])
def test_one_task_more_or_less_changes_little(shared, counts, near, by):
    there, here = (rate_interval(rows(c, 100), shared)[:2] for c in (counts, near))
    assert there == pytest.approx(here, abs=by)


def test_three_seeds_of_the_maze_know_hardly_more_than_one():
    """64, 66 and 65 of the same 80 tasks: the tasks' correlation leaves some 95 of 240."""
    lines = [(ROOT / f"results/quick/maze-vf_quasi-s{s}/episodes.jsonl").read_text().splitlines() for s in range(3)]
    table = [[row["success"] for row in sorted(map(json.loads, text), key=lambda row: row["task"])] for text in lines]
    assert [sum(row) for row in table] == [64, 66, 65]
    low, high, _ = rate_interval(table)
    assert 0.145 < high - low < 0.175  # as Wilson's of 75 to 110 tasks; all 240 would give .098
    assert low < 0.74


def test_the_interval_of_a_difference_is_bonett_and_prices():
    # 98 tasks, 12 solved by a alone, 3 by b alone: p = 13/100 and 4/100, d = .09, se^2 = (.17 - .09^2) / 100.
    table = [[1] * 12 + [-1] * 3 + [0] * 83]
    half = 1.959964 * (0.1619 / 100) ** 0.5
    assert difference_interval(table) == pytest.approx((0.09 - half, 0.09 + half), abs=1e-3)
    # Methods that never differ have an interval, too; seeds that agree add nothing where they share their tasks.
    low, high = difference_interval([[0] * 48])
    assert -low == high == pytest.approx(1.959964 * (2 / 50 / 50) ** 0.5, rel=0.02)
    assert difference_interval([[0] * 48] * 3) == pytest.approx((low, high), rel=0.01)
    assert difference_interval([[0] * 48] * 3, shared=False)[1] == pytest.approx(high / 3**0.5, rel=0.02)


def test_the_interval_of_a_difference_knows_how_seeds_differ():
    # Each seed differs by the same on all of its tasks: there are three numbers, and Student's interval of them is
    # (-.1, .4, 1.2) wide; the pseudo-tasks draw it a little towards 0.
    table = [[d] * 500 for d in (-0.2, 0.3, 0.8)]
    for shared in (True, False):
        low, high = difference_interval(table, shared)
        expected = t_interval([-0.2, 0.3, 0.8])
        assert (low, high) == pytest.approx((max(-1, expected[0]), min(1, expected[1])), abs=0.02)


@pytest.mark.parametrize("shared", [True, False])
def test_a_p_value_is_below_five_hundredths_where_the_interval_leaves_the_value_out(shared):
    table = np.random.default_rng(1).choice([-1, 0, 1], p=[0.1, 0.6, 0.3], size=(3, 60))

    def interval(confidence):
        return difference_interval(table, shared, confidence)

    low, high = interval(0.95)
    assert p_value(low, interval) == pytest.approx(0.05, abs=1e-6) == p_value(high, interval)
    assert p_value(high + 0.01, interval) < 0.05 < p_value(high - 0.01, interval)
    assert p_value(sum(interval(1e-9)) / 2, interval) == pytest.approx(1, abs=1e-6)
    assert p_value(5.0, interval) < 1e-9


def test_a_p_value_of_one_seed_is_the_normal_distributions():
    table = [[1] * 30 + [-1] * 10 + [0] * 60]
    low, high = difference_interval(table)
    z = 1.959964 * (low + high) / (high - low)
    assert p_value(0.0, lambda confidence: difference_interval(table, True, confidence)) == pytest.approx(
        2 * stats.norm.sf(z), rel=1e-4
    )


# Coverage: a small part of `python -m benchmarks.coverage`


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize("concentration", [None, 30], ids=["seeds alike", "seeds differ"])
@pytest.mark.parametrize(("p", "tasks"), [(0.5, 0.2), (0.9, 0.6)])
def test_the_interval_covers_where_tasks_differ(shared, concentration, p, tasks):
    for seeds in (3, 10):
        drawn = coverage.draw_rates(p, seeds, shared, tasks, concentration, 300, seed=1)
        ours = coverage.share_covered(p, drawn, lambda table: rate_interval(table, shared)[:2])
        assert ours > 0.915  # 300 trials of .95 have a standard deviation of .013
        if shared or concentration:  # what the seeds have in common, or differ by, is not among all S x n tasks
            assert coverage.share_covered(p, drawn, coverage.pooled) < 0.9


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize("pair", [(0.5, 0.5), (0.9, 0.8)])
def test_the_interval_of_a_difference_covers(shared, pair):
    for seeds in (1, 3):
        a, b = coverage.draw_pairs(pair, seeds, shared, 0.6, True, None, 300, seed=1)
        ours = coverage.share_covered(pair[0] - pair[1], a - b, lambda table: difference_interval(table, shared))
        assert ours > 0.915


def test_two_strata_of_one_checkpoint_have_newcombes_interval():
    """Newcombe (1998), table II, comparison of 56/70 with 48/80, method 10: .0524 to .3339."""
    found = strata_interval(rows([56], 70), True, rows([48], 80), True)
    assert found == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_what_a_seed_adds_to_both_strata_does_not_widen_the_interval():
    rng = np.random.default_rng(0)
    widths = []
    for spread in (0.0, 0.2):
        seeds = spread * np.array([[-1.0], [0.0], [1.0]])
        near, far = (rng.random((3, 400)) < rate + seeds for rate in (0.6, 0.4))
        low, high = strata_interval(near.tolist(), False, far.tolist(), False)
        assert low < 0.2 < high
        widths.append(high - low)
    assert widths[1] < 2 * widths[0]


@pytest.mark.parametrize("shared", [False, True])
def test_intervals_of_strata_hold_the_difference(shared):
    """Three seeds whose rates differ, and whose differences of strata do; 200 draws of seeds and tasks."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):
        level, gain = rng.normal(0, 0.1, (3, 1)), rng.normal(0, 0.05, (3, 1))
        near, far = (rng.random((1 if shared else 3, 60)) for _ in range(2))
        low, high = strata_interval((near < 0.6 + level + gain).tolist(), shared, (far < 0.4 + level).tolist(), shared)
        held += low <= 0.2 <= high
    assert held >= 185
    with pytest.raises(ValueError, match="both sides need the same seeds"):
        strata_interval(rows([1, 1], 4), shared, rows([1], 4), shared)


def test_the_interval_of_an_area_knows_what_points_share():
    """Two points that solve the same half of the tasks, and two that solve opposite halves."""
    one, other = [1] * 20 + [0] * 20, [0] * 20 + [1] * 20
    half = [0.5, 0.5]
    # The same half twice: no more than one point says.
    assert area_interval([([one, one], half)]) == pytest.approx(score_interval(0.5, 40))
    # All tasks have the mean .5; each of the 80 scores counts, and no more than that.
    assert area_interval([([one, other], half)]) == pytest.approx(score_interval(0.5, 80))
    # Tasks of their own: the variances add up, to that of 80 tasks.
    assert area_interval([([one], half[:1]), ([one], half[:1])]) == pytest.approx(score_interval(0.5, 80))
    assert area_interval([([[1] * 40] * 3, [0.2, 0.5, 0.3])]) == pytest.approx(wilson(40, 40))
    with pytest.raises(ValueError, match="same number of tasks"):
        area_interval([([one, one[1:]], half)])


def test_the_interval_of_an_area_has_the_variance_of_the_paired_bootstrap():
    draw = np.random.default_rng(0)
    table, weights = draw.random((3, 60)) < [[0.3], [0.5], [0.6]], np.array([0.25, 0.5, 0.25])
    drawn = draw.integers(0, 60, (20_000, 60))
    spread = (weights @ table)[drawn].mean(1).std()
    low, high = area_interval([(table, weights)])
    assert (high - low) / 2 == pytest.approx(1.96 * spread, rel=0.03)


@pytest.mark.parametrize("rates", [(0.2, 0.5, 0.7, 0.8), (0.02, 0.05, 0.05, 0.1), (0.97, 0.98, 0.99, 0.99)])
@pytest.mark.parametrize("shared", [True, False])
def test_the_interval_of_an_area_holds_the_known_one(rates, shared):
    """Tasks whose chances at all points move together; shared by the points, or drawn for each of them."""
    draw, weights, trials, n = np.random.default_rng(7), np.array([0.22, 0.38, 0.28, 0.12]), 1000, 100
    known, held = float(weights @ rates), 0
    for _ in range(trials):
        hard = draw.random((1 if shared else 4, n))
        # Half of what decides a task is its own, half is luck; the mean over tasks is the rate exactly.
        solved = (np.where(draw.random((4, n)) < 0.5, hard, draw.random((4, n))) < np.array(rates)[:, None]) * 1.0
        groups = [(solved, weights)] if shared else [(row[None], [w]) for row, w in zip(solved, weights, strict=True)]
        low, high = area_interval(groups)
        held += low <= known <= high
    assert 0.925 < held / trials < 0.985
