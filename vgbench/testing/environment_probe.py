"""What the checks of environments share: a small data set, tasks, steps and walks."""

from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor

from vgbench.api import Environment, State, Tasks, Trajectories
from vgbench.api.capabilities import MissingCapability, capability
from vgbench.data.sizes import collect_few
from vgbench.testing.check import Skip
from vgbench.testing.subject import Subject

_C = TypeVar("_C")

LENGTHS = (12, 24, 48, 96)
"""Lengths of trajectories that are tried in turn: an environment may need some (ValueError: these are too few)."""
TRAJECTORIES, TASKS = 4, 6


def make(subject: Subject) -> Environment:
    """Build the environment."""
    environment: Environment = subject.cls(subject.params)
    return environment


def offered(made: Environment, wanted: type[_C]) -> _C:
    """Return the environment as one that offers a capability; skip the check where it does not."""
    try:
        return capability(made, wanted)
    except MissingCapability as err:
        raise Skip(str(err)) from None


def outputs(subject: Subject, made: Environment) -> list[Tensor]:
    """Return a small data set, tasks, and what becomes of a task's start."""
    data = collect(made)
    tasks = made.sample_tasks(TASKS, 0, data)
    after = step(made, tasks.start, actions(made, TASKS))
    arrays = [*data.states.values(), *data.static.values(), data.actions, *(data.observations or {}).values()]
    results = [torch.from_numpy(array) for array in arrays]
    for state in (tasks.start, tasks.goal, after):
        results += [*state.values(), *made.observe(state).values()]
    return [*results, made.goal_distance(after, tasks.goal), made.success(after, tasks.goal)]


def collect(made: Environment, seed: int = 0) -> Trajectories:
    """Collect a small data set of the first of `LENGTHS` that is long enough."""
    for length in LENGTHS[:-1]:
        try:
            return collect_few(made, TRAJECTORIES, length, seed)
        except ValueError:
            continue
    return collect_few(made, TRAJECTORIES, LENGTHS[-1], seed)


@lru_cache(maxsize=8)
def data_of(subject: Subject) -> tuple[Environment, Trajectories, Tasks]:
    """Return the environment, a small data set and tasks: made once for all checks, which must not change them."""
    made = make(subject)
    data = collect(made)
    return made, data, made.sample_tasks(TASKS, 0, data)


def actions(made: Environment, count: int, seed: int = 0) -> Tensor:
    """Draw actions [count, A] in random directions, as far as the set allows."""
    generator = torch.Generator().manual_seed(seed)
    return made.spec.actions.boundary(torch.randn(count, made.spec.actions.dim, generator=generator))


def step(made: Environment, state: State, action: Tensor, seed: int | None = None) -> State:
    """Take a step, where moves are noisy with noise of a seed (None: of 0)."""
    noise = None
    if made.spec.noise_dim:
        noise = torch.zeros(len(action), made.spec.noise_dim)
        if seed is not None:
            noise = torch.randn(noise.shape, generator=torch.Generator().manual_seed(seed))
    return made.step(state, action, noise)


def walk(made: Environment, state: State, steps: int, hold: int = 4) -> list[tuple[State, Tensor, State]]:
    """(state, action, next state) of a walk in random directions, each held for some steps, so that walls are met."""
    moves = []
    for time in range(steps):
        action = actions(made, len(next(iter(state.values()))), time // hold)
        after = step(made, state, action)
        moves.append((state, action, after))
        state = after
    return moves


def misfit(arrays: Any, specs: Any, lead: tuple[int, ...]) -> str:
    """Describe the first array that is not as its ArraySpec says; empty if all are."""
    if set(arrays) != set(specs):
        return f"arrays {sorted(arrays)}, not {sorted(specs)}"
    for name, spec in specs.items():
        found, dtype = tuple(arrays[name].shape), str(arrays[name].dtype).removeprefix("torch.")
        if found != (*lead, *spec.shape) or dtype != spec.dtype:
            return f"{name}: {dtype} {list(found)}, not {spec.dtype} {[*lead, *spec.shape]}"
    return ""
