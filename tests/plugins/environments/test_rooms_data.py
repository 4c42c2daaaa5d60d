"""Rooms: tasks, data and grid of one-way doors, of the two-way twin, and of one door."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from scipy.stats import spearmanr

from vgbench_plugins.environments.rooms import Rooms

LAYOUTS = {"turnstile": (32.0, 18.0, 46.0), "ring": (32.0, 32.0, 18.0, 46.0, 18.0, 46.0)}
"""Fixed layouts of one-way doors."""


def make(layout="turnstile", **params):
    return Rooms(Rooms.Params(layout=layout, **params))


def states(layout, points):
    place = torch.tensor([LAYOUTS[layout]])
    points = torch.as_tensor(np.asarray(points, np.float32)).reshape(-1, 2)
    return {"position": points, "layout": place.expand(len(points), place.shape[1])}


@pytest.mark.parametrize("layout", ["turnstile", "ring"])
def test_half_of_the_tasks_are_traps(layout):
    env, twin = make(layout), make(layout, doors="two_way")
    for seed in range(3):
        data = env.collect(4, 33, seed)
        tasks = env.sample_tasks(60, seed, data)
        again = twin.sample_tasks(60, seed, twin.collect(4, 33, seed))
        for one, two in ((tasks.start, again.start), (tasks.goal, again.goal)):
            assert all(torch.equal(one[name], two[name]) for name in one)
        assert tasks.strata == again.strata and tasks.strata.count("trap") == tasks.strata.count("open") == 30
        fewer = env.sample_tasks(7, seed, data)
        assert torch.equal(fewer.start["position"], tasks.start["position"][:7]) and fewer.strata == tasks.strata[:7]
        trap = torch.tensor([name == "trap" for name in tasks.strata])
        cost, either = (e.cost_to_go(tasks.start, tasks.goal) for e in (env, twin))
        assert (cost[trap] > either[trap] + 0.2).all() and torch.allclose(cost[~trap], either[~trap], atol=1e-5)
        place = tasks.start["layout"][0].numpy()
        start, goal = tasks.start["position"].numpy(), tasks.goal["position"].numpy()
        assert ((start[:, 0] < place[0]) != (goal[:, 0] < place[0])).all()
        right = start[:, 0] > place[0]
        if layout == "turnstile":
            upper, lower = (np.hypot(*(start - [place[0], place[n]]).T) for n in (1, 2))
            # To the right through the upper door, to the left through the lower one.
            assert (np.where(right, upper < lower, lower < upper) == trap.numpy()).all()
        else:
            below = start[:, 1] > place[1]
            assert (below != (goal[:, 1] > place[1])).all()
            beside = np.where(below, place[3], place[2]), np.where(right, place[5], place[4])
            vertical = np.hypot(start[:, 0] - place[0], start[:, 1] - beside[0])
            horizontal = np.hypot(start[:, 0] - beside[1], start[:, 1] - place[1])
            # Clockwise: out of the upper left and lower right room through the vertical wall, else the horizontal.
            assert (np.where(right == below, vertical > horizontal, horizontal > vertical) == trap.numpy()).all()


@pytest.mark.parametrize("layout", ["turnstile", "ring"])
def test_data_of_the_twins(layout):
    one, two = (make(layout, doors=doors).collect(200, 65, 5) for doors in ("one_way", "two_way"))
    assert (one.static["layout"] == two.static["layout"]).all() and len(np.unique(one.static["layout"], axis=0)) == 1
    for data in (one, two):
        assert data.card["crossing_trajectories"] == 100
        assert make(layout).labels(data)["crossing"].sum() == 100
    same = (one.states["position"] == two.states["position"]).all(axis=(1, 2))
    crossing = make(layout).labels(one)["crossing"]
    assert (crossing == make(layout).labels(two)["crossing"]).all()
    # What crosses in the twin does so either way; half of this is closed. Others meet doors more seldom.
    assert 0.25 < same[crossing].mean() < 0.75 and same[~crossing].mean() > 0.6
    assert (one.actions[same] == two.actions[same]).all()


def test_shares_policies_and_places():
    assert make(crossing=0.0).collect(20, 33, 0).card["crossing_trajectories"] == 0
    assert make("ring", crossing=1.0).collect(20, 65, 0).card["crossing_trajectories"] == 20
    data = make("ring", policy="expert").collect(20, 65, 0)
    assert data.card["mean_goals_reached"] > 1 and data.card["share_steps_cancelled"] < 0.05
    fixed = make("ring", places="fixed").collect(2, 33, 8)
    assert fixed.static["layout"][0].tolist() == list(LAYOUTS["ring"])
    found = {"turnstile": set(), "ring": set()}
    for layout, several in found.items():
        env = make(layout, crossing=0.0)
        for seed in range(200):
            place = env.collect(1, 2, seed).static["layout"][0]
            several.add(tuple(place))
            for first, second, cross in ((1, 2, None),) if layout == "turnstile" else ((2, 3, 1), (4, 5, 0)):
                assert (
                    place[first] - 4 >= 6
                    and 59 - place[second] >= 5
                    and place[second] - place[first] >= (25 if cross is None else 12)
                )
                if cross is not None:
                    assert place[first] + 4 < place[cross] - 2 and place[second] - 4 > place[cross] + 2
        assert len(several) > 150
    with pytest.raises(ValueError, match="must; use more"):
        make().collect(4, 2, 0)
    with pytest.raises(ValueError, match=r"another rooms\.layout"):
        make("ring").sample_tasks(2, 0, make().collect(4, 33, 0))
    with pytest.raises(ValueError, match="in a layout that the data do not have"):
        data = make().collect(4, 33, 1)
        make().check_tasks(make().sample_tasks(2, 0, make().collect(4, 33, 0)), data)
    with pytest.raises(ValidationError, match="below the longest action"):
        Rooms.Params(max_step=1.0)


@pytest.mark.parametrize("layout", ["turnstile", "ring"])
def test_the_grid_respects_directions(layout):
    env = make(layout)
    grid, twin = (e.state_grid(states(layout, [[10, 10]])) for e in (env, make(layout, doors="two_way")))
    number = {tuple(p): n for n, p in enumerate(grid.states["position"].tolist())}
    assert len(grid) == len(twin)

    def edge(where, a, b):
        return number[b] in where.neighbours[number[a]].tolist()

    before, on = (31.0, 18.0), (32.0, 18.0)
    assert edge(grid, before, on) and not edge(grid, on, before) and edge(grid, on, (33.0, 18.0))
    assert edge(twin, before, on) and edge(twin, on, before)
    before = (33.0, 46.0)
    assert edge(grid, before, (32.0, 46.0)) and not edge(grid, (32.0, 46.0), before)
    # Not interpolated across the line: half a pixel before it counts as the pixel before it.
    index, weight = grid.locate(states(layout, [[31.5, 18.0], [32.5, 18.0], [20.5, 20.25]]))
    assert weight.sum(1).tolist() == pytest.approx([1, 1, 1])
    assert index[0][weight[0] > 0].tolist() == [number[31.0, 18.0]]
    assert set(index[1][weight[1] > 0].tolist()) == {number[32.0, 18.0], number[33.0, 18.0]}
    assert (weight[2] > 0).sum() == 4
    # Every state can reach every other.
    rows = np.repeat(np.arange(len(grid)), 8)
    columns = grid.neighbours.numpy().ravel()
    ones = np.ones((columns >= 0).sum())
    graph = coo_array((ones, (rows[columns >= 0], columns[columns >= 0])), shape=(len(grid),) * 2).tocsr()
    assert np.isfinite(dijkstra(graph, indices=[0], unweighted=True)).all()
    assert np.isfinite(dijkstra(graph.T, indices=[0], unweighted=True)).all()


def test_fixed_point_of_the_value_is_in_the_order_of_the_true_cost():
    env, twin = make(), make(doors="two_way")
    rng = np.random.default_rng(0)
    points = rng.uniform(5, 58, (400, 2))
    points = points[np.abs(points[:, 0] - 32) > 1.5]
    here = states("turnstile", points)
    goal = states("turnstile", np.repeat([[25, 18]], len(points), axis=0))
    found = env.value_fixed_point(here, goal, 0.9, 0.98)
    assert spearmanr(found, env.cost_to_go(here, goal))[0] > 0.95
    # In front of the door that is closed from there it is far; in the twin it is not.
    beside = (points[:, 0] > 33.5) & (points[:, 0] < 42) & (np.abs(points[:, 1] - 18) < 6)
    assert (found[beside] > 1.5 * twin.value_fixed_point(here, goal, 0.9, 0.98)[beside]).all()


def test_half_of_the_tasks_with_one_door_are_a_long_way_around():
    env = make("one_door", doors="two_way")
    data = env.collect(100, 65, 0)
    assert data.card["crossing_trajectories"] == 50
    tasks = env.sample_tasks(200, 0, data)
    assert tasks.strata == ("detour", "open") * 100
    (wall, door), *_ = tasks.start["layout"].numpy()
    assert 20 <= wall < 44 and 10 <= door < 20
    start, goal = (x["position"].double().numpy() for x in (tasks.start, tasks.goal))
    assert ((start[:, 0] < wall) != (goal[:, 0] < wall)).all()
    # By hand: past the lower jambs, where the straight line is below them.
    left, right = np.where(start[:, :1] < wall, start, goal), np.where(start[:, :1] < wall, goal, start)
    jambs = np.array([[wall - 1, door + 4], [wall + 1, door + 4]])
    around = np.linalg.norm(left - jambs[0], axis=1) + 2 + np.linalg.norm(right - jambs[1], axis=1)
    straight = np.linalg.norm(start - goal, axis=1)
    detour = np.arange(200) % 2 == 0
    assert (around[detour] - straight[detour] > 16).all()
    cost = (env.cost_to_go(tasks.start, tasks.goal) * env.spec.actions.radius).numpy()
    np.testing.assert_allclose(cost[detour], around[detour], atol=0.01)
    assert (cost[~detour] - straight[~detour] < 8).all()
    assert (env.pair_labels(tasks.start, tasks.goal) == 1).all()
    assert (env.pair_labels(tasks.start, tasks.start) == 0).all()
    expert = make("one_door", doors="two_way", policy="expert").collect(50, 65, 0)
    assert expert.card["mean_goals_reached"] > 1
    with pytest.raises(ValidationError, match=r"layout=one_door has no way back .* expected doors=two_way"):
        Rooms.Params(layout="one_door")
