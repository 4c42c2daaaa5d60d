"""Discrete actions of recordings: whole numbers, one for each step."""

import numpy as np

from vgbench.api import Discrete
from vgbench.data.importing.checks import Survey
from vgbench.data.importing.recording import BadEpisode
from vgbench.errors import UsageError

CHOICES = 1024
"""Discrete actions, at most."""
USUAL = 64
"""Discrete actions that are taken for such without --action-range, at most."""


def choices(found: Survey, given: tuple[float, float] | None, frame_skip: int, where: str) -> tuple[int, int]:
    """Return how many discrete actions there are, and the number of the first.

    Args:
        found: least and largest number are those of it.
        given: numbers of the first and the last, if a user gave them.
        frame_skip: as `ImportOptions` says.
        where: file and field, as messages begin.

    Raises:
        UsageError: they are hardly those of discrete actions.
    """
    if frame_skip > 1:
        raise UsageError(
            f"--frame-skip {frame_skip}: {where} has discrete actions, which cannot be combined; leave it out"
        )
    if given and not (given[0].is_integer() and given[1].is_integer()):
        raise UsageError(
            f"--action-range {given[0]:g}:{given[1]:g}: {where} has discrete actions; expected the numbers of the "
            "first and the last"
        )
    low, high = map(int, given or (found.low[0], found.high[0]))
    if high - low >= CHOICES:
        raise UsageError(
            f"{where}: actions are whole numbers of {low} to {high}, too many to be those of discrete actions (at most "
            f"{CHOICES}); save them as float32, if they are a continuous quantity"
        )
    if not given and (low < 0 or high - low >= USUAL):
        odd = f"{high - low + 1} of them" if high - low >= USUAL else "negative ones among them"
        raise UsageError(
            f"{where}: actions are whole numbers of {low} to {high}, {odd}, which numbers of discrete actions rarely "
            f"are; if they are, say --action-range {low}:{high}, and if they are a continuous quantity, save them as "
            "float32"
        )
    return max(2, high - low + 1), low


def one_hot(numbers: np.ndarray, actions: Discrete, field: str) -> np.ndarray:
    """Return vectors [T, A] float32 of numbers [T, 1] of actions.

    Raises:
        BadEpisode: a number is none of the set.
    """
    index = numbers[:, 0].astype(np.int64) - actions.start
    outside = (index < 0) | (index >= actions.dim)
    if outside.any():
        step = int(np.argmax(outside))
        raise BadEpisode(
            f"field {field!r}",
            f"action {numbers[step, 0]} at step {step}; expected {actions.start} to {actions.start + actions.dim - 1}",
        )
    made: np.ndarray = np.eye(actions.dim, dtype=np.float32)[index]
    return made
