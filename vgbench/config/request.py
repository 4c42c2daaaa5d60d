"""What the user asked for: the flags, over the file given by --config."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from vgbench.api.network import ROLES
from vgbench.config import catalogue_files, config_file, file_conflicts
from vgbench.config.catalogue import OWN_SECTIONS, Catalogue
from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.config_file import KEYS
from vgbench.config.options import OPTIONS, RunOption, RunOptions, Switch, Values, given
from vgbench.config.parameters import Assignment
from vgbench.errors import UsageError
from vgbench.stages import LATER_STAGES
from vgbench.storage import yaml_file
from vgbench.storage.yaml_file import Where
from vgbench.text import same


class RunRequest:
    """Options of a run, as a user gives them.

    Attributes:
        options: those that were given, read: paths, tuples of names, `set` as `name.param=value` each, as typed.
        grid: values of a sweep's grid, likewise; they win over `set`. A plugin for a slot is `planner=NAME`.
        loose: a value of `set` for a plugin that is not part of the run has no effect, instead of being an error.
    """

    def __init__(self, grid: Sequence[str] = (), loose: bool = False, **options: Unpack[RunOptions]) -> None:
        """Read the options.

        Raises:
            UsageError: there is no option of a name, or its value is of another kind.
        """
        self.options = {name: OPTIONS[name].read(value) for name, value in given(options).items()}
        self.grid, self.loose = tuple(grid), loose

    def replaced(
        self, grid: Sequence[str] | None = None, loose: bool | None = None, **options: Unpack[RunOptions]
    ) -> "RunRequest":
        """Return a request that also has these options; they win over those of this one."""
        own: Any = self.options | given(options)
        return RunRequest(self.grid if grid is None else grid, self.loose if loose is None else loose, **own)

    @property
    def sets(self) -> tuple[str, ...]:
        """Values of parameters, `name.param=value` each."""
        found: tuple[str, ...] = self.options.get("set", ())
        return found


@dataclass(frozen=True)
class Option:
    """One choice: its value, a label for the record, and the words for messages (`--recipe vf`)."""

    value: Any
    source: str
    written: str


_BY_KEY = {option.key: option for option in OPTIONS.values() if option.key and option.kind != Values}

# A flag on the left makes the file's keys on the right void: they answer the same question.
_OVERRIDES = {
    "environment": ("protocol",),
    "protocol": ("environment",),
    "recipe": ("objectives", *(kind.objectives for kind in LATER_STAGES if kind.optional), "distance", "training"),
    "objectives": ("recipe",),
    "distance": ("recipe",),
    "training": ("recipe",),
}


_SLOTS = ("planner", "baseline", *ROLES)
"""Keys whose plugin may be replaced without touching the others."""


class OptionReader:
    """Flags over file, by the file's keys."""

    def __init__(self, request: RunRequest) -> None:
        """Read the file, if there is one.

        Raises:
            UsageError: it is wrong, or a flag contradicts it.
        """
        self._request = request
        self._config: Path | None = request.options.get("config")
        self._file = config_file.read(self._config) if self._config is not None else {}
        # As the file was, for the comparison below: the loop drops the keys that flags make void.
        written = dict(self._file)
        self.notes: list[str] = []
        flags = {key: choice for key in KEYS if (choice := self._flag(key)) is not None}
        for key in flags:
            for other in _OVERRIDES.get(key, ()):
                self._file.pop(other, None)
        self._drop_replaced(flags)
        if self._config is not None:
            asked = {key: (choice.value, choice.written) for key, choice in flags.items()}
            file_conflicts.refuse(asked, written, str(self._config), load_catalogue())
        source = f"--config {self._config}"
        of_file = {key: Option(value, source, f"{source}: {key}: {value}") for key, value in self._file.items()}
        self.chosen: dict[str, Option] = of_file | flags

    def _drop_replaced(self, flags: Mapping[str, Option]) -> None:
        """Drop a complete file's values for plugins that a flag puts another one in the place of."""
        values = self._file.get("set", {})
        if not self._file.get("complete") or not values:
            return
        remaining = {str(self._file.get(key)) for key in _SLOTS if key not in flags}
        for key in _SLOTS:
            old = self._file.get(key)
            if key not in flags or old is None or same(str(flags[key].value)) == old or old in remaining:
                continue
            dropped = [address for address in values if address.rpartition(".")[0] == old]
            values = {address: value for address, value in values.items() if address not in dropped}
            if dropped:
                words = f"{flags[key].written} takes the place of {old}, whose {len(dropped)} values are dropped"
                self.notes.append(words)
        self._file["set"] = values

    def _flag(self, key: str) -> Option | None:
        # First, since a grid wins over a flag.
        for text in self._request.grid:
            name, _, picked = text.partition("=")
            if name == key:
                return Option(picked, "--grid", f"--grid {text}")
        option = _BY_KEY.get(key)
        if option is None or option.name not in self._request.options:
            return None
        return _as_written(option, self._request.options[option.name])

    def get(self, key: str) -> Option | None:
        """Return what was chosen under a key of the configuration file, or None."""
        return self.chosen.get(key)

    def get_or(self, key: str, default: Any) -> Option:
        """Return what was chosen under a key, or the default."""
        return self.chosen.get(key) or Option(default, "default", "")

    def without_younger(self, below: list[Assignment]) -> tuple[list[Assignment], list[str]]:
        """Drop the registry's values for parameters that a complete file, older than they are, does not have.

        Values for plugins that the file does not know at all (chosen by a flag) stay. Also return a note for each.
        """
        if not self._file.get("complete"):
            return below, []
        fixed = set(self._file.get("set", {}))
        owners = {address.rpartition(".")[0] for address in fixed}
        young = [g for g in below if g.address not in fixed and g.address.rpartition(".")[0] in owners]
        names = dict.fromkeys(assignment.address for assignment in young)
        words = f"is not in {self._config}, which is complete but older: its default, not the registry's value"
        return [assignment for assignment in below if assignment not in young], [f"{name} {words}" for name in names]

    def catalogue(self) -> Catalogue:
        """Return the catalogue with what --recipes, or the file, adds to it.

        Raises:
            UsageError: one of them is wrong, with file and line.
        """
        own = self._request.options.get("recipes")
        catalogue, given = catalogue_files.with_file(own, "--recipes") if own is not None else (load_catalogue(), {})
        found = {key: self._file[key] for key in OWN_SECTIONS if key in self._file}
        # --recipes stands above what the file, such as that of a run, has under the same names.
        for key in given.keys() & found.keys():
            found[key] = {name: value for name, value in found[key].items() if name not in given[key]}
        return catalogue.with_file(found, Where(str(self._config))) if found else catalogue

    @property
    def has_recipes(self) -> bool:
        """Whether a file with recipes of the user's own is given."""
        return "recipes" in self._request.options or "recipes" in self._file

    def number(self, key: str) -> Option:
        """Return a seed: a whole number, not negative; 0 by default, for `data_seed` the seed of training."""
        choice = self.get_or(key, 0)
        # With another seed come other data, and so another layout: a rate over seeds speaks of both.
        if key == "data_seed" and self.get(key) is None and self.get("seed") is not None:
            return replace(self.number("seed"), source="seed")
        # 32 bits: those of stages and epochs are added below them, see `vgbench.rng.derive`.
        if not 0 <= choice.value < 2**32:
            raise UsageError(f"{choice.written}: a seed must be a whole number from 0 to {2**32 - 1}")
        return choice

    def assignments(self) -> list[Assignment]:
        """Return values for parameters: the file's, then those of --set, then a grid's."""
        name = self._config
        of_file = [
            Assignment(str(address), value, f"--config {name}", f"--config {name}: {address}={value}")
            for address, value in self._file.get("set", {}).items()
        ]
        of_flags = [parse_set(text, "--set", not self._request.loose) for text in self._request.sets]
        values = [text for text in self._request.grid if text.partition("=")[0] not in KEYS]
        return of_file + of_flags + [parse_set(text, "--grid", True) for text in values]


def _as_written(option: RunOption, value: Any) -> Option:
    """Write a choice as its flag was."""
    flag = option.flag
    if option.kind == Switch:
        flag = flag if value else f"--no-{option.name}"
        return Option(value, flag, flag)
    values = value if isinstance(value, tuple) else (value,)
    return Option(value, flag, " ".join(f"{flag} {item}" for item in values))


def parse_set(text: str, option: str, binding: bool) -> Assignment:
    """Read `name.param=value` as it was written after `option`; see `Assignment` for `binding`.

    Raises:
        UsageError: it has another form.
    """
    address, equals, raw = text.partition("=")
    written = f"{option} {text}"
    if not equals or not address.strip() or not raw.strip():
        raise UsageError(f"{written}: expected name.param=value, e.g. --set train.lr=1e-3")
    try:
        value = yaml_file.parse(raw, written)
    except UsageError:
        value = raw  # text such as `a: b: c`; its parameter says whether that will do
    return Assignment(address.strip(), value, option, written, raw.strip(), binding)
