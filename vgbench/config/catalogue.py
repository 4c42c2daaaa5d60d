"""Contents of registry.yaml: descriptions of plugins, recipes, protocols, suites. It never reads entry points.

What is installed is found by `vgbench.plugin.registry`, from entry points alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from vgbench.config.budget import Budget
from vgbench.config.claims import read_claim
from vgbench.config.definitions import (
    SCALES,
    Component,
    Curve,
    Figure,
    Protocol,
    Scale,
    Suite,
    Sweep,
    read_figures,
)
from vgbench.config.recipes import Recipe, read_recipes
from vgbench.config.schema import known, make, mapping, parts, with_stages
from vgbench.config.variants import Variant, read_variants
from vgbench.errors import UsageError
from vgbench.storage import yaml_file
from vgbench.storage.yaml_file import Where
from vgbench.text import choice, same, suggest

Entry = TypeVar("Entry")

SECTIONS = ("components", "recipes", "budget", "protocols", "variants", "suites", "sweeps", "figures")


@dataclass(frozen=True)
class Catalogue:
    """The whole file."""

    components: Mapping[str, Mapping[str, Component]]  # by kind, by name
    recipes: Mapping[str, Recipe]
    protocols: Mapping[str, Protocol]
    variants: Mapping[str, Variant]
    suites: Mapping[str, Suite]
    budget: Budget = field(default_factory=Budget)
    sweeps: Mapping[str, Sweep] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def with_recipes(self, section: Any, where: Where) -> "Catalogue":
        """Add recipes of a user's own, of a file's section that lies at `where`; they may extend those that there are.

        Raises:
            UsageError: `FILE:LINE: ...`, for what is wrong with one of them, or a name that is taken.
        """
        own = read_recipes(section, where, self.budget, self.recipes)
        return replace(self, recipes={**self.recipes, **own})

    def recipe(self, name: str) -> Recipe:
        """Look up a recipe; `-` and `_` are the same, here as in all that follow."""
        return _found("recipe", name, self.recipes)

    def protocol(self, name: str) -> Protocol:
        """Look up a protocol."""
        return _found("protocol", name, self.protocols)

    def variant(self, name: str | None) -> Variant | None:
        """Look up a variant; the default one for None (there is none in a file without variants)."""
        if name is None:
            return next((variant for variant in self.variants.values() if variant.default), None)
        return _found("variant", name, self.variants)

    def suite(self, name: str) -> Suite:
        """Look up a suite."""
        return _found("suite", name, self.suites)

    def sweep(self, name: str) -> Sweep:
        """Look up a sweep."""
        return _found("sweep", name, self.sweeps)

    def figure(self, name: str) -> Figure:
        """Look up a figure."""
        return _found("figure", name, self.figures)

    def usual_protocol(self, environment: str) -> Protocol | None:
        """Protocol that an environment means when it is named alone: its own, or the one for every environment."""
        own = [protocol for protocol in self.protocols.values() if protocol.default_for == environment]
        # Its own first: the one for every environment is only a fallback.
        return next(iter([*own, *(p for p in self.protocols.values() if p.environment is None)]), None)

    def component(self, kind: str, name: str) -> Component:
        """Description of a plugin; an empty one if there is none."""
        return self.components.get(kind, {}).get(name, Component())


def _found(kind: str, name: str, section: Mapping[str, Entry]) -> Entry:
    if same(name) not in section:
        raise UsageError(f"no {kind} named {name!r}. {suggest(name, section)}")
    return section[same(name)]


def catalogue_file() -> Path:
    """Where registry.yaml lies: in the package (wheel), or beside it (checkout)."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "registry.yaml"
    return shipped if shipped.is_file() else package.parent / "registry.yaml"


@lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
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
    budget = _budget(content.get("budget", []), where / "budget")
    protocols = {}
    for name, raw in mapping(content.get("protocols", {}), where / "protocols").items():
        here = where / "protocols" / name
        scales = mapping(mapping(raw, here).get("scales", {}), here / "scales")
        # `make` checks the fields of a dataclass; the names of scales are keys of a mapping.
        known(scales, SCALES, here / "scales")
        made = {scale: _scale(block, here / "scales" / scale, budget) for scale, block in scales.items()}
        protocols[name] = make(Protocol, with_stages(raw, here) | {"scales": made}, here, name=name)
    sweeps = {}
    for name, raw in mapping(content.get("sweeps", {}), where / "sweeps").items():
        here = where / "sweeps" / name
        curves = parts(Curve, mapping(raw, here).get("curves"), here / "curves")
        for index, curve in enumerate(curves):
            for address, values in mapping(curve.beside, here / "curves" / index / "beside").items():
                if not isinstance(values, list) or len(values) != len(curve.values):
                    place = here / "curves" / index / "beside" / address
                    raise UsageError(f"{place}: expected a list of {len(curve.values)} values, as many as `values`")
        sweeps[name] = make(Sweep, raw | {"curves": curves}, here, name=name)
    # Before suites and figures, whose names are checked against these.
    recipes = read_recipes(content.get("recipes", {}), where / "recipes", budget)
    variants = read_variants(content.get("variants", {}), where / "variants", budget, protocols, recipes)
    suites = _suites(content, where, recipes, protocols)
    figures = read_figures(content.get("figures", {}), where / "figures", protocols)
    return Catalogue(components, recipes, protocols, variants, suites, budget, sweeps, figures)


def _budget(patterns: Any, where: Where) -> Budget:
    if not (isinstance(patterns, list) and all(isinstance(pattern, str) for pattern in patterns)):
        raise UsageError(f"{where}: expected a list of addresses such as train.steps or *.samples, got {patterns!r}")
    return Budget(tuple(patterns))


def _scale(block: Any, where: Where, budget: Budget) -> Scale:
    made: Scale = make(Scale, block, where)
    budget.check(mapping(made.set, where / "set"), where / "set", budget=True)
    return made


def _suites(content: Mapping[str, Any], where: Where, recipes: Any, protocols: Any) -> dict[str, Suite]:
    """Suites, with their claims held against the recipes and protocols that there are."""
    suites = {}
    for name, suite in _section(content, "suites", Suite, where).items():
        here = where / "suites" / name
        if not isinstance(suite.claims, tuple):
            raise UsageError(f"{here / 'claims'}: expected a list of claims, got {suite.claims!r}")
        mapping(suite.families, here / "families")
        for protocol in suite.ranking:
            choice(protocol, suite.protocols, here / "ranking")
        # Without its number of tasks a published rate has no interval to compare with.
        uncounted = {place for row in suite.published.values() for place in row} - set(suite.published_n)
        if uncounted:
            raise UsageError(f"{here / 'published_n'}: missing the number of tasks behind {min(uncounted)!r}")
        # After the suite itself: `all` in a claim stands for the suite's recipes.
        claims = []
        for index, raw in enumerate(suite.claims):
            claims.append(read_claim(raw, here / "claims" / index, suite.recipes))
            claims[-1].check(here / "claims" / index, recipes, protocols, suite.families)
        suites[name] = replace(suite, claims=tuple(claims))
    return suites


def _section(content: Mapping[str, Any], key: str, cls: type[Any], where: Where) -> dict[str, Any]:
    section = mapping(content.get(key, {}), where / key)
    return {name: make(cls, raw, where / key / name, name=name) for name, raw in section.items()}
