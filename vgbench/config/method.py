"""What is trained, and how: objectives, distance and mode of training, with the recipe that gives their values."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vgbench.config.catalogue import Catalogue
from vgbench.config.config_file import split_weight
from vgbench.config.protocols import Protocol
from vgbench.config.recipes import Recipe
from vgbench.config.request import Option, OptionReader
from vgbench.errors import UsageError, prefix_error
from vgbench.plugin.attribution import note_use
from vgbench.plugin.contract import check_use
from vgbench.plugin.entry import Entry
from vgbench.plugin.registry import Registry, canonical, load_plugin
from vgbench.spec import SourcedValue, weighted
from vgbench.stages import LATER_STAGES, STAGES, StageKind
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
        note_use(self.entry, cls)
        return cls

    @property
    def trains_predictor(self) -> bool:
        """Whether this objective makes training joint."""
        return "predictor" in self.cls.trains


@dataclass
class Method:
    """Objectives, distance and mode. `later` holds the objectives of the stages after the first."""

    objectives: list[PluginSlot]
    distance: PluginSlot
    training: str
    recipe: Recipe | None
    later: dict[StageKind, list[PluginSlot]] = field(default_factory=dict)
    reweighted: list[PluginSlot] = field(default_factory=list)  # objectives whose weight is not the recipe's
    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def pieces(self) -> list[PluginSlot]:
        """All plugins, by slot."""
        return [*self.objectives, *(piece for pieces in self.later.values() for piece in pieces), self.distance]

    def stages(self) -> list[StageKind]:
        """Kinds of stages that the run has, in their order."""
        return [k for k in STAGES if self.training in k.modes and (k in self.later or k not in LATER_STAGES)]

    def settings(self) -> set[str]:
        """Groups of settings of stages that take part: of a stage that can be left out only if it is there."""
        return {k.settings for k in STAGES if not k.optional or k in self.later}

    def brings(self, role: str) -> bool:
        """Whether one of the later stages is for a network of this role."""
        return any(kind.role == role for kind in self.later)

    def selections(self) -> dict[str, SourcedValue]:
        """Names with their sources."""
        values: dict[str, Any] = {
            "recipe": self.recipe.name if self.recipe else None,
            "objectives": weighted(self.objectives),
            "distance": self.distance.entry.address,
            "training": self.training,
        }
        values |= {kind.objectives: weighted(self.later.get(kind, ())) for kind in LATER_STAGES}
        return {key: SourcedValue(value, self.sources[key]) for key, value in values.items() if key in self.sources}


def choose_method(options: OptionReader, registry: Registry, catalogue: Catalogue, protocol: Protocol) -> Method:
    """Decide what is trained.

    Raises:
        UsageError: nothing is said, or what is said contradicts itself.
    """
    asked = options.get("recipe")
    recipe = _recipe(asked, catalogue, options) if asked else None
    named, distance = options.get("objectives"), options.get("distance")
    says, measure = named, distance
    if recipe:
        label = f"recipe {recipe.name}"
        says = named or Option(recipe.objectives, label, recipe.written("objectives"))
        measure = distance or Option(recipe.distance, label, recipe.written("distance"))
    if says is None or measure is None:
        raise UsageError(_incomplete(named, distance, registry, catalogue))
    objectives = _objectives("objective", says, registry)
    with prefix_error(measure.written):
        head = PluginSlot("distance", registry.find("distance", measure.value))
    if recipe and asked:
        _agree(asked, recipe, named, distance, objectives, head, registry)
    training, source = _training(options, recipe, objectives)
    method = Method(objectives, head, training, recipe)
    label = f"recipe {recipe.name}" if recipe else ""
    method.sources = {
        "recipe": asked.source if asked else "matched",
        "objectives": named.source if named else label,
        "distance": distance.source if distance else label,
        "training": source,
    }
    method.sources |= {k.objectives: f"protocol {protocol.name}" for k in LATER_STAGES if not k.optional}
    for kind in LATER_STAGES:
        if training in kind.modes:
            _add_stage(kind, method, options, registry, protocol)
    # After the later stages: a recipe may be told from others by their objectives.
    method.recipe = recipe or _match(method, catalogue, registry)
    if method.recipe:
        method.reweighted = _reweighted(objectives, method.recipe, registry)
    _note(method, asked)
    return method


def _recipe(asked: Option, catalogue: Catalogue, options: OptionReader) -> Recipe:
    more = "" if options.has_recipes else " One of your own needs its file: --recipes FILE."
    with prefix_error(asked.written, after=more):
        return catalogue.recipe(asked.value)


def _incomplete(named: Option | None, distance: Option | None, registry: Registry, catalogue: Catalogue) -> str:
    recipes = ", ".join(catalogue.recipes)
    if named:
        known = ", ".join(e.address for e in registry.entries("distance"))
        return f"{named.written} needs a distance: --distance NAME ({known})"
    if distance:
        known = ", ".join(e.address for e in registry.entries("objective"))
        return f"{distance.written} needs an objective: --objective NAME ({known}), or take --recipe NAME ({recipes})"
    return f"missing --recipe NAME ({recipes}), or --objective NAME with --distance NAME"


def _objectives(slot: str, given: Option, registry: Registry) -> list[PluginSlot]:
    """Plugins of a list of `NAME[:WEIGHT]`, sorted: the order of a sum must not make another run."""
    pieces: list[PluginSlot] = []
    for text in given.value:
        name, weight = split_weight(text, given.written)
        dist, colon, _ = name.rpartition(":")
        # Before a colon stands a distribution; otherwise what follows it was meant as a weight.
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


def _training(options: OptionReader, recipe: Recipe | None, objectives: list[PluginSlot]) -> tuple[str, str]:
    """Mode of training and its source; contradictions are errors."""
    asked = options.get("training")
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


def _add_stage(kind: StageKind, method: Method, options: OptionReader, registry: Registry, protocol: Protocol) -> None:
    """Add a stage after the first with its objectives: the file's, the recipe's or the protocol's."""
    given, recipe = options.get(kind.objectives), method.recipe
    if given is None and recipe and recipe.stages.get(kind.objectives):
        label, written = f"recipe {recipe.name}", recipe.written(kind.objectives)
        given = Option(list(recipe.stages[kind.objectives]), label, written)
    if given is None:
        label = f"protocol {protocol.name}"
        given = Option(list(protocol.stages.get(kind.objectives, ())), label, label)
        # A stage that cannot be left out has to have objectives: `_objectives` refuses an empty list.
        if kind.optional and not given.value:
            return
    method.sources[kind.objectives] = given.source
    pieces = method.later[kind] = _objectives(kind.slot, given, registry)
    _check_stage(kind, pieces, method.objectives, given.written)


def _check_stage(kind: StageKind, pieces: list[PluginSlot], first: list[PluginSlot], written: str) -> None:
    """Refuse objectives that train nothing of what a stage is for, or a network of it trained already."""
    mine, parts = set(kind.trains), " or ".join(kind.trains)
    if not any(mine & piece.cls.trains for piece in pieces):
        names = ", ".join(piece.entry.address for piece in pieces)
        raise UsageError(f"{written}: none of these objectives ({names}) trains the {parts}")
    for piece in pieces:
        # An objective that trains modules of its own alone may be part of any stage.
        if not {*mine, "own"} & piece.cls.trains:
            raise UsageError(f"{written}: {piece.entry} does not train the {parts}, which this stage is for")
    for piece in first:
        if kind.role in piece.cls.trains:
            raise UsageError(
                f"{written}: {piece.entry} trains the {kind.role} together with the encoder; leave out one of them"
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
    """Return the recipe with the same objectives, distance and mode, if there is one; the same weights come first.

    One that freezes the encoder has to be named: otherwise nobody has asked for that.
    """
    ours = {piece.entry for piece in method.objectives}
    fitting = [
        recipe
        for recipe in catalogue.recipes.values()
        if recipe.training == method.training
        and not recipe.set.get("model.freeze_encoder")
        and registry.find("distance", recipe.distance) == method.distance.entry
        and _same_stages(method, recipe, registry)
        and set(_terms(recipe, registry)) == ours
    ]
    return min(fitting, key=lambda recipe: len(_reweighted(method.objectives, recipe, registry)), default=None)


def _same_stages(method: Method, recipe: Recipe, registry: Registry) -> bool:
    """Whether the stages that are a recipe's own choice have the same objectives."""
    for kind in LATER_STAGES:
        # What a recipe leaves to the protocol does not tell it from other recipes.
        if kind.optional or kind.objectives in recipe.stages:
            theirs = {registry.find("objective", name) for name in recipe.stages.get(kind.objectives, ())}
            if theirs != {piece.entry for piece in method.later.get(kind, ())}:
                return False
    return True


def _note(method: Method, asked: Option | None) -> None:
    """Say which recipe gives the values, and where this run is not that recipe."""
    recipe = method.recipe
    if recipe is None:
        words = f"{' + '.join(weighted(method.objectives))} with distance {method.distance.entry.address}"
        method.notes.append(f"no recipe fits {words}, {method.training}: it gets the plugins' defaults")
        return
    words = f"{' + '.join(recipe.objectives)} with distance {recipe.distance}, {recipe.training}"
    theirs = ", ".join(f"{piece.entry.address}:{piece.weight:g}" for piece in method.reweighted)
    other = f", but your weights are {theirs}" if theirs else ""
    if asked is None or other:
        method.notes.append(f"recipe {recipe.name} gives the values: it has {words}{other}")
