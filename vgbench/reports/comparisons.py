"""Two methods compared on their records: the difference of a score, its interval, and whether chance would do.

Units of chance. Where the seeds share their tasks, a task is one unit, however many seeds tried it; where each seed has
tasks of its own, each task of each seed is one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

from vgbench.intervals import difference_interval, p_value, rate_interval, strata_interval
from vgbench.reports.table import TableCell
from vgbench.scores import COUNTS
from vgbench.statistics import (
    Interval,
    fisher_exact,
    paired_t,
    permutation,
    sign_flip,
    sign_flip_of_reals,
    square_and_add,
    welch_t,
)
from vgbench.storage.episode_rows import Episodes
from vgbench.storage.records import RunRecord, share_tasks

SEEDS_FOR_METHODS = 3
Scores = dict[int, tuple[float, ...]]
"""Of each task, by training seed."""


class NotComparable(Exception):
    """Why two sides cannot be compared."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a recipe, or a baseline beside a recipe's runs, on a protocol.

    Attributes:
        records: by training seed; of a baseline, those beside which it was judged.
        planner: of a baseline.
    """

    name: str
    records: Mapping[int, RunRecord]
    planner: str | None = None

    def scores(self, score: str, seeds: Sequence[int]) -> Scores:
        """Return the scores of the tasks of some seeds.

        Raises:
            NotComparable: a record does not have what the score needs, or seeds have more tasks than others.
        """
        found: Scores = {}
        for seed in seeds:
            scores = self._episodes(seed).scores
            if score not in scores:
                # There episodes end before the expert, whose steps a score needs, is at the goal.
                short = " (scale smoke is too short for it)" if self.records[seed].scale == "smoke" else ""
                raise NotComparable(f"no score {score} in the record of {self.name}, seed {seed}{short}")
            found[seed] = scores[score]
        if len({len(tasks) for tasks in found.values()}) > 1:
            counts = ", ".join(f"{len(tasks)} with seed {seed}" for seed, tasks in found.items())
            raise NotComparable(f"the seeds of {self.name} have different numbers of tasks: {counts}")
        return found

    def _episodes(self, seed: int) -> Episodes:
        record = self.records[seed]
        return record.episodes if self.planner is None else record.baselines[self.planner]

    def shares_tasks(self, seeds: Sequence[int]) -> bool:
        """Whether some seeds are judged on the same tasks; True for one."""
        return len(seeds) == 1 or share_tasks([self.records[seed] for seed in seeds])


@dataclass(frozen=True)
class Comparison:
    """What two sides differ by.

    Attributes:
        seeds: that were compared.
        n: tasks for each seed.
        rates: mean scores of the two.
        interval: 95 % interval of their difference for tasks like these and, from two seeds on, for seeds like these;
            not corrected for the number of comparisons.
        p_tasks: of these checkpoints, over tasks.
        p_seeds: of the methods: the larger one over seeds and over tasks; None below three seeds.
    """

    seeds: tuple[int, ...]
    n: int
    rates: tuple[float, float]
    interval: Interval
    p_tasks: float
    p_seeds: float | None


def recipe_side(name: str, cell: TableCell | None) -> Side:
    """Return the current records of a recipe as a side."""
    return Side(name, {record.seed: record for record in _current(cell)})


def baseline_side(cell: TableCell | None) -> Side:
    """Return the strongest baseline beside a recipe's current runs: the planner with the most successes over them."""
    records = [record for record in _current(cell) if record.baselines]
    planners = set.intersection(*(set(record.baselines) for record in records)) if records else set()
    if records and not planners:
        raise NotComparable("its runs have no baseline in common")
    # By name where they are as strong: the report must not depend on an order of files.
    strongest = max(sorted(planners), key=lambda name: sum(r.baselines[name].successes for r in records), default=None)
    return Side("baseline", {record.seed: record for record in records}, strongest)


def _current(cell: TableCell | None) -> Sequence[RunRecord]:
    return cell.records if cell is not None and cell.state == "done" else ()


def compare_paired(a: Side, b: Side, score: str, margin: float | None) -> Comparison:
    """Compare on the same tasks, over the seeds that both sides have.

    Without a margin the hypothesis to reject is a difference of 0: over tasks by exact sign flips of the units (for one
    seed and a count McNemar's exact test), over seeds by Student's paired test. With one it is a difference of
    `margin`, tested by inversion of `difference_interval`.

    Raises:
        NotComparable: there is no common seed, the tasks differ, or the score is missing.
    """
    seeds = sorted(set(a.records) & set(b.records))
    if not seeds:
        raise NotComparable("the two have no training seed in common")
    if not all(a.records[seed].same_tasks(b.records[seed]) for seed in seeds):
        raise NotComparable("the two were evaluated on different tasks")
    of_a, of_b, shared = a.scores(score, seeds), b.scores(score, seeds), a.shares_tasks(seeds)
    rows = [[x - y for x, y in zip(of_a[seed], of_b[seed], strict=True)] for seed in seeds]
    # Over shared tasks their mean; a sum would do for the tests, but not for the intervals.
    units = _units(dict(zip(seeds, rows, strict=True)), shared)

    def over_seeds(confidence: float) -> Interval:
        return difference_interval(rows, shared, confidence)

    if margin is None:
        p_tasks = _sign_flips(units, len(seeds) if shared else 1, score)
        p_methods = paired_t(_means(of_a), _means(of_b)) if len(seeds) >= SEEDS_FOR_METHODS else None
    else:
        p_tasks = p_value(margin, lambda confidence: difference_interval([units], True, confidence))
        p_methods = p_value(margin, over_seeds)
    return _comparison((of_a, of_b), over_seeds(0.95), p_tasks, p_methods)


def compare_unpaired(a: Side, b: Side, score: str, margin: float | None) -> Comparison:
    """Compare on different tasks, as `compare_paired`: by Fisher's exact test (permutations, for a score that is no
    count) and Welch's; the interval is made of those of either side.

    Raises:
        NotComparable: the score is missing.
    """
    sides = [(side.scores(score, sorted(side.records)), side.shares_tasks(sorted(side.records))) for side in (a, b)]
    (of_a, shared_a), (of_b, shared_b) = sides
    units_a, units_b = _units(of_a, shared_a), _units(of_b, shared_b)

    def between(rows_a: Sequence[Sequence[float]], rows_b: Sequence[Sequence[float]]) -> Callable[[float], Interval]:
        def interval(confidence: float) -> Interval:
            intervals = [
                (_mean(rows), rate_interval(rows, shared, confidence)[:2])
                for rows, shared in ((rows_a, shared_a), (rows_b, shared_b))
            ]
            return square_and_add(*intervals[0], *intervals[1])

        return interval

    over_seeds = between(list(of_a.values()), list(of_b.values()))
    few = min(len(of_a), len(of_b)) < SEEDS_FOR_METHODS
    if margin is None:
        p_tasks = fisher_exact(*_counts(units_a, units_b)) if score in COUNTS else permutation(units_a, units_b)
        p_methods = None if few else welch_t(_means(of_a), _means(of_b))
    else:
        p_tasks = p_value(margin, between([units_a], [units_b]))
        p_methods = p_value(margin, over_seeds)
    return _comparison((of_a, of_b), over_seeds(0.95), p_tasks, p_methods)


def compare_strata(a: Side, b: Side, score: str, margin: float | None) -> Comparison:
    """Compare the same checkpoints on two sets of tasks: as `compare_unpaired` over tasks, but paired over seeds.

    What a seed adds on both sides cancels: Student's paired test over the seeds' rates, and `strata_interval`.

    Raises:
        NotComparable: there is no common seed, or the score is missing.
    """
    seeds = sorted(set(a.records) & set(b.records))
    if not seeds:
        raise NotComparable("the two have no training seed in common")
    of_a, of_b = a.scores(score, seeds), b.scores(score, seeds)
    shared_a, shared_b = a.shares_tasks(seeds), b.shares_tasks(seeds)
    units_a, units_b = _units(of_a, shared_a), _units(of_b, shared_b)

    def over_seeds(confidence: float) -> Interval:
        return strata_interval(list(of_a.values()), shared_a, list(of_b.values()), shared_b, confidence)

    if margin is None:
        p_tasks = fisher_exact(*_counts(units_a, units_b)) if score in COUNTS else permutation(units_a, units_b)
        p_methods = paired_t(_means(of_a), _means(of_b)) if len(seeds) >= SEEDS_FOR_METHODS else None
    else:
        p_tasks = p_value(margin, lambda confidence: strata_interval([units_a], True, [units_b], True, confidence))
        p_methods = p_value(margin, over_seeds)
    return _comparison((of_a, of_b), over_seeds(0.95), p_tasks, p_methods)


def compare_interaction(
    pair: tuple[Side, Side], twin: tuple[Side, Side], score: str, margin: float | None
) -> Comparison:
    """Compare the difference of two methods with their difference on a twin, which has the same tasks in their order.

    Over tasks by sign flips of the differences of differences, over seeds by Student's paired test; the interval is
    made by `difference_interval`. The rates are the two differences.

    Args:
        pair: both methods where the difference should be the larger one.
        twin: both methods on the twin.
        score: what is compared.
        margin: as for `compare_paired`.

    Raises:
        NotComparable: there is no common seed, the tasks differ, or the score is missing.
    """
    sides = (*pair, *twin)
    seeds = sorted(set.intersection(*(set(side.records) for side in sides)))
    if not seeds:
        raise NotComparable("the four have no training seed in common")
    for seed in seeds:
        first, *others = (side.records[seed].episodes for side in sides)
        # The twin's manifest names another environment, so its hash says nothing.
        if any((o.start_distance, o.strata) != (first.start_distance, first.strata) for o in others):
            raise NotComparable("the tasks of the twin are others")
    scores, shared = [side.scores(score, seeds) for side in sides], pair[0].shares_tasks(seeds)
    columns = [zip(*(of[seed] for of in scores), strict=True) for seed in seeds]
    rows = [[(a - b) - (c - d) for a, b, c, d in column] for column in columns]
    units = _units(dict(zip(seeds, rows, strict=True)), shared)

    def over_seeds(confidence: float) -> Interval:
        return _doubled(rows, shared, confidence)

    if margin is None:
        p_tasks = _sign_flips(units, len(seeds) if shared else 1, score)
        means = [_means(of) for of in scores]
        gains = [[x - y for x, y in zip(*two, strict=True)] for two in (means[:2], means[2:])]
        p_methods = paired_t(*gains) if len(seeds) >= SEEDS_FOR_METHODS else None
    else:
        p_tasks = p_value(margin, lambda confidence: _doubled([units], True, confidence))
        p_methods = p_value(margin, over_seeds)
    found = _comparison((scores[0], scores[1]), over_seeds(0.95), p_tasks, p_methods)
    a, b, c, d = (_mean(list(of.values())) for of in scores)
    return replace(found, rates=(a - b, c - d))


def _doubled(rows: Sequence[Sequence[float]], shared: bool, confidence: float) -> Interval:
    """Interval of differences of differences, which reach from -2 to 2."""
    low, high = difference_interval([[value / 2 for value in row] for row in rows], shared, confidence)
    return 2 * low, 2 * high


def _comparison(
    sides: tuple[Scores, Scores], interval: Interval, p_tasks: float, p_methods: float | None
) -> Comparison:
    of_a, of_b = sides
    fewest = min(len(of_a), len(of_b))
    p_seeds = None if p_methods is None or fewest < SEEDS_FOR_METHODS else max(p_tasks, p_methods)
    rates = (_mean(list(of_a.values())), _mean(list(of_b.values())))
    return Comparison(tuple(sorted({*of_a, *of_b})), len(next(iter(of_a.values()))), rates, interval, p_tasks, p_seeds)


def _sign_flips(units: Sequence[float], each: int, score: str) -> float:
    """p-value of differences by sign flips: exact where a score is a count, of which a unit is the mean of `each`."""
    return sign_flip([round(unit * each) for unit in units]) if score in COUNTS else sign_flip_of_reals(units)


def _units(scores: Mapping[int, Sequence[float]], shared: bool) -> list[float]:
    """Mean score over the seeds of each shared task; or the scores of all tasks, if each seed has its own."""
    if shared:
        return [sum(task) / len(task) for task in zip(*scores.values(), strict=True)]
    return [score for row in scores.values() for score in row]


def _mean(rows: Sequence[Sequence[float]]) -> float:
    return sum(map(sum, rows)) / sum(map(len, rows))


def _means(scores: Scores) -> list[float]:
    """Mean score of each seed."""
    return [sum(row) / len(row) for row in scores.values()]


def _counts(units_a: Sequence[float], units_b: Sequence[float]) -> tuple[int, int, int, int]:
    """Tasks solved and tasks, of either side; means over seeds are rounded towards each other, which is cautious."""
    n_a, n_b, solved_a, solved_b = len(units_a), len(units_b), sum(units_a), sum(units_b)
    # Rounded before: 0.29 * 100 is 28.999999999999996, and its floor would lose a task.
    down, up = (lambda x: floor(round(x, 9))), (lambda x: ceil(round(x, 9)))
    to_a, to_b = (down, up) if solved_a / n_a >= solved_b / n_b else (up, down)
    return to_a(solved_a), n_a, to_b(solved_b), n_b
