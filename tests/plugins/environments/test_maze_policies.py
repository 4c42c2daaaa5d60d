"""Data of the maze's experts, mixtures and coverage: against what each of them promises."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from vgbench_plugins.environments.maze import Maze
from vgbench_plugins.environments.maze.layouts import Grid

POLICIES = ("expert", "mixed", "coverage")


def make(**params):
    return Maze(Maze.Params(**params))


@pytest.fixture(scope="module")
def data():
    return {policy: make(policy=policy).collect(150, 60, seed=4) for policy in ("random", *POLICIES)}


@pytest.mark.parametrize("policy", POLICIES)
def test_collection_is_reproducible(policy):
    first, again, other = (make(policy=policy).collect(70, 12, seed) for seed in (1, 1, 2))
    for name in ("position", "velocity"):
        assert first.states[name].tobytes() == again.states[name].tobytes() != other.states[name].tobytes()
    assert first.actions.tobytes() == again.actions.tobytes() and first.card == again.card
    assert first.actions.dtype == first.states["position"].dtype == np.float32


def test_the_default_is_the_random_policy(data):
    same = make(policy="random", expert_share=0.9).collect(150, 60, seed=4)
    assert same.actions.tobytes() == data["random"].actions.tobytes()
    assert same.states["position"].tobytes() == make().collect(150, 60, seed=4).states["position"].tobytes()


@pytest.mark.parametrize("policy", POLICIES)
def test_data_follow_the_dynamics_bit_for_bit(policy, data):
    found, env = data[policy], make()
    for t in range(59):
        state = {k: torch.from_numpy(v[:, t]) for k, v in found.states.items()}
        after = env.step(
            state | {"layout": torch.from_numpy(found.static["layout"])}, torch.from_numpy(found.actions[:, t])
        )
        for name in ("position", "velocity"):
            assert torch.equal(after[name], torch.from_numpy(found.states[name][:, t + 1]))


def test_experts_go_shortest_ways(data):
    """They reach goal after goal, visit more cells than a random walk, and turn back less often."""
    expert, random = data["expert"], data["random"]
    assert expert.card["mean_goals_reached"] > 2 and expert.card["guided_trajectories"] == 150
    assert expert.card["mean_cells_visited"] > 1.5 * random.card["mean_cells_visited"]
    assert expert.card["share_steps_colliding"] < 0.02 < random.card["share_steps_colliding"]
    # An expert that leaves a cell comes straight back only from a goal in the next one.
    returns = {}
    for name in ("expert", "random"):
        index = np.clip(np.floor(data[name].states["position"] - 0.3), 0, 3).astype(int)
        cells = index[..., 0] * 4 + index[..., 1]
        back, changes = 0, 0
        for path in cells:
            visited = path[np.flatnonzero(np.diff(path, prepend=-1))]
            back += (visited[2:] == visited[:-2]).sum()
            changes += max(len(visited) - 2, 0)
        returns[name] = back / changes
    assert returns["expert"] < 0.6 * returns["random"]


@pytest.mark.parametrize("policy", POLICIES)
def test_norms_follow_the_law_as_far_as_the_way_allows(policy, data):
    norms = np.linalg.norm(data[policy].actions.astype(float), axis=-1).ravel()
    assert norms.max() <= 5 + 1e-5
    # Slowing near turns and goals is rare: norms are stochastically below U(0, 5), but by little.
    excess = np.sort(norms) - 5 * (np.arange(len(norms)) + 0.5) / len(norms)
    assert excess.max() < 0.1 and excess.min() > -0.5


@pytest.mark.parametrize("share, experts", [(0.0, 0), (0.3, 45), (1.0, 150)])
def test_mixtures_have_their_share_of_experts(share, experts):
    found = make(policy="mixed", expert_share=share).collect(150, 40, seed=4)
    assert found.card.get("guided_trajectories", 0) == experts
    angle = np.arctan2(found.actions[..., 1], found.actions[..., 0]).astype(float)
    # Random directions are independent: the mean cosine of turns is 0 +- 0.12 over 38 of them; an expert keeps on.
    guided = np.cos(np.diff(angle, axis=1)).mean(axis=1) > 0.45
    assert abs(guided.sum() - experts) <= 4


def test_coverage_goes_where_experts_do_not(data):
    """The rarest quarter of a cell in each layout, counted here."""
    rarest, evenness = {}, {}
    for policy, found in data.items():
        index = np.clip(np.floor(2 * (found.states["position"] - 0.3)), 0, 7).astype(int)
        codes = Grid(4, 4).encode(found.static["layout"])
        by_layout, entropies, visited, number = [], [], 0, 0
        for code in np.unique(codes):
            counts = np.zeros((8, 8))
            np.add.at(counts, tuple(index[codes == code].reshape(-1, 2).T), 1)
            inside = counts[np.kron(Grid(4, 4).decode(code), np.ones((2, 2))) > 0]
            assert inside.sum() == counts.sum()
            by_layout.append(inside.min() / inside.mean())
            entropies.append(stats.entropy(inside) / np.log(len(inside)))
            visited, number = visited + (inside > 0).sum(), number + len(inside)
        rarest[policy], evenness[policy] = np.mean(by_layout), np.mean(entropies)
        assert found.card["rarest_quarter_over_mean"] == pytest.approx(rarest[policy])
        assert found.card["quarter_evenness"] == pytest.approx(evenness[policy])
        assert found.card["share_quarters_visited"] == pytest.approx(visited / number)
    assert rarest["coverage"] > 2 * rarest["expert"] and evenness["coverage"] > evenness["expert"]
    cells = {policy: found.card["mean_cells_visited"] for policy, found in data.items()}
    assert cells["coverage"] > 1.5 * cells["random"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("more", [{}, {"training_layouts": 1, "substeps": 20}, {"max_force": 50.0}])
def test_any_size_will_do(policy, more):
    calls = []
    for count, length in ((1, 2), (65, 4)):
        env = make(policy=policy, **more)
        found = env.collect(count, length, 0, lambda done, total: calls.append((done, total)))
        assert found.states["position"].shape == (count, length, 2)
        assert calls[-1] == (count * (length - 1),) * 2 and np.isfinite(found.actions).all()


@pytest.mark.parametrize("bad", [{"policy": "greedy"}, {"expert_share": -0.1}, {"expert_share": 1.1}])
def test_bad_parameters_are_refused(bad):
    with pytest.raises(ValidationError):
        Maze.Params(**bad)
