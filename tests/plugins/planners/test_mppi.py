"""MPPI: on a known optimum, against pytorch_mppi, rows, clipping, bad costs, warm start."""

import pytest
import torch
from pytorch_mppi import MPPI as Reference

from vgbench.api import Box, NormBall
from vgbench_plugins.planners.mppi import MPPI


def make(**params):
    return MPPI(MPPI.Params(**{"noise": 1.0, "horizon": 8, **params}))


def true_cost(problem, actions):
    return problem.cost(actions.unsqueeze(1)).squeeze(1)


GOALS = torch.tensor([[0.7, 0.0], [-0.3, 0.5], [0.0, 0.0], [0.1, -0.9]])
"""All within one step: the optimum is to step on the goal at once and stay, at cost 0."""


def test_gets_closer_to_the_optimum_with_iterations(push):
    costs = []
    for iterations in (1, 4):
        problem = push(GOALS)
        plan = make(samples=512, iterations=iterations, temperature=0.05, noise=0.4).plan(problem, {})
        assert problem.costs_asked == iterations
        costs.append(true_cost(problem, plan.actions))
    assert costs[1].mean() < 0.6 * costs[0].mean()
    assert costs[1].max() < 0.3  # the plan that stays put costs 1.5 to 6.6


def test_converges_over_plans_with_a_warm_start(push):
    planner, state = make(samples=512, temperature=0.05, noise=0.3), {}
    for call in range(30):
        plan = planner.plan(push(GOALS, seed=call), state)  # nothing executed in between
        state = plan.state
    assert true_cost(push(GOALS), plan.actions).max() < 0.3
    torch.testing.assert_close(plan.actions[:, 0], GOALS, atol=0.25, rtol=0)


@pytest.mark.parametrize("temperature", [0.05, 1.0, 20.0])
def test_against_pytorch_mppi_given_the_same_noise(push, temperature):
    """One update on a box, the only set that the reference clips to. Its control cost is 0, as its start is 0."""
    goal, std, samples, horizon = torch.tensor([[1.5, -0.5]]), 0.8, 64, 6
    box = Box((-1.0, -1.0), (1.0, 1.0))
    noise = std * push(goal, horizon).noise(samples, horizon, 2)[0]
    reference = Reference(
        dynamics=lambda state, action: state + action,
        running_cost=lambda state, action: (state - goal).square().sum(-1),  # of the state reached, as ours
        nx=2,
        noise_sigma=std**2 * torch.eye(2),
        num_samples=samples,
        horizon=horizon,
        lambda_=temperature,
        u_min=torch.tensor(box.low),
        u_max=torch.tensor(box.high),
        U_init=torch.zeros(horizon, 2),
    )

    reference._sample_noise = lambda shape: noise  # it offers no other way in
    reference.command(torch.zeros(2), shift_nominal_trajectory=False)
    plan = make(noise=std, samples=samples, temperature=temperature, temperature_as="absolute").plan(
        push(goal, horizon, action_set=box), {}
    )
    torch.testing.assert_close(plan.actions[0], reference.U, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(plan.info["ess"][0], 1 / reference.omega.square().sum(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_are_independent_bit_for_bit(push, threads):
    goals = torch.randn(23, 2, generator=torch.Generator().manual_seed(5))
    planner = make(samples=300, iterations=3, horizon=16)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        everything = planner.plan(push(goals, 16), {})
        for rows in ([0], [7], [22], [3, 4, 5], list(range(11, 23))):
            some = planner.plan(push(goals[rows], 16, tasks=rows), {})
            assert torch.equal(some.actions, everything.actions[rows])
            assert torch.equal(some.info["ess"], everything.info["ess"][rows])
            assert torch.equal(some.state["nominal"], everything.state["nominal"][rows])
    finally:
        torch.set_num_threads(before)


def test_plans_are_admissible(push):
    for action_set in (NormBall(2, 0.3), Box((-0.1, -0.4), (0.2, 0.1))):
        plan = make(noise=12.0).plan(push(4 * GOALS, action_set=action_set), {})
        torch.testing.assert_close(action_set.clip(plan.actions), plan.actions)


def test_clipped_noise_is_what_is_averaged(push):
    """A huge temperature gives the mean of the clipped candidates; were raw noise averaged, it would be far longer."""
    problem = push(GOALS, action_set=NormBall(2, 0.5))
    candidates = NormBall(2, 0.5).clip(12.0 * push(GOALS).noise(64, 8, 2))
    plan = make(noise=12.0, samples=64, temperature=1e9, temperature_as="absolute").plan(problem, {})
    torch.testing.assert_close(plan.actions, candidates.mean(dim=1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(plan.info["ess"], torch.full((4,), 64.0))


def test_temperature_towards_zero_takes_the_best(push):
    problem = push(GOALS)
    candidates = problem.action_set.clip(push(GOALS).noise(64, 8, 2))
    costs = problem.cost(candidates)
    plan = make(samples=64, temperature=1e-9).plan(problem, {})
    torch.testing.assert_close(plan.actions, candidates[torch.arange(4), costs.argmin(dim=1)])
    torch.testing.assert_close(plan.info["cost"], costs.amin(dim=1))
    torch.testing.assert_close(plan.info["cost_mean"], costs.mean(dim=1))
    assert (plan.info["ess"] == 1).all()


def test_relative_temperature_does_not_see_the_unit_of_the_cost(push):
    def scaled(factor, offset):
        return lambda a: factor * (a.cumsum(dim=2) - GOALS[:, None, None]).square().sum(dim=(2, 3)) + offset

    plans = [make(temperature=0.3).plan(push(GOALS, cost=scaled(*s)), {}).actions for s in ((1.0, 0.0), (1024.0, 0.0))]
    torch.testing.assert_close(*plans, rtol=1e-4, atol=1e-5)
    moved = make(temperature=0.3).plan(push(GOALS, cost=scaled(1.0, 100.0)), {}).actions
    torch.testing.assert_close(moved, plans[0], rtol=1e-2, atol=1e-3)


def test_variance_is_the_square_of_the_standard_deviation(push):
    as_std = make(noise=3.0).plan(push(GOALS), {}).actions
    as_variance = make(noise=9.0, noise_as="variance").plan(push(GOALS), {}).actions
    assert torch.equal(as_std, as_variance)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_candidates_without_a_finite_cost_have_no_weight(push, bad):
    def cost(actions):
        costs = (actions.cumsum(dim=2) - GOALS[:, None, None]).square().sum(dim=(2, 3))
        costs[:, 20:] = bad
        return costs

    plan = make(samples=64, temperature=1e9, temperature_as="absolute").plan(push(GOALS, cost=cost), {})
    candidates = NormBall(2, 1.0).clip(push(GOALS).noise(64, 8, 2))[:, :20]
    torch.testing.assert_close(plan.actions, candidates.mean(dim=1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(plan.info["ess"], torch.full((4,), 20.0))


@pytest.mark.parametrize("temperature_as", ["absolute", "relative"])
def test_without_any_finite_cost_the_plan_stays(push, temperature_as):
    def cost(actions):
        costs = actions.square().sum(dim=(2, 3))
        costs[1] = torch.nan
        return costs

    nominal = 0.1 * torch.randn(4, 8, 2, generator=torch.Generator().manual_seed(0))
    plan = make(temperature_as=temperature_as).plan(push(GOALS, cost=cost), {"nominal": nominal})
    assert torch.equal(plan.actions[1], nominal[1])
    assert plan.info["ess"][1] == 0
    assert plan.actions.isfinite().all() and (plan.actions[0] != nominal[0]).any()


def test_equal_costs_and_a_single_sample(push):
    equal = make(samples=64).plan(push(GOALS, cost=lambda a: torch.ones(a.shape[:2])), {})
    torch.testing.assert_close(equal.info["ess"], torch.full((4,), 64.0))
    single = make(samples=1).plan(push(GOALS), {})
    torch.testing.assert_close(single.actions, NormBall(2, 1.0).clip(push(GOALS).noise(1, 8, 2)[:, 0]))


def start_of(planner, problem, state):
    """Nominal plan before any update: what candidates are drawn around, seen through a tiny noise."""
    planner = MPPI(planner.params.model_copy(update={"noise": 1e-9}))
    return planner.plan(problem, state).actions


def test_warm_start_shift(push):
    nominal = 0.04 * torch.arange(1.0, 17.0).view(1, 8, 2)
    start = start_of(make(), push(GOALS[:1], 8, executed=3), {"nominal": nominal})
    torch.testing.assert_close(start, torch.cat([nominal[:, 3:], torch.zeros(1, 3, 2)], dim=1))


@pytest.mark.parametrize(("horizon", "executed"), [(5, 1), (5, 3), (5, 6), (1, 4)])
def test_warm_start_with_a_shrinking_horizon(push, horizon, executed):
    nominal = 0.04 * torch.arange(1.0, 17.0).view(1, 8, 2)
    padded = torch.cat([nominal[:, executed:], torch.zeros(1, 8, 2)], dim=1)[:, :horizon]
    for warm_start in ("shift", "hold"):
        planner = make(warm_start=warm_start)
        start = start_of(planner, push(GOALS[:1], horizon, executed=executed), {"nominal": nominal})
        torch.testing.assert_close(start, padded)


def test_warm_start_hold_and_none(push):
    nominal = 0.04 * torch.arange(1.0, 17.0).view(1, 8, 2)
    problem = push(GOALS[:1], 8, executed=2)
    torch.testing.assert_close(start_of(make(warm_start="hold"), problem, {"nominal": nominal}), nominal)
    torch.testing.assert_close(
        start_of(make(warm_start="none"), problem, {"nominal": nominal}), torch.zeros(1, 8, 2), atol=1e-6, rtol=0
    )


def test_first_plan_from_noise(push):
    plan = make(initial_noise=3, samples=1, noise=1.0).plan(push(GOALS, 8), {})
    problem = push(GOALS, 8)
    first = torch.cat([problem.noise(3, 2), torch.zeros(4, 5, 2)], dim=1)
    expected = problem.action_set.clip(first + problem.noise(1, 8, 2)[:, 0])
    torch.testing.assert_close(plan.actions, expected)
    assert make(initial_noise=15).plan(push(GOALS, 4), {}).actions.shape == (4, 4, 2)


def test_same_noise_same_plan(push):
    plans = [make(iterations=2).plan(push(GOALS, seed=seed), {}).actions for seed in (1, 1, 2)]
    assert torch.equal(plans[0], plans[1])
    assert not torch.equal(plans[0], plans[2])


def test_the_global_generator_is_left_alone(push):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    make().plan(push(GOALS), {})
    assert torch.equal(before, torch.get_rng_state())


def test_what_the_core_asks_of_it():
    planner = make(samples=77, iterations=3)
    assert (planner.horizon, planner.candidates, planner.cost_calls) == (8, 77, 3)
    for bad in ({"samples": 0}, {"temperature": 0.0}, {"noise": -1.0}, {"warm_start": "pldm"}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            make(**bad)


def test_held_noise_repeats_each_draw(push):
    """With the whole weight on one sample, the plan is that sample: constant over each span of the hold."""
    problem = push(torch.tensor([[3.0, 1.0]]), horizon=7)
    params = MPPI.Params(samples=64, noise_hold=3, temperature=1e-9, temperature_as="absolute")
    actions = MPPI(params).plan(problem, {}).actions[0]
    for start, stop in ((0, 3), (3, 6), (6, 7)):
        assert torch.equal(actions[start:stop], actions[start].expand(stop - start, 2))
    assert not torch.equal(actions[0], actions[3])


def test_coloured_noise_is_of_the_same_size_and_reaches_further(push):
    """Without a bound, the candidates are the noise: as large at each step, and further from the start in all."""
    seen = []

    def cost(actions):
        seen.append(actions)
        return actions.new_zeros(actions.shape[:2])

    for beta in (0.0, 2.0):
        problem = push(GOALS, 16, action_set=Box((-99.0, -99.0), (99.0, 99.0)), cost=cost)
        make(samples=2000, horizon=16, noise=3.0, noise_beta=beta).plan(problem, {})
        assert seen[-1].std(dim=(0, 1, 3)).sub(3.0).abs().max() < 0.1
    white, brown = (actions.sum(dim=2).norm(dim=-1).mean() for actions in seen)
    assert brown > 1.5 * white


def test_elites_of_the_last_plan_are_tried_again_shifted(push):
    seen = []

    def cost(actions):
        seen.append(actions)
        return (actions.cumsum(dim=2) - GOALS[:, None, None]).square().sum(dim=(2, 3))

    planner = make(samples=16, elites=2, iterations=2)
    state = planner.plan(push(GOALS, cost=cost), {}).state
    planner.plan(push(GOALS, 6, executed=3, seed=1, cost=cost), state)
    make(samples=16, iterations=2).plan(push(GOALS, 6, executed=3, seed=1, cost=cost), {"nominal": state["nominal"]})
    last, first, fresh = seen[1], seen[2], seen[4]
    for task in range(4):
        order = sorted(range(16), key=lambda k: float(cost(last)[task, k]))
        for rank in range(2):
            assert torch.equal(first[task, rank, :5], last[task, order[rank], 3:])
            assert torch.equal(first[task, rank, 5:], fresh[task, rank, 5:])
    assert torch.equal(first[:, 2:], fresh[:, 2:])


def test_new_parameters_leave_identities_as_they_were():
    """Records made before them keep their keys."""
    assert set(MPPI.Params.model_fields) - set(MPPI.Params().identity()) == {"noise_beta", "elites"}
    named = MPPI.Params(noise_beta=1.0, elites=3).identity()
    assert (named["noise_beta"], named["elites"]) == (1.0, 3)
    with pytest.raises(ValueError, match="elites=8 must be less than samples=8"):
        make(samples=8, elites=8)
