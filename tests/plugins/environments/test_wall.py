"""The wall: moves against exact geometry, pictures against their formula, data and tasks against their laws."""

import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import integrate, special, stats

from vgbench.api import Trajectories
from vgbench.data import files
from vgbench_plugins.environments.wall import Wall

GRID = 64  # positions and moves of the exact tests are multiples of 1 / 64 px, where all arithmetic is exact
FAR = 1000


def make(**params):
    return Wall(Wall.Params(**params))


def boxes(wall_x, door_y):
    """Closed solids as (x low, x high, y low, y high)."""
    return [
        (-FAR, 4, -FAR, FAR),
        (59, FAR, -FAR, FAR),
        (-FAR, FAR, -FAR, 4),
        (-FAR, FAR, 59, FAR),
        (wall_x - 1, wall_x + 1, -FAR, door_y - 4),
        (wall_x - 1, wall_x + 1, door_y + 4, FAR),
    ]


def touches(p, q, box):
    """Whether the closed segment pq meets the closed box: separating axes, in rationals (no division, no time)."""
    x0, x1, y0, y1 = box
    if max(p[0], q[0]) < x0 or min(p[0], q[0]) > x1 or max(p[1], q[1]) < y0 or min(p[1], q[1]) > y1:
        return False
    normal = (p[1] - q[1], q[0] - p[0])
    offset = normal[0] * p[0] + normal[1] * p[1]
    corners = [normal[0] * x + normal[1] * y - offset for x in (x0, x1) for y in (y0, y1)]
    return min(corners) <= 0 <= max(corners)


def free(p, layout):
    return not any(touches(p, p, box) for box in boxes(*layout))


@st.composite
def moves(draw):
    """Layout, free start and move on the grid, most of them near the wall, its door or a border."""
    wall, door = draw(st.integers(20, 43)), draw(st.integers(10, 53))
    near_x = draw(st.sampled_from([wall - 1, wall, wall + 1, 4, 59]))
    near_y = draw(st.sampled_from([door - 4, door, door + 4, 4, 59]))
    x = Fraction(near_x) + Fraction(draw(st.integers(-3 * GRID, 3 * GRID)), GRID)
    y = Fraction(near_y) + Fraction(draw(st.integers(-3 * GRID, 3 * GRID)), GRID)
    assume(free((x, y), (wall, door)))
    dx, dy = (Fraction(draw(st.integers(-230, 230)), GRID) for _ in range(2))
    assume(dx * dx + dy * dy <= Fraction(36, 10) ** 2)
    return (wall, door), (x, y), (dx, dy)


def run_step(env, layout, start, move):
    state = {"position": torch.tensor([[float(v) for v in start]]), "layout": torch.tensor([layout]).float()}
    return env.step(state, torch.tensor([[float(v) for v in move]]))["position"][0].tolist()


@settings(max_examples=400)
@given(moves())
def test_stay_is_exact(case):
    layout, start, move = case
    target = (start[0] + move[0], start[1] + move[1])
    blocked = any(touches(start, target, box) for box in boxes(*layout))
    expected = start if blocked else target
    assert run_step(make(collision="stay"), layout, start, move) == [float(v) for v in expected]


@settings(max_examples=300)
@given(moves())
def test_stop_ends_free_moves_exactly_and_never_enters_a_solid(case):
    layout, start, move = case
    target = (start[0] + move[0], start[1] + move[1])
    end = run_step(make(collision="stop"), layout, start, move)
    assert free([Fraction(v) for v in end], layout)
    if not any(touches(start, target, box) for box in boxes(*layout)):
        assert end == [float(v) for v in target]
    else:  # it goes no further than the move, and not back
        for axis in range(2):
            low, high = sorted((float(start[axis]), float(target[axis])))
            assert low <= end[axis] <= high


def creep(start, move, layout, pieces=3000):
    """The "stop" rule by brute force: tiny pieces of the move; an axis that is blocked once is dropped."""
    p, d = np.array(start, float), np.array(move, float) / pieces
    for _ in range(pieces):
        if free(p + d, layout):
            p = p + d
            continue
        for axis in (0, 1):
            alone = np.where(np.arange(2) == axis, d, 0)
            if not free(p + alone, layout):
                d[axis] = 0
        if free(p + d, layout):
            p = p + d
        else:
            d[:] = 0
    return p


def test_stop_slides_like_a_creeping_agent():
    rng = np.random.default_rng(0)
    env, compared = make(collision="stop"), 0
    while compared < 40:
        layout = (int(rng.integers(20, 44)), int(rng.integers(10, 54)))
        start = np.float32(rng.uniform(-3, 3, 2) + rng.choice([(layout[0], layout[1] + 4), (layout[0], 56), (6, 6)]))
        angle, norm = rng.uniform(0, 2 * np.pi), rng.uniform(1, 3.6)
        move = np.float32([norm * np.cos(angle), norm * np.sin(angle)])
        path = start + np.linspace(0, 1, 200)[:, None] * move
        corners = [(layout[0] + i, layout[1] + j) for i in (-1, 1) for j in (-4, 4)]
        near_corner = min(np.abs(path - c).max(axis=1).min() for c in corners) < 0.02  # a hair decides there
        blocked = any(touches(start.astype(float), (start + move).astype(float), box) for box in boxes(*layout))
        if not free(start, layout) or near_corner or not blocked:
            continue
        compared += 1
        end = run_step(env, layout, start, move)
        np.testing.assert_allclose(end, creep(start, move, layout), atol=5e-3)


def test_stop_can_slide_and_leave_after_contact():
    env, layout = make(collision="stop"), (32, 22)
    at_wall = run_step(env, layout, (28.5, 50), (3.5, 0.25))
    assert at_wall == pytest.approx([31, 50.25], abs=2e-3)
    assert at_wall[0] < 31
    along = run_step(env, layout, at_wall, (1, -3))
    assert along == pytest.approx([at_wall[0], 47.25])
    assert run_step(env, layout, along, (-2, 0)) == pytest.approx([at_wall[0] - 2, 47.25])
    corner = run_step(env, layout, (5, 5), (-2.5, -2.5))
    assert corner == pytest.approx([4, 4], abs=2e-3)
    assert run_step(env, layout, corner, (2, 2)) == pytest.approx([6, 6], abs=4e-3)


@pytest.mark.parametrize("collision", ["stay", "stop"])
def test_actions_are_clipped_to_the_bound(collision):
    env = make(step="small", collision=collision)
    end = run_step(env, (32, 22), (20, 40), (30, -40))
    assert end == pytest.approx([20 + 0.6 * 1.84, 40 - 0.8 * 1.84], abs=1e-5)


def test_picture_is_its_formula():
    env = make()
    rng = np.random.default_rng(3)
    position = rng.uniform(4.1, 58.9, (20, 2)).astype(np.float32)
    position[0] = (10, 50)
    layout = np.stack([rng.integers(20, 44, 20), rng.integers(10, 54, 20)], axis=1).astype(np.float32)
    image = env.observe({"position": torch.from_numpy(position), "layout": torch.from_numpy(layout)})["image"].numpy()
    assert image.shape == (20, 2, 64, 64) and image.dtype == np.uint8
    for n in range(20):
        rows, columns = np.mgrid[:64, :64].astype(float)
        r2 = (columns - float(position[n, 0])) ** 2 + (rows - float(position[n, 1])) ** 2
        exact = 255 * np.exp(-r2 / (2 * 1.3**2))
        sure = (np.abs(exact - np.round(exact)) > 1e-3) | (exact < 0.5)  # float32 rounds the others either way
        assert sure.mean() > 0.99
        assert np.array_equal(image[n, 0][sure], np.trunc(exact[sure]))
        assert np.abs(image[n, 0] - exact).max() < 1.001
        for row in range(64):
            for column in range(64):
                border = row in (4, 59) or column in (4, 59)
                inner = abs(column - layout[n, 0]) <= 1 and abs(row - layout[n, 1]) > 4
                assert image[n, 1, row, column] == (255 if border or inner else 0)
    assert image[0, 0, 50, 10] == 255  # the peak, at row y and column x


@pytest.fixture(scope="module")
def big():
    return make(step="big", layout="per_trajectory").collect(400, 64, seed=7)


@pytest.mark.parametrize("params", [{}, {"step": "small", "collision": "stop"}, {"layout": "fixed"}])
def test_collection_is_reproducible(params):
    first, again, other = (make(**params).collect(30, 40, seed) for seed in (1, 1, 2))
    assert first.states["position"].tobytes() == again.states["position"].tobytes()
    assert first.actions.tobytes() == again.actions.tobytes() and first.card == again.card
    assert first.static["layout"].tobytes() == again.static["layout"].tobytes()
    assert first.actions.tobytes() != other.actions.tobytes()


@pytest.mark.parametrize("count", [1, 2, 7, 40])
@pytest.mark.parametrize("step", ["small", "big"])
def test_exactly_half_cross(step, count):
    data = make(step=step).collect(count, 64, seed=count)
    sides = [
        (any(x < wall - 1 for x in path), any(x > wall + 1 for x in path))
        for path, (wall, _) in zip(data.states["position"][..., 0], data.static["layout"], strict=True)
    ]
    assert sum(left and right for left, right in sides) == count // 2 == data.card["crossing_trajectories"]


@pytest.mark.parametrize("params", [{"step": "big"}, {"step": "small"}, {"collision": "stop"}, {"heading": "fixed"}])
def test_data_follow_the_dynamics_bit_for_bit(params):
    env = make(**params)
    data = env.collect(40, 32, seed=5)
    assert len(data) == 40 and data.length == 32
    assert data.states["position"].dtype == data.actions.dtype == data.static["layout"].dtype == np.float32
    layout = torch.from_numpy(data.static["layout"])
    collided = 0
    for t in range(31):
        now = torch.from_numpy(data.states["position"][:, t])
        after = env.step({"position": now, "layout": layout}, torch.from_numpy(data.actions[:, t]))["position"]
        assert torch.equal(after, torch.from_numpy(data.states["position"][:, t + 1]))
        collided += (np.abs((after - now).numpy() - data.actions[:, t]) > 1e-4).any(axis=1).sum()
    assert data.card["share_steps_colliding"] == pytest.approx(collided / (40 * 31))
    assert all(
        free(p, layout)
        for path, layout in zip(data.states["position"].astype(float), data.static["layout"], strict=True)
        for p in path
    )


@pytest.mark.parametrize("step, mean, std, low, high", [("small", 1, 0.4, 0.2, 1.8), ("big", 2, 0.8, 0.4, 3.6)])
def test_norm_law(step, mean, std, low, high):
    data = make(step=step, layout="fixed").collect(200, 64, seed=3)
    norms = np.linalg.norm(data.actions.astype(float), axis=-1).ravel()
    assert norms.min() > low - 1e-5 and norms.max() < high + 1e-5
    law = stats.truncnorm((low - mean) / std, (high - mean) / std, loc=mean, scale=std)
    assert stats.kstest(norms, law.cdf).statistic < 0.02  # n = 12,600


@pytest.mark.parametrize("step, mean, unit, low, high", [("small", 1, 0.4, 0.2, 1.8), ("big", 2, 0.8, 0.4, 3.6)])
def test_clipped_norms(step, mean, unit, low, high):
    """A normal law set to its bounds of two deviations: 4.55 % there, std .384 of .4; truncated none, and .352."""
    rng = np.random.default_rng(0)
    clipped, truncated = (make(step=step, norms=norms).walk.norms(rng, (400_000,)) for norms in ("clip", "truncate"))
    at_bounds = np.isin(clipped, (low, high))
    assert at_bounds.mean() == pytest.approx(2 * stats.norm.sf(2), abs=0.0015)
    assert (clipped == low).sum() == pytest.approx(at_bounds.sum() / 2, rel=0.05)
    # E[min(|z|, 2)^2] of a normal z.
    variance = 2 * integrate.quad(lambda z: min(z, 2) ** 2 * stats.norm.pdf(z), 0, 12, points=[2])[0]
    assert clipped.std() == pytest.approx(unit * np.sqrt(variance), rel=0.005)
    assert np.sqrt(variance) * 0.4 == pytest.approx(0.384, abs=5e-4)
    assert clipped.mean() == pytest.approx(mean, abs=0.01 * unit)
    assert clipped[~at_bounds].std() == pytest.approx(unit * stats.truncnorm(-2, 2).std(), rel=0.005)
    assert not np.isin(truncated, (low, high)).any()
    assert truncated.std() == pytest.approx(unit * stats.truncnorm(-2, 2).std(), rel=0.005)


def test_clipped_norms_reach_the_data_and_leave_old_names():
    data = make(norms="clip", layout="fixed").collect(200, 64, seed=3)
    norms = np.linalg.norm(data.actions.astype(float), axis=-1)
    assert (np.abs(norms - 0.4) < 1e-5).mean() + (np.abs(norms - 3.6) < 1e-5).mean() == pytest.approx(0.0455, abs=0.01)
    assert norms.min() > 0.4 - 1e-5 and norms.max() < 3.6 + 1e-5
    assert "norms" not in Wall.Params().identity() and Wall.Params(norms="clip").identity()["norms"] == "clip"


@pytest.mark.parametrize("heading, power", [("persistent", 1), ("fixed", 2)])
def test_heading_law(heading, power):
    """Mean cosine of a turn: I1(5) / I0(5) for one von Mises increment, its square for the difference of two."""
    data = make(heading=heading, step="small", layout="fixed").collect(200, 64, seed=3)
    angle = np.arctan2(data.actions[..., 1], data.actions[..., 0]).astype(float)
    cosine = np.cos(np.diff(angle, axis=1)).mean()
    assert cosine == pytest.approx((special.i1(5) / special.i0(5)) ** power, abs=0.01)


def test_short_or_impossible_collections_end():
    assert make().collect(20, 8, seed=0).card["crossing_trajectories"] == 10
    assert make(step="small").collect(3, 3, seed=0).card["crossing_trajectories"] == 1
    with pytest.raises(ValueError, match="pass the door"):
        make().collect(10, 2, seed=0)
    for count, length in ((0, 64), (5, 1)):
        with pytest.raises(ValueError, match="at least"):
            make().collect(count, length, seed=0)


def test_layouts():
    fixed = make(layout="fixed").collect(5, 32, seed=0).static["layout"]
    assert np.array_equal(fixed, np.tile(np.float32([32, 22]), (5, 1)))
    shared = [make(layout="per_dataset").collect(5, 32, seed=s).static["layout"] for s in range(3)]
    assert all(len(np.unique(layout, axis=0)) == 1 for layout in shared)
    assert len(np.unique(np.concatenate(shared), axis=0)) > 1
    own = make(layout="per_trajectory").collect(300, 16, seed=0).static["layout"]
    assert len(np.unique(own, axis=0)) > 200
    assert set(own[:, 0]) <= set(range(20, 44)) and set(own[:, 1]) <= set(range(10, 54))


def test_tasks(big):
    env = make(layout="per_trajectory")
    tasks = env.sample_tasks(300, seed=4, data=big)
    start, goal, layout = tasks.start["position"], tasks.goal["position"], tasks.start["layout"]
    assert len(tasks) == 300 and torch.equal(layout, tasks.goal["layout"])
    side = torch.sign(start[:, 0] - layout[:, 0])
    assert torch.equal(side, -torch.sign(goal[:, 0] - layout[:, 0])) and 100 < (side > 0).sum() < 200
    for point in (start, goal):
        assert point.dtype == torch.float32 and point.min() >= 6.6 - 1e-4 and point.max() <= 56.4 + 1e-4
        assert ((point[:, 0] - layout[:, 0]).abs() >= 3.6 - 1e-4).all()
    assert not env.success(tasks.start, tasks.goal).any() and env.success(tasks.goal, tasks.goal).all()
    assert len(torch.unique(layout, dim=0)) > 100
    fewer = env.sample_tasks(10, seed=4, data=big)
    assert torch.equal(fewer.goal["position"], goal[:10])
    assert not torch.equal(env.sample_tasks(300, seed=5, data=big).goal["position"], goal)


def test_tasks_follow_the_layout_of_the_data(big):
    for layout in ("fixed", "per_dataset"):
        env = make(layout=layout)
        data = env.collect(4, 32, seed=11)
        tasks = env.sample_tasks(6, seed=0, data=data)
        assert np.array_equal(tasks.start["layout"].numpy(), np.tile(data.static["layout"][:1], (6, 1)))
        with pytest.raises(ValueError, match="one layout"):
            env.sample_tasks(6, seed=0, data=big)


def test_success_within_root_two():
    env = make()
    goal = {"position": torch.tensor([[20.0, 20.0]] * 2), "layout": torch.tensor([[32.0, 22.0]] * 2)}
    state = {**goal, "position": torch.tensor([[21.0, 20.99], [21.0, 21.01]])}
    assert env.success(state, goal).tolist() == [True, False]
    assert env.goal_distance(state, goal).tolist() == pytest.approx([np.hypot(1, 0.99), np.hypot(1, 1.01)], rel=1e-5)


@pytest.mark.parametrize("params", [{}, {"collision": "stop"}])
def test_rows_do_not_depend_on_the_batch(params):
    env = make(**params)
    data = env.collect(203, 3, seed=1)
    state = {k: torch.from_numpy(v) for k, v in (("position", data.states["position"][:, 1]), *data.static.items())}
    action = torch.from_numpy(np.random.default_rng(0).normal(0, 3, (203, 2)).astype(np.float32))
    after, image = env.step(state, action), env.observe(state)["image"]
    distance = env.goal_distance(state, after)
    for b in range(203):
        row = {k: v[b : b + 1] for k, v in state.items()}
        one = env.step(row, action[b : b + 1])
        assert torch.equal(one["position"][0], after["position"][b])
        assert torch.equal(env.observe(row)["image"][0], image[b])
        assert torch.equal(env.goal_distance(row, one)[0], distance[b])


def test_step_is_pure_and_survives_pickling():
    env = make()
    state = {"position": torch.tensor([[20.0, 40.0]]), "layout": torch.tensor([[32.0, 22.0]])}
    action = torch.tensor([[1.0, -2.0]])
    assert env.step(state, action)["position"].tolist() == [[21.0, 38.0]]
    assert state["position"].tolist() == [[20.0, 40.0]] and action.tolist() == [[1.0, -2.0]]
    copy = pickle.loads(pickle.dumps(env))
    assert torch.equal(copy.step(state, action)["position"], env.step(state, action)["position"])


def test_specification_matches_what_is_returned(big):
    env = make(max_step=4.9, layout="per_trajectory")
    spec = env.spec
    assert spec.actions.radius == 4.9 and spec.distance_unit == "px" and spec.noise_dim == 0
    assert make(step="small").spec.actions.radius == 1.84 and make(step="big").spec.actions.radius == 3.67
    assert set(spec.state) == set(big.states) | set(big.static)
    state = env.sample_tasks(3, 0, big).start
    assert {k: tuple(v.shape[1:]) for k, v in state.items()} == {k: s.shape for k, s in spec.state.items()}
    image = env.observe(state)["image"]
    assert image.shape[1:] == spec.observations["image"].shape and image.dtype == torch.uint8


@pytest.mark.parametrize("bad", [{"step": "huge"}, {"max_step": 0}, {"max_step": float("nan")}, {"speed": 1}])
def test_bad_parameters_are_refused(bad):
    with pytest.raises(ValidationError):
        Wall.Params(**bad)


def test_a_bound_below_the_data_is_refused():
    with pytest.raises(ValidationError, match=r"longest action of the data, 3\.6"):
        Wall.Params(step="big", max_step=1.84)


def test_progress_and_card_are_plain():
    calls = []
    data: Trajectories = make().collect(20, 32, seed=0, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (20, 20) and [c[0] for c in calls] == sorted(c[0] for c in calls)
    assert all(type(v) in (int, float) for v in data.card.values())


# properties of the data


def test_the_share_that_passes_the_door_is_as_asked():
    for share, count in ((0.0, 0), (0.1, 4), (1.0, 41)):
        data = make(crossing=share).collect(41, 64, seed=3)
        assert data.card["crossing_trajectories"] == count
    # Without a trajectory that has to cross, any length will do.
    assert make(crossing=0.0).collect(4, 2, seed=0).length == 2
    with pytest.raises(ValueError, match=r"4 of 4 must; use more states, or wall.crossing=0"):
        make(crossing=1.0).collect(4, 2, seed=0)


def turns(data):
    """Angles between successive actions of each trajectory, [N, T - 1]."""
    heading = np.arctan2(data.actions[..., 1], data.actions[..., 0])
    return np.angle(np.exp(1j * np.diff(heading, axis=1)))


def test_undirected_trajectories_forget_their_heading_and_directed_ones_keep_it():
    data = make(directed=0.25, crossing=0.0).collect(200, 64, seed=0)
    # The mean cosine of a von Mises increment of kappa 5 is I1(5) / I0(5) = .893; of a uniform one 0.
    straight = np.cos(turns(data)).mean(axis=1)
    directed = straight > 0.45
    assert directed.sum() == 50 and data.card["share_trajectories_directed"] == 0.25
    assert straight[directed].mean() == pytest.approx(0.893, abs=0.01)
    assert straight[~directed].mean() == pytest.approx(0.0, abs=0.02)
    # Diffusing goes less far: 63 steps of 2 px in random directions end some 2 sqrt(63) px away.
    assert np.linalg.norm(np.diff(data.states["position"][:, ::63], axis=1)[~directed, 0], axis=-1).mean() < 16


def test_undirected_trajectories_cross_as_often_as_is_asked():
    data = make(directed=0.0).collect(40, 64, seed=1)
    assert data.card["crossing_trajectories"] == 20 and np.abs(np.cos(turns(data)).mean()) < 0.05


@pytest.mark.parametrize(
    "holdout, number", [(False, 7), (False, 100), (False, 1056), (True, 100), (True, 700), (True, 792)]
)
@pytest.mark.parametrize("policy", ["random", "stitch"])
def test_the_number_of_layouts_of_the_data(policy, holdout, number):
    env = make(layout="per_trajectory", training_layouts=number, holdout=holdout, policy=policy, crossing=0.0)
    data = env.collect(1100, 3, seed=0)
    layouts, counts = np.unique(data.static["layout"], axis=0, return_counts=True)
    assert len(layouts) == data.card["distinct_layouts"] == number and counts.max() - counts.min() <= 1
    assert (layouts == np.floor(layouts)).all() and (layouts >= [20, 10]).all() and (layouts < [44, 54]).all()
    if holdout:
        assert (layouts.sum(axis=1) % 4 != 0).all()
    other = env.collect(1100, 3, seed=1).static["layout"]
    assert number > 700 or not np.array_equal(np.unique(other, axis=0), layouts)


def test_each_layout_is_as_likely():
    """100 of 1056 layouts for each of 300 seeds: how often each is drawn, against the hypergeometric law."""
    env, counts = make(layout="per_trajectory", training_layouts=100, crossing=0.0), np.zeros((24, 44))
    for seed in range(300):
        column, row = env.collect(100, 2, seed).static["layout"].astype(int).T
        counts[column - 20, row - 10] += 1
    assert counts.sum() == 300 * 100 and counts.max() <= 300
    # Each count is binomial (300, 100 / 1056): mean 28.4, standard deviation 5.1.
    assert abs(counts.std() - 5.07) < 0.5 and stats.zscore(counts, axis=None).max() < 5


def test_layouts_that_cannot_be_had_are_refused_before_anything_is_collected():
    with pytest.raises(ValueError, match="training_layouts=7 expects layout=per_trajectory, not per_dataset"):
        make(training_layouts=7)
    for holdout, most in ((False, 1056), (True, 792)):
        words = f"={most + 1}: with holdout={str(holdout).lower()} there are {most} layouts .* at most {most}"
        with pytest.raises(ValueError, match=words):
            make(layout="per_trajectory", training_layouts=most + 1, holdout=holdout)
    env, told = make(layout="per_trajectory", training_layouts=51), []
    with pytest.raises(
        ValueError, match=r"wall\.training_layouts=51 expects at least 51 trajectories, not 50; lower it"
    ):
        env.collect(50, 64, 0, lambda done, total: told.append(done))
    assert not told and len(np.unique(env.collect(51, 64, 0).static["layout"], axis=0)) == 51


def test_without_a_number_each_trajectory_draws_its_own_layout_as_ever():
    """Fingerprints from before layouts were drawn without replacement."""
    found = [
        files.fingerprint(make(layout="per_trajectory", holdout=holdout).collect(40, 33, 5))
        for holdout in (False, True)
    ]
    assert found == ["53ca55e02d81d5a7", "0f80126557401a69"]


def test_these_properties_at_their_defaults_change_no_number():
    plain = make().collect(20, 32, seed=4)
    same = make(crossing=0.5, directed=1.0).collect(20, 32, seed=4)
    assert plain.actions.tobytes() == same.actions.tobytes() and plain.card == same.card
    # Of the version before there were any: the sum of all actions.
    assert float(np.abs(plain.actions).sum(dtype=np.float64)) == pytest.approx(1590.8563, rel=1e-6)
