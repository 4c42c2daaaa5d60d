"""The batch that objectives share, against plain loops."""

import pytest
import torch

from vgbench.api import Goals
from vgbench.errors import UsageError
from vgbench.rng import ScalarNoise, Stream
from vgbench.training.batch import MovingAverages, WindowBatch


@pytest.fixture
def batch(small):
    model = small.model()
    trajectory, start = torch.tensor([0, 3, 3, 7]), torch.tensor([0, 5, 7, 35])

    def make(**kwargs):
        return WindowBatch(small.data, model, trajectory, start, 5, ScalarNoise(0, 0, Stream.SAMPLER), **kwargs)

    make.model, make.trajectory, make.start = model, trajectory, start
    return make


def test_windows_hold_consecutive_states_and_their_actions(small, batch):
    made = batch()
    for row, (trajectory, start) in enumerate(zip(batch.trajectory, batch.start, strict=True)):
        frames = small.data.observations(trajectory.repeat(5), start + torch.arange(5))["image"]
        assert torch.equal(made.observations["image"][row], frames)
        assert torch.equal(made.actions[row], small.data.actions[trajectory, start : start + 4])


def test_latents_are_those_of_the_frames_one_by_one(small, batch):
    made = batch()
    one = batch.model.encode({"image": made.observations["image"][2, 3:4]})
    assert torch.allclose(made.latents[2, 3], one[0], atol=1e-5)


def test_predictions_roll_out_from_the_first_latent_only(batch):
    made = batch()
    latent = made.latents[:, 0]
    for step in range(4):
        latent = batch.model.predict(latent, made.actions[:, step])
        assert torch.allclose(made.predictions[:, step], latent, atol=1e-6)


def test_the_first_goal_is_the_last_state_of_the_segment(batch):
    made = batch()
    goals = made.goals("segment", 2, "batch")
    assert torch.equal(goals.points[:, 0], made.points[:, -1])
    assert goals.same[:, :, 0].tolist() == [[False] * 4 + [True]] * 4


def test_the_first_goal_may_be_the_last_state_of_the_episode(small, batch):
    goals = batch().goals("episode", 0, "batch")
    frames = small.data.observations(batch.trajectory, torch.full((4,), small.data.length - 1))
    assert torch.allclose(goals.points[:, 0], batch.model.encode(frames), atol=1e-5)
    # Only the window that reaches the end of its trajectory contains that state.
    assert goals.same[:, :, 0].sum(dim=1).tolist() == [0, 0, 0, 1]


def test_goals_are_the_same_by_index_even_in_overlapping_windows(batch):
    """Windows 1 and 2 share states: a goal drawn from one is the same as a state of the other."""
    made = batch()
    goals = made.goals("segment", 40, "batch")
    ids = batch.trajectory[:, None] * 40 + batch.start[:, None] + torch.arange(5)
    flat = made.points.flatten(0, 1)
    for b in range(4):
        for g in range(41):
            candidates = {int(i) for i in ids.flatten()[(flat == goals.points[b, g]).all(dim=1)]}
            # Cancelled moves repeat a frame: several states look like the goal, one of them is it.
            assert goals.same[b, :, g].tolist() in [[int(i) == c for i in ids[b]] for c in candidates]
    assert goals.same[1].any() and goals.same[2].any()


def test_same_layout_goals_come_from_the_same_walls(batch):
    made = batch()
    goals = made.goals("segment", 30, "same_layout")
    flat = made.points.flatten(0, 1)
    windows = {
        b: {int(i) // 5 for g in range(1, 31) for i in (flat == goals.points[b, g]).all(dim=1).nonzero()}
        for b in range(4)
    }
    # Windows 1 and 2 are of one trajectory, the others of layouts of their own.
    assert windows == {0: {0}, 1: {1, 2}, 2: {1, 2}, 3: {3}}


@pytest.mark.parametrize(("stride", "states"), [(2, 5), (8, 5), (9, 4), (20, 2)])
def test_a_strided_batch_holds_states_that_many_steps_apart(small, batch, stride, states):
    coarse = batch().strided(stride)
    frames = coarse.observations["image"]
    assert frames.shape[:2] == (4, states)
    for row, trajectory in enumerate(batch.trajectory):
        whole = small.data.observations(trajectory.repeat(40), torch.arange(40))["image"]
        span = stride * (states - 1)
        candidates = [torch.equal(frames[row], whole[first : first + span + 1 : stride]) for first in range(40 - span)]
        assert any(candidates)


def test_strided_windows_begin_at_every_phase(small, batch):
    """Otherwise some states of the data would never be seen."""
    trajectory = torch.full((400,), 3)
    made = WindowBatch(small.data, batch.model, trajectory, trajectory, 5, ScalarNoise(0, 0, Stream.SAMPLER))
    first = made.strided(9).observations["image"][:, 0]
    whole = small.data.observations(torch.full((13,), 3), torch.arange(13))["image"]
    seen = (first.flatten(1).unsqueeze(1) == whole.flatten(1).unsqueeze(0)).all(dim=2).any(dim=0)
    assert seen.all()  # 40 states hold 13 windows of 4 states that are 9 steps apart


def test_a_strided_batch_is_made_once_and_has_no_actions(batch):
    made = batch()
    assert made.strided(1) is made and made.strided(3) is made.strided(3)
    with pytest.raises(RuntimeError, match="no one action between"):
        _ = made.strided(3).actions
    with pytest.raises(UsageError, match="at most 20"):
        made.strided(21)


def test_goals_and_distances_are_computed_once(batch):
    made = batch()
    goals = made.goals("segment", 3, "batch")
    assert made.goals("segment", 3, "batch") is goals
    assert made.goal_distances(goals) is made.goal_distances(goals)
    expected = batch.model.distance(made.points[1, 2], goals.points[1, 3])
    assert float(made.goal_distances(goals).detach()[1, 2, 3]) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_moving_averages_follow_the_weights(batch):
    averages = MovingAverages(batch.model.encoder)
    made = batch(averages=averages)
    assert torch.allclose(made.ema_latents(0.9), made.latents, atol=1e-6)
    weight = batch.model.encoder.out.weight
    old = weight.detach().clone()
    with torch.no_grad():
        weight.add_(1.0)
    averages.update()
    assert torch.allclose(averages.get(0.9).out.weight, 0.9 * old + 0.1 * weight, atol=1e-6)
    assert not batch(averages=averages).ema_latents(0.9).requires_grad


def test_cached_latents_replace_the_encoder(small, batch):
    cache = torch.randn(12 * 40, 32)
    made = batch(latents=cache)
    assert torch.equal(made.latents[1, 2], cache[3 * 40 + 5 + 2])
    assert torch.equal(made.goals("episode", 0, "batch").points[3, 0], cache[7 * 40 + 39])


def test_goals_of_an_objectives_own_are_never_taken_for_others(batch):
    made = batch()
    point = made.points[:, -1:]
    same = torch.zeros(4, 5, 1, dtype=torch.bool)
    found = [made.goal_distances(Goals(point * scale, same)) for scale in (1.0, 2.0, 3.0)]
    expected = [batch.model.distance(made.points.unsqueeze(2), (point * s).unsqueeze(1)) for s in (1.0, 2.0, 3.0)]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
