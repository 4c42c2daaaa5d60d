"""The random baseline: lengths, directions, holding across plans."""

import pytest
import torch

from vgbench.api import Box, NormBall
from vgbench_plugins.planners.random import Random


def make(**params):
    return Random(Random.Params(**params))


def test_maximal_norm_in_all_directions_and_no_cost(push):
    problem = push(torch.zeros(4, 2), horizon=500, action_set=NormBall(2, 2.45))
    actions = make().plan(problem, {}).actions
    assert actions.shape == (4, 500, 2)
    torch.testing.assert_close(actions.norm(dim=-1), torch.full((4, 500), 2.45))
    assert actions.mean(dim=(0, 1)).abs().max() < 0.15
    assert problem.costs_asked == 0 and make().cost_calls == 0 and Random.baseline


def test_uniform_norm(push):
    actions = make(norm="uniform").plan(push(torch.zeros(4, 2), 2000, action_set=NormBall(2, 5.0)), {}).actions
    lengths = actions.norm(dim=-1).flatten() / 5
    assert lengths.max() <= 1
    for share in (0.1, 0.5, 0.9):
        assert (lengths < share).float().mean().item() == pytest.approx(share, abs=0.02)


def test_box(push):
    box = Box((-1.0, -2.0), (1.0, 0.5))
    actions = make().plan(push(torch.zeros(2, 2), 100, action_set=box), {}).actions
    torch.testing.assert_close(box.clip(actions), actions)
    touched = (actions - torch.tensor(box.low)).abs().lt(1e-6) | (actions - torch.tensor(box.high)).abs().lt(1e-6)
    assert touched.any(dim=-1).all()


def test_hold_within_a_plan(push):
    actions = make(hold=3).plan(push(torch.zeros(2, 2), 7), {}).actions
    for first, last in ((0, 2), (3, 5)):
        assert (actions[:, first : last + 1] == actions[:, first : first + 1]).all()
    assert (actions[:, 2] != actions[:, 3]).any() and (actions[:, 5] != actions[:, 6]).any()


@pytest.mark.parametrize("replan_every", [1, 2, 3, 5])
def test_hold_across_plans(push, replan_every):
    planner, state, executed = make(hold=3), {}, []
    for call in range(12):
        problem = push(torch.zeros(2, 2), 5, executed=replan_every if call else 0, seed=call)
        plan = planner.plan(problem, state)
        state = plan.state
        executed.append(plan.actions[:, :replan_every])
    actions = torch.cat(executed, dim=1)[:, :12]
    changes = (actions[:, 1:] != actions[:, :-1]).any(dim=-1)
    expected = torch.tensor([t % 3 == 0 for t in range(1, actions.shape[1])])
    assert (changes == expected).all()


def test_rows_are_independent(push):
    everything = make(norm="uniform").plan(push(torch.zeros(5, 2), 6), {}).actions
    for b in range(5):
        assert torch.equal(
            make(norm="uniform").plan(push(torch.zeros(1, 2), 6, tasks=[b]), {}).actions[0], everything[b]
        )
