"""IQL: fixed points by hand and on a chain, masks, where gradient flows."""

import numpy as np
import pytest
import torch

from vgbench.api import Goals, ObjectiveShapes
from vgbench_plugins.distances.euclidean import Euclidean
from vgbench_plugins.distances.iqe import IQE
from vgbench_plugins.distances.two_level import TwoLevel
from vgbench_plugins.objectives.iql import IQL


def make(**params):
    return IQL(IQL.Params(**params), ObjectiveShapes(latent_dim=1, action_dim=1))


@pytest.fixture
def loss_of(batch_of):
    """The loss where the distances are known and no state is a goal, or those in `same`."""

    def loss(distances, same=None, **params):
        if same is None:
            same = torch.zeros_like(distances, dtype=torch.bool)
        goals = Goals(torch.zeros(len(distances), distances.shape[2], 1), same)
        batch = batch_of(torch.zeros(*distances.shape[:2], 1), goals=goals, distances=distances)
        return make(**params).loss(batch, None, None)

    return loss


@pytest.mark.parametrize(("tau", "fixed_point"), [(0.8, 1.4), (0.5, 2.0), (0.2, 2.6)])
def test_fixed_point_of_two_targets(loss_of, tau, fixed_point):
    """Targets 1 and 3, equally likely: tau above one half must pull the distance *down*."""
    gamma = 0.5
    d = torch.tensor(5.0, requires_grad=True)
    optimiser = torch.optim.SGD([d], lr=0.5)
    for _ in range(300):
        # Next distances 0 and 4 give the targets 1 + 0.5 * 0 = 1 and 1 + 0.5 * 4 = 3.
        distances = torch.stack([torch.stack([d, torch.tensor(x)]) for x in (0.0, 4.0)]).unsqueeze(-1)
        optimiser.zero_grad()
        loss_of(distances, tau=tau, gamma=gamma).value.backward()
        optimiser.step()
    assert d.item() == pytest.approx(fixed_point, abs=1e-4)


def test_value_against_a_plain_loop(loss_of):
    torch.manual_seed(0)
    distances, same = 5 * torch.rand(3, 5, 4), torch.rand(3, 5, 4) < 0.2
    total, count, above = 0.0, 0, 0
    for b in range(3):
        for t in range(4):
            for g in range(4):
                if not same[b, t, g]:
                    ahead = 0.0 if same[b, t + 1, g] else distances[b, t + 1, g].item()
                    x = distances[b, t, g].item() - (1 + 0.9 * ahead)
                    total += (0.7 if x > 0 else 0.3) * x * x
                    count, above = count + 1, above + (x > 0)
    loss = loss_of(distances, same, tau=0.7, gamma=0.9)
    assert loss.value.item() == pytest.approx(total / count, rel=1e-5)
    assert float(loss.logs["share_too_far"]) == pytest.approx(above / count)
    assert float(loss.logs["distance_mean"]) == pytest.approx(distances.mean().item())


def test_the_state_that_is_the_goal_is_left_out(loss_of):
    distances = torch.tensor([[[4.0], [0.0], [6.0]]])
    same = torch.tensor([[[False], [True], [False]]])
    masked = loss_of(distances, same, tau=0.5, gamma=0.5).value
    assert masked.item() == pytest.approx(0.5 * (4 - 1) ** 2)
    everything = torch.ones(1, 3, 1, dtype=torch.bool)
    assert loss_of(distances, everything).value.item() == 0  # not 0 / 0


@pytest.mark.parametrize("n", [1, 2])
def test_the_goal_is_one_step_away_whatever_a_distance_says_of_a_state_and_itself(loss_of, n):
    """d = 2 everywhere, d(g, g), too, is its own target for gamma 1/2: only what is known of the goal tells it off."""
    distances = torch.full((1, 3, 1), 2.0)
    same = torch.tensor([False, False, True]).reshape(1, 3, 1)
    loss = loss_of(distances, same, tau=0.75, gamma=0.5, n_step=n)
    # One step from the goal: 2 - 1. Two steps: 2 - (1 + 2 / 2) = 0 by single steps, 2 - (1 + 1 / 2) by both at once.
    excess = [1.0, 0.0] if n == 1 else [1.0, 0.5]
    assert loss.value.item() == pytest.approx(0.75 * np.mean(np.square(excess)))


@pytest.mark.parametrize(
    "distance",
    [
        Euclidean(Euclidean.Params(), 512),
        IQE(IQE.Params(), 512),
        IQE(IQE.Params(reduction="sum", scale=5.0), 512),
        TwoLevel(TwoLevel.Params(), 512),
        TwoLevel(TwoLevel.Params(base="euclidean"), 512),
    ],
)
def test_a_state_is_at_distance_zero_from_itself_bit_for_bit(distance):
    """So for the distances here it changes no bit that the goal's own distance is not asked."""
    torch.manual_seed(0)
    points = 30 * torch.randn(9, 16, 512)
    time = torch.randint(16, (9, 7))
    goals = points[torch.arange(9).unsqueeze(1), time]
    with torch.no_grad():
        d = distance(points.unsqueeze(2), goals.unsqueeze(1))
    same = torch.arange(16).reshape(1, -1, 1) == time.unsqueeze(1)
    assert same.sum() == 63 and (d[same] == 0).all() and (d[~same] > 0).all()


def test_the_target_has_no_gradient(loss_of):
    distances = torch.rand(2, 4, 3, requires_grad=True)
    loss_of(distances).value.backward()
    assert (distances.grad[:, -1] == 0).all()
    assert (distances.grad[:, :-1] != 0).any()
    # The gradient at t is that of its own term alone, not of its part in the target of t - 1.
    with torch.no_grad():
        excess = distances[:, :-1] - 1 - 0.98 * distances[:, 1:]
        expected = 2 * torch.where(excess > 0, 0.8, 0.2) * excess / excess.numel()
    torch.testing.assert_close(distances.grad[:, :-1], expected)


def test_gradient_reaches_the_state_and_the_goal(batch_of):
    torch.manual_seed(0)
    latents, points = torch.randn(2, 4, 8, requires_grad=True), torch.randn(2, 3, 8, requires_grad=True)
    goals = Goals(points, torch.zeros(2, 4, 3, dtype=torch.bool))
    distance = Euclidean(Euclidean.Params(), 8)
    batch = batch_of(latents, goals=goals, distances=lambda s, g: distance(s.unsqueeze(2), g.points[:, None]))
    params = {"goal_last": "episode", "random_goals": 2, "goal_scope": "same_layout", "stride": 3}
    make(**params).loss(batch, None, None).value.backward()
    assert batch.asked == [3, ("episode", 2, "same_layout")]
    assert (points.grad != 0).all()
    assert (latents.grad[:, :-1] != 0).all() and (latents.grad[:, -1] == 0).all()


def test_distance_range():
    assert make(gamma=0.98).distance_range == pytest.approx(50)


@pytest.mark.parametrize(
    "bad", [{"tau": 0.0}, {"tau": 1.0}, {"gamma": 1.0}, {"tau": float("nan")}, {"random_goals": -1}]
)
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        IQL.Params(**bad)


def test_two_steps_by_hand(loss_of):
    """Four states, gamma 1/2: two steps cost 1.5, and a quarter of the distance after them is added."""
    distances = torch.tensor([5.0, 4.0, 2.0, 0.0]).reshape(1, 4, 1)
    # The goal is no state of the window: targets 1.5 + 2 / 4 = 2 and 1.5 + 0 = 1.5; the third state has none.
    loss = loss_of(distances, tau=0.5, gamma=0.5, n_step=2)
    assert loss.value.item() == pytest.approx(0.5 * (3**2 + 2.5**2) / 2)
    assert float(loss.logs["share_masked"]) == pytest.approx(1 / 3)
    # The goal is the last state: the third one is a step from it, target 1, and so is no longer left out.
    same = torch.tensor([False, False, False, True]).reshape(1, 4, 1)
    loss = loss_of(distances, same, tau=0.5, gamma=0.5, n_step=2)
    assert loss.value.item() == pytest.approx(0.5 * (3**2 + 2.5**2 + 1**2) / 3)
    # The goal is the second state: the first is a step from it whatever comes after; the second has no target.
    same = torch.tensor([False, True, False, False]).reshape(1, 4, 1)
    loss = loss_of(distances, same, tau=0.5, gamma=0.5, n_step=2)
    assert loss.value.item() == pytest.approx(0.5 * 4**2)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_n_steps_against_a_plain_loop(loss_of, n):
    torch.manual_seed(n)
    length, gamma, tau = 6, 0.9, 0.7
    distances = 5 * torch.rand(3, length, 4, dtype=torch.float64)
    goal = torch.randint(0, 2 * length, (3, 4))  # the time of the goal; half of them are no states of the window
    same = torch.arange(length).reshape(1, -1, 1) == goal.unsqueeze(1)
    distances[same] = 0
    terms = []
    for b in range(3):
        for g in range(4):
            for t in range(length):
                m = int(goal[b, g]) - t
                if 0 < m < n and t + m < length:
                    target = sum(gamma**i for i in range(m))
                elif m != 0 and t + n < length:
                    target = sum(gamma**i for i in range(n)) + gamma**n * distances[b, t + n, g].item()
                else:
                    continue
                x = distances[b, t, g].item() - target
                terms.append((tau if x > 0 else 1 - tau) * x * x)
    assert loss_of(distances, same, tau=tau, gamma=gamma, n_step=n).value.item() == pytest.approx(np.mean(terms))


@pytest.mark.parametrize(("n", "tau"), [(1, 0.8), (3, 0.8), (5, 0.5)])
def test_n_steps_end_at_the_true_value_of_a_ring(loss_of, n, tau):
    """Without chance all backups agree on (1 - gamma^k) / (1 - gamma), k the steps to the goal."""
    ring, length, gamma = 8, 6, 0.9
    table = torch.zeros(ring, ring, dtype=torch.float64, requires_grad=True)
    states = (torch.arange(ring)[:, None] + torch.arange(length)) % ring
    goals = torch.arange(ring)
    same = states.unsqueeze(2) == goals
    optimiser = torch.optim.Adam([table], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 1000)
    off = 1 - torch.eye(ring)
    for _ in range(1000):
        optimiser.zero_grad()
        loss_of((table * off)[states], same, tau=tau, gamma=gamma, n_step=n).value.backward()
        optimiser.step()
        schedule.step()
    steps = (goals - goals[:, None]) % ring
    exact = (1 - gamma**steps) / (1 - gamma)
    torch.testing.assert_close((table * off).detach(), exact.double(), atol=0.02, rtol=0)


def test_a_window_has_to_hold_the_steps():
    assert [make(n_step=n).min_length for n in (1, 4)] == [2, 5]


CHAIN, GAMMA, TAU = 16, 0.9, 0.8


def tabular_chain():
    """Expectile fixed point of the random walk with reflecting ends: d[s, g], by iteration."""
    d = np.zeros((CHAIN, CHAIN))
    low, high = np.maximum(np.arange(CHAIN) - 1, 0), np.minimum(np.arange(CHAIN) + 1, CHAIN - 1)
    for _ in range(600):
        left, right = 1 + GAMMA * d[low], 1 + GAMMA * d[high]
        small, large = np.minimum(left, right), np.maximum(left, right)
        # The tau-expectile downwards of two equally likely values: tau (m - small) = (1 - tau) (large - m).
        d = TAU * small + (1 - TAU) * large
        np.fill_diagonal(d, 0.0)
    return d


@pytest.mark.parametrize(("head", "mean_error"), [(Euclidean, 0.06), (IQE, 0.3)])
def test_random_walk_chain_against_the_tabular_solution(batch_of, one_thread, head, mean_error):
    """An embedding per state, trained by the loss itself, ends where iteration over the table does."""
    torch.manual_seed(0)
    dim = 32
    table = torch.nn.Parameter(0.3 * torch.randn(CHAIN, dim))
    distance = head(head.Params(), dim)
    objective = make(tau=TAU, gamma=GAMMA)
    start = torch.arange(CHAIN).repeat_interleave(2)
    step = torch.tensor([-1, 1]).repeat(CHAIN)
    states = torch.stack([start, (start + step).clamp(0, CHAIN - 1)], dim=1)
    everywhere = torch.arange(CHAIN)
    same = states[:, :, None] == everywhere
    parameters = [table, *distance.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=0.04)
    steps = 1000
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        goals = Goals(table[everywhere].expand(len(states), -1, -1), same)
        batch = batch_of(
            table[states], goals=goals, distances=lambda s, g: distance(s.unsqueeze(2), g.points.unsqueeze(1))
        )
        optimiser.zero_grad()
        objective.loss(batch, None, None).value.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        learned = distance(table[:, None], table).numpy()
    exact = tabular_chain()
    off = ~np.eye(CHAIN, dtype=bool)
    assert np.abs(learned - exact)[off].mean() < mean_error
    ranks = [np.argsort(np.argsort(m[off])) for m in (learned, exact)]
    assert np.corrcoef(*ranks)[0, 1] > 0.97
    assert exact[0, 1] > 1  # the walk may stand still at the wall before it comes
