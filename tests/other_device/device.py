"""A device that is not the CPU and needs no hardware: its tensors have values, and mix with no others, as on a GPU.

PyTorch leaves one type of device to others, and lets Python play it. A tensor of it is a wrapper around
one on the CPU, which does the work; what takes tensors of both is refused, as CUDA refuses it. So whatever runs there
gives the results of the CPU, autograd and optimisers included, unless something was made on the wrong device.
It is stricter than CUDA in one thing: an index on the CPU is refused, too, as CUDA would wait while it is copied.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode

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


def mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """Map what an operation takes or returns; PyTorch's own `tree_map` takes five times as long."""
    if isinstance(value, tuple | list):
        return type(value)([mapped(item, function) for item in value])
    if isinstance(value, dict):
        return {key: mapped(item, function) for key, item in value.items()}
    return function(value)


def _asked(args: Any, kwargs: dict[str, Any]) -> torch.device | None:
    """Return the device that an operation names; in inference mode `to` has it among the arguments by position."""
    named = kwargs.get("device")
    if named is not None:
        return torch.device(named)
    return next((value for value in args if isinstance(value, torch.device)), None)


def _plain(value: Any) -> Any:
    if isinstance(value, Elsewhere):
        return value.inner
    return torch.device("cpu") if isinstance(value, torch.device) else value


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Do an operation on the CPU, and put what is new onto the device that a GPU would leave it on."""
    leaves: list[torch.Tensor] = []
    mapped((args, kwargs), lambda leaf: leaves.append(leaf) if isinstance(leaf, torch.Tensor) else None)
    ours = [leaf for leaf in leaves if isinstance(leaf, Elsewhere)]
    name = func.overloadpacket.__name__
    pointwise = torch.Tag.pointwise in func.tags
    others = [t for t in leaves if not isinstance(t, Elsewhere) and not (pointwise and t.ndim == 0)]
    if ours and others and name not in COPIES:
        shapes = ", ".join(f"{t.device.type} {list(t.shape)}" for t in leaves)
        raise MixedDevices(f"{name}: tensors of two devices ({shapes})")
    asked = _asked(args, kwargs)
    drawn_there = bool(ours) if asked is None else asked.type == NAME
    if drawn_there and kwargs.get("generator") is not None:
        raise MixedDevices(f"{name}: expected a generator of device {NAME}, but found one of the CPU")
    if asked is not None:
        there = asked.type == NAME
    elif name in ("copy_", "set_data"):
        there = isinstance(args[0], Elsewhere)
    else:
        there = bool(ours)
    known = {id(t.inner): t for t in ours}
    plain = mapped((args, kwargs), _plain)
    result = func(*plain[0], **plain[1])

    def place(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if not there:
            if any(value is leaf for leaf in leaves):  # changed in place
                return value
            # A copy also where the CPU had nothing to copy: memory of two devices is never shared.
            return value.clone() if ours else value
        if id(value) in known:  # changed in place, or nothing to do
            return known[id(value)]
        if any(value is leaf for leaf in leaves):
            value = value.clone()
        return Elsewhere(value)

    return mapped(result, place)


class _Factories(TorchDispatchMode):
    """Makes what is made on the other device from nothing, or from tensors of the CPU.

    Attributes:
        sites: places of the code, `file:line`, that asked for the device.
        forget: the place that shall forget to: what it makes stays on the CPU.
    """

    def __init__(self, forget: str = "") -> None:
        super().__init__()
        self.sites, self.forget = set[str](), forget

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        asked = _asked(args, kwargs)
        moved = asked is not None and asked.type == NAME
        if moved and not any(issubclass(kind, Elsewhere) for kind in types):
            self.sites.add(site := _site())
            if site == self.forget:
                return func(*mapped(args, _plain), **mapped(kwargs, _plain))
        if moved or any(issubclass(kind, Elsewhere) for kind in types):
            return compute(func, args, kwargs)
        return func(*args, **kwargs)


def _site() -> str:
    """Return the innermost place outside of PyTorch and of this file."""
    frame = sys._getframe(2)
    while frame.f_back and ("/torch/" in frame.f_code.co_filename or frame.f_code.co_filename == __file__):
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    return f"{path.parent.name}/{path.name}:{frame.f_lineno}"


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
def other_device(forget: str = "") -> Iterator[_Factories]:
    """Offer the device within the block."""
    if not _registered():
        pytest.skip(f"PyTorch {torch.__version__} has no devices made in Python")
    with _Factories(forget) as made:
        yield made
