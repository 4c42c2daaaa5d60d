"""Scores of rows against values by hand, and the interval of their mean against Wilson's and by simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest

from vgbench import scores

# success, steps, the expert's, SPL, timely
BY_HAND = [
    (True, 10, 10, 1.0, 1.0),
    (True, 20, 10, 0.5, 0.0),
    (True, 15, 10, 2 / 3, 1.0),  # 1.5 times is in time
    (True, 16, 10, 0.625, 0.0),
    (True, 8, 10, 1.0, 1.0),  # faster than the expert counts no more
    (False, 10, 10, 0.0, 0.0),  # came nowhere, however short it was
    (True, 7, None, None, None),
    (False, 64, None, None, None),
]
ROWS = [{"success": s, "steps": steps, "expert_steps": expert} for s, steps, expert, *_ in BY_HAND]


@pytest.mark.parametrize("row, spl, timely", [(row, *found[3:]) for row, found in zip(ROWS, BY_HAND, strict=True)])
def test_a_rows_scores_by_hand(row, spl, timely):
    assert scores.spl(row) == (None if spl is None else pytest.approx(spl, abs=1e-15))
    assert scores.timely(row) == timely and scores.success(row) == float(row["success"])


def test_means_are_over_the_rows_that_have_the_score():
    assert scores.mean("spl", ROWS) == pytest.approx((1 + 0.5 + 2 / 3 + 0.625 + 1 + 0) / 6)
    assert scores.mean("timely", ROWS) == pytest.approx(3 / 6)
    assert scores.mean("success", ROWS) == pytest.approx(6 / 8)
    older = [{"success": True, "steps": 3}]
    assert [scores.mean(name, older) for name in scores.SCORES] == [1.0, None, None]
    assert scores.mean("spl", ROWS[6:]) is None


@pytest.mark.parametrize("successes, n", [(0, 100), (1, 4), (84, 100), (100, 100), (33, 80)])
def test_the_interval_of_successes_alone_is_wilsons(successes, n):
    found = scores.interval([1.0] * successes + [0.0] * (n - successes))
    wilson = binomtest(successes, n).proportion_ci(method="wilson")
    assert found == pytest.approx((wilson.low, wilson.high), abs=1e-9)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 0.9, 1.0])
def test_the_interval_holds_the_mean_as_often_as_it_says(rate):
    """Scores of 100 tasks: 0 with chance 1 - rate, else uniform in [.4, 1]; 600 times. 92.5 % is 3 deviations below."""
    rng, inside = np.random.default_rng(0), 0
    for _ in range(600):
        found = np.where(rng.random(100) < rate, rng.uniform(0.4, 1.0, 100), 0.0)
        low, high = scores.interval(found.tolist())
        assert 0 <= low <= found.mean() <= high <= 1
        inside += low <= 0.7 * rate <= high
    assert 0.923 <= inside / 600 <= 0.98


def test_scores_that_agree_leave_a_doubt_and_none_has_no_interval():
    assert scores.interval([0.5] * 50) == pytest.approx((0.366, 0.634), abs=1e-3)  # as 25 of 50
    with pytest.raises(ValueError, match="needs a score"):
        scores.interval([])
