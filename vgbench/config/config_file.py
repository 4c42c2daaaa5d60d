"""The file given by --config: the same choices as the flags, and what a run writes down about itself."""

import math
from pathlib import Path
from typing import Any

from vgbench.config.options import OPTIONS, File, Names, Number, Switch, Text, Values
from vgbench.errors import UsageError, prefix_error
from vgbench.stages import LATER_STAGES
from vgbench.storage import yaml_file
from vgbench.text import suggest

FORMAT = 1

_KINDS: dict[Any, type] = {Text: str, Number: int, Switch: bool, File: str, Names: list, Values: dict}
"""How each kind of option is written in the file."""

KEYS: dict[str, type] = {option.key: _KINDS[option.kind] for option in OPTIONS.values() if option.key}
KEYS |= {"format": int, "complete": bool, "trained": str, "recipes": dict, "protocols": dict, "variants": dict}
KEYS |= dict.fromkeys((kind.objectives for kind in LATER_STAGES), list)
KEYS |= dict.fromkeys(("baseline", "action_encoder", "head"), str)
"""What the file may contain: options of a run, and what has no flag.

`recipes`, `protocols` and `variants` have those of the user's own, as a file for --recipes has them.

`trained` is the key of the run whose model was evaluated, in the file of an evaluation under another protocol.

A key without a value (null) counts as not given.

`complete: true` stands in what a run writes: it holds every value of its plugins. A parameter that it lacks is younger
than the file and takes its plugin's default, not a value that recipes and protocols have come to give it since.
"""

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    str: "text",
    list: "a list of names",
    dict: "`key: value` lines",
}


def read(path: Path) -> dict[str, Any]:
    """Read and check a configuration file; null values are left out.

    Raises:
        UsageError: it cannot be read, is not YAML, has an unknown or duplicate key, or a value of the wrong type.
    """
    with prefix_error("--config", " "):
        content = yaml_file.load(path)
    with prefix_error(f"--config {path}"):
        return _checked(content)


def _checked(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UsageError(f"expected `key: value` lines, e.g. `recipe: NAME`, got {repr(content)[:60]}")
    for key, value in content.items():
        if key not in KEYS:
            raise UsageError(f"unknown key {key!r}. {suggest(str(key), KEYS)}")
        wanted = KEYS[key]
        # bool is a subclass of int: `seed: true` would pass for 1.
        fits = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
        fits = fits and (wanted is not list or all(isinstance(item, str) for item in value))
        if value is not None and not fits:
            raise UsageError(f"{key}: expected {_WORDS[wanted]}, got {repr(value)[:60]}")
    # A file written by hand need not say its format.
    version = content.pop("format", FORMAT)
    if version != FORMAT:
        raise UsageError(f"it has format {version}; this vgbench reads format {FORMAT}")
    return {key: value for key, value in content.items() if value is not None}


def split_weight(text: str, written: str) -> tuple[str, float]:
    """Take `NAME[:WEIGHT]` apart; `DIST:NAME` is a name.

    Raises:
        UsageError: the weight is not a finite number above 0.
    """
    # From the right: the weight of `DIST:NAME:0.5` stands after the last colon.
    name, colon, tail = text.rpartition(":")
    try:
        weight = float(tail) if colon else 1.0
    except ValueError:
        return text, 1.0  # the tail is a name: `DIST:NAME`
    # `float` also reads `nan` and `inf`.
    if not (math.isfinite(weight) and weight > 0):
        raise UsageError(f"{written}: the weight must be a finite number above 0, got {tail}")
    return (name if colon else text), weight
