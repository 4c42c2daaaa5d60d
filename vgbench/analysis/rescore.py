"""Success rates at another radius, and scores against the expert's steps, from what a run recorded.

Nothing is planned again. The expert is played where a record has no `expert_steps`, or where the radius is another.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vgbench import scores
from vgbench.analysis.recorded_tasks import RecordedTasks
from vgbench.errors import VgbenchError
from vgbench.experiments.rates import rounded
from vgbench.statistics import wilson
from vgbench.storage.episode_rows import NotARecord, read_episodes
from vgbench.storage.files import Record
from vgbench.storage.records import baseline_rates, leaves, read_result, read_run

AT = ("ever", "end")
ROUNDED = 5e-7
"""Half a unit of the last digit in which distances are recorded."""


class Question(NamedTuple):
    """What is asked of the records.

    Attributes:
        radius: a task is solved below this distance; None: at the radius of each run.
        at: "ever": some state of the episode lies within the radius; "end": its last one does.
        score: one of `vgbench.scores.SCORES`.
    """

    radius: float | None = None
    at: str = "ever"
    score: str = "success"


@dataclass(frozen=True)
class Rescored:
    """Successes of one run's planner (or its baseline) at a radius, and a score.

    Attributes:
        path: the run folder.
        planner: its name; that of the baseline for its rows.
        at, score: as asked.
        stratum: whose tasks these are; None: all.
        radius: as asked; by default that of the record, None if it has none.
        stop: when its episodes stopped: "ever", at their first success under the recorded radius, or "never".
        recorded: successes in the record, at its own radius.
        successes: tasks that are certainly solved.
        unknown: tasks of which the record does not tell, see `verdict`.
        low, high: the score of each task that has one, or the ends of what it can be, see `bounds`.
    """

    path: Path
    title: str
    planner: str
    baseline: bool
    at: str
    score: str
    radius: float | None
    recorded_radius: float | None
    stop: str
    recorded: int
    successes: int
    unknown: int
    n: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    stratum: str | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval; from the low end of the fewest to the high end of the most possible successes."""
        return wilson(self.successes, self.n)[0], wilson(self.successes + self.unknown, self.n)[1]

    @property
    def means(self) -> tuple[float, float] | None:
        """Least and largest mean of the score that the record allows; None where no task has the score."""
        return (sum(self.low) / len(self.low), sum(self.high) / len(self.high)) if self.low else None

    @property
    def score_interval(self) -> tuple[float, float] | None:
        """95 % interval of the mean: from the low end of the least to the high end of the largest."""
        return (scores.interval(self.low)[0], scores.interval(self.high)[1]) if self.low else None

    def plain(self) -> Record:
        """JSON values."""
        rates = [self.successes / self.n, (self.successes + self.unknown) / self.n]
        means, ends = self.means, self.score_interval
        return {
            "path": self.path.as_posix(),
            "title": self.title,
            "planner": self.planner,
            "baseline": self.baseline,
            "stratum": self.stratum,
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
            "ci95": rounded(self.interval),
            "score": self.score,
            "score_mean": means[0] if means and self.low == self.high else None,
            "score_bounds": list(means) if means else None,
            "score_ci95": rounded(ends) if ends else None,
            "scored": len(self.low),
        }


def rescore(
    folders: Iterable[Path], question: Question, tell: Callable[[str], None] = lambda text: None
) -> tuple[list[Rescored], list[str]]:
    """Rescore every run folder at or below some folders; `tell` hears of what takes time.

    Returns:
        For each run a row for its planner and for each baseline, each followed by those of its strata; and a line with
        the reason for each folder left out.
    """
    found: list[Rescored] = []
    left_out: list[str] = []
    recorded = RecordedTasks(tell)
    for folder in folders:
        for path in leaves(folder, left_out.append):
            try:
                found += _run(path, question, recorded)
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


def first_steps(row: Record, radius: float, stop: str, recorded_radius: float | None, most: int) -> tuple[int, int]:
    """Return the first and last step at which an episode of `most` steps may first have come within a radius, if ever.

    The record has the first step within its own radius, or the episode's length. Within a smaller radius an episode
    that stopped there came at that very step, if it was near enough, or it would have come later; within a larger one
    it came no later. When in between is not recorded, even of episodes that were played to their end.
    """
    steps = int(row["steps"])
    if recorded_radius is None:
        return 1, most
    if radius == recorded_radius:
        return steps, steps
    if radius > recorded_radius:
        return 1, steps
    if row["success"] and stop == "ever":
        near = _below(row["min_distance"], radius)
        return (min(steps + (near is False), most), steps if near else most)
    return steps, most


def bounds(score: str, solved: bool | None, steps: tuple[int, int], expert: int | None) -> tuple[float, float] | None:
    """Return the least and the largest score of a task, which is solved at one of `steps`; None where it has none.

    All scores fall, or stay, as the steps grow.
    """
    ends = [scores.score(score, {"success": True, "steps": step, "expert_steps": expert}) for step in steps]
    first, last = ends
    if first is None or last is None:
        return None
    return (last if solved else 0.0), (0.0 if solved is False else first)


def _played(path: Path, result: Record) -> Iterator[tuple[list[Record], Record, bool]]:
    """Rows of a run's planner and of each baseline, what result.json says of them, and whether it is a baseline."""
    for name, rate in [("episodes.jsonl", result), *baseline_rates(result)]:
        yield read_episodes(path / name, rate), rate, rate is not result


def _run(path: Path, question: Question, recorded: RecordedTasks) -> list[Rescored]:
    """Rows of one run folder.

    Raises:
        VgbenchError: it is no complete run, or contradicts itself; or its tasks are needed and cannot be made again.
    """
    run = read_run(path, ("title", "protocol"))
    result = read_result(path, run)
    try:
        return [r for played in _played(path, result) for r in _rescored(path, run, result, played, question, recorded)]
    except (KeyError, TypeError, AttributeError) as err:
        raise NotARecord(f"it is damaged: {type(err).__name__}: {err}") from err


def _rescored(
    path: Path,
    run: Record,
    result: Record,
    played: tuple[list[Record], Record, bool],
    question: Question,
    recorded: RecordedTasks,
) -> list[Rescored]:
    """Rows of one planner: of all tasks and, where these belong to strata, of each stratum."""
    rows, rate, baseline = played
    settings = run["identity"]["settings"]
    # Records older than this setting were made as its default says.
    stop, most = settings["evaluation"].get("stop", "ever"), settings["mpc"]["max_steps"]
    known = (result.get("tasks") or {}).get("radius")
    radius = known if question.radius is None else question.radius
    experts: Sequence[int | None] = [None] * len(rows)
    if question.score != "success":
        experts, known = _experts(path, run, result, rows, question.radius, recorded)
        radius = known if radius is None else radius
    solved: list[bool | None] = [bool(row["success"]) for row in rows]
    steps = [(row["steps"], row["steps"]) for row in rows]
    if radius is not None and (question.radius is not None or question.at == "end"):
        solved = [verdict(row, radius, question.at, stop, known) for row in rows]
        steps = [first_steps(row, radius, stop, known, most) for row in rows]
    elif question.at == "end":
        raise NotARecord("it does not say at which radius its tasks count as solved; give --radius")
    ends = [bounds(question.score, *task) for task in zip(solved, steps, experts, strict=True)]
    about = (path, run["title"], rate["planner"], baseline, question.at, question.score, radius, known, stop)

    def of(stratum: str | None) -> Rescored:
        kept = [n for n, row in enumerate(rows) if stratum is None or row.get("stratum") == stratum]
        found = [solved[n] for n in kept]
        scored = [end for n in kept if (end := ends[n])]
        low, high = zip(*scored, strict=True) if scored else ((), ())
        return Rescored(
            *about,
            recorded=sum(bool(rows[n]["success"]) for n in kept),
            successes=found.count(True),
            unknown=found.count(None),
            n=len(found),
            low=low,
            high=high,
            stratum=stratum,
        )

    return [of(None), *(of(name) for name in dict.fromkeys(row["stratum"] for row in rows if "stratum" in row))]


def _experts(
    path: Path, run: Record, result: Record, rows: list[Record], radius: float | None, recorded: RecordedTasks
) -> tuple[Sequence[int | None], float | None]:
    """Steps of the expert on each task under a radius, and the radius of the record."""
    known = (result.get("tasks") or {}).get("radius")
    if radius in (None, known) and all("expert_steps" in row for row in rows):
        return [row["expert_steps"] for row in rows], known
    environment, tasks = recorded.of(path, run, result, rows)
    own = tasks.radius if known is None else known
    # At the environment's own radius it is the environment that says what is solved.
    most = run["identity"]["settings"]["mpc"]["max_steps"]
    return recorded.expert_steps(environment, tasks, most, None if radius == own else radius), own
