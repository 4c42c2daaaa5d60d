"""What this machine has, and whether that is enough: devices, precisions, cores, memory, a compiler."""

# ruff: noqa: TID253 - imported only once a run is being resolved
import importlib.util
import os
import re
import shutil
import sys
import sysconfig
from pathlib import Path

import torch

from vgbench.choices import Choice, Choices
from vgbench.compute import PRECISIONS, Compute, read_size, show_size
from vgbench.errors import UsageError
from vgbench.executors.base import cores
from vgbench.spec import Value
from vgbench.wording import choice, suggest

_AMPERE = (8, 0)
"""Compute capability from which on a CUDA device has TF32 and bfloat16."""

_CUDA_BUILDS = "https://pytorch.org/get-started/locally"


def chosen(choices: Choices) -> tuple[str, Compute, dict[str, Value]]:
    """Device, and how to compute on it, with their sources.

    Raises:
        UsageError: this machine does not have what was asked for; the message names the option.
    """
    device, source = _device(choices)
    asked = choices.get("precision") or Choice("float32", "default", "")
    precision = choice(asked.value, PRECISIONS, asked.written.removesuffix(f" {asked.value}"))
    if problem := lacks(precision, device):
        raise UsageError(f"{asked.written}: {problem}")
    compiled = choices.get("compile") or Choice(False, "default", "")
    if compiled.value and (problem := no_compiler(device)):
        raise UsageError(f"{compiled.written}: {problem}")
    threads = choices.get("threads") or Choice(0, "default", "")
    check_threads(threads.value, threads.written)
    memory = choices.get("memory") or Choice(None, "default", "")
    size = _memory(memory)
    picks = {
        "device": Value(device, source),
        "precision": Value(precision, asked.source),
        "compile": Value(bool(compiled.value), compiled.source),
        "threads": Value(thread_count(threads.value), "found" if threads.value == 0 else threads.source),
        "memory": Value(show_size(size) if size else "auto", memory.source),
    }
    return device, Compute(precision, bool(compiled.value), threads.value, size), picks


def _device(choices: Choices) -> tuple[str, str]:
    asked = choices.get("device") or Choice("auto", "default", "")
    if asked.value == "auto":
        return ("cuda" if torch.cuda.is_available() else "cpu"), "found"
    kind, colon, number = str(asked.value).strip().partition(":")
    if kind not in ("cpu", "cuda") or (colon and not (kind == "cuda" and number.isdecimal())):
        option = asked.written.removesuffix(f" {asked.value}").removesuffix(":")
        raise UsageError(f"{option}: unknown value {asked.value!r}. {suggest(kind, ('auto', 'cpu', 'cuda', 'cuda:N'))}")
    if kind == "cpu":
        return kind, asked.source
    if not torch.cuda.is_available():
        raise UsageError(f"{asked.written}: {no_cuda()}; or take --device cpu")
    count = torch.cuda.device_count()
    if colon and int(number) >= count:
        there = "is only cuda:0" if count == 1 else f"are {count}, cuda:0 to cuda:{count - 1}"
        raise UsageError(f"{asked.written}: there {there}")
    return (f"cuda:{int(number)}" if colon else "cuda"), asked.source


def no_cuda() -> str:
    """Say why there is no CUDA device, and what to do about it."""
    if torch.version.cuda is None:
        return (
            f"PyTorch {torch.__version__} is a build without CUDA, so it finds no CUDA device; install one with it, as "
            f"{_CUDA_BUILDS} says"
        )
    return (
        f"PyTorch {torch.__version__} is a build for CUDA {torch.version.cuda}, but finds no CUDA device; see what "
        "`nvidia-smi` says, and whether CUDA_VISIBLE_DEVICES hides it"
    )


def lacks(precision: str, device: str) -> str | None:
    """Say why a device does not have a precision, or None."""
    if precision == "float32":
        return None
    if device == "cpu":
        if precision == "bfloat16":
            return None
        return "TF32 is a mode of CUDA devices, and this run computes on the CPU; take float32 or bfloat16 there"
    capability = torch.cuda.get_device_capability(device)
    if capability >= _AMPERE:
        return None
    name, (major, minor) = torch.cuda.get_device_name(device), capability
    return (
        f"{device} ({name}) has compute capability {major}.{minor}, and {precision} needs {_AMPERE[0]}.{_AMPERE[1]} "
        "(Ampere) or later; take float32"
    )


def no_compiler(device: str) -> str | None:
    """Say what `torch.compile` misses here, or None. That a program comes out is seen when one is compiled."""
    if device != "cpu":
        missing = importlib.util.find_spec("triton") is None
        return "torch.compile needs Triton on a CUDA device; run `pip install triton`" if missing else None
    name = os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    if shutil.which(name) is None:
        where = " (from the variable CXX)" if os.environ.get("CXX") else ""
        return (
            f"torch.compile needs a C++ compiler on a CPU, and there is no {name}{where}; install one (Debian: "
            "`apt-get install g++`) or set CXX"
        )
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return (
            f"torch.compile needs the headers of Python on a CPU, and {sysconfig.get_path('include')} has no Python.h; "
            "install them (Debian: `apt-get install python3-dev`)"
        )
    return None


def check_threads(count: int, written: str) -> None:
    """Refuse a number of threads that this machine has no cores for.

    Raises:
        UsageError: naming how many cores there are.
    """
    most = cores()
    if not 0 <= count <= most:
        have = "1 core" if most == 1 else f"{most} cores"
        raise UsageError(f"{written}: this process may use {have}: expected 1 to {most}, or 0 for a number chosen here")


def thread_count(asked: int) -> int:
    """Threads of a run: those asked for; for 0 one for each physical core, but no more than PyTorch would take.

    PyTorch takes fewer where OMP_NUM_THREADS, or the program that calls vgbench, says so.
    """
    return asked or min(torch.get_num_threads(), physical_cores())


def physical_cores() -> int:
    """Cores that this process may use, counting two hardware threads of one core once."""
    if not hasattr(os, "sched_getaffinity"):
        return cores()
    found = set()
    for number in os.sched_getaffinity(0):
        path = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        try:
            found.add(path.read_text(encoding="ascii").strip())
        except OSError:  # hidden: every core counts
            found.add(str(number))
    return max(1, len(found))


def _memory(asked: Choice) -> int | None:
    if asked.value is None or str(asked.value).strip() == "auto":
        return None
    try:
        return read_size(str(asked.value))
    except ValueError as err:
        raise UsageError(f"{asked.written}: {err}") from err


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device, or on the CPU those that can be had without swapping; None if that is hidden."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.M)
    return int(found[1]) * 1024 if found else None


def about(device: str) -> str:
    """Say which device `auto` came to, and why."""
    if device == "cpu":
        return f"computing on the CPU: {no_cuda().partition(';')[0]}"
    return f"computing on {device} ({torch.cuda.get_device_name(device)})"
