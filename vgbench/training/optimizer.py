"""Adam of PyTorch, without the compiler that it loads at its first step and never asks outside of `torch.compile`."""

import inspect
from typing import Any

import torch


class Adam(torch.optim.Adam):
    """`torch.optim.Adam`, number for number, without `torch._dynamo`: a second of CPU time in each process that trains.

    PyTorch decorates these methods so that its compiler leaves them alone, and the decorators load it. Whole networks
    are compiled here (`--compile`), optimisers are not.
    """

    add_param_group: Any = inspect.unwrap(torch.optim.Adam.add_param_group)
    zero_grad: Any = inspect.unwrap(torch.optim.Adam.zero_grad)
    state_dict: Any = inspect.unwrap(torch.optim.Adam.state_dict)
    load_state_dict: Any = inspect.unwrap(torch.optim.Adam.load_state_dict)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step."""
        return inspect.unwrap(torch.optim.Adam.step)(self, closure)
