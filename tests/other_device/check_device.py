"""The device that the other tests here compute on: it computes what the CPU does, and mixes with nothing."""

import numpy as np
import pytest
import torch
from torch import nn


def test_gradients_and_an_optimiser_are_those_of_the_cpu(elsewhere):
    weights = []
    for device in ("cpu", elsewhere):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(4 * 36, 3)).to(device)
        x = torch.randn(5, 2, 8, 8).to(device)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
        assert {str(p.device) for p in net.parameters()} == {device}
        weights.append(torch.cat([p.detach().cpu().flatten() for p in net.parameters()]))
    assert weights[1].device.type == "cpu" and torch.equal(*weights)


MIXED = {
    "sum": lambda there, here: there + here,
    "product": lambda there, here: there.unsqueeze(0) @ here.unsqueeze(1),
    "joined": lambda there, here: torch.cat([there, here]),
    "stacked": lambda there, here: torch.stack([here, there]),
    "in place": lambda there, here: here.add_(there),
    "index": lambda there, here: there[here.long()],
    "index of the cpu's": lambda there, here: here[there.long()],
    "chosen": lambda there, here: torch.where(there > 0, here, there),
    "linear": lambda there, here: nn.functional.linear(here, there.unsqueeze(0)),
    "gathered": lambda there, here: there.gather(0, here.long()),
    "generator": lambda there, here: torch.rand(3, device=there.device, generator=torch.Generator()),
}


@pytest.mark.parametrize("what", MIXED)
def test_tensors_of_two_devices_are_refused(elsewhere, what):
    with pytest.raises(RuntimeError, match=r"two devices|a generator of device"):
        MIXED[what](torch.arange(3.0, device=elsewhere), torch.arange(3.0))


def test_numpy_is_refused_and_what_cuda_takes_is_not(elsewhere):
    there = torch.arange(3.0, device=elsewhere)
    with pytest.raises((RuntimeError, TypeError)):
        there.numpy()
    with pytest.raises((RuntimeError, TypeError)):
        np.asarray(there)
    assert (there * torch.tensor(2.0) + 1).tolist() == [1.0, 3.0, 5.0]  # a number in a tensor of the CPU
    assert float(there.sum()) == 3.0 and there.cpu().numpy().tolist() == [0.0, 1.0, 2.0]
    assert torch.zeros_like(there).device == there.device and there.new_ones(2).device == there.device
    there[:2] = torch.ones(2)  # a copy, as CUDA makes it
    assert there.tolist() == [1.0, 1.0, 2.0]


def test_memory_is_not_shared_with_the_cpu(elsewhere):
    here = torch.zeros(3)
    there = here.to(elsewhere)
    there.add_(1)
    back = there.cpu()
    back.add_(1)
    assert (here.tolist(), there.tolist(), back.tolist()) == ([0.0] * 3, [1.0] * 3, [2.0] * 3)
