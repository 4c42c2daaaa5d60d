"""Success rates of compared methods, with their intervals, side by side on each protocol."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vgbench.reports.plots import style


def plot_rates(path: Path, rates: Sequence[dict[str, Any]]) -> None:
    """Draw the rates of `vgbench.reports.pairs.rates`; the format is what the file's name ends in."""
    protocols = list(dict.fromkeys(row["protocol"] for row in rates))
    groups = list(dict.fromkeys(row["group"] for row in rates))
    with style.style():
        figure = style.canvas(max(4.2, 1.1 * len(protocols) * (1 + 0.3 * len(groups))), 3.4)
        axes = figure.add_subplot()
        for number, group in enumerate(groups):
            rows = [row for row in rates if row["group"] == group]
            places = [protocols.index(row["protocol"]) + 0.12 * (number - (len(groups) - 1) / 2) for row in rows]
            values = [row["success_rate"] for row in rows]
            errors = [
                [max(0.0, value - row["ci95"][0]) for value, row in zip(values, rows, strict=True)],
                [max(0.0, row["ci95"][1] - value) for value, row in zip(values, rows, strict=True)],
            ]
            colour = style.COLOURS[number % len(style.COLOURS)]
            axes.errorbar(places, values, yerr=errors, fmt="osD^vP"[number % 6], color=colour, capsize=3, label=group)
        axes.set_xticks(range(len(protocols)), protocols)
        axes.set_xlim(-0.6, len(protocols) - 0.4)
        style.rate_axis(axes, [row["ci95"][0] for row in rates])
        axes.set_ylabel("success (95 % interval)")
        style.grid(axes)
        figure.legend(loc="outside upper center", ncols=min(3, len(groups)))
        style.save(figure, path)
