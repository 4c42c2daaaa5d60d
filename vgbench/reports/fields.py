"""What a report says of a table's cell: each statistic is declared here, once, for all formats.

JSON, CSV, Markdown and HTML are made of `CELL` (and, of a comparison, of `claim_fields.CLAIM`), so a new statistic is
one entry more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Generic, TypeVar

from vgbench.reports.table import Published, TableCell
from vgbench.statistics import hierarchical_bootstrap, t_interval
from vgbench.storage.records import RunRecord
from vgbench.text import interval_text, share_text

figure, span = share_text, interval_text
NONE = "–"  # noqa: RUF001
_T = TypeVar("_T")


@dataclass(frozen=True)
class Field(Generic[_T]):
    """One statistic of a cell or of a comparison.

    Attributes:
        name: its key in JSON.
        about: what it is, for the documentation (docs/runs.md is made of it).
        value: makes its JSON value, or None where there is none.
        columns: columns of CSV by name, each with what makes it of the value; by default one with the field's name.
        text: how the value reads in a cell of Markdown and HTML; by default it is not among the words there.
    """

    name: str
    about: str
    value: Callable[[_T], Any]
    columns: Mapping[str, Callable[[Any], Any]] | None = None
    text: Callable[[Any], str] | None = None

    @property
    def parts(self) -> Mapping[str, Callable[[Any], Any]]:
        """Its columns."""
        return {self.name: lambda value: value} if self.columns is None else self.columns


def values(fields: Sequence[Field[_T]], item: _T) -> dict[str, Any]:
    """Return the JSON values of all fields."""
    return {field.name: field.value(item) for field in fields}


def columns(fields: Sequence[Field[_T]], item: _T) -> dict[str, Any]:
    """Return the columns of all fields, for a line of CSV."""
    row: dict[str, Any] = {}
    for field in fields:
        # What has no column is not computed: the bootstrap takes its time.
        value = field.value(item) if field.parts else None
        row |= {name: None if value is None else make(value) for name, make in field.parts.items()}
    return row


def words(fields: Sequence[Field[_T]], item: _T) -> list[str]:
    """Return the texts of the fields that have one, without those that have no value."""
    found = ((field.text, field.value(item)) for field in fields if field.text is not None)
    return [text(value) for text, value in found if value is not None]


def _measured(function: Callable[[TableCell], Any], seeds: int = 1) -> Callable[[TableCell], Any]:
    """Make a statistic of the records of a cell; None where there are fewer than `seeds`."""
    return lambda cell: function(cell) if len(cell.records) >= seeds else None


def _bootstrap(cell: TableCell) -> list[float] | None:
    """Interval under resampled seeds and tasks; None where each seed has tasks of its own, which it does not know."""
    return list(hierarchical_bootstrap([r.episodes.success for r in cell.records])) if cell.share_tasks else None


def _published(published: Published | None) -> dict[str, Any] | None:
    if published is None:
        return None
    return {"rate": published.rate, "n": published.n, "ci95": list(published.interval)}


def _run(record: RunRecord) -> dict[str, Any]:
    baselines = [
        {"planner": name, "successes": episodes.successes, "n": len(episodes)}
        for name, episodes in record.baselines.items()
    ]
    return {
        "seed": record.seed,
        "key": record.key,
        "path": record.path.as_posix(),
        "success_rate": record.rate,
        "successes": record.episodes.successes,
        "n": len(record.episodes),
        # The strongest, which claims compare with.
        "baseline": next((b for b in baselines if b["planner"] == record.baseline), None),
        "baselines": baselines,
        "device": record.identity.get("device"),
    }


def _strata(cell: TableCell) -> dict[str, Any] | None:
    """What each stratum of the tasks has."""
    found = {}
    for name in cell.strata:
        part = cell.of(name)
        spl, timely = part.score("spl"), part.score("timely")
        found[name] = {
            "success_rate": part.rate,
            "ci95": list(part.interval),
            "n": len(part.records[0].episodes),
            "spl": spl[0] if spl else None,
            "timely": timely[0] if timely else None,
        }
    return found or None


def _score(name: str, about: str) -> Field[TableCell]:
    def value(cell: TableCell) -> dict[str, Any] | None:
        found = cell.score(name)
        return None if found is None else {"mean": found[0], "ci95": list(found[1])}

    return Field(name, about, value, {name: itemgetter("mean")})


CELL: tuple[Field[TableCell], ...] = (
    Field("recipe", "recipe: the row", lambda cell: cell.recipe),
    Field("protocol", "protocol: the column", lambda cell: cell.protocol),
    Field("state", "`done`, `stale`, `failed`, `missing` or `not asked`", lambda cell: cell.state),
    Field(
        "success_rate",
        "mean over the seeds; null without records, as all that is made of them",
        _measured(lambda cell: cell.rate),
        text=figure,
    ),
    Field(
        "ci95",
        "ends of its 95 % interval for tasks like these",
        _measured(lambda cell: list(cell.interval)),
        {"low": itemgetter(0), "high": itemgetter(1)},
        span,
    ),
    Field(
        "interval",
        "its kind: `wilson` of one seed; of several `wilson_over_seeds` on shared tasks, else `wilson_own_tasks`",
        _measured(lambda cell: cell.kind),
    ),
    Field(
        "share_tasks",
        "whether the seeds share their tasks; null below two seeds",
        _measured(lambda cell: cell.share_tasks, 2),
        {},
    ),
    Field(
        "t95",
        "Student's interval of the seeds' rates, not cut at 0 and 1; null below two seeds",
        _measured(lambda cell: list(t_interval([r.rate for r in cell.records])), 2),
        {},
    ),
    Field(
        "bootstrap95",
        "interval under resampled seeds and tasks; null below two seeds, and where they do not share their tasks",
        _measured(lambda cell: _bootstrap(cell), 2),
        {},
    ),
    Field(
        "runs",
        "runs of the figure: seed, key, path, rate, all baselines and the strongest of them (`baseline`)",
        lambda cell: [_run(record) for record in cell.records],
        {"seeds": lambda runs: " ".join(str(run["seed"]) for run in runs)},
    ),
    Field(
        "published",
        "published rate, its number of tasks and Wilson's interval",
        lambda cell: _published(cell.published),
        {"published": itemgetter("rate")},
    ),
    Field("mark", "`below` or `above` where the two intervals do not meet, else null", lambda cell: cell.mark or None),
    Field("variant", "variant; null without variants", lambda cell: cell.variant),
    _score("spl", "success weighted by path length, and its interval as `ci95`; null without records of it"),
    _score("timely", "share of tasks solved within 1.5 times the expert's steps, likewise"),
    Field(
        "strata",
        "by stratum of the tasks: success rate with interval, tasks for each seed, SPL, timely; null without strata",
        _strata,
        {},
    ),
    Field("differences", "why the figure is stale", lambda cell: list(cell.stale), {}),
    Field(
        "younger_parameters",
        "parameters that the records do not have, at their defaults",
        lambda cell: list(cell.younger),
        {},
    ),
    Field(
        "changed_sources",
        "plugins whose source is another one now than the records have, while their version is the same",
        lambda cell: list(cell.changed_sources),
        {},
    ),
    Field(
        "aside",
        "other runs that were found, and why they are not in the figure",
        lambda cell: [{"seed": r.seed, "key": r.key, "path": r.path.as_posix(), "why": why} for r, why in cell.aside],
        {},
    ),
)
"""Of a cell of the table, in the order of JSON and CSV."""
