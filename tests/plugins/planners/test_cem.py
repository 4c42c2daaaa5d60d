"""CEM and iCEM: on known optima, refits by hand, elites that are kept and carried over, rows, bad costs, warm start."""

import pytest
import torch

from vgbench.api import Box, NormBall
from vgbench_plugins.planners.cem import CEM
from vgbench_plugins.planners.icem import ICEM

BOTH = pytest.mark.parametrize("planner", [CEM, ICEM])
WIDE = Box((-9.0, -9.0), (9.0, 9.0))
GOALS = torch.tensor([[0.7, 0.0], [-0.3, 0.5], [0.0, 0.0], [0.1, -0.9]])


def make(planner, **params):
    return planner(planner.Params(**{"horizon": 8, **params}))


class Recorder:
    """Squared distance of a sequence's actions from `aim` [B, H, 2], and what was asked for."""

    def __init__(self, aim, spoil=None):
        self.aim, self.asked, self.costs, self._spoil = aim, [], [], spoil

    def __call__(self, actions):
        costs = (actions - self.aim[:, None, : actions.shape[2]]).square().sum(dim=(2, 3))
        if self._spoil:
            costs = self._spoil(costs)
        self.asked.append(actions.clone())
        self.costs.append(costs.clone())
        return costs


def plain(planner):
    """Values of iCEM under which it has time to converge: white noise, and as many samples in each round."""
    return {"noise_beta": 0.0, "decay": 1.0} if planner is ICEM else {}


def aims(tasks=4, horizon=8):
    return 0.6 * torch.randn(tasks, horizon, 2, generator=torch.Generator().manual_seed(3))


def ranked(recorder, task, rounds):
    """Sequences of a task that were asked for in these rounds, cheapest first."""
    pairs = [(float(c), a) for n in rounds for c, a in zip(recorder.costs[n][task], recorder.asked[n][task])]  # noqa: B905
    return [sequence for _, sequence in sorted(pairs, key=lambda pair: pair[0])]


# known optima


@BOTH
def test_finds_the_optimum_of_a_quadratic(push, planner):
    aim = aims()
    plan = make(planner, samples=300, iterations=25, least_noise=0.0, **plain(planner)).plan(
        push(GOALS, action_set=WIDE, cost=Recorder(aim)), {}
    )
    assert (plan.actions - aim).abs().max() < 0.05


@BOTH
def test_finds_the_optimum_of_a_linear_quadratic_problem(push, linear_quadratic, planner):
    steps, cost, optimum = linear_quadratic.steps, linear_quadratic.cost, linear_quadratic.optimum
    least, idle = (cost(plan.view(2, 1, steps, 2))[:, 0] for plan in (optimum, 0 * optimum))
    assert (least < 0.7 * idle).all()
    made = make(planner, horizon=steps, samples=300, iterations=25, noise=1.0, least_noise=0.0, **plain(planner))
    plan = made.plan(push(linear_quadratic.start, steps, action_set=WIDE, cost=cost), {})
    assert (cost(plan.actions[:, None])[:, 0] < 1.01 * least).all()
    torch.testing.assert_close(plan.actions.flatten(1), optimum, atol=0.15, rtol=0)


def test_icem_does_better_than_cem_with_few_samples(push):
    """A goal far away, which white noise hardly moves towards: what its authors claim of correlated noise."""
    goals = 6.0 * torch.nn.functional.normalize(torch.randn(16, 2, generator=torch.Generator().manual_seed(1)), dim=1)
    costs = {}
    for planner in (CEM, ICEM):
        problem = push(goals, 24)
        plan = make(planner, horizon=24, samples=24, iterations=2, noise=0.5).plan(problem, {})
        costs[planner] = problem.cost(plan.actions[:, None]).mean()
    assert costs[ICEM] < 0.8 * costs[CEM]


# rounds, by hand


def test_a_round_of_cem_by_hand(push):
    """Elites by number; mean and standard deviation of the clipped ones, of which the new ones are three quarters."""
    record, small = Recorder(aims()), NormBall(2, 1.5)
    made = make(CEM, samples=20, elites=5, iterations=2, momentum=0.25, noise=2.0, least_noise=1.0)
    made.plan(push(GOALS, action_set=small, cost=record), {})
    problem = push(GOALS)
    first, second = problem.noise(20, 8, 2), problem.noise(20, 8, 2)
    torch.testing.assert_close(record.asked[0], small.clip(2.0 * first))
    for task in range(4):
        elites = torch.stack(ranked(record, task, [0])[:5])
        mean = 0.75 * elites.mean(dim=0)
        std = 0.75 * ((elites - elites.mean(dim=0)) ** 2).mean(dim=0).sqrt() + 0.25 * 2.0
        assert (std < 1.0).any() and (std > 1.0).any()
        expected = small.clip(mean + std.clamp_min(1.0) * second[task])
        torch.testing.assert_close(record.asked[1][task], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("elites", "samples", "number"), [(0.1, 64, 6), (0.1, 8, 2), (0.5, 1, 1), (10, 64, 10)])
def test_elites_by_share_or_number(push, elites, samples, number):
    plan = make(CEM, samples=samples, elites=elites, iterations=1).plan(push(GOALS), {})
    assert plan.info["ess"].tolist() == [number] * 4


@BOTH
def test_the_best_candidate_or_the_mean_is_returned(push, planner):
    for spoiled in (None, lambda costs: costs + 100.0):  # a cost that is large is none to be refused
        record = Recorder(aims(), spoiled)
        best = make(planner, samples=20, iterations=3, returns="best").plan(push(GOALS, cost=record), {})
        for task in range(4):
            assert torch.equal(best.actions[task], ranked(record, task, range(3))[0])
    mean = make(planner, samples=20, iterations=3, returns="mean").plan(push(GOALS), {})
    assert torch.equal(mean.actions, NormBall(2, 1.0).clip(mean.state["mean"]))


def test_icem_s_rounds_shrink_and_the_mean_is_tried_in_the_last(push):
    record, ball = Recorder(aims()), NormBall(2, 1.0)
    made = make(ICEM, samples=50, elites=12, iterations=4, decay=1.25, keep=0.0, momentum=0.0)
    made.plan(push(GOALS, cost=record), {})
    assert [asked.shape[1] for asked in record.asked] == [50, 40, 32, 25]  # the last is 50 / 1.953; at least 2 x 12
    assert [a.shape[1] for a in record.asked] <= [made.candidates] * made.cost_calls
    assert made.sequences_per_plan == 50 + 40 + 32 + 25
    for task in range(4):
        mean = torch.stack(ranked(record, task, [2])[:12]).mean(dim=0)
        torch.testing.assert_close(record.asked[3][task, -1], ball.clip(mean), rtol=1e-4, atol=1e-5)


def test_rounds_of_icem_have_at_least_twice_the_elites(push):
    record = Recorder(aims())
    make(ICEM, samples=30, elites=10, iterations=3, decay=4.0).plan(push(GOALS, cost=record), {})
    assert [asked.shape[1] for asked in record.asked] == [30, 20, 20]


def test_icem_keeps_elites_between_rounds(push):
    """The cost of round two is spoiled for all but kept elites, so these are what is fitted: the best of round one."""
    record = Recorder(aims())

    def cost(actions):
        return record(actions) + (1000.0 if len(record.asked) > 1 else 0.0)

    made = make(ICEM, samples=40, elites=10, iterations=2, keep=0.4, momentum=0.0, carry=1.0)
    plan = made.plan(push(GOALS, cost=cost), {})
    for task in range(4):
        kept = ranked(record, task, [0])[:4]
        assert all(torch.equal(a, b) for a, b in zip(plan.state["elites"][task], kept, strict=False))
        assert torch.equal(plan.actions[task], kept[0])
        everything = torch.stack(kept + ranked(record, task, [1])[:6])
        torch.testing.assert_close(plan.state["mean"][task], everything.mean(dim=0), rtol=1e-4, atol=1e-5)


# from plan to plan


@pytest.mark.parametrize(("executed", "horizon"), [(1, 8), (3, 8), (3, 5), (4, 2)])
def test_carried_elites_are_the_shifted_best_of_the_last_plan(push, executed, horizon):
    first, second = Recorder(aims()), Recorder(aims())
    made = make(ICEM, samples=20, elites=10, iterations=1, carry=0.3)
    state = made.plan(push(GOALS, cost=first), {}).state
    made.plan(push(GOALS, horizon, executed=executed, seed=1, cost=second), state)
    fresh = Recorder(aims())
    make(ICEM, samples=20, elites=10, iterations=1, carry=0.0).plan(
        push(GOALS, horizon, executed=executed, seed=1, cost=fresh), {"mean": state["mean"]}
    )
    steps = min(8 - executed, horizon)
    for task in range(4):
        for rank, old in enumerate(ranked(first, task, [0])[:3]):
            assert torch.equal(second.asked[0][task, rank, :steps], old[executed : executed + steps])
            assert torch.equal(second.asked[0][task, rank, steps:], fresh.asked[0][task, rank, steps:])
        assert torch.equal(second.asked[0][task, 3:], fresh.asked[0][task, 3:])


@BOTH
def test_warm_start_shifts_the_mean_and_pads_with_zeros(push, planner):
    mean = 0.04 * torch.arange(1.0, 17.0).view(1, 8, 2)
    still = {"noise": 1e-6, "least_noise": 0.0, "returns": "mean", "samples": 8}
    for horizon, executed in ((8, 2), (5, 3), (1, 7), (8, 9)):
        problem = push(GOALS[:1], horizon, executed=executed)
        plan = make(planner, **still).plan(problem, {"mean": mean}).actions
        rest = mean[:, executed : executed + horizon]
        expected = torch.cat([rest, torch.zeros(1, horizon - rest.shape[1], 2)], dim=1)
        torch.testing.assert_close(plan, expected, atol=1e-4, rtol=0)
    cold = make(planner, **still, warm_start="none").plan(push(GOALS[:1], 8, executed=2), {"mean": mean}).actions
    torch.testing.assert_close(cold, torch.zeros(1, 8, 2), atol=1e-4, rtol=0)


@BOTH
def test_plans_while_the_horizon_shrinks(push, planner):
    made, state = make(planner, samples=40), {}
    for left in (8, 6, 4, 2, 1):
        plan = made.plan(push(GOALS, left, executed=2, seed=left), state)
        state = plan.state
        assert plan.actions.shape == (4, left, 2) and plan.actions.isfinite().all()


# tasks and bad costs


@BOTH
def test_a_permutation_of_tasks_permutes_plans_bit_for_bit(push, planner):
    goals = torch.randn(11, 2, generator=torch.Generator().manual_seed(5))
    made = make(planner, samples=60, horizon=16)
    first = made.plan(push(goals, 16), {})
    again = made.plan(push(goals, 16, executed=1, seed=1), first.state)
    for rows in ([3], [7, 0, 10], list(reversed(range(11)))):
        some = made.plan(push(goals[rows], 16, tasks=rows), {})
        assert torch.equal(some.actions, first.actions[rows])
        later = made.plan(push(goals[rows], 16, executed=1, seed=1, tasks=rows), some.state)
        assert torch.equal(later.actions, again.actions[rows])
        assert all(torch.equal(later.info[name], again.info[name][rows]) for name in later.info)


@BOTH
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_candidates_without_a_finite_cost_are_no_elites(push, planner, bad):
    """Only three of twenty have a cost: the mean is theirs."""
    record = Recorder(aims(), lambda costs: costs.index_fill(1, torch.arange(3, costs.shape[1]), bad))
    made = make(planner, samples=20, elites=5, iterations=1, momentum=0.0, returns="mean")
    plan = made.plan(push(GOALS, cost=record), {})
    torch.testing.assert_close(plan.state["mean"], record.asked[0][:, :3].mean(dim=1), rtol=1e-4, atol=1e-5)
    assert plan.info["ess"].tolist() == [3] * 4
    torch.testing.assert_close(plan.info["cost"], record.costs[0][:, :3].amin(dim=1))
    torch.testing.assert_close(plan.info["cost_mean"], record.costs[0][:, :3].mean(dim=1))


@BOTH
@pytest.mark.parametrize("returns", ["mean", "best"])
def test_without_any_finite_cost_the_plan_stays(push, planner, returns):
    def spoil(costs):
        costs[1] = torch.nan
        return costs

    mean = 0.1 * torch.randn(4, 8, 2, generator=torch.Generator().manual_seed(0))
    made = make(planner, samples=20, returns=returns)
    plan = made.plan(push(GOALS, cost=Recorder(aims(), spoil)), {"mean": mean})
    assert torch.equal(plan.actions[1], mean[1]) and torch.equal(plan.state["mean"][1], mean[1])
    assert plan.info["ess"][1] == 0 and plan.actions.isfinite().all()
    assert (plan.actions[0] != mean[0]).any()
    if "elites" in plan.state:
        assert torch.equal(plan.state["elites"][1], mean[1].expand_as(plan.state["elites"][1]))


@BOTH
def test_the_global_generator_is_left_alone(push, planner):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    make(planner).plan(push(GOALS), {})
    assert torch.equal(before, torch.get_rng_state())


@BOTH
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"elites": 65}, "elites=65 is more than samples=64"),
        ({"elites": 2.5}, "whole number"),
        ({"elites": 0}, "elites"),
        ({"momentum": 1.0}, "momentum"),
        ({"noise": 0.0}, "noise"),
        ({"noise_beta": -1.0}, "noise_beta"),
        ({"returns": "worst"}, "returns"),
    ],
)
def test_values_that_mean_nothing_are_refused(planner, bad, words):
    with pytest.raises(ValueError, match=words):
        make(planner, **bad)
