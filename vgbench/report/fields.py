"""What a report says of a table's cell and of a comparison: each statistic is declared here, once, for all formats.

JSON, CSV, Markdown and HTML are made of `CELL` and `CLAIM`, so a new statistic is one entry more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Generic, TypeVar

from vgbench.report.claims import Finding
from vgbench.report.table import Published, TableCell
from vgbench.statistics import hierarchical_bootstrap, t_interval
from vgbench.storage.records import RunRecord

NONE = "–"  # noqa: RUF001
_T = TypeVar("_T")


def figure(rate: float) -> str:
    """Return a rate as the literature prints it: `.94`, `1.00`."""
    text = f"{rate:.2f}"
    return text.removeprefix("0") if rate >= 0 else text.replace("-0.", "-.")


def span(interval: Sequence[float]) -> str:
    """Return an interval: `[.88, .97]`."""
    return f"[{figure(interval[0])}, {figure(interval[1])}]"


@dataclass(frozen=True)
class Field(Generic[_T]):
    """One statistic of a cell or of a comparison.

    Attributes:
        name: its key in JSON.
        value: makes its JSON value, or None where there is none.
        columns: columns of CSV by name, each with what makes it of the value; by default one with the field's name.
        text: how the value reads in a cell of Markdown and HTML; by default it is not among the words there.
    """

    name: str
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


CELL: tuple[Field[TableCell], ...] = (
    Field("recipe", lambda cell: cell.recipe),
    Field("protocol", lambda cell: cell.protocol),
    Field("state", lambda cell: cell.state),
    Field("success_rate", _measured(lambda cell: cell.rate), text=figure),
    Field("ci95", _measured(lambda cell: list(cell.interval)), {"low": itemgetter(0), "high": itemgetter(1)}, span),
    Field("interval", _measured(lambda cell: cell.kind)),
    Field("share_tasks", _measured(lambda cell: cell.share_tasks, 2), {}),
    # Student's, of the seeds' rates; not cut at 0 and 1.
    Field("t95", _measured(lambda cell: list(t_interval([r.rate for r in cell.records])), 2), {}),
    Field("bootstrap95", _measured(lambda cell: _bootstrap(cell), 2), {}),
    Field(
        "runs",
        lambda cell: [_run(record) for record in cell.records],
        {"seeds": lambda runs: " ".join(str(run["seed"]) for run in runs)},
    ),
    Field("published", lambda cell: _published(cell.published), {"published": itemgetter("rate")}),
    Field("mark", lambda cell: cell.mark or None),
    Field("differences", lambda cell: list(cell.stale), {}),
    Field("younger_parameters", lambda cell: list(cell.younger), {}),
    Field(
        "aside",
        lambda cell: [{"seed": r.seed, "key": r.key, "path": r.path.as_posix(), "why": why} for r, why in cell.aside],
        {},
    ),
)
"""Of a cell of the table, in the order of JSON and CSV."""

CLAIM: tuple[Field[Finding], ...] = (
    Field("protocol", lambda found: found.protocol),
    Field("a", lambda found: found.a),
    Field("b", lambda found: found.b),
    Field("p_tasks", lambda found: found.p_tasks),
    Field("p_seeds", lambda found: found.p_seeds),
    Field("holm_tasks", lambda found: found.holm_tasks),
    Field("holm_seeds", lambda found: found.holm_seeds),
    Field("verdict", lambda found: found.verdict),
    Field("n", lambda found: found.n),
    Field("claim", lambda found: found.claim.name),
    Field("text", lambda found: found.claim.text),
    Field("direction", lambda found: found.claim.direction),
    Field("margin", lambda found: found.claim.tested_margin),
    Field("score", lambda found: found.claim.score),
    Field("family", lambda found: found.claim.family_key[1]),
    Field("against", lambda found: found.claim.against),
    Field("baseline", lambda found: found.baseline),
    Field("seeds", lambda found: list(found.seeds)),
    Field("rate_a", lambda found: found.rates[0] if found.rates else None),
    Field("rate_b", lambda found: found.rates[1] if found.rates else None),
    Field("difference95", lambda found: list(found.interval) if found.interval else None),
    Field("sign", lambda found: found.sign or None),
    Field("scope", lambda found: found.scope or None),
    Field("reason", lambda found: found.reason or None),
)
"""Of a comparison, in the order of JSON."""
CLAIM_COLUMNS = (
    *("claim", "protocol", "against", "a", "b", "rate_a", "rate_b", "holm_tasks", "holm_seeds", "sign"),
    *("verdict", "scope"),
)
"""Fields of a comparison that CSV has, in its order."""


def _p_values(found: Finding) -> str:
    if found.holm_tasks is None:
        return NONE
    return _p(found.holm_tasks) + (f"; over seeds {_p(found.holm_seeds)}" if found.holm_seeds is not None else "")


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _difference(found: Finding) -> str:
    if found.rates is None or found.interval is None:
        return NONE
    return f"{figure(found.rates[0] - found.rates[1])} {span(found.interval)}"


VERDICTS = {"confirmed": "shown", "contradicted": "not shown", "undecided": "too few tasks to tell"}
"""How verdicts read."""


def _compared(found: Finding) -> str:
    """Return `a > b`; of a claim of no gain, `a < b + .05`."""
    side_b = f"{found.b} ({found.baseline})" if found.baseline else found.b
    if found.rates is None:
        return f"{found.a}, {side_b}"
    margin = f" + {figure(found.claim.margin)}" if found.claim.tested_margin else ""
    return f"{found.a} {found.sign} {side_b}{margin}"


CLAIM_GRID: Mapping[str, Callable[[Finding], str]] = {
    "claim": lambda found: found.claim.name,
    "protocol": lambda found: found.protocol + (f" against {found.claim.against}" if found.claim.against else ""),
    "comparison": _compared,
    "rates": lambda found: ", ".join(map(figure, found.rates)) if found.rates else NONE,
    "difference": _difference,
    "p (Holm)": _p_values,
    "verdict": lambda found: (
        f"{VERDICTS[found.verdict]} {found.scope}" if found.rates else f"not judged: {found.reason}"
    ),
}
"""Columns of a comparison in Markdown and HTML, by their headers."""
