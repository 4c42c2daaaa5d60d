"""What an ablation says of each run in it: whether its value or its model falls short."""

from collections.abc import Mapping
from typing import Any

from vgbench.statistics import newcombe
from vgbench.storage.files import Record

Row = Mapping[str, Any]
TELLS = 0.15
"""Shortfall that an interval has to rule out before none is reported: that of 60 tasks with a failure or two does."""
SHORT, NOT_SHOWN, TOO_FEW = "falls short", "no shortfall shown on these tasks", "too few tasks to tell"


def verdicts(record: Record) -> list[str]:
    """One sentence for each run, from the conditions in which one half is exact and the other learned.

    A condition falls short where the 95 % interval (Newcombe's) of its distance from the exact model with the true
    value is above 0; no shortfall is shown where the interval is also below `TELLS`; otherwise there are too few tasks
    to tell. Conditions share their tasks, which that interval leaves out: it is rather too wide.
    """
    played = [row for row in record["rows"] if "skipped" not in row]
    top = next((row for row in played if row["dynamics"] == "exact" and row["value"] == "true"), None)
    runs = dict.fromkeys(row["run"] for row in played if row.get("run"))
    return [] if top is None else [_verdict(run, top, [row for row in played if row.get("run") == run]) for run in runs]


def _verdict(run: str, top: Row, rows: list[Row]) -> str:
    value = next((row for row in rows if row["dynamics"] == "exact"), None)
    model = next((row for row in rows if row["value"] != "learned"), None)
    itself = next((row for row in rows if row["dynamics"] == row["value"] == "learned"), None)
    if itself is None or value is None or model is None:
        return f"{run}: a condition is missing, so nothing can be said of its value and model."
    figures = (
        f"exact model and true value {_share(top)}, only the value learned {_share(value)}, only the model learned "
        f"{_share(model)}, both learned {_share(itself)}"
    )
    said = {what: _judged(top, row) for what, row in (("value", value), ("model", model), ("run", itself))}
    halves = [what for what in ("value", "model") if said[what] == SHORT]
    if halves:
        text = f"the {' and the '.join(halves)} {'fall' if len(halves) > 1 else 'falls'} short"
        rest = [f"of the {what} {said[what]}" for what in ("value", "model") if said[what] != SHORT]
        text = "; ".join([text, *rest])
    elif said["run"] == SHORT:
        text = "neither half alone is shown to fall short: together they do, or more tasks are needed to tell"
    else:
        text = TOO_FEW if TOO_FEW in said.values() else NOT_SHOWN
    return f"{run}: {text} ({figures})."


def _share(row: Row) -> str:
    return f"{row['successes']} of {row['n']}"


def _judged(top: Row, row: Row) -> str:
    """Say whether a condition falls short of the exact model with the true value, does not, or cannot be told."""
    low, high, *_ = newcombe(top["successes"], top["n"], row["successes"], row["n"])
    return SHORT if low > 0 else NOT_SHOWN if high < TELLS else TOO_FEW
