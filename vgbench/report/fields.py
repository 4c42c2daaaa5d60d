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

CLAIM: tuple[Field[Finding], ...] = (
    Field("protocol", "where a is judged", lambda found: found.protocol),
    Field("variant", "variant of both sides", lambda found: found.variant),
    Field("a", "name of side a", lambda found: found.a),
    Field("b", "name of side b", lambda found: found.b),
    Field("p_tasks", "p-value of these checkpoints, over tasks; null without records", lambda found: found.p_tasks),
    Field(
        "p_seeds",
        "of the methods: the larger one over seeds and over tasks; null below three seeds",
        lambda found: found.p_seeds,
    ),
    Field("holm_tasks", "`p_tasks` corrected within the family", lambda found: found.holm_tasks),
    Field("holm_seeds", "`p_seeds` corrected within the family", lambda found: found.holm_seeds),
    Field(
        "verdict",
        "`confirmed` (shown), `contradicted` (not shown) or `undecided` (too few tasks to tell, or no records)",
        lambda found: found.verdict,
    ),
    Field("n", "tasks for each seed", lambda found: found.n),
    Field("claim", "name of the claim", lambda found: found.claim.name),
    Field("text", "its words", lambda found: found.claim.text),
    Field("direction", "`greater`, or `not_greater`: no gain", lambda found: found.claim.direction),
    Field(
        "margin",
        "of a claim of no gain: the difference that the tests are about; null: they are about 0",
        lambda found: found.claim.tested_margin,
    ),
    Field("score", "what is compared: `success`, `spl` or `timely`", lambda found: found.claim.score),
    Field("family", "name of the family, or of the claim where it has none", lambda found: found.claim.family_key[1]),
    Field("against", "protocol on which b is judged, if it is another one", lambda found: found.claim.against),
    Field(
        "baseline",
        "planner that b is, if it is a baseline: the strongest beside these runs",
        lambda found: found.baseline,
    ),
    Field("seeds", "training seeds that were compared", lambda found: list(found.seeds)),
    Field("rate_a", "mean score of a", lambda found: found.rates[0] if found.rates else None),
    Field("rate_b", "mean score of b", lambda found: found.rates[1] if found.rates else None),
    Field(
        "difference95",
        "ends of the 95 % interval of their difference for tasks (and, from two on, seeds) like these; not corrected",
        lambda found: list(found.interval) if found.interval else None,
    ),
    Field(
        "sign",
        "`>`, `<` or `~`: a against b (and the margin on top), as the corrected tests allow; null without records",
        lambda found: found.sign or None,
    ),
    Field(
        "scope",
        "of whom the verdict speaks: `over seeds`, `for this checkpoint`, `for these 3 checkpoints`",
        lambda found: found.scope or None,
    ),
    Field("reason", "why nothing was compared", lambda found: found.reason or None),
)
"""Of a comparison, in the order of JSON."""
CLAIM_COLUMNS = (
    *("claim", "protocol", "against", "a", "b", "rate_a", "rate_b", "holm_tasks", "holm_seeds", "sign"),
    *("verdict", "scope", "variant", "family", "score"),
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
