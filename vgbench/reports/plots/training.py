"""Pictures that need nothing but the JSONL files of a run folder: training, and success against steps."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from vgbench import scores
from vgbench.reports.plots import style
from vgbench.reports.plots.heading import baseline_files, heading
from vgbench.reports.plots.picture import LOGS, Drawn, Plot, SkippedPlot
from vgbench.statistics import wilson
from vgbench.storage.files import Record
from vgbench.storage.run_folder import RunFolder
from vgbench.text import scores_text, share_text

TRAINING, STEPS = "Training", "Success against steps"
_AXES = ("stage", "step")
_NOT_LOSSES = ("grad_norm", "lr")
SMOOTHED = 20
"""From so many values on, a curve is smoothed, over about a tenth of them."""
LABEL = 0.065
"""Height of a label of a rate, as a share of the axis."""
MOST_LOGS = 12
"""Panels of an objective's own figures, at most."""


def training(folder: Path) -> Drawn:
    """Draw the losses of each stage over its optimiser steps, and what the objectives logged beside."""
    rows = [row for row in RunFolder(folder).lines("train.jsonl") if _is_log(row)]
    if not rows:
        yield SkippedPlot(TRAINING, "train.jsonl has no line that can be read (a run without training has none)")
        return
    title = heading(folder).title
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    made = style.figure(3.6 * len(stages), 2.9)
    for axes, stage in zip(made.subplots(1, len(stages), squeeze=False)[0], stages, strict=True):
        _losses(axes, stage, [row for row in rows if row["stage"] == stage])
    made.suptitle(f"{title}: training", fontsize=10)
    text = (
        "Weighted sum of the losses and its terms on training batches: each logged one faint, their moving mean on "
        "top. Stages train one after the other. A value loss (iql) need not fall: its targets grow as it learns."
    )
    yield Plot("training.svg", TRAINING, text, content=style.svg(made))
    panels, constant = _panels(rows)
    if panels:
        content = _logs(rows, panels[:MOST_LOGS], title)
        yield Plot("training-logs.svg", LOGS, _logs_text(panels, constant), content=content)


def _panels(rows: Sequence[Record]) -> tuple[list[tuple[str, str]], list[str]]:
    """Stages and names of what the objectives logged, and the names of those that never changed, left out of them."""
    names = dict.fromkeys((row["stage"], name) for row in rows for name in row if "." in name)
    seen = {
        (stage, name): {row[name] for row in rows if row["stage"] == stage and name in row} for stage, name in names
    }
    lines = {stage: sum(row["stage"] == stage for row in rows) for stage, _ in names}
    constant = [pair for pair in names if len(seen[pair]) == 1 and lines[pair[0]] > 1]
    return [pair for pair in names if pair not in constant], [name for _, name in constant]


def _is_log(row: Any) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("stage"), str):
        return False
    return all(isinstance(value, int | float) for name, value in row.items() if name != "stage") and "step" in row


def _losses(axes: Axes, stage: str, rows: Sequence[Record]) -> None:
    names = [n for n in dict.fromkeys(n for row in rows for n in row) if n not in (*_AXES, *_NOT_LOSSES)]
    names = [name for name in names if "." not in name]
    if len(names) == 2 and "loss" in names and all(row.get(names[0]) == row.get(names[1]) for row in rows):
        names.remove("loss")  # of a single term with weight 1
    values = [row[name] for row in rows for name in names if name in row]
    for index, name in enumerate(names):
        _curve(axes, rows, name, name, index)
    if log := bool(values and min(values) > 0 and max(values) > 10 * min(values)):
        axes.set_yscale("log")
    axes.set(title=f"stage {stage}", xlabel="optimiser step", ylabel="loss, log scale" if log else "loss")
    style.grid(axes)
    axes.legend()


def _curve(axes: Axes, rows: Sequence[Record], name: str, label: str, index: int) -> None:
    """Draw logged values, faint, and their moving mean; few values as points."""
    known = [row for row in rows if name in row and math.isfinite(row[name])]
    steps, values = [row["step"] for row in known], [row[name] for row in known]
    line = style.line(index)
    if len(known) < SMOOTHED:
        axes.plot(steps, values, label=label, marker="o" if len(known) < 3 else None, markersize=4, **line)
        return
    axes.plot(steps, values, color=line["color"], linewidth=0.6, alpha=0.35)
    axes.plot(steps, moving_mean(values, max(2, len(known) // SMOOTHED)), label=label, **line)


def moving_mean(values: Sequence[float], width: int) -> list[float]:
    """Return the mean of each value and those up to `width` places before and after it; fewer at the ends."""
    return [statistics.fmean(values[max(0, at - width) : at + width + 1]) for at in range(len(values))]


def _logs(rows: Sequence[Record], panels: Sequence[tuple[str, str]], title: str) -> bytes:
    """Draw a small panel for each figure that an objective logged."""
    columns = min(4, len(panels))
    lines = math.ceil(len(panels) / columns)
    made = style.figure(2.6 * columns, 1.9 * lines + 0.3)
    for number, (stage, name) in enumerate(panels, start=1):
        axes = made.add_subplot(lines, columns, number)
        _curve(axes, [row for row in rows if row["stage"] == stage], name, name, 0)
        axes.set_title(name, fontsize=8)
        axes.set_xlabel(f"step of stage {stage}", fontsize=8)
        axes.locator_params(nbins=5)
        style.grid(axes)
    made.suptitle(f"{title}: what the objectives logged", fontsize=10)
    return style.svg(made)


def _logs_text(panels: Sequence[tuple[str, str]], constant: Sequence[str]) -> str:
    commands = dict.fromkeys(f"`vgbench show objective {name.partition('.')[0]}`" for _, name in panels)
    more = f" {len(panels) - MOST_LOGS} more are in train.jsonl." if len(panels) > MOST_LOGS else ""
    same = f" Not drawn, since they never changed: {', '.join(constant)}." if constant else ""
    return f"What the objectives logged beside their losses. Meanings: {', '.join(commands)}.{more}{same}"


def success(folder: Path, most: int | None = None) -> Drawn:
    """Draw the share of tasks solved within so many steps, of planner, baselines and expert, with Wilson intervals.

    `most` is the largest number of steps allowed; by default the most that any task took.
    """
    about, rows = heading(folder), _episodes(folder / "episodes.jsonl")
    if not rows:
        yield SkippedPlot(STEPS, "episodes.jsonl has no whole row for each task")
        return
    baselines = {name: _episodes(path) for name, path in baseline_files(folder).items()}
    expert = _expert(rows)
    curves = {about.label(): rows, **baselines, "expert of the environment": expert}
    last = most or max(row["steps"] for rows in curves.values() for row in rows)
    made = style.figure(5.6, 3.0)
    axes = made.subplots()
    drawn = {name: found for name, found in curves.items() if found}
    ends = [
        _steps(axes, found, last, name, style.line(index)) / len(found)
        for index, (name, found) in enumerate(drawn.items())
    ]
    for index, (end, place) in enumerate(zip(ends, apart(ends, LABEL), strict=True)):
        axes.annotate(
            share_text(end),
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            color=style.line(index)["color"],
            fontsize=8,
        )
    strata = _strata(axes, rows, last)
    axes.set(xlim=(0, last), ylim=(0, 1.02), xlabel="steps in the environment", ylabel="share of tasks solved")
    style.grid(axes)
    axes.legend(loc="best")
    solved = sum(row["success"] for row in rows)
    axes.set_title(f"{about.title}: {solved} of {len(rows)} tasks solved", fontsize=10)
    baseline = "" if any(baselines.values()) else " There are no episodes of a baseline."
    text = f"Share of the tasks solved within so many steps, with 95 % Wilson intervals at each step.{strata}{baseline}"
    if expert:
        known = {name: scores.mean(name, rows) for name in ("spl", "timely")}
        figures = scores_text(known).removeprefix(", ")
        text += f" The expert is the environment's own, without noise. Against its steps the planner has {figures}."
    yield Plot("success.svg", STEPS, text, content=style.svg(made))


def _strata(axes: Axes, rows: Sequence[Record], last: int) -> str:
    """Draw a thin curve of the planner for each stratum of the tasks, if there are several; return a sentence."""
    names = list(dict.fromkeys(row["stratum"] for row in rows if isinstance(row.get("stratum"), str)))
    if len(names) < 2:
        return ""
    for number, name in enumerate(names):
        part = [row for row in rows if row.get("stratum") == name]
        label = f"planner, {name}: {sum(row['success'] for row in part)} of {len(part)}"
        look: Any = {"linestyle": style.DASHES[1 + number % 3], "linewidth": 0.9, "color": style.COLOURS[0]}
        _steps(axes, part, last, label, look, band=False)
    return " Thin lines are its tasks by stratum."


def apart(values: Sequence[float], gap: float) -> list[float]:
    """Return places for labels of values, near them and at least `gap` apart, none of them moved without need."""
    groups: list[list[int]] = []
    for at in sorted(range(len(values)), key=lambda at: values[at]):
        group = [at]
        # Labels that would touch become one group, around the mean of what they stand for.
        while (
            groups and _middle(values, group) - _middle(values, groups[-1]) < gap * (len(group) + len(groups[-1])) / 2
        ):
            group = groups.pop() + group
        groups.append(group)
    places = {
        at: _middle(values, group) + gap * (number - (len(group) - 1) / 2)
        for group in groups
        for number, at in enumerate(group)
    }
    return [places[at] for at in range(len(values))]


def _middle(values: Sequence[float], group: Sequence[int]) -> float:
    return statistics.fmean(values[at] for at in group)


def _steps(axes: Axes, rows: list[Record], last: int, name: str, line: dict[str, Any], band: bool = True) -> int:
    """Draw one curve, and its band; return how many tasks were solved in the end."""
    counts = [sum(row["success"] and row["steps"] <= step for row in rows) for step in range(last + 1)]
    # Where nothing changes there is nothing to draw: a tenth of the bytes.
    steps = [step for step in range(last + 1) if step in (0, last) or counts[step] != counts[step - 1]]
    axes.step(steps, [counts[step] / len(rows) for step in steps], where="post", label=name, **line)
    if band:
        low, high = zip(*(wilson(counts[step], len(rows)) for step in steps), strict=True)
        axes.fill_between(steps, low, high, step="post", color=line["color"], alpha=0.15, linewidth=0)
    return counts[-1]


def _expert(rows: list[Record]) -> list[Record]:
    """Rows of the expert on the same tasks, none where the environment has no expert."""
    known = [row.get("expert_steps") for row in rows]
    if not any(known) or not all(steps is None or isinstance(steps, int) for steps in known):
        return []
    return [{"success": steps is not None, "steps": steps or 0} for steps in known]


def _episodes(path: Path) -> list[Record]:
    """Rows with steps and success, or none if one of them is not whole."""
    rows = RunFolder(path.parent).lines(path.name)
    whole = all(
        isinstance(row, dict) and isinstance(row.get("steps"), int) and isinstance(row.get("success"), bool)
        for row in rows
    )
    return rows if whole else []
