"""What a check is, how it says what is wrong, and what comes of it. Imports nothing heavy."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["FAIL", "warn"]
Status = Literal["ok", "FAIL", "warn", "skip"]


class Failure(Exception):
    """The contract is not kept: what was expected, what was seen, and what is the likely cause."""

    def __init__(self, expected: str, seen: str, cause: str) -> None:
        """Put the three together."""
        super().__init__(f"expected {expected}; saw {seen}; likely cause: {cause}")


class Skip(Exception):
    """The check does not apply to this plugin; the reason is shown. `final`: nor do those that come after it."""

    def __init__(self, reason: str, final: bool = False) -> None:
        """Say why."""
        super().__init__(reason)
        self.final = final


def expect(condition: object, expected: str, seen: object, cause: str) -> None:
    """Raise a `Failure` unless the condition holds."""
    if not bool(condition):
        raise Failure(expected, str(seen), cause)


@dataclass(frozen=True)
class Check:
    """One named check of one kind of plugin.

    Attributes:
        id: name by which it is chosen and expected to fail; unique within the kind.
        kind: kind of plugin, a key of `vgbench.plugin.entry.GROUPS`.
        severity: what a broken promise is: a FAIL, or a warning in matters of taste.
        function: takes a `Subject`; returns if all is well, else raises `Failure`, `Skip`, or what the plugin raised.
        after: checks that have to be ok before this one makes sense.
    """

    id: str
    kind: str
    severity: Severity
    function: Callable[[Any], None]
    after: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """What is promised, in one line."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


@dataclass(frozen=True)
class CheckResult:
    """What came of a check: its status, why it is not ok, and the plugin's own file and line if that raised."""

    id: str
    status: Status
    about: str = ""
    message: str = ""
    where: str = ""
    seconds: float = 0.0
    waits: bool = False
    """Skipped because of another check, so that those after it are skipped, too."""

    def json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass
class Collector:
    """Decorator that collects the checks of a module: `@check(after=("works",))` for one of its kinds."""

    kinds: tuple[str, ...]
    found: list[Check] = field(default_factory=list)

    def __call__(
        self, *, severity: Severity = "FAIL", after: Iterable[str] = ("works",), kinds: Iterable[str] = ()
    ) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        """Make a check of a function, named like it, for `kinds` (all of the collector's by default)."""

        def collect(function: Callable[[Any], None]) -> Callable[[Any], None]:
            for kind in tuple(kinds) or self.kinds:
                self.found.append(Check(function.__name__, kind, severity, function, tuple(after)))
            return function

        return collect

    def of(self, kind: str) -> list[Check]:
        """Return the checks for one kind, in the order in which they were written."""
        return [check for check in self.found if check.kind == kind]
