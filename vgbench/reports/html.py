"""The report as one HTML page that needs nothing else: tables, claims, and the pictures of every run inside."""

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from vgbench.errors import VgbenchError
from vgbench.reports import markdown, overview, ranking
from vgbench.reports.claims import Finding
from vgbench.reports.extra_sections import SECTIONS
from vgbench.reports.fields import CELL, figure, span, words
from vgbench.reports.plots.picture import LOGS, SkippedPlot
from vgbench.reports.plots.picture_cache import kept_pictures, prune
from vgbench.reports.plots.run_plots import Gallery, gallery, read_diagnosis
from vgbench.reports.table import Table, TableCell, baseline_name
from vgbench.storage.files import read_whole
from vgbench.storage.records import RunRecord
from vgbench.version import __version__

TEMPLATE = "report.html.j2"
_PLAIN = " !$'()*+,-./:;=?@[]^_`{|}~"
"""What of an SVG may stand in a double-quoted attribute as it is."""
_SAID = 20
"""Runs after which a line says how far it is; each takes most of a second the first time."""
MANY = 100
"""Runs above which a page leaves out what the objectives logged, half of its bytes."""


def page(
    table: Table,
    findings: Sequence[Finding],
    left_out: Sequence[str],
    folders: Sequence[Path] = (),
    draw: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> str:
    """Return the page.

    Args:
        table: what ran.
        findings: what became of the claims.
        left_out: a line for each folder that is no record.
        folders: where ladders and sweeps may lie, beside the runs.
        draw: draw what needs the models first, as `vgbench plot` does; else only what it drew before is shown.
        say: called with a line about each run whose pictures are drawn.
    """
    # Here, not above: jinja2 is for this page alone.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    jinja = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        # A wrong name in the template is an error, not a gap in the page.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    records = [(cell, record) for cell in _by_protocol(table) for record in cell.records]
    runs: dict[str, list[dict[str, Any]]] = {}
    logs = len(records) <= MANY
    prune()
    for number, (cell, record) in enumerate(records, start=1):
        if draw:
            say(f"{number} of {len(records)}: pictures of {record.path}")
        elif number % _SAID == 0:
            say(f"pictures of {number} of {len(records)} runs")
        runs.setdefault(cell.protocol, []).append(_run(cell, record, draw, table.side_by_side, logs))
    places = [*folders, *(record.path for _, record in records)]
    extra = [(section, *section.find(places, table)) for section in SECTIONS]
    headers, groups = overview.families(table, findings)
    recipes = [r for r in dict.fromkeys(recipe for recipe, *_ in table.cells) if _shown(r, table)]
    content = {
        "table": table,
        "cells": {place: _cell(cell) for place, cell in table.cells.items()},
        "summary": overview.summary(table, findings),
        "origin": overview.origin(table),
        "single": len(records) == 1,
        "title": _title(table, records),
        "chart": _chart(table, recipes),
        "recipes": recipes,
        "baselines": {
            (p, v): [(f"{baseline_name(b)} {figure(b['rate'])}", span(b["ci95"])) for b in table.baselines(p, v)]
            for p in table.suite.protocols
            for v in table.variants
        },
        "notes": markdown.notes(table),
        "curves": _curves(table),
        "ranking": ranking.grids(table, findings),
        "ranking_note": ranking.NOTE,
        "strata": markdown.strata_grids(table),
        "scores": markdown.scores_grid(table),
        "scores_note": markdown.SCORES,
        "claim_headers": headers,
        "families": groups,
        "claim_notes": overview.claim_notes(findings, table),
        "runs": runs,
        "extra": [(section, entries) for section, entries, _ in extra if entries],
        "left_out": [*_logs_left_out(len(records)), *left_out, *(line for _, _, unread in extra for line in unread)],
        "uri": uri,
        "version": __version__,
    }
    return jinja.get_template(TEMPLATE).render(content)


def _title(table: Table, records: Sequence[tuple[TableCell, RunRecord]]) -> str:
    if len(records) == 1:
        ((cell, record),) = records
        return f"{cell.recipe} on {cell.protocol}, seed {record.seed}"
    return table.suite.name


def _logs_left_out(count: int) -> list[str]:
    text = f"{LOGS} of {count} runs: a page shows it of up to {MANY}; `vgbench plot RUN` draws it"
    return [text] if count > MANY else []


def _chart(table: Table, recipes: Sequence[str]) -> str:
    """The table as a picture (a data URI); empty without records."""
    from vgbench.reports.plots.table_chart import draw_table

    content = draw_table(table, recipes)
    return uri(content, ".svg") if content else ""


def _curves(table: Table) -> list[tuple[str, str]]:
    """Variant and picture (a data URI) of success against distance, for suites that rank recipes."""
    from vgbench.reports.plots.distance import draw_protocols

    found = []
    for variant in table.variants:
        runs = ranking.records(table, variant)
        if runs:
            found.append((variant or "", uri(draw_protocols(runs), ".svg")))
    return found


def _by_protocol(table: Table) -> Iterator[TableCell]:
    for protocol in table.suite.protocols:
        yield from (cell for cell in table.cells.values() if cell.protocol == protocol)


def _shown(recipe: str, table: Table) -> bool:
    """Whether a recipe has a row: those of the suite do, those that only claims name if they ran."""
    ran = any(cell.records for (name, *_), cell in table.cells.items() if name == recipe)
    return recipe in table.suite.recipes or ran


def _cell(cell: TableCell) -> dict[str, Any]:
    """A cell of the table: our figure, the published one, and what is to be said of it."""
    paper = cell.published
    return {
        "state": cell.state,
        "words": words(CELL, cell),
        "seeds": [(str(record.seed), _anchor(record)) for record in cell.records],
        "paper": f"{figure(paper.rate)} {span(paper.interval)}" if paper else "",
        "mark": cell.mark,
    }


def _anchor(record: RunRecord) -> str:
    variant = f"-{record.variant}" if record.variant else ""
    return f"{record.recipe}-{record.protocol}{variant}-s{record.seed}-{record.key}"


def _run(cell: TableCell, record: RunRecord, draw: bool, side_by_side: bool, logs: bool) -> dict[str, Any]:
    """One run: its figures, its pictures by kind, and its diagnosis."""
    about = {
        "anchor": _anchor(record),
        "title": f"{record.label}, {f'variant {cell.variant}, ' if side_by_side else ''}seed {record.seed}",
        "rate": overview.rate(record),
        "curve": overview.small_curve(record),
        "count": f"{record.episodes.successes} of {len(record.episodes)}",
        "baseline": ", ".join(f"{name} {b.successes} of {len(b)}" for name, b in record.baselines.items()),
        "path": record.path.as_posix(),
        "stale": bool(cell.stale),
        "pictures": {},
        "diagnosis": "",
        "left_out": [],
    }
    try:
        # A report changes no run that it reads; only where it is told to draw, it does what `vgbench plot` would.
        if draw and os.access(record.path, os.W_OK):
            made = gallery(record.path, None, draw, record.path / "plots")
            about["pictures"] = _pictures(made, logs)
        else:
            with TemporaryDirectory() if draw else kept_pictures(record.path) as place:
                made = gallery(record.path, Path(place), draw, record.path / "plots")
                about["pictures"] = _pictures(made, logs)
    except Exception as err:  # a plugin's, while it drew: one run must not cost the report of all others
        why = str(err) if isinstance(err, VgbenchError) else f"{type(err).__name__}: {err}"
        made = Gallery(record.path, (), (SkippedPlot("Pictures", why),))
    found, why = read_diagnosis(record.path)
    about["diagnosis"], wrong = _words(found) if found else ("", why)
    unread = [SkippedPlot("Diagnosis", wrong)] if wrong and not why else []
    about["left_out"] = [*made.left_out, *unread]
    return about


def _pictures(made: Gallery, logs: bool) -> dict[str, list[dict[str, str]]]:
    """Pictures of a gallery by their kind, as data URIs; the many small ones last, or left out."""
    kinds: dict[str, list[dict[str, str]]] = {}
    for picture in made.pictures:
        if picture.kind == LOGS and not logs:
            continue
        path = made.folder / picture.file
        address = uri(read_whole(path), path.suffix)
        kinds.setdefault(picture.kind, []).append({"uri": address, "text": picture.text, "legend": picture.legend})
    details = kinds.pop(LOGS, None)
    return kinds | ({LOGS: details} if details else {})


def uri(content: bytes, suffix: str = ".png") -> str:
    """Return a picture as a data URI, for a double-quoted attribute."""
    if suffix == ".svg":
        # As text: base64 would be a third longer.
        return f"data:image/svg+xml,{quote(content.decode(), safe=_PLAIN)}"
    return f"data:image/{suffix[1:]};base64,{base64.b64encode(content).decode()}"


def _words(found: dict[str, Any]) -> tuple[str, str]:
    """A diagnosis in words, or why it cannot be told."""
    from vgbench.analysis.diagnosis import text

    try:
        return text(found), ""
    except (AttributeError, LookupError, TypeError, ValueError) as err:
        return "", f"diagnosis.json is not what this version writes: {type(err).__name__}: {err}"
