"""Data sets of vgbench as data sets of Minari, and the way back."""

import re
from types import ModuleType

from vgbench.errors import UsageError

KEY = "vgbench"
"""Entry of a Minari data set's metadata by which one that was exported here comes back as it was."""
OBSERVED = "observed_"
"""Begins the names of observations that an environment stored: it may name a state alike."""


def library() -> ModuleType:
    """Return the package `minari`.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import minari
    except ImportError as err:
        raise UsageError(f'--minari: Minari is not installed ({err}); run `pip install "vgbench[minari]"`') from err
    return minari  # type: ignore[no-any-return, unused-ignore]


def checked(name: str) -> str:
    """Return the name of a Minari data set, if it is one.

    Raises:
        UsageError: it has no version, or signs that Minari does not take.
    """
    if re.fullmatch(r"([-\w]+/)*[-\w]+-v\d+", name):
        return name
    near = re.sub(r"[^-\w/]+", "-", name.strip("/ ")) or "data"
    near = near if re.search(r"-v\d+$", near) else f"{near}-v0"
    raise UsageError(f"--minari {name!r}: expected [NAMESPACE/]NAME-vNUMBER, such as {near}")
