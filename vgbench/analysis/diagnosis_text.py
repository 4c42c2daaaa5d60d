"""A diagnosis as people read it: one block after another, each with a sentence on what it means."""

from typing import Any

from vgbench.storage.files import Record


def text(record: Record) -> str:
    """The record of a diagnosis as lines of text."""
    head = f"{record['title']}: {record['goals']} goals, {record['states']} states each"
    parts = [head]
    for name, (title, body) in BLOCKS.items():
        block = record["blocks"].get(name)
        if block is None:
            continue
        parts += ["", title]
        parts += [f"  skipped: {block['skipped']}"] if "skipped" in block else [f"  {line}" for line in body(block)]
    return "\n".join(parts)


def number(value: Any) -> str:
    """A figure with its interval over goals, or a plain one."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        low, high = value["ci95"]
        return f"{value['mean']:.3f} [{low:.3f}, {high:.3f}]"
    return f"{value:.4g}"


def _rank(block: Record) -> list[str]:
    width = max(map(len, block["groups"]))
    lines = [f"{'pairs':<{width}}  Spearman               Kendall"]
    for name, figures in block["groups"].items():
        lines.append(f"{name:<{width}}  {number(figures['spearman']):<21}  {number(figures['kendall'])}")
    value = block.get("optimal_value")
    if value:
        lines.append(
            f"against (1 - gamma^k) / (1 - gamma), gamma {value['gamma']:g}: Pearson {number(value['pearson'])}, "
            f"mean error {number(value['error_of_bound'])} of the bound"
        )
    whole = block["groups"]["all"]["spearman"]
    if whole:
        much = "almost in" if whole["mean"] > 0.95 else "roughly in" if whole["mean"] > 0.8 else "not in"
        lines.append(
            f"The learned distance is {much} the order of the true number of steps to the goal (1 would be exact)."
        )
    return lines


def _fixed_point(block: Record) -> list[str]:
    own = block.get("its_own_spearman_with_cost")
    lines = [
        f"tau {block['tau']:g}, gamma {block['gamma']:g}: Spearman {number(block['spearman'])}, "
        f"Pearson {number(block['pearson'])}, mean error {number(block['error_of_bound'])} of the bound"
    ]
    if own:
        lines.append(f"that solution itself, against the true cost: Spearman {number(own)}")
    lines.append(
        "The loss itself asks for this solution: what the first line lacks is the fit, the second the loss's bias."
    )
    return lines


def _descent(block: Record) -> list[str]:
    lines = [f"{'walking down':<26}  reaches the goal       minima per goal           stuck"]
    names = {"learned": "the learned distance", "true": "the true cost", "straight": "the straight distance"}
    for key, name in names.items():
        if key in block:
            row = block[key]
            lines.append(
                f"{name:<26}  {number(row['coverage']):<21}  {number(row['minima']):<24}  {number(row['stuck'])}"
            )
    lines.append(
        f"Share of {block['states']} grid states from which the lowest neighbour leads on to the goal; stuck: "
        f"no neighbour is lower by {block['tolerance']:g} of the largest distance."
    )
    return lines


def _scale(block: Record) -> list[str]:
    bound = f"of a bound of {block['bound']:.4g} ({block['bound_from']})" if block["bound"] else "(no bound)"
    spread, unit = block["far_spread_of_max"], "maximum"
    if block["bound"]:
        spread, unit = block["far_spread_of_bound"], "bound"
    flat = "flat: a planner sees little there" if spread < 0.02 else "still graded"
    mean, step = f"far pairs: mean {block['far_mean']:.4g}, p95 - p5 {block['far_spread']:.4g}", block["step"]
    return [
        f"largest {block['max']:.4g} {bound}; {mean}",
        f"{step['steps']} step(s) of the data: {step['mean']:.4g} +- {step['std']:.4g} (1: each led there)",
        f"Far from the goal (the furthest third) the distance is {flat}: {spread:.2%} of the {unit}.",
    ]


def _metric(block: Record) -> list[str]:
    return [
        f"|d(x,y) - d(y,x)| is {block['asymmetry_of_mean']:.2%} of the mean distance {block['mean']:.4g}; "
        f"triangle inequality broken by {block['triangle_violations']:.2%} of {block['triples']} triples "
        f"(at worst by {block['triangle_worst']:.3g})",
        "0 for a metric; a quasimetric may be asymmetric, but keeps the triangle inequality.",
    ]


def _prediction(block: Record) -> list[str]:
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


def _planning(block: Record) -> list[str]:
    lines = [
        f"first plans of {block['plans']} tasks, {block['steps']} steps: cost promised {block['promised']:.4g}, "
        f"realised {block['realised']:.4g}, of standing still {block['staying']:.4g}"
    ]
    for name, means in block["recorded"].items():
        solved, unsolved = number(means["solved"]), number(means["unsolved"])
        lines.append(f"{name}, mean over the plans of an episode: solved {solved}, unsolved {unsolved}")
    lines.append(f"The environment keeps {block['kept']:.0%} of the improvement that the model promises.")
    return lines


def _probe(block: Record) -> list[str]:
    lines = [f"{'':<12}  held-out data  states of tasks  predicted at the horizon"]
    for name, row in block["arrays"].items():
        cells = f"{row['held_out']:>13.4g}  {row['at_tasks']:>15.4g}  {row['predicted_at_horizon']:>24.4g}"
        lines.append(f"{name:<12}  {cells}  ({row['about']})" if row["about"] else f"{name:<12}  {cells}")
    lines.append("Mean error of a linear reading of the latents, in the state's own units.")
    return lines


BLOCKS = {
    "rank": ("Order: learned distance against the true cost to go", _rank),
    "fixed_point": ("Fit: learned distance against the fixed point of its own loss", _fixed_point),
    "descent": ("Descent: can one walk down to the goal?", _descent),
    "scale": ("Scale and saturation", _scale),
    "metric": ("Symmetry and triangle inequality", _metric),
    "prediction": ("Prediction over the horizon", _prediction),
    "planning": ("Planning: promised and realised", _planning),
    "probe": ("Probe: what the latents tell of the state", _probe),
}
"""Blocks of a diagnosis in the order in which they are told: title, and lines of a record."""
