"""Phrases that several messages share, and names and values as they are written in them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

RENAMED = {
    "reading": "variant",
    "readings": "variants",
    "floor": "baseline",
    "hook": "logger",
    "hooks": "loggers",
    "observer": "logger",
    "lambda": "temperature",
    "lambda_": "temperature",
    "lambda_as": "temperature_as",
    "abilities": "capabilities",
    "detached": "stop_gradient_targets",
    "later": "default_preserving",
    "--reading": "--variant",
    "--observer": "--logger",
    "VGBENCH_OBSERVERS": "VGBENCH_LOGGERS",
    "vgbench.hooks": "vgbench.loggers",
}
"""What was once called otherwise, wherever a user or a plugin writes a name. Errors name the new one."""


_HIDDEN = re.compile(
    # Control characters but for tab and the ends of lines; those that turn the direction of text; line separators;
    # halves of characters, as file names that are no UTF-8 have; and tags, which nobody sees.
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]|\r(?!\n)"
)
_LONGEST = 300
"""Characters of a word in a message that are shown, and of its beginning and end together."""


_PLAIN = str.maketrans(
    {"–": "-", "—": "-", "…": "...", "×": "x", "±": "+-", "↑": "^", "↓": "v", "≤": "<=", "≥": ">=", "·": "-", "‘": "'"}  # noqa: RUF001
    | {"’": "'", "“": '"', "”": '"', "−": "-", "→": "->"}  # noqa: RUF001
)
"""Typographic characters, as they are written with a keyboard."""


def encodable(text: str, encoding: str | None) -> str:
    """Return text that an encoding has: with plain characters for typographic ones, and escapes for what is left."""
    name = encoding or "ascii"
    try:
        text.encode(name)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(name, "backslashreplace").decode(name)
    return text


def printable(text: str) -> str:
    r"""Return text with escapes, such as `\x1b`, for characters that would do something to a terminal or a reader."""
    return _HIDDEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def message(text: str, most: int = 4000) -> str:
    """Return a message for people: printable, and with the middle left out of words and texts that are very long."""
    return _cut(re.sub(rf"\S{{{_LONGEST + 1},}}", lambda word: _cut(word[0], _LONGEST), printable(text)), most)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[: most * 3 // 4]}[... {len(text) - most} characters ...]{text[len(text) - most // 4 :]}"


def same(name: str) -> str:
    """Return the spelling under which names are compared: `-` and `_` are one."""
    return name.strip().replace("-", "_")


def shown(value: Any) -> str:
    """Return a value as one would write it after `--set`; in tables, too."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        # YAML's spelling, which --set reads, not Python's.
        return str(value).lower()
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(shown, value))}]"
    return str(value)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return "Did you mean 'iql'? Known: iql, vcreg.", with the nearest of the known names if one is near.

    For a name of an older version: "It is called 'variant' now."
    """
    # Here, not above: only a name that does not exist needs it.
    import difflib

    names = sorted(known)
    if not names:
        return "There is none."
    if RENAMED.get(name) in names:
        return f"It is called {RENAMED[name]!r} now."
    near = difflib.get_close_matches(same(name).lower(), names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known: {', '.join(names)}."


def plural(count: int, noun: str) -> str:
    """Return a count and its noun: `1 seed`, `3 seeds`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def task_name(environment: str, protocol: str) -> str:
    """Name where a run takes place: its protocol, after the environment if the protocol does not tell which."""
    return protocol if protocol.startswith(environment) else f"{environment}-{protocol}"


KIND_WORDS = {
    "loss": "objective",
    "criterion": "objective",
    "metric": "distance",
    "env": "environment",
    "world": "environment",
    "task": "protocol",
    "model": "network",
    "encoder": "network",
    "predictor": "network",
    "controller": "planner",
    "optimizer": "planner",
    "callback": "logger",
    "method": "recipe",
}
"""Words of the field for kinds that have another name here."""


def choice_of_kind(value: str, known: Iterable[str], option: object) -> str:
    """Return the kind that `value` names, in the singular or the plural; as `choice`, which quotes what was written."""
    names = list(known)
    written = same(value).lower()
    singular = written.removesuffix("s")
    meant = KIND_WORDS.get(written) or KIND_WORDS.get(singular)
    if singular not in names and meant in names:
        from vgbench.errors import UsageError

        raise UsageError(f"{option}: unknown value {value!r}. It is called {meant!r} here. Known: {', '.join(names)}.")
    return choice(singular if singular in names or singular in RENAMED else value, names, option)


def choice(value: str, known: Iterable[str], option: object) -> str:
    """Return the one of `known` that `value` names, or raise a UsageError that names the option or place in a file."""
    from vgbench.errors import UsageError

    names = list(known)
    if isinstance(value, str) and same(value) in names:
        return same(value)
    raise UsageError(f"{str(option).rstrip(': ')}: unknown value {value!r}. {suggest(str(value), names)}")


def share_text(share: float) -> str:
    """Return a rate as the literature prints it: `.94`, `1.00`, `-.05`."""
    text = f"{share:.2f}"
    return text.removeprefix("0") if share >= 0 else text.replace("-0.", "-.")


def interval_text(interval: Iterable[float]) -> str:
    """Return the interval of a rate: `[.88, .97]`."""
    return f"[{', '.join(map(share_text, interval))}]"


def rate_text(rate: Mapping[str, Any]) -> str:
    """Return a success rate with its interval: `.95 [.89, .98]  95 of 100`."""
    share = f"{share_text(rate['success_rate'])} {interval_text(rate['ci95'])}"
    return f"{share}  {rate['successes']} of {rate['n']}"


def scores_text(rate: Mapping[str, Any]) -> str:
    """Return the scores beside a success rate: `, SPL .81, timely .90`; nothing where they are not known."""
    named = (("SPL", rate.get("spl")), ("timely", rate.get("timely")))
    return "".join(f", {name} {share_text(value)}" for name, value in named if value is not None)


def figure_text(value: Any) -> str:
    """Return a figure of a diagnosis: one with its interval over goals, a plain one, or `-` for none."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        low, high = value["ci95"]
        return f"{value['mean']:.3f} [{low:.3f}, {high:.3f}]"
    return f"{value:.4g}"


def number_text(value: Any) -> Any:
    """Return a number of a table with three digits that count, `0.0782`; anything else as it is."""
    return f"{value:.3g}" if isinstance(value, float) else value


def duration(seconds: float) -> str:
    """Return a time as people say it: `40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    # Below two of the next unit the smaller one says more: `110 s`, not `1.8 min`.
    for limit, unit, size in ((120.0, "s", 1.0), (7200.0, "min", 60.0), (172800.0, "h", 3600.0)):
        if seconds < limit:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds / 86400)} days"


def span(low: float, high: float) -> str:
    """Return a range of times: `4 to 12 min`, `50 s to 3.5 min`; one time where both read alike."""
    # An estimate is not known to fractions of a second.
    first, last = (duration(max(round(time), 1) if time < 10 else time) for time in (low, high))
    if first == last:
        return last
    number, _, unit = first.partition(" ")
    return f"{number if last.endswith(f' {unit}') else first} to {last}"


def _two_digits(value: float) -> str:
    """Write a number with two digits that count, and never as `1.1e+02`."""
    return f"{float(f'{value:.2g}'):g}"


_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def read_size(text: str) -> int:
    """Return the bytes of `2GiB`, `500 MB`, `1.5GiB` (KiB = 1024 B, KB = 1000 B).

    Raises:
        ValueError: it is no such size, or none above 0.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)", text.strip())
    unit = _UNITS.get(found[2].upper()) if found else None
    size = int(float(found[1]) * unit) if found and unit else 0
    if size < 1:
        raise ValueError("expected a number above 0 and a unit, such as 2GiB or 500MB")
    return size


def show_size(size: int) -> str:
    """Write bytes as people do, and as `read_size` takes them, rounded up: `1.5GiB`, `20MiB`."""
    unit = next((u for u in ("TiB", "GiB", "MiB", "KiB") if size >= _UNITS[u.upper()]), "B")
    # Rounded up, in whole numbers: read back it is never less than `size`.
    tenths = -(-size * 10 // _UNITS[unit.upper()])
    return f"{tenths / 10:g}{unit}"
