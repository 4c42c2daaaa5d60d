"""Success against budget: what planners solve with a number of evaluations of the predictor, from a sweep."""

from collections.abc import Mapping, Sequence

from vgbench.experiments.sweep import bare
from vgbench.storage.files import Record

COLUMNS = ("curve", "evaluations_per_task", "success_rate", "low", "high", "successes", "n", "settings", "folder")
_SETTINGS = ("planner", "mpc.replan_every")
"""Addresses that say how much is computed, whoever plans."""


def rows(points: Sequence[Record]) -> list[Record]:
    """Arrange the points of a sweep by evaluations per task, a curve for each planner.

    What is not of the planner (a recipe, a discount) makes curves of its own. Empty if all points are of one planner
    with the same values.
    """
    # By folder: a point that lies on two curves was computed once.
    unlike = {point["folder"]: point for point in points}.values()
    found: list[Record] = []
    for point in unlike:
        settings, rest = _parted(point["values"], point["planner"])
        recipes = {other["recipe"] for other in unlike}
        names = [point["planner"], *([point["recipe"]] if len(recipes) > 1 else []), *_texts(rest)]
        kept = ("recipe", "planner", "evaluations_per_task", "success_rate", "successes", "n", "ci95", "folder")
        about = {"curve": ", ".join(names), "settings": " ".join(_texts(settings))}
        found.append(about | {name: point[name] for name in kept})
    if len({(row["planner"], row["settings"]) for row in found}) < 2:
        return []
    order = list(dict.fromkeys(row["curve"] for row in found))
    return sorted(found, key=lambda row: (order.index(row["curve"]), row["evaluations_per_task"] or 0))


def _parted(values: Mapping[str, str], planner: str) -> tuple[dict[str, str], dict[str, str]]:
    """Values that belong to the planner, and the others."""
    own: dict[str, str] = {}
    rest: dict[str, str] = {}
    for address, value in values.items():
        mine = address in _SETTINGS or bare(address.rpartition(".")[0]) in (bare(planner), "planner")
        (own if mine else rest)[address] = value
    return own, rest


def _texts(values: Mapping[str, str]) -> list[str]:
    """Return `name=value` each; the planner itself is the curve's name."""
    return [f"{name}={value}" for name, value in values.items() if name != "planner"]
