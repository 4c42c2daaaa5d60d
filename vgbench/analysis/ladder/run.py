"""The ablation: conditions between random actions and an expert, which tell whether model, value or planner fails.

Every condition plays the same tasks with the same planner, noise and episode length. What changes is who predicts the
future (the environment itself, or the learned model) and who says how far the goal is (a straight line, the learned
distance, the true cost to go). Distances are looked up in tables over the environment's grid of states, where it has
one.
"""

from collections.abc import Callable, Sequence
from typing import Any

from vgbench.analysis.cost_tables import Tables, learned_tables, true_tables
from vgbench.analysis.ladder.controllers import exact, learned, planned, with_model
from vgbench.analysis.ladder.setup import LadderSetup
from vgbench.analysis.ladder.untrained import baseline, expert, straight_distance, straight_line, uninformed
from vgbench.analysis.probe import fit_probe
from vgbench.analysis.sampling import lacks
from vgbench.experiments.rates import rate
from vgbench.experiments.trained import Trained
from vgbench.planning.episodes import Act, Episodes
from vgbench.planning.expert import expert_steps
from vgbench.storage.files import Record
from vgbench.version import __version__

FORMAT = 1
HELD = 8
"""Steps for which random actions are held in a second condition: in open space that goes farther, so chance is more."""


def run_ablation(setup: LadderSetup, runs: list[Trained], tell: Callable[[str], None] = lambda _: None) -> Record:
    """Play every condition that the environment and the runs allow.

    Returns:
        Values for JSON: `rows`, each with `name`, `dynamics`, `value`, `run`, success rate and interval, SPL and timely
        success, or with `skipped` and the reason.
    """
    rows: list[Record] = []

    def add(name: str, dynamics: str, value: str, act: Act | str, **more: Any) -> None:
        row: Record = {"name": name, "dynamics": dynamics, "value": value}
        if isinstance(act, str):
            rows.append(row | {"skipped": act})
            return
        tell(name)
        scale, seed = setup.data.action_scale, setup.spec.task_seed
        episodes = Episodes(setup.environment, setup.tasks, setup.settings, scale, seed)
        played = episodes.rows(episodes.play(act))
        found = [{**episode, "expert_steps": steps[episode["task"]]} for episode in played]
        rows.append(row | _scored(found) | more)

    straight, environment = straight_distance(setup), setup.environment
    steps = expert_steps(environment, setup.tasks, setup.settings.max_steps)
    add("random actions", "-", "-", baseline(setup))
    add(f"random actions, held for {HELD} steps", "-", "-", baseline(setup, HELD))
    add("uninformed planner", "-", "-", uninformed(setup))
    add("straight line", "exact, one step", "straight", straight_line(setup))
    add("exact model, straight", "exact", "straight", planned(setup, exact(setup), straight))
    missing = lacks(environment, "cost_to_go") or lacks(environment, "state_grid") or ""
    truth = None if missing else true_tables(environment, setup.tasks, setup.data)
    for trained in runs:
        _conditions(setup, trained, truth, add, rows)
    act = planned(setup, exact(setup), truth.look_up) if truth else missing
    add("exact model, true value", "exact", "true", act)
    add("expert", "-", "-", lacks(environment, "expert") or expert(setup))
    planner = setup.planner()
    return {
        "format": FORMAT,
        "vgbench": __version__,
        "protocol": setup.spec.protocol,
        "scale": setup.spec.scale,
        "environment": setup.spec.environment.identity(),
        "tasks": len(setup.tasks),
        "seeds": {"data": setup.spec.data_seed, "task": setup.spec.task_seed},
        "planner": {"name": setup.spec.planner.name, "params": planner.params.model_dump(mode="json")},
        "budget": setup.budget,
        "rows": rows,
    }


def _conditions(
    setup: LadderSetup, trained: Trained, truth: Tables | None, add: Callable[..., None], rows: list[Record]
) -> None:
    """The conditions of one run: its value on the exact model, the true value on its model, and the run itself."""
    title, count = trained.run["title"], len(setup.tasks)
    missing = lacks(setup.environment, "state_grid") or ""
    tables, error = (None, None) if missing else learned_tables(trained, setup.tasks)
    act = planned(setup, exact(setup), tables.look_up) if tables else missing
    add("exact model, learned value", "exact", "learned", act, run=title, table_error=error)
    missing = missing or lacks(setup.environment, "cost_to_go") or ""
    weights, _, errors = fit_probe(trained, 0)
    act = planned(setup, learned(setup, trained, weights), truth.look_up) if truth else missing
    add("learned model, true value", "learned", "true, by a probe", act, run=title, probe_error=errors)
    row = {"name": "the run itself", "dynamics": "learned", "value": "learned"}
    if setup.budget not in (None, trained.spec.planner.make().candidates):
        # Its record has other plans than all other conditions have.
        add(*row.values(), with_model(setup, trained), run=title)
        return
    found = [row for row in trained.folder.lines("episodes.jsonl") if row["task"] < count]
    if len(found) == count:
        rows.append(row | {"run": title} | _scored(found) | {"recorded": True})


def _scored(found: Sequence[Any]) -> Record:
    """Rates and scores of episodes, as a result has them, and the mean number of steps of what was solved."""
    steps = [row["steps"] for row in found if row["success"]]
    return {**rate(found), "mean_steps": round(sum(steps) / len(steps), 2) if steps else None}
