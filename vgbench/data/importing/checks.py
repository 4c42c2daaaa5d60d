"""What is held against every episode before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vgbench.data.importing.oddities import Oddities
from vgbench.data.importing.recording import BadEpisode, Episode, Recording
from vgbench.errors import UsageError

LARGEST = float(np.finfo(np.float32).max)
LEAST = 2
"""States without which an episode has no step."""


@dataclass
class Survey:
    """What a first look at all episodes found.

    Attributes:
        good: numbers of the episodes that can be used.
        lengths: their states.
        bad: why the others cannot, by number.
        short: episodes of fewer than two states.
        shapes: shape and type of one row of each observation.
        bounds: least and largest number of each observation.
        low: least value of each component of the actions, and `high` the largest.
        discrete: whether an action is a whole number: that of one of several actions.
        oddities: what is worth a note.
    """

    good: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)
    short: int = 0
    shapes: dict[str, tuple[tuple[int, ...], np.dtype]] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    low: np.ndarray = field(default_factory=lambda: np.zeros(0))
    high: np.ndarray = field(default_factory=lambda: np.zeros(0))
    discrete: bool = False
    oddities: Oddities = field(default_factory=Oddities)


def survey(recording: Recording, who: str, skip_bad: bool, cut: bool = False) -> Survey:
    """Look at every episode once; with `cut` episodes become several pieces, so that one may be enough.

    Raises:
        UsageError: one is bad, unless these are to be left out; or none is good.
    """
    found = Survey()
    for number in range(len(recording)):
        try:
            episode = recording.aligned(number)
            if len(episode.actions) + 1 < LEAST:
                found.short += 1
                continue
            _check(episode, recording.fields, found)
        except BadEpisode as err:
            found.bad[number] = str(err)
            continue
        found.good.append(number)
        found.lengths.append(len(episode.actions) + 1)
        _extend(found, episode)
    if found.bad and (not skip_bad or not found.good):
        number, why = next(iter(found.bad.items()))
        more = f" ({len(found.bad) - 1} more of {len(recording)} are bad, too)" if len(found.bad) > 1 else ""
        hint = "; --skip-bad leaves such episodes out" if found.good else ""
        raise UsageError(f"{who}: episode {number}: {why}{more}{hint}")
    least = 1 if cut else 2
    if len(found.good) < least:
        hint = "; --length N cuts it into pieces of N states" if len(found.good) == 1 else ""
        raise UsageError(
            f"{who}: {len(found.good)} of {len(recording)} episodes have two states or more; expected at least "
            f"{least}{hint}"
        )
    return found


def _check(episode: Episode, fields: Mapping[str, str], found: Survey) -> None:
    rows = {**episode.observations, "actions": episode.actions}
    for name, array in rows.items():
        where = f"field {fields[name]!r}"
        if array.dtype.kind not in "fiub":
            raise BadEpisode(where, f"{array.dtype}, expected numbers")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))[0, 0])
            what = "NaN" if np.isnan(array[row]).any() else "infinity"
            raise BadEpisode(where, f"{what} at step {row}; expected finite numbers")
        if 0 in array.shape[1:]:
            raise BadEpisode(where, f"rows of shape {array.shape[1:]}; expected a number at least")
        if array.dtype.itemsize > 4 and array.dtype.kind == "f" and np.abs(array).max() > LARGEST:
            raise BadEpisode(
                where, f"a number of {np.abs(array).max():g}; expected those of float32, up to {LARGEST:g}"
            )
        shape = found.shapes.get(name, (array.shape[1:], array.dtype))[0]
        if array.shape[1:] != shape:
            raise BadEpisode(where, f"rows of shape {array.shape[1:]}, but {shape} in the episodes before")
    actions, where = episode.actions, f"field {fields['actions']!r}"
    if actions.ndim != 2:
        raise BadEpisode(where, f"actions of shape {actions.shape[1:]}; expected vectors")
    if actions.dtype.kind != "f" and actions.shape[1] != 1:
        raise UsageError(
            f"{where}: actions are {actions.shape[1]} numbers of {actions.dtype}; expected real numbers, or one whole "
            "number for each step, that of a discrete action (save the vectors as float32)"
        )
    before = found.shapes.get("actions")
    if before and (before[1].kind == "f") != (actions.dtype.kind == "f"):
        raise BadEpisode(where, f"actions are {actions.dtype}, but {before[1]} in the episodes before")


def _extend(found: Survey, episode: Episode) -> None:
    for name, array in episode.observations.items():
        low, high = float(array.min()), float(array.max())
        old = found.bounds.get(name, (low, high))
        found.bounds[name] = min(old[0], low), max(old[1], high)
        found.shapes.setdefault(name, (array.shape[1:], array.dtype))
    found.shapes.setdefault("actions", (episode.actions.shape[1:], episode.actions.dtype))
    found.discrete = episode.actions.dtype.kind != "f"
    if not found.discrete:
        found.oddities.add(episode)
    actions = episode.actions.astype(np.float64 if found.discrete else np.float32)
    least, most = actions.min(axis=0), actions.max(axis=0)
    found.low = np.minimum(found.low, least) if len(found.low) else least
    found.high = np.maximum(found.high, most) if len(found.high) else most
