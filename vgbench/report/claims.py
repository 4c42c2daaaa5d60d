"""What a publication says of its table, tested on the records of the same comparisons.

Two questions are asked of each comparison, each corrected by Holm's method within the claim's family (comparisons
without records count too, so that what is missing makes nothing easier):

* of these checkpoints: did one side solve more of the tasks than chance would have it?
* of the methods, from three training seeds on: does it hold over seeds and over tasks as well?

A claim of no gain is asked whether the difference is its margin; it is shown where the difference lies below, by the
same tests that contradict it where it lies above.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from vgbench.config.definitions import Claim
from vgbench.report.comparisons import NotComparable, baseline_side, compare_paired, compare_unpaired, recipe_side
from vgbench.report.table import Table
from vgbench.statistics import holm

ALPHA = 0.05


@dataclass(frozen=True)
class Finding:
    """A comparison and what came of it.

    Attributes:
        a, b: names of the two sides.
        baseline: the planner that side b is, if it is a baseline.
        seeds, n, rates, interval, p_tasks, p_seeds: see `vgbench.report.comparisons.Comparison`; without records, no
            seeds and None.
        holm_tasks, holm_seeds: p-values corrected within the family.
        scope: `over seeds`, or for whom it was found: `for this checkpoint`, `for these 2 checkpoints`.
        verdict: `confirmed`, `contradicted` or `undecided`.
        reason: why there is nothing to compare.
    """

    claim: Claim
    protocol: str
    a: str
    b: str
    baseline: str | None = None
    seeds: tuple[int, ...] = ()
    n: int = 0
    rates: tuple[float, float] | None = None
    interval: tuple[float, float] | None = None
    p_tasks: float | None = None
    p_seeds: float | None = None
    holm_tasks: float | None = None
    holm_seeds: float | None = None
    scope: str = ""
    verdict: str = "undecided"
    reason: str = ""

    @property
    def sign(self) -> str:
        """`>` or `<` where a corrected test passes, else `~`; empty without records.

        Of a claim of no gain it compares a with b and the margin on top.
        """
        if self.rates is None:
            return ""
        passed = any(p is not None and p < ALPHA for p in (self.holm_tasks, self.holm_seeds))
        return "~" if not passed else ">" if self.above else "<"

    @property
    def above(self) -> bool:
        """Whether the difference found is above that of the hypothesis: 0, or the margin of a claim of no gain."""
        assert self.rates is not None
        return self.rates[0] - self.rates[1] > (self.claim.tested_margin or 0.0)


def judge(table: Table) -> list[Finding]:
    """Judge every comparison that the suite's claims declare, in their order; each family is corrected on its own."""
    found = [_compare(claim, protocol, a, b, table) for claim, protocol, a, b in declared(table)]
    families: dict[tuple[bool, str], list[int]] = {}
    for index, finding in enumerate(found):
        families.setdefault(finding.claim.family_key, []).append(index)
    for members in families.values():
        # Without records p = 1, which never passes, but counts among the comparisons.
        tasks = holm([1.0 if (p := found[i].p_tasks) is None else p for i in members])
        seeds = holm([1.0 if (p := found[i].p_seeds) is None else p for i in members])
        for index, of_tasks, of_seeds in zip(members, tasks, seeds, strict=True):
            found[index] = _verdict(found[index], of_tasks, of_seeds)
    return found


def declared(table: Table) -> Iterator[tuple[Claim, str, str, str]]:
    """Yield all comparisons: claim, protocol, a and b."""
    for claim in table.suite.claims:
        for a in claim.a:
            for b in claim.b:
                for protocol in claim.protocols:
                    yield claim, protocol, a, b


def _compare(claim: Claim, protocol: str, a: str, b: str, table: Table) -> Finding:
    """Test one comparison; without records on both sides, say what is missing."""
    ours = table.cells.get((a, protocol))
    side_a = recipe_side(a, ours)
    finding = Finding(claim, protocol, a, b)
    try:
        if b == "baseline":
            side_b = baseline_side(ours)
        else:
            other = a if b == "same" else b
            side_b = recipe_side(other, table.cells.get((other, claim.against or protocol)))
        if claim.against:
            side_a, side_b = replace(side_a, name=f"{a} on {protocol}"), replace(side_b, name=f"{a} on {claim.against}")
        finding = replace(finding, a=side_a.name, b=side_b.name, baseline=side_b.planner)
        missing = [side.name for side in (side_a, side_b) if not side.records]
        if missing:
            raise NotComparable(f"no current record of {' nor of '.join(missing)}")
        compare = compare_unpaired if claim.against else compare_paired
        result = compare(side_a, side_b, claim.score, claim.tested_margin)
    except NotComparable as err:
        return replace(finding, reason=str(err))
    return replace(
        finding,
        seeds=result.seeds,
        n=result.n,
        rates=result.rates,
        interval=result.interval,
        p_tasks=result.p_tasks,
        p_seeds=result.p_seeds,
    )


def _verdict(finding: Finding, tasks: float, seeds: float) -> Finding:
    """Say what the corrected tests allow to say, and of whom; nothing where there are no records."""
    if finding.rates is None:
        return finding
    count, over_seeds = len(finding.seeds), finding.p_seeds is not None
    found = replace(finding, holm_tasks=tasks, holm_seeds=seeds if over_seeds else None)
    passed = over_seeds and seeds < ALPHA
    scope = "over seeds" if passed else "for this checkpoint" if count == 1 else f"for these {count} checkpoints"
    if not passed and tasks >= ALPHA:
        return replace(found, scope=scope)
    confirmed = found.above == (finding.claim.direction == "greater")
    return replace(found, verdict="confirmed" if confirmed else "contradicted", scope=scope)
