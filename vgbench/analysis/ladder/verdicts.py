"""What an ablation says of each run in it: whether its value or its model falls short."""

from collections.abc import Mapping
from typing import Any

from vgbench.statistics import newcombe
from vgbench.storage.files import Record

Row = Mapping[str, Any]


def verdicts(record: Record) -> list[str]:
    """One sentence for each run, from the conditions in which one half is exact and the other learned.

    A condition falls short where the 95 % interval (Newcombe's) of its distance from the exact model with the true
    value is above 0. Conditions share their tasks, which that interval leaves out: it is rather too wide.
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
    short = [what for what, row in (("value", value), ("model", model)) if _short(top, row)]
    if not _short(top, itself):
        said = "nothing that these tasks show is missing"
    elif short:
        said = f"the {' and the '.join(short)} {'fall' if len(short) > 1 else 'falls'} short"
    else:
        said = "neither half alone is shown to fall short: together they do, or more tasks are needed to tell"
    return f"{run}: {said} ({figures})."


def _share(row: Row) -> str:
    return f"{row['successes']} of {row['n']}"


def _short(top: Row, row: Row) -> bool:
    return newcombe(top["successes"], top["n"], row["successes"], row["n"])[0] > 0
