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
        "wilson_over_seeds": "of several seeds that share their tasks: Wilson's, of as many tasks as the seeds' "
        "agreement on them and their spread leave",
        "wilson_own_tasks": "of several seeds with tasks of their own: Wilson's, of as many as their spread leaves",
    }
    kinds = {cell.kind for cell in cells if cell.records}
    if not kinds:
        return ""
    texts = "; ".join(text for kind, text in about.items() if kind in kinds)
    words = f" 95 % intervals for tasks like these, {texts}."
    if few_seeds := sorted(counts & set(range(2, SEEDS_TO_RELY_ON))):
        words += (
            f" {' or '.join(map(str, few_seeds))} seeds hardly show how much seeds differ: where that is little, these "
            "intervals are wider than need be."
        )
    if any(0 < cell.rate < RARE or 1 - RARE < cell.rate < 1 for cell in cells if cell.records):
        words += " Near 0 and 1 a few tasks decide: there the 95 % are off by a few percent."
    return words
