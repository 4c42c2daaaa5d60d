"""Memory that a network asks for while it is built: added up before it is taken, so that what does not fit is told."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from vgbench.errors import UsageError
from vgbench.hardware import free_memory
from vgbench.text import show_size

_SHAPED = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.empty_strided)
"""What makes tensors of a shape, which is its first argument; layers of `torch.nn` are made of these."""


class WithinMemory(TorchFunctionMode):
    """Refuses, within the block, to make tensors of more bytes than are free when it begins.

    What is let go again in between counts, too: training takes four times the weights in any case.
    """

    def __init__(self, who: Callable[[], str]) -> None:
        """`who` returns words for the plugin that builds."""
        super().__init__()
        self._who, self._taken = who, 0
        self._free = free_memory(torch.device("cpu"))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Add up what a call asks for, before it is made.

        Raises:
            UsageError: it does not fit; names the plugin.
        """
        kwargs = kwargs or {}
        if func in _SHAPED and self._free is not None and str(kwargs.get("device") or "cpu") == "cpu":
            self._taken += _numbers(args, kwargs) * (kwargs.get("dtype") or torch.get_default_dtype()).itemsize
            if self._taken > self._free:
                raise UsageError(
                    f"{self._who()}: its weights take {show_size(self._taken)} or more, and {show_size(self._free)} of "
                    "memory are free; make it smaller"
                )
        return func(*args, **kwargs)


def _numbers(args: Any, kwargs: dict[str, Any]) -> int:
    """Return how many numbers a tensor will have; 0 where that is not told, or no shape: the call itself refuses it."""
    size = kwargs.get("size", args[0] if args and isinstance(args[0], tuple | list) else args)
    sizes = [side for side in size if isinstance(side, int)] if isinstance(size, tuple | list) else []
    return math.prod(sizes) if sizes and min(sizes) >= 0 else 0
