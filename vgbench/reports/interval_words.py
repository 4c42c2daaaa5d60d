"""What the footnote of a table says of its intervals."""

from collections.abc import Sequence

from vgbench.reports.table import TableCell

SEEDS_TO_RELY_ON = 10
"""From so many on an interval over seeds that do not differ is hardly too wide (docs/decisions.md)."""
RARE = 0.05
"""Rates below it, or above one minus it, are judged by a handful of tasks."""


def interval_words(cells: Sequence[TableCell]) -> str:
    """Say what the intervals of some cells are, and where they hold the rate more or less often than they say."""
    counts = {len(cell.records) for cell in cells if cell.records}
    about = {
        "wilson": "of one checkpoint: Wilson's",
        "wilson_over_seeds": "of several seeds that share their tasks: Wilson's, with an effective number of tasks "
        "that accounts for the seeds' agreement on them and the spread between seeds",
        "wilson_own_tasks": "of several seeds with tasks of their own: Wilson's, with an effective number of tasks "
        "that accounts for the spread between seeds",
    }
    kinds = {cell.kind for cell in cells if cell.records}
    if not kinds:
        return ""
    texts = "; ".join(text for kind, text in about.items() if kind in kinds)
    words = f" 95 % intervals for tasks like these, {texts}."
    if few_seeds := sorted(counts & set(range(2, SEEDS_TO_RELY_ON))):
        words += (
            f" {' or '.join(map(str, few_seeds))} seeds say little about the spread between seeds, so these intervals "
            "are too wide where seeds are alike."
        )
    if any(0 < cell.rate < RARE or 1 - RARE < cell.rate < 1 for cell in cells if cell.records):
        words += " Near 0 and 1 the real coverage differs from 95 % by a few percent."
    return words
