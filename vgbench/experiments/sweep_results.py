"""Results of a sweep: success at each point, and the area under success over a property of the data."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from vgbench.experiments.cells import CellOutcome
from vgbench.experiments.sweep import Point
from vgbench.intervals import area_interval, rate_interval
from vgbench.storage.files import Record, write_text
from vgbench.storage.records import RunRecord, read, share_tasks


def figures(points: Iterable[Point], outcomes: Iterable[CellOutcome]) -> list[Record]:
    """Return success by point, all seeds together, with its interval for tasks and seeds like these.

    `evaluations_per_task` counts those of the predictor (one row, one step) until a task is solved or its time is up;
    `by_seed` has each seed's rate, and the interval is that of `vgbench.intervals.rate_interval`.

    Raises:
        VgbenchError: the rows of a run that is done cannot be read.
    """
    by_place: dict[str, list[CellOutcome]] = {}
    for outcome in outcomes:
        by_place.setdefault(outcome.cell.labels["point"], []).append(outcome)
    return [_figure(point, by_place[point.place]) for point in points]


def _figure(point: Point, outcomes: Sequence[CellOutcome]) -> Record:
    results = {outcome.cell.labels["seed"]: outcome.result for outcome in outcomes if outcome.result}
    about: Record = {"curve": point.curve, "recipe": point.recipe, "over": point.over}
    about["planner"] = outcomes[0].cell.spec.planner.name
    about |= {"value": point.values[point.over], "values": dict(point.values), "folder": point.place}
    successes, n = (sum(result[key] for result in results.values()) for key in ("successes", "n"))
    rate: Record = {"success_rate": successes / n if n else None, "successes": successes, "n": n}
    rate |= {"ci95": _interval(outcomes) if n else None}
    evaluations = sum(result["predictor_evaluations"] for result in results.values())
    rate["evaluations_per_task"] = round(evaluations / n, 1) if n else None
    by_seed: dict[str, Any] = {str(seed): result["success_rate"] for seed, result in results.items()}
    return about | rate | {"runs": len(outcomes), "missing": len(outcomes) - len(results), "by_seed": by_seed}


CHECKPOINTS = "for these checkpoints"
SEEDS = "over seeds"


def areas(rows: Sequence[Record], done: Mapping[str, Sequence[RunRecord]]) -> list[Record]:
    """Return, for each curve over positive numbers, the mean success over the logarithm of the value.

    That is the area under the curve, by trapezia, over its width: what a method solves on average where each doubling
    of the value counts the same, as of data in scaling curves. Left out are curves of one point, of words, or with a
    point that has no result.

    Args:
        rows: of `figures`.
        done: records of the runs at each point, by the point's folder, see `records`.

    Returns:
        `curve`, `over`, `area`, its `ci95` and of whom that speaks, `scope`: of one seed `for these checkpoints`, on
        tasks like these; of several `over seeds`. Both are None where several seeds have other tasks at other points.
    """
    found = []
    for curve, over in dict.fromkeys((row["curve"], row["over"]) for row in rows):
        points = [row for row in rows if (row["curve"], row["over"]) == (curve, over)]
        try:
            points = sorted(points, key=lambda row: math.log(float(row["value"])))
        except ValueError:  # words, or numbers that have no logarithm
            continue
        if len(points) < 2 or any(row["success_rate"] is None for row in points):
            continue
        weights = _weights([math.log(float(row["value"])) for row in points])
        area = sum(weight * row["success_rate"] for weight, row in zip(weights, points, strict=True))
        ends, scope = _area_interval([done[row["folder"]] for row in points], weights)
        found.append({"curve": curve, "over": over, "area": round(area, 6), "ci95": ends, "scope": scope})
    return found


def _weights(places: Sequence[float]) -> list[float]:
    """Weights of the points in the mean by trapezia: half of the stretch to each neighbour; they add up to 1."""
    steps = [0.0, *(b - a for a, b in pairwise(places)), 0.0]
    return [(before + after) / (2 * sum(steps)) for before, after in pairwise(steps)]


def _area_interval(
    points: Sequence[Sequence[RunRecord]], weights: Sequence[float]
) -> tuple[list[float] | None, str | None]:
    """Interval of a mean over points, and of whom it speaks."""
    if all(len(records) == 1 for records in points):
        low, high = area_interval(_by_tasks([records[0] for records in points], weights))
        return [round(low, 4), round(high, 4)], CHECKPOINTS
    by_seed = [sorted(records, key=lambda record: record.seed) for records in points]
    groups = [_by_tasks(records, weights) for records in zip(*by_seed, strict=False)]
    # Otherwise the parts that seeds and tasks have in the spread cannot be told apart.
    alike = len({tuple(record.seed for record in records) for records in by_seed}) == 1
    if not alike or any(len(of_seed) > 1 for of_seed in groups):
        return None, None
    mixed = [[_dot(of, task) for task in zip(*rows, strict=True)] for [(rows, of)] in groups]
    low, high, _ = rate_interval(mixed, share_tasks(by_seed[0]))
    return [round(low, 4), round(high, 4)], SEEDS


def _dot(weights: Sequence[float], scores: Sequence[float]) -> float:
    return sum(weight * score for weight, score in zip(weights, scores, strict=True))


def _by_tasks(
    records: Sequence[RunRecord], weights: Sequence[float]
) -> list[tuple[list[tuple[bool, ...]], list[float]]]:
    """Group one seed's points by the tasks that they were judged on: successes and weights of each group."""
    groups: list[list[int]] = []
    for number, record in enumerate(records):
        same = next((group for group in groups if records[group[0]].same_tasks(record)), None)
        if same is None:
            groups.append([number])
        else:
            same.append(number)
    return [([records[n].episodes.success for n in group], [weights[n] for n in group]) for group in groups]


def records(points: Iterable[Point], outcomes: Iterable[CellOutcome]) -> dict[str, list[RunRecord]]:
    """Read the records of the runs that are done at each point, by its folder.

    Raises:
        VgbenchError: the rows of one of them cannot be read.
    """
    found: dict[str, list[RunRecord]] = {point.place: [] for point in points}
    for outcome in outcomes:
        if outcome.result:
            found[outcome.cell.labels["point"]].append(read(outcome.cell.folder))
    return found


def _interval(outcomes: Sequence[CellOutcome]) -> list[float]:
    # The rows of each task, which the results do not have: seeds may share their tasks.
    done = [read(outcome.cell.folder) for outcome in outcomes if outcome.result]
    low, high, _ = rate_interval([record.episodes.success for record in done], share_tasks(done))
    return [round(low, 4), round(high, 4)]


COLUMNS = (
    *("curve", "recipe", "over", "value", "success_rate", "low", "high", "successes", "n", "evaluations_per_task"),
    *("runs", "missing"),
)


def write_csv(path: Path, rows: Sequence[Record], columns: Sequence[str] = COLUMNS) -> None:
    """Write rows as CSV, one a line, with the ends of their intervals."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        low, high = row["ci95"] or (None, None)
        writer.writerow(row | {"low": low, "high": high})
    write_text(path, text.getvalue())
