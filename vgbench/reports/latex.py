"""A report as LaTeX (booktabs): the ranking, rates with intervals, the best of each column in bold, and the claims."""

from collections.abc import Iterable, Sequence

from vgbench.reports import ranking
from vgbench.reports.claims import Finding
from vgbench.reports.fields import NONE, figure
from vgbench.reports.markdown import claims_grid, claims_notes, notes
from vgbench.reports.table import Table, TableCell

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_SPECIAL |= {letter: f"\\{letter}" for letter in "&%$#_{}"}
# In the default encoding of fonts, `<` and `>` are other signs in text.
_SPECIAL |= {"<": "$<$", ">": "$>$", NONE: "--", "\N{MINUS SIGN}": "$-$"}


def latex(table: Table, findings: Sequence[Finding] = (), claims: bool = True) -> str:
    r"""Return a `tabular` of rates for `\usepackage{booktabs}`, after those of the ranking, if the suite ranks.

    With `claims`, another one for comparisons follows, if there are any. Notes stand above each, as comments. The best
    current mean of a column is bold, unless all rows tie or only one has a rate; whether it is better than another one
    the claims say.
    """
    columns = [(protocol, variant) for protocol in table.suite.protocols for variant in table.variants]
    papers = {protocol for protocol in table.suite.protocols if table.publishes(protocol)}
    shape = "lr" + "".join("r" * (len(table.variants) + (protocol in papers)) for protocol in table.suite.protocols)
    best = {column: _best(table, *column) for column in columns}
    rows = []
    for recipe in table.suite.recipes:
        row = [escaped(recipe), _seeds(table.cells[recipe, *column] for column in columns)]
        for protocol in table.suite.protocols:
            for variant in table.variants:
                cell = table.cells[recipe, protocol, variant]
                row.append(_cell(cell, cell.state == "done" and cell.rate == best[protocol, variant]))
            if protocol in papers:
                published = table.cells[recipe, protocol, table.variants[0]].published
                row.append(figure(published.rate) if published else "--")
        rows.append(row)
    parts = [*_rankings(table, findings), _tabular(notes(table), shape, _head(table, papers), rows)]
    parts += [_claims(table, findings)] if claims and findings else []
    return "% \\usepackage{booktabs}\n" + "\n".join(parts)


def _rankings(table: Table, findings: Sequence[Finding]) -> Iterable[str]:
    """Yield a `tabular` of ranked recipes for each variant that has records."""
    for headers, rows in ranking.grids(table, findings):
        # Rank, its interval and recipe; mean, rates and seeds; what was shown.
        shape = f"lll{'r' * (len(headers) - 4)}l"
        yield _tabular([ranking.NOTE], shape, list(map(escaped, headers)), [list(map(escaped, row)) for row in rows])


def _claims(table: Table, findings: Sequence[Finding]) -> str:
    """Return a `tabular` of comparisons with their corrected tests."""
    headers, rows = claims_grid(findings)
    # Between two names `~` is a sign of the comparison.
    place = headers.index("comparison")
    texts = [[escaped(text) for text in row] for row in rows]
    for row in texts:
        row[place] = row[place].replace(f" {_SPECIAL['~']} ", r" $\sim$ ")
    comments = claims_notes(findings, table.suite.families)
    return _tabular(comments, "l" * len(headers), list(map(escaped, headers)), texts)


def _tabular(comments: Iterable[str], shape: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"% {' '.join(comment.split())}" for comment in comments]
    lines += [f"\\begin{{tabular}}{{{shape}}}", "\\toprule", _line(head), "\\midrule", *map(_line, rows)]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


def _head(table: Table, papers: Iterable[str]) -> list[str]:
    found = ["", "seeds"]
    for protocol in table.suite.protocols:
        for variant in table.variants:
            found.append(escaped(f"{protocol} {variant}" if table.side_by_side else protocol))
        found += ["paper"] if protocol in papers else []
    return found


def _seeds(cells: Iterable[TableCell]) -> str:
    """Number of seeds of a row; several numbers where its cells differ."""
    counts = dict.fromkeys(len(cell.records) for cell in cells if cell.records)
    return ", ".join(map(str, counts)) or "--"


def _best(table: Table, protocol: str, variant: str | None) -> float | None:
    """Highest rate of a column; None where no other rate is below it."""
    cells = (table.cells[recipe, protocol, variant] for recipe in table.suite.recipes)
    rates = {cell.rate for cell in cells if cell.state == "done"}
    return max(rates) if len(rates) > 1 else None


def _cell(cell: TableCell, bold: bool) -> str:
    """A rate and, small, its interval; what is stale is marked."""
    if not cell.records:
        return "--"
    low, high = cell.interval
    rate = f"\\textbf{{{figure(cell.rate)}}}" if bold else figure(cell.rate)
    stale = "$^\\ast$" if cell.stale else ""
    return f"{rate}{stale} {{\\scriptsize [{figure(low)}, {figure(high)}]}}"


def _line(row: Iterable[str]) -> str:
    return f"{' & '.join(row)} \\\\"


def escaped(text: str) -> str:
    """Return text with the letters that LaTeX reads otherwise escaped."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)
