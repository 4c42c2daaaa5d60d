"""Is the learned distance in the order of the true one, and can one walk down it?"""

from collections.abc import Callable

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from vgbench.analysis.goal_statistics import collapsed_lines, over, over_goals
from vgbench.analysis.sampling import GoalSample, array, by_stratum, level_to_goal
from vgbench.api import (
    HasCostToGo,
    HasPairLabels,
    HasStateGrid,
    HasValueFixedPoint,
    Objective,
    ObjectiveShapes,
    StateGrid,
    ValueTerms,
)
from vgbench.api.capabilities import capability, offers
from vgbench.experiments.trained import Trained
from vgbench.model.batching import join_rows, take_rows
from vgbench.storage.files import Record
from vgbench.text import figure_text

TOLERANCE = 1e-3
"""A state is stuck if no neighbour is lower by more than this share of the largest distance."""


def value_objective(trained: Trained) -> Objective | None:
    """Return the first objective of the run that learns a value, or None."""
    shapes = ObjectiveShapes(trained.spec.settings["model"].latent_dim, trained.environment.spec.actions.dim)
    with torch.random.fork_rng(devices=[]):  # an objective's own modules draw their weights
        made = [c.make(shapes) for stage in trained.spec.stages for c in stage.objectives]
    return next((objective for objective in made if objective.value_terms), None)


def value_terms(trained: Trained) -> tuple[ValueTerms, ...]:
    """Return discount, expectile and steps of the value that the run has learned, or of those of its levels."""
    objective = value_objective(trained)
    return objective.value_terms if objective else ()


def rank(trained: Trained, views: list[GoalSample]) -> Record:
    """Correlate the learned distance with the true cost to go, over states, per goal and then averaged."""
    capability(trained.environment, HasCostToGo)  # so that every view has a cost
    labels, names = _labels(trained, views)
    pairs = [
        (array(view.distance[view.sample]), cost, label)
        for view, cost, label in zip(views, _costs(views), labels, strict=True)
    ]
    groups = {"all": slice(None), **{name: number for number, name in enumerate(names)}}
    result: Record = {"groups": {}}
    for name, group in groups.items():
        rows = [(d, c) if isinstance(group, slice) else (d[label == group], c[label == group]) for d, c, label in pairs]
        result["groups"][name] = _correlations(rows)
    if strata := by_stratum(view.stratum for view in views):
        result["strata"] = {name: _correlations([pairs[n][:2] for n in rows]) for name, rows in strata.items()}
    optimal = [_optimal_value(trained, views, terms) for terms in value_terms(trained)]
    if optimal:
        result["optimal_value"] = _by_level(optimal)
    return result


def _correlations(rows: list[tuple[np.ndarray, np.ndarray]]) -> Record:
    """Rank correlations of learned and true distances [S], over goals."""
    return {
        "spearman": over_goals(rows, lambda d, c: stats.spearmanr(d, c)[0]),
        "kendall": over_goals(rows, lambda d, c: stats.kendalltau(d, c)[0]),
    }


def _optimal_value(trained: Trained, views: list[GoalSample], terms: ValueTerms) -> Record:
    """Compare with the value of the shortest way."""
    gamma, stride = terms.gamma, terms.stride
    # 1 + gamma + ... + gamma^(k - 1): k backups of cost 1, each over `stride` steps of the environment.
    best = [(1 - gamma ** np.ceil(cost / stride)) / (1 - gamma) for cost in _costs(views)]
    pairs = list(zip(_learned(trained, views, terms.level), best, strict=True))
    return {**_level(terms), "gamma": gamma, "stride": stride, **_against(pairs, 1 / (1 - gamma))}


def _by_level(records: list[Record]) -> Record:
    """Return the record of the whole distance as it is, those of levels under `levels`."""
    return {"levels": records} if "level" in records[0] else records[0]


def _each_level(block: Record) -> list[tuple[str, Record]]:
    """Return what `_by_level` put together: words before the record of each level, nothing before a whole one."""
    return [(f"level {found['level']}: ", found) for found in block["levels"]] if "levels" in block else [("", block)]


def _level(terms: ValueTerms) -> Record:
    return {} if terms.level is None else {"level": terms.level}


def _learned(trained: Trained, views: list[GoalSample], level: int | None) -> list[np.ndarray]:
    """Learned distances [S] of each goal's sampled states, in one level or (None) in all."""
    return [array(level_to_goal(trained, view, level)[view.sample]) for view in views]


def fixed_point(trained: Trained, views: list[GoalSample]) -> Record:
    """Compare with what the value loss itself converges to on the run's data, without networks."""
    capability(trained.environment, HasValueFixedPoint)
    found = [_fixed_point(trained, views, terms) for terms in value_terms(trained) if terms.tau is not None]
    if not found:
        return {"skipped": "no objective of the run has an expectile `tau` and a discount `gamma`"}
    reasons = {record.get("skipped") for record in found}
    # For all levels alike: then it is the block that is skipped.
    return {"skipped": found[0]["skipped"]} if len(reasons) == 1 and None not in reasons else _by_level(found)


def _fixed_point(trained: Trained, views: list[GoalSample], terms: ValueTerms) -> Record:
    """Compare with the fixed point of one value loss, or say why there is none."""
    environment, level = capability(trained.environment, HasValueFixedPoint), _level(terms)
    gamma, tau, stride, n_step, _ = terms
    if n_step > 1:
        why = f"backups of {n_step} states (`n_step`) converge to another value, which no environment can tell"
        return {**level, "skipped": why}
    assert tau is not None
    counts = [len(view.sample) for view in views]
    states = join_rows([take_rows(view.states, view.sample) for view in views])
    goals = join_rows([view.goals(count) for view, count in zip(views, counts, strict=True)])
    try:
        solved = environment.value_fixed_point(states, goals, tau, gamma, stride).split(counts)
    except ValueError as err:
        return {**level, "skipped": str(err)}
    truth = [array(value) for value in solved]
    pairs = list(zip(_learned(trained, views, terms.level), truth, strict=True))
    result = {**level, "tau": tau, "gamma": gamma, "stride": stride, **_against(pairs, 1 / (1 - gamma))}
    result["spearman"] = over_goals(pairs, lambda d, v: stats.spearmanr(d, v)[0])
    if strata := by_stratum(view.stratum for view in views):
        result["strata"] = {
            name: {"spearman": over_goals([pairs[n] for n in rows], lambda d, v: stats.spearmanr(d, v)[0])}
            for name, rows in strata.items()
        }
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
    strata: dict[str, Record] = {name: {} for name in by_stratum(view.stratum for view in views)}
    for name, function in functions.items():
        figures = [
            (view.stratum, _descend(trained, view, view.grid, value))
            for view in views
            if view.grid is not None and (value := function(view)) is not None
        ]
        if figures:
            result[name] = _means([figure for _, figure in figures])
            for stratum, of_tasks in strata.items():
                of_tasks[name] = _means([figure for of, figure in figures if of == stratum])
    return result | ({"strata": strata} if strata else {})


def _means(figures: list[dict[str, float]]) -> Record:
    return {key: over([figure[key] for figure in figures]) for key in figures[0]}


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
    every = np.concatenate(costs)
    # Those without a way at all are of the far third.
    finite = every[np.isfinite(every)]
    limits = np.quantile(finite, [1 / 3, 2 / 3]) if len(finite) else np.zeros(2)
    return [np.searchsorted(limits, cost) for cost in costs], ("near third", "middle third", "far third")


def _costs(views: list[GoalSample]) -> list[np.ndarray]:
    """True costs [S] of each goal's sampled states, of an environment that knows them."""
    return [array(view.cost[view.sample]) for view in views if view.cost is not None]


def _against(pairs: list[tuple[np.ndarray, np.ndarray]], bound: float) -> Record:
    """Agreement of learned distances with values in the same units: Pearson's correlation, and the mean error."""
    return {
        "pearson": over_goals(pairs, lambda d, v: stats.pearsonr(d, v)[0]),
        "error_of_bound": over([float(np.abs(d - v).mean() / bound) for d, v in pairs]),
    }


def rank_lines(block: Record) -> list[str]:
    """Put into words: the correlation with the true cost."""
    shown = block["groups"] | {f"goals of {name}": found for name, found in block.get("strata", {}).items()}
    width = max(map(len, shown))
    lines = [f"{'pairs':<{width}}  Spearman               Kendall"]
    for name, figures in shown.items():
        lines.append(f"{name:<{width}}  {figure_text(figures['spearman']):<21}  {figure_text(figures['kendall'])}")
    lines += collapsed_lines({name: figures["spearman"] for name, figures in block["groups"].items()})
    for level, value in _each_level(block["optimal_value"]) if block.get("optimal_value") else ():
        lines.append(
            f"{level}against (1 - gamma^k) / (1 - gamma), gamma {value['gamma']:g}: Pearson "
            f"{figure_text(value['pearson'])}, mean error {figure_text(value['error_of_bound'])} of the bound"
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
    lines = []
    for level, found in _each_level(block):
        if "skipped" in found:
            lines.append(f"{level}skipped: {found['skipped']}")
            continue
        lines.append(
            f"{level}tau {found['tau']:g}, gamma {found['gamma']:g}: Spearman {figure_text(found['spearman'])}, "
            f"Pearson {figure_text(found['pearson'])}, mean error {figure_text(found['error_of_bound'])} of the bound"
        )
        lines += collapsed_lines({"all": found["spearman"]})
        lines += [
            f"{level}goals of {name}: Spearman {figure_text(part['spearman'])}"
            for name, part in found.get("strata", {}).items()
        ]
        if own := found.get("its_own_spearman_with_cost"):
            lines.append(f"{level}that solution itself, against the true cost: Spearman {figure_text(own)}")
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
    for stratum, found in block.get("strata", {}).items():
        covered = [f"{names[key]} {figure_text(found[key]['coverage'])}" for key in names if key in found]
        lines.append(f"goals of {stratum}, reaches the goal: {'; '.join(covered)}")
    lines.append(
        f"Share of {block['states']} grid states from which the lowest neighbour leads on to the goal; stuck: "
        f"no neighbour is lower by {block['tolerance']:g} of the largest distance."
    )
    return lines
