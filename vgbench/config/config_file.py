"""The file given by --config: the same choices as the flags, and what a run writes down about itself."""

import math
from pathlib import Path
from typing import Any

from vgbench.errors import UsageError
from vgbench.stages import OBJECTIVE_KEYS
from vgbench.storage import yaml_file
from vgbench.text import suggest

FORMAT = 1

KEYS: dict[str, tuple[type, ...]] = {
    "format": (int,),
    "complete": (bool,),
    "environment": (str,),
    "protocol": (str,),
    "recipe": (str,),
    "recipes": (dict,),
    **dict.fromkeys(OBJECTIVE_KEYS, (list,)),
    "distance": (str,),
    "training": (str,),
    "planner": (str,),
    "baseline": (str,),
    "encoder": (str,),
    "predictor": (str,),
    "action_encoder": (str,),
    "head": (str,),
    "scale": (str,),
    "variant": (str,),
    "seed": (int,),
    "data_seed": (int,),
    "task_seed": (int,),
    "device": (str,),
    "precision": (str,),
    "compile": (bool,),
    "threads": (int,),
    "memory": (str,),
    "data": (str,),
    "tasks": (str,),
    "set": (dict,),
}
"""What the file may contain. `recipes` has recipes of the user's own, as a file for --recipes has them.

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
    try:
        content = yaml_file.load(path)
    except UsageError as err:
        raise UsageError(f"--config {err}") from err
    if not isinstance(content, dict):
        raise UsageError(f"--config {path}: expected `key: value` lines, e.g. `recipe: NAME`, got {_short(content)}")
    for key, value in content.items():
        if key not in KEYS:
            raise UsageError(f"--config {path}: unknown key {key!r}. {suggest(str(key), KEYS)}")
        wanted = KEYS[key]
        fits = isinstance(value, wanted) and (wanted == (bool,) or not isinstance(value, bool))
        if value is not None and not fits:
            raise UsageError(f"--config {path}: {key}: expected {_WORDS[wanted[0]]}, got {_short(value)}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise UsageError(f"--config {path}: {key}: expected a list of names, got {_short(value)}")
    version = content.pop("format", FORMAT)
    if version != FORMAT:
        raise UsageError(f"--config {path} has format {version}; this vgbench reads format {FORMAT}")
    return {key: value for key, value in content.items() if value is not None}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def split_weight(text: str, written: str) -> tuple[str, float]:
    """Take `NAME[:WEIGHT]` apart; `DIST:NAME` is a name.

    Raises:
        UsageError: the weight is not a finite number above 0.
    """
    name, colon, tail = text.rpartition(":")
    try:
        weight = float(tail) if colon else 1.0
    except ValueError:
        return text, 1.0
    if not (math.isfinite(weight) and weight > 0):
        raise UsageError(f"{written}: the weight must be a finite number above 0, got {tail}")
    return (name if colon else text), weight
