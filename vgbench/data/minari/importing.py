"""Reads a data set of Minari as one of vgbench."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vgbench.api import Environment, Trajectories
from vgbench.data import files
from vgbench.data.minari import KEY, OBSERVED, checked, library
from vgbench.errors import UsageError, VgbenchError
from vgbench.settings import DataSettings
from vgbench.spec import DataSpec

TOLERANCE = 1e-4
"""Largest distance from the action set that counts as rounding."""


def opened(name: str) -> Any:
    """Return the local Minari data set of that name.

    Raises:
        UsageError: Minari is not installed, or there is no such data set.
        VgbenchError: Minari cannot read it.
    """
    minari = library()
    checked(name)
    try:
        return minari.load_dataset(name)
    except FileNotFoundError as err:
        known = list(minari.list_local_datasets())
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        there = f"here: {', '.join(known)}" if known else "there is none here"
        raise UsageError(
            f"--minari {name}: no such data set on this machine; {hint}{there}. `minari download {name}` fetches a "
            "public one"
        ) from err
    except Exception as err:
        raise VgbenchError(f"--minari {name}: Minari cannot read it: {type(err).__name__}: {err}") from err


def exported_here(found: Any) -> dict[str, Any] | None:
    """What `vgbench export` wrote beside a data set; None for one that comes from elsewhere."""
    about = found.storage.metadata.get(KEY)
    return about if isinstance(about, dict) and about.get("format") == 1 else None


def restore(found: Any, about: Mapping[str, Any], out: Path) -> Trajectories:
    """Write to `out` a data set that was exported, as it was.

    Raises:
        VgbenchError: the arrays are not those that were exported.
    """
    try:
        data = _exported(found, about)
    except (KeyError, ValueError, TypeError, IndexError) as err:
        raise VgbenchError(
            f"--minari {found.id}: it is not what vgbench exported: {type(err).__name__}: {err}"
        ) from err
    if files.fingerprint(data) != about["fingerprint"]:
        raise VgbenchError(f"--minari {found.id}: its arrays are not those that vgbench exported (edited or damaged)")
    files.save(out, data, about["specification"])
    return data


def _exported(found: Any, about: Mapping[str, Any]) -> Trajectories:
    episodes = list(found.iterate_episodes())
    seen = {name: np.stack([e.observations[name] for e in episodes]) for name in episodes[0].observations}
    return Trajectories(
        {name: seen[name] for name in about["states"]},
        {name: np.ascontiguousarray(seen[name][:, 0]) for name in about["static"]},
        np.stack([e.actions for e in episodes]),
        dict(about["card"]),
        {name: seen[f"{OBSERVED}{name}"] for name in about["observations"]} or None,
    )


def convert(found: Any, asked: DataSpec, out: Path) -> Trajectories:
    """Write to `out` a data set from elsewhere, as one of an environment.

    Episodes are cut into pieces of `data.length` states, each beginning with the last state of the one before; what is
    left of an episode is left out.

    Raises:
        UsageError: observations or actions are not the environment's, or episodes are too short.
    """
    chosen = asked.environment
    world: Environment = chosen.cls(chosen.params)
    who, length = f"--minari {found.id}, environment {chosen.name!r}", asked.settings.length
    if not world.spec.restores_state:
        raise UsageError(f"{who}: its data sets hold rendered observations, which an import does not make")
    pieces, lengths, clipped = [], [], 0
    for episode in found.iterate_episodes():
        lengths.append(len(episode) + 1)
        piece = _episode(episode, world, who)
        clipped += piece.clipped
        pieces += list(piece.cut(length))
    if len(pieces) < 2:
        raise UsageError(
            f"{who}: its {len(lengths)} episodes have at most {max(lengths, default=0)} states and give {len(pieces)} "
            f"pieces of data.length={length}; expected at least 2: give a smaller --length"
        )
    left_out = sum((n - 1) % (length - 1) for n in lengths)
    actions = sum(n - 1 for n in lengths)
    card = {
        "minari": found.id,
        "episodes": len(lengths),
        "share_of_steps_left_out": round(left_out / actions, 4),
        "share_of_actions_clipped": round(clipped / actions, 4),
    }
    data = _joined(pieces, _static(world, asked), who, card)
    settings = DataSettings(trajectories=len(data), length=length)
    files.save(out, data, files.specification(chosen.name, world, settings, 0) | {"minari": found.id})
    return data


@dataclass(frozen=True)
class _Piece:
    """States [T + 1, ...] and actions [T, A] one after the other; some actions were clipped."""

    states: dict[str, np.ndarray]
    actions: np.ndarray
    clipped: int = 0

    def cut(self, length: int) -> Iterator["_Piece"]:
        """Pieces of `length` states."""
        for at in range(0, len(self.actions) - length + 2, length - 1):
            states = {name: array[at : at + length] for name, array in self.states.items()}
            yield _Piece(states, self.actions[at : at + length - 1])


def _episode(episode: Any, world: Environment, who: str) -> _Piece:
    """One episode of Minari's in the environment's terms."""
    recorded = _flat(episode.infos or {}, len(episode) + 1) | _flat(episode.observations, len(episode) + 1)
    try:
        states = world.recorded_states(recorded)
    except (ValueError, KeyError) as err:
        raise UsageError(f"{who}: the observations do not fit: {err}") from err
    actions = np.asarray(episode.actions)
    dim = world.spec.actions.dim
    if actions.dtype.kind not in "f" or actions.shape != (len(episode), dim):
        raise UsageError(
            f"{who}: the actions of an episode are {actions.dtype} {actions.shape}; expected numbers "
            f"{(len(episode), dim)}"
        )
    taken = torch.from_numpy(actions.astype(np.float32))
    inside = world.spec.actions.clip(taken)
    outside = (inside - taken).abs().amax(dim=-1) > TOLERANCE
    return _Piece(states, torch.where(outside[:, None], inside, taken).numpy(), int(outside.sum()))


def _flat(recorded: Any, rows: int, name: str = "") -> dict[str, np.ndarray]:
    """Arrays of `rows` states by name; those of nested dictionaries as `outer.inner`, a lone one as `observation`."""
    if isinstance(recorded, Mapping):
        parts = [_flat(value, rows, f"{name}.{key}".lstrip(".")) for key, value in recorded.items()]
        return {key: array for part in parts for key, array in part.items()}
    array = np.asarray(recorded)
    fits = array.dtype.kind in "fiub" and array.ndim > 0 and len(array) == rows
    return {name or "observation": array} if fits else {}


def _static(world: Environment, asked: DataSpec) -> list[str]:
    """Names of the arrays that do not change along a trajectory, as the environment's own data have them."""
    try:
        return list(world.collect(2, asked.settings.length, 0).static)
    except ValueError:  # too short for its walks: then it is known from the usual length
        return list(world.collect(2, 64, 0).static)


def _joined(pieces: list[_Piece], static: list[str], who: str, card: dict[str, Any]) -> Trajectories:
    states = {name: np.stack([piece.states[name] for piece in pieces]) for name in pieces[0].states}
    moving = [name for name in static if (states[name] != states[name][:, :1]).any()]
    if moving:
        raise UsageError(f"{who}: {moving[0]!r} changes along a trajectory, but it must not in this environment")
    fixed = {name: np.ascontiguousarray(states.pop(name)[:, 0]) for name in static}
    return Trajectories(states, fixed, np.stack([piece.actions for piece in pieces]), card)
