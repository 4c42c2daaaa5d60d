"""A ladder of controllers between random actions and an expert, which tells whether model, value or planner fails.

Every row plays the same tasks with the same planner, noise and episode length. What changes is who predicts the future
(the environment itself, or the learned model) and who says how far the goal is (a straight line, the learned distance,
the true cost to go). Distances are looked up in tables over the environment's grid of states, where it has one.
"""

from collections.abc import Callable
from typing import Any

from vgbench.analysis.cost_tables import Tables, learned_tables, true_tables
from vgbench.analysis.ladder.controllers import (
    Planned,
    baseline,
    exact,
    expert,
    learned,
    straight_cost,
    straight_line,
    table_cost,
)
from vgbench.analysis.ladder.setup import Act, LadderSetup, play
from vgbench.analysis.probe import fit_probe
from vgbench.analysis.sampling import lacks
from vgbench.experiments.trained import Trained
from vgbench.statistics import wilson
from vgbench.storage.files import Record
from vgbench.version import __version__

FORMAT = 1


def climb(place: LadderSetup, runs: list[Trained], tell: Callable[[str], None] = lambda _: None) -> Record:
    """Play every rung of the ladder that the environment and the runs allow.

    Returns:
        Values for JSON: `rows`, each with `name`, `dynamics`, `value`, `run` and success rate and interval, or with
        `skipped` and the reason.
    """
    rows: list[Record] = []

    def add(name: str, dynamics: str, value: str, make: Callable[[], Act | str | None], **more: Any) -> None:
        row: Record = {"name": name, "dynamics": dynamics, "value": value}
        act = make()
        if act is None or isinstance(act, str):
            rows.append(row | {"skipped": act or "the protocol has none"})
            return
        tell(name)
        rows.append(row | _rate(play(place, act)) | more)

    add("random actions", "-", "-", lambda: baseline(place))
    add("straight line", "exact, one step", "straight", lambda: straight_line(place))
    add("exact model, straight", "exact", "straight", lambda: Planned(place, exact(place), straight_cost(place)))
    missing = lacks(place.environment, "cost_to_go") or lacks(place.environment, "state_grid")
    truth = None if missing else true_tables(place.environment, place.tasks, place.data)
    for trained in runs:
        _rungs(place, trained, truth, add, rows)
    add(
        "exact model, true value",
        "exact",
        "true",
        lambda: Planned(place, exact(place), table_cost(truth)) if truth else missing,
    )
    add("expert", "-", "-", lambda: lacks(place.environment, "expert") or expert(place))
    planner = place.planner()
    return {
        "format": FORMAT,
        "vgbench": __version__,
        "protocol": place.spec.protocol,
        "scale": place.spec.scale,
        "environment": place.spec.environment.identity(),
        "tasks": len(place.tasks),
        "seeds": {"data": place.spec.data_seed, "task": place.spec.task_seed},
        "planner": {"name": place.spec.planner.name, "params": planner.params.model_dump(mode="json")},
        "budget": place.budget,
        "rows": rows,
    }


def _rungs(
    place: LadderSetup, trained: Trained, truth: Tables | None, add: Callable[..., None], rows: list[Record]
) -> None:
    """The rungs of one run: its value on the exact model, the true value on its model, and the run itself."""
    title, count = trained.run["title"], len(place.tasks)
    missing = lacks(place.environment, "state_grid")
    tables, error = (None, None) if missing else learned_tables(trained, place.tasks)
    add(
        "exact model, learned value",
        "exact",
        "learned",
        lambda: Planned(place, exact(place), table_cost(tables)) if tables else missing,
        run=title,
        table_error=error,
    )
    missing = missing or lacks(place.environment, "cost_to_go")
    weights, _, errors = fit_probe(trained, 0)
    add(
        "learned model, true value",
        "learned",
        "true, by a probe",
        lambda: Planned(place, learned(place, trained, weights), table_cost(truth)) if truth else missing,
        run=title,
        probe_error=errors,
    )
    found = [row for row in trained.folder.lines("episodes.jsonl") if row["task"] < count]
    if len(found) == count:
        row = {"name": "the run itself", "dynamics": "learned", "value": "learned", "run": title}
        rows.append(row | _rate(found) | {"recorded": True})


def _rate(found: list[Record]) -> Record:
    successes = sum(bool(row["success"]) for row in found)
    low, high = wilson(successes, len(found))
    steps = [row["steps"] for row in found if row["success"]]
    return {
        "success_rate": successes / len(found),
        "successes": successes,
        "n": len(found),
        "ci95": [round(low, 4), round(high, 4)],
        "mean_steps": round(sum(steps) / len(steps), 2) if steps else None,
    }
