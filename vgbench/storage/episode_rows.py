"""Rows of episodes as a report reads them: of one planner, a row for each task."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from vgbench.errors import VgbenchError
from vgbench.scores import SCORES, score
from vgbench.storage.files import JSON_BYTES, Record, parse_json, read_whole
from vgbench.storage.record_shape import misfit
from vgbench.storage.record_types import EpisodeRow

_T = TypeVar("_T")


class NotARecord(VgbenchError):
    """Why a folder is left out of a report."""


@dataclass(frozen=True)
class Episodes:
    """Episodes of one planner: for each task, whether it was solved and how far it began from its goal.

    Attributes:
        scores: score of each task, by the name of the score (`vgbench.scores`); only those that the record allows.
        strata: stratum of each task; empty where tasks have none.
        expert_steps: steps of the environment's expert on each task, None where not known; empty in older records.
        steps: environment steps until each task was first solved, or all.
    """

    success: tuple[bool, ...]
    start_distance: tuple[float, ...]
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict, compare=False)
    strata: tuple[str, ...] = field(default=(), compare=False)
    expert_steps: tuple[int | None, ...] = field(default=(), compare=False)
    steps: tuple[int, ...] = field(default=(), compare=False)

    @property
    def successes(self) -> int:
        """Number of tasks solved."""
        return sum(self.success)

    def of(self, stratum: str) -> "Episodes":
        """Return the episodes of the tasks of one stratum; none where no task is of it."""
        rows = [number for number, name in enumerate(self.strata) if name == stratum]

        def taken(values: Sequence[_T]) -> tuple[_T, ...]:
            return tuple(values[row] for row in rows) if values else ()

        scores = {name: found for name, values in self.scores.items() if (found := taken(values))}
        parts = (taken(self.success), taken(self.start_distance), scores, taken(self.strata), taken(self.expert_steps))
        return Episodes(*parts, taken(self.steps))

    def __len__(self) -> int:
        return len(self.success)


def read_episodes(path: Path, rate: Record) -> list[Record]:
    """Read the rows of a JSONL file in the order of their tasks; they have to give the rate that result.json has.

    Raises:
        NotARecord: the file cannot be read, is damaged or contradicts `rate`.
    """
    try:
        rows: list[Record] = [parse_json(line) for line in read_whole(path, JSON_BYTES).splitlines()]
        if problem := next((found for row in rows if (found := misfit(row, EpisodeRow))), None):
            raise TypeError(problem)
        rows.sort(key=lambda row: row["task"])
        tasks, solved = [row["task"] for row in rows], sum(bool(row["success"]) for row in rows)
    except OSError as err:
        raise NotARecord(f"{path.name} cannot be read: {err.strerror or err}") from err
    except (ValueError, KeyError, TypeError) as err:
        raise NotARecord(f"{path.name} is damaged: {err}") from err
    # Lines that were lost, doubled or edited show here.
    if not rows or tasks != list(range(len(rows))) or (solved, len(rows)) != (rate["successes"], rate["n"]):
        raise NotARecord(f"{path.name} contradicts result.json")
    return rows


def read_rows(path: Path, rate: Record) -> Episodes:
    """Read the episodes of one planner, as `read_episodes`."""
    rows = read_episodes(path, rate)
    try:
        success, start = tuple(bool(r["success"]) for r in rows), tuple(float(r["start_distance"]) for r in rows)
    except (ValueError, KeyError, TypeError) as err:
        raise NotARecord(f"{path.name} is damaged: {err}") from err
    strata = tuple(str(row["stratum"]) for row in rows if "stratum" in row)
    experts = tuple(row["expert_steps"] for row in rows if "expert_steps" in row)
    if len(strata) not in (0, len(rows)):
        raise NotARecord(f"{path.name} is damaged: {len(rows) - len(strata)} of its tasks have no stratum")
    steps = tuple(int(row.get("steps", 0)) for row in rows)
    return Episodes(success, start, _scores(rows), strata, experts if len(experts) == len(rows) else (), steps)


def _scores(rows: Sequence[Record]) -> dict[str, tuple[float, ...]]:
    """Scores that every task has: of an older record, or without an expert, that is success alone."""
    found = {}
    for name in SCORES:
        with suppress(ValueError, KeyError, TypeError):
            scores = [score(name, row) for row in rows]
            if None not in scores:
                found[name] = tuple(value for value in scores if value is not None)
    return found
