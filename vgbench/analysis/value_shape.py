"""The learned distance by itself: how large it gets, whether it is flat far away, and whether it is a metric."""

import numpy as np
import torch
from torch import Tensor

from vgbench.analysis.sampling import GoalSample, windows
from vgbench.analysis.value_order import value_objective
from vgbench.api import ValueTerms
from vgbench.errors import UsageError
from vgbench.experiments.trained import Trained
from vgbench.storage.files import Record
from vgbench.training.compatibility import asked_range

TRIPLES = 2000
STEPS = 1024


def scale(trained: Trained, views: list[GoalSample], seed: int) -> Record:
    """Measure range and saturation, in the distance's own units, and the mean distance of one step of the data."""
    objective = value_objective(trained)
    values = objective.value_terms if objective else ()
    bound, source = trained.model.distance.upper_bound, "the distance's own bound"
    # 1 + gamma + gamma^2 + ...: the value of a goal that is never reached.
    if objective and values[0].level is None:
        bound, source = 1 / (1 - values[0].gamma), "1 / (1 - gamma)"
    elif objective:
        bound, source = asked_range(objective, trained.model.distance), "1 / (1 - gamma) of all levels together"
    # What is far is told by the true cost, else by the environment's distance; never by what is being judged.
    far = []
    for view in views:
        truth = view.cost
        if truth is None:
            truth = trained.environment.goal_distance(view.states, view.goals(len(view.points))).double()
        if len(found := far_of(truth, view.distance)):
            far.append(found)
    if not far:
        raise UsageError("no goal can be reached from any of the states, so that none is told to be far")
    spreads = [float(d.quantile(0.95) - d.quantile(0.05)) for d in far]
    largest = max(float(view.distance.max()) for view in views)
    steps = [_step(trained, terms, seed) for terms in values or (ValueTerms(0.0),)]
    return {
        "max": round(largest, 4),
        "bound": None if bound is None else round(bound, 4),
        "bound_from": source if bound is not None else None,
        "far_mean": round(float(torch.cat(far).mean()), 4),
        "far_spread": round(float(np.mean(spreads)), 6),
        "far_spread_of_bound": None if bound is None else round(float(np.mean(spreads)) / bound, 6),
        "far_spread_of_max": round(float(np.mean(spreads)) / max(largest, 1e-12), 6),
        "step": steps[0] if "level" not in steps[0] else {"levels": steps},
    }


def far_of(truth: Tensor, distance: Tensor) -> Tensor:
    """Return the learned distances of the farthest third of the states that have a way to the goal."""
    known = truth.isfinite()
    if not known.any():
        return distance[:0]
    return distance[known & (truth >= truth[known].quantile(2 / 3))]


def _step(trained: Trained, terms: ValueTerms, seed: int) -> Record:
    """Measure the distance between states of the data that a backup of one step compares, in the level that does."""
    distance = one_step(trained, terms.stride, seed, terms.level)
    found: Record = {} if terms.level is None else {"level": terms.level}
    return found | {
        "steps": terms.stride,
        "mean": round(float(distance.mean()), 4),
        "std": round(float(distance.std()), 4),
    }


def one_step(trained: Trained, stride: int, seed: int, level: int | None = None) -> Tensor:
    """Compute distances [1024], in a level or all, from random states of the data to those `stride` steps later."""
    data, model = trained.data, trained.model
    rng = np.random.default_rng(seed)
    drawn = windows(data, rng, STEPS, stride)
    if drawn is None:
        raise UsageError(f"no trajectory has states {stride} steps apart")
    row, time = drawn
    here, there = (
        model.encode_blocks(data.observations(row, when), points=True).clone() for when in (time, time + stride)
    )
    with torch.no_grad():
        d = model.distance(here, there) if level is None else model.distance.level(level, here, there)
        return d.double()


def metric(trained: Trained, views: list[GoalSample], seed: int) -> Record:
    """Measure asymmetry and violations of the triangle inequality on random triples of states of one layout each."""
    rng = np.random.default_rng(seed)
    asymmetry, violation, mean, worst = [], [], [], 0.0
    distance = trained.model.distance
    # Rounded up, so that there are no fewer than TRIPLES in all.
    each = -(-TRIPLES // len(views))
    for view in views:
        pick = torch.from_numpy(rng.integers(0, len(view.points), (3, each))).to(view.points.device)
        x, y, z = (view.points[rows] for rows in pick)
        with torch.no_grad():
            xy, yx, yz, xz = (distance(a, b).double() for a, b in ((x, y), (y, x), (y, z), (x, z)))
        excess = xz - xy - yz
        asymmetry.append((xy - yx).abs())
        mean.append((xy + yx) / 2)
        # Distances are float32: rounding alone breaks the inequality by a little.
        violation.append(excess > 1e-4 * xz.max())
        worst = max(worst, float(excess.max()))
    average = float(torch.cat(mean).mean())
    return {
        "triples": each * len(views),
        "mean": round(average, 4),
        "asymmetry": round(float(torch.cat(asymmetry).mean()), 6),
        "asymmetry_of_mean": round(float(torch.cat(asymmetry).mean()) / max(average, 1e-12), 6),
        "triangle_violations": round(float(torch.cat(violation).double().mean()), 6),
        "triangle_worst": round(max(worst, 0.0), 6),
    }


def scale_lines(block: Record) -> list[str]:
    """Put into words: range and saturation."""
    bound = f"of a bound of {block['bound']:.4g} ({block['bound_from']})" if block["bound"] else "(no bound)"
    spread, unit = block["far_spread_of_max"], "maximum"
    if block["bound"]:
        spread, unit = block["far_spread_of_bound"], "bound"
    flat = "is flat: little for a planner to follow" if spread < 0.02 else "still varies"
    mean, step = f"far pairs: mean {block['far_mean']:.4g}, p95 - p5 {block['far_spread']:.4g}", block["step"]
    steps = [(f"level {found['level']}: ", found) for found in step["levels"]] if "levels" in step else [("", step)]
    return [
        f"largest {block['max']:.4g} {bound}; {mean}",
        *(
            f"{level}{one['steps']} step(s) of the data: {one['mean']:.4g} +- {one['std']:.4g} (1: each led there)"
            for level, one in steps
        ),
        f"Far from the goal (the furthest third) the distance {flat}: {spread:.2%} of the {unit}.",
    ]


def metric_lines(block: Record) -> list[str]:
    """Put into words: symmetry and the triangle inequality."""
    return [
        f"|d(x,y) - d(y,x)| is {block['asymmetry_of_mean']:.2%} of the mean distance {block['mean']:.4g}; "
        f"triangle inequality broken by {block['triangle_violations']:.2%} of {block['triples']} triples "
        f"(at worst by {block['triangle_worst']:.3g})",
        "0 for a metric; a quasimetric may be asymmetric, but keeps the triangle inequality.",
    ]
