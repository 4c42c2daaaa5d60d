"""Ground truth of wall and maze: shortest ways, grids of states, and the fixed point of the value loss."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.stats import spearmanr

from vgbench_plugins.environments import wall_value
from vgbench_plugins.environments.maze import Maze, generator, physics
from vgbench_plugins.environments.maze.layouts import Grid
from vgbench_plugins.environments.wall import Wall
from vgbench_plugins.environments.wall_walk import Walk

FOUR = Grid(4, 4)
CODES = generator.all_codes(Maze.Params().rules)

STEP = 0.2  # cells that the ball goes in an action at top speed


def grid_lengths(code, spacing, sources):
    """Lengths [S, G] of ways from sources to the free points [G, 2] of a fine grid: moves of up to 6 points each way,
    tested at 24 points each. Directions are at most 4.8 degrees off one of the moves, so ways are 0.35 % too long."""
    axis = np.arange(0.4, 4.2 + 1e-9, spacing)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)

    def free(p):
        flat = p.reshape(-1, 2)
        return (physics.clearance(FOUR, np.full(len(flat), code), flat) >= 0.1 - 1e-9).reshape(p.shape[:-1])

    n, index, edges = len(axis), np.arange(len(axis) ** 2).reshape(len(axis), -1), []
    for i in range(7):
        for j in range(-6, 7):
            if np.gcd(i, j) == 1 and (i > 0 or j > 0):
                a = index[: n - i, max(0, -j) : n - max(0, j)].ravel()
                b = a + i * n + j
                t = np.linspace(0, 1, 24)[:, None, None]
                good = free(points[a] * (1 - t) + points[b] * t).all(axis=0)
                edges.append(np.stack([a[good], b[good], np.full(good.sum(), spacing * np.hypot(i, j))]))
    row, column, value = np.concatenate(edges, axis=1)
    graph = coo_array((value, (row.astype(int), column.astype(int))), shape=(n * n, n * n)).tocsr()
    starts = [int(np.abs(points - s).sum(axis=1).argmin()) for s in sources]
    return dijkstra(graph, directed=False, indices=starts), points, starts


def at(code, position):
    """Maze states at rest."""
    count = len(position)
    place = torch.from_numpy(np.asarray(position, np.float32))
    layout = torch.from_numpy(FOUR.decode(np.full(count, code)))
    return {"position": place, "velocity": torch.zeros(count, 2), "layout": layout}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_maze_cost_to_go_is_dijkstra_on_a_fine_grid(seed):
    maze = Maze(Maze.Params())
    code = int(np.random.default_rng(seed).choice(CODES))
    cells = np.flatnonzero(FOUR.decode(code).ravel())
    sources = physics.middle_of(FOUR, cells[[0, -1]]) + np.array([[0.3, -0.4], [0.05, 0.2]])
    lengths, points, starts = grid_lengths(code, 0.1, sources)
    for row, start in zip(lengths, starts, strict=True):
        reached = np.isfinite(row)
        assert 0.3 < reached.mean() < 0.6  # 8 or 9 of 16 cells, less a margin
        goal, here = points[reached], np.repeat(points[start][None], reached.sum(), axis=0)
        there = maze.cost_to_go(at(code, here), at(code, goal)).numpy() * STEP
        back = maze.cost_to_go(at(code, goal), at(code, here)).numpy() * STEP
        np.testing.assert_allclose(there, back, atol=1e-5)
        assert (there <= row[reached] + 1e-4).all()
        # Points on a grid of 0.1 cannot follow the arcs, or reach the tangents: a corner costs a little more.
        assert (there >= row[reached] / 1.0036 - 0.1).all()


def test_maze_cost_to_go_by_hand():
    """Straight on in one row, and around one corner: two tangents and an arc of the ball's radius."""
    maze = Maze(Maze.Params())
    code = next(
        c for c in CODES.tolist() if (FOUR.decode(c)[:2, :2] == [[1, 1], [1, 0]]).all()
    )  # cell (1, 1) is closed: its corner, at (1.3, 1.3), points to cell (0, 0)
    corner = np.array([1.3, 1.3])
    # On the tangents: the way is 0.6, a quarter circle, 0.6.
    start, goal = corner + np.array([[-0.1, 0.6], [0.6, -0.1]])
    a, b = corner + np.array([[-0.1, 0.5], [-0.1, -0.9]])
    cost = maze.cost_to_go(at(code, [start, a]), at(code, [goal, b])).numpy()
    assert cost[0] * STEP == pytest.approx(1.2 + 0.1 * np.pi / 2, abs=0.0025)
    assert cost[0] * STEP <= 1.2 + 0.1 * np.pi / 2
    assert cost[1] * STEP == pytest.approx(1.4, abs=1e-6)


def test_maze_expert_needs_no_less_than_the_cost_to_go():
    maze = Maze(Maze.Params())
    tasks = maze.sample_tasks(30, 0, maze.collect(5, 3, 0))
    needed, state = torch.full((30,), -1), tasks.start
    for step in range(1, 120):
        state = maze.step(state, maze.expert(state, tasks.goal))
        needed[maze.success(state, tasks.goal) & (needed < 0)] = step
    cost = maze.cost_to_go(tasks.start, tasks.goal)
    assert (needed > 0).all()
    assert (needed >= cost - maze.success_radius / STEP).all()
    assert torch.corrcoef(torch.stack([needed.float(), cost]))[0, 1] > 0.8


def test_maze_cost_to_go_does_not_depend_on_the_batch_and_is_infinite_within_a_wall():
    maze = Maze(Maze.Params())
    tasks = maze.sample_tasks(7, 1, maze.collect(5, 3, 0))
    together = maze.cost_to_go(tasks.start, tasks.goal)
    for row in range(7):
        one = [{k: v[row : row + 1] for k, v in x.items()} for x in (tasks.start, tasks.goal)]
        assert maze.cost_to_go(*one)[0] == together[row]
    code = int(CODES[0])
    closed = physics.middle_of(FOUR, np.flatnonzero(FOUR.decode(code).ravel() == 0)[:1])
    inside = physics.middle_of(FOUR, np.flatnonzero(FOUR.decode(code).ravel())[:1])
    assert maze.cost_to_go(at(code, closed), at(code, inside)).isinf().all()


@pytest.mark.parametrize("env", [Wall(Wall.Params(layout="fixed")), Maze(Maze.Params())], ids=["wall", "maze"])
def test_state_grids_cover_what_is_free_and_interpolate_what_is_linear(env):
    data = env.collect(5, 64, seed=0)
    tasks = env.sample_tasks(1, 0, data)
    grid = env.state_grid(tasks.start)
    assert all(len(value) == len(grid) for value in grid.states.values())
    goal = {k: v.expand(len(grid), *v.shape[1:]) for k, v in tasks.goal.items()}
    cost = env.cost_to_go(grid.states, goal)
    assert cost.isfinite().all()
    # From every state but those at the goal a neighbour is nearer: true values have no local minima on the grid.
    beside = torch.where(grid.neighbours >= 0, cost[grid.neighbours], torch.inf).amin(dim=1)
    assert ((beside < cost) | env.success(grid.states, goal)).all()
    number, weight = grid.locate(grid.states)
    x = grid.states["position"]
    torch.testing.assert_close((x[number] * weight[..., None]).sum(1).float(), x)
    # A move to a neighbour is free: the straight way is the shortest.
    rows, columns = (grid.neighbours >= 0).nonzero(as_tuple=True)
    ends = {k: v[grid.neighbours[rows, columns]] for k, v in grid.states.items()}
    starts = {k: v[rows] for k, v in grid.states.items()}
    per_length = env.cost_to_go(starts, ends) / env.goal_distance(starts, ends)
    torch.testing.assert_close(per_length, per_length[:1].expand_as(per_length), rtol=2e-3, atol=0)
    elsewhere = {k: v + 0.0 if k != "position" else torch.tensor([[-50.0, 1e4]]) for k, v in tasks.start.items()}
    number, weight = grid.locate(elsewhere)
    assert weight.sum().item() == pytest.approx(1) and (number >= 0).all() and (number < len(grid)).all()


def test_wall_pairs_have_labels():
    wall = Wall(Wall.Params(layout="fixed"))
    layout = torch.tensor([[32.0, 22.0]]).expand(3, 2)
    state = {"position": torch.tensor([[10.0, 10.0]] * 3), "layout": layout}
    goal = {"position": torch.tensor([[10.0, 19.0], [20.0, 40.0], [40.0, 10.0]]), "layout": layout}
    assert wall.pair_labels(state, goal).tolist() == [0, 1, 2] and len(wall.pair_label_names) == 3


def chain(count):
    """Random walk that goes left or right alike, and stands still instead at the ends: 2 samples a state."""
    rows = np.arange(2 * count)
    columns = np.clip(rows // 2 + 2 * (rows % 2) - 1, 0, count - 1)
    return csr_array((np.ones(2 * count), (rows, columns)), shape=(2 * count, count))


def test_fixed_point_of_a_chain_satisfies_the_expectile_equation():
    ends, tau, gamma = chain(16), 0.8, 0.9
    d = wall_value.solve(ends, 0, tau, gamma)
    assert d[0] == 0 and (np.diff(d) > 0).all() and d[-1] < 1 / (1 - gamma)
    targets = 1 + gamma * (ends @ d).reshape(16, 2)
    excess = d[:, None] - targets
    balance = (np.where(excess > 0, tau, 1 - tau) * excess).sum(1)
    np.testing.assert_allclose(balance[1:], 0, atol=1e-6)
    # Half of the steps lead away: its two targets are 1, with weight tau, and 1 + gamma d[2].
    assert d[1] == pytest.approx(0.8 * 1 + 0.2 * (1 + 0.9 * d[2]))


def test_fixed_point_with_tau_one_half_is_the_mean_and_near_one_the_best():
    ends, gamma = chain(12), 0.9
    transition = (ends.toarray().reshape(12, 2, 12)).mean(1)
    transition[3], cost = 0, np.where(np.arange(12) == 3, 0, 1.0)
    np.testing.assert_allclose(
        wall_value.solve(ends, 3, 0.5, gamma), np.linalg.solve(np.eye(12) - gamma * transition, cost), atol=1e-5
    )
    steps = np.abs(np.arange(12) - 3)
    best = (1 - gamma**steps) / (1 - gamma)
    np.testing.assert_allclose(wall_value.solve(ends, 3, 1 - 1e-7, gamma), best, atol=1e-4)


def decay_length(tau, gamma, norm):
    """Length L of a plane wave 1 - d / dmax = exp(-x / L): 1 / gamma is the expectile of exp(norm cos(h) / L)."""
    cosine = np.cos(2 * np.pi * (np.arange(2000) + 0.5) / 2000)

    def balance(length):
        excess = np.exp(norm * cosine / length) - 1 / gamma
        return (np.where(excess > 0, tau, 1 - tau) * excess).sum()

    return brentq(balance, norm / 20, norm * 1e3)


def test_fixed_point_decays_as_the_effective_speed_says():
    """methods: 5.9 px for steps of 2 px, tau .6, gamma .93; the front is curved, which takes a few percent more."""
    assert decay_length(0.6, 0.93, 2.0) == pytest.approx(5.9, abs=0.3)
    assert decay_length(0.8, 0.98, 1.0) == pytest.approx(21.7, abs=1.0)
    wall = Wall(Wall.Params(step="big", layout="fixed", fixed_layout=(43.0, 50.0)))
    x = torch.arange(18.0, 33.0)
    place = torch.tensor([[43.0, 50.0]]).expand(len(x), 2)
    state = {"position": torch.stack([x, torch.full_like(x, 30.0)], dim=-1), "layout": place}
    goal = {"position": torch.tensor([[10.0, 30.0]]).expand(len(x), 2), "layout": place}
    d = wall.value_fixed_point(state, goal, 0.6, 0.93).double()
    signal = 1 - d * (1 - 0.93)
    slope = -np.polyfit(x.numpy(), np.log(signal.numpy()), 1)[0]
    # In two dimensions a wave from a point falls by another 1 / sqrt(distance).
    curved = slope - 0.5 * np.log((32 - 10) / (18 - 10)) / (32 - 18)
    assert 1 / curved == pytest.approx(decay_length(0.6, 0.93, 2.0), rel=0.15)


def test_fixed_point_on_the_wall_is_in_the_order_of_the_true_cost():
    wall = Wall(Wall.Params(step="big", layout="fixed"))
    tasks = wall.sample_tasks(1, 3, wall.collect(4, 64, 0))
    grid = wall.state_grid(tasks.start)
    goal = {k: v.expand(len(grid), *v.shape[1:]) for k, v in tasks.goal.items()}
    d, cost = wall.value_fixed_point(grid.states, goal, 0.95, 0.98), wall.cost_to_go(grid.states, goal)
    assert spearmanr(d, cost)[0] > 0.98
    assert d.min() >= 0 and d.max() < 50 and d[cost.argmin()] < 2
    slower = wall.value_fixed_point(grid.states, goal, 0.8, 0.98)
    assert (slower >= d - 1e-4).all()
    with pytest.raises(ValueError, match="policy=random"):
        Wall(Wall.Params(policy="expert")).value_fixed_point(grid.states, goal, 0.8, 0.98)


def test_walks_of_the_fixed_point_are_the_datas():
    actions = wall_value.walks(Walk(2.0, 0.8, 0.4, 3.6, persistent=True), 3)
    norm = np.linalg.norm(actions, axis=-1)
    assert actions.shape == (wall_value.SAMPLES, 3, 2) and (norm >= 0.399).all() and (norm <= 3.601).all()
    assert np.abs((actions[:, 0] / norm[:, :1]).mean(axis=0)).max() < 1e-6
