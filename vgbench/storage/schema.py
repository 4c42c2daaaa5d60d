"""What is said of the fields of a run folder's files, and their JSON Schema: docs/runs.md and `vgbench show schema`."""

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

from vgbench.storage.record_types import FILES


def fields(name: str) -> dict[str, str]:
    """Say what each field of a file means, by its path; `*` stands for any name, `.` for one level further inside."""
    kind, more = FILES[name]
    return {**_fields(kind, ""), **more}


def _fields(kind: Any, at: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        inner, words = _taken_apart(hint)
        record, dots = _record(inner)
        path = f"{at}{name}{dots}"
        if record is not None:
            found |= _fields(record, f"{path}.")
        else:
            found[path + (".*" if _several(inner) else "")] = words
    return found


def _taken_apart(hint: Any) -> tuple[Any, str]:
    """Type and words of a field."""
    if get_origin(hint) is NotRequired:
        hint = get_args(hint)[0]
    return get_args(hint)[:2] if get_origin(hint) is Annotated else (hint, "")


def _record(hint: Any) -> tuple[Any, str]:
    """TypedDict that a type holds, if it holds one, and the path to it: `.*` in a list or under any name."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        # A TypedDict refuses isinstance and issubclass; it is known by `__total__`.
        if isinstance(option, type) and hasattr(option, "__total__"):
            return option, ""
        if get_origin(option) in (list, dict) and hasattr(get_args(option)[-1], "__total__"):
            return get_args(option)[-1], ".*"
    return None, ""


def _several(hint: Any) -> bool:
    """Whether a field has parts without a type of their own: a mapping, or a pair of numbers."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return any(get_origin(option) is dict or option == list[float] for option in options)


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a file, or of one line of a JSONL file."""
    kind, _ = FILES[name]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name, **_schema(kind)}


_PLAIN: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
}


def _schema(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(argument) for argument in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    # What is left of the types in `record_types` are TypedDicts.
    properties = {}
    for name, field in get_type_hints(hint, include_extras=True).items():
        inner, words = _taken_apart(field)
        properties[name] = {**_schema(inner), **({"description": words} if words else {})}
    description = " ".join((hint.__doc__ or "").split())
    required = sorted(hint.__required_keys__)
    return {"type": "object", "description": description, "properties": properties, "required": required}
