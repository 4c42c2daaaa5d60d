"""Contents of registry.yaml: descriptions of plugins, recipes, protocols, suites. It never reads entry points.

What is installed is found by `vgbench.plugin.registry`, from entry points alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from vgbench.config.budget import Budget
from vgbench.config.definitions import (
    Component,
    Curve,
    Figure,
    Suite,
    Sweep,
    read_figures,
)
from vgbench.config.protocols import Protocol, read_protocols
from vgbench.config.recipes import Recipe, read_recipes
from vgbench.config.schema import check_name, known, make, mapping, parts
from vgbench.config.suites import check_seeds, read_suites
from vgbench.config.variants import Variant, read_variants
from vgbench.errors import UsageError
from vgbench.storage import yaml_file
from vgbench.storage.yaml_file import Where
from vgbench.text import same, suggest

Entry = TypeVar("Entry")

SECTIONS = ("components", "recipes", "budget", "protocols", "variants", "suites", "sweeps", "figures")
OWN_SECTIONS = ("recipes", "budget", "protocols", "variants", "suites", "sweeps")
"""Sections of a file that is not registry.yaml: a user's own, or that of an installed package."""


@dataclass(frozen=True)
class Catalogue:
    """All that can be named: registry.yaml, files of installed packages, and a user's own.

    Attributes:
        components: by kind, by name.
        homes: distribution and version that an item comes from, by section and name; what is not here is vgbench's or
            the user's.
    """

    components: Mapping[str, Mapping[str, Component]] = field(default_factory=dict)
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    protocols: Mapping[str, Protocol] = field(default_factory=dict)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    suites: Mapping[str, Suite] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    sweeps: Mapping[str, Sweep] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    homes: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def with_file(self, content: Any, where: Where) -> "Catalogue":
        """Add what a user's file has: recipes, protocols, variants, suites, sweeps; they may extend what there is.

        Raises:
            UsageError: `FILE:LINE: ...`, for what is wrong with one of them, or a name that is taken.
        """
        return extended(self, content, where)

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

    def tagged(self, kind: str, *tags: str) -> str:
        """Name of the first plugin of a kind that has all these tags."""
        return next(name for name, found in self.components[kind].items() if set(tags) <= set(found.tags))

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


def load_registry() -> Catalogue:
    """Read registry.yaml; most callers want `catalogue_files.load_catalogue`, which knows installed packages, too.

    Raises:
        UsageError: it is missing, not YAML, or has a key that means nothing.
    """
    path = catalogue_file()
    return read(yaml_file.load(path), str(path))


def read(content: Any, file: str) -> Catalogue:
    """Make a catalogue of the file's content; `file` names it in messages."""
    return extended(None, content, Where(file))


def extended(base: Catalogue | None, content: Any, where: Where, home: str = "") -> Catalogue:
    """Make a catalogue of a file's content, on top of another one whose names it may use but not take.

    Args:
        base: what there is already; None for registry.yaml itself.
        content: of the file.
        where: the file, for messages.
        home: distribution that brings the file, with its version; "" for a user's own and for registry.yaml.

    Raises:
        UsageError: `FILE:LINE: ...`, for what is wrong or taken.
    """
    content = mapping(content, where)
    known(content, SECTIONS if base is None else OWN_SECTIONS, where)
    components = {
        kind: {name: make(Component, entry, where / "components" / kind / name) for name, entry in of_kind.items()}
        for kind, of_kind in mapping(content.get("components", {}), where / "components").items()
    }
    above, budget = base or Catalogue(), _budget(content.get("budget", []), where / "budget")
    budget = Budget((*above.budget.patterns, *budget.patterns))
    taken = (lambda names: None) if base is None else (lambda names: names)
    protocols = read_protocols(content.get("protocols", {}), where / "protocols", budget, taken(above.protocols))
    protocols = {**above.protocols, **protocols}
    recipes = read_recipes(content.get("recipes", {}), where / "recipes", budget, taken(above.recipes))
    # Before suites and figures, whose names are checked against these.
    recipes = {**above.recipes, **recipes}
    variants = read_variants(
        content.get("variants", {}), where / "variants", budget, protocols, recipes, taken(above.variants)
    )
    sweeps = _sweeps(content, where, taken(above.sweeps))
    suites = read_suites(content.get("suites", {}), where / "suites", recipes, protocols, taken(above.suites))
    figures = read_figures(content.get("figures", {}), where / "figures", protocols)
    named = {(key, name): home for key in OWN_SECTIONS for name in content.get(key) or {}} if home else {}
    return Catalogue(
        {**above.components, **components},
        recipes,
        protocols,
        {**above.variants, **variants},
        {**above.suites, **suites},
        budget,
        {**above.sweeps, **sweeps},
        {**above.figures, **figures},
        {**above.homes, **named},
    )


def _sweeps(content: Mapping[str, Any], where: Where, others: Mapping[str, Sweep] | None) -> dict[str, Sweep]:
    sweeps = {}
    for name, raw in mapping(content.get("sweeps", {}), where / "sweeps").items():
        here = where / "sweeps" / name
        check_name(name, here, others, "sweep")
        curves = parts(Curve, mapping(raw, here).get("curves"), here / "curves")
        for index, curve in enumerate(curves):
            mapping(curve.smoke, here / "curves" / index / "smoke")
            for address, values in mapping(curve.beside, here / "curves" / index / "beside").items():
                if not isinstance(values, list) or len(values) != len(curve.values):
                    place = here / "curves" / index / "beside" / address
                    raise UsageError(f"{place}: expected a list of {len(curve.values)} values, as many as `values`")
        sweeps[name] = make(Sweep, raw | {"curves": curves}, here, name=name)
        check_seeds(sweeps[name].seeds, here / "seeds")
    return sweeps


def _budget(patterns: Any, where: Where) -> Budget:
    if not (isinstance(patterns, list) and all(isinstance(pattern, str) for pattern in patterns)):
        raise UsageError(f"{where}: expected a list of addresses such as train.steps or *.samples, got {patterns!r}")
    return Budget(tuple(patterns))
