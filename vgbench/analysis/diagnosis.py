"""Where a trained run falls short: its value, its model or its planner. See `diagnose`."""

from vgbench.analysis import prediction as dynamics
from vgbench.analysis import probe
from vgbench.analysis import value_order as order
from vgbench.analysis import value_shape as shape
from vgbench.analysis.sampling import GoalSampler
from vgbench.errors import UsageError
from vgbench.experiments.trained import Trained
from vgbench.storage.files import Record
from vgbench.version import __version__

FORMAT = 1
KINDS = {True: "states of the environment's grid", False: "states of the training data"}


def diagnose(trained: Trained, goals: int = 16, states: int = 1000, seed: int = 0) -> Record:
    """Look into a trained run; the same seed gives the same figures.

    Args:
        trained: from `vgbench.experiments.trained.load_trained`.
        goals: number of goals: those of the first tasks, in the tasks' layouts, where the environment offers a grid of
            states; otherwise states of the data.
        states: states for each goal in statistics over pairs.
        seed: of all that is drawn.

    Returns:
        Values for JSON. `blocks` has: `rank`, `fixed_point`, `descent`, `scale`, `metric`, `prediction`, `planning`,
        `probe`. A block that the environment cannot serve is `{"skipped": reason}`. Distances are in the learned
        distance's own units, costs in environment steps, probes in the state's units.

    Raises:
        UsageError: no goals, or too few states.
    """
    if goals < 1:
        raise UsageError(f"--goals {goals}: expected at least 1")
    if states < 32:
        raise UsageError(f"--states {states}: expected at least 32, as there are correlations of groups of them")
    views = GoalSampler(trained, states, seed).make(goals)
    made = dynamics.rollouts(trained, seed)
    blocks = {
        "rank": order.rank(trained, views),
        "fixed_point": order.fixed_point(trained, views),
        "descent": order.descent(trained, views),
        "scale": shape.scale(trained, views, seed),
        "metric": shape.metric(trained, views, seed),
        "prediction": dynamics.prediction(trained, made),
        "planning": dynamics.planning(trained),
        "probe": probe.probe(trained, made, seed),
    }
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
        "blocks": blocks,
    }
