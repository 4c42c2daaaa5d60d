"""Packages of the extras, imported only where they are needed."""

import importlib
from typing import Any

from vgbench.errors import UsageError


def install(extra: str) -> str:
    """Return the command that installs an extra: with the tested versions, so that pip leaves PyTorch as it is."""
    return f'`pip install -c constraints.txt ".[{extra}]"` in a checkout of vgbench'


def needed(module: str, package: str, what: str, extra: str, otherwise: str = "") -> Any:
    """Import a module of an optional package and return it.

    Args:
        module: its name for Python.
        package: the package's name in words.
        what: what needs it, as it begins the message: an option, or a format.
        extra: the extra of vgbench that installs it.
        otherwise: what else may be done, at the end of the message.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as err:
        raise UsageError(f"{what}: {package} is not installed ({err}); run {install(extra)}{otherwise}") from err
