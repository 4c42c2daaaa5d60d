"""Records of the repository that are shipped with vgbench: success and cost of the rows of the paper's table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PATH = Path(__file__).resolve().parents[1] / "recorded.json"
"""Written by `python docs/hooks/recorded.py` from results/paper_table_2."""


@dataclass(frozen=True)
class Recorded:
    """A row of the table on one protocol, all its seeds together.

    Attributes:
        ci95: 95 % interval of the rate.
        cpu_seconds: of each stage of one run, on one thread.
        flops: floating-point operations of training stages, of `encode`, and of `planning` with no task solved early.
        planning_share: share of the latter that was needed; None where it is not known.
    """

    variant: str
    protocol: str
    recipe: str
    scale: str
    success_rate: float
    successes: int
    n: int
    ci95: Sequence[float]
    seeds: Sequence[int]
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)
    flops: Mapping[str, float] = field(default_factory=dict)
    planning_share: float | None = None

    @property
    def rate(self) -> dict[str, object]:
        """Return it as `vgbench.text.rate_text` takes it."""
        return {name: getattr(self, name) for name in ("success_rate", "successes", "n", "ci95")}


@cache
def content() -> tuple[float, tuple[Recorded, ...]]:
    """Return the rate of matrix products on the machine of the records, per CPU-second, and the rows."""
    raw = json.loads(PATH.read_text(encoding="utf-8"))
    return float(raw["matmul_flops_per_cpu_second"]), tuple(Recorded(**row) for row in raw["rows"])


def row(variant: str | None, protocol: str, recipe: str | None, scale: str) -> Recorded | None:
    """Return a row, if there is a record of it."""
    wanted = (variant, protocol, recipe, scale)
    return next((r for r in content()[1] if (r.variant, r.protocol, r.recipe, r.scale) == wanted), None)
