"""Suites of a file, held against the recipes and protocols that there are."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from vgbench.config.claims import Claim, read_claim
from vgbench.config.definitions import Suite
from vgbench.config.schema import check_name, make, mapping
from vgbench.errors import UsageError
from vgbench.storage.yaml_file import Where
from vgbench.text import choice, suggest


def read_suites(
    section: Any, where: Where, recipes: Iterable[str], protocols: Iterable[str], others: Mapping[str, Suite] | None
) -> dict[str, Suite]:
    """Make the suites of a section; `others` are those that there are already.

    Raises:
        UsageError: `FILE:LINE: ...`, for unknown keys, recipes, protocols, claims, for names that stand twice, and for
            claims about runs that the suite does not have.
    """
    suites = {}
    for name, raw in mapping(section, where).items():
        here = where / name
        check_name(name, here, others, "suite")
        suite: Suite = make(Suite, raw, here, name=name)
        for key, known in (("recipes", recipes), ("protocols", protocols)):
            _names(getattr(suite, key), known, here / key)
        check_seeds(suite.seeds, here / "seeds")
        for recipe, places in mapping(suite.only, here / "only").items():
            choice(recipe, suite.recipes, here / "only" / recipe)
            _names(tuple(places) if isinstance(places, list) else places, suite.protocols, here / "only" / recipe)
        if suite.ranking:
            _names(suite.ranking, suite.protocols, here / "ranking")
        _published(suite, here)
        suites[name] = replace(suite, claims=_claims(suite, here, recipes, protocols))
    return suites


def _names(names: Any, known: Iterable[str], where: Where) -> None:
    """Refuse what is no list of names, a name that there is not, and one that stands twice."""
    if not (isinstance(names, tuple) and names and all(isinstance(name, str) for name in names)):
        raise UsageError(f"{where}: expected a list of names, got {names!r}")
    for index, name in enumerate(names):
        if choice(name, known, where / index) in names[:index]:
            raise UsageError(f"{where / index}: {name!r} stands there twice; leave one out")


def check_seeds(seeds: Any, where: Where) -> None:
    """Refuse what is no list of seeds, and one that stands twice."""
    if not (isinstance(seeds, tuple) and seeds):
        raise UsageError(f"{where}: expected a list of seeds such as [0, 1, 2], got {seeds!r}")
    for index, seed in enumerate(seeds):
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise UsageError(f"{where / index}: a seed is a whole number of 0 or more, got {seed!r}")
        if seed in seeds[:index]:
            raise UsageError(f"{where / index}: seed {seed} stands there twice; leave one out")


def _published(suite: Suite, here: Where) -> None:
    """Refuse published rates of other rows, that are none, or without their number of tasks."""
    where = here / "published"
    for recipe, row in mapping(suite.published, where).items():
        choice(recipe, suite.recipes, where / recipe)
        for protocol, rate in mapping(row, where / recipe).items():
            choice(protocol, suite.protocols, where / recipe / protocol)
            if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
                raise UsageError(f"{where / recipe / protocol}: expected a rate of 0 to 1, got {rate!r}")
            # Without its number of tasks a published rate has no interval to compare with.
            if protocol not in mapping(suite.published_n, here / "published_n"):
                raise UsageError(f"{here / 'published_n'}: missing the number of tasks behind {protocol!r}")
    for protocol, count in mapping(suite.published_n, here / "published_n").items():
        place = here / "published_n" / protocol
        choice(protocol, suite.protocols, place)
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise UsageError(f"{place}: expected a number of tasks, got {count!r}")


def _claims(suite: Suite, here: Where, recipes: Iterable[str], protocols: Iterable[str]) -> tuple[Claim, ...]:
    if not isinstance(suite.claims, tuple):
        raise UsageError(f"{here / 'claims'}: expected a list of claims, got {suite.claims!r}")
    mapping(suite.families, here / "families")
    found: list[Claim] = []
    for index, raw in enumerate(suite.claims):
        where = here / "claims" / index
        claim = read_claim(raw, where, suite.recipes)
        claim.check(where, recipes, protocols, suite.families)
        _of_suite(claim, suite, where)
        if claim.name in [other.name for other in found]:
            raise UsageError(f"{where / 'name'}: there is a claim {claim.name!r} already; choose another name")
        found.append(claim)
    return tuple(found)


def _of_suite(claim: Claim, suite: Suite, where: Where) -> None:
    """Refuse a claim about runs that the suite does not have: it could never be judged."""
    elsewhere = [name for name in (claim.against, claim.interaction) if name]
    sides = [("a", claim.a), ("b", claim.recipes()[len(claim.a) :])]
    for key, kind, names, known in (
        *((key, "recipe", names, suite.recipes) for key, names in sides),
        ("protocols", "protocol", claim.protocols, suite.protocols),
        ("against" if claim.against else "interaction", "protocol", elsewhere, suite.protocols),
    ):
        for name in names:
            if name not in known:
                raise UsageError(f"{where / key}: {kind} {name!r} is not part of the suite. {suggest(name, known)}")
    for recipe in claim.recipes():
        # `against` is where the other side is judged; the side `a` of `b: same` is on both.
        for protocol in (*claim.protocols, *elsewhere):
            if not suite.has(recipe, protocol):
                raise UsageError(
                    f"{where}: by `only`, the suite does not run {recipe!r} on {protocol!r}: the claim could not be "
                    "judged there"
                )
