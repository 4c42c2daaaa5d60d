"""An audit as a picture: what can be solved without training, how hard tasks are, success against distance."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from matplotlib.axes import Axes

from vgbench.report.plots import style
from vgbench.storage.files import Record
from vgbench.storage.records import RunRecord

BINS = 5
"""Groups of as many tasks each, from the nearest to the farthest."""


def plot_audit(path: Path, record: Record, records: Sequence[RunRecord] = ()) -> None:
    """Draw an audit as PNG: `record` from `vgbench.analysis.audit.audit`, with the records that it looked at."""
    curves = distance_curves(records)
    with style.style():
        figure = style.canvas(13.5 if records else 5.4, 4.2)
        _rungs(figure.add_subplot(1, 3 if records else 1, 1), record)
        if records:
            _difficulty(figure.add_subplot(1, 3, 2), records)
            draw_curves(figure.add_subplot(1, 3, 3), curves)
        figure.suptitle(f"{record['protocol']}, scale {record['scale']}: {record['verdict']}", fontsize=11)
        figure.set_facecolor("white")
        style.save_png(figure, path, dpi=130)


def _rungs(axes: Axes, record: Record) -> None:
    """Bars of success without training: all tasks, and the strata as points."""
    rows = [row for row in record["rungs"] if "skipped" not in row][::-1]
    axes.barh([row["name"] for row in rows], [row["success_rate"] for row in rows], color=style.FAINT)
    strata = list(dict.fromkeys(name for row in rows for name in row.get("strata", {})))
    for index, name in enumerate(strata):
        places = [(row["strata"][name]["success_rate"], row["name"]) for row in rows if name in row.get("strata", {})]
        xs, ys = zip(*places, strict=True)
        axes.plot(xs, ys, "osD^vP"[index % 6], color=style.COLOURS[index % 6], label=name, markersize=5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("success without training")
    if strata:
        axes.legend(loc="lower right")


def _difficulty(axes: Axes, records: Sequence[RunRecord]) -> None:
    """How many tasks are solved by how many of the recipes."""
    shares = []
    for seed in sorted({record.seed for record in records}):
        runs = [record.episodes.success for record in records if record.seed == seed]
        shares += [sum(task) / len(task) for task in zip(*runs, strict=True)]
    axes.hist(shares, bins=10, range=(0, 1), color=style.COLOURS[0], rwidth=0.9)
    axes.set_xlabel("share of the recipes that solve a task")
    axes.set_ylabel("tasks")


Curve = list[tuple[float, float, int]]
"""Mean distance, success rate and number of tasks of each group."""


def distance_curves(records: Sequence[RunRecord], bins: int = BINS) -> dict[str, Curve]:
    """Return success against distance for each recipe: points of groups of as many tasks each.

    The distance of a task is the steps that the environment's expert takes, or else that of its start. Groups are the
    same for all recipes: quantiles of the distances of all their tasks.
    """
    from numpy import quantile

    tasks: dict[str, list[tuple[float, bool]]] = {}
    for record in records:
        episodes = record.episodes
        known = episodes.expert_steps and None not in episodes.expert_steps
        far = episodes.expert_steps if known else episodes.start_distance
        pairs = [(float(x or 0), done) for x, done in zip(far, episodes.success, strict=True)]
        tasks.setdefault(record.recipe, []).extend(pairs)
    every = [distance for rows in tasks.values() for distance, _ in rows]
    if not every:
        return {}
    # Steps are whole numbers: several quantiles may be the same.
    edges = sorted({float(x) for x in quantile(every, [n / bins for n in range(bins + 1)])})
    ranges = list(pairwise(edges)) or [(edges[0], edges[0])]
    return {recipe: _curve(rows, ranges) for recipe, rows in tasks.items()}


def _curve(rows: Sequence[tuple[float, bool]], ranges: Sequence[tuple[float, float]]) -> Curve:
    found: Curve = []
    for index, (low, high) in enumerate(ranges):
        # The first group has both of its ends.
        inside = [(x, done) for x, done in rows if low < x <= high or (index == 0 and x == low)]
        if inside:
            count = len(inside)
            found.append((sum(x for x, _ in inside) / count, sum(done for _, done in inside) / count, count))
    return found


def draw_curves(axes: Axes, curves: dict[str, Curve], label: str = "steps of the expert") -> None:
    """Draw a curve for each recipe."""
    for index, (recipe, curve) in enumerate(curves.items()):
        line = style.line(index) | {"marker": "osD^vP"[index // 6 % 6], "markersize": 4}
        axes.plot([x for x, _, _ in curve], [rate for _, rate, _ in curve], label=recipe, **line)
    axes.set_xlabel(label)
    axes.set_ylabel("success")
    axes.set_ylim(-0.02, 1.02)
    style.grid(axes)
    if curves:
        axes.legend(fontsize=7)
