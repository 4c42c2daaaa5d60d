"""The gamble: where the upper door leads, what it costs on average, and its tasks."""

import numpy as np
import pytest
import torch

from vgbench_plugins.environments.gamble import Gamble, chance, tasks

PLACE = (32.0, 18.0, 46.0)
"""Column of the wall, rows of the upper and the lower door: the fixed layout."""


def make(**params):
    return Gamble(Gamble.Params(places="fixed", **params))


def states(*points):
    points = torch.tensor(points, dtype=torch.float32)
    return {"position": points, "layout": torch.tensor([PLACE]).expand(len(points), 3)}


def test_the_upper_door_leads_to_each_of_three_places_as_often():
    world, count = make(), 30_000
    start = {name: value.expand(count, -1) for name, value in states((30.5, 18.0)).items()}
    noise = torch.randn(count, 1, generator=torch.Generator().manual_seed(0))
    after = world.step(start, torch.tensor([[3.0, 0.0]]).expand(count, 2), noise)["position"]
    places, counts = np.unique(after.numpy(), axis=0, return_counts=True)
    # Behind the door, in the corner of its own room, in the corner of the other one.
    assert {tuple(place) for place in places.tolist()} == {(35.0, 18.0), (8.0, 8.0), (55.0, 8.0)}
    # A third each, within four standard deviations of 82.
    assert np.abs(counts - count / 3).max() < 330
    back = world.step(states((33.5, 18.0)), torch.tensor([[-3.0, 0.0]]), torch.tensor([[-3.0]]))["position"]
    assert back.tolist() == [[29.0, 18.0]]


def test_the_lower_door_and_moves_within_a_room_leave_nothing_to_chance():
    world = make()
    some = states((30.5, 46.0), (33.5, 46.0), (20.0, 18.0), (30.0, 30.0))
    actions = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [3.0, 0.0], [3.0, 0.0]])
    ends = [world.step(some, actions, torch.full((4, 1), z))["position"] for z in (-3.0, 0.0, 3.0)]
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[1], ends[2])
    # The last one would touch the wall, and stays.
    assert ends[0].tolist() == [[33.5, 46.0], [30.5, 46.0], [23.0, 18.0], [30.0, 30.0]]
    with pytest.raises(ValueError, match="expects standard normals"):
        world.step(some, actions)


def test_no_move_of_any_length_passes_the_upper_door_without_its_chance():
    world, rng, count = make(max_step=64.0), np.random.default_rng(0), 100_000
    start = torch.from_numpy(rng.uniform(4.01, 58.99, (count, 2)).astype(np.float32))
    layout = torch.tensor([PLACE]).expand(count, 3)
    action = torch.from_numpy(rng.normal(0, 20, (count, 2)).astype(np.float32))
    after = world.step({"position": start, "layout": layout}, action, torch.full((count, 1), -3.0))["position"]
    crossed = (start[:, 0] < 32) != (after[:, 0] < 32)
    free = (after == start + world.spec.actions.clip(action)).all(1)
    # Where the plain move crossed the wall, it did so at the lower door: within its opening on the line.
    time = (32 - start[:, 0]) / (after[:, 0] - start[:, 0])
    height = start[:, 1] + time * (after[:, 1] - start[:, 1])
    assert (height[crossed & free] - 46).abs().max() < 4.5 and (crossed & free).sum() > 100
    # The others came out behind the upper door.
    lucky = after[crossed & ~free]
    assert len(lucky) > 100 and {tuple(row) for row in lucky.tolist()} == {(35.0, 18.0), (29.0, 18.0)}


def test_the_expected_way_is_what_playing_it_comes_to():
    """By a simulation of its own: from the door on, again and again, by the better of two rules."""
    goal, rng = np.array([50.0, 26.0]), np.random.default_rng(1)
    door, lower_left = np.array([32.0, 18.0]), np.array([8.0, 8.0])
    here, there = torch.tensor([[8.0, 8.0]]), torch.from_numpy(goal[None])
    sure_from_corner = float(chance.ways(here, there, torch.tensor([PLACE]))[0])

    def played(again):
        lengths = []
        for _ in range(40_000):
            length = 0.0
            while True:
                out = rng.integers(3)
                if out == 0:
                    length += np.linalg.norm(goal - [35.0, 18.0])
                elif out == 2:
                    length += np.linalg.norm(goal - [55.0, 8.0])
                elif again:
                    length += np.linalg.norm(door - lower_left)
                    continue
                else:
                    length += sure_from_corner
                break
            lengths.append(length)
        return np.mean(lengths)

    start = np.array([20.0, 22.0])
    expected = np.linalg.norm(door - start) + min(played(True), played(False))
    _, risky = chance.ways(torch.from_numpy(start[None]), there, torch.tensor([PLACE]))
    assert float(risky) == pytest.approx(expected, rel=0.01)


def test_within_a_room_the_way_is_straight_and_costs_count_steps():
    world = make()
    start, goal = states((10.0, 10.0), (40.0, 50.0)), states((20.0, 10.0), (40.0, 20.0))
    assert world.cost_to_go(start, goal).tolist() == pytest.approx([10 / 3.67, 30 / 3.67])


def test_tasks_are_traps_or_sure_and_the_expert_solves_them():
    world = make()
    data = world.collect(20, 64, seed=0)
    found = world.sample_tasks(60, 3, data)
    assert found.strata == ("trap", "sure") * 30
    sure, risky = chance.ways(found.start["position"], found.goal["position"], found.start["layout"])
    assert (risky[::2] > sure[::2] + 1).all()
    few = world.sample_tasks(10, 3, data)
    assert torch.equal(few.start["position"], found.start["position"][:10])
    assert set(tasks.stratum(found.start["position"], found.goal["position"], found.start["layout"]).tolist()) == {0, 1}
    state, generator = found.start, torch.Generator().manual_seed(0)
    solved = torch.zeros(60, dtype=torch.bool)
    for _ in range(64):
        state = world.step(state, world.expert(state, found.goal), torch.randn(60, 1, generator=generator))
        solved |= world.success(state, found.goal)
    assert solved.all()


def test_data_pass_doors_as_often_as_is_asked_and_their_seeds_decide_them():
    world = make()
    first, again, other = (world.collect(40, 64, seed=seed) for seed in (0, 0, 1))
    assert first.card["crossing_trajectories"] == 20
    assert first.states["position"].tobytes() == again.states["position"].tobytes()
    assert first.states["position"].tobytes() != other.states["position"].tobytes()
    # Some come out elsewhere than an action leads.
    assert np.linalg.norm(np.diff(first.states["position"], axis=1), axis=-1).max() > 10
