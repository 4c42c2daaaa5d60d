"""The optimiser of the stages against PyTorch's own, of which it leaves out the way to the compiler."""

import pytest
import torch

from vgbench.training.optimizer import Adam


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_it_is_adam_bit_for_bit_also_after_a_resume(decay):
    def train(kinds):
        """Steps on a small problem; each kind takes over the state of the one before."""
        torch.manual_seed(0)
        layer, rows = torch.nn.Linear(5, 3), torch.randn(4, 7, 5)
        state = None
        for kind in kinds:
            optimizer = kind(layer.parameters(), lr=0.01, weight_decay=decay)
            if state is not None:
                optimizer.load_state_dict(state)
            for x in rows:
                optimizer.zero_grad(set_to_none=True)
                (layer(x) - 1).square().sum().backward()
                optimizer.step()
            state = optimizer.state_dict()
        return [layer.weight, layer.bias, *(t for s in state["state"].values() for t in s.values())], state

    wanted, theirs = train([torch.optim.Adam] * 2)
    for kinds in ([Adam, Adam], [Adam, torch.optim.Adam], [torch.optim.Adam, Adam]):
        found, ours = train(kinds)
        assert all(map(torch.equal, found, wanted)) and len(found) == len(wanted) == 8
        assert ours["param_groups"] == theirs["param_groups"]


def test_hooks_of_an_optimiser_are_called():
    calls, weight = [], torch.nn.Parameter(torch.ones(1))
    optimizer = Adam([weight], lr=0.1)
    optimizer.register_step_post_hook(lambda *about: calls.append("after"))
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))]})
    (2 * weight).backward()
    assert optimizer.step(lambda: weight.detach() + 1) == 2.0
    # Adam's first step is the learning rate, whatever the gradient.
    assert calls == ["after"] and weight.item() == pytest.approx(0.9) and len(optimizer.param_groups) == 2
