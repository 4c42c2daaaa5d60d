"""Checks of environments: data, tasks, and the capabilities that they declare."""

import inspect
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vgbench.api import HasCostToGo, HasExpert, HasLabels, HasMapPlace, HasPairLabels, HasStateGrid, HasTrack, StateGrid
from vgbench.api.capabilities import CAPABILITIES, offers
from vgbench.data.files import fingerprint
from vgbench.testing.check import Collector, Skip, expect
from vgbench.testing.environment_probe import TASKS, collect, data_of, offered, step
from vgbench.testing.subject import Subject, equal, near
from vgbench.text import suggest

check = Collector(("environment",))


@check()
def data_seeded(subject: Subject) -> None:
    """Another seed gives other data, the same seed the same bytes."""
    made, data, _ = data_of(subject)
    expect(fingerprint(collect(made)) == fingerprint(data), "the same bytes", "others", "an unseeded generator")
    if made.data_files:
        return  # they are what they are, whatever the seed
    cause = "`seed` is not used; or, where data come from files, these are not declared (`data_files`)"
    expect(fingerprint(collect(made, 1)) != fingerprint(data), "other data from another seed", "the same", cause)


@check()
def data_within_set(subject: Subject) -> None:
    """Actions of the data are finite and in the action set."""
    made, data, _ = data_of(subject)
    taken = torch.from_numpy(data.actions)
    clipped = made.spec.actions.clip(taken)
    fits = bool(taken.isfinite().all()) and near(taken, clipped, 1e-4)
    cause = "what was recorded is not what was executed (before clipping, or in other units)"
    expect(fits, f"actions within {made.spec.actions}", f"up to {float(taken.abs().max()):.4g}", cause)


@check()
def data_follow_steps(subject: Subject) -> None:
    """State t + 1 of a trajectory is what a step with action t makes of state t."""
    made, data, _ = data_of(subject)
    if made.spec.noise_dim:
        raise Skip("its steps are noisy, and the noise of data is not recorded")
    if not made.spec.restores_state:
        raise Skip("it declares that it cannot restore a state")
    static = {name: torch.from_numpy(array) for name, array in data.static.items()}
    for time in range(data.length - 1):
        now = {name: torch.from_numpy(array[:, time].copy()) for name, array in data.states.items()}
        after = step(made, now | static, torch.from_numpy(data.actions[:, time].copy()))
        for name, array in data.states.items():
            want = torch.from_numpy(array[:, time + 1].copy())
            cause = "actions and states are shifted against one another, or data come from another rule than `step`"
            expect(near(after[name], want, 1e-3), f"{name} of state {time + 1} as `step` says", "another", cause)


@check()
def data_card(subject: Subject) -> None:
    """What the data say of themselves are JSON values."""
    _, data, _ = data_of(subject)
    try:
        json.dumps(data.card)
        seen = ""
    except TypeError as err:
        seen = str(err)
    expect(not seen, "a card of JSON values", seen, "NumPy numbers; use float() and .tolist()")


@check()
def tasks_seeded(subject: Subject) -> None:
    """Another seed gives other tasks."""
    made, data, tasks = data_of(subject)
    other, again = made.sample_tasks(TASKS, 1, data), made.sample_tasks(TASKS, 0, data)
    same = [*tasks.start.values(), *tasks.goal.values()]
    expect(
        equal(same, [*again.start.values(), *again.goal.values()]), "the same tasks", "others", "an unseeded generator"
    )
    differs = not equal(same, [*other.start.values(), *other.goal.values()])
    expect(differs, "other tasks from another seed", "the same", "`seed` is not used")


@check()
def tasks_unsolved(subject: Subject) -> None:
    """No task is solved at its start."""
    made, data, _ = data_of(subject)
    tasks = made.sample_tasks(64, 3, data)
    solved = int(made.success(tasks.start, tasks.goal).sum())
    cause = "start and goal are drawn independently: draw again those that lie within the success radius"
    expect(not solved, "64 tasks to be solved", f"{solved} that are from the start", cause)


@check()
def tasks_fit_data(subject: Subject) -> None:
    """`check_tasks` accepts its own tasks and returns JSON values."""
    made, data, tasks = data_of(subject)
    figures: Any = made.check_tasks(tasks, data)
    expect(isinstance(figures, dict), "a dict of figures", type(figures).__name__, "a missing return")
    json.dumps(figures)


@check()
def success_at_goal(subject: Subject) -> None:
    """The goal counts as reached at the goal, at distance 0."""
    made, _, tasks = data_of(subject)
    reached = made.success(tasks.goal, tasks.goal)
    expect(reached.all(), "success at the goal", f"{int((~reached).sum())} of {TASKS} without", "a wrong comparison")
    gap = float(made.goal_distance(tasks.goal, tasks.goal).abs().max())
    expect(gap < 1e-4, "a distance of 0 from the goal to itself", gap, "goal and state are taken for one another")


@check()
def goal_distance(subject: Subject) -> None:
    """Distances to the goal are finite and at least 0."""
    made, _, tasks = data_of(subject)
    for state, goal in ((tasks.start, tasks.goal), (tasks.goal, tasks.start)):
        distance = made.goal_distance(state, goal)
        fits = bool((distance >= 0).all() and distance.isfinite().all())
        expect(fits, "finite distances of 0 or more", distance.tolist(), "a difference without `abs` or a norm")


@check()
def capabilities(subject: Subject) -> None:
    """Every capability that it declares exists and takes its arguments, and none that exists is left undeclared."""
    made, _, _ = data_of(subject)
    for name in sorted(made.capabilities):
        known, seen = "capabilities that the core knows", f"{name}. {suggest(name, CAPABILITIES)}"
        expect(name in CAPABILITIES, known, seen, "a typing error")
        method: Any = getattr(made, name, None)
        expect(callable(method), f"a method {name}", "none", "declared before it was written")
        wanted = list(inspect.signature(getattr(CAPABILITIES[name], name)).parameters)[1:]
        try:
            inspect.signature(method).bind(*wanted)
            fits = True
        except TypeError:
            fits = False
        cause = f"it was not written after vgbench.api.{CAPABILITIES[name].__name__}"
        expect(fits, f"{name}({', '.join(wanted)})", f"{name}{inspect.signature(method)}", cause)
    silent = sorted(name for name in set(CAPABILITIES) - made.capabilities if callable(getattr(made, name, None)))
    expect(
        not silent, "its capabilities in `capabilities`", f"{', '.join(silent)} left out", "nobody would ever use them"
    )


@check(after=("works", "capabilities"))
def cost_to_go(subject: Subject) -> None:
    """The cost to go is [B], 0 at the goal and above 0 at the start."""
    made, _, tasks = data_of(subject)
    cost = offered(made, HasCostToGo).cost_to_go
    start, end = cost(tasks.start, tasks.goal), cost(tasks.goal, tasks.goal)
    expect(start.shape == (TASKS,), f"shape [{TASKS}]", list(start.shape), "a dimension that was not reduced")
    expect((start > 0).all() and start.isfinite().all(), "finite costs above 0", start.tolist(), "a task with no way")
    expect((end.abs() <= 1e-3).all(), "a cost of 0 at the goal", end.tolist(), "start and goal are in wrong order")


@check(after=("works", "capabilities", "cost_to_go"))
def expert(subject: Subject) -> None:
    """The expert's actions lie in the set and lead towards the goal."""
    made, _, tasks = data_of(subject)
    act = offered(made, HasExpert).expert
    state = tasks.start
    for _ in range(3):
        action = act(state, tasks.goal)
        shape = (TASKS, made.spec.actions.dim)
        expect(action.shape == shape, f"actions {list(shape)}", list(action.shape), "a dimension that was left out")
        fits = near(action, made.spec.actions.clip(action), 1e-4)
        expect(fits, "actions in the set", f"up to {float(action.abs().max()):.4g}", "a missing clip")
        state = step(made, state, action)
    before, after = (made.goal_distance(s, tasks.goal) for s in (tasks.start, state))
    if offers(made, HasCostToGo):
        before, after = (made.cost_to_go(s, tasks.goal) for s in (tasks.start, state))
    seen = f"{float(before.mean()):.4g} before and {float(after.mean()):.4g} after 3 steps"
    expect(after.mean() < before.mean(), "a shorter way after some steps of the expert", seen, "a wrong sign")


@check(after=("works", "capabilities"))
def state_grid(subject: Subject) -> None:
    """Its grid has states as in `spec`, neighbours among them, and weights that sum to 1."""
    made, _, tasks = data_of(subject)
    one = {name: value[:1] for name, value in tasks.start.items()}
    grid: Any = offered(made, HasStateGrid).state_grid(one)
    expect(isinstance(grid, StateGrid), "a StateGrid", type(grid).__name__, "something else is returned")
    sizes = {name: len(value) for name, value in grid.states.items()}
    cause = "states and neighbours are of different grids"
    expect(set(sizes.values()) == {len(grid)}, f"{len(grid)} states", sizes, cause)
    near_by: Tensor = grid.neighbours
    inside = bool(((near_by >= -1) & (near_by < len(grid))).all())
    expect(inside and near_by.ndim == 2, "numbers of states, or -1", f"up to {int(near_by.max())}", cause)
    index, weight = grid.locate({name: value[: min(50, len(grid))] for name, value in grid.states.items()})
    whole = near(weight.sum(dim=-1), torch.ones(len(weight), dtype=weight.dtype), 1e-4)
    fits = whole and bool(((index >= 0) & (index < len(grid))).all())
    expect(fits, "`locate`: states of the grid with weights of sum 1", f"sum {weight.sum(dim=-1)[0]:.3g}", cause)
    places = (weight.argmax(dim=-1), torch.arange(len(weight)))
    found = index[torch.arange(len(index)), places[0]]
    expect(torch.equal(found, places[1]), "each state of the grid to be found where it is", "another", cause)


@check(after=("works", "capabilities"))
def drawing(subject: Subject) -> None:
    """Capabilities for pictures (track, map_place, labels, pair_labels) have their shapes."""
    made, data, tasks = data_of(subject)
    if not made.capabilities & {"track", "map_place", "labels", "pair_labels"}:
        raise Skip("it declares none of track, map_place, labels and pair_labels")
    places = {"map_place": made.map_place} if offers(made, HasMapPlace) else {}
    places |= {"track": made.track} if offers(made, HasTrack) else {}
    for name, place in places.items():
        shape = list(place(tasks.start).shape)
        expect(shape == [TASKS, 2], f"{name}: [{TASKS}, 2]", shape, "a dimension that was left out")
    if offers(made, HasMapPlace):
        extent: Any = getattr(made, "map_extent", None)
        expect(extent is not None and len(extent) == 4, "map_extent: four edges", extent, "it goes with map_place")
    if offers(made, HasLabels):
        for name, label in made.labels(data).items():
            fits = label.shape == (len(data),) and label.dtype == np.bool_
            expect(fits, f"label {name}: bool [{len(data)}]", f"{label.dtype} {list(label.shape)}", "no comparison")
    if offers(made, HasPairLabels):
        numbers = made.pair_labels(tasks.start, tasks.goal)
        known = len(getattr(made, "pair_label_names", ()))
        fits = numbers.shape == (TASKS,) and bool(((numbers >= 0) & (numbers < known)).all())
        expect(
            fits, f"pair_labels: [{TASKS}], below {known}", numbers.tolist(), "a name is missing in pair_label_names"
        )
