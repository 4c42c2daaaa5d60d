"""What result.json says of rows: the success rate, and the scores beside it, with their intervals."""

from collections.abc import Sequence

from vgbench import scores
from vgbench.statistics import wilson
from vgbench.storage.rate_types import Rate, StratumRate
from vgbench.storage.record_types import EpisodeRow


def rate(rows: Sequence[EpisodeRow]) -> Rate:
    """Return rates and scores of the rows of one planner, one for each task; at least one.

    Where tasks belong to strata, `strata` has the same for each of them, in the order in which they come first.
    """
    found: Rate = {**_rate(rows)}
    strata = {row["stratum"]: None for row in rows if "stratum" in row}
    if strata:
        found["strata"] = {name: _rate([row for row in rows if row.get("stratum") == name]) for name in strata}
    return found


def _rate(rows: Sequence[EpisodeRow]) -> StratumRate:
    successes = sum(row["success"] for row in rows)
    spl, timely = (scores.values(name, rows) for name in ("spl", "timely"))
    return {
        "success_rate": successes / len(rows),
        "successes": successes,
        "n": len(rows),
        "ci95": rounded(wilson(successes, len(rows))),
        "spl": scores.mean("spl", rows),
        "spl_ci95": rounded(scores.interval(spl)) if spl else None,
        "timely": scores.mean("timely", rows),
        "timely_ci95": rounded(wilson(int(sum(timely)), len(timely))) if timely else None,
    }


def rounded(interval: tuple[float, float]) -> list[float]:
    """Round an interval as records have it."""
    return [round(end, 4) for end in interval]
