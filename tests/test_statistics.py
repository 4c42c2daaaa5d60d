"""Intervals and tests against numbers from the literature, brute force and simulation."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm

from vgbench.statistics import (
    fisher_exact,
    hierarchical_bootstrap,
    holm,
    newcombe,
    paired_t,
    permutation,
    sign_flip,
    sign_flip_of_reals,
    t_interval,
    welch_t,
    wilson,
)

# Student (1908), Biometrika 6: additional hours of sleep of ten patients under two drugs.
DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
RATES = (0.04, 0.5, 0.9, 0.99)


def differences(only_a, only_b, ties=5):
    return [1] * only_a + [-1] * only_b + [0] * ties


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, table I: method 3 (score), 81/263, 15/148, 0/20, 1/29.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_newcombes_examples(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10.
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
    ],
)
def test_newcombe_gives_newcombes_examples(counts, low, high):
    assert newcombe(*counts) == pytest.approx((low, high), abs=5e-5)


def test_t_interval_by_hand():
    # mean .8125, deviation .0125, t(.975; 2) = 4.302653, half width 4.302653 x .0125 / sqrt(3) = .031052
    assert t_interval([0.8, 0.825, 0.8125]) == pytest.approx((0.781448, 0.843552), abs=1e-6)
    assert t_interval([0.5, 0.5]) == (0.5, 0.5)
    with pytest.raises(ValueError, match="two"):
        t_interval([0.5])


def test_sign_flip_of_single_tasks_is_mcnemars_exact_test():
    """Only tasks that one side alone solved count: of 12, is the smaller number as small by chance?"""
    assert sign_flip(differences(10, 2)) == pytest.approx(0.0386, abs=5e-5)  # 2 (1 + 12 + 66) / 2^12
    assert sign_flip(differences(6, 16)) == pytest.approx(0.0525, abs=5e-5)
    assert sign_flip(differences(10, 2, ties=50)) == sign_flip(differences(2, 10))
    assert sign_flip(differences(0, 0)) == 1.0


@pytest.mark.parametrize("given", [[3, 1, -2, 0, 2], [1, 1, 1], [5, -5], [0, 0], [2, 2, 2, -1, -3, 1, 1]])
def test_sign_flip_is_the_share_of_all_signs(given):
    seen = abs(sum(given))
    sums = [abs(np.dot(signs, given)) for signs in itertools.product([-1, 1], repeat=len(given))]
    assert sign_flip(given) == pytest.approx(np.mean([s >= seen for s in sums]))


@pytest.mark.parametrize(("only_a", "only_b"), [(10, 2), (16, 6), (7, 7), (0, 9)])
def test_sign_flip_of_single_tasks_is_a_binomial_test(only_a, only_b):
    assert sign_flip(differences(only_a, only_b)) == pytest.approx(binomtest(only_a, only_a + only_b).pvalue)


def test_sign_flip_stays_exact_for_many_tasks():
    assert sign_flip([1] * 200) == pytest.approx(2 * 0.5**200, rel=1e-9)


@pytest.mark.parametrize("given", [[0.3, 0.1, -0.2, 0.0, 0.2], [0.5], [], [0.0], [1.25, 1.25, -0.5, 0.75, 2.0, -1.0]])
def test_sign_flips_of_reals_are_the_share_of_all_signs(given):
    sums = [abs(np.dot(signs, given)) for signs in itertools.product([-1, 1], repeat=len(given))]
    assert sign_flip_of_reals(given) == pytest.approx(np.mean([s >= abs(sum(given)) - 1e-12 for s in sums]))


def test_sign_flips_of_many_reals_are_drawn_and_always_the_same():
    given = np.random.default_rng(0).normal(0.1, 1.0, 200).tolist()
    p = sign_flip_of_reals(given)
    # For so many the sum under all signs is normal.
    assert p == pytest.approx(2 * norm.sf(abs(sum(given)) / np.linalg.norm(given)), rel=0.1)
    assert p == sign_flip_of_reals(given)
    assert sign_flip_of_reals([0.1] * 60) == pytest.approx(1e-4, rel=0.1)  # never 0: the signs seen are among them


def test_permutations_are_the_share_of_all_ways_to_part_the_units():
    a, b = [0.9, 0.4, 0.7, 0.8], [0.1, 0.5, 0.3]
    seen, pooled = abs(np.mean(a) - np.mean(b)), np.array(a + b)
    ways = [set(part) for part in itertools.combinations(range(7), 4)]
    parts = [(pooled[sorted(way)].mean(), pooled[[i for i in range(7) if i not in way]].mean()) for way in ways]
    # scipy's two-sided p-value is twice that of the rarer side.
    above = np.mean([x - y >= seen - 1e-12 for x, y in parts])
    assert permutation(a, b) == pytest.approx(2 * above) and permutation(a, b) == pytest.approx(permutation(b, a))


@pytest.mark.parametrize("alone", [0.3, 0.8, 0.85])
def test_permutations_of_one_against_several(alone):
    others = [0.8, 0.9, 0.7]
    pooled = [alone, *others]
    apart = [x - (sum(pooled) - x) / 3 for x in pooled]
    rarer = min(sum(d >= apart[0] - 1e-12 for d in apart), sum(d <= apart[0] + 1e-12 for d in apart)) / 4
    assert permutation([alone], others) == permutation(others, [alone]) == min(2 * rarer, 1)
    assert permutation([alone], [0.9]) == 1.0


def test_tests_over_seeds_give_students_example():
    assert paired_t(DRUG_2, DRUG_1) == pytest.approx(0.002833, abs=1e-6)
    assert welch_t(DRUG_2, DRUG_1) == pytest.approx(0.07939, abs=1e-5)


def test_tests_over_seeds_without_spread():
    assert paired_t([0.6, 0.7], [0.5, 0.6]) == 0.0 and paired_t([0.5, 0.6], [0.5, 0.6]) == 1.0
    assert welch_t([0.5, 0.5], [0.4, 0.4]) == 0.0 and welch_t([0.5, 0.5], [0.5, 0.5]) == 1.0
    for test in (paired_t, welch_t):
        with pytest.raises(ValueError, match="two"):
            test([0.5], [0.4])


def test_fisher_gives_the_lady_tasting_tea():
    assert fisher_exact(3, 4, 1, 4) == pytest.approx(34 / 70)


def test_holm_steps_down():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0] and holm([]) == []


def test_bootstrap_resamples_seeds_and_tasks():
    one = [[1] * 60 + [0] * 40]
    low, high = hierarchical_bootstrap(one)
    assert (low, high) == pytest.approx((0.6 - 1.96 * 0.049, 0.6 + 1.96 * 0.049), abs=0.015)  # normal approximation
    assert hierarchical_bootstrap(one, seed=3) == hierarchical_bootstrap(one, seed=3)
    # Three seeds that solve the same tasks know no more of the tasks than one does.
    assert np.diff(hierarchical_bootstrap(one * 3)) > 0.9 * (high - low)
    # All tasks of a seed alike: only the seeds vary, and one of three is drawn thrice or never.
    assert hierarchical_bootstrap([[1] * 50, [0] * 50, [0] * 50]) == (0.0, 1.0)
    assert hierarchical_bootstrap([[1, 1], [1, 1]]) == (1.0, 1.0)
    for bad in ([], [[]], [[1, 0], [1]]):
        with pytest.raises(ValueError):
            hierarchical_bootstrap(bad)


@pytest.mark.parametrize("p", RATES)
def test_wilson_covers(p):
    """Summed over all outcomes of 100 tasks: .936, .943, .936 and .921."""
    covered = [low <= p <= high for low, high in (wilson(k, 100) for k in range(101))]
    assert 0.92 < np.dot(covered, binom.pmf(range(101), 100, p)) < 0.99


@pytest.mark.slow
@pytest.mark.parametrize("p", RATES)
def test_the_bootstrap_covers_where_tasks_differ(p):
    """Three seeds that share 100 tasks of different difficulty: .98, .99 and .99, and .90 at .99."""
    draw, hits, trials = np.random.default_rng(0), 0, 400
    for trial in range(trials):
        rows = draw.random((3, 100)) < draw.beta(p * 2, (1 - p) * 2, 100)
        low, high = hierarchical_bootstrap(rows.astype(int).tolist(), trial, resamples=500)
        hits += low <= p <= high
    assert hits / trials > 0.86


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 80), (80, 80), (1, 80), (40, 80), (71, 80), (3, 7)])
def test_wilson_is_scipys_without_its_import(successes, n):
    interval = binomtest(successes, n).proportion_ci(method="wilson")
    low, high = wilson(successes, n)
    assert (low, high) == pytest.approx((interval.low, interval.high), abs=1e-14)
    assert (low == 0) == (successes == 0) and (high == 1) == (successes == n)
    code = f"import sys, vgbench.statistics as s; s.wilson({successes}, {n}); sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
