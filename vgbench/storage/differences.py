"""Where two identities of runs differ, in words."""

from typing import Any


def first_difference(old: Any, new: Any, at: str = "") -> str:
    """Name the first value in which two identities differ: `; seeds.train was 0 and is now 1`, or nothing."""
    # Lists of different lengths are named as a whole: their items have no counterparts.
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return "" if old == new else f"; {at} was {_named(old)!r} and is now {_named(new)!r}"
    for name in sorted({*old, *new}):
        text = first_difference(old.get(name), new.get(name), f"{at}.{name}" if at else name)
        if text:
            return text
    return ""


def _named(value: Any) -> Any:
    """What of an identity fits in a message: a plugin's name stands for the plugin."""
    if isinstance(value, list):
        return [_named(item) for item in value]
    return value.get("name", value) if isinstance(value, dict) else value
