"""What the machine has and can do: memory, threads and cores, CUDA, precisions, a compiler, drawing with MuJoCo."""

import ctypes
import importlib.util
import os
import re
import shutil
import sys
import sysconfig
import traceback
from functools import cache
from pathlib import Path

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
# glibc before 2.36 refuses a larger threshold than 32 MiB.
_KEPT, _KEPT_BEFORE_2_36 = 2**30, 2**25
# The largest value that mallopt's `int` can take.
_TRIMMED = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Tell glibc to keep what is freed, up to 2 GiB; return whether it does.

    Nothing is changed on other systems, under another allocator's name, or where the environment sets glibc's own
    variables (`MALLOC_...`, `GLIBC_TUNABLES`), which then hold.
    """
    environ = os.environ
    chosen = any(name.startswith("MALLOC_") for name in environ) or "glibc.malloc" in environ.get("GLIBC_TUNABLES", "")
    # A library in LD_PRELOAD may be another allocator, with settings of its own.
    if sys.platform != "linux" or chosen or environ.get("LD_PRELOAD"):
        return False
    # Not every C library for Linux has it.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    kept = mallopt(_MMAP_THRESHOLD, _KEPT) or mallopt(_MMAP_THRESHOLD, _KEPT_BEFORE_2_36)
    return bool(kept and mallopt(_TRIM_THRESHOLD, _TRIMMED))


_AMPERE = (8, 0)
"""Compute capability from which on a CUDA device has TF32 and bfloat16."""

_CUDA_BUILDS = "https://pytorch.org/get-started/locally"


def no_cuda() -> str:
    """Say why there is no CUDA device, and what to do about it."""
    if torch.version.cuda is None:
        return (
            f"PyTorch {torch.__version__} is a CPU-only build; for a CUDA device install "
            f"another one, see {_CUDA_BUILDS}"
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


def without_drawing(err: BaseException) -> str | None:
    """Say what to do where an import of MuJoCo failed because of how MUJOCO_GL wants it to draw; None: it did not."""
    wanted = os.environ.get("MUJOCO_GL", "")
    modules = (str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(err.__traceback__))
    if not wanted or not any(name.startswith("mujoco.") and name.endswith("gl_context") for name in modules):
        return None
    return (
        f"MUJOCO_GL={wanted} asks MuJoCo to draw in a way that does not work here ({type(err).__name__}: {err}); "
        "unset it, or say MUJOCO_GL=egl, glfw or disabled"
    )


def thread_count(asked: int) -> int:
    """Return the number of threads of a run: as many as asked for, or for 0 one for each physical core.

    The latter are no more than PyTorch would take, which is fewer where OMP_NUM_THREADS, or the program that calls
    vgbench, says so.
    """
    return asked or min(torch.get_num_threads(), physical_cores())


def physical_cores() -> int:
    """Count the cores that this process may use; two hardware threads of one core count once."""
    # Only some systems, Linux among them, say which cores a process may use.
    if not hasattr(os, "sched_getaffinity"):
        return cores()
    found = set()
    for number in os.sched_getaffinity(0):
        path = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        try:
            # Hardware threads of one core list the same siblings, so the set counts them once.
            found.add(path.read_text(encoding="ascii").strip())
        except OSError:  # hidden: every core counts
            found.add(str(number))
    return max(1, len(found))


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


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
