"""The figures of `vgbench offline`: a model against what was recorded, see `vgbench.analysis.offline`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from vgbench.analysis.goal_statistics import over_goals
from vgbench.analysis.plans import first_plans
from vgbench.analysis.prediction import predict
from vgbench.analysis.sampling import windows
from vgbench.analysis.value_order import value_terms
from vgbench.data.dataset import Dataset
from vgbench.errors import UsageError
from vgbench.experiments.trained import Trained
from vgbench.model.batching import in_blocks
from vgbench.model.jepa import ENCODER_BLOCK
from vgbench.planning.controller import plan_horizon
from vgbench.planning.problem import aggregate
from vgbench.storage.files import Record

EPISODES = 64
"""Episodes that are looked at, at most."""
STATES = 256
"""States of an episode that are encoded, at most."""
GOALS = 4
"""Goals in an episode: its last state, and states on the way."""
WINDOWS, PLANS = 256, 32
BINS = (1, 5, 17, 65)
"""First number of steps of each group in which learned times are told."""
Tell = Callable[[str, int, int], None]
"""Called with what is computed, how much of it is done, and how much there is."""

Known = dict[tuple[int, bytes, bytes], Tensor]
"""Latents by set, trajectories and times."""


@dataclass
class Subject:
    """A model, and the episodes that it is judged by.

    Attributes:
        trained: the model is that of it.
        data: the episodes.
        known: latents by the states that were encoded, for models with one and the same encoder; None: none are kept.
    """

    trained: Trained
    data: Dataset
    known: Known | None = None

    def latents(self, trajectory: Tensor, time: Tensor, data: Dataset | None = None) -> Tensor:
        """Encode states at pairs of indices, of equal shape; return latents [..., D]."""
        data = data or self.data
        where = trajectory.flatten(), time.flatten()
        key = id(data), where[0].cpu().numpy().tobytes(), where[1].cpu().numpy().tobytes()
        found = (self.known or {}).get(key)
        if found is None:
            found = self.trained.model.encode_blocks(data.observations(*where)).clone()
            if self.known is not None:
                self.known[key] = found
        return found.reshape(*time.shape, -1)

    def points(self, latents: Tensor) -> Tensor:
        """Return points [M, D'] of latents [M, D]."""
        with torch.inference_mode():
            found = in_blocks(lambda rows: self.trained.model.head(rows["latent"]), {"latent": latents}, ENCODER_BLOCK)
        return found.clone()


@dataclass
class Pairs:
    """States of episodes before one goal of each: learned distance and recorded steps, both [M] float64."""

    distance: np.ndarray
    steps: np.ndarray


def measure(subject: Subject, seed: int, tell: Tell = lambda name, done, total: None) -> Record:
    """Return all blocks of figures; the same seed draws the same states, whatever the model.

    Raises:
        UsageError: the episodes have hardly any states.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(subject.data))[:EPISODES]
    pairs: list[Pairs] = []
    for done, number in enumerate(chosen):
        tell("episodes", done, len(chosen))
        pairs += _pairs(subject, int(number), rng)
    if not pairs:
        raise UsageError("the episodes are too short: expected some of 3 states or more")
    blocks = {"order": order(pairs), "time": time_to_goal(subject, pairs, rng)}
    tell("prediction", 0, 1)
    blocks["prediction"] = _prediction(subject, rng)
    tell("plans", 0, 1)
    blocks["plan"] = _plan(subject, rng)
    return blocks


def _pairs(subject: Subject, number: int, rng: np.random.Generator, data: Dataset | None = None) -> list[Pairs]:
    """For some goals of one episode, the states before each."""
    data = data or subject.data
    length = int(data.lengths[number])
    if length < 3:
        return []
    times = np.unique(np.linspace(0, length - 1, min(length, STATES)).round().astype(np.int64))
    time = torch.from_numpy(times).to(data.device)
    points = subject.points(subject.latents(torch.full_like(time, number), time, data))
    goals = {len(times) - 1, *rng.integers(min(2, len(times) - 1), len(times), GOALS - 1).tolist()}
    found = []
    for goal in sorted(goals):
        distance = _distance(subject.trained, points[:goal], points[goal : goal + 1])
        found.append(Pairs(distance, (times[goal] - times[:goal]).astype(np.float64)))
    return found


def _distance(trained: Trained, points: Tensor, goal: Tensor) -> np.ndarray:
    with torch.no_grad():
        found = trained.model.distance.prepare(goal)(points.unsqueeze(0))[0]
    result: np.ndarray = found.double().cpu().numpy()
    return result


def order(pairs: list[Pairs]) -> Record:
    """Correlate, goal by goal, the learned distance with the number of steps that were recorded."""
    found = [(pair.distance, pair.steps) for pair in pairs]
    return {
        "goals": len(found),
        "spearman": over_goals(found, lambda d, c: stats.spearmanr(d, c)[0]),
        "kendall": over_goals(found, lambda d, c: stats.kendalltau(d, c)[0]),
    }


def time_to_goal(subject: Subject, pairs: list[Pairs], rng: np.random.Generator) -> Record:
    """Compare learned numbers of steps with recorded ones; these are upper bounds of what a right value says."""
    steps, unit = _steps(subject, rng)
    learned = np.concatenate([steps(pair.distance) for pair in pairs])
    recorded = np.concatenate([pair.steps for pair in pairs])
    groups = []
    for low, high in zip(BINS, (*BINS[1:], np.inf), strict=True):
        inside = (recorded >= low) & (recorded < high)
        if inside.any():
            groups.append(
                {
                    "recorded": [low, None if np.isinf(high) else int(high) - 1],
                    "pairs": int(inside.sum()),
                    "recorded_median": float(np.median(recorded[inside])),
                    "learned_median": round(float(np.median(learned[inside])), 3),
                }
            )
    return {
        "pairs": len(learned),
        "unit": unit,
        "pearson": _pearson(learned, recorded),
        "error": round(float(np.abs(learned - recorded).mean()), 4),
        # Of the one number that has the smallest error on these very pairs.
        "error_of_constant": round(float(np.abs(np.median(recorded) - recorded).mean()), 4),
        "median_ratio": round(float(np.median(learned / recorded)), 4),
        "share_longer_than_recorded": round(float((learned > 1.1 * recorded + 1).mean()), 4),
        "groups": groups,
    }


def _pearson(learned: np.ndarray, recorded: np.ndarray) -> float | None:
    if len(learned) < 3 or np.ptp(learned) == 0 or np.ptp(recorded) == 0:
        return None
    return round(float(stats.pearsonr(learned, recorded)[0]), 4)


def _steps(subject: Subject, rng: np.random.Generator) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """Function from learned distances to numbers of steps, and words for how it was made."""
    trained = subject.trained
    whole = [terms for terms in value_terms(trained) if terms.level is None]
    if whole and whole[0].gamma < 1:
        gamma, stride = whole[0].gamma, whole[0].stride

        def by_value(distance: np.ndarray) -> np.ndarray:
            # Of d = (1 - gamma^k) / (1 - gamma), the discounted cost of k backups of `stride` steps each.
            left = np.clip(1 - distance * (1 - gamma), 1e-6, 1.0)
            steps: np.ndarray = stride * np.log(left) / np.log(gamma)
            return steps

        return by_value, f"steps, by the value's discount {gamma:g}"
    some = rng.permutation(len(trained.data))[:16]
    pairs = [pair for number in some for pair in _pairs(subject, int(number), rng, trained.data)]
    distance = np.concatenate([pair.distance for pair in pairs]) if pairs else np.ones(1)
    recorded = np.concatenate([pair.steps for pair in pairs]) if pairs else np.ones(1)
    scale = float(np.median(recorded / np.maximum(distance, 1e-9)))
    return (lambda found: found * scale), f"distance times {scale:.4g}, the median of steps over distance in training"


def _horizon(trained: Trained, data: Dataset) -> int:
    """Steps of a plan, or as many as half of the episodes have."""
    chosen = trained.spec.planner
    planned = plan_horizon(chosen.make(), trained.spec.settings["mpc"])
    return max(1, min(planned, data.typical_length - 1))


def _prediction(subject: Subject, rng: np.random.Generator) -> Record:
    """Error of the predictor over the horizon, from recorded states with the recorded actions."""
    trained, data = subject.trained, subject.data
    horizon = _horizon(trained, data)
    drawn = windows(data, rng, WINDOWS, horizon)
    if drawn is None:
        return {"skipped": f"no episode has {horizon + 1} states"}
    trajectory, first = (x.unsqueeze(1) for x in drawn)
    times = first + torch.arange(horizon + 1, device=data.device)
    true = subject.latents(trajectory.expand_as(times), times)
    actions = data.actions[trajectory, times[:, :-1]]
    still = (true[:, :1] - true[:, 1:]).square().sum(-1).double().mean(0)

    def relative(taken: Tensor) -> list[float]:
        error = (predict(trained, true[:, 0], taken) - true[:, 1:]).square().sum(-1).double().mean(0)
        return [round(float(value), 5) for value in error / still.clamp_min(1e-12)]

    # Shifted by one, so that no window keeps its own actions.
    shuffled = relative(torch.roll(actions, 1, dims=0))
    return {"windows": WINDOWS, "horizon": horizon, "latent": relative(actions), "latent_shuffled": shuffled}


def _plan(subject: Subject, rng: np.random.Generator) -> Record:
    """Plan from recorded states to states that were reached later, and compare with the actions that led there."""
    trained, data = subject.trained, subject.data
    steps = _horizon(trained, data)
    drawn = windows(data, rng, PLANS, steps)
    if drawn is None:
        return {"skipped": f"no episode has {steps + 1} states"}
    trajectory, first = drawn
    here = subject.latents(trajectory, first)
    goal = subject.points(subject.latents(trajectory, first + steps))
    times = first.unsqueeze(1) + torch.arange(steps, device=data.device)
    recorded = data.actions[trajectory.unsqueeze(1), times]
    settings = trained.spec.settings["mpc"]
    plans = first_plans(trained, here, goal)
    common = min(plans.shape[1], steps)
    plans, recorded = plans[:, :common], recorded[:, :common]
    other = torch.roll(recorded, 1, dims=0)
    # The action that is nearest to all recorded ones of training, at every step.
    constant = _mean_action(trained.data).expand_as(recorded)

    def cost(taken: Tensor) -> float:
        with torch.no_grad():
            heads = trained.model.head(predict(trained, here, taken))
            distance = trained.model.distance.prepare(goal)(heads).double()
        return round(float(aggregate(distance.unbind(1), settings).mean()), 4)

    return {
        "plans": PLANS,
        "steps": common,
        "error": _rms(plans, recorded),
        "error_of_others": _rms(plans, other),
        "error_of_constant": _rms(constant, recorded),
        "cosine": _cosine(plans, recorded),
        "cosine_of_others": _cosine(plans, other),
        "cost_of_plans": cost(plans),
        "cost_of_recorded": cost(recorded),
        "cost_of_others": cost(other),
    }


def _mean_action(data: Dataset) -> Tensor:
    """Mean [A] of the actions, in the units of the model."""
    taken = torch.arange(data.length - 1, device=data.device) < (data.lengths - 1).unsqueeze(1)
    return data.actions[taken].mean(0)


def _rms(first: Tensor, second: Tensor) -> float:
    """Root mean square of the difference of actions [B, H, A], in units of the data's actions."""
    return round(float((first - second).double().square().mean().sqrt()), 4)


def _cosine(first: Tensor, second: Tensor) -> float:
    """Mean cosine between the sums of actions over the steps: where the two lead, whatever their order."""
    one, other = first.double().sum(1), second.double().sum(1)
    return round(float(torch.nn.functional.cosine_similarity(one, other, dim=-1).mean()), 4)
