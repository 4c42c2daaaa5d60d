"""Variants: how the paper's methods are read, or departed from, as named choices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vgbench.config.budget import Budget
from vgbench.config.recipes import TRAINING
from vgbench.config.schema import check_name, make, mapping, parts
from vgbench.errors import UsageError
from vgbench.storage.yaml_file import Where
from vgbench.text import choice, suggest

Lineage = Sequence[str]
"""Names of a protocol and of those that it extends, the nearest first: `Protocol.lineage`."""


@dataclass(frozen=True)
class Worth:
    """What a choice was found to be worth: tasks solved with it and without, of n, on seeds that no table reports.

    Without it the values of the variant that is extended are in its place. The repository has the runs under
    `results/variant_NAME/PROTOCOL/RECIPE`.
    """

    protocol: str
    recipe: str
    solved: int
    without: int
    n: int

    def words(self) -> str:
        """`maze vf 68, without 52 of 80`."""
        return f"{self.protocol} {self.recipe} {self.solved}, without {self.without} of {self.n}"


@dataclass(frozen=True)
class Choice:
    """Values that belong together, and why they were chosen; the later blocks win.

    Attributes:
        set: values for every run, by `name.param`.
        protocols: values by protocol.
        recipes: values by recipe.
        training: the mode of training that it is for; None: both.
        on: the protocols that it is for; none: all.
    """

    name: str
    why: str
    set: Mapping[str, Any] = field(default_factory=dict)
    protocols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training: str | None = None
    on: tuple[str, ...] = ()
    worth: tuple[Worth, ...] = ()

    def values(self, protocol: Lineage, recipe: str | None, training: str | None) -> dict[str, Any]:
        """Return its values for a run; for `training` None, of a data set, those that do not depend on it."""
        if (self.training is not None and self.training != training) or (self.on and not {*protocol} & {*self.on}):
            return {}
        nearest = next((self.protocols[name] for name in protocol if name in self.protocols), {})
        return {**self.set, **nearest, **self.recipes.get(recipe or "", {})}

    def blocks(self) -> dict[str, Mapping[str, Any]]:
        """Return its values by whom they are for."""
        mode = f", {self.training} training" if self.training else ""
        where = f" on {', '.join(self.on)}" if self.on else ""
        found: dict[str, Mapping[str, Any]] = {f"all runs{where}{mode}": self.set} if self.set else {}
        found |= {f"protocol {name}{mode}": values for name, values in self.protocols.items()}
        return found | {f"recipe {name}{where}{mode}": values for name, values in self.recipes.items()}


@dataclass(frozen=True)
class Variant:
    """A named way to read the paper's methods, or to depart from them.

    Attributes:
        default: whether it is taken when none is named; one variant has it.
        base: the variant that it extends, with whose values it begins.
        choices: what it adds; later ones win.
        written: what the file says of it, where it is a user's own.
    """

    name: str
    summary: str
    reference: str = ""
    default: bool = False
    base: "Variant | None" = None
    choices: tuple[Choice, ...] = ()
    written: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def own(self) -> dict[str, Mapping[str, Any]]:
        """Return what a file would say of it and of those that it extends, as far as they are a user's."""
        below = self.base.own() if self.base else {}
        return below | ({self.name: self.written} if self.written else {})

    def values(self, protocol: Lineage, recipe: str | None, training: str | None) -> dict[str, Any]:
        """Return the values for a run, by `name.param`."""
        found: dict[str, Any] = {}
        for values in self.layers(protocol, recipe, training).values():
            found |= values
        return found

    def layers(self, protocol: Lineage, recipe: str | None, training: str | None) -> dict[str, dict[str, Any]]:
        """Return the values for a run that it and each variant below it adds, by variant; the later ones win."""
        found = self.base.layers(protocol, recipe, training) if self.base else {}
        own: dict[str, Any] = {}
        for each in self.choices:
            own |= each.values(protocol, recipe, training)
        return found | {self.name: own}

    def departures(self, protocol: Lineage, recipe: str | None, training: str | None) -> dict[str, dict[str, Any]]:
        """Return the values of a run that are not those of the first variant of all, by choice."""
        if self.base is None:
            return {}
        about = (protocol, recipe, training)
        found = self.base.departures(*about)
        return found | {each.name: values for each in self.choices if (values := each.values(*about))}

    def addresses(self) -> frozenset[str]:
        """All `name.param` that the variant, and those that it extends, are about."""
        own = frozenset(address for each in self.choices for block in each.blocks().values() for address in block)
        return own | (self.base.addresses() if self.base else frozenset())


def read_variants(
    section: Any,
    where: Where,
    budget: Budget,
    protocols: Iterable[str],
    recipes: Iterable[str],
    others: "Mapping[str, Variant] | None" = None,
) -> dict[str, Variant]:
    """Make the variants of a section; one that is extended stands before those that extend it.

    `others` are those that there are already, where the section is a user's.

    Raises:
        UsageError: `FILE:LINE: ...`, for unknown keys, protocols, recipes, and values that are budget.
    """
    made: dict[str, Variant] = {}
    for name, raw in mapping(section, where).items():
        here = where / name
        written = dict(mapping(raw, here))
        check_name(name, here, others, "variant")
        raw = dict(written)
        parent, known = raw.pop("extends", None), {**(others or {}), **made}
        if parent is not None and parent not in known:
            hint = suggest(str(parent), known)
            raise UsageError(f"{here / 'extends'}: no variant named {parent!r} above this one. {hint}")
        if others is not None and raw.get("default"):
            raise UsageError(f"{here / 'default'}: the default variant is {_default(others)}; name yours by --variant")
        choices = parts(Choice, raw.pop("choices", []), here / "choices")
        choices = tuple(
            _checked(each, here / "choices" / index, budget, protocols, recipes) for index, each in enumerate(choices)
        )
        kept = written if others is not None else {}
        made[name] = make(Variant, raw, here, name=name, base=known.get(parent), choices=choices, written=kept)
    return made


def _default(variants: Mapping[str, Variant]) -> str:
    return next((name for name, variant in variants.items() if variant.default), "none")


def _checked(each: Choice, where: Where, budget: Budget, protocols: Iterable[str], recipes: Iterable[str]) -> Choice:
    """Hold a choice's names against what there is."""
    if each.training is not None:
        choice(each.training, TRAINING, where / "training")
    for index, name in enumerate(each.on):
        choice(name, protocols, where / "on" / index)
    places = {where / "set": each.set}
    for key, blocks, known in (("protocols", each.protocols, protocols), ("recipes", each.recipes, recipes)):
        for name, values in mapping(blocks, where / key).items():
            choice(name, known, where / key / name)
            places[where / key / name] = values
    for place, values in places.items():
        budget.check(mapping(values, place), place, budget=False)
    return replace(each, worth=parts(Worth, list(each.worth), where / "worth"))
