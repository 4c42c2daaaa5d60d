"""Where a run's results come from: plugins, versions, commit, machine."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench.plugin.source import source
from vgbench.version import __version__

if TYPE_CHECKING:
    from vgbench.spec import ResolvedPlugin, RunSpec
    from vgbench.storage.record_types import PluginOrigin


def chosen_plugins(spec: "RunSpec") -> "list[ResolvedPlugin]":
    """Return all plugins of a run."""
    objectives = [chosen for stage in spec.stages for chosen in stage.objectives]
    chosen = [spec.environment, *objectives, spec.distance, spec.planner]
    return [*chosen, *spec.networks.values(), *([spec.baseline] if spec.baseline else [])]


def plugins(spec: "RunSpec") -> list["PluginOrigin"]:
    """Say where each plugin of a run came from."""
    return [
        {
            "kind": c.entry.kind,
            "name": c.name,
            "value": c.entry.value,
            "dist": c.entry.dist,
            "dist_version": c.entry.version,
            "version": c.cls.version,
            "source": source(c.cls),
        }
        for c in chosen_plugins(spec)
    ]


def versions() -> dict[str, str]:
    """Return the versions of what results may depend on."""
    found = {"vgbench": __version__, "python": platform.python_version()}
    for name in ("torch", "numpy", "mujoco", "h5py", "pydantic", "scipy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # not every installation has all of them
    return found


def git() -> dict[str, Any] | None:
    """Return the commit of the checkout that vgbench runs from and whether it is `dirty`, or None.

    `dirty` is None where git cannot say.
    """
    folder = Path(__file__).resolve().parent.parent

    def ask(*arguments: str) -> str | None:
        try:
            # timeout: a git that hangs must not hold up the run.
            # Without its optional lock: `status` would leave it behind if it is killed, and hold up the user's git.
            words = ["git", "--no-optional-locks", *arguments]
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    top = ask("rev-parse", "--show-toplevel")
    if top is None or Path(top) != folder.parent:
        return None  # installed as a package; a repository around it is somebody else's
    status = ask("status", "--porcelain")
    return {"commit": ask("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def machine() -> dict[str, Any]:
    """Describe the machine."""
    # Here, not above: who reads records imports this module, but needs no torch.
    import torch

    return {
        "system": f"{platform.system()} {platform.release()}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "executable": Path(sys.executable).name,
    }


def _cpu() -> str:
    """Model of the processor; Python's own answer is the architecture alone on Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
