"""Why tasks failed: each one is played again and told what happened, from its path and from what its model expected."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

import torch

from vgbench.analysis.layouts import Layouts
from vgbench.analysis.paths import full_step, measure, reason, stuck_stretch
from vgbench.analysis.replay import EpisodeTrace, Frame, replay
from vgbench.api import HasStateGrid
from vgbench.api.capabilities import offers
from vgbench.errors import UsageError
from vgbench.experiments.trained import Trained
from vgbench.model.batching import join_rows
from vgbench.storage.files import Record
from vgbench.text import suggest

PLANS = 8
"""Plans in a stretch of being stuck that are compared with what they lead to, at most."""
REASONS = {
    "near_miss": "near miss",
    "too_slow": "too slow",
    "stuck": "stuck",
    "wandering": "wandering",
    "not_reproduced": "not reproduced",
}
"""What went wrong, in the order in which it is looked for, and how it reads."""


def failures(trained: Trained, tasks: Sequence[int] | None = None, most: int | None = None) -> Record:
    """Play the failed tasks of a run again, and say of each what happened.

    Args:
        trained: from `vgbench.experiments.trained.load_trained`.
        tasks: numbers of failed tasks; by default all of them.
        most: of all of them, the first so many.

    Returns:
        Values for JSON: `counts` by reason, for each of the `strata` of the tasks, too, if they have any; and a row
        for each task. Distances in the environment's unit.

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
    strata = {task: {"stratum": row["stratum"]} if "stratum" in row else {} for task, row in rows.items()}
    found = [{**_task(trained, trace, unit, layouts), **strata[trace.task]} for trace in traces]
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
        "counts": _ordered(counts),
        **_by_stratum(rows.values(), found),
        "model_expected_to_move": sum(believed(row, unit) for row in found),
        "rows": found,
    }
    return record, traces


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return {reason: counts[reason] for reason in REASONS if counts[reason]}


def _by_stratum(rows: Iterable[Record], found: Sequence[Record]) -> Record:
    """Tasks, failed ones and, of those that are shown, counts by reason, of each stratum; nothing without strata."""
    success: dict[str, list[bool]] = {}
    for row in rows:
        if "stratum" in row:
            success.setdefault(row["stratum"], []).append(bool(row["success"]))
    strata = {
        name: {
            "tasks": len(solved),
            "failed": solved.count(False),
            "counts": _ordered(Counter(row["reason"] for row in found if row["stratum"] == name)),
        }
        for name, solved in success.items()
    }
    return {"strata": strata} if strata else {}


def believed(row: Record, unit: float) -> bool:
    """Tell whether a task was stuck where the model expected to move on: twice as far as it did, and a full step."""
    expected, real = row["model_moves"], row["environment_moves"]
    return expected is not None and expected >= max(2 * real, unit)


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
        "path_length": round(path.length, 4),
        "stuck_from": first,
        "stuck_steps": last - first,
        "at_wall": None,
        "model_moves": None,
        "environment_moves": None,
    }
    if why == "stuck" and offers(trained.environment, HasStateGrid):
        row |= _stuck(trained, trace.moments[first : last + 1], layouts)
    row["text"] = _words(row, unit, trained.environment.spec.distance_unit)
    return row


@torch.inference_mode()
def _stuck(trained: Trained, moments: Sequence[Frame], layouts: Layouts) -> Record:
    """Look around where a task was stuck: for walls, and for what the model expected of the plans made there."""
    states = join_rows([moment.state for moment in moments])
    beside = layouts.of(moments[0].state).beside_wall(states)
    row: Record = {"at_wall": bool(beside.float().mean() > 0.5)}
    begun = [moment for moment in moments if moment.since == 0 and len(moment.plan)]
    if begun:
        moves = [_moves(trained, moment, layouts) for moment in begun[:: -(-len(begun) // PLANS)]]
        expected, real = zip(*moves, strict=True)
        row |= {"model_moves": round(median(expected), 4), "environment_moves": round(median(real), 4)}
    return row


def _moves(trained: Trained, moment: Frame, layouts: Layouts) -> tuple[float, float]:
    """Return how far a plan leads in the model and in the environment (without its noise)."""
    environment, state = trained.environment, moment.state
    plan = moment.plan.unsqueeze(0)
    start = trained.model.encode_blocks(environment.observe(state))
    *_, end = trained.model.rollout(start, plan / trained.data.action_scale)
    # Both ends as the grid has them: what is read of a latent is no finer.
    here, there = (layouts.places(moment.state, latent) for latent in (start, end))
    for action in plan.unbind(1):
        noise = torch.zeros(1, environment.spec.noise_dim, device=action.device) if environment.spec.noise_dim else None
        state = environment.step(state, action, noise)
    return float(environment.goal_distance(here, there)), float(environment.goal_distance(moment.state, state))


def _words(row: Record, unit: float, name: str) -> str:
    """Say what happened to a task in a line."""

    def far(value: float) -> str:
        # Symbols (px, m) have no plural, words (cell) have.
        plural = "s" if len(name) > 2 and f"{value:.3g}" != "1" else ""
        return f"{value:.0f} {name}{plural}".rstrip() if value >= 100 else f"{value:.2g} {name}{plural}".rstrip()

    near = f"nearest {far(row['min_distance'])} at step {row['min_step']}, end {far(row['final_distance'])}"
    match row["reason"]:
        case "near_miss":
            return f"came within {far(row['min_distance'])} at step {row['min_step']}, end {far(row['final_distance'])}"
        case "stuck":
            place = " at a wall" if row["at_wall"] else ""
            text = f"stuck{place} for {row['stuck_steps']} of {row['steps']} steps, from step {row['stuck_from']}"
            if row["model_moves"] is None:
                return f"{text}; {near}"
            expected, real = far(row["model_moves"]), far(row["environment_moves"])
            if believed(row, unit):
                return f"{text}, while the model expects its plans to move {expected}; they move {real}"
            return f"{text}; its plans move {real}, the model expects {expected}"
        case "too_slow":
            return f"still getting nearer when its {row['steps']} steps were over; {near}"
        case "not_reproduced":
            return f"solved in {row['steps']} steps when played again on this machine"
    return f"moved {far(row['path_length'])} without getting there; {near}"


def text(record: Record) -> str:
    """Return the counts of a record of failures in words."""
    shown = f" (the first {record['shown']} are shown)" if record["shown"] < record["failed"] else ""
    head = f"{record['title']}: {record['failed']} of {record['tasks']} tasks failed{shown}"
    if not record["rows"]:
        return "\n".join([head, *_strata_lines(record)])
    parts = []
    for why, count in record["counts"].items():
        walls = sum(bool(row["at_wall"]) for row in record["rows"] if row["reason"] == why)
        parts.append(f"{count} {REASONS[why]}" + (f" ({walls} at a wall)" if walls else ""))
    expected = record["model_expected_to_move"]
    if stuck := record["counts"].get("stuck", 0):
        parts[-1] += f"; in {expected} of the {stuck} stuck ones the model expected to move on"
    return "\n".join([f"{head}: {', '.join(parts)}", *_strata_lines(record)])


def _strata_lines(record: Record) -> list[str]:
    """Say how many tasks of each stratum failed, and of what."""
    lines = []
    for name, found in record.get("strata", {}).items():
        whys = ", ".join(f"{count} {REASONS[why]}" for why, count in found["counts"].items())
        lines.append(f"  {name}: {found['failed']} of {found['tasks']} failed" + (f": {whys}" if whys else ""))
    return lines
