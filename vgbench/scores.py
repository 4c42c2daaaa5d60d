"""Scores of a task that was played, from its row in episodes.jsonl: whether it was solved, and in how many steps."""

from collections.abc import Callable, Mapping
from typing import Any

Row = Mapping[str, Any]
TIMELY = 1.5
"""How many times the expert's steps a timely solution may take."""


def success(row: Row) -> float:
    """Return 1 for a task that was solved, else 0."""
    return float(bool(row["success"]))


def spl(row: Row) -> float:
    """Return success weighted by path length, in steps: the expert's over those taken, and 0 without success.

    Anderson et al. 2018, "On Evaluation of Embodied Navigation Agents".

    Raises:
        ValueError: the row has no steps of an expert.
    """
    expert = _expert(row)
    return success(row) * expert / max(row["steps"], expert)


def timely(row: Row) -> float:
    """Return 1 for a task that was solved within 1.5 times the expert's steps, else 0.

    Raises:
        ValueError: the row has no steps of an expert.
    """
    return float(bool(row["success"]) and row["steps"] <= TIMELY * _expert(row))


SCORES: Mapping[str, Callable[[Row], float]] = {"success": success, "spl": spl, "timely": timely}
"""All of them, by name."""
COUNTS = ("success", "timely")
"""Those that are 0 or 1."""


def _expert(row: Row) -> int:
    steps = row.get("expert_steps")
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"task {row.get('task')} has no expert_steps, got {steps!r}")
    return steps
