"""Is the learned distance in the order of the true one, and can one walk down it?"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from vgbench.analysis.sampling import GoalSample
from vgbench.api import (
    HasCostToGo,
    HasPairLabels,
    HasStateGrid,
    HasValueFixedPoint,
    ObjectiveShapes,
    StateGrid,
    ValueTerms,
)
from vgbench.api.capabilities import capability, offers
from vgbench.experiments.trained import Trained
from vgbench.model.batching import join_rows, take_rows
from vgbench.statistics import hierarchical_bootstrap
from vgbench.storage.files import Record
from vgbench.text import figure_text

LEAST = 8
"""Pairs that a rank correlation needs here."""
TOLERANCE = 1e-3
"""A state is stuck if no neighbour is lower by more than this share of the largest distance."""


def value_terms(trained: Trained) -> ValueTerms | None:
    """Return discount, expectile and steps of the value that the run has learned: of the first objective with one."""
    shapes = ObjectiveShapes(trained.spec.settings["model"].latent_dim, trained.environment.spec.actions.dim)
    with torch.random.fork_rng(devices=[]):  # an objective's own modules draw their weights
        made = [c.cls(c.params, shapes) for stage in trained.spec.stages for c in stage.objectives]
    return next((objective.value_terms for objective in made if objective.value_terms), None)


def rank(trained: Trained, views: list[GoalSample]) -> Record:
    """Correlate the learned distance with the true cost to go, over states, per goal and then averaged."""
    capability(trained.environment, HasCostToGo)  # so that every view has a cost
    labels, names = _labels(trained, views)
    pairs = [
        (_array(view.distance[view.sample]), cost, label)
        for view, cost, label in zip(views, _costs(views), labels, strict=True)
    ]
    groups = {"all": slice(None), **{name: number for number, name in enumerate(names)}}
    result: Record = {"groups": {}}
    for name, group in groups.items():
        rows = [(d, c) if isinstance(group, slice) else (d[label == group], c[label == group]) for d, c, label in pairs]
        result["groups"][name] = {
            "spearman": over_goals(rows, lambda d, c: stats.spearmanr(d, c)[0]),
            "kendall": over_goals(rows, lambda d, c: stats.kendalltau(d, c)[0]),
        }
    terms = value_terms(trained)
    if terms:
        gamma, _, stride = terms
        # 1 + gamma + ... + gamma^(k - 1): k backups of cost 1, each over `stride` steps of the environment.
        best = [(d, (1 - gamma ** np.ceil(c / stride)) / (1 - gamma)) for d, c, _ in pairs]
        result["optimal_value"] = {"gamma": gamma, "stride": stride, **_against(best, 1 / (1 - gamma))}
    return result


def fixed_point(trained: Trained, views: list[GoalSample]) -> Record:
    """Compare with what the value loss itself converges to on the run's data, without networks."""
    environment = capability(trained.environment, HasValueFixedPoint)
    gamma, tau, stride = value_terms(trained) or (0.0, None, 1)
    if tau is None:
        return {"skipped": "no objective of the run has an expectile `tau` and a discount `gamma`"}
    counts = [len(view.sample) for view in views]
    states = join_rows([take_rows(view.states, view.sample) for view in views])
    goals = join_rows([view.goals(count) for view, count in zip(views, counts, strict=True)])
    try:
        solved = environment.value_fixed_point(states, goals, tau, gamma, stride).split(counts)
    except ValueError as err:
        return {"skipped": str(err)}
    truth = [_array(value) for value in solved]
    pairs = [(_array(view.distance[view.sample]), value) for view, value in zip(views, truth, strict=True)]
    result = {"tau": tau, "gamma": gamma, "stride": stride, **_against(pairs, 1 / (1 - gamma))}
    result["spearman"] = over_goals(pairs, lambda d, v: stats.spearmanr(d, v)[0])
    if offers(trained.environment, HasCostToGo):
        costs = list(zip(truth, _costs(views), strict=True))
        result["its_own_spearman_with_cost"] = over_goals(costs, lambda v, c: stats.spearmanr(v, c)[0])
    return result


def descent(trained: Trained, views: list[GoalSample]) -> Record:
    """Descend over the grid: from which share of the states does the steepest way reach the goal?"""
    capability(trained.environment, HasStateGrid)  # so that every view has a grid
    functions: dict[str, Callable[[GoalSample], Tensor | None]] = {
        "learned": lambda view: view.distance,
        "true": lambda view: view.cost,
        "straight": lambda view: trained.environment.goal_distance(view.states, view.goals(len(view.points))).double(),
    }
    result: Record = {"tolerance": TOLERANCE, "states": len(views[0].points)}
    for name, function in functions.items():
        figures = [
            _descend(trained, view, view.grid, value)
            for view in views
            if view.grid is not None and (value := function(view)) is not None
        ]
        if figures:
            result[name] = {key: over([figure[key] for figure in figures]) for key in figures[0]}
    return result


def _descend(trained: Trained, view: GoalSample, grid: StateGrid, value: Tensor) -> dict[str, float]:
    """Coverage and minima of a function [M] of one goal's states."""
    near = grid.neighbours
    solved = trained.environment.success(view.states, view.goals(len(value)))
    # -1 stands for a neighbour that is not there, which is never the lowest.
    beside = torch.where(near >= 0, value[near.clamp_min(0)], torch.inf)
    lowest, which = beside.min(dim=1)
    here = torch.arange(len(value), device=value.device)
    target = near.gather(1, which.unsqueeze(1)).squeeze(1)
    follow = torch.where((lowest < value) & ~solved, target, here)
    for _ in range(len(value).bit_length()):  # each round doubles the steps gone; values fall, so there is no circle
        follow = follow[follow]
    stuck = (lowest >= value - TOLERANCE * value.max()) & ~solved
    return {
        "coverage": float(solved[follow].double().mean()),
        "minima": float(((lowest >= value) & ~solved).sum()),
        "stuck": float(stuck.double().mean()),
    }


def _labels(trained: Trained, views: list[GoalSample]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Group of each sampled pair: the environment's own, or tertiles of the true cost over all pairs."""
    environment = trained.environment
    if offers(environment, HasPairLabels):
        found = [environment.pair_labels(take_rows(v.states, v.sample), v.goals(len(v.sample))) for v in views]
        return [label.cpu().numpy() for label in found], tuple(environment.pair_label_names)
    costs = _costs(views)
    limits = np.quantile(np.concatenate(costs), [1 / 3, 2 / 3])
    return [np.searchsorted(limits, cost) for cost in costs], ("near third", "middle third", "far third")


def _costs(views: list[GoalSample]) -> list[np.ndarray]:
    """True costs [S] of each goal's sampled states, of an environment that knows them."""
    return [_array(view.cost[view.sample]) for view in views if view.cost is not None]


def _against(pairs: list[tuple[np.ndarray, np.ndarray]], bound: float) -> Record:
    """Agreement of learned distances with values in the same units: Pearson's correlation, and the mean error."""
    return {
        "pearson": over_goals(pairs, lambda d, v: stats.pearsonr(d, v)[0]),
        "error_of_bound": over([float(np.abs(d - v).mean() / bound) for d, v in pairs]),
    }


def over_goals(pairs: list[tuple[np.ndarray, np.ndarray]], function: Callable[[Any, Any], float]) -> Record | None:
    """Return mean and interval over goals of a statistic; goals with too few pairs, or equal ones, do not count."""
    with warnings.catch_warnings():
        # Of equal figures scipy has no correlation: it warns and returns NaN, which is left out below.
        warnings.simplefilter("ignore")
        figures = [float(function(a, b)) for a, b in pairs if len(a) >= LEAST]
    figures = [figure for figure in figures if np.isfinite(figure)]
    return over(figures) if figures else None


def over(figures: list[float]) -> Record:
    """Return the mean over goals with a bootstrap interval over these."""
    # One row: goals are the only thing that is drawn again.
    low, high = hierarchical_bootstrap([figures])
    return {"mean": round(float(np.mean(figures)), 4), "ci95": [round(low, 4), round(high, 4)], "goals": len(figures)}


def _array(value: Tensor) -> np.ndarray:
    result: np.ndarray = value.double().cpu().numpy()
    return result


def rank_lines(block: Record) -> list[str]:
    """Put into words: the correlation with the true cost."""
    width = max(map(len, block["groups"]))
    lines = [f"{'pairs':<{width}}  Spearman               Kendall"]
    for name, figures in block["groups"].items():
        lines.append(f"{name:<{width}}  {figure_text(figures['spearman']):<21}  {figure_text(figures['kendall'])}")
    value = block.get("optimal_value")
    if value:
        lines.append(
            f"against (1 - gamma^k) / (1 - gamma), gamma {value['gamma']:g}: Pearson {figure_text(value['pearson'])}, "
            f"mean error {figure_text(value['error_of_bound'])} of the bound"
        )
    whole = block["groups"]["all"]["spearman"]
    if whole:
        much = "almost in" if whole["mean"] > 0.95 else "roughly in" if whole["mean"] > 0.8 else "not in"
        lines.append(
            f"The learned distance is {much} the order of the true number of steps to the goal (1 would be exact)."
        )
    return lines


def fixed_point_lines(block: Record) -> list[str]:
    """Put into words: the agreement with the loss's own solution."""
    own = block.get("its_own_spearman_with_cost")
    lines = [
        f"tau {block['tau']:g}, gamma {block['gamma']:g}: Spearman {figure_text(block['spearman'])}, "
        f"Pearson {figure_text(block['pearson'])}, mean error {figure_text(block['error_of_bound'])} of the bound"
    ]
    if own:
        lines.append(f"that solution itself, against the true cost: Spearman {figure_text(own)}")
    lines.append(
        "The loss itself asks for this solution: what the first line lacks is the fit, the second the loss's bias."
    )
    return lines


def descent_lines(block: Record) -> list[str]:
    """Put into words: the share of states from which the goal is reached."""
    lines = [f"{'walking down':<26}  reaches the goal       minima per goal           stuck"]
    names = {"learned": "the learned distance", "true": "the true cost", "straight": "the straight distance"}
    for key, name in names.items():
        if key in block:
            coverage, minima, stuck = (figure_text(block[key][column]) for column in ("coverage", "minima", "stuck"))
            lines.append(f"{name:<26}  {coverage:<21}  {minima:<24}  {stuck}")
    lines.append(
        f"Share of {block['states']} grid states from which the lowest neighbour leads on to the goal; stuck: "
        f"no neighbour is lower by {block['tolerance']:g} of the largest distance."
    )
    return lines
