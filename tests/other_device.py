"""A device that is not the CPU and needs no hardware: its tensors have values, and mix with no others, as on a GPU.

PyTorch leaves one type of device to others, and lets Python play it. A tensor of it is a wrapper around
one on the CPU, which does the work; what takes tensors of both is refused, as CUDA refuses it. So whatever runs there
gives the results of the CPU, autograd and optimisers included, unless something was made on the wrong device.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

NAME = "elsewhere"

COPIES = ("_to_copy", "copy_", "_copy_from", "_copy_from_and_resize", "set_data")
"""Operations that take tensors of two devices by design."""


class MixedDevices(RuntimeError):
    """One operation was given tensors of two devices."""


class Elsewhere(torch.Tensor):
    """A tensor of the other device; `inner` on the CPU has its values."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "Elsewhere":
        # In inference mode the view of a usual tensor is a usual one, as the inner one is.
        with torch.inference_mode(inner.is_inference()):
            made = torch.Tensor._make_wrapper_subclass(
                cls,
                inner.size(),
                strides=inner.stride(),
                storage_offset=inner.storage_offset(),
                dtype=inner.dtype,
                device=torch.device(NAME, 0),
                requires_grad=inner.requires_grad,
            )
        made.inner = inner
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Be saved as a plain tensor: a checkpoint knows no device."""
        return self.inner.__reduce_ex__(protocol)

    def tolist(self) -> Any:
        return self.inner.tolist()

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"Elsewhere({self.inner!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Do an operation on the CPU, and put what is new onto the device that a GPU would leave it on."""
    leaves = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
    ours = [leaf for leaf in leaves if isinstance(leaf, Elsewhere)]
    name = func.overloadpacket.__name__
    pointwise = torch.Tag.pointwise in func.tags
    others = [t for t in leaves if not isinstance(t, Elsewhere) and not (pointwise and t.ndim == 0)]
    if ours and others and name not in COPIES:
        shapes = ", ".join(f"{t.device.type} {list(t.shape)}" for t in leaves)
        raise MixedDevices(f"{name}: tensors of two devices ({shapes})")
    asked = kwargs.get("device")
    if name == "_to_copy" and asked is None:
        there = bool(ours)
    elif asked is not None:
        there = torch.device(asked).type == NAME
    elif name in ("copy_", "set_data"):
        there = isinstance(args[0], Elsewhere)
    else:
        there = bool(ours)
    if asked is not None and torch.device(asked).type == NAME:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    known = {id(t.inner): t for t in ours}
    plain = tree_map(lambda t: t.inner if isinstance(t, Elsewhere) else t, (args, kwargs))
    result = func(*plain[0], **plain[1])

    def place(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if id(value) in known:  # changed in place
            return known[id(value)]
        if not there:
            # A copy also where the CPU had nothing to copy: memory of two devices is never shared.
            return value.clone() if ours else value
        if any(value is leaf for leaf in leaves):
            value = value.clone()
        return Elsewhere(value)

    return tree_map(place, result)


class _Factories(TorchDispatchMode):
    """Makes what is made on the other device from nothing, or from tensors of the CPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        asked = kwargs.get("device")
        if any(issubclass(kind, Elsewhere) for kind in types) or (asked and torch.device(asked).type == NAME):
            return compute(func, args, kwargs)
        return func(*args, **kwargs)


def _empty_strided(size: Any, stride: Any, **how: Any) -> Elsewhere:
    """What `torch.tensor(..., device=...)` asks for below the dispatch modes."""
    how = {name: value for name, value in how.items() if name not in ("device", "pin_memory")}
    return Elsewhere(torch.empty_strided(size, stride, device="cpu", **how))


def _copy_from(source: Any, target: Any, non_blocking: bool = False) -> Any:
    to, of = (t.inner if isinstance(t, Elsewhere) else t for t in (target, source))
    to.copy_(of)
    return target


@cache
def _registered() -> Any:
    """Offer the device to PyTorch, once for a process; None where it doesn't let Python play one (before 2.10)."""
    setup = getattr(backend_registration, "_setup_privateuseone_for_python_backend", None)
    if setup is None:
        return None

    setup(rename=NAME)
    library = torch.library.Library("aten", "IMPL")
    library.impl("empty_strided", _empty_strided, "PrivateUse1")
    library.impl("_copy_from", _copy_from, "PrivateUse1")
    return library


@contextmanager
def other_device() -> Iterator[torch.device]:
    """Offer the device within the block."""
    if not _registered():
        pytest.skip(f"PyTorch {torch.__version__} has no devices made in Python")
    with _Factories():
        yield torch.device(NAME, 0)
