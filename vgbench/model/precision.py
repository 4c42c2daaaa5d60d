"""Puts what a run asks for into force: threads, precision, sums in a fixed order, compiled networks."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from vgbench.errors import UsageError
from vgbench.hardware import thread_count
from vgbench.model.jepa import JEPA
from vgbench.plugin.guard import settled
from vgbench.spec import RunSpec

_PARTS = ("encoder", "predictor", "action_encoder", "head")


@contextmanager
def in_force(spec: RunSpec) -> Iterator[None]:
    """Threads, device and the precision of products outside the networks, as a run wants them; then as they were.

    float32 is meant as it says: on a CUDA device PyTorch's convolutions would take TF32 unasked. On a CPU the same
    command gives the same numbers: unasked, several threads add up the gradient of `z[index]` in the order in which
    they come.
    """
    before = torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    options: Any = torch.utils.deterministic
    mode, filled = torch.get_deterministic_debug_mode(), options.fill_uninitialized_memory
    tf32 = spec.compute.precision == "tf32"
    if spec.device_kind == "cpu":
        # Operations without a fixed order are warned of. What `torch.empty` returns is not filled: that costs time.
        torch.set_deterministic_debug_mode("warn")
        options.fill_uninitialized_memory = False
    torch.set_num_threads(thread_count(spec.compute.threads))
    # PyTorch's words: "high" allows TF32, "highest" is plain float32.
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    settled()
    try:
        with torch.cuda.device(spec.device) if spec.device_kind == "cuda" else nullcontext():
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])
        torch.backends.cudnn.allow_tf32 = before[2]
        torch.set_deterministic_debug_mode(mode)
        options.fill_uninitialized_memory = filled
        settled()


def accelerate(model: JEPA, spec: RunSpec) -> None:
    """Let the networks of a model compute in a run's precision, and compile them, in place.

    They take and give float32 in any case, so losses, distances and costs are computed in float32. Names and types of
    weights do not change: a checkpoint fits a model with or without.
    """
    parts = [module for name in _PARTS if not isinstance(module := getattr(model, name), nn.Identity)]
    if spec.compute.precision == "bfloat16":
        for module in parts:
            _autocast(module, spec.device_kind, torch.bfloat16)
    if spec.compute.compile:
        for module in parts:
            module.compile()


def _autocast(module: nn.Module, device: str, dtype: torch.dtype) -> None:
    """Give a module a class whose `forward` runs under autocast; copies of it (moving averages) have that, too."""
    plain: Any = type(module)

    def forward(self: nn.Module, *inputs: Any) -> Tensor:
        with torch.autocast(device, dtype=dtype):
            result: Tensor = plain.forward(self, *inputs)
        return result.float()

    module.__class__ = type(plain.__name__, (plain,), {"forward": forward, "__module__": plain.__module__})


def check_compiler(spec: RunSpec) -> None:
    """Compile a line of arithmetic, so that what is missing is known before anything is computed.

    Raises:
        UsageError: it fails.
    """
    if spec.compute.compile and (problem := _trial(spec.device)):
        raise UsageError(f"--compile: torch.compile does not work here: {problem}; take --no-compile")


@cache
def _trial(device: str) -> str | None:
    def line(x: Tensor) -> Tensor:
        return (x * 2 + 1).relu().sum(dim=1)

    # Whole numbers, so that sums in any order have the same bits, and of both signs, so that ReLU shows.
    x = torch.arange(-8.0, 8.0, device=device).reshape(4, 4)
    try:
        compiled: Any = torch.compile(line)
        right = bool(torch.equal(compiled(x), line(x)))
    except Exception as err:  # of many kinds, by what is missing
        lines = [text.strip() for text in str(err).splitlines() if text.strip()]
        return lines[0].rstrip(".:;") if lines else type(err).__name__
    return None if right else "it gives wrong numbers"
