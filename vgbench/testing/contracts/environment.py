"""Checks of environments: the world itself. Those of data, tasks and capabilities are in `environment_data`."""

from typing import Any

import torch
from torch import Tensor

from vgbench.api import ActionSet, Environment, EnvironmentSpec, HasCostToGo, State
from vgbench.data.sizes import collect_few, enough
from vgbench.testing.check import Collector, Skip, expect
from vgbench.testing.contracts import environment_data
from vgbench.testing.environment_probe import (
    TASKS,
    TRAJECTORIES,
    actions,
    collect,
    data_of,
    make,
    misfit,
    offered,
    outputs,
    step,
    walk,
)
from vgbench.testing.subject import Subject, largest_gap, near

__all__ = ["CHECKS", "make", "outputs"]

check = Collector(("environment",))


@check(after=("constructs",))
def specification(subject: Subject) -> None:
    """Its `spec` is complete and its `success_radius` positive."""
    made = subject.make()
    spec: Any = made.spec
    expect(isinstance(spec, EnvironmentSpec), "an EnvironmentSpec", type(spec).__name__, "`spec` is something else")
    expect(isinstance(spec.actions, ActionSet), "an ActionSet", type(spec.actions).__name__, "bounds as bare numbers")
    expect(spec.state and spec.observations, "state and observation arrays", "none", "an empty mapping")
    for name, array in spec.observations.items():
        allowed = {"image": "uint8", "vector": "float32"}
        fits = allowed.get(array.kind) == array.dtype and (array.kind != "image" or len(array.shape) == 3)
        seen = f"{name}: {array.kind}, {array.dtype}, {array.shape}"
        expect(fits, "images as uint8 [C, H, W], vectors as float32", seen, "frames that were scaled already")
    radius: Any = getattr(made, "success_radius", None)
    fits = isinstance(radius, float | int) and radius > 0
    expect(fits, "success_radius above 0", repr(radius), "it was not set on the class")


@check(after=("specification",))
def works(subject: Subject) -> None:
    """Collects data, samples tasks, takes a step and observes, in the shapes of its `spec`."""
    made = subject.make()
    spec, data = made.spec, collect(made)
    n, length = data.actions.shape[:2]
    seen = f"{data.actions.dtype} {list(data.actions.shape)}"
    asked = enough(made, TRAJECTORIES, length + 1)
    fits = data.actions.ndim == 3 and n == asked and data.actions.shape[2] == spec.actions.dim
    fits = fits and str(data.actions.dtype) == "float32"
    expect(fits, f"actions: float32 [{asked}, T, {spec.actions.dim}]", seen, "another order of dimensions")
    moving = {name: array for name, array in spec.state.items() if name not in data.static}
    wrong = misfit(data.states, moving, (n, length + 1))
    cause = "the last state is missing, or an array that never changes belongs into `static`"
    expect(not wrong, f"T + 1 = {length + 1} states for T = {length} actions", wrong, cause)
    fixed = {name: array for name, array in spec.state.items() if name in data.static}
    wrong = misfit(data.static, fixed, (n,))
    expect(not wrong, "static arrays [N, ...] as in `spec`", wrong, cause)
    tasks = made.sample_tasks(TASKS, 0, data)
    for name, state in (
        ("start", tasks.start),
        ("goal", tasks.goal),
        ("step", step(made, tasks.start, actions(made, TASKS))),
    ):
        wrong = misfit(state, spec.state, (TASKS,))
        expect(not wrong, f"states as in `spec` ({name})", wrong, "a dimension or a cast that was left out")
        wrong = misfit(made.observe(state), spec.observations, (TASKS,))
        expect(not wrong, f"observations as in `spec` ({name})", wrong, "a dimension or a cast that was left out")
    wrong = misfit(made.goal_observation(tasks.goal), spec.observations, (TASKS,))
    expect(not wrong, "the observation of a goal as in `spec`", wrong, "goal_observation differs from observe")
    for how, dtypes in (("goal_distance", (torch.float32, torch.float64)), ("success", (torch.bool,))):
        value = getattr(made, how)(tasks.start, tasks.goal)
        seen = f"{value.dtype} {list(value.shape)}"
        fits = value.shape == (TASKS,) and value.dtype in dtypes
        expect(fits, f"{how}: {dtypes[0]} [{TASKS}]", seen, "a dimension that was not reduced (`squeeze(-1)`)")


@check()
def step_pure(subject: Subject) -> None:
    """A step changes neither the state nor the action in place, and twice the same gives the same."""
    made, _, tasks = data_of(subject)
    state = {name: value.clone() for name, value in tasks.start.items()}
    action = 2 * actions(made, TASKS)
    first = step(made, state, action, 0)
    same = all(torch.equal(state[name], value) for name, value in tasks.start.items())
    same = same and torch.equal(action, 2 * actions(made, TASKS))
    expect(same, "arguments as they were", "other numbers", "an operation in place (`+=`, `clamp_`) on an argument")
    second = step(made, state, action, 0)
    worst = next((name for name in first if not torch.equal(first[name], second[name])), "")
    cause = "something kept on the environment, or a random number: noise is an argument of `step`"
    expect(not worst, "the same state from the same step", f"another {worst}", cause)


@check()
def step_rows(subject: Subject) -> None:
    """A state's step does not depend on the others in the batch."""
    made, _, tasks = data_of(subject)
    action = actions(made, TASKS)
    together = step(made, tasks.start, action)
    for row in range(TASKS):
        one = {name: value[row : row + 1] for name, value in tasks.start.items()}
        alone = step(made, one, action[row : row + 1])
        for name, value in alone.items():
            gap = largest_gap(value, together[name][row : row + 1])
            cause = "a row that is taken for all (the layout of the first?), or a statistic over the batch"
            expect(near(value, together[name][row : row + 1], 1e-5), f"the same {name} alone", gap, cause)


@check()
def actions_clipped(subject: Subject) -> None:
    """Actions outside of the set act as the nearest one inside."""
    made, _, tasks = data_of(subject)
    wild = 7.0 * actions(made, TASKS)
    far, near_by = step(made, tasks.start, wild), step(made, tasks.start, made.spec.actions.clip(wild))
    for name, value in far.items():
        cause = "a missing `self.spec.actions.clip(action)` in `step`"
        gap = largest_gap(value, near_by[name])
        expect(near(value, near_by[name], 1e-5), f"the same {name} as for the clipped action", gap, cause)


@check()
def noise_used(subject: Subject) -> None:
    """Where `noise_dim` is not 0, a step depends on the noise: one from a task's start, or some step of the data."""
    made, _, tasks = data_of(subject)
    if not made.spec.noise_dim:
        raise Skip("its steps have no noise (spec.noise_dim is 0)")
    differs = _noise_matters(made, tasks.start, 0.5 * actions(made, TASKS))
    if not differs and made.spec.restores_state:
        # It may matter in places only, as at a door that leads anywhere: more and longer data will pass there.
        data = collect_few(made, 32, 64)
        fixed = {name: torch.from_numpy(value) for name, value in data.static.items()}
        for time in range(data.length - 1):
            now = {name: torch.from_numpy(value[:, time]) for name, value in data.states.items()} | fixed
            differs = differs or _noise_matters(made, now, torch.from_numpy(data.actions[:, time]))
    expect(differs, "other states from other noise", "the same", "`noise` is not used; spec.noise_dim should be 0")


def _noise_matters(made: Environment, state: State, action: Tensor) -> bool:
    first, *others = (step(made, state, action, seed) for seed in range(4))
    return any(not torch.equal(first[name], other[name]) for other in others for name in first)


@check()
def observation_of_state(subject: Subject) -> None:
    """What is observed is a function of the state alone, row by row."""
    made, _, tasks = data_of(subject)
    if not made.spec.restores_state:
        raise Skip("it declares that it cannot restore a state")
    first = made.observe(tasks.start)
    walk(made, tasks.goal, 3)
    others = [made.observe(tasks.start), make(subject).observe(tasks.start)]
    rows = [made.observe({name: value[r : r + 1] for name, value in tasks.start.items()}) for r in range(TASKS)]
    others.append({name: torch.cat([row[name] for row in rows]) for name in first})
    cause = "something kept from earlier steps, a random number, or a row that is taken for all"
    for again in others:
        for name, value in first.items():
            expect(near(again[name], value, 1e-5), f"the same {name}", largest_gap(again[name], value), cause)


@check()
def no_tunnelling(subject: Subject) -> None:
    """No step saves more than one step of the way, as it would through a wall (capability cost_to_go)."""
    made, _, tasks = data_of(subject)
    cost = offered(made, HasCostToGo).cost_to_go
    for before, _action, after in walk(made, tasks.start, 24):
        old, new = cost(before, tasks.goal), cost(after, tasks.goal)
        inside = new.isfinite() | ~old.isfinite()
        cause = "a step that ends inside of a wall or behind it: test the whole way, not its end alone"
        expect(inside.all(), "states from which the goal can be reached", f"cost {new.tolist()}", cause)
        gain = float((old - new)[old.isfinite()].max()) if bool(old.isfinite().any()) else 0.0
        expect(gain <= 1.3, "a gain of one step at most", f"one of {gain:.3g} steps", cause)


CHECKS = [*check.found, *environment_data.check.found]
