"""Checks what objectives, distance and data ask of each other, before anything is computed."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, get_args

from vgbench.errors import UsageError
from vgbench.plugin.registry import Registry, load_plugin

if TYPE_CHECKING:
    from vgbench.api import Distance, Objective
    from vgbench.data.dataset import Dataset
    from vgbench.spec import RunSpec
    from vgbench.training.stage import Term


def check_terms(spec: "RunSpec", terms: Iterable["Term"], distance: "Distance") -> None:
    """Check each objective of a stage against the distance and the length of the trajectories.

    Raises:
        UsageError: an objective names a part or a need that there is not, needs what the distance does not offer,
            compares states too far apart, or asks for distances that are never reached.
    """
    for term in terms:
        _parts(term.name, term.objective)
        _needs(spec, term.name, term.objective, distance)
        _stride(term.name, term.objective, spec.settings["data"].length)
        bound, needed = distance.upper_bound, asked_range(term.objective, distance)
        if bound is not None and needed is not None and bound < needed:
            ways = _or(term.objective.remedies.get("distance_range"), "another distance")
            raise UsageError(
                f"objective '{term.name}' asks for distances up to {needed:.4g}, but distance '{spec.distance.name}' "
                f"never exceeds {bound:.4g}; take {ways}"
            )


def asked_range(objective: "Objective", distance: "Distance") -> float | None:
    """Return the largest value of the whole distance that an objective asks for: that of all its levels together.

    None where it asks for none, or where it is not known how the levels make a distance.
    """
    levels = [(terms.level, 1 / (1 - terms.gamma)) for terms in objective.value_terms if terms.level is not None]
    if not levels:
        return objective.distance_range
    weights = distance.level_weights
    return None if weights is None else sum(weights[level] * largest for level, largest in levels)


def untrained(stage: str, terms: Iterable["Term"]) -> str:
    """Say which objectives have weights of their own that no step changes, since `trains` lacks "own"; or nothing."""
    # Averages and copies, which an objective changes itself, ask for no gradient.
    idle = [
        term.who
        for term in terms
        if "own" not in term.objective.trains and any(p.requires_grad for p in term.objective.parameters())
    ]
    if not idle:
        return ""
    return (
        f"stage '{stage}': {' and '.join(idle)} has weights of its own that are not trained: its `trains` lacks 'own'"
    )


def check_window(group: str, window: int, terms: Iterable["Term"]) -> None:
    """Check that windows of `group`.window states are long enough for the objectives, with their values.

    Raises:
        UsageError: they are not.
    """
    for term in terms:
        if window < term.objective.min_length:
            raise UsageError(
                f"{group}.window={window}: objective '{term.name}' with these values needs at least "
                f"{term.objective.min_length} states"
            )


def check_lengths(data: "Dataset", terms: Iterable["Term"]) -> None:
    """Check that episodes of different lengths have windows that are long enough at the objectives' strides.

    Raises:
        UsageError: they are not.
    """
    for term in terms:
        stride, least = term.objective.stride, _least(term.objective)
        if data.typical_length < least * stride:
            raise UsageError(
                f"objective '{term.name}' with these values looks at {least} states that are {stride} steps apart, "
                f"which half of the episodes, of at most {data.typical_length} states, are too short for: the stride "
                f"can be at most {data.typical_length // least}"
            )


def offers(distance: "Distance | type[Distance]", need: str) -> bool:
    """Whether a distance, or every one of its class, offers what an objective may need."""
    if need == "asymmetric":
        return not distance.symmetric
    return distance.quasimetric if need == "quasimetric" else distance.levels > 1


def _parts(name: str, objective: "Objective") -> None:
    from vgbench.api.objective import Part

    parts = get_args(Part)
    unknown = set(objective.trains) - set(parts)
    if unknown:
        raise UsageError(f"objective '{name}' trains {sorted(unknown)}; expected some of {', '.join(parts)}")


def _needs(spec: "RunSpec", name: str, objective: "Objective", distance: "Distance") -> None:
    from vgbench.api.objective import Need

    known = get_args(Need)
    unknown = set(objective.needs) - set(known)
    if unknown:
        raise UsageError(f"objective '{name}' needs {sorted(unknown)}; expected some of {', '.join(known)}")
    # Sorted, so that the message names the same need in every process.
    for need in sorted(objective.needs):
        if not offers(distance, need):
            raise UsageError(
                f"objective '{name}' needs {_WORDS[need]}, which distance '{spec.distance.name}' is not with these "
                f"values. {_fitting(objective)}"
            )


_WORDS = {
    "asymmetric": "an asymmetric distance",
    "quasimetric": "a distance with the triangle inequality",
    "levels": "a distance of several levels",
}


def _fitting(objective: "Objective") -> str:
    """Name the installed distances that offer all that an objective needs."""
    names = []
    for entry in Registry().entries("distance"):
        try:
            fits = all(offers(load_plugin(entry), need) for need in objective.needs)
        except UsageError:  # one that cannot be imported is no suggestion
            continue
        if fits:
            names.append(entry.address)
    return f"Distances that are: --distance {', '.join(names)}" if names else "No installed distance is."


def _stride(name: str, objective: "Objective", length: int) -> None:
    stride, least = objective.stride, _least(objective)
    if length < least * stride:
        raise UsageError(
            f"objective '{name}' compares states {stride} steps apart, which trajectories of data.length={length} "
            f"states are too short for: it can be at most {length // least}; "
            f"take {_or(objective.remedies.get('stride'), 'a larger data.length')}"
        )


def _least(objective: "Objective") -> int:
    """Return the fewest states that an objective can do with; two are the least that can be compared."""
    return max(2, objective.min_length)


def _or(remedy: str | None, other: str) -> str:
    """Join what an objective recommends, if anything, and another way out."""
    return f"{remedy} or {other}" if remedy else other
