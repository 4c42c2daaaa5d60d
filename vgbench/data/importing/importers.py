"""Episodes of a recording in the terms of a data set: of an environment, or of recordings alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vgbench.api import ActionSet, Discrete, Environment
from vgbench.data.importing import discrete
from vgbench.data.importing.checks import Survey, survey
from vgbench.data.importing.images import ObservationLayout, understood
from vgbench.data.importing.recording import BadEpisode, Recording
from vgbench.data.sizes import collect_few
from vgbench.errors import UsageError
from vgbench.spec import DataSpec

TOLERANCE = 1e-4
"""Largest distance from the action set that counts as rounding."""


@dataclass(frozen=True)
class ImportOptions:
    """How recordings are read.

    Attributes:
        images: layout of images, of `images.LAYOUTS`; None: seen from their shapes.
        image_range: values of black and white; None: bytes, or 0 to 1.
        action_range: bounds of the action set of data without an environment; None: the data's own.
        frame_skip: states that become one; the actions between two of them are joined.
        skip_bad: leave bad episodes out, instead of refusing all.
        length: states of the pieces into which episodes are cut; None: they stay whole.
    """

    images: str | None = None
    image_range: tuple[float, float] | None = None
    action_range: tuple[float, float] | None = None
    frame_skip: int = 1
    skip_bad: bool = False
    length: int | None = None


@dataclass
class Piece:
    """Arrays of one episode of the data set, by group, and how many of its actions were clipped, and by how much."""

    groups: dict[str, dict[str, np.ndarray]]
    clipped: int = 0
    excess: float = 0.0

    @property
    def steps(self) -> int:
        """Number of actions."""
        return len(self.groups[""]["actions"])

    def cut(self, length: int | None) -> Iterator["Piece"]:
        """Yield it whole, or pieces of `length` states, each beginning with the last state of the one before."""
        if length is None:
            yield self
            return
        for at in range(0, self.steps - length + 2, length - 1):
            groups = {
                group: {
                    name: array if group == "static" else array[at : at + length - (group == "")]
                    for name, array in arrays.items()
                }
                for group, arrays in self.groups.items()
            }
            yield Piece(groups)


class Importer:
    """Turns episodes of a recording into those of a data set."""

    name: str
    environment: Environment
    actions: ActionSet

    def __init__(self, recording: Recording, options: ImportOptions, who: str) -> None:
        """Look at all episodes once."""
        self.recording, self.options, self.who = recording, options, who
        self.found: Survey = survey(recording, who, options.skip_bad, options.length is not None)

    def piece(self, number: int) -> Piece:
        """Make one episode.

        Raises:
            BadEpisode: it does not fit.
        """
        raise NotImplementedError

    def described(self) -> dict[str, str]:
        """Words for each field, by its name in the data set."""
        raise NotImplementedError

    def clipped(self, actions: np.ndarray) -> tuple[np.ndarray, int, float]:
        """Project actions [T, A] into the set; how many were outside, and how far the farthest.

        Raises:
            BadEpisode: a number of a discrete action [T, 1] is none of the set.
        """
        if isinstance(self.actions, Discrete) and self.found.discrete:
            return discrete.one_hot(actions, self.actions, self.recording.fields["actions"]), 0, 0.0
        taken = torch.from_numpy(np.array(actions, np.float32))
        inside = self.actions.clip(taken)
        away = (inside - taken).abs().amax(dim=-1)
        outside = away > TOLERANCE
        made = torch.where(outside[:, None], inside, taken).numpy()
        return made, int(outside.sum()), float(away.max())


class RecordedImporter(Importer):
    """For data without an environment: observations and actions as they were recorded."""

    def __init__(self, recording: Recording, options: ImportOptions, who: str) -> None:
        """Tell what the observations are."""
        from vgbench.data.recorded import RECORDED
        from vgbench.plugin.registry import load_plugin

        super().__init__(recording, options, who)
        self.layouts: dict[str, ObservationLayout] = {}
        for name, bounds in self.found.bounds.items():
            shape, dtype = self.found.shapes[name]
            # A flag for images is not about vectors beside them.
            asked = options.images if len(shape) > 1 or options.images == "vector" else None
            self.layouts[name] = understood(
                recording.fields[name], shape, dtype, bounds, asked, options.image_range, who
            )
        low, high, choices, start = *self._bounds(), 0, 0
        if self.found.discrete:
            choices, start = discrete.choices(
                self.found, options.action_range, options.frame_skip, f"{who}: field {recording.fields['actions']!r}"
            )
            low, high = (0.0,) * choices, (1.0,) * choices
        seen = [(name, layout.kind, layout.shape) for name, layout in self.layouts.items()]
        cls = load_plugin(RECORDED)
        self.name = RECORDED.name
        self.environment = cls(cls.Params(observations=tuple(seen), low=low, high=high, choices=choices, start=start))
        self.actions = self.environment.spec.actions

    def _bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        if self.options.action_range:
            size = len(self.found.low) * self.options.frame_skip
            low, high = self.options.action_range
            return (low,) * size, (high,) * size
        least, most, skip = self.found.low, self.found.high, self.options.frame_skip
        # A component that never changes needs room all the same, as a box has to have an inside.
        still = least >= most
        room = np.maximum(1, 4 * np.spacing(np.abs(least)))  # to large numbers, adding 1 changes nothing
        ends = np.where(still, least - room, least), np.where(still, most + room, most)
        return tuple(np.tile(ends[0], skip).tolist()), tuple(np.tile(ends[1], skip).tolist())

    def piece(self, number: int) -> Piece:
        """Make one episode, with every `frame_skip`-th state."""
        episode, skip = self.recording.aligned(number), self.options.frame_skip
        steps = len(episode.actions) // skip
        joined = episode.actions[: steps * skip].reshape(steps, -1)
        actions, clipped, excess = self.clipped(joined)
        seen = {
            name: self.layouts[name].convert(array[: steps * skip + 1 : skip])
            for name, array in episode.observations.items()
        }
        return Piece({"observations": seen, "": {"actions": actions}}, clipped, excess)

    def described(self) -> dict[str, str]:
        """Words for each field."""
        words = {name: f"{layout.words()} from {layout.field!r}" for name, layout in self.layouts.items()}
        spec: Any = self.actions
        if self.found.discrete:
            whose = "as given" if self.options.action_range else "the data's own range"
            numbers = f"{spec.start} to {spec.start + spec.dim - 1} ({whose})"
            field = self.recording.fields["actions"]
            return words | {"actions": f"one of {spec.dim}, numbers {numbers}, one-hot, from {field!r}"}
        joined = f", {self.options.frame_skip} joined" if self.options.frame_skip > 1 else ""
        whose = "as given" if self.options.action_range else "the data's own range"
        bounds = f"{_few(spec.low)} to {_few(spec.high)} ({whose})"
        return words | {"actions": f"vector of {spec.dim}, {bounds}{joined}, from {self.recording.fields['actions']!r}"}


class WorldImporter(Importer):
    """For data of an environment, which makes its states of what was recorded."""

    def __init__(self, recording: Recording, options: ImportOptions, who: str, asked: DataSpec) -> None:
        """Ask the environment what its data are."""
        chosen = asked.environment
        world: Environment = chosen.make()
        who = f"{who}, environment {chosen.name!r}"
        if not world.spec.restores_state:
            raise UsageError(f"{who}: its data sets hold rendered observations, which an import does not make")
        for option, value in (("--frame-skip", options.frame_skip > 1), ("--images", options.images)):
            if value:
                raise UsageError(
                    f"{option}: environment {chosen.name!r} says what its states and actions are; leave it out"
                )
        if options.action_range:
            raise UsageError(f"--action-range: environment {chosen.name!r} has an action set of its own; leave it out")
        super().__init__(recording, options, who)
        self.name, self.environment, self.actions = chosen.name, world, world.spec.actions
        self._static = _static(world, asked.settings.length)

    def piece(self, number: int) -> Piece:
        """Make one episode of the environment's states."""
        episode = self.recording.aligned(number)
        recorded = {name: array for name, array in episode.others.items() if array.dtype.kind in "fiub"}
        # Under its own name and under that in the data set: an environment may know either.
        recorded |= {self.recording.fields[n]: a for n, a in episode.observations.items()} | episode.observations
        try:
            states = dict(self.environment.recorded_states(recorded))
        except (ValueError, KeyError) as err:
            odd = self.recording.odd(number)
            missing = next((name for name in odd if repr(name) in str(err)), None)
            if missing:
                raise BadEpisode(
                    f"field {missing!r}",
                    f"{odd[missing]} rows, where the episode has {len(episode.actions) + 1} states",
                ) from err
            raise UsageError(f"{self.who}: episode {number}: the observations do not fit: {err}") from err
        for name, array in states.items():
            own = name in episode.observations or name in episode.others
            if own and array.dtype.kind == "f" and not np.isfinite(array).all():
                raise BadEpisode(f"field {name!r}", "NaN or infinity; expected finite numbers")
        fixed = {name: self._fixed(name, states.pop(name), number) for name in self._static}
        dim = self.actions.dim
        if self.found.discrete and not self.actions.discrete:
            raise UsageError(
                f"{self.who}: field {self.recording.fields['actions']!r}: actions are {episode.actions.dtype}; the "
                f"environment has no discrete ones, so they are expected as vectors of {dim} real numbers (float32)"
            )
        if not self.found.discrete and episode.actions.shape[1:] != (dim,):
            raise UsageError(
                f"{self.who}: episode {number}: field {self.recording.fields['actions']!r}: actions of "
                f"{episode.actions.shape[1]} numbers; expected {dim}"
            )
        actions, clipped, excess = self.clipped(episode.actions)
        return Piece({"states": states, "static": fixed, "": {"actions": actions}}, clipped, excess)

    def _fixed(self, name: str, array: np.ndarray, number: int) -> np.ndarray:
        if (array != array[:1]).any():
            raise UsageError(
                f"{self.who}: episode {number}: {name!r} changes along a trajectory, but must not in this environment"
            )
        return np.ascontiguousarray(array[0])

    def described(self) -> dict[str, str]:
        """Words for each field."""
        words = {
            name: f"{'image' if spec.kind == 'image' else 'vector'} of {' x '.join(map(str, spec.shape))}, {spec.dtype}"
            f"{'; does not change' if name in self._static else ''}"
            for name, spec in self.environment.spec.state.items()
        }
        return words | {
            "actions": f"vector of {self.actions.dim}, from {self.recording.fields['actions']!r}, in {self.actions!r}"
        }


def _static(world: Environment, length: int) -> list[str]:
    """Names of the arrays that do not change along a trajectory, as the environment's own data have them."""
    try:
        return list(collect_few(world, 2, length).static)
    except ValueError:  # too short or too few for its walks: then it is known from a usual size
        return list(collect_few(world, 32, 64).static)


def _few(values: tuple[float, ...]) -> str:
    """Write bounds: one number where all are the same."""
    if len(set(values)) == 1:
        return f"{values[0]:.4g}"
    return f"({', '.join(f'{value:.4g}' for value in values[:6])}{', ...' if len(values) > 6 else ''})"
