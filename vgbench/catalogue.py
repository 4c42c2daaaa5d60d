"""What `registry.yaml` says: descriptions of plugins, recipes, protocols and suites. It imports no plugin."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from vgbench import yaml_file
from vgbench.claim import Claim
from vgbench.errors import UsageError
from vgbench.figure import Figure, read_figures
from vgbench.recipes import Recipe, read_recipes
from vgbench.sections import known, make, mapping, parts
from vgbench.wording import same, suggest
from vgbench.yaml_file import Where

SCALES = ("smoke", "quick", "paper")
SECTIONS = ("components", "recipes", "protocols", "readings", "suites", "sweeps", "figures")


@dataclass(frozen=True)
class Component:
    """Description of a plugin."""

    summary: str = ""
    reference: str = ""
    tags: tuple[str, ...] = ()


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
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def with_recipes(self, section: Any, where: Where) -> "Catalogue":
        """Add recipes of a user's own, of a file's section that lies at `where`; they may extend those that there are.

        Raises:
            UsageError: `FILE:LINE: ...`, for what is wrong with one of them, or a name that is taken.
        """
        own = read_recipes(section, where, self.recipes)
        return replace(self, recipes={**self.recipes, **own})

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

    def figure(self, name: str) -> Figure:
        """Look up a figure; `-` and `_` are the same."""
        if same(name) not in self.figures:
            raise UsageError(f"no figure named {name!r}. {suggest(name, self.figures)}")
        return self.figures[same(name)]

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


def read(content: Any, file: str) -> Catalogue:
    """Make a catalogue of the file's content; `file` names it in messages."""
    where = Where(file)
    content = mapping(content, where)
    known(content, SECTIONS, where)
    components = {
        kind: {name: make(Component, entry, where / "components" / kind / name) for name, entry in of_kind.items()}
        for kind, of_kind in mapping(content.get("components", {}), where / "components").items()
    }
    protocols = {}
    for name, raw in mapping(content.get("protocols", {}), where / "protocols").items():
        here = where / "protocols" / name
        scales = mapping(mapping(raw, here).get("scales", {}), here / "scales")
        known(scales, SCALES, here / "scales")
        made = {scale: make(Scale, block, here / "scales" / scale) for scale, block in scales.items()}
        protocols[name] = make(Protocol, raw | {"scales": made}, here, name=name)
    sweeps = {}
    for name, raw in mapping(content.get("sweeps", {}), where / "sweeps").items():
        here = where / "sweeps" / name
        curves = parts(Curve, mapping(raw, here).get("curves"), here / "curves")
        sweeps[name] = make(Sweep, raw | {"curves": curves}, here, name=name)
    recipes = read_recipes(content.get("recipes", {}), where / "recipes")
    readings = _section(content, "readings", Reading, where)
    suites = _suites(content, where, recipes, protocols)
    figures = read_figures(content.get("figures", {}), where / "figures", protocols)
    return Catalogue(components, recipes, protocols, readings, suites, sweeps, figures)


def _suites(content: Mapping[str, Any], where: Where, recipes: Any, protocols: Any) -> dict[str, Suite]:
    """Suites, with their claims held against the recipes and protocols that there are."""
    suites = {}
    for name, suite in _section(content, "suites", Suite, where).items():
        here = where / "suites" / name
        if not isinstance(suite.claims, tuple):
            raise UsageError(f"{here / 'claims'}: expected a list of claims, got {suite.claims!r}")
        uncounted = {place for row in suite.published.values() for place in row} - set(suite.published_n)
        if uncounted:
            raise UsageError(f"{here / 'published_n'}: missing the number of tasks behind {min(uncounted)!r}")
        claims = tuple(
            _claim(raw, here / "claims" / index, suite, recipes, protocols) for index, raw in enumerate(suite.claims)
        )
        suites[name] = replace(suite, claims=claims)
    return suites


def _claim(raw: Any, where: Where, suite: Suite, recipes: Any, protocols: Any) -> Claim:
    """Build a claim; every name in it must exist."""
    raw = mapping(raw, where)
    sides = {
        key: suite.recipes if value == "all" else tuple(value) if isinstance(value, list) else (value,)
        for key in ("a", "b", "protocols")
        if (value := raw.get(key)) is not None
    }
    claim: Claim = make(Claim, raw | sides, where)
    claim.check(where, recipes, protocols)
    return claim


def _section(content: Mapping[str, Any], key: str, cls: type[Any], where: Where) -> dict[str, Any]:
    section = mapping(content.get(key, {}), where / key)
    return {name: make(cls, raw, where / key / name, name=name) for name, raw in section.items()}
