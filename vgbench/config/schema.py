"""Makes dataclasses of the sections of a YAML file; what is wrong is named with file and line."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from vgbench.errors import UsageError
from vgbench.stages import LATER_STAGES
from vgbench.storage.yaml_file import Where
from vgbench.text import same, suggest


def make(cls: type[Any], raw: Any, where: Where, **extra: Any) -> Any:
    """Build a dataclass from a mapping: only its fields are allowed as keys; lists become tuples."""
    raw = mapping(raw, where)
    # What the caller fills in is no key of the file.
    known(raw, {f.name for f in fields(cls)} - set(extra), where)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    needed = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    without = [name for name in needed if name not in values and name not in extra]
    if without:
        raise UsageError(f"{where}: missing: {', '.join(without)}")
    return cls(**values, **extra)


def with_stages(raw: Mapping[str, Any], where: Where) -> dict[str, Any]:
    """Gather the objectives of stages after the first under `stages`, where recipes and protocols keep them."""
    keys = {kind.objectives for kind in LATER_STAGES}
    if "stages" in raw:  # a field of the class, but no key of the file: it would be dropped below
        known({"stages": None}, keys, where)
    rest = {key: value for key, value in raw.items() if key not in keys}
    return rest | {"stages": {key: tuple(value) for key, value in raw.items() if key in keys}}


def parts(cls: type[Any], raw: Any, where: Where) -> tuple[Any, ...]:
    """Build a dataclass from each mapping of a list."""
    if not isinstance(raw, list):
        raise UsageError(f"{where}: expected a list, got {repr(raw)[:60]}")
    return tuple(make(cls, part, where / index) for index, part in enumerate(raw))


def mapping(value: Any, where: Where) -> dict[str, Any]:
    """Return the value if it is a mapping."""
    if not isinstance(value, dict):
        raise UsageError(f"{where}: expected `key: value` lines, got {repr(value)[:60]}")
    for key in value:
        if not isinstance(key, str):
            raise UsageError(f"{where.at(key)}: expected a name in front of the colon, got {key!r}; text has quotes")
    return value


def check_name(name: Any, where: Where, others: Mapping[str, Any] | None, kind: str) -> None:
    """Refuse a name that could never be found, or that is taken by one of `others` (None: there are none).

    Names are looked up with `_` for `-`, so one with `-` would not be found.
    """
    if name != same(str(name)) or not str(name).isidentifier():
        raise UsageError(f"{where}: expected a name of letters, digits and _")
    if name in (others or {}):
        raise UsageError(f"{where}: there is a {kind} of that name already; choose another one")


def known(value: Mapping[str, Any], allowed: Iterable[str], where: Where) -> None:
    """Refuse keys that mean nothing."""
    allowed = set(allowed)
    for key in value:
        if key not in allowed:
            raise UsageError(f"{where.at(key)}: unknown key {key!r}. {suggest(str(key), allowed)}")
