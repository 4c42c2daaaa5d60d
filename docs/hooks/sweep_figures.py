"""Draws the sweeps among docs/figures from their records: `python docs/hooks/sweep_figures.py`."""

import hashlib
import json
from pathlib import Path
from typing import Any

from vgbench.reports.plots.sweep import plot, plot_budget

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = {"paper_figure_3": "paper_figure_3/quick"}
BUDGETS = {f"planner_budget_{name}": f"planner_budget/{name}" for name in ("maze", "wall_big", "wall_big-horizon")}


def rows(name: str) -> list[dict[str, Any]]:
    """Return what a picture shows, of its sweep's record."""
    folder, kind = (SWEEPS[name], "points") if name in SWEEPS else (BUDGETS[name], "budget")
    record = json.loads((ROOT / "results" / folder / "sweep.json").read_text(encoding="utf-8"))
    return list(record[kind])


def digest(name: str) -> str:
    """Comment at the end of a picture: of which rows it is."""
    return f"<!-- rows {hashlib.sha256(json.dumps(rows(name)).encode()).hexdigest()[:16]} -->"


def main() -> None:
    """Draw all of them, as SVG, which follows a light or dark page."""
    for name in (*SWEEPS, *BUDGETS):
        protocol = "wall_small" if name in SWEEPS else name.removeprefix("planner_budget_").partition("-")[0]
        path = ROOT / "docs" / "figures" / f"{name}.svg"
        (plot if name in SWEEPS else plot_budget)(path, rows(name), f"{protocol}, scale quick")
        drawn = path.read_text(encoding="utf-8").rstrip()
        path.write_text(f"{drawn}\n{digest(name)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
