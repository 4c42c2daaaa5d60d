"""Finds data sets of Minari, and reads those that were exported here; `vgbench.data.importing` reads others."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vgbench.api import Trajectories
from vgbench.data import files
from vgbench.data.episode_file import padded
from vgbench.data.minari import KEY, OBSERVED, checked, library
from vgbench.errors import UsageError, VgbenchError


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
        VgbenchError: the arrays are not those that were exported, or `out` was made meanwhile.
    """
    try:
        data = _exported(found, about)
    except (KeyError, ValueError, TypeError, IndexError) as err:
        raise VgbenchError(
            f"--minari {found.id}: it is not what vgbench exported: {type(err).__name__}: {err}"
        ) from err
    if files.fingerprint(data) != about["fingerprint"]:
        raise VgbenchError(f"--minari {found.id}: its arrays are not those that vgbench exported (edited or damaged)")
    files.save(out, data, about["specification"], new=True)
    return data


def _exported(found: Any, about: Mapping[str, Any]) -> Trajectories:
    episodes = list(found.iterate_episodes())
    lengths = np.array([len(e.actions) + 1 for e in episodes], np.int64)
    seen = {
        name: padded(np.concatenate([e.observations[name] for e in episodes]), lengths)
        for name in episodes[0].observations
    }
    return Trajectories(
        {name: seen[name] for name in about["states"]},
        {name: np.ascontiguousarray(seen[name][:, 0]) for name in about["static"]},
        padded(np.concatenate([e.actions for e in episodes]), lengths - 1, fill=0),
        dict(about["card"]),
        {name: seen[f"{OBSERVED}{name}"] for name in about["observations"]} or None,
        None if (lengths == lengths[0]).all() else lengths,
    )
