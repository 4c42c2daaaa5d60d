"""Success against budget, as a report shows it: of the sweeps over planners that lie among the records."""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from vgbench.errors import VgbenchError
from vgbench.report.markdown import NONE, figure, span
from vgbench.storage.files import Record, read_json

HEADERS = ("planner", "evaluations of the predictor per task", "success", "settings")


@dataclass(frozen=True)
class Budget:
    """One sweep: its name, rows under `HEADERS`, and its picture as a data URI."""

    path: Path
    name: str
    rows: list[list[str]]
    picture: str


def find(folders: Iterable[Path], scale: str, uri: Callable[[Path], str]) -> tuple[list[Budget], list[str]]:
    """Read the sweeps of a scale in some folders or one below; also a line with the reason for each left out."""
    places = {path for folder in folders for pattern in ("sweep.json", "*/sweep.json") for path in folder.glob(pattern)}
    found: list[Budget] = []
    left_out = []
    for path in sorted(places):
        try:
            record = read_json(path, ("name", "scale"), "left out")
            if not record.get("budget"):
                continue  # it is of other parameters, or not done yet
            if record["scale"] != scale:
                left_out.append(f"{path}: it is of scale {record['scale']}")
                continue
            found.append(Budget(path, str(record["name"]), [_row(row) for row in record["budget"]], _draw(record, uri)))
        except VgbenchError as err:
            left_out.append(str(err))
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            left_out.append(f"{path} is not what `vgbench sweep` wrote: {type(err).__name__}: {err}")
    return found, left_out


def _row(row: Record) -> list[str]:
    rate = f"{figure(float(row['success_rate']))} {span(row['ci95'])} of {row['n']}" if row["n"] else NONE
    evaluations = f"{row['evaluations_per_task']:,.0f}" if row["n"] else NONE
    return [str(row["curve"]), evaluations, rate, str(row["settings"])]


def _draw(record: Record, uri: Callable[[Path], str]) -> str:
    """Draw anew, as records may be kept without pictures."""
    from vgbench.report.plots.sweep import plot_budget

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "budget.png"
        plot_budget(path, record["budget"], str(record["name"]))
        return uri(path)
