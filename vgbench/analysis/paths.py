"""What is measured along the path of an episode, and what it says of why the task failed."""

from dataclasses import dataclass

import numpy as np
import torch

from vgbench.analysis.replay import EpisodeTrace
from vgbench.analysis.sampling import array
from vgbench.api import HasCostToGo
from vgbench.api.capabilities import offers
from vgbench.experiments.trained import Trained
from vgbench.model.batching import join_rows

REGION = 3.0
"""Full steps across the region in which an agent counts as stuck: it could leave in as many."""
LONG = 0.25
"""Share of an episode from which on being stuck is what went wrong."""
LEAST = 8
"""Steps below which nothing counts as stuck, however short the episode."""
NEAR = 2.0
"""Success radii from the goal within which a failed task is a near miss."""
FULL_STEP = 0.95
"""Quantile of the steps in the training data that counts as a full step."""
SAMPLED = 4096
"""Steps of the training data from which that quantile is taken."""


@dataclass(frozen=True)
class Path:
    """What is measured along one episode of T steps.

    Attributes:
        distance: [T + 1], to the goal, in the environment's unit.
        left: [T + 1], true cost to go in steps where it is known, otherwise `distance`.
        between: [T + 1, T + 1], distances between the states.
        known: whether `left` is the true cost to go.
    """

    distance: np.ndarray
    left: np.ndarray
    between: np.ndarray
    known: bool

    @property
    def steps(self) -> int:
        """Steps that were made."""
        return len(self.distance) - 1

    @property
    def length(self) -> float:
        """Length of the way, in the environment's unit."""
        return float(np.diagonal(self.between, 1).sum())


def full_step(trained: Trained) -> float:
    """Return the distance that a full step makes in the training data."""
    data = trained.data
    rng = np.random.default_rng(0)
    row = torch.from_numpy(rng.integers(0, len(data), SAMPLED))
    # Trajectories may differ in length: a step that is not there is left out.
    first = (torch.from_numpy(rng.random(SAMPLED)) * (data.lengths.cpu()[row] - 1)).long()
    here = data.state(row.to(data.device), first.to(data.device))
    after = data.state(row.to(data.device), (first + 1).to(data.device))
    return float(trained.environment.goal_distance(here, after).double().quantile(FULL_STEP))


def measure(trained: Trained, trace: EpisodeTrace) -> Path:
    """Measure the path of an episode."""
    environment, count = trained.environment, len(trace.moments)
    states = join_rows([moment.state for moment in trace.moments])
    goal = {name: value.expand(count, *value.shape[1:]) for name, value in trace.moments[0].goal.items()}
    distance = array(environment.goal_distance(states, goal))
    left, known = distance, False
    if offers(environment, HasCostToGo):
        left, known = array(environment.cost_to_go(states, goal)), True
    each = torch.arange(count, device=trained.data.device)
    first, second = (
        {name: value[index] for name, value in states.items()}
        for index in (each.repeat_interleave(count), each.repeat(count))
    )
    between = array(environment.goal_distance(first, second)).reshape(count, count)
    return Path(distance, left, between, known)


def stuck_stretch(path: Path, unit: float) -> tuple[int, int]:
    """Return first and last step of the longest stretch within a region of `REGION` full steps across."""
    inside = path.between <= REGION * unit
    best, first = (0, 0), 0
    for last in range(path.steps + 1):
        while not inside[first : last + 1, last].all():
            first += 1
        if last - first > best[1] - best[0]:
            best = (first, last)
    return best


def reason(path: Path, unit: float, radius: float) -> str:
    """Say what went wrong on a path: "near_miss", "too_slow", "stuck" or "wandering"."""
    nearest = int(path.distance.argmin())
    # Near in space may be far in steps: behind a wall.
    if path.distance[nearest] < NEAR * radius and (not path.known or path.left[nearest] <= LEAST):
        return "near_miss"
    if _approaching(path.left):
        return "too_slow"
    first, last = stuck_stretch(path, unit)
    return "stuck" if last - first >= max(LEAST, LONG * path.steps) else "wandering"


def _approaching(left: np.ndarray) -> bool:
    """Whether the last quarter of an episode went towards the goal, fast enough to arrive in as many steps again."""
    steps = len(left) - 1
    late = max(1, steps // 4)
    gained = left[-1 - late] - left[-1]
    if not np.isfinite(gained) or gained <= 0 or left[-1] > left.min() + 0.1 * left[0]:
        return False
    return bool(left[-1] / (gained / late) <= steps)
