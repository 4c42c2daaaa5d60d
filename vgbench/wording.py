"""Phrases that several error messages share."""

from collections.abc import Iterable


def same(name: str) -> str:
    """Spelling under which names are compared: `-` and `_` are one."""
    return name.strip().replace("-", "_")


def suggest(name: str, known: Iterable[str]) -> str:
    """Return "Did you mean 'iql'? Known: iql, vcreg.", with the nearest of the known names if one is near."""
    import difflib

    names = sorted(known)
    if not names:
        return "There is none."
    near = difflib.get_close_matches(same(name).lower(), names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known: {', '.join(names)}."


def place(environment: str, protocol: str) -> str:
    """Name where a run takes place: its protocol, after the environment if the protocol does not tell which."""
    return protocol if protocol.startswith(environment) else f"{environment}-{protocol}"


def choice(value: str, known: Iterable[str], option: str) -> str:
    """Return the one of `known` that `value` names, or raise a UsageError that quotes the option."""
    from vgbench.errors import UsageError

    names = list(known)
    if isinstance(value, str) and same(value) in names:
        return same(value)
    raise UsageError(f"{option.rstrip(': ')}: unknown value {value!r}. {suggest(str(value), names)}")
