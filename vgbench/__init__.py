"""vgbench: a benchmark toolkit for planning with JEPA world models.

From Python, `vgbench.run(env="wall", recipe="vf", scale="smoke")` is what `vgbench run` is in a shell. Importing
vgbench is cheap: what computes is imported by the first call.
"""

from typing import TYPE_CHECKING, Any

from vgbench.version import API_VERSION, __version__

if TYPE_CHECKING:
    from vgbench.errors import RunFailed, UsageError, VgbenchError
    from vgbench.python_api import Result, run

__all__ = ["API_VERSION", "Result", "RunFailed", "UsageError", "VgbenchError", "__version__", "run"]

_HOMES = {"run": "python_api", "Result": "python_api"} | dict.fromkeys(
    ("RunFailed", "UsageError", "VgbenchError"), "errors"
)


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'vgbench' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"vgbench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return names for completion, the lazy ones among them."""
    return sorted({*globals(), *_HOMES})
