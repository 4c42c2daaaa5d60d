"""What `registry.yaml` says: descriptions of plugins, recipes, protocols and suites. It imports no plugin."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from vgbench import yaml_file
from vgbench.claim import Claim
from vgbench.errors import UsageError
from vgbench.wording import same, suggest

SCALES = ("smoke", "quick", "paper")
SECTIONS = ("components", "recipes", "protocols", "readings", "suites", "sweeps")


@dataclass(frozen=True)
class Component:
    """Description of a plugin."""

    summary: str = ""
    reference: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """A row of the paper's Table 1, or a variant of one. `set` holds values by `name.param`.

    With `head_objectives` the latents get a head (a network of that role), which is trained on these in a stage of its
    own, on the frozen encoder's latents: predictions in one space, the cost in another.
    """

    name: str
    summary: str
    objectives: tuple[str, ...]
    distance: str
    training: str
    reference: str = ""
    head: str | None = None
    head_objectives: tuple[str, ...] = ()
    set: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """A named set of choices for what the paper leaves open; values by `name.param`, the later ones winning.

    Attributes:
        default: whether it is taken when none is named; one reading has it.
        set: values for every run.
        protocols: further values by protocol.
        recipes: further values by recipe.
    """

    name: str
    summary: str
    reference: str = ""
    default: bool = False
    set: Mapping[str, Any] = field(default_factory=dict)
    protocols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def values(self, protocol: str, recipe: str | None) -> dict[str, Any]:
        """Return the values for a run of a protocol and a recipe, by `name.param`."""
        return {**self.set, **self.protocols.get(protocol, {}), **self.recipes.get(recipe or "", {})}

    def addresses(self) -> frozenset[str]:
        """All `name.param` that the reading is about."""
        blocks = [self.set, *self.protocols.values(), *self.recipes.values()]
        return frozenset(address for block in blocks for address in block)


@dataclass(frozen=True)
class Scale:
    """What a scale changes in a protocol; a plugin that it does not name is the protocol's.

    `joint` holds further values for runs whose training is joint: their one stage has the work of two.
    """

    encoder: str | None = None
    predictor: str | None = None
    planner: str | None = None
    set: Mapping[str, Any] = field(default_factory=dict)
    joint: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """Where a method is judged.

    Attributes:
        environment: name of the environment, or None: for every environment that has no protocol of its own.
        default_for: environment that means this protocol when it is named alone.
        floor: planner that ignores the cost, judged on the same tasks.
        predictor_objectives: objectives of the predictor's own stage, for separate training.
    """

    name: str
    summary: str
    encoder: str
    predictor: str
    planner: str
    environment: str | None = None
    reference: str = ""
    default_for: str | None = None
    floor: str | None = None
    predictor_objectives: tuple[str, ...] = ()
    set: Mapping[str, Any] = field(default_factory=dict)
    scales: Mapping[str, Scale] = field(default_factory=dict)

    def values(self, scale: str) -> dict[str, Any]:
        """Return the values at a scale, by `name.param`."""
        return {**self.set, **self.scales.get(scale, Scale()).set}


@dataclass(frozen=True)
class Suite:
    """Recipes x protocols x seeds, with the published success rates beside (by recipe, by protocol).

    Attributes:
        published_n: number of tasks behind the published rates, by protocol.
        claims: what the publication says of them.
    """

    name: str
    summary: str
    recipes: tuple[str, ...]
    protocols: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    reference: str = ""
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    published_n: Mapping[str, int] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # protocols of a recipe that is not run on all

    def has(self, recipe: str, protocol: str) -> bool:
        """Whether the suite runs this recipe on this protocol."""
        return protocol in self.only.get(recipe, self.protocols)


@dataclass(frozen=True)
class Curve:
    """A curve of a sweep: a recipe over the values of one parameter, `over` (`name.param`), with others in `set`."""

    recipe: str
    over: str
    values: tuple[Any, ...]
    set: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """Curves of planning success over the values of parameters, on one protocol."""

    name: str
    summary: str
    protocol: str
    curves: tuple[Curve, ...]
    seeds: tuple[int, ...] = (0,)
    data_seed: int = 0
    task_seed: int = 0
    reference: str = ""


@dataclass(frozen=True)
class Catalogue:
    """The whole file."""

    components: Mapping[str, Mapping[str, Component]]  # by kind, by name
    recipes: Mapping[str, Recipe]
    protocols: Mapping[str, Protocol]
    readings: Mapping[str, Reading]
    suites: Mapping[str, Suite]
    sweeps: Mapping[str, Sweep] = field(default_factory=dict)

    def recipe(self, name: str) -> Recipe:
        """Look up a recipe; `-` and `_` are the same."""
        if same(name) not in self.recipes:
            raise UsageError(f"no recipe named {name!r}. {suggest(name, self.recipes)}")
        return self.recipes[same(name)]

    def protocol(self, name: str) -> Protocol:
        """Look up a protocol; `-` and `_` are the same."""
        if same(name) not in self.protocols:
            raise UsageError(f"no protocol named {name!r}. {suggest(name, self.protocols)}")
        return self.protocols[same(name)]

    def reading(self, name: str | None) -> Reading | None:
        """Look up a reading; the default one for None (there is none in a file without readings)."""
        if name is None:
            return next((reading for reading in self.readings.values() if reading.default), None)
        if same(name) not in self.readings:
            raise UsageError(f"no reading named {name!r}. {suggest(name, self.readings)}")
        return self.readings[same(name)]

    def suite(self, name: str) -> Suite:
        """Look up a suite; `-` and `_` are the same."""
        if same(name) not in self.suites:
            raise UsageError(f"no suite named {name!r}. {suggest(name, self.suites)}")
        return self.suites[same(name)]

    def sweep(self, name: str) -> Sweep:
        """Look up a sweep; `-` and `_` are the same."""
        if same(name) not in self.sweeps:
            raise UsageError(f"no sweep named {name!r}. {suggest(name, self.sweeps)}")
        return self.sweeps[same(name)]

    def usual_protocol(self, environment: str) -> Protocol | None:
        """Protocol that an environment means when it is named alone: its own, or the one for every environment."""
        own = [protocol for protocol in self.protocols.values() if protocol.default_for == environment]
        return next(iter([*own, *(p for p in self.protocols.values() if p.environment is None)]), None)

    def component(self, kind: str, name: str) -> Component:
        """Description of a plugin; an empty one if there is none."""
        return self.components.get(kind, {}).get(name, Component())


def catalogue_file() -> Path:
    """Where registry.yaml lies: in the package (wheel), or beside it (checkout)."""
    package = Path(__file__).resolve().parent
    shipped = package / "registry.yaml"
    return shipped if shipped.is_file() else package.parent / "registry.yaml"


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Read registry.yaml, once.

    Raises:
        UsageError: it is missing, not YAML, or has a key that means nothing.
    """
    path = catalogue_file()
    return read(yaml_file.load(path), str(path))


def read(content: Any, where: str) -> Catalogue:
    """Make a catalogue of the file's content; `where` names the file in messages."""
    content = _mapping(content, where)
    _known(content, SECTIONS, where)
    components = {
        kind: {name: _make(Component, entry, f"{where}: components.{kind}.{name}") for name, entry in of_kind.items()}
        for kind, of_kind in _mapping(content.get("components", {}), f"{where}: components").items()
    }
    protocols = {}
    for name, raw in _mapping(content.get("protocols", {}), f"{where}: protocols").items():
        here = f"{where}: protocols.{name}"
        scales = _mapping(_mapping(raw, here).get("scales", {}), f"{here}.scales")
        _known(scales, SCALES, f"{here}.scales")
        made = {scale: _make(Scale, block, f"{here}.scales.{scale}") for scale, block in scales.items()}
        protocols[name] = _make(Protocol, raw | {"scales": made}, here, name=name)
    sweeps = {}
    for name, raw in _mapping(content.get("sweeps", {}), f"{where}: sweeps").items():
        here = f"{where}: sweeps.{name}"
        curves = _mapping(raw, here).get("curves")
        if not isinstance(curves, list):
            raise UsageError(f"{here}.curves: expected a list of curves, got {curves!r}")
        drawn = tuple(_make(Curve, curve, f"{here}.curves[{index}]") for index, curve in enumerate(curves))
        sweeps[name] = _make(Sweep, raw | {"curves": drawn}, here, name=name)
    recipes = _section(content, "recipes", Recipe, where)
    readings = _section(content, "readings", Reading, where)
    suites = _suites(content, where, recipes, protocols)
    return Catalogue(components, recipes, protocols, readings, suites, sweeps)


def _suites(content: Mapping[str, Any], where: str, recipes: Any, protocols: Any) -> dict[str, Suite]:
    """Suites, with their claims held against the recipes and protocols that there are."""
    suites = {}
    for name, suite in _section(content, "suites", Suite, where).items():
        here = f"{where}: suites.{name}"
        if not isinstance(suite.claims, tuple):
            raise UsageError(f"{here}.claims: expected a list of claims, got {suite.claims!r}")
        uncounted = {place for row in suite.published.values() for place in row} - set(suite.published_n)
        if uncounted:
            raise UsageError(f"{here}.published_n: missing the number of tasks behind {min(uncounted)!r}")
        claims = tuple(_claim(raw, f"{here}.claims", suite, recipes, protocols) for raw in suite.claims)
        suites[name] = replace(suite, claims=claims)
    return suites


def _claim(raw: Any, where: str, suite: Suite, recipes: Any, protocols: Any) -> Claim:
    """Build a claim; every name in it must exist."""
    named = _mapping(raw, where).get("name")
    where = f"{where}.{named}" if named else where
    sides = {
        key: suite.recipes if value == "all" else tuple(value) if isinstance(value, list) else (value,)
        for key in ("a", "b", "protocols")
        if (value := raw.get(key)) is not None
    }
    claim: Claim = _make(Claim, raw | sides, where)
    claim.check(where, recipes, protocols)
    return claim


def _section(content: Mapping[str, Any], key: str, cls: type[Any], where: str) -> dict[str, Any]:
    section = _mapping(content.get(key, {}), f"{where}: {key}")
    return {name: _make(cls, raw, f"{where}: {key}.{name}", name=name) for name, raw in section.items()}


def _make(cls: type[Any], raw: Any, where: str, **extra: Any) -> Any:
    """Build a dataclass from a mapping: only its fields are allowed as keys; lists become tuples."""
    raw = _mapping(raw, where)
    allowed = {f.name for f in fields(cls)} - set(extra)
    _known(raw, allowed, where)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    try:
        return cls(**values, **extra)
    except TypeError as err:
        raise UsageError(f"{where}: {str(err).partition('() ')[2] or err}") from err


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: expected `key: value` lines, got {value!r}")
    return value


def _known(value: Mapping[str, Any], allowed: Any, where: str) -> None:
    for key in value:
        if key not in allowed:
            raise UsageError(f"{where}: unknown key {key!r}. {suggest(str(key), allowed)}")
