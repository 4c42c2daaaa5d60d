"""A report for readers: the cells and notes of a table, and Markdown."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vgbench.config.claims import Claim
from vgbench.errors import UsageError
from vgbench.reports import ranking
from vgbench.reports.claim_fields import CLAIM_GRID, counted
from vgbench.reports.claims import ALPHA, Finding
from vgbench.reports.fields import CELL, NONE, figure, span, words
from vgbench.reports.interval_words import interval_words
from vgbench.reports.table import OTHER_VALUES, Table, TableCell, baseline_name, few
from vgbench.storage.records import RunRecord
from vgbench.text import plural

BEGIN, END = "<!-- report: begin -->", "<!-- report: end -->"
SCORES = (
    "SPL: success weighted by path length, the expert's steps over those taken (Anderson et al. 2018), with its "
    "interval; timely: solved within 1.5 times the expert's steps."
)
ARROWS = {"below": " ↓", "above": " ↑", "": ""}


def cell_text(cell: TableCell, seeds: str | None = None, paper: bool = True) -> str:
    """Return a cell: our rate, its interval and seeds, then the published rate. `seeds` may link to the records."""
    published = f" (paper {figure(cell.published.rate)})" if paper and cell.published else ""
    if not cell.records:
        return ("failed" if cell.state == "failed" else NONE) + published
    counted = seeds or plural(len(cell.records), "seed")
    stale = ", stale" if cell.stale else ""
    return f"{' '.join(words(CELL, cell))} {counted}{stale}{published}{ARROWS[cell.mark]}"


def notes(table: Table) -> list[str]:
    """Write the footnotes: what the figures are, the baselines, and what is wrong with which cell."""
    cells = list(table.cells.values())
    named = [variant for variant in table.variants if variant]
    variants = f", variant{'s' if len(named) > 1 else ''} {', '.join(named)}" if named else ""
    lines = [f"Scale {table.scale}{variants}" + ("; results are not meaningful." if table.scale == "smoke" else ".")]
    lines[0] += interval_words(cells)
    if any(cell.published for cell in cells):
        lines[0] += " ↓ and ↑: wholly below or above the Wilson interval of the published rate."
    places = [(protocol, variant) for protocol in table.suite.protocols for variant in table.variants]
    baselines = [text for protocol, variant in places if (text := _baseline(table, protocol, variant))]
    if baselines:
        lines.append(f"Baseline, on the same tasks: {'; '.join(baselines)}.")
    younger = sorted({name for cell in cells if cell.state == "done" for name in cell.younger})
    if younger:
        lines.append(f"Some records are older than {few(younger, 6)}: the default, under which they still hold.")
    if changed := sorted({plugin for cell in cells for plugin in cell.changed_sources}):
        # Which files, JSON says.
        plugins = list(dict.fromkeys(plugin.partition(" in ")[0] for plugin in changed))
        lines.append(f"The source has changed since some records were made, of {few(plugins, 6)}.")
    lines += [_other_tasks(about) for about in table.task_hashes() if not about["agree"]]
    for cell in cells:
        where = f"{cell.recipe} on {_column(table, cell.protocol, cell.variant)}"
        if cell.stale:
            lines.append(f"{where} is stale, the present code would make another run: {few(cell.stale)}.")
        lines += [f"{where}, seed {record.seed} {why}." for record, why in cell.aside]
    if any(why.startswith(OTHER_VALUES) for cell in cells for _, why in cell.aside):
        lines.append(
            "Runs with other values are not in the table; `vgbench report DIR`, without --suite, gives them rows."
        )
    return lines


def _column(table: Table, protocol: str, variant: str | None) -> str:
    """Name a column: its protocol and, where there are several variants, its variant."""
    return f"{protocol} {variant}" if table.side_by_side else protocol


def _baseline(table: Table, protocol: str, variant: str | None) -> str:
    rates = table.baselines(protocol, variant)
    texts = [f"{baseline_name(r)} {figure(r['rate'])} {span(r['ci95'])} of {r['n']}" for r in rates]
    return f"{_column(table, protocol, variant)} {' / '.join(texts)}" if texts else ""


def _other_tasks(about: dict[str, Any]) -> str:
    """Warn of records that one would take to be judged on the same tasks."""
    groups = sorted(about["hashes"].items(), key=lambda item: -len(item[1]))
    texts = [f"{', '.join(f'{r.recipe} s{r.seed}' for r in runs)} ({sha[:8]})" for sha, runs in groups]
    return (
        f"Warning: records on {about['protocol']} with task seed {about['task_seed']} were not evaluated on the same "
        f"tasks: {' / '.join(texts)}."
    )


def grid(
    table: Table, seeds: Callable[[TableCell], str | None] = lambda cell: None
) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows: a recipe each, a column for each protocol.

    With several variants there is a column for each of them and, beside, one for the published rates.

    Args:
        table: what ran.
        seeds: words for the seeds of a cell, such as links to its records; by default their number.
    """
    columns: list[tuple[str, Callable[[str], str]]] = []
    for protocol in table.suite.protocols:
        for variant in table.variants:
            columns.append((_column(table, protocol, variant), partial(_cell_of, table, protocol, variant, seeds)))
        if table.side_by_side and table.publishes(protocol):
            columns.append((f"{protocol} paper", partial(_published_of, table, protocol)))
    rows = [[recipe, *(text(recipe) for _, text in columns)] for recipe in table.suite.recipes]
    return ["recipe", *(name for name, _ in columns)], rows


def scores_grid(table: Table) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of SPL and, after it, timely success, for the recipes whose records have them."""
    places = [(protocol, variant) for protocol in table.suite.protocols for variant in table.variants]
    rows = []
    for recipe in table.suite.recipes:
        texts = [_scores_of(table.cells[recipe, protocol, variant]) for protocol, variant in places]
        rows += [[recipe, *texts]] if any(text != NONE for text in texts) else []
    return ["SPL, timely", *(_column(table, *place) for place in places)], rows


def strata_grids(table: Table) -> list[tuple[list[str], list[list[str]]]]:
    """Return headers and rows for each protocol whose tasks have strata: a column for each, and each variant."""
    grids = []
    for protocol in table.suite.protocols:
        cells = {place: cell for place, cell in table.cells.items() if place[1] == protocol}
        columns = [(variant, name) for variant in table.variants for name in _strata(cells.values(), variant)]
        rows = []
        for recipe in table.suite.recipes:
            found = [cells[recipe, protocol, variant].of(name) for variant, name in columns]
            rows += [[recipe, *(_stratum_of(cell) for cell in found)]] if any(c.records for c in found) else []
        if rows:
            heads = [f"{name} {variant}" if table.side_by_side else name for variant, name in columns]
            grids.append(([protocol, *heads], rows))
    return grids


def _strata(cells: Iterable[TableCell], variant: str | None) -> list[str]:
    """Strata of the cells of a variant, in the order in which they come first."""
    return list(dict.fromkeys(name for cell in cells if cell.variant == variant for name in cell.strata))


def _stratum_of(cell: TableCell) -> str:
    if not cell.records:
        return NONE
    spl = cell.score("spl")
    text = f"{figure(cell.rate)} {span(cell.interval)}" + (f", SPL {figure(spl[0])}" if spl else "")
    return text + (", stale" if cell.stale else "")


def _scores_of(cell: TableCell) -> str:
    spl, timely = cell.score("spl"), cell.score("timely")
    return f"{figure(spl[0])} {span(spl[1])}, {figure(timely[0])}" if spl and timely else NONE


def _cell_of(
    table: Table, protocol: str, variant: str | None, seeds: Callable[[TableCell], str | None], recipe: str
) -> str:
    cell = table.cells[recipe, protocol, variant]
    return cell_text(cell, seeds(cell) if cell.records else None, paper=not table.side_by_side)


def _published_of(table: Table, protocol: str, recipe: str) -> str:
    published = table.cells[recipe, protocol, table.variants[0]].published
    return figure(published.rate) if published else NONE


def claims_grid(findings: Sequence[Finding]) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows: a comparison each, with its variant where there are several."""
    columns = dict(CLAIM_GRID)
    if {finding.score for finding in findings} == {"success"}:
        del columns["score"]
    if len({finding.variant for finding in findings}) > 1:
        columns = {"claim": columns.pop("claim"), "variant": lambda found: found.variant or NONE} | columns
    return list(columns), [[text(finding) for text in columns.values()] for finding in findings]


def verdicts_grid(findings: Sequence[Finding]) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows: a claim each, and how many of its comparisons came out how in each variant."""
    variants = list(dict.fromkeys(finding.variant for finding in findings))
    claims = {finding.claim.name: finding.claim for finding in findings}
    rows = []
    for name, claim in claims.items():
        of = [[found for found in findings if (found.claim.name, found.variant) == (name, one)] for one in variants]
        rows.append([name, f"“{claim.text}”", *map(counted, of)])
    return ["claim", "in words", *(variant or "verdicts" for variant in variants)], rows


def claims_notes(findings: Sequence[Finding], families: Mapping[str, str]) -> list[str]:
    """Say how the claims were tested, and what they and their families say, in the publication's words."""
    lines = [
        f"A > B stands only where a test passes at {ALPHA:g} after Holm's correction over all comparisons of its "
        "family (the claim itself where none is named), else A ~ B. Over tasks: McNemar's exact test (by sign flips "
        "for several checkpoints, or a score that is no count), Fisher's where the tasks differ. Over seeds, from "
        "three on: also Student's paired test over their rates (Welch's where the tasks differ); the larger p-value "
        "counts. Differences have 95 % intervals for tasks like these and, from two seeds on, seeds like these, which "
        "are not corrected.",
        "Shown: a test passes for the claim. Not shown, opposite holds: one passes against it. Too few tasks to tell: "
        "none passes.",
    ]
    if any(finding.claim.direction == "not_greater" for finding in findings):
        lines.append(
            "A claim of no gain has a margin m: A < B + m shows it, A > B + m speaks against it. Its test, that the "
            "difference is m, is obtained by inverting the interval of the difference."
        )
    if any(finding.baseline for finding in findings):
        lines.append("Baseline: of those that were evaluated beside the runs of A, the one with the most successes.")
    members: dict[tuple[bool, str], list[Finding]] = {}
    for finding in findings:
        # A variant's families are its own; all have the same comparisons.
        if finding.variant == findings[0].variant:
            members.setdefault(finding.claim.family_key, []).append(finding)
    for (alone, name), found in members.items():
        count = plural(len(found), "comparison")
        if not alone:
            lines.append(f"Family {name}, {count}: {families[name]}.")
        claims = {finding.claim.name: finding.claim for finding in found}
        lines += [f"{claim.name}: {_about(claim, count if alone else f'family {name}')}." for claim in claims.values()]
    return lines


def _about(claim: Claim, of: str) -> str:
    margin = [f"margin {figure(claim.margin)}"] if claim.direction == "not_greater" else []
    score = [f"score {', '.join(claim.score)}"] if claim.score != ("success",) else []
    return f"“{claim.text}” ({', '.join([*margin, *score, of])})"


def markdown(table: Table, findings: Sequence[Finding], beside: Path) -> str:
    """Return tables for the documentation; links to the records are relative to the folder `beside`."""
    parts = [_markdown_table(*grid(table, lambda cell: _links(cell, beside))), _bullets(notes(table))]
    ranked = ranking.grids(table, findings)
    if ranked:
        parts = [_markdown_table(headers, rows) for headers, rows in ranked] + [_bullets([ranking.NOTE])] + parts
    parts += [_markdown_table(headers, rows) for headers, rows in strata_grids(table)]
    headers, rows = scores_grid(table)
    if rows:
        parts += [_markdown_table(headers, rows), _bullets([SCORES])]
    if findings:
        parts += [_markdown_table(*verdicts_grid(findings)), _markdown_table(*claims_grid(findings))]
        parts += [_bullets(claims_notes(findings, table.suite.families))]
    return "\n\n".join(parts) + "\n"


def _links(cell: TableCell, beside: Path) -> str:
    return " ".join(f"[s{r.seed}]({_relative(r, beside)})" for r in cell.records)


def _relative(record: RunRecord, beside: Path) -> str:
    # `relpath` goes up by `..` where need be; links have / on every system.
    return Path(os.path.relpath(record.path.resolve(), beside.resolve())).as_posix()


def _markdown_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(headers), ["---"] * len(headers), *map(list, rows)]
    return "\n".join(f"| {' | '.join(_escaped(text) for text in line)} |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _bullets(lines: Iterable[str]) -> str:
    # Markdown would read `<` as the begin of an HTML tag.
    return "\n".join("* " + " ".join(line.split()).replace("<", "&lt;") for line in lines)


def between(page: str, report: str, name: str) -> str:
    """Return a page with the report between its two markers, or the report alone for a page without markers.

    Raises:
        UsageError: the page has one marker, several, or the end before the begin.
    """
    begins, ends = page.count(BEGIN), page.count(END)
    if not begins and not ends:
        return report
    if (begins, ends) != (1, 1) or page.index(END) < page.index(BEGIN):
        raise UsageError(f"{name}: expected {BEGIN} once and {END} once after it, or neither")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{report}\n{END}{rest.partition(END)[2]}"
