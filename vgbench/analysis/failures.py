"""Why tasks failed: each one is played again and told what happened, from its path and from what its model expected."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vgbench.analysis.layouts import Layouts
from vgbench.analysis.replay import EpisodeTrace, Frame, replay
from vgbench.api import HasCostToGo, HasStateGrid, State
from vgbench.api.capabilities import offers
from vgbench.errors import UsageError
from vgbench.experiments.trained import Trained
from vgbench.storage.files import Record
from vgbench.text import suggest

WINDOW = 8
"""Steps over which a move is measured: short enough for a turn, long enough to tell dithering from moving."""
LONG = 0.25
"""Share of an episode from which on standing still is what went wrong."""
NEAR = 2.0
"""Success radii from the goal within which a failed task is a near miss."""
FULL_STEP = 0.95
"""Quantile of the steps in the training data that counts as a full step."""
SAMPLED = 4096
"""Steps of the training data from which that quantile is taken."""

REASONS = {
    "near_miss": "near miss",
    "stuck": "stuck",
    "too_slow": "too slow",
    "wandering": "wandering",
    "not_reproduced": "not reproduced",
}
"""What went wrong, in the order in which it is looked for, and how it reads."""


@dataclass(frozen=True)
class Path:
    """What is measured along one episode of T steps.

    Attributes:
        distance: [T + 1], to the goal, in the environment's unit.
        left: [T + 1], true cost to go in steps where it is known, otherwise `distance`.
        moved: [T], distance between successive states.
        net: [T + 1 - WINDOW], distance between states WINDOW steps apart; empty for shorter episodes.
        known: whether `left` is the true cost to go.
    """

    distance: np.ndarray
    left: np.ndarray
    moved: np.ndarray
    net: np.ndarray
    known: bool


def failures(trained: Trained, tasks: Sequence[int] | None = None, most: int | None = None) -> Record:
    """Play the failed tasks of a run again, and say of each what happened.

    Args:
        trained: from `vgbench.experiments.trained.load_trained`.
        tasks: numbers of failed tasks; by default all of them.
        most: of all of them, the first so many.

    Returns:
        Values for JSON: `counts` by reason, and a row for each task. Distances in the environment's unit.

    Raises:
        UsageError: a task did not fail, or does not exist.
    """
    record, _ = traced(trained, tasks, most)
    return record


def traced(
    trained: Trained, tasks: Sequence[int] | None = None, most: int | None = None
) -> tuple[Record, list[EpisodeTrace]]:
    """Return what `failures` does, and the episodes that were played."""
    rows = {int(row["task"]): row for row in trained.folder.lines("episodes.jsonl")}
    failed = [task for task, row in sorted(rows.items()) if not row["success"]]
    for task in tasks or ():
        if task not in failed:
            why = "was solved" if task in rows else "does not exist"
            raise UsageError(f"--task {task}: it {why}. {suggest(str(task), map(str, failed))}")
    chosen = (list(dict.fromkeys(tasks)) if tasks else failed)[:most]
    traces = replay(trained, chosen, imagine=False) if chosen else []
    unit, layouts = full_step(trained), Layouts(trained)
    found = [_task(trained, trace, unit, layouts) for trace in traces]
    counts = Counter(row["reason"] for row in found)
    record = {
        "title": trained.run["title"],
        "key": trained.run["key"],
        "tasks": len(rows),
        "failed": len(failed),
        "shown": len(found),
        "unit": trained.environment.spec.distance_unit,
        "success_radius": float(trained.environment.success_radius),
        "full_step": round(unit, 6),
        "meaningless": trained.spec.scale == "smoke",
        "counts": {reason: counts[reason] for reason in REASONS if counts[reason]},
        "rows": found,
    }
    return record, traces


def full_step(trained: Trained) -> float:
    """Return the distance that a full step makes in the training data."""
    data = trained.data
    rng = np.random.default_rng(0)
    row = torch.from_numpy(rng.integers(0, len(data), SAMPLED))
    # Trajectories may differ in length: a step that is not there is left out.
    lengths = data.lengths.cpu()[row] if data.lengths is not None else torch.full_like(row, data.length)
    first = (torch.from_numpy(rng.random(SAMPLED)) * (lengths - 1)).long()
    here = data.state(row.to(data.device), first.to(data.device))
    after = data.state(row.to(data.device), (first + 1).to(data.device))
    return float(trained.environment.goal_distance(here, after).double().quantile(FULL_STEP))


def measure(trained: Trained, trace: EpisodeTrace) -> Path:
    """Measure the path of an episode."""
    environment = trained.environment
    states = _joined([moment.state for moment in trace.moments])
    goal = {name: value.expand(len(trace.moments), *value.shape[1:]) for name, value in trace.moments[0].goal.items()}
    distance = _array(environment.goal_distance(states, goal))
    left, known = distance, False
    if offers(environment, HasCostToGo):
        left, known = _array(environment.cost_to_go(states, goal)), True
    return Path(distance, left, _apart(trained, states, 1), _apart(trained, states, WINDOW), known)


def _apart(trained: Trained, states: State, steps: int) -> np.ndarray:
    """Distance between states that are so many steps apart."""
    first = {name: value[:-steps] for name, value in states.items()}
    later = {name: value[steps:] for name, value in states.items()}
    if not len(next(iter(first.values()))):
        return np.zeros(0)
    return _array(trained.environment.goal_distance(first, later))


def stuck_stretch(path: Path, unit: float) -> tuple[int, int]:
    """Return first and last step of the longest stretch in which WINDOW steps never made the way of a single one."""
    best, begun = (0, 0), None
    for step, still in enumerate([*(path.net < unit).tolist(), False]):
        if still and begun is None:
            begun = step
        elif not still and begun is not None:
            # The last window that stood still ends WINDOW steps after it began.
            if step - 1 + WINDOW - begun > best[1] - best[0]:
                best = (begun, step - 1 + WINDOW)
            begun = None
    return best


def reason(path: Path, unit: float, radius: float) -> str:
    """Say what went wrong on a path: a key of `REASONS`."""
    nearest, steps = int(path.distance.argmin()), len(path.moved)
    # Near in space may be far in steps: behind a wall.
    if path.distance[nearest] < NEAR * radius and (not path.known or path.left[nearest] <= WINDOW):
        return "near_miss"
    first, last = stuck_stretch(path, unit)
    if last - first >= max(WINDOW, LONG * steps):
        return "stuck"
    return "too_slow" if _approaching(path.left) else "wandering"


def _approaching(left: np.ndarray) -> bool:
    """Whether the last quarter of an episode went towards the goal, fast enough to arrive in as many steps again."""
    steps = len(left) - 1
    late = max(1, steps // 4)
    gained = left[-1 - late] - left[-1]
    if not np.isfinite(gained) or gained <= 0 or left[-1] > left.min() + 0.1 * left[0]:
        return False
    return bool(left[-1] / (gained / late) <= steps)


def _task(trained: Trained, trace: EpisodeTrace, unit: float, layouts: Layouts) -> Record:
    """Return what became of one task."""
    path = measure(trained, trace)
    first, last = stuck_stretch(path, unit)
    why = "not_reproduced" if trace.solved else reason(path, unit, float(trained.environment.success_radius))
    nearest = int(path.distance.argmin())
    row: Record = {
        "task": trace.task,
        "reason": why,
        "steps": trace.steps,
        "start_distance": round(float(path.distance[0]), 4),
        "min_distance": round(float(path.distance[nearest]), 4),
        "min_step": nearest,
        "final_distance": round(float(path.distance[-1]), 4),
        "way": round(float(path.moved.sum()), 4),
        "stuck_from": first,
        "stuck_steps": last - first,
        "at_wall": None,
        "model_moves": None,
        "environment_moves": None,
    }
    if why == "stuck" and (moment := _planned(trace.moments[first:last])):
        row |= _expected(trained, moment, layouts)
    row["text"] = _words(row, trained.environment.spec.distance_unit)
    return row


def _planned(moments: Sequence[Frame]) -> Frame | None:
    """Return the moment nearest to the middle at which a plan begins."""
    begins = [number for number, moment in enumerate(moments) if moment.since == 0 and len(moment.plan)]
    middle = len(moments) / 2
    return moments[min(begins, key=lambda number: abs(number - middle))] if begins else None


@torch.inference_mode()
def _expected(trained: Trained, moment: Frame, layouts: Layouts) -> Record:
    """Compare how far a plan leads in the model and in the environment; needs a grid of states."""
    environment = trained.environment
    if not offers(environment, HasStateGrid):
        return {}
    plan = moment.plan.unsqueeze(0)
    start = trained.model.encode_blocks(environment.observe(moment.state))
    *_, end = trained.model.rollout(start, plan / trained.data.action_scale)
    # Both ends as the grid has them: what is read of a latent is no finer.
    here, there = (layouts.places(moment.state, latent) for latent in (start, end))
    state = moment.state
    for action in plan.unbind(1):
        noise = torch.zeros(1, environment.spec.noise_dim, device=action.device) if environment.spec.noise_dim else None
        state = environment.step(state, action, noise)
    return {
        "at_wall": layouts.of(moment.state).beside_wall(moment.state),
        "model_moves": round(float(environment.goal_distance(here, there)), 4),
        "environment_moves": round(float(environment.goal_distance(moment.state, state)), 4),
    }


def _words(row: Record, unit: str) -> str:
    """Say what happened to a task in a line."""

    def far(value: float) -> str:
        return f"{value:.2g} {unit}".rstrip()

    near = f"nearest {far(row['min_distance'])} at step {row['min_step']}, end {far(row['final_distance'])}"
    match row["reason"]:
        case "near_miss":
            return f"came within {far(row['min_distance'])} at step {row['min_step']}, end {far(row['final_distance'])}"
        case "stuck":
            place = " at a wall" if row["at_wall"] else ""
            text = f"stuck{place} for {row['stuck_steps']} of {row['steps']} steps, from step {row['stuck_from']}"
            if row["model_moves"] is not None:
                gap = f"the model expects {far(row['model_moves'])} of its plan there"
                text += f"; {gap}, the environment moves {far(row['environment_moves'])}"
            return text
        case "too_slow":
            return f"still getting nearer when its {row['steps']} steps were over; {near}"
        case "not_reproduced":
            return f"solved in {row['steps']} steps when played again on this machine"
    return f"moved {far(row['way'])} without getting there; {near}"


def text(record: Record) -> str:
    """Return the counts of a record of failures in words."""
    counts = ", ".join(f"{count} {REASONS[reason]}" for reason, count in record["counts"].items())
    shown = f" (the first {record['shown']} are shown)" if record["shown"] < record["failed"] else ""
    head = f"{record['title']}: {record['failed']} of {record['tasks']} tasks failed{shown}"
    if not record["rows"]:
        return head
    believed = [row for row in record["rows"] if (row["model_moves"] or 0) > 2 * (row["environment_moves"] or 0)]
    walls = f"; in {len(believed)} of the stuck ones the model expected to move on" if believed else ""
    return f"{head}: {counts}{walls}"


def _joined(states: Sequence[State]) -> State:
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}


def _array(value: Tensor) -> np.ndarray:
    found: np.ndarray = value.double().cpu().numpy()
    return found
