"""Data of the wall's experts, mixtures and coverage, and noisy moves: against what each of them promises."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from vgbench_plugins.environments import wall_policies
from vgbench_plugins.environments.wall import Wall

POLICIES = ("expert", "mixed", "coverage", "navigate", "stitch")


def make(**params):
    return Wall(Wall.Params(**params))


def collect(count=200, length=64, seed=3, **params):
    return make(**params).collect(count, length, seed)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("more", [{}, {"collision": "stop", "layout": "fixed"}, {"noise": 0.7, "step": "small"}])
def test_collection_is_reproducible(policy, more):
    first, again, other = (collect(70, 20, seed, policy=policy, **more) for seed in (1, 1, 2))
    for name in ("actions", "position"):
        arrays = [data.actions if name == "actions" else data.states[name] for data in (first, again, other)]
        assert arrays[0].tobytes() == arrays[1].tobytes() != arrays[2].tobytes()
        assert arrays[0].dtype == np.float32
    assert first.card == again.card and all(type(v) in (int, float) for v in first.card.values())


def test_the_default_is_the_random_policy_without_noise():
    same = collect(30, policy="random", expert_share=0.9, noise=0.0)
    assert same.states["position"].tobytes() == collect(30).states["position"].tobytes()
    assert make().spec.noise_dim == 0


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("collision", ["stay", "stop"])
def test_data_follow_the_dynamics_bit_for_bit(policy, collision):
    env = make(policy=policy, collision=collision, step="small")
    data = env.collect(40, 32, seed=5)
    layout, collided = torch.from_numpy(data.static["layout"]), 0
    for t in range(31):
        now, action = torch.from_numpy(data.states["position"][:, t]), torch.from_numpy(data.actions[:, t])
        after = env.step({"position": now, "layout": layout}, action)["position"]
        assert torch.equal(after, torch.from_numpy(data.states["position"][:, t + 1]))
        collided += ((after - now - action).abs() > 1e-4).any(dim=1).sum().item()
    assert data.card["share_steps_colliding"] == pytest.approx(collided / (40 * 31))
    x, y = np.moveaxis(data.states["position"], -1, 0)
    wall, door = data.static["layout"].T[..., None]
    assert (np.minimum(x, y) > 4).all() and (np.maximum(x, y) < 59).all()
    assert not ((np.abs(x - wall) <= 1) & (np.abs(y - door) >= 4)).any()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("step, mean, std, low, high", [("small", 1, 0.4, 0.2, 1.8), ("big", 2, 0.8, 0.4, 3.6)])
def test_norms_follow_the_law_of_the_random_data(policy, step, mean, std, low, high):
    norms = np.linalg.norm(collect(policy=policy, step=step).actions.astype(float), axis=-1).ravel()
    law = stats.truncnorm((low - mean) / std, (high - mean) / std, loc=mean, scale=std)
    assert stats.kstest(norms, law.cdf).statistic < 0.02  # n = 12,600


@pytest.mark.parametrize("layout", ["fixed", "per_trajectory"])
@pytest.mark.parametrize("step, crossing", [("small", 0.6), ("big", 0.85)])
def test_experts_go_shortest_ways(step, layout, crossing):
    """Over 15 steps, in which few change their goal, experts go hardly further than they must; random walks do."""
    env = make(step=step, layout=layout)
    efficiency = {}
    for policy in ("expert", "random"):
        data = collect(policy=policy, step=step, layout=layout)
        start, end = (torch.from_numpy(data.states["position"][:, t]) for t in (0, 15))
        place = torch.from_numpy(data.static["layout"])
        least = env.cost_to_go({"position": start, "layout": place}, {"position": end, "layout": place}).numpy()
        gone = np.linalg.norm(data.actions[:, :15], axis=-1).sum(axis=1)
        efficiency[policy] = least * env.spec.actions.radius / gone
        if policy == "expert":
            x, wall = data.states["position"][..., 0], data.static["layout"][:, :1]
            share = ((x < wall - 1).any(axis=1) & (x > wall + 1).any(axis=1)).mean()
            assert share == pytest.approx(data.card["share_trajectories_crossing"]) and share > crossing
            assert data.card["share_steps_colliding"] < 0.01 and data.card["mean_goals_reached"] > 1
    assert np.median(efficiency["expert"]) > 0.92 and np.median(efficiency["random"]) < 0.8


def farthest(env, data):
    """Length of the shortest way from a trajectory's start to each of its states, px, [N, T + 1]."""
    layout, radius = torch.from_numpy(data.static["layout"]), env.spec.actions.radius
    states = [{"position": torch.from_numpy(p), "layout": layout} for p in np.moveaxis(data.states["position"], 1, 0)]
    return torch.stack([env.cost_to_go(states[0], state) for state in states], dim=1).numpy() * radius


@pytest.mark.parametrize("layout", ["fixed", "per_trajectory"])
@pytest.mark.parametrize("step, longest, crossing", [("small", 1.8, 0.5), ("big", 3.6, 0.8)])
def test_stitch_stays_near_its_start_and_navigate_does_not(step, longest, crossing, layout):
    far, cards = {}, {}
    for policy in ("stitch", "navigate"):
        env = make(policy=policy, step=step, layout=layout)
        data = env.collect(300, 64, 3)
        far[policy], cards[policy] = farthest(env, data).max(axis=1), data.card
        x, wall = data.states["position"][..., 0], data.static["layout"][:, :1]
        share = ((x < wall - 1).any(axis=1) & (x > wall + 1).any(axis=1)).mean()
        assert share == pytest.approx(data.card["share_trajectories_crossing"])
    # Goals are up to 16 px from the start; the noise may lead one step past them.
    assert np.median(far["stitch"]) > 12 and far["stitch"].max() <= 16 + longest
    assert np.median(far["navigate"]) > 2 * 16 > far["stitch"].max()
    assert cards["navigate"]["share_trajectories_crossing"] > crossing
    assert 0.03 < cards["stitch"]["share_trajectories_crossing"] < 0.25
    assert cards["stitch"]["mean_goals_reached"] > 2 * cards["navigate"]["mean_goals_reached"] > 2


@pytest.mark.parametrize("place", [(32.0, 22.0), (20.0, 53.0)])
def test_goals_of_stitch_are_uniform_among_the_free_points_within_reach(place):
    """Each leg leads from the start's surroundings to a point that a grid, measured by itself, has within 16 px."""
    wall, door = place
    grid = np.stack(np.meshgrid(np.arange(4.25, 59, 0.5), np.arange(4.25, 59, 0.5)), axis=-1).reshape(-1, 2)
    free = (np.abs(grid[:, 0] - wall) > 1) | (np.abs(grid[:, 1] - door) < 4)
    env = make(policy="stitch", layout="fixed")
    for start in ((wall - 3.0, door - 2.0), (wall + 2.0, door - 9.0), (5.0, 58.0)):
        begun, layout = (np.repeat(np.array([v], np.float32), 4000, axis=0) for v in (start, place))
        goals = wall_policies.near_points(np.random.default_rng(0), begun, layout, wall_policies.NEAR)

        def ways(points, start=start):
            ends = [torch.tensor(np.broadcast_to(v, points.shape).astype(np.float32)) for v in (start, points, place)]
            one, other = ({"position": end, "layout": ends[2]} for end in ends[:2])
            return (env.cost_to_go(one, other) * env.spec.actions.radius).numpy()

        among = grid[free & (ways(grid) <= 16)]
        assert ways(goals).max() <= 16 + 1e-4
        assert ((goals > 4) & (goals < 59)).all()
        assert ((np.abs(goals[:, 0] - wall) > 1) | (np.abs(goals[:, 1] - door) < 4)).all()
        for axis in (0, 1):
            assert stats.ks_2samp(goals[:, axis], among[:, axis]).statistic < 0.06
    assert wall_policies.NEAR == 64 / 4


def test_navigate_is_noisier_than_the_expert():
    """Deviations of headings from the way to the goal: kappa 5 against 50, seen as turns between successive steps."""
    turns = {}
    for policy in ("navigate", "expert"):
        angle = np.arctan2(*np.moveaxis(collect(policy=policy).actions.astype(float), -1, 0)[::-1])
        turns[policy] = np.median(np.abs(np.angle(np.exp(1j * np.diff(angle, axis=1)))))
    # The median of a difference of two von Mises angles is 0.67 sqrt(2) times their standard deviation, 27 and 8
    # degrees; a little more, since an agent that was led astray turns back to its goal.
    assert 1 < np.degrees(turns["navigate"]) / (0.67 * 2**0.5 * 27.2) < 1.4
    assert 1 < np.degrees(turns["expert"]) / (0.67 * 2**0.5 * 8.1) < 1.4


@pytest.mark.parametrize("share, experts", [(0.0, 0), (0.25, 50), (0.5, 100), (1.0, 200)])
def test_mixtures_have_their_share_of_experts(share, experts):
    data = collect(policy="mixed", expert_share=share, step="big", layout="fixed")
    assert data.card["expert_trajectories"] == experts
    angle = np.arctan2(data.actions[..., 1], data.actions[..., 0]).astype(float)
    # Turns of a random walk have mean cosine 0.89 (von Mises, kappa 5), those between an expert's two of kappa 50 0.98.
    straight = np.median(np.cos(np.diff(angle, axis=1)), axis=1) > 0.972
    assert abs(straight.sum() - experts) <= 12
    if 0 < experts < 200:  # in random order
        assert 0.5 * share < straight[:100].mean() < 1.6 * share


def test_mixtures_do_not_force_the_random_part_through_the_door():
    assert collect(policy="mixed", expert_share=0.0, step="small").card["share_trajectories_crossing"] < 0.2


@pytest.mark.parametrize("step", ["small", "big"])
def test_coverage_reaches_what_others_leave_out(step):
    """The rarest of 2 x 4 x 8 cells, counted here, in a fixed layout whose rooms are 27 x 55 and 26 x 55 px."""
    rarest, mean = {}, 300 * 64 / 64
    for policy in ("random", "expert", "coverage"):
        data = collect(300, policy=policy, step=step, layout="fixed")
        x, y = data.states["position"].reshape(-1, 2).T
        rows, counts = np.linspace(4, 59, 9), []
        for low, high in ((4, 31), (33, 59)):
            counts.append(np.histogram2d(x, y, (np.linspace(low, high, 5), rows))[0])
        total = np.sum(counts)
        assert total > 0.95 * 64 * mean  # the rest is in the door
        share = np.array(counts).ravel() / total
        rarest[policy] = share.min() * 64
        card = data.card
        assert card["rarest_cell_over_mean"] == pytest.approx(rarest[policy], abs=0.01)
        assert card["share_cells_visited"] == (share > 0).mean()
        assert card["cell_evenness"] == pytest.approx(stats.entropy(share) / np.log(64), abs=1e-3)
    assert rarest["coverage"] > 1.4 * rarest["random"] and rarest["coverage"] > 2 * rarest["expert"]


@pytest.mark.parametrize("policy", POLICIES)
def test_any_size_will_do(policy):
    calls = []
    for count, length in ((1, 2), (3, 2), (65, 3)):
        data = make(policy=policy).collect(count, length, 0, lambda done, total: calls.append((done, total)))
        assert data.states["position"].shape == (count, length, 2) and calls[-1] == (count, count)
    for count, length in ((0, 64), (5, 1)):
        with pytest.raises(ValueError, match="at least"):
            make(policy=policy).collect(count, length, 0)


def test_noise_is_added_to_the_move_under_the_same_rule():
    env = make(noise=0.5, layout="fixed", step="big")
    assert env.spec.noise_dim == 2
    state = {"position": torch.tensor([[20.0, 40.0], [29.5, 40.0]]), "layout": torch.tensor([[32.0, 22.0]] * 2)}
    action, noise = torch.tensor([[1.0, -2.0], [1.0, 0.0]]), torch.tensor([[2.0, 4.0], [2.0, 0.0]])
    assert env.step(state, action, noise)["position"].tolist() == [[22.0, 40.0], [29.5, 40.0]]
    slid = make(noise=0.5, layout="fixed", step="big", collision="stop").step(state, action, noise)["position"]
    assert slid[1].tolist() == pytest.approx([31, 40], abs=2e-3)
    # The action is clipped before, the noise is not.
    far = env.step(state, torch.tensor([[0.0, 30.0], [0.0, 30.0]]), 10 * torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
    assert far["position"].flatten().tolist() == pytest.approx([20, 48.67, 24.5, 43.67], abs=1e-4)
    with pytest.raises(ValueError, match=r"noise=0\.5 expects standard normals"):
        env.step(state, action)


@pytest.mark.parametrize("policy", ["random", *POLICIES])
def test_noise_in_data(policy):
    data = collect(policy=policy, noise=0.3, layout="fixed", step="small", collision="stay")
    moved = np.diff(data.states["position"], axis=1)
    cancelled = (moved == 0).all(axis=-1)
    error = (moved - data.actions)[~cancelled]
    # Walls cancel mostly moves towards them, and the crossing half is chosen: so the law is met only nearly.
    assert error.std(axis=0) == pytest.approx([0.3, 0.3], rel=0.05) and np.abs(error.mean(axis=0)).max() < 0.02
    assert data.card["share_steps_colliding"] == pytest.approx(cancelled.mean())
    if policy == "random":
        assert data.card["share_trajectories_crossing"] == 0.5


@pytest.mark.parametrize(
    "bad", [{"policy": "greedy"}, {"expert_share": 1.5}, {"noise": -1.0}, {"noise": float("nan")}, {"noise": 17}]
)
def test_bad_parameters_are_refused(bad):
    with pytest.raises(ValidationError):
        Wall.Params(**bad)


def test_the_fixed_layout_is_where_it_was_put():
    wall = Wall(Wall.Params(layout="fixed", fixed_layout=(32, 10)))
    assert np.unique(wall.collect(4, 20, 0).static["layout"], axis=0).tolist() == [[32.0, 10.0]]
    with pytest.raises(ValueError, match="the door at 60; expected at least 10 and below 54"):
        Wall.Params(layout="fixed", fixed_layout=(32, 60))
