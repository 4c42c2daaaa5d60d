"""Makes dataclasses of the sections of a YAML file; what is wrong is named with file and line."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from vgbench.errors import UsageError
from vgbench.stages import LATER_STAGES
from vgbench.storage.yaml_file import Where
from vgbench.text import same, suggest


def make(cls: type[Any], raw: Any, where: Where, **extra: Any) -> Any:
    """Build a dataclass from a mapping: only its fields are allowed as keys, of their types; lists become tuples."""
    raw = mapping(raw, where)
    # What the caller fills in is no key of the file.
    known(raw, {f.name for f in fields(cls)} - set(extra), where)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    hints = get_type_hints(cls)
    for key, value in values.items():
        if not _fits(value, hints[key]):
            raise UsageError(f"{where / key}: expected {_words(hints[key])}, got {repr(value)[:60]}")
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
    for key in keys & set(raw):
        for index, name in enumerate(_list(raw[key], where / key)):
            if not isinstance(name, str):
                raise UsageError(f"{where / key / index}: expected the name of an objective, got {repr(name)[:60]}")
    rest = {key: value for key, value in raw.items() if key not in keys}
    return rest | {"stages": {key: tuple(value) for key, value in raw.items() if key in keys}}


def parts(cls: type[Any], raw: Any, where: Where) -> tuple[Any, ...]:
    """Build a dataclass from each mapping of a list."""
    return tuple(make(cls, part, where / index) for index, part in enumerate(_list(raw, where)))


def _list(value: Any, where: Where) -> list[Any]:
    if not isinstance(value, list):
        raise UsageError(f"{where}: expected a list, got {repr(value)[:60]}")
    return value


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of a file is of a field's type. Who reads lists and mappings checks what is inside of them."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inside)
    if origin is tuple:
        return isinstance(value, tuple)
    if origin is Mapping:
        return isinstance(value, dict)
    if hint in (int, float):
        return isinstance(value, (int, float) if hint is float else int) and not isinstance(value, bool)
    return not isinstance(hint, type) or hint not in _WORDS or isinstance(value, hint)


def _words(hint: Any) -> str:
    """Say what a field takes."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_words(one) for one in inside if one is not NoneType)
    if origin is tuple:
        return {str: "a list of names", int: "a list of whole numbers"}.get(inside[0], "a list")
    return "`key: value` lines" if origin is Mapping else _WORDS.get(hint, "something else")


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "nothing"}
"""What a file has for a simple type."""


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
