"""vgbench: a benchmark toolkit for planning with JEPA world models.

From Python, `vgbench.run(env="wall", recipe="vf", scale="smoke")` is what `vgbench run` is in a shell. Importing
vgbench is cheap: what computes is imported by the first call.
"""

from typing import TYPE_CHECKING, Any

from vgbench.version import API_VERSION, __version__

if TYPE_CHECKING:
    from vgbench.errors import RunFailed, UsageError, VgbenchError
    from vgbench.python_api.many import Runs, suite, sweep
    from vgbench.python_api.records import LoadedRun, compare, load, report
    from vgbench.python_api.single import Result, evaluate, run

__all__ = [
    "API_VERSION",
    "LoadedRun",
    "Result",
    "RunFailed",
    "Runs",
    "UsageError",
    "VgbenchError",
    "__version__",
    "compare",
    "evaluate",
    "load",
    "report",
    "run",
    "suite",
    "sweep",
]

_HOMES = {
    **dict.fromkeys(("run", "evaluate", "Result"), "python_api.single"),
    **dict.fromkeys(("suite", "sweep", "Runs"), "python_api.many"),
    **dict.fromkeys(("compare", "load", "report", "LoadedRun"), "python_api.records"),
    **dict.fromkeys(("RunFailed", "UsageError", "VgbenchError"), "errors"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'vgbench' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"vgbench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return names for completion, the lazy ones among them."""
    return sorted({*globals(), *_HOMES})
