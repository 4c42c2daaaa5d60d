"""A table as a picture: a panel for each protocol, a row for each recipe, ours with its interval beside the paper's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vgbench.errors import UsageError
from vgbench.reports.plots import style
from vgbench.reports.table import Table, TableCell

PUBLISHED = "paper"
NAME = 36
"""Characters of a row's name that are drawn: those of runs with other values name the values, too."""


def draw_table(table: Table, recipes: Sequence[str]) -> bytes:
    """Return an SVG of the rates of some recipes of a table; empty where none of them has a rate."""
    with style.style():
        made = _figure(table, recipes)
        return b"" if made is None else style.svg(made)


def save_table(table: Table, path: Path) -> None:
    """Draw the rates of a table into a file, in the format that its name ends in.

    Raises:
        UsageError: no recipe has a rate.
    """
    with style.style():
        made = _figure(table, table.suite.recipes)
        if made is None:
            raise UsageError(f"--figure {path}: there is no rate to draw")
        style.save(made, path)


def _figure(table: Table, recipes: Sequence[str]) -> Figure | None:
    protocols = [p for p in table.suite.protocols if any(_known(table, r, p) for r in recipes)]
    shown = [recipe for recipe in recipes if any(_known(table, recipe, p) for p in protocols)]
    if not shown:
        return None
    # At least as high as title, legend and axis need beside one row; with room for the names.
    height = max(1.1 + (0.2 + 0.13 * len(table.variants)) * len(shown), 1.8)
    names = [_cropped(name) for name in shown]
    made = style.figure(max(1.6, 0.4 + 0.08 * max(map(len, names))) + 2.3 * len(protocols), height)
    panels = made.subplots(1, len(protocols), squeeze=False, sharey=True)[0]
    for axes, protocol in zip(panels, protocols, strict=True):
        _panel(axes, table, shown, protocol)
    panels[0].set_yticks(range(len(shown)), names)
    panels[0].set_ylim(len(shown) - 0.4, -0.6)
    made.supxlabel("success rate, 95 % interval", fontsize=9)
    signs = {label: sign for axes in panels for sign, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if len(signs) > 1:
        made.legend(signs.values(), signs.keys(), loc="outside upper right", ncols=len(signs))
    return made


def _cropped(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def _known(table: Table, recipe: str, protocol: str) -> bool:
    cells = [table.cells.get((recipe, protocol, variant)) for variant in table.variants]
    return any(cell is not None and cell.records for cell in cells)


def _panel(axes: Axes, table: Table, recipes: Sequence[str], protocol: str) -> None:
    found = [[table.cells.get((recipe, protocol, variant)) for recipe in recipes] for variant in table.variants]
    baselines = [b["rate"] for variant in table.variants for b in table.baselines(protocol, variant)]
    if baselines:
        axes.axvline(max(baselines), color=style.FAINT, linestyle=":", label="best baseline")
    published = [(row, cell) for row, cell in enumerate(found[0]) if cell is not None and cell.published]
    # One below the other: the paper's first, if there is any, then a row for each variant.
    first = 1 if published else 0
    apart = 0.6 / (first + len(table.variants))
    if published:
        _dots(axes, [row - 0.3 + apart / 2 for row, _ in published], _paper(published), PUBLISHED, 1)
    for number, (variant, cells) in enumerate(zip(table.variants, found, strict=True)):
        known = [(row, cell) for row, cell in enumerate(cells) if cell is not None and cell.records]
        places = [row - 0.3 + apart * (first + 0.5 + number) for row, _ in known]
        values = [(cell.rate, *cell.interval) for _, cell in known]
        label = f"here, {variant}" if table.side_by_side else "here"
        _dots(axes, places, values, label, 0 if not number else number + 1)
    axes.set_title(protocol)
    axes.set_xlim(-0.02, 1.02)
    axes.tick_params(axis="y", length=0)
    style.grid(axes)


def _paper(cells: Sequence[tuple[int, TableCell]]) -> list[tuple[float, float, float]]:
    return [(cell.published.rate, *cell.published.interval) for _, cell in cells if cell.published]


def _dots(
    axes: Axes, places: Sequence[float], values: Sequence[tuple[float, float, float]], label: str, index: int
) -> None:
    """Draw rates with their intervals, in a colour and a marker."""
    if not places:
        return
    rates = [rate for rate, _, _ in values]
    errors = [[max(0.0, rate - low) for rate, low, _ in values], [max(0.0, high - rate) for rate, _, high in values]]
    look: dict[str, Any] = {"color": style.COLOURS[index % len(style.COLOURS)], "fmt": "osD^vP"[index % 6]}
    face: dict[str, Any] = {"markerfacecolor": "white"} if label == PUBLISHED else {}
    axes.errorbar(rates, places, xerr=errors, label=label, markersize=4, elinewidth=1, **look, **face)
