"""The verdict of a diagnosis: one line that says whether value or model falls short, and by which figure."""

from typing import Any

from vgbench.storage.files import Record

ORDER = 0.9
"""Rank correlation with the true cost below which the value's order falls short."""
COVERAGE = 0.9
"""Share of the states from which descending the learned distance reaches the goal, below which the value falls short:
relative to the true cost, from whose states all of them may not reach it either."""
KEPT = 0.5
"""Share of the promised improvement below which the model promises too much."""


def verdict(record: Record) -> str:
    """Say in one line what falls short in a run, from the blocks of its diagnosis that were measured."""
    blocks = {name: block for name, block in record["blocks"].items() if "skipped" not in block}
    value, model = _value(blocks), _model(blocks)
    if not blocks.keys() & {"rank", "descent", "prediction", "planning"}:
        return "Verdict: none, since what it needs could not be measured here."
    if value and model:
        return f"Verdict: value and model fall short: {'; '.join([*value, *model])}."
    if value or model:
        other = "model" if value else "value"
        known = blocks.keys() & ({"prediction", "planning"} if value else {"rank", "descent"})
        rest = f"no shortfall of the {other} shown" if known else f"the {other} could not be measured"
        return f"Verdict: the {'value' if value else 'model'} falls short: {'; '.join(value or model)}; {rest}."
    return f"Verdict: no shortfall shown{_good(blocks)}."


def _value(blocks: dict[str, Any]) -> list[str]:
    """What is wrong with the learned distance."""
    found = []
    groups = {name: one["spearman"] for name, one in blocks.get("rank", {}).get("groups", {}).items()}
    strata = blocks.get("rank", {}).get("strata", {})
    groups |= {f"goals of {name}": one["spearman"] for name, one in strata.items()}
    known = {name: one["mean"] for name, one in groups.items() if one}
    if known:
        worst = min(known, key=lambda name: known[name])
        if known[worst] < ORDER:
            place = "" if worst == "all" else f" ({worst})"
            found.append(f"its rank correlation with the true cost is {known[worst]:.2f}{place}")
    learned, true = (_coverage(blocks, name) for name in ("learned", "true"))
    if learned is not None and learned < COVERAGE * (1.0 if true is None else true):
        found.append(f"descending it reaches the goal from {learned:.0%} of the states")
    if "rank" not in blocks and "scale" in blocks:
        scale = blocks["scale"]
        spread = scale["far_spread_of_bound"] if scale["bound"] else scale["far_spread_of_max"]
        if spread < 0.02:
            found.append("it is flat far from the goal")
    return found


def _coverage(blocks: dict[str, Any], name: str) -> float | None:
    one = blocks.get("descent", {}).get(name)
    return one["coverage"]["mean"] if one and one["coverage"] else None


def _model(blocks: dict[str, Any]) -> list[str]:
    """What is wrong with the predictions."""
    found = []
    if block := blocks.get("prediction"):
        last = block["horizon"]
        if block["cost"][-1] >= block["cost_unchanged"][-1]:
            found.append(f"after {last} steps its predicted cost is no nearer to the truth than if nothing had changed")
        elif all(one >= 0.9 * other for one, other in zip(block["latent"], block["latent_shuffled"], strict=True)):
            found.append("the model all but ignores the actions")
    if block := blocks.get("planning"):
        if block["kept"] is None:
            found.append("its plans promise no improvement over standing still")
        elif block["kept"] < KEPT:
            found.append(f"{max(0.0, block['kept']):.0%} of the improvement that plans promise is realised")
    return found


def _good(blocks: dict[str, Any]) -> str:
    """The figures that show no shortfall."""
    parts = []
    if whole := blocks.get("rank", {}).get("groups", {}).get("all", {}).get("spearman"):
        parts.append(f"rank correlation with the true cost {whole['mean']:.2f}")
    if "planning" in blocks:
        parts.append(f"{blocks['planning']['kept']:.0%} of the promised improvement realised")
    return f" ({', '.join(parts)})" if parts else ""
