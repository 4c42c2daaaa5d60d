"""Whether trained runs still solve what they solved: their tasks played again by the code of today.

    python -m benchmarks.replayed runs/paper_table_2-quick/*/*/s0 > results/replayed.jsonl

What makes code faster changes the last bits of costs, and near-argmin weights make other plans of them. So tasks change
sides; what has to stay is the rate. A line for each run (success then and now, tasks that changed sides, the mean
difference now - then with its paired 95 % interval), and one over all tasks of all runs.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.evaluation import paired
from benchmarks.play import Play, run_planner
from vgbench.experiments.trained import load_trained


def replay(folder: Path) -> tuple[dict[str, Any], list[bool], list[bool]]:
    """Play the tasks of a run; what to call it, and success of every task then and now."""
    trained = load_trained(folder)
    planner = run_planner(trained)
    play = Play(trained, trained.tasks, planner, planner, trained.spec.task_seed)
    play.ours()
    rows = (folder / "episodes.jsonl").read_text(encoding="utf-8").splitlines()
    then = [bool(json.loads(row)["success"]) for row in rows]
    spec = trained.spec
    return {"protocol": spec.protocol, "recipe": spec.recipe, "seed": spec.seed}, then, play.success["vgbench"]


def compared(then: list[bool], now: list[bool]) -> dict[str, Any]:
    """Both rates and their paired difference."""
    changed = sum(a != b for a, b in zip(then, now, strict=True))
    return {"tasks": len(then), "then": sum(then), "now": sum(now), "changed": changed} | paired(now, then)


def main() -> None:
    """Play the runs named on the command line."""
    before: list[bool] = []
    after: list[bool] = []
    for path in sys.argv[1:]:
        about, then, now = replay(Path(path))
        before, after = before + then, after + now
        print(json.dumps(about | compared(then, now)), flush=True)
    whole = {"runs": len(sys.argv) - 1, "threads": torch.get_num_threads(), "torch": torch.__version__}
    print(json.dumps(whole | compared(before, after)), flush=True)


if __name__ == "__main__":
    main()
