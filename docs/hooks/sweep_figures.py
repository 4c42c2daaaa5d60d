"""Draws the sweeps among docs/figures from their records: `python docs/hooks/sweep_figures.py`."""

import json
import shutil
from pathlib import Path

from vgbench.report.plots.sweep import plot, plot_budget

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = {"paper_figure_3": "paper_figure_3/quick"}
BUDGETS = {f"planner_budget_{name}": f"planner_budget/{name}" for name in ("maze", "wall_big", "wall_big-horizon")}


def main() -> None:
    """Draw all of them."""
    for drawing, pictures, rows in ((plot, SWEEPS, "points"), (plot_budget, BUDGETS, "budget")):
        for name, folder in pictures.items():
            record = json.loads((ROOT / "results" / folder / "sweep.json").read_text(encoding="utf-8"))
            protocol = "wall_small" if drawing is plot else name.removeprefix("planner_budget_").partition("-")[0]
            title = f"{protocol}, scale quick"
            drawn = ROOT / "results" / folder / ("sweep.png" if drawing is plot else "budget.png")
            drawing(drawn, record[rows], title)
            shutil.copyfile(drawn, ROOT / "docs" / "figures" / f"{name}.png")  # the same file, as a test holds


if __name__ == "__main__":
    main()
