"""YAML as vgbench reads it: safe, within limits, without duplicate keys, with the scalars of YAML 1.2.

PyYAML follows YAML 1.1, where `1e-3` is a string, `no` is false, `010` is 8, and the second of two equal keys wins.
Each of these would change an experiment without a word.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from vgbench.errors import UsageError
from vgbench.storage.files import read_bytes

SIZE = 4 * 2**20
"""Most bytes of a YAML file."""
DEPTH = 64
"""Most levels of nesting: some hundreds end the process inside libyaml."""
NODES = 100_000
"""Most values, with those counted again that an alias repeats: ten nested aliases may stand for billions."""

# libyaml's loader is faster, but not every build of PyYAML has it.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_SCALARS = {
    # The empty alternative is a key without a value.
    "tag:yaml.org,2002:null": (r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    # Decimal digits only: not 0x1f, 0b1, 1_000 or 1:30, which YAML 1.1 reads as integers.
    "tag:yaml.org,2002:int": (r"[-+]?[0-9]+", list("-+0123456789")),
    # A dot or an exponent makes a float; `(?=[eE])` is for `1e-3`, where YAML 1.1 wants a dot.
    "tag:yaml.org,2002:float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    "tag:yaml.org,2002:merge": (r"<<", ["<"]),
}


class _Loader(_Base):
    """Safe loader that refuses duplicate keys."""

    name: str

    # Empty, not inherited: the resolvers of PyYAML are those of YAML 1.1.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's protocol

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping; a key that is given twice or is not text is an error with its line."""
        lines: dict[str, int] = {}
        # On the nodes: in the dict that PyYAML builds, the second of two equal keys has won already.
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise UsageError(f"{self.name}:{line}: a key must be plain text")
            if key_node.value in lines:
                raise UsageError(
                    f"{self.name}:{line}: duplicate key {key_node.value!r} "
                    f"(first given in line {lines[key_node.value]}): keep one of the two"
                )
            lines[key_node.value] = line
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Dumper that quotes exactly those strings which the loader would read as something else."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values out: anchors are noise to a reader."""
        return True


for _tag, (_pattern, _first) in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)
# Base 10: PyYAML's own constructor reads 010 as octal.
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node), 10))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: _float(loader.construct_scalar(node)))


def _float(text: str) -> float:
    """Value of a float as YAML writes it (`.inf`, `.nan`)."""
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def parse(text: str, name: str) -> Any:
    """Return the value of a YAML text; `name` stands for the file in messages.

    Raises:
        UsageError: `name:line: ...` for text that is not YAML, for duplicate keys, and for more than one document.
    """
    _check_size(len(text), name)
    loader = None
    try:
        _check_events(text, name)
        loader = _Loader(text)
        loader.name = name
        return loader.get_single_data()
    except yaml.MarkedYAMLError as err:
        line = f":{err.problem_mark.line + 1}" if err.problem_mark else ""
        raise UsageError(f"{name}{line}: not valid YAML: {err.problem or err}") from err
    except (yaml.YAMLError, ValueError) as err:
        raise UsageError(f"{name}: not valid YAML: {str(err).splitlines()[0]}") from err
    finally:
        if loader is not None:
            loader.dispose()


def _check_size(size: int, name: str) -> None:
    if size > SIZE:
        raise UsageError(f"{name} has {size} bytes, expected YAML of at most {SIZE}")


def _check_events(text: str, name: str) -> None:
    """Refuse text that is nested too deeply, stands for too many values or has tags, before anything is made of it."""
    sizes: dict[str, int] = {}  # values of what an alias may name
    open_: list[tuple[str | None, int]] = []  # its anchor, and the values before it, of each level that is open
    count = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor is not None:
                sizes[anchor] = count - before
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, count))
        elif isinstance(event, yaml.ScalarEvent) and event.anchor is not None:
            sizes[event.anchor] = 1
        alias = isinstance(event, yaml.AliasEvent)
        count += sizes.get(event.anchor or "", 1) if alias else 1
        problem = None
        if len(open_) > DEPTH:
            problem = f"nested more than {DEPTH} deep"
        elif count > NODES:
            problem = f"more than {NODES} values, with those that aliases repeat"
        elif (tag := getattr(event, "tag", None)) is not None:
            problem = f"the tag {tag.replace('tag:yaml.org,2002:', '!!')}; write the value without it"
        elif alias and any(event.anchor == anchor for anchor, _ in open_):
            problem = f"the alias *{event.anchor} stands inside of what it stands for"
        if problem:
            raise UsageError(
                f"{name}:{getattr(event.start_mark, 'line', 0) + 1}: not YAML that vgbench reads: {problem}"
            )


def load(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        UsageError: the file is missing, a folder, unreadable, binary or not YAML.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a YAML file")
    try:
        _check_size(path.stat().st_size, str(path))
        text = read_bytes(path, SIZE).decode("utf-8")
    except FileNotFoundError as err:
        raise UsageError(f"{path}: there is no such file") from err
    except UnicodeDecodeError as err:
        raise UsageError(f"{path} is not text (byte {err.start} is not UTF-8), so not a YAML file") from err
    except OSError as err:
        raise UsageError(f"{path} cannot be read: {err.strerror or err}") from err
    return parse(text, str(path))


def line(path: Path, keys: Sequence[Any]) -> int | None:
    """Line (from 1) in which a value stands, by the keys and indices that lead to it; None if there is no such file.

    Where the last ones do not exist, it is the line of the nearest one that does.
    """
    try:
        node = _composed(read_bytes(path, SIZE).decode("utf-8"))
    except (OSError, ValueError, yaml.YAMLError, UsageError):
        return None
    found: int | None = node.start_mark.line + 1 if node is not None else None
    for key in keys:
        at, node = _child(node, key)
        if at is None:
            break
        found = at.start_mark.line + 1
    return found


@lru_cache(maxsize=4)
def _composed(text: str) -> yaml.Node | None:
    """Nodes of a file's text; kept, as places are asked for by the dozen."""
    _check_events(text, "")
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return node


def _child(node: yaml.Node | None, key: Any) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Node that shows where a child begins, and the child; merged mappings (`<<`) count as the mapping's own."""
    if isinstance(node, yaml.SequenceNode):
        item = node.value[key] if isinstance(key, int) and key < len(node.value) else None
        return item, item
    merged: list[yaml.Node] = []
    for key_node, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key_node.value == str(key):
            return key_node, value
        if key_node.value == "<<":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
    return next((found for other in merged if (found := _child(other, key))[0] is not None), (None, None))


@dataclass(frozen=True)
class Where:
    """A place in a YAML file: `str` gives `FILE:LINE: key.key`. The line is looked up only then."""

    file: str
    keys: tuple[Any, ...] = ()

    def __truediv__(self, key: Any) -> "Where":
        """Return the place below."""
        return Where(self.file, (*self.keys, key))

    def __str__(self) -> str:
        """Words for a message."""
        return self.at()

    def at(self, *below: Any) -> str:
        """Return the same words with the line of something below this place."""
        number = line(Path(self.file), (*self.keys, *below))
        place = self.file if number is None else f"{self.file}:{number}"
        return f"{place}: {'.'.join(map(str, self.keys))}" if self.keys else place


def dump(value: Any) -> str:
    """Return YAML text that `parse` reads as the same value; keys in the order given."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
