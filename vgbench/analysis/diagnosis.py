"""Where a trained run falls short: its value, its model or its planner. See `diagnose`, and `text` for its words."""

from collections.abc import Callable
from dataclasses import dataclass

from vgbench.analysis.prediction import Rollouts, planning, planning_lines, prediction, prediction_lines, rollouts
from vgbench.analysis.probe import probe, probe_lines
from vgbench.analysis.sampling import GoalSample, GoalSampler, by_stratum
from vgbench.analysis.value_order import descent, descent_lines, fixed_point, fixed_point_lines, rank, rank_lines
from vgbench.analysis.value_shape import metric, metric_lines, scale, scale_lines
from vgbench.analysis.verdict import verdict
from vgbench.api.capabilities import MissingCapability
from vgbench.errors import UsageError
from vgbench.experiments.trained import Trained
from vgbench.storage.files import Record
from vgbench.text import plural
from vgbench.version import __version__

FORMAT = 1
KINDS = {True: "states of the environment's grid", False: "states of the training data"}


@dataclass(frozen=True)
class Inspected:
    """What the blocks of a diagnosis look at.

    Attributes:
        views: goals, with states all around each.
        rollouts: paths in the environment, and what the predictor makes of them.
        seed: of what a block draws.
    """

    trained: Trained
    views: list[GoalSample]
    rollouts: Rollouts
    seed: int


@dataclass(frozen=True)
class Block:
    """One block of a diagnosis. If it has a picture, that is in `vgbench.reports.plots.diagnosis`.

    Attributes:
        name: its key in diagnosis.json.
        title: its heading as text.
        measure: makes its record of JSON values; a `MissingCapability` that it raises is why the block is skipped.
        lines: its record in words, the last of which say what it means.
    """

    name: str
    title: str
    measure: Callable[[Inspected], Record]
    lines: Callable[[Record], list[str]]


BLOCKS = (
    Block(
        "rank", "Order: learned distance against the true cost to go", lambda x: rank(x.trained, x.views), rank_lines
    ),
    Block(
        "fixed_point",
        "Fit: learned distance against the fixed point of its own loss",
        lambda x: fixed_point(x.trained, x.views),
        fixed_point_lines,
    ),
    Block(
        "descent",
        "Greedy descent: share of states that reach the goal",
        lambda x: descent(x.trained, x.views),
        descent_lines,
    ),
    Block("scale", "Scale and saturation", lambda x: scale(x.trained, x.views, x.seed), scale_lines),
    Block("metric", "Symmetry and triangle inequality", lambda x: metric(x.trained, x.views, x.seed), metric_lines),
    Block("prediction", "Prediction over the horizon", lambda x: prediction(x.trained, x.rollouts), prediction_lines),
    Block("planning", "Planning: promised and realised", lambda x: planning(x.trained), planning_lines),
    Block(
        "probe",
        "Probe: what the latents tell of the state",
        lambda x: probe(x.trained, x.rollouts, x.seed),
        probe_lines,
    ),
)
"""All blocks, in the order in which they are measured and told."""


def diagnose(trained: Trained, goals: int = 16, states: int = 1000, seed: int = 0) -> Record:
    """Look into a trained run; the same seed gives the same figures.

    Args:
        trained: from `vgbench.experiments.trained.load_trained`.
        goals: number of goals: those of the first tasks, in the tasks' layouts, where the environment offers a grid of
            states; otherwise states of the data.
        states: states for each goal in statistics over pairs.
        seed: of all that is drawn.

    Returns:
        Values for JSON; `blocks` has a record for each of `BLOCKS`, `{"skipped": reason}` where the environment cannot
        serve it. Distances are in the learned distance's own units, costs in environment steps, probes in the state's
        units.

    Raises:
        UsageError: no goals, or too few states.
    """
    if goals < 1:
        raise UsageError(f"--goals {goals}: expected at least 1")
    if states < 32:
        raise UsageError(f"--states {states}: expected at least 32, as there are correlations of groups of them")
    views = GoalSampler(trained, states, seed).make(goals)
    seen = Inspected(trained, views, rollouts(trained, seed), seed)
    return {
        "format": FORMAT,
        "vgbench": __version__,
        "title": trained.run["title"],
        "key": trained.run["key"],
        "goals": len(views),
        "states": len(views[0].sample),
        "of": KINDS[views[0].grid is not None],
        **_strata(trained, views),
        "seed": seed,
        "meaningless": trained.spec.scale == "smoke",
        "blocks": {block.name: _measured(block, seen) for block in BLOCKS},
    }


def _strata(trained: Trained, views: list[GoalSample]) -> Record:
    """Number of goals of each stratum, and the run's success on all of its tasks; nothing where there are no strata."""
    strata = by_stratum(view.stratum for view in views)
    rows = trained.folder.lines("episodes.jsonl")
    solved = {name: [bool(row["success"]) for row in rows if row.get("stratum") == name] for name in strata}
    found = {
        name: {"goals": len(goals), "tasks": len(solved[name]), "successes": sum(solved[name])}
        for name, goals in strata.items()
    }
    return {"strata": found} if found else {}


def _measured(block: Block, seen: Inspected) -> Record:
    try:
        return block.measure(seen)
    except MissingCapability as err:
        return {"skipped": str(err)}


def text(record: Record) -> str:
    """Return the record of a diagnosis as lines of text: its verdict, then one block after another."""
    parts = [verdict(record), f"{record['title']}: {record['goals']} goals, {record['states']} states each"]
    parts += [
        f"  {name}: {plural(found['goals'], 'goal')}, the run solved {found['successes']} of {found['tasks']} tasks"
        for name, found in record.get("strata", {}).items()
    ]
    for block in BLOCKS:
        found = record["blocks"].get(block.name)
        if found is None:
            continue
        lines = [f"skipped: {found['skipped']}"] if "skipped" in found else block.lines(found)
        parts += ["", block.title, *(f"  {line}" for line in lines)]
    return "\n".join(parts)
