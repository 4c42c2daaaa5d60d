"""What result.json says of rows: the success rate, and the scores beside it, with their intervals."""

from collections.abc import Sequence

from vgbench import scores
from vgbench.statistics import wilson
from vgbench.storage.record_types import EpisodeRow, Rate


def rate(rows: Sequence[EpisodeRow]) -> Rate:
    """Return rates and scores of the rows of one planner, one for each task; at least one."""
    successes = sum(row["success"] for row in rows)
    spl, timely = (scores.values(name, rows) for name in ("spl", "timely"))
    return {
        "success_rate": successes / len(rows),
        "successes": successes,
        "n": len(rows),
        "ci95": _rounded(wilson(successes, len(rows))),
        "spl": scores.mean("spl", rows),
        "spl_ci95": _rounded(scores.interval(spl)) if spl else None,
        "timely": scores.mean("timely", rows),
        "timely_ci95": _rounded(wilson(int(sum(timely)), len(timely))) if timely else None,
    }


def _rounded(interval: tuple[float, float]) -> list[float]:
    return [round(end, 4) for end in interval]
