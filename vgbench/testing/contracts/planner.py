"""Checks of planners, on problems that have a known optimum."""

from typing import Any

import torch
from torch import Tensor

from vgbench.api import ActionSet, Box, Discrete, NormBall, Plan, Planner
from vgbench.testing.check import Collector, Skip, expect
from vgbench.testing.quadratic import Quadratic
from vgbench.testing.subject import Subject, equal, largest_gap, near

check = Collector(("planner",))

SETS: tuple[ActionSet, ...] = (NormBall(2, 1.5), Box((-1.0, -0.5), (1.0, 2.0)))


def make(subject: Subject) -> Planner:
    """Build the planner."""
    planner: Planner = subject.cls(subject.params)
    return planner


def outputs(subject: Subject, made: Planner) -> list[Tensor]:
    """Two plans in a row, the second with what the first one kept."""
    first = solve(made, problem(made))
    again = solve(made, problem(made, step=1, executed=1), first.state)
    return [first.actions, again.actions]


def problem(made: Planner, ids: tuple[int, ...] = (0, 1, 2, 3), **options: Any) -> Quadratic:
    """Return a quadratic problem as the core would pose it to this planner: blind for a baseline."""
    options.setdefault("horizon", min(6, max(1, made.horizon)) if not made.baseline else 4)
    return Quadratic(ids, blind=made.baseline, **options)


def solve(made: Planner, posed: Quadratic, state: dict[str, Tensor] | None = None) -> Plan:
    """Plan as the core does: gradients are recorded only where the planner declares that it needs them."""
    with torch.enable_grad() if made.gradient else torch.inference_mode():
        plan = made.plan(posed, state or {})
        if isinstance(plan, Plan):
            kept = {name: value.detach().clone() for name, value in plan.state.items()}
            return Plan(plan.actions.detach().clone(), kept, plan.info)
        return plan


@check(after=("constructs",))
def works(subject: Subject) -> None:
    """A plan is finite actions [B, 1 to H, A], with a row per task in its state and info."""
    made = subject.make()
    posed = problem(made)
    plan: Any = solve(made, posed)
    expect(isinstance(plan, Plan), "vgbench.api.Plan", type(plan).__name__, "the bare actions were returned: Plan(...)")
    shape = list(plan.actions.shape)
    fits = len(shape) == 3 and shape[0] == 4 and shape[2] == 2 and 1 <= shape[1] <= posed.horizon
    cause = "a dimension left over from the candidates, or a plan that is longer than problem.horizon"
    expect(fits, f"actions [4, 1 to {posed.horizon}, 2]", shape, cause)
    expect(plan.actions.isfinite().all(), "finite actions", "NaN or infinity", "a division by 0 (equal costs?)")
    for what, tensors in (("state", plan.state), ("info", plan.info)):
        for name, value in tensors.items():
            expect(len(value) == 4, f"a row per task in {what} {name!r}", list(value.shape), "a number for the batch")


@check()
def bounds(subject: Subject) -> None:
    """Plans lie in the action set: a ball or a box, and a discrete one if it declares that it plans in such, too."""
    made = subject.make()
    for actions in (*SETS, *([Discrete(2, 1.5)] if made.discrete else [])):
        for seed in range(3):
            plan = solve(made, problem(made, action_set=actions, seed=seed)).actions
            cause = "a missing `problem.action_set.clip`"
            seen = largest_gap(plan, actions.clip(plan))
            expect(near(plan, actions.clip(plan), 1e-5), f"actions within {actions}", seen, cause)


@check()
def seeded(subject: Subject) -> None:
    """Another seed of the noise gives another plan."""
    made = subject.make()
    posed = problem(made)
    first = solve(made, posed).actions
    if not posed.draws:
        raise Skip("it draws no noise")
    other = solve(made, problem(made, seed=1)).actions
    expect(not equal([first], [other]), "other plans from other noise", "the same", "the noise is drawn but not used")


@check()
def candidates(subject: Subject) -> None:
    """It asks for no more candidates at a time, and no more often, than it declares."""
    made = subject.make()
    if made.baseline:
        raise Skip("it declares itself a baseline, which never asks for the cost")
    posed = problem(made)
    solve(made, posed)
    most = max(posed.asked, default=0)
    cause = "the properties `candidates` and `cost_calls` have to say it: the memory of a run is planned by them"
    total, all_calls = made.sequences_per_plan, sum(posed.asked)
    expect(most <= made.candidates, f"up to {made.candidates} candidates (`candidates`)", most, cause)
    expect(len(posed.asked) <= made.cost_calls, f"{made.cost_calls} calls (`cost_calls`)", len(posed.asked), cause)
    cause = "the property `sequences_per_plan` has to say it, where rounds differ"
    expect(all_calls <= total, f"up to {total} candidates in all (`sequences_per_plan`)", all_calls, cause)


@check()
def bad_costs(subject: Subject) -> None:
    """It survives candidates whose cost is NaN or infinite."""
    made = subject.make()
    if made.baseline:
        raise Skip("it declares itself a baseline, which never asks for the cost")

    def spoil(cost: Tensor) -> Tensor:
        number = torch.arange(cost.shape[1])
        return cost.masked_fill(number % 4 == 1, torch.nan).masked_fill(number % 4 == 3, torch.inf)

    plan = solve(made, problem(made, spoil=spoil)).actions
    cause = "a mean, minimum or softmax over costs that are not finite: give these candidates no weight"
    expect(plan.isfinite().all(), "a finite plan", "NaN or infinity", cause)


@check()
def rows(subject: Subject) -> None:
    """A task's plan is the same alone and among others."""
    made = subject.make()
    together = solve(made, problem(made))
    ids = torch.tensor([2])
    alone = solve(made, problem(made, (2,)))
    cause = "a statistic over tasks, or noise that is not taken from `problem.noise`"
    gap = largest_gap(alone.actions, together.actions[ids])
    expect(near(alone.actions, together.actions[ids], 1e-4), "the same plan alone", gap, cause)
    state = {name: value[ids] for name, value in together.state.items()}
    next_alone = solve(made, problem(made, (2,), step=1, executed=1), state).actions
    next_together = solve(made, problem(made, step=1, executed=1), together.state).actions[ids]
    cause = "something kept on the planner itself: it belongs into Plan.state, whose rows follow their tasks"
    gap = largest_gap(next_alone, next_together)
    expect(near(next_alone, next_together, 1e-4), "the same second plan once other tasks are done", gap, cause)


@check()
def horizon_one(subject: Subject) -> None:
    """It can plan a single step."""
    made = subject.make()
    plan = solve(made, problem(made, horizon=1)).actions
    expect(plan.shape == (4, 1, 2), "actions [4, 1, 2]", list(plan.shape), "it plans `params.horizon` steps always")


@check(after=("works", "horizon_one"))
def warm_start(subject: Subject) -> None:
    """It goes on from its state after one action or several, and when the horizon shrinks towards the end."""
    made = subject.make()
    state: dict[str, Tensor] = {}
    steps = problem(made).horizon
    for step, (horizon, executed) in enumerate([(steps, 0), (steps, 1), (max(1, steps - 2), min(2, steps)), (1, 1)]):
        plan = solve(made, problem(made, horizon=horizon, step=step, executed=executed), state)
        state = plan.state
        length = plan.actions.shape[1]
        fine = 1 <= length <= horizon and bool(plan.actions.isfinite().all())
        cause = "the kept plan has the old length: drop what was executed and cut or pad it to problem.horizon"
        expect(fine, f"finite plans of up to {horizon} steps", f"{length} steps", cause)


@check()
def inputs_untouched(subject: Subject) -> None:
    """It does not change the state that it is given."""
    made = subject.make()
    state = solve(made, problem(made)).state
    before = {name: value.clone() for name, value in state.items()}
    made_again = problem(made, step=1, executed=1)
    solve(made, made_again, state)
    same = state.keys() == before.keys() and all(torch.equal(before[name], state[name]) for name in before)
    expect(same, "the state as it was", "other numbers", "an operation in place; a resumed run would differ")


@check(after=("works", "bounds", "horizon_one"))
def beats_random(subject: Subject) -> None:
    """In closed loop it comes nearer to the goal than random actions do."""
    made = subject.make()
    if made.baseline:
        raise Skip("it declares itself a baseline for others to beat")
    ids = tuple(range(8))
    ours, theirs = _closed_loop(made, ids), _random_loop(ids)
    cause = "a sign (the cost is to be small), an argmax for argmin, or too few candidates"
    expect(ours < 0.8 * theirs, f"a distance to the goal below 0.8 of random's {theirs:.3g}", f"{ours:.3g}", cause)


def _closed_loop(made: Planner, ids: tuple[int, ...], steps: int = 8) -> float:
    """Mean distance to the goal after some steps, each planned from the state it led to."""
    position, state = torch.zeros(len(ids), 2), dict[str, Tensor]()
    for step in range(steps):
        horizon = min(6, max(1, made.horizon), steps - step)
        posed = problem(made, ids, position=position, step=step, executed=min(step, 1), horizon=horizon)
        plan = solve(made, posed, state)
        position, state = posed.after(plan.actions), plan.state
    return float(torch.linalg.vector_norm(posed.goal - position, dim=-1).mean())


def _random_loop(ids: tuple[int, ...], steps: int = 8) -> float:
    """The same for actions in random directions, as far as the set allows."""
    posed = Quadratic(ids, seed=7)
    actions = posed.action_set.boundary(posed.noise(64, steps, 2))
    return float(torch.linalg.vector_norm(posed.goal[:, None] - posed.path(actions)[:, :, -1], dim=-1).mean())


CHECKS = check.found
