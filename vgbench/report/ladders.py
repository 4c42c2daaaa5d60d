"""Records of `vgbench ladder`, as a report shows them: files `ladder*.json` beside the runs or in one of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgbench.analysis.ladder.verdicts import verdicts
from vgbench.errors import VgbenchError
from vgbench.report.markdown import NONE, figure, span
from vgbench.storage.files import read_json

HEADERS = ("controller", "dynamics", "value", "success", "steps of solved tasks", "run")
_FIELDS = ("protocol", "scale", "tasks", "rows")


@dataclass(frozen=True)
class Ladder:
    """One ladder: what it is of, and its rows under `HEADERS`."""

    path: Path
    protocol: str
    text: str
    rows: list[list[str]]
    verdicts: list[str]


def find(folders: Iterable[Path], scale: str, protocols: Iterable[str]) -> tuple[list[Ladder], list[str]]:
    """Read the ladders of a scale that lie in some folders; also a line with the reason for each left out."""
    found: list[Ladder] = []
    left_out = []
    for path in sorted({path for folder in folders for path in folder.glob("ladder*.json")}):
        try:
            record = read_json(path, _FIELDS, "left out")
            if record["scale"] != scale or record["protocol"] not in protocols:
                left_out.append(f"{path}: it is of {record['protocol']}, scale {record['scale']}")
                continue
            rows, said = [_row(row) for row in record["rows"]], verdicts(record)
        except VgbenchError as err:
            left_out.append(str(err))
        except (KeyError, TypeError, ValueError) as err:
            left_out.append(f"{path} is not what `vgbench ladder` wrote: {type(err).__name__}: {err}")
        else:
            budget = f", {record['budget']} samples a plan" if record.get("budget") else ""
            text = f"The first {record['tasks']} tasks of {record['protocol']}{budget}; 95 % Wilson intervals."
            found.append(Ladder(path, record["protocol"], text, rows, said))
    return found, left_out


def _row(row: dict[str, Any]) -> list[str]:
    about = [str(row["name"]), str(row["dynamics"]), str(row["value"])]
    if "skipped" in row:
        return [*about, f"skipped: {row['skipped']}", NONE, str(row.get("run", ""))]
    rate = f"{figure(float(row['success_rate']))} {span(row['ci95'])} of {row['n']}"
    steps = NONE if row["mean_steps"] is None else f"{row['mean_steps']:.1f}"
    return [*about, rate, steps, str(row.get("run", ""))]
