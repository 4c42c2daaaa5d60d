"""How often nominal 95 % intervals of a success rate, and of a difference of two, hold the true one, by simulation.

    python -m benchmarks.coverage [--trials 2000] [--resampled 100] > results/interval-coverage.json

A method of true rate p is trained with S seeds, each judged on n tasks: the same ones (`shared`) or tasks of its own
(`own`). Tasks are alike, or their rates are beta-distributed with mean p: `task_concentration` is the sum of the
distribution's parameters, so that at p = .5 they are Beta(.1, .1), (.3, .3) and (1, 1). Seeds are alike, or their rates
are beta-distributed around p with the standard deviation `seed_std`: a weaker seed then loses each task that it would
have solved with the same chance, a stronger one gains each that it would have missed.

Of rates: `wilson` (one seed) and `rate_interval` are what reports show; `pooled` is Wilson's of all S x n tasks,
`student` the t-interval of the seeds' rates, `bootstrap` the resampling of shared tasks and seeds. Of differences of
two methods on the same tasks: `difference_interval` is what reports show, `independent` Newcombe's of n tasks, or
Student's over the seeds' differences where that is wider, which does not know that tasks are paired. The tasks of `b`
are as hard as those of `a` in proportion (`related`), or hard for reasons of their own.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from vgbench.intervals import difference_interval, rate_interval
from vgbench.statistics import Interval, hierarchical_bootstrap, score_interval, square_and_add, t_interval

RATES = (0.04, 0.5, 0.9, 0.99)
PAIRS = ((0.04, 0.04), (0.5, 0.5), (0.9, 0.9), (0.6, 0.3), (0.9, 0.8), (0.99, 0.95))
TASKS = (None, 0.2, 0.6, 2.0)
"""Concentrations of the tasks' rates; None: all tasks are alike."""
SEEDS = (None, 100, 30)
"""Concentrations of the beta distribution of the seeds' rates; None: all seeds are alike."""
COUNTS = (3, 5, 10)


def seed_std(p: float, concentration: int | None) -> float:
    """Return the standard deviation of the seeds' rates."""
    return 0.0 if concentration is None else (p * (1 - p) / (concentration + 1)) ** 0.5


def task_rates(p: float, concentration: float | None, shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """Draw how likely each task is to be solved."""
    return np.full(shape, p) if concentration is None else draw.beta(p * concentration, (1 - p) * concentration, shape)


def solve(p: float, chances: np.ndarray, concentration: int | None, draw: np.random.Generator) -> np.ndarray:
    """Draw successes [trials, seeds, n] on tasks of these chances; the mean over tasks and seeds is p exactly."""
    solved = draw.random(chances.shape) < chances
    if concentration is not None:
        rates = draw.beta(p * concentration, (1 - p) * concentration, (*chances.shape[:2], 1))
        lost = draw.random(chances.shape) < 1 - rates / p
        gained = draw.random(chances.shape) < (rates - p) / (1 - p)
        solved = (solved & ~lost) | gained
    return solved.astype(float)


def _shape(trials: int, seeds: int, n: int, shared: bool) -> tuple[int, int, int]:
    return (trials, 1 if shared else seeds, n)


def draw_rates(
    p: float,
    seeds: int,
    shared: bool,
    tasks: float | None,
    concentration: int | None,
    trials: int,
    n: int = 100,
    seed: int = 0,
) -> np.ndarray:
    """Draw the successes [trials, seeds, n] of a method."""
    # Keyed by the setting: one alone gives the same draws as all.
    draw = np.random.default_rng([seed, round(100 * p), seeds, shared, round(10 * (tasks or 0)), concentration or 0])
    chances = task_rates(p, tasks, _shape(trials, seeds, n, shared), draw)
    return solve(p, np.broadcast_to(chances, (trials, seeds, n)), concentration, draw)


def draw_pairs(
    pair: tuple[float, float],
    seeds: int,
    shared: bool,
    tasks: float | None,
    related: bool,
    concentration: int | None,
    trials: int,
    n: int = 100,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the successes [trials, seeds, n] of two methods on the same tasks."""
    key = [round(100 * p) for p in pair]
    draw = np.random.default_rng([seed, *key, seeds, shared, round(10 * (tasks or 0)), related, concentration or 0])
    shape = _shape(trials, seeds, n, shared)
    of_a = task_rates(pair[0], tasks, shape, draw)
    of_b = of_a * pair[1] / pair[0] if related else task_rates(pair[1], tasks, shape, draw)
    both = (np.broadcast_to(chances, (trials, seeds, n)) for chances in (of_a, of_b))
    a, b = (solve(p, chances, concentration, draw) for p, chances in zip(pair, both, strict=True))
    return a, b


def share_covered(value: float, tables: Iterable[np.ndarray], interval: Callable[[Any], Interval]) -> float:
    """Share of the tables [seeds, n] whose interval holds the value."""
    return float(np.mean([low <= value <= high for low, high in map(interval, tables)]))


def pooled(rows: np.ndarray) -> Interval:
    """Wilson's interval, each task of each seed counted."""
    return score_interval(float(rows.mean()), rows.size)


def independent(a: np.ndarray, b: np.ndarray) -> Interval:
    """Newcombe's interval of the number of tasks, and Student's over seeds if that is wider."""
    n, (mean_a, mean_b) = a.shape[1], (float(rows.mean()) for rows in (a, b))
    low, high = square_and_add(mean_a, score_interval(mean_a, n), mean_b, score_interval(mean_b, n))
    if len(a) == 1:
        return low, high
    student = t_interval((a.mean(1) - b.mean(1)).tolist())
    return min(low, student[0]), max(high, student[1])


def rates(trials: int, resampled: int, n: int) -> Iterable[dict[str, Any]]:
    """Measure the intervals of a rate at every setting."""
    for p in RATES:
        for tasks in TASKS:
            drawn = draw_rates(p, 1, True, tasks, None, trials, n)
            covered = share_covered(p, drawn, lambda rows: rate_interval(rows)[:2])
            yield {"seeds": 1, "rate": p, "task_concentration": tasks, "seed_std": 0.0, "wilson": covered}
    settings = [
        (s, shared, p, t, c) for shared in (True, False) for s in COUNTS for p in RATES for t in TASKS for c in SEEDS
    ]
    for seeds, shared, p, tasks, concentration in settings:
        drawn = draw_rates(p, seeds, shared, tasks, concentration, trials, n)
        row: dict[str, Any] = {"design": "shared" if shared else "own", "seeds": seeds, "rate": p}
        row |= {"task_concentration": tasks, "seed_std": seed_std(p, concentration)}
        row["rate_interval"] = share_covered(p, drawn, lambda rows, shared=shared: rate_interval(rows, shared)[:2])
        row["pooled"] = share_covered(p, drawn, pooled)
        row["student"] = share_covered(p, drawn, lambda rows: t_interval(rows.mean(1).tolist()))
        if shared and resampled:
            resample = drawn[:resampled]
            row["bootstrap"] = share_covered(
                p, resample, lambda rows: hierarchical_bootstrap(rows.tolist(), resamples=1000)
            )
        yield row


def differences(trials: int, n: int) -> Iterable[dict[str, Any]]:
    """Measure the intervals of a difference at every setting."""
    kinds = [(None, False), *((tasks, related) for tasks in TASKS[1:3] for related in (True, False))]
    designs = [(1, True), *((seeds, shared) for shared in (True, False) for seeds in COUNTS)]
    for seeds, shared in designs:
        for pair in PAIRS:
            for tasks, related in kinds:
                for concentration in SEEDS[: 1 if seeds == 1 else 2]:
                    a, b = draw_pairs(pair, seeds, shared, tasks, related, concentration, trials, n)
                    row: dict[str, Any] = {"design": "shared" if shared else "own", "seeds": seeds, "rates": list(pair)}
                    row |= {"task_concentration": tasks, "related": related}
                    row["seed_std"] = [seed_std(p, concentration) for p in pair]
                    true = pair[0] - pair[1]
                    row["difference_interval"] = share_covered(
                        true, a - b, lambda rows, shared=shared: difference_interval(rows, shared)
                    )
                    held = [low <= true <= high for low, high in map(independent, a, b)]
                    yield row | {"independent": float(np.mean(held))}


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    def short(value: Any) -> Any:
        return (
            [short(v) for v in value]
            if isinstance(value, list)
            else round(value, 4)
            if isinstance(value, float)
            else value
        )

    return {key: short(value) for key, value in row.items()}


def measure(trials: int, resampled: int, n: int = 100) -> dict[str, Any]:
    """Measure the coverage of every kind of interval at every setting."""
    return {
        "tasks": n,
        "trials": trials,
        "resampled": resampled,
        "nominal": 0.95,
        "rows": [_rounded(row) for row in rates(trials, resampled, n)],
        "differences": [_rounded(row) for row in differences(trials, n)],
    }


def lines(record: dict[str, Any]) -> str:
    """Return JSON with a setting a line."""
    parts = []
    for key, value in record.items():
        rows = ",\n".join(f"  {json.dumps(row)}" for row in value) if isinstance(value, list) else ""
        parts.append(f" {json.dumps(key)}: " + (f"[\n{rows}\n ]" if rows else json.dumps(value)))
    return "{\n" + ",\n".join(parts) + "\n}"


def main() -> None:
    """Parse the options and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--resampled", type=int, default=100, help="trials of the bootstrap, which is slow")
    options = parser.parse_args()
    print(lines(measure(options.trials, options.resampled)))


if __name__ == "__main__":
    main()
