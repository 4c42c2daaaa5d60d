"""Experts of wall and maze: they solve the tasks; shortest ways against a brute force on a fine grid."""

import numpy as np
import pytest
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from vgbench_plugins.environments import wall_paths
from vgbench_plugins.environments.maze import Maze, data, generator, paths, physics
from vgbench_plugins.environments.maze.layouts import Grid
from vgbench_plugins.environments.wall import Wall

FOUR = Grid(4, 4)
CODES = generator.all_codes(Maze.Params().rules)


def solved(env, count, steps, seed=0):
    """Share of tasks that the expert solves, and the steps that it needs, [count] (-1: never)."""
    tasks = env.sample_tasks(count, seed, env.collect(10, 16, seed=0))
    generator = torch.Generator().manual_seed(1)
    state, needed = tasks.start, torch.full((count,), -1)
    for step in range(1, steps + 1):
        noise = torch.randn(count, env.spec.noise_dim, generator=generator) if env.spec.noise_dim else None
        state = env.step(state, env.expert(state, tasks.goal), noise)
        needed[env.success(state, tasks.goal) & (needed < 0)] = step
        if (needed >= 0).all():
            break
    return (needed >= 0).float().mean().item(), needed, tasks


@pytest.mark.parametrize("layout", ["fixed", "per_trajectory"])
@pytest.mark.parametrize("step, steps", [("small", 200), ("big", 64)])
def test_wall_expert_solves_the_tasks_in_hardly_more_steps_than_the_way_is_long(step, steps, layout):
    env = Wall(Wall.Params(step=step, layout=layout))
    share, needed, tasks = solved(env, 200, steps)
    assert share >= 0.99
    cost = env.cost_to_go(tasks.start, tasks.goal)
    # A bend costs less than a step each, at most two; the disc around the goal begins sqrt(2) px before it.
    assert (needed < cost + 3).all()
    assert (needed >= cost - 2**0.5 / env.spec.actions.radius - 0.01).all()


@pytest.mark.parametrize("step, steps", [("small", 200), ("big", 64)])
def test_wall_expert_wastes_no_step_at_the_door(step, steps):
    """Whole steps to the edge of the goal's disc are the least; an expert that ends a step at each bend needs 4 to 6 %
    more than these, and every score against its steps would be too high by as much."""
    env = Wall(Wall.Params(step=step, layout="per_trajectory"))
    _, needed, tasks = solved(env, 400, steps)
    least = torch.ceil(env.cost_to_go(tasks.start, tasks.goal) - 2**0.5 / env.spec.actions.radius - 0.01)
    assert (needed >= least).all()
    assert needed.sum() <= 1.03 * least.sum()


@pytest.mark.parametrize("noise", [0.5, 1.0, 1.5])
def test_wall_expert_under_noise_keeps_the_distance_that_takes_fewest_steps(noise):
    """Nearer to the corners moves are lost, further away the way is longer; each within 1 % of the best."""
    env = Wall(Wall.Params(step="big", layout="per_trajectory", noise=noise))
    tasks = env.sample_tasks(400, 0, None)

    def mean(clearance=None):
        generator, state, needed = torch.Generator().manual_seed(1), tasks.start, torch.full((400,), 64)
        for step in range(1, 40):
            action = env.expert(state, tasks.goal)
            if clearance is not None:
                at = (state["position"], tasks.goal["position"], state["layout"])
                action = (wall_paths.step_end(*at, clearance, 3.67) - at[0]).float()
            state = env.step(state, action, torch.randn(400, 2, generator=generator))
            needed[env.success(state, tasks.goal) & (needed == 64)] = step
        return needed.double().mean()

    assert mean() <= 1.01 * min(mean(clearance) for clearance in (0.1, 0.1 + 0.5 * noise, min(0.1 + 2 * noise, 3.0)))


@pytest.mark.parametrize("noise", [0.5, 1.5])
@pytest.mark.parametrize("collision", ["stay", "stop"])
def test_wall_expert_copes_with_noise(noise, collision):
    assert solved(Wall(Wall.Params(step="big", noise=noise, collision=collision)), 200, 64)[0] >= 0.99


def test_wall_expert_needs_no_step_that_is_cancelled():
    """From anywhere, also a hair from the wall or in the door: without noise every move is free."""
    env, rng = Wall(Wall.Params(step="big", layout="fixed")), np.random.default_rng(0)
    layout = torch.tensor([[32.0, 22.0]]).expand(4000, 2)
    near = rng.choice([30.999, 33.001, 31.5, 4.001, 58.999], 4000) + rng.choice([0, -1e-4, 1e-4], 4000)
    x = np.where(rng.random(4000) < 0.5, near, rng.uniform(4.01, 58.99, 4000))
    y = np.where(rng.random(4000) < 0.5, rng.uniform(4.01, 58.99, 4000), rng.choice([18.001, 25.999, 17.9, 26.1], 4000))
    within = (np.abs(x - 32) <= 1) & (np.abs(y - 22) >= 4)
    x = np.where(within, 20.0, np.clip(x, 4.001, 58.999))
    position = torch.from_numpy(np.stack([x, y], axis=-1).astype(np.float32))
    state = {"position": position, "layout": layout}
    goal = {"position": position[torch.from_numpy(rng.permutation(4000))], "layout": layout}
    for _ in range(40):
        action = env.expert(state, goal)
        after = env.step(state, action)
        assert torch.equal(after["position"], state["position"] + env.spec.actions.clip(action))
        state = after
    assert (env.goal_distance(state, goal) < 1e-3).all()


@pytest.mark.parametrize("env", [Wall(Wall.Params()), Maze(Maze.Params())], ids=["wall", "maze"])
def test_rows_do_not_depend_on_the_batch(env):
    tasks = env.sample_tasks(23, 3, env.collect(10, 16, seed=0))
    together = env.expert(tasks.start, tasks.goal)
    assert together.shape == (23, 2) and together.dtype == torch.float32 and "expert" in env.capabilities
    for row in range(23):
        start, goal = ({k: v[row : row + 1] for k, v in x.items()} for x in (tasks.start, tasks.goal))
        assert torch.equal(env.expert(start, goal)[0], together[row])
    none = [{k: v[:0] for k, v in x.items()} for x in (tasks.start, tasks.goal)]
    assert env.expert(*none).shape == (0, 2)


def grid_lengths(layout, spacing, sources):
    """Lengths of shortest ways from sources to all grid points [S, G], and the points [G, 2].

    Dijkstra along moves of up to 6 grid points each way, which are tested at 40 points each against the walls of the
    room (the side walls need no test). The grid has points on the faces and corners, which may be used here: the least
    length is that of the limit. Directions are at most 4.8 degrees off one of the moves, so ways are 0.35 % too long.
    """
    axis = np.arange(4.5, 59, spacing)
    wall, door = layout
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)

    def blocked(p):
        return (np.abs(p[..., 0] - wall) < 1 - 1e-9) & (np.abs(p[..., 1] - door) > 4 + 1e-9)

    n, rows, columns, values = len(axis), [], [], []
    moves = [(i, j) for i in range(7) for j in range(-6, 7) if np.gcd(i, j) == 1 and (i > 0 or j > 0)]
    index = np.arange(n * n).reshape(n, n)
    for i, j in moves:
        a = index[: n - i, max(0, -j) : n - max(0, j)].ravel()
        b = a + i * n + j
        t = np.linspace(0, 1, 40)[:, None, None]
        good = ~blocked(points[a] * (1 - t) + points[b] * t).any(axis=0)
        rows.append(a[good]), columns.append(b[good])
        values.append(np.full(good.sum(), spacing * np.hypot(i, j)))
    graph = coo_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(n * n, n * n))
    start = [int(np.abs(points - s).sum(axis=1).argmin()) for s in sources]
    return dijkstra(graph.tocsr(), directed=False, indices=start), points, start


@pytest.mark.parametrize("layout", [(32, 22), (20, 10), (43, 53)])
def test_cost_to_go_is_dijkstra_on_a_fine_grid(layout):
    env = Wall(Wall.Params(step="small"))
    # On both sides, a pixel from the wall, in the door and in corners.
    sources = [(10, 50), (layout[0] - 1.5, 40), (layout[0], layout[1] + 1), (58, 5), (layout[0] + 2, layout[1] - 3.5)]
    lengths, points, start = grid_lengths(layout, 0.5, sources)
    place = torch.tensor([layout], dtype=torch.float32).expand(len(points), 2)
    goal = {"position": torch.from_numpy(points).float(), "layout": place}
    for row, source in zip(lengths, start, strict=True):
        touching = (np.abs(points[:, 0] - layout[0]) <= 1) & (np.abs(points[:, 1] - layout[1]) >= 4)
        reached = np.isfinite(row) & ~touching
        assert reached.mean() > 0.9
        state = {"position": goal["position"][source].expand(len(points), 2), "layout": place}
        there, back = (env.cost_to_go(*pair).numpy() * 1.84 for pair in ((state, goal), (goal, state)))
        np.testing.assert_allclose(there, back, atol=0.01)
        # A move between two of its 40 points may cut a corner by a hair.
        assert (there[reached] <= row[reached] + 0.01).all()
        assert (there[reached] >= row[reached] / 1.0036 - 0.01).all()


def test_cost_to_go_by_hand():
    """Door of rows 18 to 26 at column 32: straight through, around one corner, around two, and in one room."""
    env = Wall(Wall.Params(step="big", max_step=4.0))
    pairs = [((20, 22), (44, 22)), ((28, 30), (43, 16)), ((28, 30), (36, 30)), ((10, 10), (13, 14))]
    start, goal = (torch.tensor([pair[i] for pair in pairs], dtype=torch.float32) for i in range(2))
    layout = torch.tensor([[32.0, 22.0]]).expand(4, 2)
    cost = env.cost_to_go({"position": start, "layout": layout}, {"position": goal, "layout": layout})
    # (28, 30) -> (31, 26) is 5 long; (31, 26) -> (43, 16) is free; (31, 26) -> (33, 26) is 2, and 5 again to (36, 30).
    expected = [24 / 4, (5 + np.hypot(12, 10)) / 4, (5 + 2 + 5) / 4, 5 / 4]
    assert cost.tolist() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("params", [{}, {"max_force": 100.0}, {"substeps": 20}])
def test_maze_expert_solves_the_tasks(params):
    share, needed, tasks = solved(Maze(Maze.Params(**params)), 80, 200)
    assert share >= 0.99
    start, goal = (x["position"].numpy() for x in (tasks.start, tasks.goal))
    # At 5 cells/s in a straight line to the edge of the goal's disc it would take:
    seconds = (np.linalg.norm(goal - start, axis=1) - 0.5) / 5
    assert (needed.numpy() * params.get("substeps", 4) * 0.01 >= seconds - 1e-6).all()


@pytest.mark.parametrize("substeps", [2, 4, 10])
def test_maze_expert_loses_hardly_more_than_the_half_action_in_which_it_speeds_up(substeps):
    """At 5 cells/s from the start to the edge of the goal's disc it would take `least`, and half an action is lost
    while the velocity grows from 0; from cell to cell, as data are collected, it would be 15 % and more."""
    env = Maze(Maze.Params(substeps=substeps))
    share, needed, tasks = solved(env, 80, 200)
    action = 5 * substeps * 0.01
    way = env.cost_to_go(tasks.start, tasks.goal) * action
    assert share == 1
    # The bound is not sharp by the chords of `cost_to_go`, and by a corner that the ball cuts between two of them.
    assert (needed >= (way - 0.5 - 0.02) / action).all()
    assert needed.sum() <= 1.03 * torch.ceil((way - 0.5) / action + 0.5).sum()


def test_maze_expert_goes_on_from_any_velocity_without_touching_a_wall_again():
    """From random places and velocities: first it may bounce off, but in the end every ball is at its goal."""
    env, rng = Maze(Maze.Params()), np.random.default_rng(0)
    codes = rng.choice(CODES, 60)
    start, end = data.free_positions(rng, FOUR, codes), data.free_positions(rng, FOUR, codes)
    static = torch.from_numpy(FOUR.decode(codes))

    def at(position, velocity):
        return {"position": torch.from_numpy(position).float(), "velocity": velocity.float(), "layout": static}

    state = at(start, torch.from_numpy(data.random_velocities(rng, (60,), "radius")))
    goal = at(end, torch.zeros(60, 2))
    for _ in range(50):
        action = env.expert(state, goal)
        assert (torch.linalg.vector_norm(action, dim=-1) <= 5 + 1e-5).all()
        state = env.step(state, action)
    assert (env.goal_distance(state, goal) < 0.1).all()


def test_maze_ways_are_shortest_and_straight():
    """Hop from turn to turn: each hop is along a row or column of open cells, and all together are the distance."""
    for code in np.random.default_rng(0).choice(CODES, 30).tolist():
        grid, steps, aim = FOUR.decode(code), FOUR.distances(code), paths.aims(FOUR, code)
        for a, b in np.argwhere(steps >= 0).tolist():
            cell, walked = a, 0
            while cell != b:
                after = int(aim[cell, b])
                (i, j), (k, m) = divmod(cell, 4), divmod(after, 4)
                assert (i == k) != (j == m)
                assert grid[min(i, k) : max(i, k) + 1, min(j, m) : max(j, m) + 1].all()
                walked += abs(i - k) + abs(j - m)
                cell = after
            assert walked == steps[a, b]


def test_maze_expert_slows_down_before_a_turn_if_the_force_is_limited():
    """Three cells in a row: at distance d of the last the speed allows to stop there, sqrt(2 F d / m)."""
    code = next(c for c in CODES.tolist() if (FOUR.decode(c)[0, :3] == 1).all())
    position = physics.middle_of(FOUR, np.array([0]))
    goal = physics.middle_of(FOUR, np.array([2]))
    velocity = paths.velocities(FOUR, np.array([code]), position, goal, 4, 2.0)[0]
    assert velocity == pytest.approx([0, np.sqrt(2 * 2.0 / 4.18879 * 2)], rel=1e-4)
    assert paths.velocities(FOUR, np.array([code]), position, goal, 4, None)[0] == pytest.approx([0, 5])
