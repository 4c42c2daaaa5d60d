"""What is trained, and how: objectives, distance and mode of training, with the recipe that gives their values."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vgbench.config.catalogue import Catalogue
from vgbench.config.config_file import split_weight
from vgbench.config.definitions import Protocol
from vgbench.config.recipes import Recipe
from vgbench.config.request import Option, OptionReader
from vgbench.errors import UsageError, prefix_error
from vgbench.plugin.contract import check_use
from vgbench.plugin.entry import Entry
from vgbench.plugin.registry import Registry, canonical, load_plugin
from vgbench.spec import SourcedValue
from vgbench.text import choice

MODES = ("auto", "separate", "joint")


@dataclass
class PluginSlot:
    """A plugin in its slot, imported when its class is first asked for."""

    slot: str
    entry: Entry
    weight: float = 1.0

    @cached_property
    def cls(self) -> type[Any]:
        """The plugin's class, fit to be part of a run."""
        cls = load_plugin(self.entry)
        check_use(self.entry, cls)
        return cls

    @property
    def trains_predictor(self) -> bool:
        """Whether this objective makes training joint."""
        return "predictor" in self.cls.trains


@dataclass
class Method:
    """Objectives, distance and mode. `predictor` and `head` hold the objectives of their own stages."""

    objectives: list[PluginSlot]
    distance: PluginSlot
    training: str
    predictor: list[PluginSlot]
    recipe: Recipe | None
    head: list[PluginSlot] = field(default_factory=list)
    reweighted: list[PluginSlot] = field(default_factory=list)  # objectives whose weight is not the recipe's
    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def pieces(self) -> list[PluginSlot]:
        """All plugins, by slot."""
        return [*self.objectives, *self.predictor, *self.head, self.distance]

    def selections(self) -> dict[str, SourcedValue]:
        """Names with their sources."""
        values: dict[str, Any] = {
            "recipe": self.recipe.name if self.recipe else None,
            "objectives": weighted(self.objectives),
            "distance": self.distance.entry.address,
            "training": self.training,
            "predictor_objectives": weighted(self.predictor),
            "head_objectives": weighted(self.head),
        }
        return {key: SourcedValue(value, self.sources[key]) for key, value in values.items() if key in self.sources}


def weighted(pieces: Iterable[Any]) -> list[str]:
    """Write objectives as `NAME` or `NAME:WEIGHT`, as --objective takes them."""
    return [p.entry.address if p.weight == 1 else f"{p.entry.address}:{p.weight!r}" for p in pieces]


def choose_method(choices: OptionReader, registry: Registry, catalogue: Catalogue, protocol: Protocol) -> Method:
    """Decide what is trained.

    Raises:
        UsageError: nothing is said, or what is said contradicts itself.
    """
    asked = choices.get("recipe")
    recipe = _recipe(asked, catalogue) if asked else None
    named, distance = choices.get("objectives"), choices.get("distance")
    if recipe is None and (named is None or distance is None):
        raise UsageError(_incomplete(named, distance, registry, catalogue))
    given = Option(recipe.objectives, f"recipe {recipe.name}", recipe.written("objectives")) if recipe else None
    objectives = _objectives("objective", named or given, registry)  # type: ignore[arg-type]  # one is there
    head = _distance(distance, recipe, registry)
    if recipe and asked:
        _agree(asked, recipe, named, distance, objectives, head, registry)
    training, source = _training(choices, recipe, objectives)
    method = Method(objectives, head, training, [], recipe)
    label = f"recipe {recipe.name}" if recipe else ""
    method.sources = {
        "recipe": asked.source if asked else "matched",
        "objectives": named.source if named else label,
        "distance": distance.source if distance else label,
        "training": source,
        "predictor_objectives": f"protocol {protocol.name}",
    }
    if training == "separate":
        _add_predictor_stage(method, choices, registry, protocol)
    _add_head_stage(method, choices, registry)
    method.recipe = recipe or _match(method, catalogue, registry)
    if method.recipe:
        method.reweighted = _reweighted(objectives, method.recipe, registry)
    _note(method, asked)
    return method


def _recipe(asked: Option, catalogue: Catalogue) -> Recipe:
    with prefix_error(asked.written):
        return catalogue.recipe(asked.value)


def _distance(asked: Option | None, recipe: Recipe | None, registry: Registry) -> PluginSlot:
    """The distance that was asked for, or the recipe's."""
    if asked is None:
        assert recipe is not None
        asked = Option(recipe.distance, f"recipe {recipe.name}", recipe.written("distance"))
    with prefix_error(asked.written):
        return PluginSlot("distance", registry.find("distance", asked.value))


def _incomplete(named: Option | None, distance: Option | None, registry: Registry, catalogue: Catalogue) -> str:
    recipes = ", ".join(catalogue.recipes)
    if named:
        known = ", ".join(e.address for e in registry.entries("distance"))
        return f"{named.written} needs a distance: --distance NAME ({known})"
    if distance:
        known = ", ".join(e.address for e in registry.entries("objective"))
        return f"{distance.written} needs an objective: --objective NAME ({known}), or take --recipe NAME ({recipes})"
    return f"say what to train: --recipe NAME ({recipes}), or --objective NAME with --distance NAME"


def _objectives(slot: str, given: Option, registry: Registry) -> list[PluginSlot]:
    """Plugins of a list of `NAME[:WEIGHT]`, sorted: the order of a sum must not make another run."""
    pieces: list[PluginSlot] = []
    for text in given.value:
        name, weight = split_weight(text, given.written)
        dist, colon, _ = name.rpartition(":")
        if colon and not any(canonical(entry.dist) == canonical(dist) for entry in registry.entries()):
            raise UsageError(f"{given.written}: expected NAME or NAME:WEIGHT with a number, e.g. {dist}:0.5")
        with prefix_error(given.written):
            piece = PluginSlot(slot, registry.find("objective", name), weight)
        if any(piece.entry == other.entry for other in pieces):
            raise UsageError(f"{given.written}: objective {piece.entry.name!r} is given twice; use one, with a weight")
        pieces.append(piece)
    if not pieces:
        raise UsageError(f"{given.written}: at least one objective is needed")
    return sorted(pieces, key=lambda piece: piece.entry.address)


def _agree(
    asked: Option,
    recipe: Recipe,
    named: Option | None,
    distance: Option | None,
    objectives: list[PluginSlot],
    head: PluginSlot,
    registry: Registry,
) -> None:
    """Refuse flags that contradict a recipe that was named."""
    theirs = set(_terms(recipe, registry))
    wrong = named if named and {piece.entry for piece in objectives} != theirs else None
    if distance and head.entry != registry.find("distance", recipe.distance):
        wrong = distance
    if wrong:
        raise UsageError(
            f"{asked.written} means {' + '.join(recipe.objectives)} with distance {recipe.distance}, which contradicts "
            f"{wrong.written}: leave out the recipe, or the other"
        )


def _training(choices: OptionReader, recipe: Recipe | None, objectives: list[PluginSlot]) -> tuple[str, str]:
    """Mode of training and its source; contradictions are errors."""
    asked = choices.get("training")
    mode = choice(asked.value, MODES, asked.written.removesuffix(f" {asked.value}")) if asked else "auto"
    source = asked.source if asked else ""
    joint = [piece for piece in objectives if piece.trains_predictor]
    if mode == "auto":
        if recipe:
            mode, source = recipe.training, f"recipe {recipe.name}"
        else:
            mode, source = ("joint" if joint else "separate"), "auto"
    elif recipe and mode != recipe.training:
        raise UsageError(
            f"{asked.written if asked else ''} contradicts recipe {recipe.name}, which trains {recipe.training}: "
            "leave out the recipe and give --objective and --distance, or leave out --training"
        )
    written = asked.written if asked else recipe.written("training") if recipe else source
    if mode == "separate" and joint:
        raise UsageError(
            f"{written}: {joint[0].entry} trains the predictor together with the encoder; leave it out (the predictor "
            "has its own stage), or use --training joint"
        )
    if mode == "joint" and not joint:
        raise UsageError(
            f"{written}: none of the objectives ({', '.join(p.entry.address for p in objectives)}) trains the "
            "predictor; add one that does, or use --training separate"
        )
    return mode, source


def _add_predictor_stage(method: Method, choices: OptionReader, registry: Registry, protocol: Protocol) -> None:
    """Objectives of the predictor's own stage: the file's, or the protocol's."""
    chosen = choices.get("predictor_objectives")
    label = f"protocol {protocol.name}"
    given = chosen or Option(list(protocol.predictor_objectives), label, label)
    method.sources["predictor_objectives"] = given.source
    method.predictor = _objectives("predictor_objective", given, registry)
    if not any(piece.trains_predictor for piece in method.predictor):
        raise UsageError(f"{given.written}: none of these objectives trains the predictor")


def _add_head_stage(method: Method, choices: OptionReader, registry: Registry) -> None:
    """Objectives of the head's own stage: the file's, or the recipe's; usually there is none."""
    recipe = method.recipe
    given = choices.get("head_objectives")
    if given is None and recipe and recipe.head_objectives:
        label = f"recipe {recipe.name}"
        given = Option(list(recipe.head_objectives), label, recipe.written("head_objectives"))
    if given is None:
        return
    method.sources["head_objectives"] = given.source
    method.head = _objectives("head_objective", given, registry)
    useless = [piece for piece in method.head if not {"head", "distance"} & piece.cls.trains]
    if useless:
        raise UsageError(
            f"{given.written}: {useless[0].entry} trains neither head nor distance, which this stage is for"
        )
    both = [piece for piece in method.objectives if "head" in piece.cls.trains]
    if both:
        raise UsageError(
            f"{given.written}: {both[0].entry} trains the head together with the encoder; leave one of the two out"
        )


def _terms(recipe: Recipe, registry: Registry) -> dict[Entry, float]:
    """A recipe's objectives with their weights."""
    terms = (split_weight(text, recipe.written("objectives")) for text in recipe.objectives)
    return {registry.find("objective", name): weight for name, weight in terms}


def _reweighted(objectives: list[PluginSlot], recipe: Recipe, registry: Registry) -> list[PluginSlot]:
    """Those of the recipe's objectives that have another weight here."""
    weights = _terms(recipe, registry)
    return [piece for piece in objectives if piece.weight != weights[piece.entry]]


def _match(method: Method, catalogue: Catalogue, registry: Registry) -> Recipe | None:
    """Return the recipe with the same objectives, distance and mode, if there is one; the same weights come first."""
    ours = {piece.entry for piece in method.objectives}
    fitting = [
        recipe
        for recipe in catalogue.recipes.values()
        if recipe.training == method.training
        and registry.find("distance", recipe.distance) == method.distance.entry
        and {registry.find("objective", name) for name in recipe.head_objectives} == {p.entry for p in method.head}
        and set(_terms(recipe, registry)) == ours
    ]
    return min(fitting, key=lambda recipe: len(_reweighted(method.objectives, recipe, registry)), default=None)


def _note(method: Method, asked: Option | None) -> None:
    """Say which recipe gives the values, and where this run is not that recipe."""
    recipe = method.recipe
    if recipe is None:
        words = f"{' + '.join(weighted(method.objectives))} with distance {method.distance.entry.address}"
        method.notes.append(f"no recipe fits {words}, {method.training}: the plugins' defaults")
        return
    words = f"{' + '.join(recipe.objectives)} with distance {recipe.distance}, {recipe.training}"
    theirs = ", ".join(f"{piece.entry.address}:{piece.weight:g}" for piece in method.reweighted)
    other = f", but your weights are {theirs}" if theirs else ""
    if asked is None or other:
        method.notes.append(f"recipe {recipe.name} gives the values: it has {words}{other}")
