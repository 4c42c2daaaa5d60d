"""Data sets of vgbench as data sets of Minari, and the way back."""

import re
from typing import Any

from vgbench.errors import UsageError
from vgbench.extras import needed

KEY = "vgbench"
"""Entry of a Minari data set's metadata by which one that was exported here comes back as it was."""
OBSERVED = "observed_"
"""Begins the names of observations that an environment stored: it may name a state alike."""


def library() -> Any:
    """Return the package `minari`."""
    return needed("minari", "Minari", "--minari", "minari")


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
