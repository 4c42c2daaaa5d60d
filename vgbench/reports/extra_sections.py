"""Records that lie beside the runs, and what a report shows of them: ladders, and success against budget of sweeps."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from vgbench.analysis.ladder.verdicts import verdicts
from vgbench.errors import VgbenchError
from vgbench.reports.fields import NONE, figure, span
from vgbench.reports.table import Table
from vgbench.storage.files import Record, read_json

_CAPTION = (
    "Share of the tasks solved over evaluations of the predictor per task (one row, one step), those that were made "
    "until a task was solved or its time was up; 95 % Wilson intervals."
)


@dataclass(frozen=True)
class Entry:
    """What is shown of one record.

    Attributes:
        rows: of a table, under the headers of its section.
        picture: an SVG, if there is one, with what it shows (`alt`) and how to read it (`caption`).
        sentences: what follows from the rows.
        note: what the rows are of.
        shared: what entries have in common whose rows without a run (the last column) are the same; empty: nothing.
    """

    path: Path
    title: str
    rows: list[list[str]]
    picture: bytes = b""
    alt: str = ""
    caption: str = ""
    sentences: tuple[str, ...] = ()
    note: str = ""
    shared: str = ""


@dataclass(frozen=True)
class Section:
    """A kind of record that `command` writes: where its files lie in a folder, and the fields that each has.

    `entry` makes of a record what is shown: None where it has nothing for this section, a `VgbenchError` where it is of
    another table.
    """

    name: str
    title: str
    patterns: tuple[str, ...]
    fields: tuple[str, ...]
    command: str
    headers: tuple[str, ...]
    entry: Callable[[Path, Record, Table], Entry | None]

    def find(self, folders: Iterable[Path], table: Table) -> tuple[list[Entry], list[str]]:
        """Read the records in some folders that belong to a table; also the reason for each that is left out."""
        found: list[Entry] = []
        left_out = []
        # A set: the folders of runs may lie inside of those that were named.
        for path in sorted({path for folder in folders for pattern in self.patterns for path in folder.glob(pattern)}):
            try:
                entry = self.entry(path, read_json(path, self.fields, "left out"), table)
                found += [entry] if entry else []
            except VgbenchError as err:
                left_out.append(str(err))
            # Some other file of that name is left out; it must not end the report.
            except (AttributeError, KeyError, TypeError, ValueError) as err:
                left_out.append(f"{path} is not what `{self.command}` wrote: {type(err).__name__}: {err}")
        return list(_without_repeats(found)), left_out


def _without_repeats(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Leave out the rows without a run, those of baselines and of the exact model, that an earlier entry has."""
    seen: set[tuple[str, ...]] = set()
    for entry in entries:
        rows = [row for row in entry.rows if not entry.shared or row[-1] or (entry.shared, *row) not in seen]
        seen |= {(entry.shared, *row) for row in entry.rows if entry.shared and not row[-1]}
        left = len(entry.rows) - len(rows)
        more = f" {left} rows without a run are as above." if left else ""
        yield replace(entry, rows=rows, note=entry.note + more)


def _ladder(path: Path, record: Record, table: Table) -> Entry:
    if record["scale"] != table.scale or record["protocol"] not in table.suite.protocols:
        raise VgbenchError(f"{path}: it is of {record['protocol']}, scale {record['scale']}")
    budget = f", {record['budget']} samples a plan" if record.get("budget") else ""
    note = f"The first {record['tasks']} tasks of {record['protocol']}{budget}; 95 % Wilson intervals."
    rows = [_rung(row) for row in record["rows"]]
    return Entry(path, record["protocol"], rows, sentences=tuple(verdicts(record)), note=note, shared=note)


def _rung(row: Record) -> list[str]:
    about = [str(row["name"]), str(row["dynamics"]), str(row["value"])]
    if "skipped" in row:
        return [*about, f"skipped: {row['skipped']}", NONE, str(row.get("run", ""))]
    steps = NONE if row["mean_steps"] is None else f"{row['mean_steps']:.1f}"
    return [*about, _rate(row), steps, str(row.get("run", ""))]


def _rate(row: Record) -> str:
    return f"{figure(float(row['success_rate']))} {span(row['ci95'])} of {row['n']}"


def _budget(path: Path, record: Record, table: Table) -> Entry | None:
    # Here, not above: a report without budgets draws nothing.
    from vgbench.reports.plots.sweep import plot_budget

    if not record.get("budget"):
        return None  # it is of other parameters, or not done yet
    if record["scale"] != table.scale:
        raise VgbenchError(f"{path}: it is of scale {record['scale']}")
    name, rows = str(record["name"]), [_point(row) for row in record["budget"]]
    with tempfile.TemporaryDirectory() as place:  # records may be kept without pictures
        picture = Path(place) / "budget.svg"
        plot_budget(picture, record["budget"], name)
        alt = f"Success over evaluations of the predictor per task: {name}"
        return Entry(path, name, rows, picture.read_bytes(), alt, _CAPTION)


def _point(row: Record) -> list[str]:
    known = [f"{row['evaluations_per_task']:,.0f}", _rate(row)] if row["n"] else [NONE, NONE]
    return [str(row["curve"]), *known, str(row["settings"])]


SECTIONS = (
    Section(
        "ladders",
        "Ladder: the model, the value or the planner?",
        ("ladder*.json",),
        ("protocol", "scale", "tasks", "rows"),
        "vgbench ladder",
        ("controller", "dynamics", "value", "success", "steps of solved tasks", "run"),
        _ladder,
    ),
    Section(
        "budgets",
        "Success against budget",
        ("sweep.json", "*/sweep.json"),
        ("name", "scale"),
        "vgbench sweep",
        ("planner", "evaluations of the predictor per task", "success", "settings"),
        _budget,
    ),
)
"""All of them, in the order of the page."""
