"""Success rates at another radius, from the distances that a run recorded; nothing is planned again."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vgbench.errors import VgbenchError
from vgbench.statistics import wilson
from vgbench.storage.files import Record
from vgbench.storage.records import NotARecord, baseline_rates, leaves, read_episodes, read_result, read_run

AT = ("ever", "end")
ROUNDED = 5e-7
"""Half a unit of the last digit in which distances are recorded."""


@dataclass(frozen=True)
class Rescored:
    """Successes of one run's planner (or its baseline) at a radius.

    Attributes:
        path: the run folder.
        planner: its name; that of the baseline for its rows.
        at: "ever": some state of the episode lies within the radius; "end": its last one does.
        stop: when its episodes stopped: "ever", at their first success under the recorded radius, or "never".
        recorded: successes in the record, at its own radius.
        successes: tasks that are certainly solved.
        unknown: tasks of which the record does not tell, see `verdict`.
    """

    path: Path
    title: str
    planner: str
    baseline: bool
    at: str
    radius: float
    recorded_radius: float | None
    stop: str
    recorded: int
    successes: int
    unknown: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval; from the low end of the fewest to the high end of the most possible successes."""
        return wilson(self.successes, self.n)[0], wilson(self.successes + self.unknown, self.n)[1]

    def plain(self) -> Record:
        """JSON values."""
        rates = [self.successes / self.n, (self.successes + self.unknown) / self.n]
        low, high = self.interval
        return {
            "path": self.path.as_posix(),
            "title": self.title,
            "planner": self.planner,
            "baseline": self.baseline,
            "at": self.at,
            "radius": self.radius,
            "recorded_radius": self.recorded_radius,
            "stop": self.stop,
            "recorded_successes": self.recorded,
            "successes": None if self.unknown else self.successes,
            "bounds": [self.successes, self.successes + self.unknown],
            "n": self.n,
            "success_rate": None if self.unknown else rates[0],
            "rate_bounds": rates,
            "ci95": [round(low, 4), round(high, 4)],
        }


def rescore(folders: Iterable[Path], radius: float, at: str) -> tuple[list[Rescored], list[str]]:
    """Rescore every run folder at or below some folders.

    Returns:
        A row for each run and for each of its baselines; and a line with the reason for each folder left out.
    """
    found, left_out = [], []
    for folder in folders:
        for path in leaves(folder):
            try:
                found += _run(path, radius, at)
            except VgbenchError as err:
                left_out.append(f"{path}: {err}")
    return found, left_out


def verdict(row: Record, radius: float, at: str, stop: str, recorded_radius: float | None = None) -> bool | None:
    """Say whether a task counts as solved at a radius, or None where its record does not tell.

    An episode that was not solved was played to its end, so both its distances are true. One that stopped at its first
    success was not, so after that state all is unknown:

    * "ever": its least distance so far may be enough. At a radius as large as the recorded one it always is, which
      makes rates there exact; at a smaller one the episode might have come nearer later.
    * "end": unknown at any radius, since it might have gone on.

    Distances are rounded to six digits, so one that lies that near to the radius tells nothing either.
    """
    stopped = bool(row["success"]) and stop == "ever"
    if at == "end":
        return None if stopped else _below(row["final_distance"], radius)
    if recorded_radius is not None:
        # The record itself: a rounded distance might lie on the other side.
        if radius == recorded_radius:
            return bool(row["success"])
        if row["success"] and radius > recorded_radius:
            return True
    near = _below(row["min_distance"], radius)
    return None if stopped and near is False else near


def _below(distance: float, radius: float) -> bool | None:
    return None if abs(distance - radius) <= ROUNDED else distance < radius


def _run(path: Path, radius: float, at: str) -> list[Rescored]:
    """Rows of one run folder.

    Raises:
        VgbenchError: it is no complete run, or contradicts itself.
    """
    run = read_run(path, ("title",))
    result = read_result(path, run)
    try:
        # Records older than this setting were made as its default says.
        stop = run["identity"]["settings"]["evaluation"].get("stop", "ever")
        known = (result.get("tasks") or {}).get("radius")
        made = []
        for name, rate in [("episodes.jsonl", result), *baseline_rates(result)]:
            solved = [verdict(row, radius, at, stop, known) for row in read_episodes(path / name, rate)]
            made.append(
                Rescored(
                    path,
                    run["title"],
                    rate["planner"],
                    rate is not result,
                    at,
                    radius,
                    known,
                    stop,
                    recorded=rate["successes"],
                    successes=solved.count(True),
                    unknown=solved.count(None),
                    n=len(solved),
                )
            )
    except (KeyError, TypeError, AttributeError) as err:
        raise NotARecord(f"it is damaged: {type(err).__name__}: {err}") from err
    return made
