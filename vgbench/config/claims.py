"""Claims: what is said of a suite's table, to be tested on records."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vgbench.config.schema import make, mapping
from vgbench.errors import UsageError
from vgbench.scores import SCORES
from vgbench.storage.yaml_file import Where
from vgbench.text import suggest

DIRECTIONS = ("greater", "not_greater")
SEVERAL = ("a", "b", "protocols", "score", "stratum")
"""Keys that hold a name or a list of names."""


@dataclass(frozen=True)
class Claim:
    """Each of `a` does better than each of `b` on each of the protocols, or not.

    Attributes:
        text: the publication's words, shortened.
        a: recipes; in the file a name, a list of them, or `all`: those of the suite.
        b: likewise, or `baseline`: the protocol's, on the same tasks, or `same`: the recipe itself on other tasks, see
            `against` and `against_stratum`.
        protocols: where `a` is judged.
        direction: `greater`, or `not_greater`: a gain of less than `margin`, if any.
        against: protocol on which `b` is judged, if it is another one.
        interaction: protocol on which the difference between a and b should be smaller than on `protocols`, a twin with
            the same tasks; the claim is about the difference of the two differences.
        score: what is compared, one or several of `success`, `spl` and `timely`, see `vgbench.scores`.
        stratum: strata of whose tasks it speaks, each for itself; none: of all tasks.
        against_stratum: stratum whose tasks `b: same` is judged on.
        family: claims of one family, see `Suite.families`, are corrected together for their number; one without is a
            family of its own.
    """

    name: str
    text: str
    a: tuple[str, ...]
    b: tuple[str, ...]
    protocols: tuple[str, ...]
    direction: str = "greater"
    against: str | None = None
    margin: float = 0.05
    score: tuple[str, ...] = ("success",)
    family: str | None = None
    stratum: tuple[str, ...] = ()
    against_stratum: str | None = None
    interaction: str | None = None

    @property
    def family_key(self) -> tuple[bool, str]:
        """What tells its family from others: a claim without one may have the name of a family."""
        return self.family is None, self.name if self.family is None else self.family

    @property
    def tested_margin(self) -> float | None:
        """The difference that it is about, for a claim of no gain; None for one of a gain, which is about 0."""
        return self.margin if self.direction == "not_greater" else None

    def recipes(self) -> tuple[str, ...]:
        """Names of the recipes on both sides."""
        # Neither `baseline` nor `same` is the name of a recipe.
        return self.a if self.b in (("baseline",), ("same",)) else (*self.a, *self.b)

    def check(
        self, where: Where, recipes: Iterable[str], protocols: Iterable[str], families: Iterable[str] = ()
    ) -> None:
        """Refuse names that do not exist; `where` names the claim in messages."""
        for key in SEVERAL:
            _names(getattr(self, key), where / key, optional=key == "stratum")
        checks = [("a", "recipe", self.a, recipes), ("b", "recipe", self.recipes()[len(self.a) :], recipes)]
        checks += [("protocols", "protocol", self.protocols, protocols)]
        for key, name in (("against", self.against), ("interaction", self.interaction)):
            checks += [(key, "protocol", (name,) if name else (), protocols)]
        checks += [("score", "score", self.score, SCORES)]
        checks += [("family", "family", (self.family,) if self.family is not None else (), families)]
        for key, kind, names, known in checks:
            for name in names:
                if name not in known:
                    of = " in this suite" if key == "family" else ""
                    raise UsageError(f"{where}.{key}: no {kind} named {name!r}{of}. {suggest(str(name), known)}")
        if self.direction not in DIRECTIONS:
            hint = suggest(str(self.direction), DIRECTIONS)
            raise UsageError(f"{where}.direction: unknown value {self.direction!r}. {hint}")
        if isinstance(self.margin, bool) or not isinstance(self.margin, int | float) or not -1 < self.margin < 1:
            raise UsageError(f"{where / 'margin'}: expected a difference between -1 and 1, got {self.margin!r}")
        self._check_sides(where)

    def _check_sides(self, where: Where) -> None:
        """Refuse sides that are the same, or not on the same tasks."""
        elsewhere = self.against is not None or self.against_stratum is not None
        # A recipe against itself on its own tasks has no difference to test.
        if (self.b == ("same",)) != elsewhere:
            raise UsageError(f"{where}: `b: same` and `against: PROTOCOL` or `against_stratum: NAME` go together")
        if both := sorted(set(self.a) & set(self.b)):
            raise UsageError(f"{where / 'b'}: {both[0]!r} is on both sides; leave it out on one")
        if self.against_stratum is not None and not self.stratum:
            raise UsageError(
                f"{where / 'against_stratum'}: {self.against_stratum!r} would be a part of the tasks of `a`; name the "
                "`stratum` of `a`, too"
            )
        if self.against_stratum in self.stratum and self.against is None:
            raise UsageError(f"{where / 'against_stratum'}: {self.against_stratum!r} is the stratum of `a`, too")
        if self.interaction and (self.b in (("same",), ("baseline",)) or self.interaction in self.protocols):
            raise UsageError(
                f"{where / 'interaction'}: expected another protocol than those of the claim, and two recipes, a and b"
            )


def _names(names: tuple[str, ...], where: Where, optional: bool) -> None:
    """Refuse no name, unless it is optional, and one that stands twice: its comparisons would count twice."""
    if not names and not optional:
        raise UsageError(f"{where}: expected at least one name")
    for index, name in enumerate(names):
        if not isinstance(name, str):
            raise UsageError(f"{where}: expected names, got {repr(name)[:60]}")
        if name in names[:index]:
            raise UsageError(f"{where}: {name!r} stands there twice; leave one out")


def read_claim(raw: Any, where: Where, recipes: tuple[str, ...]) -> Claim:
    """Make a claim of a mapping; `all` among its sides stands for `recipes`."""
    raw = mapping(raw, where)
    sides: Mapping[str, tuple[str, ...]] = {
        key: recipes if value == "all" and key in "ab" else tuple(value) if isinstance(value, list) else (value,)
        for key in SEVERAL
        if (value := raw.get(key)) is not None
    }
    claim: Claim = make(Claim, {**raw, **sides}, where)
    return claim
