"""Where a trained run falls short: its value, its model or its planner. See `diagnose`, and `text` for its words."""

from collections.abc import Callable
from dataclasses import dataclass

from vgbench.analysis import prediction, probe, value_order, value_shape
from vgbench.analysis.prediction import Rollouts
from vgbench.analysis.sampling import GoalSample, GoalSampler
from vgbench.api.capabilities import MissingCapability
from vgbench.errors import UsageError
from vgbench.experiments.trained import Trained
from vgbench.storage.files import Record
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
    """One block of a diagnosis. If it has a picture, that is in `vgbench.report.plots.diagnosis`.

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
        "rank",
        "Order: learned distance against the true cost to go",
        lambda seen: value_order.rank(seen.trained, seen.views),
        value_order.rank_lines,
    ),
    Block(
        "fixed_point",
        "Fit: learned distance against the fixed point of its own loss",
        lambda seen: value_order.fixed_point(seen.trained, seen.views),
        value_order.fixed_point_lines,
    ),
    Block(
        "descent",
        "Descent: can one walk down to the goal?",
        lambda seen: value_order.descent(seen.trained, seen.views),
        value_order.descent_lines,
    ),
    Block(
        "scale",
        "Scale and saturation",
        lambda seen: value_shape.scale(seen.trained, seen.views, seen.seed),
        value_shape.scale_lines,
    ),
    Block(
        "metric",
        "Symmetry and triangle inequality",
        lambda seen: value_shape.metric(seen.trained, seen.views, seen.seed),
        value_shape.metric_lines,
    ),
    Block(
        "prediction",
        "Prediction over the horizon",
        lambda seen: prediction.prediction(seen.trained, seen.rollouts),
        prediction.prediction_lines,
    ),
    Block(
        "planning",
        "Planning: promised and realised",
        lambda seen: prediction.planning(seen.trained),
        prediction.planning_lines,
    ),
    Block(
        "probe",
        "Probe: what the latents tell of the state",
        lambda seen: probe.probe(seen.trained, seen.rollouts, seen.seed),
        probe.probe_lines,
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
    seen = Inspected(trained, views, prediction.rollouts(trained, seed), seed)
    return {
        "format": FORMAT,
        "vgbench": __version__,
        "title": trained.run["title"],
        "key": trained.run["key"],
        "goals": len(views),
        "states": len(views[0].sample),
        "of": KINDS[views[0].grid is not None],
        "seed": seed,
        "meaningless": trained.spec.scale == "smoke",
        "blocks": {block.name: _measured(block, seen) for block in BLOCKS},
    }


def _measured(block: Block, seen: Inspected) -> Record:
    try:
        return block.measure(seen)
    except MissingCapability as err:
        return {"skipped": str(err)}


def text(record: Record) -> str:
    """Return the record of a diagnosis as lines of text, one block after another."""
    parts = [f"{record['title']}: {record['goals']} goals, {record['states']} states each"]
    for block in BLOCKS:
        found = record["blocks"].get(block.name)
        if found is None:
            continue
        lines = [f"skipped: {found['skipped']}"] if "skipped" in found else block.lines(found)
        parts += ["", block.title, *(f"  {line}" for line in lines)]
    return "\n".join(parts)
