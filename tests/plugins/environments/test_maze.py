"""The maze: physics against plain MuJoCo, layouts and tasks against a plain search, pictures against geometry."""

import multiprocessing
import pickle
from collections import deque

import mujoco
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vgbench_plugins.environments.maze import Maze, generator
from vgbench_plugins.environments.maze.layouts import Grid
from vgbench_plugins.environments.maze.physics import clearance, maze_xml

GRID = Grid(4, 4)
encode, decode, distances = GRID.encode, GRID.decode, GRID.distances


def all_codes():
    return generator.all_codes(Maze.Params().rules)


def make(**params):
    return Maze(Maze.Params(**params))


def state_of(layout, position, velocity):
    return {
        "position": torch.tensor(np.atleast_2d(position), dtype=torch.float32),
        "velocity": torch.tensor(np.atleast_2d(velocity), dtype=torch.float32),
        "layout": torch.tensor(np.array(layout, np.uint8).reshape(-1, 4, 4)),
    }


def random_state(rng, count):
    """Random states anywhere that the ball can be, at rest or fast, many of them about to hit something."""
    codes = rng.choice(all_codes(), count)
    position = np.empty((count, 2))
    for n in range(count):
        while True:
            position[n] = rng.uniform(0.3, 4.3, 2)
            if clearance(GRID, codes[n : n + 1], position[n : n + 1])[0] > 0.1:
                break
    return state_of(decode(codes), position, rng.uniform(-4, 4, (count, 2)))


def search(layout, start):
    """Steps from a cell to every open cell, by a queue."""
    found, queue = {start: 0}, deque([start])
    while queue:
        i, j = queue.popleft()
        for cell in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
            if 0 <= cell[0] < 4 and 0 <= cell[1] < 4 and layout[cell] and cell not in found:
                found[cell] = found[i, j] + 1
                queue.append(cell)
    return found


# Physics


@pytest.mark.parametrize("substeps, max_force", [(4, None), (2, None), (10, 100.0)])
def test_step_is_plain_mujoco(substeps, max_force):
    """Row by row against a loop of mj_step with D4RL's clipping; here the solver keeps its warm start."""
    rng = np.random.default_rng(substeps)
    env = make(substeps=substeps, max_force=max_force)
    state, touched = random_state(rng, 60), 0
    action = torch.tensor(rng.uniform(-3.5, 3.5, (60, 2)), dtype=torch.float32)
    for _ in range(40 // substeps):  # 0.4 s in one direction: by then many touch a wall
        state = env.step(state, action)
    action[30:] = torch.tensor(rng.uniform(-3.5, 3.5, (30, 2)))
    after = env.step(state, action)
    for n in range(60):
        model = mujoco.MjModel.from_xml_string(maze_xml(GRID, int(encode(state["layout"][n].numpy()))))
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:] = state["position"][n].numpy(), np.clip(state["velocity"][n].numpy(), -5, 5)
        mass = model.body_mass[1]
        # The force, found by bisection on the free ball's recursion instead of the closed form.
        low, high = np.full(2, -1e5), np.full(2, 1e5)
        for _ in range(100):
            middle = (low + high) / 2
            v = data.qvel.copy()
            for _ in range(substeps):
                v = v + 0.01 * (middle - v) / (mass + 0.01)
            low, high = np.where(v < action[n].numpy(), middle, low), np.where(v < action[n].numpy(), high, middle)
        force = (low + high) / 2
        if max_force is not None:
            force *= min(1.0, max_force / np.linalg.norm(force))
        for _ in range(substeps):
            data.qvel[:] = np.clip(data.qvel, -5, 5)
            data.ctrl[:] = force
            mujoco.mj_step(model, data)
            touched += data.ncon > 0
        np.testing.assert_allclose(after["position"][n], data.qpos, atol=2e-5)
        np.testing.assert_allclose(after["velocity"][n], data.qvel, atol=2e-3)
    assert touched > 20


OPEN = np.ones((4, 4), np.uint8)  # no admissible layout, but a large hall to fly in


@settings(max_examples=60)
@given(
    substeps=st.integers(1, 20),
    velocity=st.tuples(st.floats(-3.5, 3.5), st.floats(-3.5, 3.5)),
    target=st.tuples(st.floats(-3.5, 3.5), st.floats(-3.5, 3.5)),
)
def test_free_flight_reaches_the_target_velocity(substeps, velocity, target):
    after = make(substeps=substeps).step(state_of(OPEN, (2.3, 2.3), velocity), torch.tensor([target]))
    np.testing.assert_allclose(after["velocity"][0], target, atol=1e-4)


def test_full_force_acceleration():
    """100 N on 4.18879 kg: 23.87 m/s^2, 0.955 m/s in four steps (reference 2.2, measured in D4RL)."""
    after = make(max_force=100.0).step(state_of(OPEN, (2.3, 2.3), (0, 0)), torch.tensor([[5.0, 0.0]]))
    assert after["velocity"][0].tolist() == pytest.approx([0.955, 0], abs=0.01)
    diagonal = make(max_force=100.0).step(state_of(OPEN, (2.3, 2.3), (0, 0)), torch.tensor([[3.0, 4.0]]))
    assert torch.linalg.vector_norm(diagonal["velocity"]).item() == pytest.approx(0.955, abs=0.01)


def test_contact_matches_the_measurements_of_d4rl():
    """A wall throws back a ball at 4.85 with 1.07, and holds one at rest at 0.373 to 0.403 (reference 2.2)."""
    env = make(substeps=1)
    state = state_of(OPEN, (0.8, 2.3), (-4.85, 0))
    speeds = []
    for _ in range(40):  # coasting: ask for the velocity that damping would leave
        state = env.step(state, state["velocity"] * (4.18879 / 4.19879))
        speeds.append(state["velocity"][0, 0].item())
    assert max(speeds) == pytest.approx(1.07, abs=0.1)
    state = state_of(OPEN, (0.8, 2.3), (0, 0))
    for _ in range(200):
        state = make(max_force=100.0).step(state, torch.tensor([[-5.0, 0.0]]))
    assert 0.37 <= state["position"][0, 0] <= 0.405 and state["position"][0, 1].item() == pytest.approx(2.3, abs=1e-4)


@pytest.mark.parametrize("substeps", [4, 10])
def test_no_tunnelling(substeps):
    """The fastest actions, at random or held, for 200 steps: the middle of the ball is always in an open cell."""
    rng = np.random.default_rng(0)
    env, state = make(substeps=substeps), random_state(rng, 50)
    angle = rng.uniform(0, 2 * np.pi, (200, 50))
    angle[100:] = angle[100:101]
    for t in range(200):
        state = env.step(state, torch.tensor(5 * np.stack([np.cos(angle[t]), np.sin(angle[t])], -1)).float())
        cell = torch.floor(state["position"] - 0.3).long()
        assert ((cell >= 0) & (cell <= 3)).all()
        assert (state["layout"][torch.arange(50), cell[:, 0], cell[:, 1]] == 1).all()


def test_actions_are_clipped_and_must_be_finite():
    env, state = make(), state_of(OPEN, (2.3, 2.3), (0, 0))
    assert env.step(state, torch.tensor([[30.0, -40.0]]))["velocity"][0].tolist() == pytest.approx([3, -4], abs=1e-4)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not finite"):
            env.step(state, torch.tensor([[bad, 0.0]]))


def test_rows_do_not_depend_on_the_batch():
    rng = np.random.default_rng(5)
    env, state = make(), random_state(rng, 67)
    action = torch.tensor(rng.uniform(-5, 5, (67, 2)), dtype=torch.float32)
    for _ in range(3):  # so that many are in contact
        state = env.step(state, action)
    after, seen = env.step(state, action), env.observe(state)
    goal, distance = env.goal_observation(state), env.goal_distance(state, after)
    for n in rng.permutation(67):
        row = {name: value[n : n + 1] for name, value in state.items()}
        one = env.step(row, action[n : n + 1])
        assert all(torch.equal(one[name][0], after[name][n]) for name in after)
        assert all(torch.equal(value[0], seen[name][n]) for name, value in env.observe(row).items())
        assert all(torch.equal(value[0], goal[name][n]) for name, value in env.goal_observation(row).items())
        assert torch.equal(env.goal_distance(row, one)[0], distance[n])
    some = {name: value[:0] for name, value in state.items()}
    assert env.step(some, action[:0])["position"].shape == (0, 2)
    assert env.observe(some)["image"].shape == (0, 3, 64, 64)


def test_step_is_pure():
    env, state = make(), random_state(np.random.default_rng(1), 5)
    before = {name: value.clone() for name, value in state.items()}
    action = torch.full((5, 2), 2.0)
    first = env.step(state, action)
    env.step(first, -action)
    again = env.step(state, action)
    assert all(torch.equal(state[name], before[name]) and torch.equal(first[name], again[name]) for name in state)


def _step_elsewhere(blob):
    env, state, action = pickle.loads(blob)
    return {name: value.numpy() for name, value in env.step(state, action).items()}


def test_pickles_and_runs_in_a_spawned_process():
    env, state = make(substeps=3), random_state(np.random.default_rng(2), 8)
    action = torch.full((8, 2), 3.0)
    here = env.step(state, action)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(_step_elsewhere, (pickle.dumps((env, state, action)),))
    assert all(np.array_equal(here[name].numpy(), there[name]) for name in here)


# Layouts


def test_layouts():
    layouts = decode(all_codes())
    assert np.array_equal(encode(layouts), all_codes()) and len(np.unique(all_codes())) == len(layouts) > 1000
    for n in np.random.default_rng(0).choice(len(layouts), 300, replace=False):
        layout = layouts[n]
        cells = list(zip(*np.nonzero(layout), strict=True))
        assert len(cells) in (8, 9)
        steps = [search(layout, cell) for cell in cells]
        assert all(len(found) == len(cells) for found in steps)  # connected
        assert 3 <= max(max(found.values()) for found in steps) < 8
        table = distances(int(encode(layout)))
        for (i, j), found in zip(cells, steps, strict=True):
            assert all(table[4 * i + j, 4 * a + b] == d for (a, b), d in found.items())
            assert (table[4 * i + j] >= 0).sum() == len(cells)


def test_layouts_are_all_there_are():
    """Membership of random codes, decided by the plain reading of the rules."""
    listed, rng = set(all_codes().tolist()), np.random.default_rng(1)
    for _ in range(400):
        layout = np.zeros(16, np.uint8)
        layout[rng.choice(16, rng.integers(7, 11), replace=False)] = 1
        layout = layout.reshape(4, 4)
        cells = list(zip(*np.nonzero(layout), strict=True))
        steps = [search(layout, cell) for cell in cells]
        around = [layout[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].sum() - 1 for i, j in cells]
        good = len(cells) in (8, 9) and len(steps[0]) == len(cells) and max(around) <= 6
        good = good and max(max(found.values()) for found in steps) < 8
        assert (int(encode(layout)) in listed) == good


# Data and tasks


@pytest.fixture(scope="module")
def data():
    return make().collect(60, 31, seed=3)


def test_collection_is_reproducible(data):
    again, other = make().collect(60, 31, seed=3), make().collect(60, 31, seed=4)
    for name in ("position", "velocity"):
        assert data.states[name].tobytes() == again.states[name].tobytes()
        assert data.states[name].tobytes() != other.states[name].tobytes()
    assert data.actions.tobytes() == again.actions.tobytes() and data.card == again.card
    assert data.static["layout"].tobytes() == again.static["layout"].tobytes()
    assert not np.array_equal(np.unique(encode(data.static["layout"])), np.unique(encode(other.static["layout"])))


def test_data_follow_the_dynamics_bit_for_bit(data):
    env = make()
    assert len(data) == 60 and data.length == 31 and data.actions.shape == (60, 30, 2)
    assert data.states["position"].shape == data.states["velocity"].shape == (60, 31, 2)
    assert all(a.dtype == np.float32 for a in (data.actions, *data.states.values()))
    for t in range(30):
        state = {name: torch.from_numpy(value[:, t].copy()) for name, value in data.states.items()}
        state["layout"] = torch.from_numpy(data.static["layout"])
        after = env.step(state, torch.from_numpy(data.actions[:, t]))
        assert all(np.array_equal(after[name], data.states[name][:, t + 1]) for name in data.states)


def test_data_laws(data):
    codes, counts = np.unique(encode(data.static["layout"]), return_counts=True)
    assert len(codes) == 5 and (counts == 12).all() and set(codes) <= set(all_codes())
    norm = np.linalg.norm(data.actions, axis=-1)
    assert norm.max() <= 5.0001 and np.quantile(norm, [0.25, 0.5, 0.75]) == pytest.approx([1.25, 2.5, 3.75], abs=0.2)
    assert np.abs(data.actions.mean(axis=(0, 1))).max() < 0.2
    start, speed = data.states["position"][:, 0], np.linalg.norm(data.states["velocity"][:, 0], axis=-1)
    assert (clearance(GRID, encode(data.static["layout"]), start) > 0.0999).all()
    assert 1.5 < speed.mean() < 3.5 and speed.max() <= 5.0001
    disc = make(action_norm="disc", start_velocity="zero").collect(40, 21, seed=0)
    assert np.median(np.linalg.norm(disc.actions, axis=-1)) == pytest.approx(5 / np.sqrt(2), abs=0.2)
    assert (disc.states["velocity"][:, 0] == 0).all()
    assert len(np.unique(encode(make(training_layouts=2).collect(9, 2, seed=0).static["layout"]))) == 2


def test_starts_are_uniform_on_the_free_area():
    """In one layout, the share of starts per cell against a fine grid of free points."""
    data = make(training_layouts=1).collect(4000, 2, seed=0)
    layout = data.static["layout"][:1]
    axis = np.arange(0.3, 4.3, 0.01) + 0.005
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    grid = grid[clearance(GRID, np.repeat(encode(layout), len(grid)), grid) > 0.1]
    edges = [np.arange(5) + 0.3] * 2
    expected = np.histogram2d(*grid.T, bins=edges)[0] / len(grid)
    found = np.histogram2d(*data.states["position"][:, 0].T, bins=edges)[0] / 4000
    assert ((expected > 0) == (layout[0] > 0)).all()
    np.testing.assert_allclose(found, expected, atol=0.025)


def test_card(data):
    card = data.card
    assert len(card["layouts"]) == 5 and 0.02 < card["share_steps_colliding"] < 0.3
    cells = np.floor(data.states["position"] - 0.3).astype(int)
    visited = np.mean([len({tuple(c) for c in path}) for path in cells])
    assert card["mean_cells_visited"] == pytest.approx(visited)
    assert card["share_open_cells_covered"] <= 1


def test_a_trajectory_in_the_open_counts_no_collision():
    env = make(substeps=1)
    state = state_of(OPEN, (2.3, 2.3), (1, 1))
    action = torch.tensor([[-2.0, 3.0]])
    assert not env._blocked(state, action, env.step(state, action))[0]
    env, wall = make(), state_of(OPEN, (0.405, 2.3), (-3, 0))
    action = torch.tensor([[-3.0, 0.0]])
    assert env._blocked(wall, action, env.step(wall, action))[0]


def test_tasks(data):
    env = make()
    tasks = env.sample_tasks(150, seed=9, data=data)
    seen = {layout.tobytes() for layout in data.static["layout"]}
    points = {name: state["position"].numpy() for name, state in (("start", tasks.start), ("goal", tasks.goal))}
    for n in range(150):
        layout = tasks.start["layout"][n].numpy()
        assert layout.tobytes() not in seen and int(encode(layout)) in set(all_codes().tolist())
        start, goal = (tuple(np.floor(points[name][n] - 0.3).astype(int)) for name in ("start", "goal"))
        assert search(layout, start)[goal] >= 3
        for name in points:
            inside = points[name][n] - 0.3 - np.floor(points[name][n] - 0.3)
            assert (inside >= 0.2499).all() and (inside <= 0.7501).all()
    assert torch.equal(tasks.start["layout"], tasks.goal["layout"])
    assert (tasks.start["velocity"] == 0).all() and (tasks.goal["velocity"] == 0).all()
    assert not env.success(tasks.start, tasks.goal).any() and env.success(tasks.goal, tasks.goal).all()
    assert len(torch.unique(tasks.start["layout"], dim=0)) > 100
    assert torch.equal(env.sample_tasks(7, 9, data).goal["position"], tasks.goal["position"][:7])
    assert not torch.equal(env.sample_tasks(150, 10, data).goal["position"], tasks.goal["position"])


def test_success_radius():
    goal = state_of([OPEN, OPEN], [(2, 2), (2, 2)], np.zeros((2, 2)))
    state = state_of([OPEN, OPEN], [(2.3, 2.39), (2.3, 2.41)], np.ones((2, 2)))
    assert make().success(state, goal).tolist() == [True, False]


# Pictures


def test_picture_shows_the_cells_and_the_agent():
    """Middles of cells are wall or baseline as the layout says; the green disc is where the ball is, y upwards."""
    env, rng = make(), np.random.default_rng(4)
    state = random_state(rng, 30)
    image = env.observe(state)["image"].numpy().astype(int)
    assert image.shape == (30, 3, 64, 64)
    for n in range(30):
        x, y = state["position"][n].numpy()
        rows, columns = np.mgrid[:64, :64]
        pixel_x, pixel_y = (columns + 0.5) * 6 / 64 - 0.7, (63.5 - rows) * 6 / 64 - 0.7
        away = np.hypot(pixel_x - x, pixel_y - y)
        a, b = np.floor(pixel_x + 0.7).astype(int), np.floor(pixel_y + 0.7).astype(int)
        deep = np.maximum(np.abs(pixel_x + 0.2 - a), np.abs(pixel_y + 0.2 - b)) < 0.4  # no cell's edge in this pixel
        ring = np.pad(state["layout"][n].numpy(), 1)
        dark = (a // 2 + b // 2) % 2 == 0
        for where, colour in [
            (ring[a, b] == 0, (221, 160, 99)),
            ((ring[a, b] == 1) & dark, (25, 51, 76)),
            ((ring[a, b] == 1) & ~dark, (51, 76, 102)),
        ]:
            assert (image[n][:, where & deep & (away > 0.25)] == np.array(colour)[:, None]).all()
        assert (image[n][:, away < 0.15] == np.array((86, 171, 86))[:, None]).all() and (away < 0.15).any()


def test_picture_is_antialiased():
    """A quarter of a pixel to the right changes the picture, and the disc's centroid follows within 0.05 px."""
    env = make()
    x = 2.3 + np.linspace(0, 0.3, 13)
    state = state_of([OPEN] * 13, np.stack([x, np.full(13, 2.2)], 1), np.zeros((13, 2)))
    image = env.observe(state)["image"].numpy().astype(float)
    empty = env.observe(state_of([OPEN], (0.8, 0.8), (0, 0)))["image"].numpy().astype(float)
    weight = np.abs(image - empty)[:, 1, :45, 22:]  # the other disc is below and to the left
    baseline = empty[0, 1, :45, 22:]
    weight = weight / (171 - baseline)
    centre = (weight.sum(1) * (np.arange(22, 64) + 0.5)).sum(1) / weight.sum((1, 2))
    np.testing.assert_allclose(centre, (x + 0.7) * 64 / 6, atol=0.05)
    np.testing.assert_allclose(weight.sum((1, 2)), np.pi * (0.2 * 64 / 6) ** 2, rtol=0.06)


def test_observations_are_a_function_of_the_state():
    env, state = make(), random_state(np.random.default_rng(6), 20)
    first = env.observe(state)
    first["image"].zero_()  # a caller may do as it likes with its own copy
    fresh, cached = make().observe(state), env.observe(state)
    assert torch.equal(fresh["image"], cached["image"]) and torch.equal(fresh["velocity"], state["velocity"])
    copy = pickle.loads(pickle.dumps(env))
    assert torch.equal(copy.observe(state)["image"], fresh["image"])


def test_a_ball_outside_the_picture_is_not_drawn():
    env = make()
    far = env.observe(state_of([OPEN] * 3, [(-3, 2), (9, 9), (2, 70)], np.zeros((3, 2))))["image"]
    assert (far == far[0]).all() and not (far[0, 1] == 171).any()


def test_goal_velocity():
    goal = state_of(OPEN, (2, 2), (1, -2))
    assert make().goal_observation(goal)["velocity"].tolist() == [[0, 0]]
    assert make(goal_velocity="keep").goal_observation(goal)["velocity"].tolist() == [[1, -2]]
    assert torch.equal(make().goal_observation(goal)["image"], make().observe(goal)["image"])
    assert goal["velocity"].tolist() == [[1, -2]]


def test_specification_matches_what_is_returned(data):
    env = make()
    spec = env.spec
    assert spec.actions.radius == 5 and spec.distance_unit == "cell" and env.success_radius == 0.5
    assert set(spec.state) == set(data.states) | set(data.static)
    state = env.sample_tasks(3, 0, data).start
    for arrays, specs in ((state, spec.state), (env.observe(state), spec.observations)):
        assert {k: tuple(v.shape[1:]) for k, v in arrays.items()} == {k: s.shape for k, s in specs.items()}
        assert {k: str(v.dtype).removeprefix("torch.") for k, v in arrays.items()} == {
            k: s.dtype for k, s in specs.items()
        }


@pytest.mark.parametrize(
    "bad", [{"substeps": 0}, {"max_force": 0}, {"goal_velocity": "one"}, {"training_layouts": 0}, {"speed": 1}]
)
def test_bad_parameters_are_refused(bad):
    with pytest.raises(ValidationError):
        Maze.Params(**bad)


def test_all_layouts_but_one_can_be_trained_on():
    with pytest.raises(ValidationError, match=r"there are 3178 layouts, .*; expected at most 3177"):
        Maze.Params(training_layouts=3178)
    env = make(training_layouts=3177)
    data = env.collect(3177, 2, seed=0)
    (left,) = set(all_codes()) - set(encode(data.static["layout"]))
    assert set(encode(env.sample_tasks(3, 0, data).start["layout"].numpy())) == {left}


def test_bad_sizes_are_refused():
    for count, length in ((0, 10), (10, 1)):
        with pytest.raises(ValueError, match="at least"):
            make().collect(count, length, seed=0)
