"""Success against distance, a curve for each recipe: which methods fail when the goal is far."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes

from vgbench.reports.plots import style
from vgbench.storage.records import RunRecord

BINS = 5
"""Groups of as many tasks each, from the nearest to the farthest."""
PANELS = 3
"""Panels in a row."""

Curve = list[tuple[float, float, int]]
"""Mean distance, success rate and number of tasks of each group."""


def has_steps(records: Sequence[RunRecord]) -> bool:
    """Whether the steps that the expert takes are known for all tasks of all records: one axis has one unit."""
    of_all = ((record.episodes.expert_steps, len(record.episodes)) for record in records)
    return all(len(steps) == count and None not in steps for steps, count in of_all)


def distance_label(records: Sequence[RunRecord]) -> str:
    """Say what `distance_curves` of these records are over."""
    return "steps of the expert" if has_steps(records) else "distance at the start"


def distance_curves(records: Sequence[RunRecord], bins: int = BINS) -> dict[str, Curve]:
    """Return success against distance for each recipe: points of groups of as many tasks each.

    The distance of a task is the steps that the environment's expert takes, or that of its start where these are not
    known for all tasks. Groups are the same for all recipes: quantiles of the distances of all their tasks.
    """
    from numpy import quantile

    tasks: dict[str, list[tuple[float, bool]]] = {}
    known = has_steps(records)
    for record in records:
        episodes = record.episodes
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


def draw_curves(axes: Axes, curves: dict[str, Curve], label: str) -> None:
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


def draw_protocols(records: Mapping[str, Sequence[RunRecord]]) -> bytes:
    """Return an SVG with a panel for each protocol."""
    with style.style():
        columns = min(PANELS, len(records))
        rows = -(-len(records) // columns)
        figure = style.figure(3.7 * columns, 3.1 * rows)
        for number, (protocol, runs) in enumerate(records.items(), start=1):
            axes = figure.add_subplot(rows, columns, number)
            draw_curves(axes, distance_curves(runs), distance_label(runs))
            axes.set_title(protocol)
        return style.svg(figure)
