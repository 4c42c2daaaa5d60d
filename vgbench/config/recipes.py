"""Recipes: rows of the paper's Table 1, variants of them, and a user's own from a file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from vgbench.config.budget import Budget
from vgbench.config.schema import check_name, known, make, mapping, with_stages
from vgbench.errors import UsageError
from vgbench.stages import OBJECTIVE_KEYS
from vgbench.storage.yaml_file import Where
from vgbench.text import choice, same, suggest

TRAINING = ("separate", "joint")
_LONGEST = 32
"""Most recipes that one may extend, each the next."""


@dataclass(frozen=True)
class Recipe:
    """A row of the paper's Table 1, or a variant of one. `set` holds values by `name.param`.

    With `head_objectives` the latents get a head (a network of that role), which is trained on these in a stage of its
    own, on the frozen encoder's latents: predictions in one space, the cost in another.

    Attributes:
        stages: objectives of stages after the first, by their key (`head_objectives`), see `vgbench.stages`.
        places: where it, each of its fields, and each value of `set` by its address, was written.
        own: it is a user's, not one of registry.yaml.
    """

    name: str
    summary: str
    objectives: tuple[str, ...]
    distance: str
    training: str
    reference: str = ""
    head: str | None = None
    stages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    set: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Where] = field(default_factory=dict, compare=False, repr=False)
    own: bool = field(default=False, compare=False)

    def written(self, key: str) -> str:
        """Words for messages on one of its fields or values: `mine.yaml:7: recipes.mine.distance`."""
        return str(self.places[key]) if key in self.places else f"recipe {self.name}"

    def plain(self) -> dict[str, Any]:
        """Return what a file would say of it, with all that it extends written out."""
        about = {key: getattr(self, key) for key in _KEYS}
        about |= about.pop("stages")
        about = {key: list(value) if isinstance(value, tuple) else value for key, value in about.items()}
        return {key: dict(value) if key == "set" else value for key, value in about.items() if value}


_KEYS = tuple(f.name for f in fields(Recipe) if f.name not in ("name", "places", "own"))
_OWN_WORDS = ("summary", "reference")
"""Fields that a recipe does not take over from the one that it extends: it is not that row of the paper."""


def read_recipes(
    section: Any, where: Where, budget: Budget, others: Mapping[str, Recipe] | None = None
) -> dict[str, Recipe]:
    """Make the recipes of a section; `others` are those of registry.yaml, where the section is a user's.

    Raises:
        UsageError: `FILE:LINE: ...`, for unknown keys, wrong types, names that are taken, circles of `extends`, and
            values that are budget.
    """
    section = mapping(section, where)
    for name in section:
        check_name(name, where / name, others, "recipe")
    made: dict[str, Recipe] = {}
    for name in section:
        _make(name, section, where, others or {}, made, ())
        budget.check(_set(section[name], where / name), where / name / "set", budget=False)
    own = others is not None
    return {name: replace(made[name], own=own) for name in section}


def check_values(section: Any, where: Where, made: Mapping[str, Recipe], installed: Iterable[tuple[str, str]]) -> None:
    """Refuse a value that a recipe of a user's own file sets for an objective or a distance that it does not have.

    Inherited values may be of plugins that the recipe replaced; they have no effect. So have those for plugins that a
    protocol chooses (environment, planner, networks), which other protocols may have.

    Args:
        section: `recipes` of the file.
        where: its place.
        made: the recipes by name.
        installed: kind and name of each installed plugin.

    Raises:
        UsageError: `FILE:LINE: ...`, with the plugins that the recipe has.
    """
    kinds: dict[str, set[str]] = {}
    for kind, name in installed:
        kinds.setdefault(name, set()).add(kind)
    for name in section:
        recipe = made[name]
        terms = [*recipe.objectives, recipe.distance, *(term for terms in recipe.stages.values() for term in terms)]
        # Of `DIST:NAME:WEIGHT` any part may be the name.
        parts = dict.fromkeys(same(part) for term in terms for part in term.split(":"))
        have = [part for part in parts if part in kinds]
        for address in _set(section[name], where / name):
            plugin = same(str(address).rpartition(".")[0].rpartition(":")[2])
            if plugin not in parts and kinds.get(plugin, {"?"}) <= {"objective", "distance"}:
                kind = " or ".join(sorted(kinds[plugin]))
                raise UsageError(
                    f"{where / name / 'set' / address}: {kind} {plugin!r} is not part of recipe {name}, which has "
                    f"{', '.join(have)}. {suggest(plugin, have)}"
                )


def _make(
    name: str,
    section: Mapping[str, Any],
    where: Where,
    others: Mapping[str, Recipe],
    made: dict[str, Recipe],
    chain: tuple[str, ...],
) -> Recipe:
    """Make a recipe, and before it the one that it extends."""
    if name in made:
        return made[name]
    here, raw = where / name, dict(mapping(section[name], where / name))
    places = (
        {"": here} | {key: here / key for key in raw} | {address: here / "set" / address for address in _set(raw, here)}
    )
    parent = raw.pop("extends", None)
    if len(chain) > _LONGEST:
        raise UsageError(f"{where / chain[0]}: it extends a recipe that extends another, more than {_LONGEST} times")
    if parent is not None:
        written, parent = here / "extends", same(str(parent))
        if parent in (*chain, name):
            circle = " -> ".join([*chain, name, parent])
            raise UsageError(f"{written}: the recipes extend each other in a circle: {circle}")
        if parent not in section and parent not in others:
            raise UsageError(f"{written}: no recipe named {parent!r}. {suggest(parent, {*section, *others} - {name})}")
        base = _make(parent, section, where, others, made, (*chain, name)) if parent in section else others[parent]
        taken = {key: getattr(base, key) for key in _KEYS if key not in _OWN_WORDS}
        taken |= taken.pop("stages")
        # Later ones win: its own fields over the parent's. `set` alone is merged value by value.
        raw = {"summary": f"{parent} with other choices"} | taken | raw | {"set": {**base.set, **_set(raw, here)}}
        # A value that was taken over is still to be found where the parent has it.
        places = {**base.places, **places}
    # `stages` is how a Recipe keeps them; a file has each stage's objectives under a key of their own.
    known(raw, {*_KEYS, *OBJECTIVE_KEYS, "extends"} - {"stages"}, here)
    _check_types(raw, here)
    made[name] = make(Recipe, with_stages(raw, here) | {"places": places, "own": False}, here, name=name)
    return made[name]


def _set(raw: Mapping[str, Any], where: Where) -> dict[str, Any]:
    return mapping(raw.get("set", {}), where / "set")


def _check_types(raw: Mapping[str, Any], where: Where) -> None:
    """Refuse a text where a list of names belongs, and other values of a wrong type."""
    for key, value in raw.items():
        if key in OBJECTIVE_KEYS:
            if not (isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)):
                raise UsageError(f"{where / key}: expected a list of names, got {value!r}")
        # A parent without a head hands on None.
        elif key != "set" and not isinstance(value, str) and not (key == "head" and value is None):
            raise UsageError(f"{where / key}: expected text, got {value!r}")
    if "training" in raw:
        choice(raw["training"], TRAINING, where / "training")
