"""Scores of a task: success, and two that ask how long it took, against the steps that the environment's expert takes.

A row is one of episodes.jsonl: `success`, `steps` until then, and `expert_steps`, null or missing where not known.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from vgbench.statistics import score_interval

Row = Mapping[str, Any]

SCORES = ("success", "spl", "timely")
"""Every score, by its name."""
COUNTS = ("success", "timely")
"""Those that are 0 or 1."""
TIMELY = 1.5
"""Times the expert's steps within which a success is timely."""


def success(row: Row) -> float:
    """Return 1 for a task that was solved, else 0."""
    return float(bool(row["success"]))


def spl(row: Row) -> float | None:
    """Return success weighted by path length, in [0, 1]: expert_steps / max(steps, expert_steps), 0 where not solved.

    Anderson et al. 2018, "On evaluation of embodied navigation agents"; the length of a path is its number of steps.
    None where the expert's is not known.
    """
    expert = row.get("expert_steps")
    if expert is None:
        return None
    return expert / max(row["steps"], expert) if row["success"] else 0.0


def timely(row: Row) -> float | None:
    """Return 1 for a task solved within `TIMELY` times the expert's steps, else 0; None where these are not known."""
    expert = row.get("expert_steps")
    if expert is None:
        return None
    return float(bool(row["success"]) and row["steps"] <= TIMELY * expert)


_FUNCTIONS: dict[str, Callable[[Row], float | None]] = {"success": success, "spl": spl, "timely": timely}


def score(name: str, row: Row) -> float | None:
    """Return the score of a row by its name, one of `SCORES`."""
    return _FUNCTIONS[name](row)


def values(name: str, rows: Iterable[Row]) -> list[float]:
    """Return a score of the rows that have it."""
    found = (score(name, row) for row in rows)
    return [value for value in found if value is not None]


def mean(name: str, rows: Iterable[Row]) -> float | None:
    """Return the mean of a score over the rows that have it; None if none has."""
    found = values(name, rows)
    return sum(found) / len(found) if found else None


def interval(found: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return an interval of the mean of scores in [0, 1]: Wilson's, with an effective number of tasks.

    The tasks count for as many as would give a rate the variance that is seen between the scores; as they are, where
    all scores agree. For successes alone this is Wilson's interval. At means near 0 it keeps its coverage, where
    Student's interval and the bootstrap over tasks do not: where 2 % of 50 tasks are solved, theirs hold the mean in
    only 63 % of all cases.

    Raises:
        ValueError: there is no score.
    """
    if not found:
        raise ValueError("an interval needs a score")
    count = len(found)
    average = sum(found) / count
    variance = sum((value - average) ** 2 for value in found) / count
    # At most 1, since no scores within [0, 1] vary more than successes do; rounding could make 0 / 0 of scores of 1.
    size = count * average * (1 - average) / variance if variance > 1e-12 else count
    return score_interval(average, size, confidence)
