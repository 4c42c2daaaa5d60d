"""Success against budget: what planners solve for so many evaluations of the predictor, of the points of a sweep."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from vgbench.experiments.budget import COLUMNS
from vgbench.experiments.sweep_results import write_csv
from vgbench.report.plots import style
from vgbench.storage.files import Record

COLOURS = (*style.COLOURS, "#000000")
"""Okabe and Ito's, which colour-blind readers can tell apart; markers and lines differ as well."""
_MARKERS = "osD^vPX"


def write_budget(root: Path, found: Sequence[Record], title: str) -> Path:
    """Write budget.csv and budget.png into a sweep's folder; return the path of the picture."""
    write_csv(root / "budget.csv", found, COLUMNS)
    plot_budget(root / "budget.png", found, title)
    return root / "budget.png"


def plot(path: Path, rows: Sequence[Record], title: str) -> None:
    """Draw the rows of `vgbench.experiments.sweep_results.figures` as PNG; points without a result are left out."""
    panels = list(dict.fromkeys(row["over"] for row in rows))
    figure = style.canvas(5.2 * len(panels), 4.0)
    for index, over in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), index + 1)
        _panel(axes, over, [row for row in rows if row["over"] == over])
    figure.suptitle(title, fontsize=11)
    style.save_png(figure, path, dpi=150)


def _panel(axes: Axes, over: str, rows: Sequence[Record]) -> None:
    texts = list(dict.fromkeys(row["value"] for row in rows))
    places = _numbers(texts)
    if places is None:  # words: side by side, in the order in which they were given
        places = {text: float(index) for index, text in enumerate(texts)}
        axes.set_xticks(list(places.values()), list(places))
    for index, curve in enumerate(dict.fromkeys(row["curve"] for row in rows)):
        known = [row for row in rows if row["curve"] == curve and row["success_rate"] is not None]
        known.sort(key=lambda row: places[row["value"]])
        _curve(axes, index, curve, [places[row["value"]] for row in known], known)
    _finish(axes, over)


def plot_budget(path: Path, rows: Sequence[Record], title: str) -> None:
    """Draw `vgbench.experiments.budget.rows` as PNG: success over evaluations per task, on a log scale.

    A planner that asks for none is a level line.
    """
    figure = style.canvas(6.4, 4.4)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    costs = [row["evaluations_per_task"] for row in rows if row["evaluations_per_task"]]
    if costs:  # a log scale finds no limits for a single point
        axes.set_xlim(min(costs) / 1.5, max(costs) * 1.5)
    for index, curve in enumerate(dict.fromkeys(row["curve"] for row in rows)):
        known = [row for row in rows if row["curve"] == curve and row["success_rate"] is not None]
        paid = [row for row in known if row["evaluations_per_task"]]
        _curve(axes, index, curve, [row["evaluations_per_task"] for row in paid], paid)
        for row in known:
            if row["evaluations_per_task"] == 0:
                axes.axhline(row["success_rate"], color=COLOURS[index % len(COLOURS)], linestyle=":")
    _finish(axes, "evaluations of the predictor per task")
    figure.suptitle(title, fontsize=11)
    style.save_png(figure, path, dpi=150)


def _curve(axes: Axes, index: int, label: str, places: Sequence[float], rows: Sequence[Record]) -> None:
    """Draw a curve with its intervals, in its own colour, marker and line."""
    axes.errorbar(
        places,
        [row["success_rate"] for row in rows],
        # An interval holds its rate up to rounding; matplotlib takes no negative length.
        yerr=[
            [max(0.0, row["success_rate"] - row["ci95"][0]) for row in rows],
            [max(0.0, row["ci95"][1] - row["success_rate"]) for row in rows],
        ],
        label=label,
        color=COLOURS[index % len(COLOURS)],
        marker=_MARKERS[index % len(_MARKERS)],
        linestyle=style.DASHES[index % len(style.DASHES)],
        capsize=3,
    )


def _finish(axes: Axes, what: str) -> None:
    axes.set_xlabel(what)
    axes.set_ylabel("planning success (95 % interval)")
    axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)


def _numbers(texts: Sequence[str]) -> dict[str, float] | None:
    """Values as numbers, or None if one is not."""
    try:
        return {text: float(text) for text in texts}
    except ValueError:
        return None
