"""An audit as a picture: what can be solved without training, how hard tasks are, success against distance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vgbench.reports.plots import style
from vgbench.reports.plots.distance import distance_curves, distance_label, draw_curves
from vgbench.storage.files import Record
from vgbench.storage.records import RunRecord


def plot_audit(path: Path, record: Record, records: Sequence[RunRecord] = ()) -> None:
    """Draw an audit as PNG: `record` from `vgbench.analysis.audit.audit`, with the records that it looked at."""
    curves = distance_curves(records)
    with style.style():
        figure = style.canvas(13.5 if records else 5.4, 4.2)
        _rungs(figure.add_subplot(1, 3 if records else 1, 1), record)
        if records:
            _difficulty(figure.add_subplot(1, 3, 2), records)
            draw_curves(figure.add_subplot(1, 3, 3), curves, distance_label(records))
        figure.suptitle(f"{record['protocol']}, scale {record['scale']}: {record['verdict']}", fontsize=11)
        figure.set_facecolor("white")
        style.save_png(figure, path, dpi=130)


def _rungs(axes: Axes, record: Record) -> None:
    """Bars of success without training: all tasks, and the strata as points."""
    rows = [row for row in record["rungs"] if "skipped" not in row][::-1]
    axes.barh(range(len(rows)), [row["success_rate"] for row in rows], color=style.FAINT)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    strata = list(dict.fromkeys(name for row in rows for name in row.get("strata", {})))
    for index, name in enumerate(strata):
        # One below the other: where they are alike, all are seen.
        shift = 0.5 * ((len(strata) - 1) / 2 - index) / max(len(strata), 2)
        known = [(place, row["strata"][name]) for place, row in enumerate(rows) if name in row.get("strata", {})]
        xs, ys = [found["success_rate"] for _, found in known], [place + shift for place, _ in known]
        look: dict[str, Any] = {"color": style.COLOURS[index % len(style.COLOURS)], "markersize": 5}
        axes.plot(xs, ys, "osD^vP"[index % 6], label=name, clip_on=False, **look)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("success without training")
    if strata:
        axes.legend(loc="upper right")  # where random actions are; the expert, at the bottom, solves all


def _difficulty(axes: Axes, records: Sequence[RunRecord]) -> None:
    """How many tasks are solved by how many of the recipes."""
    shares = []
    for seed in sorted({record.seed for record in records}):
        runs = [record.episodes.success for record in records if record.seed == seed]
        shares += [sum(task) / len(task) for task in zip(*runs, strict=True)]
    axes.hist(shares, bins=10, range=(0, 1), color=style.COLOURS[0], rwidth=0.9)
    axes.set_xlabel("share of the recipes that solve a task")
    axes.set_ylabel("tasks")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
