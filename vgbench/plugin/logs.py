"""What an objective's logged values mean: the section `Logs:` of the docstring of its `loss`, a line for each.

In the docstring, and not in an attribute: it changes nothing that is computed, so that runs keep their keys and the
hashes of their sources.
"""

import inspect
import re
from typing import Any

_SECTION = re.compile(r"^Logs:\n((?:[ ]+\S.*\n|\n)+)", re.MULTILINE)
_LINE = re.compile(r"^`{0,2}([\w.]+)`{0,2}\s*:\s+(\S.*)$")

OF_EVERY_STAGE = {
    "loss": "weighted sum of the objectives' losses, on one batch",
    "NAME": "loss of the objective NAME, before its weight",
    "grad_norm": "norm of the gradient of all that is trained, before clipping",
    "lr": "learning rate of this step",
}
"""What every training stage logs, whatever its objectives."""


def log_meanings(cls: type[Any]) -> dict[str, str]:
    """Return the meaning of each value that an objective logs, by its name; empty where it says nothing.

    Args:
        cls: the objective's class. The docstring of its `loss`, or of that which it inherits, is read::

            Logs:
                distance_mean: mean distance between successive states
    """
    section = _SECTION.search(f"{inspect.getdoc(getattr(cls, 'loss', None)) or ''}\n")
    if section is None:
        return {}
    found: dict[str, str] = {}
    lines = [line for line in section[1].splitlines() if line.strip()]
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    for line in lines:
        text, match = line.strip(), _LINE.match(line.strip())
        if match and len(line) - len(line.lstrip()) == margin:
            found[match[1]] = match[2]
        elif found:  # a line that goes on
            found[next(reversed(found))] += f" {text}"
    return found
