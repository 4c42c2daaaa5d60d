"""Success against steps of several runs: a curve for each method, a panel for each protocol, seeds together."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from vgbench.reports.plots import style
from vgbench.storage.records import RunRecord

BESIDE = 5
"""Above so many methods their names stand beside the panel, else below it."""
PANELS = 3
"""Panels in a row."""
LINE = 48
"""Characters of a legend's line; the names of runs with other values name the values, too."""


def by_protocol(records: Sequence[RunRecord]) -> dict[str, dict[str, list[RunRecord]]]:
    """Group runs by protocol and, on each, by recipe and variant."""
    variants = {record.variant for record in records}
    found: dict[str, dict[str, list[RunRecord]]] = {}
    for record in sorted(records, key=lambda r: (r.protocol, r.label, r.variant or "", r.seed)):
        name = f"{record.label} ({record.variant})" if len(variants) > 1 and record.variant else record.label
        found.setdefault(record.protocol, {}).setdefault(name, []).append(record)
    return found


def plot_success(path: Path, records: Sequence[RunRecord]) -> None:
    """Draw the share of tasks solved within so many steps; the format is what the file's name ends in."""
    groups = by_protocol(records)
    columns = min(PANELS, len(groups))
    rows = -(-len(groups) // columns)
    width, height = map(max, zip(*(_size(methods) for methods in groups.values()), strict=True))
    # A method looks the same in all panels.
    looks = {name: style.line(number) for number, name in enumerate(sorted(set().union(*groups.values())))}
    with style.style():
        figure = style.canvas(width * columns, height * rows)
        for number, (protocol, methods) in enumerate(groups.items(), start=1):
            axes = figure.add_subplot(rows, columns, number)
            _panel(axes, methods, looks)
            axes.set_title(protocol)
        style.save(figure, path)


def _panel(axes: Axes, methods: Mapping[str, Sequence[RunRecord]], looks: Mapping[str, dict[str, Any]]) -> None:
    most = max(_most(record) for runs in methods.values() for record in runs)
    for name, runs in methods.items():
        xs, ys = curve(runs, most)
        axes.step(xs, ys, where="post", label=_label(name, runs), **looks[name])
    axes.set_xlim(0, most)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("tasks solved")
    style.grid(axes)
    # Never on the curves.
    place = (1.01, 1.0) if len(methods) > BESIDE else (0.0, -0.2)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=place)


def _size(methods: Mapping[str, Sequence[RunRecord]]) -> tuple[float, float]:
    """Return inches for a panel and its legend."""
    lines = [line for name, runs in methods.items() for line in _label(name, runs).splitlines()]
    if len(methods) > BESIDE:
        return 3.4 + 0.7 + 0.055 * max(map(len, lines)), max(3.2, 0.8 + 0.13 * len(lines))
    return 3.9, 2.8 + 0.13 * len(lines)


def _label(name: str, runs: Sequence[RunRecord]) -> str:
    """Return the name of a method with what it solves, in lines that fit."""
    counts = f"{sum(run.episodes.successes for run in runs)}\xa0of\xa0{sum(len(run.episodes) for run in runs)}"
    return "\n".join(textwrap.wrap(f"{name}: {counts}", LINE))


def curve(runs: Sequence[RunRecord], most: int) -> tuple[list[float], list[float]]:
    """Return the steps at which the share of solved tasks of some runs rises, up to `most` steps, and the shares."""
    ends = sorted(s for run in runs for s, done in zip(run.episodes.steps, run.episodes.success, strict=True) if done)
    count = sum(len(run.episodes) for run in runs)
    xs, ys = [0.0], [0.0]
    for number, step in enumerate(ends, start=1):
        xs.append(float(step))
        ys.append(number / count)
    return [*xs, float(most)], [*ys, ys[-1]]


def _most(record: RunRecord) -> int:
    """Steps that an episode of a run may take."""
    return int(record.identity["settings"]["mpc"]["max_steps"])
