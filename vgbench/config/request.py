"""What the user asked for: the flags, over the file given by --config."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vgbench.config import config_file, recipes
from vgbench.config.catalogue import Catalogue, load_catalogue
from vgbench.config.config_file import KEYS
from vgbench.config.definitions import SCALES, Protocol
from vgbench.config.parameters import Assignment
from vgbench.errors import UsageError, VgbenchError
from vgbench.stages import LATER_STAGES, STAGES
from vgbench.storage import yaml_file
from vgbench.storage.yaml_file import Where
from vgbench.text import same


@dataclass
class RunRequest:
    """A user's flags; None where a flag was not given.

    Attributes:
        objectives: `NAME[:WEIGHT]` each.
        sets: `name.param=value` each, as typed.
        grid: the same of a sweep's grid; they win over `sets`. A plugin for a slot is `planner=NAME`.
        recipes: a file with recipes of the user's own.
        loose: a value of `sets` for a plugin that is not part of the run has no effect, instead of being an error.
    """

    env: str | None = None
    protocol: str | None = None
    recipe: str | None = None
    objectives: Sequence[str] = ()
    distance: str | None = None
    planner: str | None = None
    encoder: str | None = None
    predictor: str | None = None
    training: str | None = None
    scale: str | None = None
    variant: str | None = None
    seed: int | None = None
    data_seed: int | None = None
    task_seed: int | None = None
    device: str | None = None
    config: Path | None = None
    sets: Sequence[str] = field(default_factory=tuple)
    data: Path | None = None
    grid: Sequence[str] = ()
    recipes: Path | None = None
    loose: bool = False
    tasks: Path | None = None
    precision: str | None = None
    compile: bool | None = None
    threads: int | None = None
    memory: str | None = None


@dataclass(frozen=True)
class Option:
    """One choice: its value, a label for the record, and the words for messages (`--recipe vf`)."""

    value: Any
    source: str
    written: str


@contextmanager
def prefix_error(written: str) -> Iterator[None]:
    """Put in front of an error where stands what it is about: `--distance iqx: no distance named ...`."""
    try:
        yield
    except VgbenchError as err:
        raise type(err)(f"{written}: {err}") from err


_FIELDS = {"environment": "env"}  # key in a file -> field of Request, where they differ
_FLAGS = {"environment": "--env", "objectives": "--objective"}

# A flag on the left makes the file's keys on the right void: they answer the same question.
_OVERRIDES = {
    "environment": ("protocol",),
    "protocol": ("environment",),
    "recipe": ("objectives", *(kind.objectives for kind in LATER_STAGES if kind.optional), "distance", "training"),
    "objectives": ("recipe",),
    "distance": ("recipe",),
    "training": ("recipe",),
}


def _protocol(place: Mapping[str, Any], catalogue: Catalogue) -> Protocol | None:
    """Protocol that a file or the flags name, or that their environment means."""
    if "protocol" in place:
        return catalogue.protocols.get(same(place["protocol"]))
    return catalogue.usual_protocol(same(place["environment"])) if "environment" in place else None


_SLOTS = {"env", *(kind.slot for kind in STAGES), *KEYS}


def _one_parameter(written: str, address: str) -> bool:
    """Whether an address as a user writes it may mean one of registry.yaml: `planner.samples` is `mppi.samples`."""
    name, _, param = same(written).rpartition(".")
    wanted, _, other = address.rpartition(".")
    return param == other and (name.rpartition(":")[2] == wanted or name in _SLOTS)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


class OptionReader:
    """Flags over file, by the file's keys."""

    def __init__(self, request: RunRequest) -> None:
        """Read the file, if there is one."""
        self._request = request
        self._file = config_file.read(Path(request.config)) if request.config is not None else {}
        self._written = dict(self._file)
        self.chosen = {key: self._flag(key) for key in KEYS}
        for key, choice in list(self.chosen.items()):
            if choice is not None:
                for other in _OVERRIDES.get(key, ()):
                    self._file.pop(other, None)
        self._refuse_relabelling()
        for key, value in self._file.items():
            if self.chosen.get(key) is None:
                source = f"--config {request.config}"
                self.chosen[key] = Option(value, source, f"{source}: {key}: {value}")

    def _refuse_relabelling(self) -> None:
        """Refuse a flag for another scale or place if values of the old one stay behind, under the file's `set`.

        They stand above scale and protocol: a run's config.yaml with another scale would be that run under a new name.
        A value that the two have in common, or that neither sets, is the user's own and no reason to refuse.
        """
        catalogue, file = load_catalogue(), self._written
        flags = {key: c for key in ("scale", "protocol", "environment") if (c := self.chosen[key]) is not None}
        self._refuse_variant(catalogue)
        new = _protocol({key: flag.value for key, flag in flags.items()}, catalogue) or _protocol(file, catalogue)
        old = _protocol(file, catalogue) or new
        if old is None or new is None:
            return  # nothing is known of them; who looks them up says so
        scale = same(flags["scale"].value) if "scale" in flags else file.get("scale", "quick")
        before, after = old.values(same(file.get("scale", scale))), new.values(scale)
        changed = [address for address, value in before.items() if after.get(address) != value]
        kept = [name for name in map(str, file.get("set", {})) if any(_one_parameter(name, c) for c in changed)]
        if kept and scale in SCALES:
            key = next((key for key in flags if key in file and same(flags[key].value) != same(file[key])), "")
            where = f"`{key}: {file[key]}` in" if key else "the place in"
            raise UsageError(
                f"{' '.join(flag.written for flag in flags.values())} contradicts {where} --config "
                f"{self._request.config}, whose values under `set` would still hold ({_few(kept)}); take those out of "
                "the file (or start from --recipe), or drop the flag"
            )

    def _refuse_variant(self, catalogue: Catalogue) -> None:
        """Refuse a flag for another variant over a file of a run, which fixes the values that variants are about."""
        flag, file = self.chosen["variant"], self._written
        if flag is None or same(flag.value) == same(file.get("variant", "")):
            return
        if "variant" not in file and not file.get("complete"):
            return  # a user's own values, which stand above any variant
        about = {a for variant in catalogue.variants.values() for a in variant.addresses()}
        kept = [name for name in map(str, file.get("set", {})) if any(_one_parameter(name, a) for a in about)]
        if kept:
            raise UsageError(
                f"{flag.written} contradicts --config {self._request.config}, whose values under `set` would still "
                f"hold ({_few(kept)}); take those out of the file (or start from --recipe), or drop the flag"
            )

    def _flag(self, key: str) -> Option | None:
        for text in self._request.grid:
            name, _, picked = text.partition("=")
            if name == key:
                return Option(picked, "--grid", f"--grid {text}")
        value = getattr(self._request, _FIELDS.get(key, key), None)
        if value is None or (key == "objectives" and not value):
            return None
        flag = _FLAGS.get(key, f"--{key.replace('_', '-')}")
        if isinstance(value, bool):
            flag = flag if value else f"--no-{key}"
            return Option(value, flag, flag)
        shown = " ".join(f"{flag} {item}" for item in value) if key == "objectives" else f"{flag} {value}"
        return Option(value, flag, shown)

    def get(self, key: str) -> Option | None:
        """Return what was chosen under a key of the configuration file, or None."""
        return self.chosen.get(key)

    def without_younger(self, below: list[Assignment]) -> tuple[list[Assignment], list[str]]:
        """Drop the registry's values for parameters that a complete file, older than they are, does not have.

        Values for plugins that the file does not know at all (chosen by a flag) stay. Also return a note for each.
        """
        if not self._file.get("complete"):
            return below, []
        fixed = set(self._file.get("set", {}))
        owners = {address.rpartition(".")[0] for address in fixed}
        young = [g for g in below if g.address not in fixed and g.address.rpartition(".")[0] in owners]
        names = dict.fromkeys(given.address for given in young)
        words = f"is not in {self._request.config}, which is complete but older: its default, not the registry's value"
        return [given for given in below if given not in young], [f"{name} {words}" for name in names]

    def catalogue(self) -> Catalogue:
        """Return the catalogue with the recipes of --recipes, or of the file, in it.

        Raises:
            UsageError: one of them is wrong, with file and line.
        """
        catalogue, request = load_catalogue(), self._request
        if request.recipes is not None:
            return catalogue.with_recipes(*recipes.read_file(Path(request.recipes), "--recipes"))
        if "recipes" in self._file:
            return catalogue.with_recipes(self._file["recipes"], Where(str(request.config), ("recipes",)))
        return catalogue

    def number(self, key: str) -> Option:
        """Return a seed: a whole number, not negative; 0 by default."""
        choice = self.get(key) or Option(0, "default", "")
        if not 0 <= choice.value < 2**32:
            raise UsageError(f"{choice.written}: a seed must be a whole number from 0 to {2**32 - 1}")
        return choice

    def assignments(self) -> list[Assignment]:
        """Return values for parameters: the file's, then those of --set, then a grid's."""
        name = self._request.config
        given = [
            Assignment(str(address), value, f"--config {name}", f"--config {name}: {address}={value}")
            for address, value in self._file.get("set", {}).items()
        ]
        given += [parse_set(text, "--set", not self._request.loose) for text in self._request.sets]
        values = [text for text in self._request.grid if text.partition("=")[0] not in KEYS]
        return given + [parse_set(text, "--grid", True) for text in values]


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
