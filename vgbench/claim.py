"""What a publication says of its table, as registry.yaml has it; `vgbench.report.claims` tests it."""

from collections.abc import Iterable
from dataclasses import dataclass

from vgbench.errors import UsageError
from vgbench.wording import suggest
from vgbench.yaml_file import Where

DIRECTIONS = ("greater", "not_greater")


@dataclass(frozen=True)
class Claim:
    """What a publication says of its table: each of `a` does better than each of `b` on each of the protocols, or not.

    Attributes:
        text: the publication's words, shortened.
        a: recipes; in the file a name, a list of them, or `all`: those of the suite.
        b: likewise, or `floor`: the protocol's floor on the same tasks, or `same`: the recipe itself, see `against`.
        protocols: where `a` is judged.
        direction: `greater`, or `not_greater`: a gain of less than `margin`, if any.
        against: protocol on which `b` is judged, if it is another one.
    """

    name: str
    text: str
    a: tuple[str, ...]
    b: tuple[str, ...]
    protocols: tuple[str, ...]
    direction: str = "greater"
    against: str | None = None
    margin: float = 0.05

    def recipes(self) -> tuple[str, ...]:
        """Names of the recipes on both sides."""
        return self.a if self.b in (("floor",), ("same",)) else (*self.a, *self.b)

    def check(self, where: Where, recipes: Iterable[str], protocols: Iterable[str]) -> None:
        """Refuse names that do not exist; `where` names the claim in messages."""
        places = (self.against,) if self.against else ()
        checks = [("a", "recipe", self.a, recipes), ("b", "recipe", self.recipes()[len(self.a) :], recipes)]
        checks += [("protocols", "protocol", self.protocols, protocols), ("against", "protocol", places, protocols)]
        for key, kind, names, known in checks:
            for name in names:
                if name not in known:
                    raise UsageError(f"{where}.{key}: no {kind} named {name!r}. {suggest(str(name), known)}")
        if self.direction not in DIRECTIONS:
            hint = suggest(str(self.direction), DIRECTIONS)
            raise UsageError(f"{where}.direction: unknown value {self.direction!r}. {hint}")
        if (self.b == ("same",)) != (self.against is not None):
            raise UsageError(f"{where}: `b: same` and `against: PROTOCOL` go together")
