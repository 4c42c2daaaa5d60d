"""Pictures of a sweep: success at its points, and success against the planner's budget."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from vgbench.experiments.budget import COLUMNS
from vgbench.experiments.sweep_results import write_csv
from vgbench.reports.plots import style
from vgbench.storage.files import Record, write_atomically

COLOURS = (*style.COLOURS, style.INK)
"""Okabe and Ito's, which colour-blind readers can tell apart; markers and lines differ as well."""
_MARKERS = "osD^vPX"
TICKS = 10
"""Values at most that have a tick each."""


def write_budget(root: Path, found: Sequence[Record], title: str) -> Path:
    """Write budget.csv and budget.png into a sweep's folder; return the path of the picture."""
    write_csv(root / "budget.csv", found, COLUMNS)
    plot_budget(root / "budget.png", found, title)
    return root / "budget.png"


def plot(path: Path, rows: Sequence[Record], title: str) -> None:
    """Draw the rows of `vgbench.experiments.sweep_results.figures`; points without a result are left out.

    The format is what the file's name ends in; an SVG follows a light or dark page.
    """
    panels = list(dict.fromkeys(row["over"] for row in rows))
    with style.style():
        figure = style.canvas(5.2 * len(panels), 4.0)
        for index, over in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), index + 1)
            _panel(axes, over, [row for row in rows if row["over"] == over])
        figure.suptitle(title, fontsize=11)
        _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    if path.suffix == ".svg":
        content = style.svg(figure)
        write_atomically(path, lambda partial: partial.write_bytes(content))
    else:
        style.save(figure, path)


def _panel(axes: Axes, over: str, rows: Sequence[Record]) -> None:
    texts = list(dict.fromkeys(row["value"] for row in rows))
    places = _numbers(texts)
    if places is None:  # words: side by side, in the order in which they were given
        places = {text: float(index) for index, text in enumerate(texts)}
    if len(places) <= TICKS:
        # At the values that were run, and nowhere else.
        axes.set_xticks(list(places.values()), list(places))
    curves = list(dict.fromkeys(row["curve"] for row in rows))
    # Beside each other, so that intervals of several curves do not hide each other.
    apart = 0.012 * (max(places.values()) - min(places.values()))
    for index, curve in enumerate(curves):
        known = [row for row in rows if row["curve"] == curve and row["success_rate"] is not None]
        known.sort(key=lambda row: places[row["value"]])
        shift = apart * (index - (len(curves) - 1) / 2)
        _points(axes, index, curve, [places[row["value"]] + shift for row in known], known)
    _finish(axes, over, rows)


def plot_budget(path: Path, rows: Sequence[Record], title: str) -> None:
    """Draw `vgbench.experiments.budget.rows`: success over evaluations per task, on a log scale, in a format as `plot`.

    Settings are points; a line joins those of a planner that no cheaper setting of it equals (its Pareto front), which
    are numbered, and named below. A planner that asks for no evaluation is a level line.
    """
    with style.style():
        figure = style.canvas(6.8, 4.6)
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        costs = [row["evaluations_per_task"] for row in rows if row["evaluations_per_task"]]
        if costs:  # a log scale finds no limits for a single point
            axes.set_xlim(min(costs) / 1.5, max(costs) * 1.5)
        legend: list[list[Line2D]] = []
        for index, curve in enumerate(dict.fromkeys(row["curve"] for row in rows)):
            known = [row for row in rows if row["curve"] == curve and row["success_rate"] is not None]
            paid = [row for row in known if row["evaluations_per_task"]]
            best = front(paid)
            _cloud(axes, index, paid)
            first = 1 + sum(len(column) - 1 for column in legend)
            legend.append([Line2D([], [], label=curve, **_look(index, 7)), *_front(axes, index, best, first)])
            for row in known:
                if row["evaluations_per_task"] == 0:
                    axes.axhline(row["success_rate"], color=COLOURS[index % len(COLOURS)], linestyle=":")
        _finish(axes, "evaluations of the predictor per task (lines: Pareto fronts, numbered)", rows)
        _columns(figure, legend)
        figure.suptitle(title, fontsize=11)
        _save(figure, path)


def _columns(figure: Figure, columns: Sequence[list[Line2D]]) -> None:
    """Write a legend below the axes: a column for each planner, its name first, then its numbered settings."""
    if not columns:
        return
    longest = max(len(column) for column in columns)
    blank = Line2D([], [], linestyle="none", label=" ")
    handles = [sign for column in columns for sign in (*column, *[blank] * (longest - len(column)))]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(columns), fontsize=7.5)


def front(rows: Sequence[Record]) -> list[Record]:
    """Return the rows that solve more than every cheaper one, from the cheapest on."""
    found: list[Record] = []
    for row in sorted(rows, key=lambda row: (row["evaluations_per_task"], -row["success_rate"])):
        if not found or row["success_rate"] > found[-1]["success_rate"]:
            found.append(row)
    return found


def _look(index: int, size: float) -> dict[str, Any]:
    """Colour, marker and no line, of the planner with a number."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": _MARKERS[index % len(_MARKERS)],
        "markersize": size,
        "linestyle": "none",
    }


def _cloud(axes: Axes, index: int, rows: Sequence[Record]) -> None:
    """Draw all settings of a planner with their intervals: pale, since most of them are not on its front."""
    axes.errorbar(
        [row["evaluations_per_task"] for row in rows],
        [row["success_rate"] for row in rows],
        yerr=_errors(rows),
        **_look(index, 4),
        alpha=0.55,
        elinewidth=0.8,
        capsize=2,
    )


def _front(axes: Axes, index: int, rows: Sequence[Record], first: int) -> list[Line2D]:
    """Join the rows of a front, number them inside of their signs from `first` on, and return what a legend says."""
    xs, ys = ([row[name] for row in rows] for name in ("evaluations_per_task", "success_rate"))
    colour, entries = COLOURS[index % len(COLOURS)], []
    axes.plot(xs, ys, color=colour, linestyle=style.DASHES[index % len(style.DASHES)], linewidth=1.4)
    for number, (x, y, row) in enumerate(zip(xs, ys, rows, strict=True), start=first):
        # Planners may be as good for as much: where signs meet, white rims keep them apart.
        place = 4 + 0.01 * number
        rim: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.8}
        axes.plot([x], [y], **_look(index, 9.5), **rim, zorder=place, clip_on=False)
        axes.annotate(
            str(number),
            (x, y),
            ha="center",
            va="center_baseline",
            color="white",
            fontsize=6.5,
            fontweight="bold",
            zorder=place,
        )
        words = ", ".join(_short(word) for word in str(row["settings"]).split())
        entries.append(Line2D([], [], linestyle="none", label=f"{number}: {words}"))
    return entries


def _short(setting: str) -> str:
    """Return `noise=2` for `icem.noise=2`."""
    name, mark, value = setting.partition("=")
    return name.rpartition(".")[2] + mark + value


def _errors(rows: Sequence[Record]) -> list[list[float]]:
    """Lengths of the intervals' halves: an interval holds its rate up to rounding, matplotlib takes no negative one."""
    return [
        [max(0.0, row["success_rate"] - row["ci95"][0]) for row in rows],
        [max(0.0, row["ci95"][1] - row["success_rate"]) for row in rows],
    ]


def _points(axes: Axes, index: int, label: str, places: Sequence[float], rows: Sequence[Record]) -> None:
    """Draw points with their intervals, joined, in their own colour and marker."""
    axes.errorbar(
        places,
        [row["success_rate"] for row in rows],
        yerr=_errors(rows),
        label=label,
        color=COLOURS[index % len(COLOURS)],
        marker=_MARKERS[index % len(_MARKERS)],
        markersize=5,
        linestyle=style.DASHES[index % len(style.DASHES)],
        linewidth=1.4,
        elinewidth=0.9,
        capsize=2,
    )


def _finish(axes: Axes, what: str, rows: Sequence[Record]) -> None:
    axes.set_xlabel(what)
    axes.set_ylabel("planning success (95 % interval)")
    style.rate_axis(axes, [row["ci95"][0] for row in rows if row["ci95"]])
    style.grid(axes)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best")


def _numbers(texts: Sequence[str]) -> dict[str, float] | None:
    """Values as numbers, or None if one is not."""
    try:
        return {text: float(text) for text in texts}
    except ValueError:
        return None
