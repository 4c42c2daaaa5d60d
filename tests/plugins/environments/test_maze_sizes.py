"""Mazes of other sizes than 4 x 4, and OGBench's maps: physics, layouts, pictures and ways, each by other means."""

import pickle
import time

import mujoco
import numpy as np
import pytest
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra, shortest_path

from vgbench_plugins.environments.maze import Maze, generator, geodesic
from vgbench_plugins.environments.maze.layouts import Grid

SIX = {"cells": 6, "open": (0.5, 0.75)}
EIGHT = {"cells": 8, "open": (0.5, 0.8)}
SIZES = [SIX, EIGHT, {"cells": (7, 5)}, {"map": "large"}]


def make(**params):
    return Maze(Maze.Params(**params))


def steps_between(layout):
    """Steps between open cells, [n, n], by scipy; and the cells, [n, 2]."""
    cells = np.argwhere(layout)
    beside = np.abs(cells[:, None] - cells).sum(-1) == 1
    return shortest_path(beside.astype(float), unweighted=True), cells


# Physics


def xml_of(layout):
    """D4RL's maze, with boxes where there are walls only."""
    ring = np.pad(np.asarray(layout), 1)
    boxes = "".join(
        f'<geom type="box" size=".5 .5 .2" pos="{a + 1} {b + 1} 0" contype="1" conaffinity="1"/>'
        for a, b in np.argwhere(ring == 0)
    )
    return (
        '<mujoco><option timestep="0.01" gravity="0 0 0" iterations="20" integrator="Euler"/><size memory="1M"/>'
        '<default><geom friction=".5 .1 .1" density="1000" margin=".002" condim="1"/></default><worldbody>' + boxes + ""
        '<body pos="1.2 1.2 0"><joint name="x" type="slide" axis="1 0 0" damping="1"/>'
        '<joint name="y" type="slide" axis="0 1 0" damping="1"/>'
        '<geom type="sphere" size="0.1" contype="2" conaffinity="1"/></body></worldbody>'
        '<actuator><motor joint="x"/><motor joint="y"/></actuator></mujoco>'
    )


@pytest.mark.parametrize("params", SIZES)
def test_step_is_plain_mujoco(params):
    """Row by row against a loop of mj_step, with the force that was found by bisection."""
    env, rng, touched = make(**params, policy="navigate"), np.random.default_rng(0), 0
    data = env.collect(30, 12, 0)
    state = {name: torch.from_numpy(value[:, -1].copy()) for name, value in data.states.items()}
    state["layout"] = torch.from_numpy(data.static["layout"])
    action = torch.tensor(rng.uniform(-3.5, 3.5, (30, 2)), dtype=torch.float32)
    for _ in range(10):  # in one direction: by then many touch a wall
        state = env.step(state, action)
    after = env.step(state, action)
    for n in range(30):
        model = mujoco.MjModel.from_xml_string(xml_of(state["layout"][n]))
        one = mujoco.MjData(model)
        one.qpos[:], one.qvel[:] = state["position"][n].numpy(), np.clip(state["velocity"][n].numpy(), -5, 5)
        low, high = np.full(2, -1e5), np.full(2, 1e5)
        for _ in range(100):
            force, v = (low + high) / 2, one.qvel.copy()
            for _ in range(4):
                v = v + 0.01 * (force - v) / (model.body_mass[1] + 0.01)
            low, high = np.where(v < action[n].numpy(), force, low), np.where(v < action[n].numpy(), high, force)
        for _ in range(4):
            one.qvel[:] = np.clip(one.qvel, -5, 5)
            one.ctrl[:] = force
            mujoco.mj_step(model, one)
            touched += one.ncon > 0
        np.testing.assert_allclose(after["position"][n], one.qpos, atol=2e-5)
        np.testing.assert_allclose(after["velocity"][n], one.qvel, atol=2e-3)
    assert touched > 10


# Layouts


@pytest.mark.parametrize(
    "params, cells, longest",
    [(SIX, (18, 27), 13), (EIGHT, (32, 51), 19), ({"cells": (5, 9), "longest": 16}, (23, 27), 16)],
)
def test_drawn_layouts_keep_the_rules(params, cells, longest):
    rules = Maze.Params(**params).rules
    began = time.process_time()
    codes = generator.distinct(np.random.default_rng(0), rules, 1500)
    assert time.process_time() - began < 10  # 0.5 and 1.3 s
    layouts = rules.grid.decode(codes)
    assert len(np.unique(layouts.reshape(1500, -1), axis=0)) == 1500
    assert np.array_equal(rules.grid.encode(layouts), codes)
    number = layouts.sum(axis=(1, 2))
    assert (number.min(), number.max()) == cells
    for layout in layouts[:300]:
        steps = steps_between(layout)[0]
        assert np.isfinite(steps).all() and steps.max() <= longest
    few = generator.distinct(np.random.default_rng(0), rules, 7)
    assert np.array_equal(few, codes[:7])


@pytest.mark.parametrize("params", SIZES)
def test_distances_are_those_of_scipy(params):
    env = make(**params)
    for layout in env.collect(5, 2, 1).static["layout"]:
        steps, cells = steps_between(layout)
        number = cells[:, 0] * layout.shape[1] + cells[:, 1]
        found = env.params.grid.distances(int(env.params.grid.encode(layout)))
        assert np.array_equal(found[np.ix_(number, number)], steps)
        assert (found >= 0).sum() == len(cells) ** 2


def test_hashes_of_large_layouts_refuse_a_collision(monkeypatch):
    grid = Grid(9, 8)
    layouts = np.zeros((2, 9, 8), np.uint8)
    layouts[0, 0, 0] = layouts[1, 0, 1] = 1
    codes = grid.encode(layouts)
    assert np.array_equal(grid.decode(codes), layouts) and len(set(codes.tolist())) == 2
    monkeypatch.setitem(Grid._weights, (9, 8), np.ones(72, np.int64))
    with pytest.raises(ValueError, match="same 64-bit hash"):
        grid.encode(layouts)
    with pytest.raises(ValueError, match=r"a layout of 4 x 4 cells; expected 9 x 8, as maze.cells"):
        grid.encode(np.ones((4, 4)))


@pytest.mark.parametrize(
    "name, width, height, cells", [("medium", 6, 6, 26), ("large", 10, 7, 46), ("giant", 14, 10, 86)]
)
def test_maps(name, width, height, cells):
    """OGBench's sizes (rings of 8 x 8, 9 x 12 and 12 x 16), and places of its tasks, all connected."""
    env = make(map=name)
    data = env.collect(3, 5, 0)
    layout = data.static["layout"][0]
    assert layout.shape == (width, height) and (data.static["layout"] == layout).all() and layout.sum() == cells
    steps, _ = steps_between(layout)
    assert np.isfinite(steps).all() and steps.max() == env.params.rules.longest
    ends = {"medium": [(1, 1), (6, 6), (6, 1), (1, 6)], "large": [(1, 1), (7, 10), (5, 4), (7, 1)]}
    assert all(layout[column - 1, row - 1] for row, column in ends.get(name, [(1, 1), (10, 14)]))
    tasks = env.sample_tasks(9, 0, data)
    assert (tasks.start["layout"].numpy() == layout).all() and tasks.strata is None
    assert env.check_tasks(tasks, data) == {"share_in_layouts_of_data": 1.0}


# Data


@pytest.mark.parametrize("policy", ["random", "expert", "coverage", "navigate", "stitch"])
@pytest.mark.parametrize("params", [SIX, {"cells": (4, 7)}, {"map": "medium"}])
def test_collection_is_reproducible_and_follows_the_dynamics(policy, params):
    env = make(**params, policy=policy)
    first, again = env.collect(20, 15, 3), pickle.loads(pickle.dumps(env)).collect(20, 15, 3)
    assert first.actions.tobytes() == again.actions.tobytes() and first.card == again.card
    layout = torch.from_numpy(first.static["layout"])
    for t in range(14):
        state = {name: torch.from_numpy(value[:, t].copy()) for name, value in first.states.items()}
        after = env.step(state | {"layout": layout}, torch.from_numpy(first.actions[:, t]))
        assert all(np.array_equal(after[name], first.states[name][:, t + 1]) for name in first.states)
    cell = np.floor(first.states["position"] - 0.3).astype(int)
    assert first.static["layout"][np.arange(20)[:, None], cell[..., 0], cell[..., 1]].all()


def test_layouts_of_the_data_come_from_the_seed_alone():
    one, two = make(**SIX).collect(40, 2, 5), make(**SIX, policy="stitch", start_velocity="zero").collect(60, 3, 5)
    sets = [{layout.tobytes() for layout in data.static["layout"]} for data in (one, two)]
    assert sets[0] == sets[1] and len(sets[0]) == 5
    assert sets[0] != {layout.tobytes() for layout in make(**SIX).collect(40, 2, 6).static["layout"]}
    many = make(**SIX, training_layouts=300).collect(300, 2, 5)
    assert len({layout.tobytes() for layout in many.static["layout"]}) == 300


def test_stitch_stays_near_its_start_and_navigate_does_not():
    far = {}
    for policy in ("stitch", "navigate"):
        data = make(map="large", policy=policy).collect(40, 150, 0)
        steps, cells = steps_between(data.static["layout"][0])
        number = np.full(data.static["layout"][0].shape, -1)
        number[tuple(cells.T)] = np.arange(len(cells))
        index = np.floor(data.states["position"] - 0.3).astype(int)
        place = number[index[..., 0], index[..., 1]]
        far[policy] = steps[place[:, :1], place].max(axis=1)
        assert data.card["mean_goals_reached"] > 1
    # The noise may push the ball a little into the cell behind.
    assert far["stitch"].max() <= 5 and np.median(far["navigate"]) > 8


def test_collecting_is_fast():
    """2000 x 101 in 25 mazes of 6 x 6 is to take less than 15 s: a tenth of it here."""
    env = make(**SIX, training_layouts=25)
    began = time.process_time()
    env.collect(200, 101, 0)
    assert time.process_time() - began < 4


# Pictures


@pytest.mark.parametrize("params, size", [(SIX, (64, 64)), (EIGHT, (80, 80)), ({"cells": (7, 5)}, (56, 72))])
def test_pictures(params, size):
    """Each pixel away from the disc has the colour of its cell, each near its middle the agent's; y upwards."""
    env = make(**params)
    data = env.collect(12, 9, 0)
    state = {name: torch.from_numpy(value[:, -1]) for name, value in data.states.items()}
    state["layout"] = torch.from_numpy(data.static["layout"])
    seen = env.observe(state)
    image = seen["image"].numpy().astype(int)
    assert image.shape == (12, 3, *size) and env.spec.observations["image"].shape == (3, *size)
    assert env.spec.state["layout"].shape == state["layout"].shape[1:]
    rows, columns = np.mgrid[: size[0], : size[1]]
    x, y = (columns + 0.5) / 8 - 0.7, (size[0] - 0.5 - rows) / 8 - 0.7
    assert env.map_extent == pytest.approx((-0.7, size[1] / 8 - 0.7, -0.7, size[0] / 8 - 0.7))
    a, b = columns // 8, (size[0] - 1 - rows) // 8
    for n in range(12):
        away = np.hypot(x - state["position"][n, 0].item(), y - state["position"][n, 1].item())
        ring, dark = np.pad(data.static["layout"][n], 1), (a // 2 + b // 2) % 2 == 0
        wanted = np.where(dark[..., None], (25, 51, 76), (51, 76, 102))
        wanted = np.where((ring[a, b] == 0)[..., None], (221, 160, 99), wanted)
        assert (image[n].transpose(1, 2, 0)[away > 0.2 + 0.0626] == wanted[away > 0.2 + 0.0626]).all()
        assert (image[n][:, away < 0.13] == np.array((86, 171, 86))[:, None]).all() and (away < 0.13).any()
        column, row = env.track(state)[n].tolist()
        assert away.min() == away[round(row), round(column)]
        one = env.observe({name: value[n : n + 1] for name, value in state.items()})["image"]
        assert torch.equal(one[0], seen["image"][n])


# Ways


def fine_lengths(layout, spacing, source):
    """Length of ways from a source [2] to free points [G, 2] of a grid: moves of up to 5 points, looked at closely."""
    width, height = layout.shape
    axes = [np.arange(0.4, side + 0.2 + 1e-9, spacing) for side in (width, height)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    walls = np.argwhere(np.pad(layout, 1) == 0) - 0.2

    def free(p):
        good = np.ones(p.shape[:-1], bool)
        for wall in walls:
            gap = np.maximum(np.abs(p - wall) - 0.5, 0)
            good &= (gap**2).sum(-1) >= (0.1 - 1e-6) ** 2
        return good

    n, m = len(axes[0]), len(axes[1])
    index, edges = np.arange(n * m).reshape(n, m), []
    for i in range(6):
        for j in range(-5, 6):
            if np.gcd(i, j) == 1 and (i > 0 or j > 0):
                a = index[: n - i, max(0, -j) : m - max(0, j)].ravel()
                b = a + i * m + j
                t = np.linspace(0, 1, 16)[:, None, None]
                good = free(points[a] * (1 - t) + points[b] * t).all(axis=0)
                edges.append(np.stack([a[good], b[good], np.full(good.sum(), spacing * np.hypot(i, j))]))
    row, column, value = np.concatenate(edges, axis=1)
    graph = coo_array((value, (row.astype(int), column.astype(int))), shape=(n * m, n * m)).tocsr()
    start = int(np.abs(points - source).sum(axis=1).argmin())
    return dijkstra(graph, directed=False, indices=start), points, start


@pytest.mark.parametrize("params", [SIX, EIGHT, {"map": "large"}])
def test_cost_to_go_is_dijkstra_on_a_fine_grid(params):
    env = make(**params)
    data = env.collect(1, 2, 0)
    layout = data.static["layout"][0]
    row, points, start = fine_lengths(layout, 0.1, np.argwhere(layout)[0] + 0.8)
    reached = np.flatnonzero(np.isfinite(row))[::3]
    static = torch.from_numpy(layout).expand(len(reached), *layout.shape)
    sides = []
    for place in (np.repeat(points[start][None], len(reached), axis=0), points[reached]):
        position = torch.from_numpy(place.astype(np.float32))
        sides.append({"position": position, "velocity": torch.zeros_like(position), "layout": static})
    length = env.cost_to_go(*sides).numpy() * 0.2
    assert (length <= row[reached] + 1e-4).all()
    # A corner costs the grid a little more, and there are up to some ten of them.
    assert (length >= row[reached] / 1.006 - 0.25).all()
    places = env.state_grid({name: value[:1] for name, value in sides[0].items()}).states["position"]
    assert len(places) == np.isfinite(row).sum()


@pytest.mark.parametrize("params", [SIX, EIGHT, {"map": "medium"}])
def test_experts_solve_the_tasks(params):
    env = make(**params)
    tasks = env.sample_tasks(12, 0, env.collect(5, 2, 0))
    state, cost = tasks.start, env.cost_to_go(tasks.start, tasks.goal)
    needed = torch.full((12,), -1)
    for step in range(1, 130):
        state = env.step(state, env.expert(state, tasks.goal))
        needed[env.success(state, tasks.goal) & (needed < 0)] = step
    assert (needed > 0).all() and (needed >= cost - 0.5 / 0.2).all() and (needed <= 1.3 * cost + 4).all()


@pytest.mark.parametrize("params", [{}, SIX], ids=["few bends", "many bends"])
def test_ways_between_bends_are_those_of_scipy_to_the_last_bit(params):
    maze = make(**params)
    grid, layouts = maze.params.grid, maze.collect(12, 3, 0).static["layout"]
    for code in np.unique(grid.encode(layouts)).tolist():
        bends, found = geodesic.graph(grid, code)
        count, kept = len(bends), geodesic.chord_distance(geodesic.RADIUS)
        everywhere = np.broadcast_to(bends, (count, *bends.shape))
        seen = geodesic.visible(bends, everywhere, geodesic.walls_of(grid, code), np.full(count, kept))
        away = np.linalg.norm(bends[:, None] - bends, axis=-1)
        assert count and np.array_equal(found, dijkstra(np.where(seen, away, 0.0), directed=False))
