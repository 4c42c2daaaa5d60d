"""A data set of Minari as a recording."""

from typing import Any

import numpy as np

from vgbench.data.importing import fields as roles
from vgbench.data.importing.recording import BadEpisode, Episode, Recording, flat, named

GOALS = {"achieved_goal", "desired_goal", "observation"}
"""Observations of a goal-conditioned env, of which a model sees `observation` alone."""


class MinariRecording(Recording):
    """Episodes of T + 1 observations and T actions; what `infos` hold counts as recorded, too."""

    def __init__(self, found: Any, map_: str | None = None) -> None:
        """Take the names of the observations from the first episode."""
        self._found = found
        first = next(iter(found.iterate_episodes([0]))) if found.total_episodes else None
        known = sorted(flat(first.observations)) if first is not None else []
        mapped = roles.read_map(map_, [*known, *(flat(first.infos or {}) if first is not None else ()), "actions"])
        seen = mapped.get("observations") or (["observation"] if set(known) == GOALS else known)
        self._names = named(seen)
        self.fields = {**self._names, "actions": "actions"}
        self.layout, self.rows, self.notes = f"Minari: {found.total_episodes} episodes", False, []
        self.notes += _jpeg(found)

    def __len__(self) -> int:
        """Number of episodes."""
        return int(self._found.total_episodes)

    def episode(self, number: int) -> Episode:
        """Read one."""
        found = next(iter(self._found.iterate_episodes([number])))
        recorded = flat(found.infos or {}) | flat(found.observations)
        missing = [field for field in self._names.values() if field not in recorded]
        if missing:
            raise BadEpisode(f"field {missing[0]!r}", "it is missing")
        seen = {name: recorded.pop(field) for name, field in self._names.items()}
        return Episode(seen, np.asarray(found.actions), recorded)


def _jpeg(found: Any) -> list[str]:
    """Say that Minari keeps images as JPEG, where it does."""
    # Versions before that had no choice, and say nothing of it.
    if not getattr(found.storage, "jpeg_encoding", False):
        return []
    try:
        from minari.dataset.minari_storage import is_image_space
    except ImportError:
        return []
    spaces = getattr(found.observation_space, "spaces", None)
    each = spaces.values() if isinstance(spaces, dict) else [found.observation_space]
    if not any(is_image_space(space) for space in each):
        return []
    return [
        "Minari keeps images as JPEG, which changes them a little: the data set is not that of the same recordings in "
        "another format (record with jpeg_encoding=False to avoid it)"
    ]
