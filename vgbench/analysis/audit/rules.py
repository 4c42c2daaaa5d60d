"""The rules by which a protocol is admitted to judge methods, each with its bound and why.

They are about its tasks on tuning seeds, without a trained model, and about how recipes fare on them. They were set
before a protocol was held against them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Record = Mapping[str, Any]
Passed = Literal["passed", "failed", "unknown"]

EXACT_STRAIGHT, EXACT_TRUE = "exact model, straight", "exact model, true value"
UNINFORMED, HELD, RANDOM = "uninformed planner", "held", "random actions"
LOW, HIGH = 0.15, 0.85


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        name: of the rule.
        text: what it asks for, in words.
        bound: of its value.
        least: whether the value has to be at least the bound; else at most.
        value: makes the value of an audit's record; None where the record does not tell.
        needs: what a record that does not tell lacks.
    """

    name: str
    text: str
    bound: float
    least: bool
    value: Callable[[Record], float | None]
    needs: str = "a state grid and cost to go of the environment"

    def judge(self, record: Record) -> dict[str, Any]:
        """Return JSON values: name, text, value, bound and `passed`, `failed` or `unknown`."""
        value = self.value(record)
        passed: Passed = "unknown"
        if value is not None:
            # Rates are counts over tasks: .95 must not fail by rounding.
            good = value >= self.bound - 1e-9 if self.least else value <= self.bound + 1e-9
            passed = "passed" if good else "failed"
        about = {"name": self.name, "text": self.text, "value": value, "bound": self.bound, "least": self.least}
        return about | {"verdict": passed} | ({"needs": self.needs} if value is None else {})


def _rung(record: Record, name: str) -> Record | None:
    return next((row for row in record["rungs"] if row["name"] == name and "skipped" not in row), None)


def _whole(name: str) -> Callable[[Record], float | None]:
    def value(record: Record) -> float | None:
        row = _rung(record, name)
        return None if row is None else float(row["success_rate"])

    return value


def _hardest(record: Record) -> float | None:
    """Success of the exact model with the straight distance where it solves least."""
    row = _rung(record, EXACT_STRAIGHT)
    if row is None:
        return None
    return min(float(part["success_rate"]) for part in row.get("strata", {"": row}).values())


def _items(name: str) -> Callable[[Record], float | None]:
    return lambda record: None if record["items"] is None else record["items"][name]


_RECORDS = "records of several recipes (--records DIR)"

RULES = (
    Rule(
        "straight_fails",
        "the exact model with the straight distance solves at most half of the hardest stratum: a value has work to do",
        0.5,
        False,
        _hardest,
        "a rung that could be played",
    ),
    Rule(
        "true_value_solves",
        "the exact model with the true value solves nearly all: what is missed is the method's",
        0.95,
        True,
        _whole(EXACT_TRUE),
    ),
    Rule(
        "chance_fails",
        "the planner with random costs solves few: success is not luck",
        0.15,
        False,
        _whole(UNINFORMED),
        "a planner that asks for costs",
    ),
    Rule(
        "informative",
        "many tasks are solved by some recipes and missed by others",
        0.4,
        True,
        _items("informative"),
        _RECORDS,
    ),
    Rule(
        "spread",
        f"several recipes lie between {LOW:g} and {HIGH:g}: neither floor nor ceiling",
        4,
        True,
        _items("between"),
        _RECORDS,
    ),
    Rule(
        "agreement",
        "few tasks go against the rest: negative item-rest correlation",
        0.1,
        False,
        _items("negative_item_rest"),
        _RECORDS,
    ),
)


def verdict(judged: list[dict[str, Any]]) -> str:
    """Return `admitted`, `not admitted`, or `undecided` where no rule fails and one could not be held against it."""
    found = {rule["verdict"] for rule in judged}
    return "not admitted" if "failed" in found else "undecided" if "unknown" in found else "admitted"
