"""Which of a file's fields are observations, actions and the marks of episodes: by their names, or as the user says."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from vgbench.errors import UsageError
from vgbench.text import suggest

ROLES = ("observations", "actions", "episodes", "next_observations")
OBSERVATIONS = (
    *("observations", "observation", "obs", "pixels", "frames", "images", "image", "frame", "rgb", "states", "state"),
)
ACTIONS = ("actions", "action", "acts", "act", "controls", "control", "u")
ENDS = (
    *("terminals", "terminal", "timeouts", "timeout", "dones", "done", "terminations", "truncations", "terminated"),
    *("truncated", "terminateds", "truncateds", "is_last"),
)
"""Flags of an episode's last row; of several, each marks an end."""
MARKS = (
    *("ep_len", "lengths", "episode_lengths", "episode_length", "ep_lens", "traj_lengths", "path_lengths"),
    *("episode_ends", "traj_ends", "ep_offset", "episode_starts", "episode_index", "episode_idx", "episode_id"),
    *("episode_ids", "ep_idx", "ep_id", "traj_id", "traj_ids", "trajectory_id", "episodes", "episode", "is_first"),
)
"""Other fields that tell episodes apart, before flags; what each holds is seen from its numbers."""
KNOWN = (
    ("stable-worldmodel", {"ep_len", "ep_offset"}),
    ("D4RL", {"observations", "actions", "terminals", "timeouts"}),
    ("OGBench", {"observations", "actions", "terminals"}),
    ("PLDM", {"states", "actions", "locations"}),
)
"""Projects whose files are known by their fields, the first that fits."""
Fields = Mapping[str, Any]


def read_map(text: str | None, fields: Iterable[str]) -> dict[str, list[str]]:
    """Read `--map observations=frames,actions=u,episodes=done`; several fields are joined by `+`.

    Raises:
        UsageError: it is written otherwise, or names no role or no field.
    """
    found: dict[str, list[str]] = {}
    known = list(fields)
    for part in filter(None, (text or "").split(",")):
        role, equals, names = part.partition("=")
        role = role.strip()
        if not equals or not names.strip():
            raise UsageError(f"--map {part}: expected ROLE=FIELD, such as observations=frames,actions=u,episodes=done")
        if role not in ROLES:
            raise UsageError(f"--map {part}: there is no role {role!r}. {suggest(role, ROLES)}")
        for name in map(str.strip, names.split("+")):
            if name not in known:
                raise UsageError(f"--map {part}: the file has no field {name!r}. {suggest(name, known)}")
            found.setdefault(role, []).append(name)
    return found


def observations(fields: Iterable[str], mapped: Mapping[str, list[str]]) -> list[str]:
    """Return the fields that a model sees: one, or all of a group `observations/...` or `observation. ...`."""
    if "observations" in mapped:
        return mapped["observations"]
    known = list(fields)
    for name in OBSERVATIONS:
        if name in known:
            return [name]
        members = sorted(field for field in known if field.startswith((f"{name}/", f"{name}.")))
        if members:
            return members
    return []


def actions(fields: Iterable[str], mapped: Mapping[str, list[str]]) -> str | None:
    """Return the field of actions, or None."""
    known = list(fields)
    return next(iter(mapped.get("actions") or (name for name in ACTIONS if name in known)), None)


def marks(fields: Iterable[str], mapped: Mapping[str, list[str]]) -> list[str]:
    """Return the fields that tell episodes apart; flags are taken together."""
    if "episodes" in mapped:
        return mapped["episodes"]
    known = list(fields)
    first = next((name for name in MARKS if name in known), None)
    return [first] if first else [name for name in ENDS if name in known]


def project(fields: Iterable[str]) -> str | None:
    """Name the project whose layout these fields are."""
    known = set(fields)
    return next((name for name, own in KNOWN if own <= known), None)


def spans(names: list[str], arrays: list[np.ndarray], rows: int, who: str) -> np.ndarray:
    """Return where episodes end, [N] int64, the last at `rows`.

    Raises:
        UsageError: it cannot be told.
    """
    if len(arrays) > 1:
        for name, array in zip(names, arrays, strict=True):
            if len(array) != rows:
                raise UsageError(f"{who}: {name!r} has {len(array)} rows, but there are {rows} actions")
        return _of_flags(np.any([np.asarray(a).reshape(rows) != 0 for a in arrays], axis=0), names, who)
    name, array = names[0], np.asarray(arrays[0])
    if array.dtype.kind not in "fiub" or array.size != len(array) or not np.isfinite(array).all():
        raise UsageError(
            f"{who}: {name!r} is {array.dtype} {array.shape}; expected a number for each row or each episode: flags of "
            "last rows, numbers of episodes, their lengths, or where they end"
        )
    numbers = array.reshape(-1).astype(np.int64)
    if len(numbers) == rows:
        if name == "is_first":
            return np.append(np.flatnonzero(numbers)[1:], rows)
        rises = bool((np.diff(numbers) >= 0).all())
        if set(np.unique(numbers)) <= {0, 1} and not (rises and numbers.sum() > 1 and numbers[0] == 0):
            return _of_flags(numbers != 0, names, who)
        return np.append(np.flatnonzero(np.diff(numbers)) + 1, rows)
    if len(numbers) and numbers.sum() == rows and (numbers > 0).all():
        return np.cumsum(numbers)
    if len(numbers) and (np.diff(numbers) > 0).all():
        if numbers[-1] == rows and numbers[0] > 0:
            return numbers
        if numbers[0] == 0 and numbers[-1] < rows:
            return np.append(numbers[1:], rows)
    raise UsageError(
        f"{who}: {name!r} has {len(numbers)} numbers (they sum to {int(numbers.sum())}), which do not tell the "
        f"episodes of {rows} rows apart: expected flags of last rows, numbers of episodes, lengths, or where they end"
    )


def _of_flags(last: np.ndarray, names: list[str], who: str) -> np.ndarray:
    ends = np.flatnonzero(last) + 1
    if not len(ends):
        raise UsageError(f"{who}: {' and '.join(map(repr, names))} mark no end of an episode (all are 0)")
    # What stands after the last mark is an episode that the recording broke off.
    return ends if ends[-1] == len(last) else np.append(ends, len(last))
