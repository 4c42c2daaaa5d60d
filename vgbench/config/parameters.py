"""Parameters by address (`name.param`): who is meant, values coerced and validated, errors in the user's words."""

import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from vgbench.api import Params
from vgbench.errors import UsageError
from vgbench.spec import SourcedValue
from vgbench.text import same, shown, suggest


@dataclass(frozen=True)
class Assignment:
    """A value for a parameter, as somebody wrote it.

    Attributes:
        address: `name.param`.
        value: not yet coerced.
        source: label for the record: `recipe vf`, `--set`, ...
        written: the same for messages, as the user can find it: `--set iql.tau=1.2`.
        raw: the text behind `value`, if it came from a command line.
        binding: whether it is an error if nobody in the run has this address (a user's own value).
        home: whether it is one of registry.yaml, which means vgbench's own plugins: another one of that name need not
            have such a parameter.
    """

    address: str
    value: Any
    source: str
    written: str
    raw: str | None = None
    binding: bool = True
    home: bool = False


@dataclass
class Target:
    """Something that has parameters in this run: a chosen plugin, or a group of core settings."""

    name: str
    slot: str  # environment, objective, encoder, ..., or "setting"
    params: type[Params]
    words: str  # "objective 'iql' (vgbench 0.1.0)"
    foreign: bool = False  # a plugin of another package
    label: str = ""  # how its values are written; the name, unless two targets share it
    given: dict[str, Assignment] = field(default_factory=dict)
    hidden: dict[str, list[Assignment]] = field(default_factory=dict)  # values that another one replaced, latest first

    def values(self) -> dict[str, SourcedValue]:
        """Validate what was given, and return every parameter with its source, by `label.param`."""
        made = self.make()
        return {
            f"{self.label}.{name}": SourcedValue(
                value, self.given[name].source if name in self.given else "default", self._replaced(name, value)
            )
            for name, value in made.model_dump(mode="json").items()
        }

    def _replaced(self, name: str, value: Any) -> tuple[tuple[Any, str], ...]:
        """Other values that the one in force replaced, with their sources; those that say the same are left out."""
        return tuple((old.value, old.source) for old in self.hidden.get(name, ()) if old.value != value)

    def make(self) -> Params:
        """Build the validated parameters.

        Raises:
            UsageError: names the first value that does not fit, where it was written, and what was expected.
        """
        values = {name: _typed(self.params.model_fields[name], given) for name, given in self.given.items()}
        try:
            made = self.params.model_validate(values)
        except ValidationError as err:
            raise UsageError(self._explain(err)) from err
        for name, expects in self._idle(made).items():
            if self.given[name].binding:
                value = shown(made.model_dump(mode="json")[name])
                raise UsageError(
                    f"{self.given[name].written}: {name}={value} expects {expects}; it has no effect in {self.words}"
                )
        return made

    def idle(self) -> dict[str, SourcedValue]:
        """Return values for several runs, some of which need not use them, without effect here; by address."""
        idle = self._idle(self.make())
        return {
            self.given[name].address: SourcedValue(self.given[name].value, self.given[name].source) for name in idle
        }

    def _idle(self, made: Params) -> dict[str, str]:
        """What the user's own values that have no effect expect, by name; those at their defaults change nothing."""
        fields = self.params.model_fields
        return {
            name: expects
            for name, expects in made.without_effect().items()
            if name in self.given
            and self.given[name].source in OF_COMMAND
            and getattr(made, name) != fields[name].get_default(call_default_factory=True)
        }

    def _explain(self, err: ValidationError) -> str:
        problem = err.errors(include_url=False)[0]
        # pydantic's sentences have `Input` as their subject; ours name the parameter before.
        expected = problem["msg"].removeprefix("Value error, ").replace("Input should", "must", 1)
        name = str(problem["loc"][0]) if problem["loc"] else ""
        if name in self.given:
            if problem["type"] in _LISTS:
                # pydantic names Python's own kinds of list.
                expected = f"must be a {type_name(self.params.model_fields[name].annotation)}"
            where = ".".join(str(part) for part in problem["loc"])
            near = ""
            if problem["type"] == "literal_error":
                allowed = map(str, _literals(self.params.model_fields[name].annotation))
                near = f". {suggest(str(self.given[name].value), allowed)}"
            return f"{self.given[name].written}: {where} of {self.words} {expected}{near}"
        if problem["type"] == "missing":
            return f"{self.words} needs a value for {name}: --set {self.label}.{name}=..."
        written = ", ".join(given.written for given in self.given.values())
        return f"{self.words}: {expected}{f' (given: {written})' if written else ''}"


_LISTS = ("tuple_type", "list_type", "set_type", "frozen_set_type")
"""Errors of pydantic for a value that is no list."""

OF_COMMAND = ("--set", "--grid")
"""Sources of values that are meant for this very run, or for those of a sweep."""

SLOTS = {"env": "environment"}
"""Other names of a slot, in an address."""

CHOSEN = ("planner", "encoder", "predictor")
"""Slots whose plugin a run chooses by an option and a sweep by a grid, `planner=A,B`."""


class Addresses:
    """Finds the target of an address: by plugin name, core group, or slot (`objective.tau`)."""

    def __init__(self, targets: Sequence[Target], known: Mapping[str, str]) -> None:
        """`known` has the plugins that are installed but perhaps not chosen: name to "distance 'iqe' (...)"."""
        self.targets, self._known = targets, known
        self._by_key: dict[str, list[Target]] = {}
        for target in targets:
            # All groups share the slot `setting`, so it can address none of them.
            keys = {target.name, f"{target.slot}:{target.name}"} | ({target.slot} - {"setting"})
            for key in keys:
                self._by_key.setdefault(key, []).append(target)
        for target in targets:
            target.label = target.name if len(self._by_key[target.name]) == 1 else f"{target.slot}:{target.name}"

    def assign(self, given: Assignment) -> bool:
        """Give a value to its parameter; later sources win. False if it belongs to nobody in this run and need not.

        Raises:
            UsageError: the address is malformed, ambiguous, unknown or of a plugin that is not part of the run, or a
                file has two values for one parameter.
        """
        key, dot, param = given.address.rpartition(".")
        if not (dot and key and param):
            raise UsageError(f"{given.written}: expected name.param, e.g. {self._example()}{_choosing(given.address)}")
        key, param = same(key), same(param)
        found = self._by_key.get(SLOTS.get(key, key), [])
        if not found:
            # A name that nothing installed has is a slip, in registry.yaml, too; not a plugin that was not chosen.
            if given.binding or SLOTS.get(key, key) not in self._known:
                raise UsageError(f"{given.written}: {self._missing(key)}")
            return False
        if len(found) > 1:
            able = [target for target in found if param in target.params.model_fields] or found
            candidates = ", ".join(f"{target.label}.{param}" for target in able)
            raise UsageError(f"{given.written}: {key!r} could be several things here; write one of: {candidates}")
        target = found[0]
        if param not in target.params.model_fields:
            if given.home and target.foreign:
                return False
            names = target.params.model_fields
            detail = suggest(param, names) if names else "It has no parameters."
            raise UsageError(f"{given.written}: {target.words} has no parameter {param!r}. {detail}")
        before = target.given.get(param)
        if before and before.source == given.source and (given.raw is None or given.source == "--grid"):
            # The lines of a file have no order in which one could win, and a value that another hides is no grid's.
            raise UsageError(
                f"{given.written}: this is also {before.address}={before.value} there; keep one of the two"
            )
        if before:
            target.hidden.setdefault(param, []).insert(0, before)
        target.given[param] = given
        return True

    def _missing(self, key: str) -> str:
        here = ", ".join(target.label for target in self.targets if target.slot != "setting")
        if key in self._known and all(target.slot in ("environment", "setting") for target in self.targets):
            able = ", ".join(target.label for target in self.targets)
            return f"{self._known[key]} has no part in collecting data, which takes values for: {able}"
        if key in self._known:
            return f"{self._known[key]} is not part of this run, which has: {here}"
        return f"there is no plugin or setting {key!r}. {suggest(key, {*self._known, *self._by_key} - self._aliases())}"

    def _aliases(self) -> set[str]:
        return {key for key in self._by_key if ":" in key}

    def _example(self) -> str:
        for target in self.targets:
            for name, field_info in target.params.model_fields.items():
                if not field_info.is_required():
                    return f"{target.label}.{name}={field_info.default}"
        return "train.lr=1e-3"


def _choosing(slot: str) -> str:
    """Where a plugin is chosen, for who has written the name of its slot instead."""
    if slot not in CHOSEN:
        return ""
    return f". To choose a {slot}: --{slot} of `vgbench run`, --grid {slot}=A,B of `vgbench sweep`"


def _typed(info: FieldInfo, given: Assignment) -> Any:
    """Value to validate: the parsed one, or the raw text where only that can fit (`--set x.version=1.10`)."""
    allowed = set(_flat(info.annotation))
    if isinstance(given.value, bool) and bool not in allowed and not _literals(info.annotation):
        # pydantic would take true for 1.
        raise UsageError(f"{given.written}: expected {type_name(info.annotation)}, got {str(given.value).lower()}")
    if given.raw is not None and not isinstance(given.value, str):
        text_fits = given.raw in _literals(info.annotation) or (str in allowed and type(given.value) not in allowed)
        if text_fits and not (given.value is None and type(None) in allowed):
            return given.raw
    return given.value


def _flat(annotation: Any) -> Iterable[Any]:
    """Members of a union, or the type itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _flat(member)
    else:
        yield annotation


def _literals(annotation: Any) -> list[Any]:
    """Values that a `Literal` allows, also inside a union."""
    return [value for member in _flat(annotation) if get_origin(member) is Literal for value in get_args(member)]


def type_name(annotation: Any) -> str:
    """Put a type into words: `number`, `whole number`, `big | small`, `list of whole numbers`."""
    plain = {float: "number", int: "whole number", bool: "true | false", str: "text", type(None): "null"}
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(args[0])
    if origin is Literal:
        return " | ".join(str(value) for value in args)
    if origin in (Union, types.UnionType):
        return " | ".join(type_name(member) for member in args)
    if origin in _CONTAINERS:
        # In order and without repeats: tuple[float, float] is a list of numbers.
        members = dict.fromkeys(type_name(member) for member in _elements(annotation))
        words = [f"{member}s" if member.endswith("number") else member for member in members]
        return f"list of {' or '.join(words)}" if words else "list"
    return plain.get(annotation, getattr(annotation, "__name__", str(annotation)))


_CONTAINERS = (tuple, list, set, frozenset)


def _elements(annotation: Any) -> list[Any]:
    """Types of a list's elements; none for a type that is no list."""
    if get_origin(annotation) not in _CONTAINERS:
        return []
    return [member for member in get_args(annotation) if member is not Ellipsis]


def range_text(info: FieldInfo) -> str:
    """Write the range of a parameter: `> 0, < 1`, or nothing; that of a list's elements as `each > 0`."""
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "multiple_of": "multiple of"}
    signs |= {"min_length": "at least", "max_length": "at most"}
    parts = []
    for constraint in info.metadata:
        for name, sign in signs.items():
            if (limit := getattr(constraint, name, None)) is not None:
                parts.append(f"{sign} {limit}{' values' if 'length' in name else ''}")
    each = (range_text(FieldInfo.from_annotation(member)) for member in _elements(info.annotation))
    parts += [f"each {text}" for text in dict.fromkeys(each) if text]
    return ", ".join(parts)


def describe(params: type[Params]) -> list[dict[str, Any]]:
    """Return name, type, range, default and meaning of each parameter, as JSON values."""
    rows = []
    defaults = {name: info.get_default(call_default_factory=True) for name, info in params.model_fields.items()}
    for name, info in params.model_fields.items():
        default = defaults[name]
        rows.append(
            {
                "name": name,
                "type": type_name(info.annotation),
                "range": range_text(info),
                "default": None if info.is_required() else list(default) if isinstance(default, tuple) else default,
                "required": info.is_required(),
                "meaning": info.description or "",
            }
        )
    return rows
