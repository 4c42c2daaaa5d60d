"""Pictures that need nothing but the JSONL files of a run folder: training, and success against steps."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from vgbench import scores
from vgbench.report.plots import style
from vgbench.report.plots.picture import LOGS, Drawn, Plot, SkippedPlot
from vgbench.statistics import wilson
from vgbench.storage.files import Record
from vgbench.storage.run_folder import RunFolder
from vgbench.text import scores_text

TRAINING, STEPS = "Training", "Success against steps"
_AXES = ("stage", "step")
_NOT_LOSSES = ("grad_norm", "lr")
MOST_LOGS = 12
"""Panels of an objective's own figures, at most."""


def training(folder: Path) -> Drawn:
    """Draw the losses of each stage over its optimiser steps, and what the objectives logged beside."""
    rows = [row for row in RunFolder(folder).lines("train.jsonl") if _is_log(row)]
    if not rows:
        yield SkippedPlot(TRAINING, "train.jsonl has no line that can be read (a run without training has none)")
        return
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    made = style.figure(3.6 * len(stages), 2.6)
    for axes, stage in zip(made.subplots(1, len(stages), squeeze=False)[0], stages, strict=True):
        _losses(axes, stage, [row for row in rows if row["stage"] == stage])
    text = (
        "Weighted sum of the losses and its terms, on the batch of every tenth optimiser step (training data). "
        "Stages train one after the other."
    )
    yield Plot("training.svg", TRAINING, text, content=style.svg(made))
    panels = dict.fromkeys((row["stage"], name) for row in rows for name in row if "." in name)
    if panels:
        yield Plot("training-logs.svg", LOGS, _logs_text(len(panels)), content=_logs(rows, list(panels)[:MOST_LOGS]))


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
    if values and min(values) > 0 and max(values) > 10 * min(values):
        axes.set_yscale("log")
    axes.set(title=f"stage {stage}", xlabel="optimiser step", ylabel="loss")
    style.grid(axes)
    axes.legend()


def _curve(axes: Axes, rows: Sequence[Record], name: str, label: str, index: int) -> None:
    known = [row for row in rows if name in row and math.isfinite(row[name])]
    axes.plot([row["step"] for row in known], [row[name] for row in known], label=label, **style.line(index))


def _logs(rows: Sequence[Record], panels: Sequence[tuple[str, str]]) -> bytes:
    """Draw a small panel for each figure that an objective logged."""
    columns = min(4, len(panels))
    lines = math.ceil(len(panels) / columns)
    made = style.figure(2.6 * columns, 1.9 * lines)
    for number, (stage, name) in enumerate(panels, start=1):
        axes = made.add_subplot(lines, columns, number)
        _curve(axes, [row for row in rows if row["stage"] == stage], name, name, 0)
        axes.set_title(name, fontsize=8)
        axes.set_xlabel(f"step of stage {stage}", fontsize=8)
        style.grid(axes)
    return style.svg(made)


def _logs_text(count: int) -> str:
    more = f" {count - MOST_LOGS} more are in train.jsonl." if count > MOST_LOGS else ""
    return f"Figures that the objectives logged beside their losses; their units are the objectives' own.{more}"


def success(folder: Path, most: int | None = None) -> Drawn:
    """Draw the share of tasks solved within so many steps, of planner, baseline and expert, with Wilson intervals.

    `most` is the largest number of steps allowed; by default the most that any task took.
    """
    curves = {
        name: _episodes(folder / f"{file}.jsonl") for name, file in (("planner", "episodes"), ("baseline", "baseline"))
    }
    if not curves["planner"]:
        yield SkippedPlot(STEPS, "episodes.jsonl has no whole row for each task")
        return
    curves["expert"] = _expert(curves["planner"])
    last = most or max(row["steps"] for rows in curves.values() for row in rows)
    made = style.figure(4.6, 2.8)
    axes = made.subplots()
    for index, (name, rows) in enumerate((name, rows) for name, rows in curves.items() if rows):
        share = [sum(row["success"] and row["steps"] <= step for row in rows) for step in range(last + 1)]
        band = {count: wilson(count, len(rows)) for count in set(share)}
        line = style.line(index)
        axes.step(range(last + 1), [count / len(rows) for count in share], where="post", label=name, **line)
        low, high = zip(*(band[count] for count in share), strict=True)
        axes.fill_between(range(last + 1), low, high, step="post", color=line["color"], alpha=0.2, linewidth=0)
    axes.set(xlim=(0, last), ylim=(0, 1.02), xlabel="steps in the environment", ylabel="share of tasks solved")
    style.grid(axes)
    axes.legend(loc="best")
    baseline = "" if curves["baseline"] else " There are no episodes of a baseline."
    text = f"Share of the tasks solved within so many steps, with 95 % Wilson intervals at each step.{baseline}"
    if curves["expert"]:
        known = {name: scores.mean(name, curves["planner"]) for name in ("spl", "timely")}
        figures = scores_text(known).removeprefix(", ")
        text += f" The expert is the environment's own, without noise. Against its steps the planner has {figures}."
    yield Plot("success.svg", STEPS, text, content=style.svg(made))


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
