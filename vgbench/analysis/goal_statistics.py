"""Statistics over the goals of a diagnosis."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vgbench.statistics import hierarchical_bootstrap
from vgbench.storage.files import Record

LEAST = 8
"""Pairs that a rank correlation needs here."""


def over_goals(pairs: list[tuple[np.ndarray, np.ndarray]], function: Callable[[Any, Any], float]) -> Record | None:
    """Return mean and interval over goals of a correlation of `function(learned, true)`.

    A goal that has one learned distance for all its states has no correlation. It counts as 0, since nothing can be
    told from it, and under `collapsed`: left out, it would raise the mean. Goals with too few pairs, or whose true
    figures are all equal, do not count.
    """
    figures, collapsed = [], 0
    with warnings.catch_warnings():
        # Of equal figures scipy has no correlation: it warns and returns NaN.
        warnings.simplefilter("ignore")
        for learned, true in pairs:
            figure = float(function(learned, true)) if len(learned) >= LEAST else np.nan
            if np.isfinite(figure):
                figures.append(figure)
            elif len(learned) >= LEAST and not _varies(learned) and _varies(true):
                figures.append(0.0)
                collapsed += 1
    if not figures:
        return None
    return {**over(figures), **({"collapsed": collapsed} if collapsed else {})}


def _varies(values: np.ndarray) -> bool:
    """Whether figures are not all the same, and none is NaN."""
    return not bool(np.isnan(values).any()) and len(np.unique(values)) > 1


def over(figures: list[float]) -> Record:
    """Return the mean over goals with a bootstrap interval over these."""
    # One row: goals are the only thing that is drawn again.
    low, high = hierarchical_bootstrap([figures])
    return {"mean": round(float(np.mean(figures)), 4), "ci95": [round(low, 4), round(high, 4)], "goals": len(figures)}


def collapsed_lines(groups: Mapping[str, Record | None]) -> list[str]:
    """Say for how many goals the learned distance told nothing, where there are any."""
    counts = [
        f"{found['collapsed']} of {found['goals']}{'' if name == 'all' else f' ({name})'}"
        for name, found in groups.items()
        if found and found.get("collapsed")
    ]
    return [f"goals with one learned distance for all states, counted as 0: {', '.join(counts)}"] if counts else []
