"""Episodes as something recorded them, whatever file they come from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vgbench.errors import UsageError


class BadEpisode(Exception):
    """An episode that cannot be used: which field of it, and why."""

    def __init__(self, field: str, why: str) -> None:
        """Say so."""
        super().__init__(f"{field}: {why}")


@dataclass
class Episode:
    """One episode.

    Attributes:
        observations: what a model sees, by its name in the data set, [T + 1, ...] or (see `Recording.rows`) [T, ...].
        actions: [T, ...].
        others: all else that was recorded, by its name in the file: states of the simulation, rewards, ...
    """

    observations: dict[str, np.ndarray]
    actions: np.ndarray
    others: dict[str, np.ndarray] = field(default_factory=dict)


class Recording(ABC):
    """Episodes, read one at a time.

    Attributes:
        layout: words for what was recognised.
        fields: names of the file's fields, by what they are taken for: names of observations, `actions`, `episodes`.
        rows: whether there are as many states as actions, so that the last action leads to no state that is known.
        notes: what a user should know.
    """

    layout: str
    fields: dict[str, str]
    rows: bool
    notes: list[str]

    @abstractmethod
    def __len__(self) -> int:
        """Number of episodes."""

    @abstractmethod
    def episode(self, number: int) -> Episode:
        """Read one.

        Raises:
            BadEpisode: it cannot be read.
        """

    def aligned(self, number: int) -> Episode:
        """Read one as T + 1 states and T actions; `others` keep what has a row for each state.

        Raises:
            BadEpisode: the numbers of rows do not fit.
        """
        found = self._read(number)
        first, *rest = found.observations.items()
        states = len(first[1])
        for name, array in rest:
            if len(array) != states:
                raise BadEpisode(
                    f"field {self.fields[name]!r}", f"{len(array)} rows, but {self.fields[first[0]]!r} has {states}"
                )
        wanted = states if self.rows else states - 1
        if len(found.actions) != wanted:
            raise BadEpisode(
                f"field {self.fields[first[0]]!r}",
                f"{states} observations for {len(found.actions)} actions; expected "
                f"{len(found.actions) + (not self.rows)}, as in the other episodes",
            )
        actions = found.actions[: states - 1]
        if actions.ndim == 1:
            actions = actions[:, None]
        others = {name: array for name, array in found.others.items() if len(array) == states}
        return Episode(found.observations, actions, others)

    def _read(self, number: int) -> Episode:
        try:
            return self.episode(number)
        except (OSError, RuntimeError, ValueError, MemoryError) as err:  # what h5py raises for damaged parts
            raise BadEpisode("recording", f"it cannot be read: {err or type(err).__name__}") from err

    def odd(self, number: int) -> dict[str, int]:
        """Return the rows of fields that have none for each state."""
        found = self._read(number)
        states = len(next(iter(found.observations.values())))
        return {name: len(array) for name, array in found.others.items() if len(array) != states}


def majority_rows(counts: list[tuple[int, int]], who: str) -> bool:
    """Say whether episodes have as many states as actions, or one more, by what most of them have.

    Raises:
        UsageError: none has either.
    """
    same, more = sum(a == b for a, b in counts), sum(a == b + 1 for a, b in counts)
    if not same and not more and counts:
        states, actions = counts[0]
        raise UsageError(
            f"{who}: episode 0 has {states} observations for {actions} actions; expected as many, or one more"
        )
    return same > more


def named(fields: list[str]) -> dict[str, str]:
    """Name observations in the data set, by field: a lone one is `observation`, of several their last words differ."""
    if len(fields) == 1:
        return {"observation": fields[0]}
    short = [name.replace("/", ".").rpartition(".")[2] for name in fields]
    names = short if len(set(short)) == len(short) else [name.replace("/", "_") for name in fields]
    return dict(zip(names, fields, strict=True))


def flat(recorded: Any, name: str = "") -> dict[str, np.ndarray]:
    """Arrays of numbers by name; those of nested dictionaries as `outer.inner`, a lone one as `observation`."""
    if isinstance(recorded, Mapping):
        parts = [flat(value, f"{name}.{key}".lstrip(".")) for key, value in recorded.items()]
        return {key: array for part in parts for key, array in part.items()}
    array = np.asarray(recorded)
    return {name or "observation": array} if array.dtype.kind in "fiub" and array.ndim else {}
