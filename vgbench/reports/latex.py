"""The table of a report as LaTeX (booktabs): rates with intervals, the best of each column in bold."""

from collections.abc import Iterable

from vgbench.reports.fields import figure
from vgbench.reports.markdown import notes
from vgbench.reports.table import Table, TableCell

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_SPECIAL |= {letter: f"\\{letter}" for letter in "&%$#_{}"}


def latex(table: Table) -> str:
    r"""Return a `tabular` for `\usepackage{booktabs}`, with the report's notes as comments above it.

    The best current mean of a column is bold; whether it is better than another one the claims say.
    """
    columns = [(protocol, variant) for protocol in table.suite.protocols for variant in table.variants]
    papers = {protocol for protocol in table.suite.protocols if table.publishes(protocol)}
    shape = "l" + "".join("r" * (len(table.variants) + (protocol in papers)) for protocol in table.suite.protocols)
    lines = [f"% {' '.join(note.split())}" for note in notes(table)]
    lines += [
        "% \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{{shape}}}",
        "\\toprule",
        _line(_head(table, papers)),
        "\\midrule",
    ]
    best = {column: _best(table, *column) for column in columns}
    for recipe in table.suite.recipes:
        row = [escaped(recipe)]
        for protocol in table.suite.protocols:
            for variant in table.variants:
                cell = table.cells[recipe, protocol, variant]
                row.append(_cell(cell, cell.state == "done" and cell.rate == best[protocol, variant]))
            if protocol in papers:
                published = table.cells[recipe, protocol, table.variants[0]].published
                row.append(figure(published.rate) if published else "--")
        lines.append(_line(row))
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


def _head(table: Table, papers: Iterable[str]) -> list[str]:
    found = [""]
    for protocol in table.suite.protocols:
        for variant in table.variants:
            found.append(escaped(f"{protocol} {variant}" if table.side_by_side else protocol))
        found += ["paper"] if protocol in papers else []
    return found


def _best(table: Table, protocol: str, variant: str | None) -> float | None:
    cells = (table.cells[recipe, protocol, variant] for recipe in table.suite.recipes)
    return max((cell.rate for cell in cells if cell.state == "done"), default=None)


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
