"""How often nominal 95 % intervals of a success rate hold the true one, by simulation.

    python -m benchmarks.coverage [--trials 4000] [--resampled 400] > results/interval-coverage.json

A method of true rate p is trained with S seeds, each judged on the same n tasks. The seeds' own rates are p
(`seed_std` 0) or beta-distributed around it, with the standard deviation stated. `student` is the t-interval of the
seeds' rates, `wilson_over_seeds` what reports show, `bootstrap` the resampling of seeds and tasks (its tasks are all
equally hard here, so that it has nothing to gain from them).
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from vgbench.statistics import Interval, hierarchical_bootstrap, rate_interval, t_interval, wilson

RATES = (0.04, 0.5, 0.9, 0.99)
CONCENTRATIONS = (None, 100, 30)
"""Of the beta distribution of the seeds' rates; None: all seeds have the same."""


def draw(p: float, seeds: int, concentration: int | None, trials: int, n: int, seed: int = 0) -> np.ndarray:
    """Draw the successes of the seeds [trials, seeds]."""
    # Keyed by the setting: one alone gives the same draws as all.
    generator = np.random.default_rng([seed, round(100 * p), seeds, concentration or 0])
    shape = (trials, seeds)
    rates = (
        np.full(shape, p)
        if concentration is None
        else generator.beta(p * concentration, (1 - p) * concentration, shape)
    )
    return generator.binomial(n, rates)


def share_covered(p: float, counts: np.ndarray, interval: Callable[[list[int]], Interval]) -> float:
    """Share of the rows of `counts` whose interval holds p. Rows alike, in any order, are computed once."""
    rows, repeats = np.unique(np.sort(counts, axis=1), axis=0, return_counts=True)
    covered = [low <= p <= high for low, high in (interval(row.tolist()) for row in rows)]
    return float(np.average(covered, weights=repeats))


def measure(trials: int, resampled: int, n: int = 100) -> dict[str, Any]:
    """Measure the coverage of every kind of interval at every setting."""

    def student(counts: list[int]) -> Interval:
        return t_interval([count / n for count in counts])

    def bootstrap(counts: list[int]) -> Interval:
        return hierarchical_bootstrap([[1] * k + [0] * (n - k) for k in counts], resamples=1000)

    rows = []
    for p in RATES:
        one = draw(p, 1, None, trials, n)
        rows.append(
            {"seeds": 1, "rate": p, "seed_std": 0.0, "wilson": share_covered(p, one, lambda c: wilson(c[0], n))}
        )
        for seeds in (3, 5, 10):
            for concentration in CONCENTRATIONS:
                counts = draw(p, seeds, concentration, trials, n)
                # Standard deviation of a beta distribution of mean p and this concentration.
                spread = 0.0 if concentration is None else (p * (1 - p) / (concentration + 1)) ** 0.5
                row = {"seeds": seeds, "rate": p, "seed_std": round(spread, 4)}
                row["student"] = share_covered(p, counts, student)
                row["wilson_over_seeds"] = share_covered(p, counts, lambda c: rate_interval(c, n)[:2])
                if resampled:
                    row["bootstrap"] = share_covered(p, counts[:resampled], bootstrap)
                rows.append({key: round(value, 4) for key, value in row.items()})
    return {"tasks": n, "trials": trials, "resampled": resampled, "nominal": 0.95, "rows": rows}


def main() -> None:
    """Parse the options and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4000)
    parser.add_argument("--resampled", type=int, default=400, help="trials of the bootstrap, which is slow")
    options = parser.parse_args()
    print(json.dumps(measure(options.trials, options.resampled), indent=1))


if __name__ == "__main__":
    main()
