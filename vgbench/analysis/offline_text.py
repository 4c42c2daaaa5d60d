"""The record of `vgbench offline` in words."""

from vgbench.analysis.goal_statistics import collapsed_lines
from vgbench.storage.files import Record
from vgbench.text import figure_text

OF = {
    "held out": "held-out episodes",
    "training": "episodes of training (none were held out)",
    "given": "given episodes",
}


def text(record: Record) -> str:
    """Return it as lines of text, one block after another."""
    parts = [
        record["verdict"],
        f"{record['title']}: {record['episodes']} {OF[record['of']]}{_of_file(record)}, {record['states']} states",
        *overlap_lines(record),
    ]
    for name, title, lines in (
        ("order", "Order: learned distance to a later state against recorded steps", _order),
        ("time", "Time to goal: learned against recorded steps", _time),
        ("prediction", "Prediction over the horizon", _prediction),
        ("plan", "Plans to a recorded later state against the recorded actions", _plan),
    ):
        block = record["blocks"][name]
        found = [f"skipped: {block['skipped']}"] if "skipped" in block else lines(block)
        parts += ["", title, *(f"  {line}" for line in found)]
    return "\n".join(parts)


def _of_file(record: Record) -> str:
    data = record.get("data", {})
    return f" of {data['file']} (fingerprint {data['fingerprint']})" if data.get("file") else ""


def overlap_lines(record: Record) -> list[str]:
    """Say how many given episodes the model has seen, where it has seen any."""
    seen, all_ = record.get("data", {}).get("trained_on", 0), record["episodes"]
    if not seen:
        return []
    instead = "leave --data out" if record["data"]["held_out"] else "give others"
    return [f"{seen} of these {all_} episodes were trained on, which flatters the model; {instead} for unseen ones"]


def _untrained(block: Record, name: str, form: str = ".2f") -> str:
    """Range of a figure over the seeds of the untrained model."""
    values = [value for value in block.get("untrained", {}).get(name, []) if value is not None]
    if not values:
        return "unknown"
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def _order(block: Record) -> list[str]:
    found = block["spearman"]
    lines = [f"{block['goals']} goals: Spearman {figure_text(found)}, Kendall {figure_text(block['kendall'])}"]
    lines += collapsed_lines({"all": found})
    lines.append(f"untrained: Spearman {_untrained(block, 'spearman')}")
    return [*lines, "1: the nearer in recorded time, the nearer in the learned distance, all along an episode."]


def _time(block: Record) -> list[str]:
    lines = [f"{'recorded steps':<16}{'pairs':>7}{'recorded':>10}{'learned':>9}   (medians; {block['unit']})"]
    for group in block["groups"]:
        low, high = group["recorded"]
        span = f"{low} to {high}" if high else f"{low} or more"
        lines.append(f"{span:<16}{group['pairs']:>7}{group['recorded_median']:>10.3g}{group['learned_median']:>9.3g}")
    return [
        *lines,
        f"Pearson {figure_text(block['pearson'])}, median of learned over recorded {block['median_ratio']:.3g}; "
        f"{block['share_longer_than_recorded']:.0%} longer than recorded.",
        f"off by {block['error']:.3g} steps (untrained {_untrained(block, 'error', '.3g')}; the best constant "
        f"{block['error_of_constant']:.3g}); Pearson untrained {_untrained(block, 'pearson')}",
        "A recording shows that the goal can be reached in so many steps: a right value says as many or fewer.",
    ]


def _prediction(block: Record) -> list[str]:
    last = block["horizon"]
    steps = sorted({1, 2, 4, 8, last // 2, last} & set(range(1, last + 1)))
    lines = [f"{'step':<26}" + "".join(f"{step:>9}" for step in steps)]
    for key, name in (("latent", "latent error / no change"), ("latent_shuffled", "  with other actions")):
        lines.append(f"{name:<26}" + "".join(f"{block[key][step - 1]:>9.3g}" for step in steps))
    if untrained := block.get("untrained", {}).get("latent"):
        best = [min(one[step - 1] for one in untrained) for step in steps]
        lines.append(f"{'  untrained, best seed':<26}" + "".join(f"{value:>9.3g}" for value in best))
    return [*lines, "Below 1 (no change), far below other actions, and below untrained is good."]


def _plan(block: Record) -> list[str]:
    return [
        f"{block['plans']} plans of {block['steps']} steps: they differ from the recorded actions by "
        f"{block['error']:.3g} (from those of others by {block['error_of_others']:.3g}; untrained "
        f"{_untrained(block, 'error', '.3g')}; the mean action {block['error_of_constant']:.3g}), in units of the data",
        f"where they lead: cosine {block['cosine']:.3g} with the recorded actions, "
        f"{block['cosine_of_others']:.3g} with others; untrained {_untrained(block, 'cosine')}",
        f"predicted cost of the plans {block['cost_of_plans']:.4g}, of the recorded actions "
        f"{block['cost_of_recorded']:.4g}, of others {block['cost_of_others']:.4g}",
        "Nearer to the recorded actions than to others is good; a lower cost than theirs says that the planner does "
        "its part.",
    ]
