"""The predictor and the planner: errors over the horizon, planned against realised cost."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vgbench.analysis.plans import first_plans
from vgbench.analysis.sampling import by_stratum, goal_points, latents, windows
from vgbench.api import State
from vgbench.experiments.trained import Trained
from vgbench.model.batching import take_rows
from vgbench.planning.controller import plan_horizon
from vgbench.planning.episodes import step_noise
from vgbench.planning.problem import aggregate
from vgbench.rng import Stream
from vgbench.settings import MpcSettings
from vgbench.storage.files import Record
from vgbench.storage.record_types import EpisodeRow
from vgbench.text import figure_text

ROLLOUTS = 256
PLANS = 64
"""Tasks whose first plan is executed to its end."""


@dataclass
class Rollouts:
    """B rollouts in the environment, and what the predictor makes of them.

    Attributes:
        states: H states after the start, each with leading B.
        true: [B, H + 1, D], latents of start and states.
        predicted: [B, H, D], from the first latent and the actions.
        shuffled: [B, H, D], from the first latent and another rollout's actions.
        goal: [B, D'], points of the tasks' goals.
    """

    states: list[State]
    true: Tensor
    predicted: Tensor
    shuffled: Tensor
    goal: Tensor


def roll(trained: Trained, state: State, actions: Tensor, stream: Stream = Stream.ENVIRONMENT) -> list[State]:
    """Return the states after each of the normalised actions [B, H, A], in the environment itself."""
    environment, scale, states = trained.environment, trained.data.action_scale, []
    ids = torch.arange(len(actions), device=actions.device)
    for step in range(actions.shape[1]):
        noise = step_noise(environment, trained.spec.task_seed, ids, step, stream)
        state = environment.step(state, actions[:, step] * scale, noise)
        states.append(state)
    return states


def predict(trained: Trained, latent: Tensor, actions: Tensor) -> Tensor:
    """Return the predicted latents [B, H, D] after each of the normalised actions [B, H, A]."""
    with torch.no_grad():
        return torch.stack(list(trained.model.rollout(latent, actions)), dim=1)


def rollouts(trained: Trained, seed: int) -> Rollouts:
    """Roll from starts of the tasks, with actions of the data: paths that training has not seen."""
    data, planner = trained.data, trained.spec.planner
    rng = np.random.default_rng(seed)
    # The actions are a trajectory's, which has one less than states.
    horizon = min(plan_horizon(planner.make(), trained.spec.settings["mpc"]), data.typical_length - 1)
    rows = torch.arange(ROLLOUTS, device=data.device) % len(trained.tasks)
    drawn = windows(data, rng, ROLLOUTS, horizon)
    assert drawn is not None  # half of the trajectories are as long
    row, first = drawn
    actions = data.actions[row.unsqueeze(1), first.unsqueeze(1) + torch.arange(horizon, device=data.device)]
    start = take_rows(trained.tasks.start, rows)
    states = roll(trained, start, actions)
    true = torch.stack([latents(trained, state) for state in (start, *states)], dim=1)
    # Shifted by one, so that no rollout keeps its own; a random permutation would not promise that.
    other = torch.roll(actions, 1, dims=0)
    goal = goal_points(trained, take_rows(trained.tasks.goal, rows))
    return Rollouts(states, true, predict(trained, true[:, 0], actions), predict(trained, true[:, 0], other), goal)


def distances(trained: Trained, latent: Tensor, goal: Tensor) -> Tensor:
    """Compute learned distances [B, H] float64 from latents [B, H, D] to points of goals [B, D']."""
    with torch.no_grad():
        return trained.model.distance.prepare(goal)(trained.model.head(latent)).double()


def prediction(trained: Trained, made: Rollouts) -> Record:
    """Measure the error of h = 1 .. H steps: in the latent space, relative to predicting no change, and of the cost."""
    true, here = made.true[:, 1:], made.true[:, :1]
    still = (here - true).square().sum(-1).double().mean(0)
    cost = distances(trained, true, made.goal)

    def relative(predicted: Tensor) -> Tensor:
        # Clamped for rollouts in which nothing moves.
        return (predicted - true).square().sum(-1).double().mean(0) / still.clamp_min(1e-12)

    def of_cost(predicted: Tensor) -> Tensor:
        return (distances(trained, predicted, made.goal) - cost).abs().mean(0)

    unchanged = (distances(trained, here, made.goal) - cost).abs().mean(0)
    figures = {
        "latent": relative(made.predicted),
        "latent_shuffled": relative(made.shuffled),
        "cost": of_cost(made.predicted),
        "cost_shuffled": of_cost(made.shuffled),
        "cost_unchanged": unchanged,
    }
    return {"rollouts": len(true), "horizon": true.shape[1], **{name: _listed(x) for name, x in figures.items()}}


def planning(trained: Trained) -> Record:
    """The first plans of some tasks, executed to their end: promised against realised cost; and what rows recorded."""
    tasks = trained.tasks
    count = min(PLANS, len(tasks))
    start = take_rows(tasks.start, slice(0, count))
    goal = goal_points(trained, take_rows(tasks.goal, slice(0, count)))
    here = latents(trained, start)
    settings: MpcSettings = trained.spec.settings["mpc"]
    plans = first_plans(trained, here, goal)
    states = roll(trained, start, plans)
    true = torch.stack([latents(trained, state) for state in states], dim=1)
    promised, realised, stays = (
        aggregate(distances(trained, latent, goal).unbind(1), settings)
        for latent in (predict(trained, here, plans), true, here.unsqueeze(1).expand_as(true))
    )
    costs = torch.stack([promised, realised, stays])
    result = {"plans": count, "steps": plans.shape[1], **_of_plans(costs), "recorded": _recorded(trained)}
    if strata := by_stratum((tasks.strata or ())[:count]):
        result["strata"] = {name: {"plans": len(rows), **_of_plans(costs[:, rows])} for name, rows in strata.items()}
    return result


def _of_plans(costs: Tensor) -> Record:
    """Mean costs, and the share of the promise that is kept, of plans [3, N]: promised, realised, of staying."""
    promised, realised, stays = map(float, costs.mean(1))
    means = {"promised": round(promised, 4), "realised": round(realised, 4), "staying": round(stays, 4)}
    return means | {"kept": _kept(stays, promised, realised)}


def _kept(stays: float, promised: float, realised: float) -> float | None:
    """Share of the promised improvement that is realised; None where plans promise none, up to rounding."""
    return round((stays - realised) / (stays - promised), 4) if stays - promised > 1e-4 * abs(stays) else None


def _recorded(trained: Trained) -> Record:
    """Means of the planner's own diagnostics in episodes.jsonl, of solved and unsolved tasks."""
    rows = trained.folder.lines("episodes.jsonl")
    # All others are the planner's own.
    names = [name for name in (rows[0] if rows else {}) if name not in EpisodeRow.__annotations__]
    result: Record = {}
    for name in names:
        for group, wanted in (("solved", True), ("unsolved", False)):
            values = [row[name] for row in rows if row["success"] is wanted and row.get(name) is not None]
            result.setdefault(name, {})[group] = round(float(np.mean(values)), 4) if values else None
    return result


def _listed(values: Tensor) -> list[float]:
    return [round(float(value), 5) for value in values]


def prediction_lines(block: Record) -> list[str]:
    """Put into words: the errors at some steps of the horizon."""
    last = block["horizon"]
    steps = sorted({1, 2, 4, 8, last // 2, last} & set(range(1, last + 1)))
    names = {
        "latent": "latent error / no change",
        "latent_shuffled": "  with shuffled actions",
        "cost": "|cost error|",
        "cost_shuffled": "  with shuffled actions",
        "cost_unchanged": "  if nothing changed",
    }
    lines = [f"{'step':<26}" + "".join(f"{step:>9}" for step in steps)]
    for key, name in names.items():
        lines.append(f"{name:<26}" + "".join(f"{block[key][step - 1]:>9.3g}" for step in steps))
    better = block["cost"][-1] < block["cost_unchanged"][-1]
    lines.append(
        f"After {last} steps the predicted cost is {'nearer to' if better else 'no nearer to'} the truth than if "
        f"nothing had changed; below 1, and far below shuffled actions, is good."
    )
    if all(
        abs(own - other) <= 0.01 * other for own, other in zip(block["latent"], block["latent_shuffled"], strict=True)
    ):
        lines.append("Other actions make no difference: the predictor ignores them, so all plans look alike.")
    return lines


def planning_lines(block: Record) -> list[str]:
    """Put into words: promised and realised cost."""
    lines = [
        f"first plans of {block['plans']} tasks, {block['steps']} steps: cost promised {block['promised']:.4g}, "
        f"realised {block['realised']:.4g}, of standing still {block['staying']:.4g}"
    ]
    for name, found in block.get("strata", {}).items():
        lines.append(
            f"tasks of {name} ({found['plans']}): promised {found['promised']:.4g}, realised {found['realised']:.4g}, "
            f"of standing still {found['staying']:.4g}"
        )
    for name, means in block["recorded"].items():
        solved, unsolved = figure_text(means["solved"]), figure_text(means["unsolved"])
        lines.append(f"{name}, mean over the plans of an episode: solved {solved}, unsolved {unsolved}")
    if block["kept"] is None:
        lines.append("The plans promise no improvement: the model predicts that they end no nearer to the goal.")
    else:
        lines.append(f"Realised improvement: {block['kept']:.0%} of the predicted.")
    return lines
