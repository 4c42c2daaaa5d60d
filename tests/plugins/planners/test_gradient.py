"""Gradient descent on actions: on known optima, from several starts, within the action set, rows, warm start."""

import pytest
import torch

from vgbench.api import Box, NormBall
from vgbench_plugins.planners.gradient import Gradient

WIDE = Box((-9.0, -9.0), (9.0, 9.0))
GOALS = torch.tensor([[0.7, 0.0], [-0.3, 0.5], [0.0, 0.0], [0.1, -0.9]])


def make(**params):
    return Gradient(Gradient.Params(**{"horizon": 8, **params}))


def aims(tasks=4, horizon=8):
    return 0.6 * torch.randn(tasks, horizon, 2, generator=torch.Generator().manual_seed(3))


def to(aim):
    """Squared distance of a sequence's actions from `aim` [B, H, 2]."""
    return lambda actions: (actions - aim[:, None, : actions.shape[2]]).square().sum(dim=(2, 3))


def test_finds_the_optimum_of_a_quadratic(push):
    aim = aims()
    plan = make(samples=2, iterations=400, lr=0.05).plan(push(GOALS, action_set=WIDE, cost=to(aim)), {})
    assert (plan.actions - aim).abs().max() < 1e-3
    assert plan.info["cost"].max() < 1e-5 and (plan.info["cost_start"] > 1).all()


def test_finds_the_optimum_of_a_linear_quadratic_problem(push, linear_quadratic):
    known = linear_quadratic
    made = make(horizon=known.steps, samples=3, iterations=600, lr=0.03)
    plan = made.plan(push(known.start, known.steps, action_set=WIDE, cost=known.cost), {})
    torch.testing.assert_close(plan.actions.flatten(1), known.optimum, atol=5e-3, rtol=0)


@pytest.mark.parametrize("actions", [NormBall(2, 1.0), Box((-0.5, -1.0), (1.0, 0.25))])
def test_finds_the_nearest_admissible_plan_at_the_border(push, actions):
    """Aims beyond the set: the optimum is their projection, where a gradient taken through `clip` would vanish."""
    aim = 5 * aims()
    plan = make(samples=3, iterations=400, lr=0.05, noise=4.0).plan(push(GOALS, action_set=actions, cost=to(aim)), {})
    if isinstance(actions, NormBall):
        nearest = aim / aim.norm(dim=-1, keepdim=True).clamp_min(1.0)
    else:
        nearest = torch.stack([aim[..., 0].clamp(-0.5, 1.0), aim[..., 1].clamp(-1.0, 0.25)], dim=-1)
    torch.testing.assert_close(plan.actions, nearest, atol=0.02, rtol=0)


def test_the_best_of_several_starts_is_returned(push):
    """Two wells along the first action: starts on the left lead to the shallower one."""

    def cost(actions):
        x = actions[:, :, 0, 0]
        return (x.square() - 1).square() - 0.4 * x + actions.square().sum(dim=(2, 3)) * 0.01

    problem = push(torch.zeros(12, 2), 1, action_set=WIDE, cost=cost)
    one, many = (make(samples=k, iterations=150, lr=0.05).plan(problem, {}).actions for k in (1, 16))
    assert (one[:, 0, 0] < 0).any() and (many[:, 0, 0] > 0.9).all()


def test_more_starts_never_cost_more_and_a_step_too_far_does_no_harm(push):
    """With steps as long as the set is wide, sequences jump about; the plan is the best that was seen."""
    plan = make(samples=6, iterations=5, lr=50.0).plan(push(GOALS, cost=to(aims())), {})
    assert (plan.info["cost"] <= plan.info["cost_start"]).all()
    torch.testing.assert_close(to(aims())(plan.actions[:, None])[:, 0], plan.info["cost"])


def test_a_sequence_moves_by_its_own_gradient(push):
    """A task's plan is the same beside tasks of costs a million times as large, or NaN."""
    weights = torch.tensor([1.0, 1e6, torch.nan, 1.0])
    aim = aims()
    alone = make(samples=4).plan(push(GOALS, cost=to(aim)), {}).actions
    beside = make(samples=4).plan(push(GOALS, cost=lambda a: weights[:, None] * to(aim)(a)), {}).actions
    assert torch.equal(alone[[0, 3]], beside[[0, 3]]) and beside.isfinite().all()


def test_candidates_without_a_finite_cost_or_gradient_are_never_the_plan(push):
    def cost(actions):
        whole, infinite, nan = (to(aims())(part) for part in actions.split(2, dim=1))
        steep = (infinite - infinite.detach()).sqrt()  # 0, with an infinite gradient
        return torch.cat([whole, infinite + steep, nan * torch.nan], dim=1)

    plan = make(samples=6, iterations=200, lr=0.05).plan(push(GOALS, action_set=WIDE, cost=cost), {})
    torch.testing.assert_close(plan.actions, aims(), atol=0.01, rtol=0)


def test_the_last_plan_is_a_start_shifted_by_what_was_executed(push):
    asked = []

    def cost(actions):
        asked.append(actions.detach().clone())
        return to(aims())(actions)

    planner = make(samples=3, iterations=2)
    last = planner.plan(push(GOALS, cost=cost), {})
    assert torch.equal(last.state["plan"], last.actions)
    asked.clear()
    planner.plan(push(GOALS, 7, executed=3, seed=1, cost=cost), last.state)
    assert torch.equal(asked[0][:, 0, :5], last.actions[:, 3:]) and (asked[0][:, 0, 5:] == 0).all()
    assert not torch.equal(asked[0][:, 1], asked[0][:, 0])
    asked.clear()
    fresh = make(samples=3, iterations=2, warm_start="none")
    fresh.plan(push(GOALS, 7, executed=3, seed=1, cost=cost), last.state)
    problem = push(GOALS, 7, seed=1)
    assert torch.equal(asked[0], problem.action_set.clip(problem.noise(3, 7, 2)))


def test_rows_do_not_depend_on_the_batch(push):
    together = make().plan(push(GOALS), {})
    for task in range(4):
        alone = make().plan(push(GOALS[task : task + 1], tasks=[task]), {})
        torch.testing.assert_close(alone.actions[0], together.actions[task], rtol=1e-5, atol=1e-6)


def test_what_the_core_asks_of_it(push):
    planner = make(samples=5, iterations=7)
    assert planner.gradient and (planner.horizon, planner.candidates, planner.cost_calls) == (8, 5, 8)
    problem = push(GOALS)
    planner.plan(problem, {})
    assert problem.costs_asked == planner.cost_calls
    for bad in ({"samples": 0}, {"lr": 0.0}, {"noise": 0.0}, {"iterations": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            make(**bad)
