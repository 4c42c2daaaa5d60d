"""Results of a sweep: success at each point, and the area under success over a property of the data."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from vgbench.experiments.cells import CellOutcome
from vgbench.experiments.sweep import Point
from vgbench.intervals import rate_interval
from vgbench.storage.files import Record, write_text
from vgbench.storage.records import read, share_tasks


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


def areas(rows: Sequence[Record]) -> list[Record]:
    """Return, for each curve over positive numbers, the mean success over the logarithm of the value.

    That is the area under the curve, by trapezia, over its width: what a method solves on average where each doubling
    of the value counts the same, as of data in scaling curves. Left out are curves of one point, of words, or with a
    point that has no result.
    """
    found = []
    for curve, over in dict.fromkeys((row["curve"], row["over"]) for row in rows):
        points = [row for row in rows if (row["curve"], row["over"]) == (curve, over)]
        try:
            places = sorted((math.log(float(row["value"])), row["success_rate"]) for row in points)
        except ValueError:  # words, or numbers that have no logarithm
            continue
        if len(places) > 1 and all(rate is not None for _, rate in places):
            area = sum((b - a) * (x + y) / 2 for (a, x), (b, y) in pairwise(places))
            found.append({"curve": curve, "over": over, "area": round(area / (places[-1][0] - places[0][0]), 6)})
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
