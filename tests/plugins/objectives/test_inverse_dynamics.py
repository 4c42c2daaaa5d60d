"""Inverse dynamics: values by hand, where gradient flows, actions that can be learned and some that cannot."""

import pytest
import torch

from vgbench.api import ObjectiveShapes
from vgbench_plugins.objectives.inverse_dynamics import InverseDynamics


def make(latent_dim=2, action_dim=2, **params):
    torch.manual_seed(0)
    return InverseDynamics(InverseDynamics.Params(**params), ObjectiveShapes(latent_dim, action_dim))


def test_by_hand(batch_of):
    """Weights are set so that the network answers with the change of a latent of one number."""
    objective = make(latent_dim=1, action_dim=1, hidden=2)
    first, last = objective.network[0], objective.network[2]
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[-1.0, 1.0], [1.0, -1.0]]))  # z_{t+1} - z_t and its negative
        first.bias.zero_()
        last.weight.copy_(torch.tensor([[1.0, -1.0]]))  # relu(x) - relu(-x) = x: the change of the latent
        last.bias.zero_()
    latents = torch.tensor([[[0.0], [2.0], [1.0]]])  # changes 2 and -1
    loss = objective.loss(batch_of(latents, actions=torch.tensor([[[5.0], [-1.0]]])), None, None)
    assert loss.value.item() == pytest.approx((9 + 0) / 2)
    assert float(loss.logs["unexplained"]) == pytest.approx(4.5 / 9)  # actions 5 and -1 have mean 2 and variance 9


def test_default_size_is_that_of_pldm():
    sizes = [tuple(p.shape) for p in make(latent_dim=512).parameters()]
    assert sizes == [(512, 1024), (512,), (2, 512), (2,)]


def test_gradient_reaches_what_it_says(parts_reached):
    assert parts_reached(InverseDynamics) == InverseDynamics.trains


def test_learns_the_actions_that_move_the_state(batch_of, one_thread):
    """Of two components only the first moves the state: its error falls to nothing, the other's cannot."""
    objective = make(hidden=32)
    optimiser = torch.optim.Adam(objective.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(1)
    for _ in range(300):
        actions = torch.randn(64, 3, 2, generator=generator)
        places = torch.randn(64, 1, 2, generator=generator)
        moves = torch.stack([actions[..., 0], torch.zeros(64, 3)], dim=-1)
        latents = torch.cat([places, places + moves.cumsum(1)], dim=1)
        loss = objective.loss(batch_of(latents, actions=actions), None, None)
        optimiser.zero_grad()
        loss.value.backward()
        optimiser.step()
    assert float(loss.logs["unexplained"]) == pytest.approx(0.5, abs=0.1)


def test_its_network_goes_through_a_checkpoint(batch_of):
    trained, fresh = make(), make()
    with torch.no_grad():
        trained.network[0].weight.mul_(2)
    fresh.load_state_dict(trained.state_dict())
    batch = batch_of(torch.randn(2, 3, 2), actions=torch.randn(2, 2, 2))
    assert fresh.loss(batch, None, None).value == trained.loss(batch, None, None).value


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="hidden"):
        InverseDynamics.Params(hidden=0)
