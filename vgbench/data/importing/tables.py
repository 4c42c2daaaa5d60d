"""Episodes in named arrays: rows one after another, [N, T, ...], or a group for each episode."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from vgbench.data.importing import fields as roles
from vgbench.data.importing.recording import BadEpisode, Episode, Recording, majority_rows, named
from vgbench.errors import UsageError
from vgbench.text import suggest

Fields = Mapping[str, Any]
"""Arrays by name, with `shape`, `dtype` and slices of NumPy's; read only where they are sliced."""


class Numbers(dict[str, Any]):
    """Arrays of numbers by name; `others` are the types of those that are none, for messages."""

    others: Mapping[str, str] = {}


def recognised(fields: Fields, map_: str | None, who: str) -> Recording:
    """Make sense of the arrays of a file.

    Raises:
        UsageError: it cannot be told what is what; the message says how to tell.
    """
    groups = _groups(fields)
    if groups:
        return Grouped(fields, groups, map_, who)
    mapped = roles.read_map(map_, fields)
    seen, acted = roles.observations(fields, mapped), roles.actions(fields, mapped)
    if not seen or acted is None:
        role, known = ("observations", roles.OBSERVATIONS) if not seen else ("actions", roles.ACTIONS)
        taken = {*seen, acted}
        near = [name for name in fields if name not in taken and suggest(name, known).startswith("Did you mean")]
        raise UsageError(
            f"{who}: no field is called {known[0]!r} or alike; say which with --map {role}="
            f"{near[0] if near else 'FIELD'}. There is {_listed(fields)}"
        )
    marks = roles.marks(fields, mapped)
    flags = [np.ndim(fields[name]) for name in marks]
    if fields[acted].ndim >= 3 or (fields[acted].ndim == 2 and flags and min(flags) == 2):
        return Stacked(fields, seen, acted, marks, who)
    if not marks:
        raise UsageError(
            f"{who}: no field tells where episodes end; say with --map episodes=FIELD (flags of last rows, numbers of "
            f"episodes, their lengths, or where they end). There is {_listed(fields)}"
        )
    return Rows(fields, seen, acted, marks, mapped, who)


def _listed(fields: Fields) -> str:
    there = ", ".join(f"{name} {tuple(array.shape)}" for name, array in list(fields.items())[:20]) or "nothing"
    others = [f"{name} ({dtype})" for name, dtype in list(getattr(fields, "others", {}).items())[:6]]
    return there + (f"; no numbers are {', '.join(others)}" if others else "")


def _groups(fields: Fields) -> list[str]:
    """Groups that are an episode each, in the order of their numbers."""
    found = {name.rpartition("/")[0] for name in fields if name.rpartition("/")[2] in roles.ACTIONS} - {""}
    numbered = [number for group in found if (number := re.search(r"\d+$", group))]
    if len(numbered) < len(found):
        return []
    return [
        match.string for match in sorted(numbered, key=lambda match: (match.string[: match.start()], int(match[0])))
    ]


class Rows(Recording):
    """Rows of all episodes one after another, with marks of where they end."""

    def __init__(
        self, fields: Fields, seen: list[str], acted: str, marks: list[str], mapped: Mapping[str, list[str]], who: str
    ) -> None:
        """Find the episodes, and hold the numbers of rows against each other."""
        self._arrays, self._acted = fields, acted
        self._seen = named(seen)
        count, states = len(fields[acted]), len(fields[seen[0]])
        told = [fields[name][:] for name in marks]
        for name in seen:
            if len(fields[name]) != states or states < count:
                other, rows = (seen[0], states) if len(fields[name]) != states else (acted, count)
                raise UsageError(
                    f"{who}: fields of different lengths: {name!r} has {len(fields[name])} rows, {other!r} has {rows}; "
                    "expected as many rows, or one observation more for each episode"
                )
        self._more = more = states != count
        self._ends = self._ended(marks, told, states, count, who)
        if self._ends[-1] != count or (more and count + len(self._ends) != states):
            raise UsageError(
                f"{who}: fields of different lengths: {seen[0]!r} has {states} rows, {acted!r} has {count}; expected "
                f"as many, or one more for each episode, as {' and '.join(marks)} tell them apart"
            )
        self._begins = np.append(0, self._ends[:-1])
        after = mapped.get("next_observations") or [n for n in ("next_observations",) if n in fields]
        self._next = after[0] if after and len(seen) == 1 and len(fields[after[0]]) == count and not more else None
        self.rows = not more and self._next is None
        self.fields = {**self._seen, "actions": acted, "episodes": " and ".join(marks)}
        own = roles.project(fields)
        self.layout = (
            f"{f'{own}: ' if own else ''}rows of {len(self._ends)} episodes, told apart by {' and '.join(marks)}"
        )
        self.notes = []
        if self.rows:
            self.notes.append("the last action of an episode leads to no state that was recorded; it is left out")
        taken = {*seen, acted, *marks, *([self._next] if self._next else [])}
        self._others = [
            n for n, a in fields.items() if n not in taken and a.ndim and len(a) in (count, len(fields[seen[0]]))
        ]

    @staticmethod
    def _ended(marks: list[str], told: list[np.ndarray], states: int, count: int, who: str) -> np.ndarray:
        """Ends of episodes in rows of actions, whether the marks count these or states."""
        if states == count:
            return roles.spans(marks, told, count, who)
        try:
            ends = roles.spans(marks, told, states, who)
        except UsageError:
            with suppress(UsageError):
                return roles.spans(marks, told, count, who)
            return np.zeros(1, np.int64)  # neither: the numbers of rows are what is wrong
        return ends - np.arange(1, len(ends) + 1)

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self._ends)

    def episode(self, number: int) -> Episode:
        """Read one."""
        low, high = int(self._begins[number]), int(self._ends[number])
        first, last = (low + number, high + number + 1) if self._more else (low, high)
        seen = {name: np.asarray(self._arrays[field][first:last]) for name, field in self._seen.items()}
        if self._next:
            name, here = next(iter(seen.items()))
            after = np.asarray(self._arrays[self._next][low:high])
            if not np.array_equal(after[:-1], here[1:], equal_nan=after.dtype.kind == "f"):
                raise BadEpisode(f"field {self._next!r}", "it does not repeat the observations of the next rows")
            seen = {name: np.concatenate([here, after[-1:]])}
        others = {}
        for name in self._others:
            array = self._arrays[name]
            others[name] = np.asarray(
                array[first:last] if len(array) != len(self._arrays[self._acted]) else array[low:high]
            )
        return Episode(seen, np.asarray(self._arrays[self._acted][low:high]), others)


class Stacked(Recording):
    """Arrays [N, T, ...], cut to the lengths that a field or flags of last rows say."""

    def __init__(self, fields: Fields, seen: list[str], acted: str, marks: list[str], who: str) -> None:
        """Hold the shapes against each other."""
        self._arrays, self._acted, self._seen = fields, acted, named(seen)
        shape = fields[acted].shape
        for name in seen:
            found = fields[name].shape
            if len(found) < 2 or found[0] != shape[0] or found[1] not in (shape[1], shape[1] + 1):
                raise UsageError(
                    f"{who}: fields of different lengths: {name!r} is {found}, {acted!r} is {shape}; expected as many "
                    "episodes, and as many rows or one more"
                )
        self.rows = fields[seen[0]].shape[1] == shape[1]
        self._steps = self._lengths(fields, marks, shape, who)
        self.fields = {**self._seen, "actions": acted} | ({"episodes": " and ".join(marks)} if marks else {})
        own = roles.project(fields)
        self.layout = (
            f"{f'{own}: ' if own else ''}arrays of {shape[0]} episodes of at most {fields[seen[0]].shape[1]} states"
        )
        self.notes = (
            ["the last action of an episode leads to no state that was recorded; it is left out"] if self.rows else []
        )
        taken = {*seen, acted, *marks}
        self._others = [n for n, a in fields.items() if n not in taken and a.ndim > 1 and a.shape[0] == shape[0]]

    def _lengths(self, fields: Fields, marks: list[str], shape: tuple[int, ...], who: str) -> np.ndarray:
        """Actions of each episode."""
        if not marks:
            return np.full(shape[0], shape[1])
        flags = [np.asarray(fields[name][:]) for name in marks if fields[name].ndim == 2]
        if any(flag.shape[0] != shape[0] or flag.shape[1] < shape[1] for flag in flags):
            raise UsageError(
                f"{who}: {' and '.join(map(repr, marks))} have no flag for each of {shape[0]} x {shape[1]} actions"
            )
        if flags:
            last = np.any([flag[:, : shape[1]] != 0 for flag in flags], axis=0)
            return np.where(last.any(axis=1), last.argmax(axis=1) + 1, shape[1])
        counts = np.asarray(fields[marks[0]][:]).astype(np.int64)
        most = shape[1] if self.rows else shape[1] + 1
        if not self.rows and counts.max(initial=0) == shape[1]:
            counts = counts + 1  # they count actions: no episode is as long as the observations' array otherwise
        if counts.shape != shape[:1] or (counts < 0).any() or (counts > most).any():
            raise UsageError(
                f"{who}: {marks[0]!r} does not give the states of {shape[0]} episodes, at most {most} each"
            )
        return counts if self.rows else np.maximum(counts - 1, 0)

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self._steps)

    def episode(self, number: int) -> Episode:
        """Read one."""
        steps = int(self._steps[number])
        states = steps if self.rows else steps + 1
        seen = {name: np.asarray(self._arrays[field][number, :states]) for name, field in self._seen.items()}
        others = {name: np.asarray(self._arrays[name][number, :states]) for name in self._others}
        return Episode(seen, np.asarray(self._arrays[self._acted][number, :steps]), others)


class Grouped(Recording):
    """A group of arrays for each episode, as robomimic's `data/demo_0` and Minari's `episode_0`."""

    def __init__(self, fields: Fields, groups: list[str], map_: str | None, who: str) -> None:
        """Find the fields of the first group in all of them."""
        self._groups = groups
        self._inside: list[dict[str, Any]] = [{} for _ in groups]
        numbers = {group: number for number, group in enumerate(groups)}
        for name, array in fields.items():
            # The group is the longest part of the path that is one: inside of it there may be further ones.
            parts = name.split("/")
            for depth in range(len(parts) - 1, 0, -1):
                number = numbers.get("/".join(parts[:depth]))
                if number is not None:
                    self._inside[number]["/".join(parts[depth:])] = array
                    break
        inside = sorted(self._inside[0])
        mapped = roles.read_map(map_, inside)
        seen, acted = roles.observations(inside, mapped), roles.actions(inside, mapped)
        if not seen or acted is None:
            raise UsageError(
                f"{who}: group {groups[0]!r} has {', '.join(inside)}; say with --map observations=FIELD,actions=FIELD "
                "which of them are what"
            )
        self._acted, self._seen = acted, named(seen)
        self.fields = {**self._seen, "actions": acted}
        counts = [(len(own[seen[0]]), len(own[acted])) for own in self._inside if seen[0] in own and acted in own]
        self.rows = majority_rows(counts, who)
        self.layout = f"{len(groups)} groups of an episode each ({groups[0]}, ...)"
        self.notes = (
            ["the last action of an episode leads to no state that was recorded; it is left out"] if self.rows else []
        )

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self._groups)

    def episode(self, number: int) -> Episode:
        """Read one."""
        inside = {name: array for name, array in self._inside[number].items() if array.ndim}
        for field in (*self._seen.values(), self._acted):
            if field not in inside:
                raise BadEpisode(f"field {field!r}", "it is missing")
        taken = {*self._seen.values(), self._acted}
        others = {name: np.asarray(array[:]) for name, array in inside.items() if name not in taken}
        seen = {name: np.asarray(inside[field][:]) for name, field in self._seen.items()}
        return Episode(seen, np.asarray(inside[self._acted][:]), others)
