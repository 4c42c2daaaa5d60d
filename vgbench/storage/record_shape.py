"""Whether a record's content is of the types that `record_types` declares: what reads it may then rely on them."""

import types
from collections.abc import Callable, Hashable
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

# By the exact type: bool is a subclass of int.
_PLAIN: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (float, int),
    bool: (bool,),
    type(None): (type(None),),
}
_Check = Callable[[Any, str], str | None]


def misfit(value: Any, hint: Hashable, at: str = "") -> str | None:
    """Say what of a value is not of a type, or return None; fields that old records have not are not missed.

    Args:
        value: of JSON.
        hint: a plain type, a list, dict or union of types, or a TypedDict.
        at: path of the value, for the message.
    """
    return _check_of(hint)(value, at)


@cache
def _check_of(hint: Any) -> _Check:
    """Make the check of a type: once, since a report has a hundred thousand rows."""
    while get_origin(hint) in (Annotated, NotRequired):
        hint = get_args(hint)[0]
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value, at: None
    if hint in _PLAIN:
        return _one_of(_PLAIN[hint], hint)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is Literal:
        words = " or ".join(map(repr, arguments))
        return lambda value, at: None if value in arguments else _wrong(value, words, at)
    if origin is list:
        return _each(list, "a list", _check_of(arguments[0]), lambda value: enumerate(value))
    if origin is dict:
        return _each(dict, "an object", _check_of(arguments[1]), lambda value: value.items())
    return _record(hint)


def _one_of(kinds: tuple[type, ...], hint: type) -> _Check:
    name = "null" if hint is type(None) else hint.__name__
    return lambda value, at: None if type(value) in kinds else _wrong(value, name, at)


def _union(options: tuple[Any, ...]) -> _Check:
    if all(option in _PLAIN for option in options):
        kinds = tuple(kind for option in options for kind in _PLAIN[option])
        return _one_of(kinds, options[0])
    checks = [_check_of(option) for option in options]

    def check(value: Any, at: str) -> str | None:
        found = [one(value, at) for one in checks]
        return None if None in found else found[0]

    return check


def _each(kind: type, words: str, inner: _Check, items: Callable[[Any], Any]) -> _Check:
    def check(value: Any, at: str) -> str | None:
        if not isinstance(value, kind):
            return _wrong(value, words, at)
        return next((found for name, item in items(value) if (found := inner(item, f"{at}.{name}"))), None)

    return check


def _record(kind: Any) -> _Check:
    checks = {name: _check_of(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}

    def check(value: Any, at: str) -> str | None:
        if not isinstance(value, dict):
            return _wrong(value, "an object", at)
        for name, one in checks.items():
            if name in value and (found := one(value[name], f"{at}.{name}" if at else name)):
                return found
        return None

    return check


def _wrong(value: Any, wanted: str, at: str) -> str:
    return f"{at or 'it'} is {repr(value)[:60]}, expected {wanted}"
