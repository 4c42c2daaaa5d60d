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
from itertools import product

from vgbench.config.claims import Claim
from vgbench.reports.comparisons import (
    Comparison,
    NotComparable,
    Side,
    baseline_side,
    compare_interaction,
    compare_paired,
    compare_strata,
    compare_unpaired,
    recipe_side,
)
from vgbench.reports.table import Table, TableCell
from vgbench.statistics import holm
from vgbench.text import suggest

ALPHA = 0.05
OVER_SEEDS = "over seeds"
"""Scope of a verdict about methods, not only about the checkpoints that were compared."""


@dataclass(frozen=True)
class Finding:
    """A comparison and what came of it.

    Attributes:
        a, b: names of the two sides.
        variant: in which both were run; None without variants.
        score: what is compared.
        stratum: whose tasks it is about; None: all.
        baseline: the planner that side b is, if it is a baseline.
        seeds, n, rates, interval, p_tasks, p_seeds: see `vgbench.reports.comparisons.Comparison`; without records, no
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
    variant: str | None = None
    score: str = "success"
    stratum: str | None = None
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
    """Judge every comparison that the suite's claims declare, in their order, in each of the variants.

    Each family of a variant is corrected on its own.
    """
    found = [_compare(finding, table) for finding in declared(table)]
    families: dict[tuple[str | None, tuple[bool, str]], list[int]] = {}
    for index, finding in enumerate(found):
        families.setdefault((finding.variant, finding.claim.family_key), []).append(index)
    for members in families.values():
        # Without records p = 1, which never passes, but counts among the comparisons.
        tasks = holm([1.0 if (p := found[i].p_tasks) is None else p for i in members])
        seeds = holm([1.0 if (p := found[i].p_seeds) is None else p for i in members])
        for index, of_tasks, of_seeds in zip(members, tasks, seeds, strict=True):
            found[index] = _verdict(found[index], of_tasks, of_seeds)
    return found


def declared(table: Table) -> Iterator[Finding]:
    """Yield all comparisons, before they are tested."""
    for variant in table.variants:
        for claim in table.suite.claims:
            for a, b, protocol in product(claim.a, claim.b, claim.protocols):
                for stratum, score in product(claim.stratum or (None,), claim.score):
                    yield Finding(claim, protocol, a, b, variant, score, stratum)


def _compare(finding: Finding, table: Table) -> Finding:
    """Test one comparison; without records on both sides, say what is missing."""
    try:
        if finding.claim.interaction:
            return _interaction(finding, table)
        side_a, side_b = _sides(finding, table)
        finding = replace(finding, a=side_a.name, b=side_b.name, baseline=side_b.planner)
        _have_records(side_a, side_b)
        compare = compare_paired
        if finding.claim.b == ("same",):
            # Other tasks: of another protocol, with models of its own, or of another stratum, with the same ones.
            compare = compare_unpaired if finding.claim.against else compare_strata
        return _tested(finding, compare(side_a, side_b, finding.score, finding.claim.tested_margin))
    except NotComparable as err:
        return replace(finding, reason=str(err))


def _sides(finding: Finding, table: Table) -> tuple[Side, Side]:
    claim, a, b = finding.claim, finding.a, finding.b
    ours = _cell(table, a, finding.protocol, finding)
    if b == "baseline":
        return recipe_side(a, ours), baseline_side(ours)
    if b != "same":
        return recipe_side(a, ours), recipe_side(b, _cell(table, b, finding.protocol, finding))
    place, stratum = claim.against or finding.protocol, claim.against_stratum or finding.stratum
    theirs = _cell(table, a, place, replace(finding, stratum=stratum))
    names = [(finding.protocol, finding.stratum), (place, stratum)]
    texts = [
        " ".join([a, *(["on", where] if claim.against else []), *([f"({part})"] if part else [])])
        for where, part in names
    ]
    return recipe_side(texts[0], ours), recipe_side(texts[1], theirs)


def _interaction(finding: Finding, table: Table) -> Finding:
    pairs = []
    for protocol in (finding.protocol, str(finding.claim.interaction)):
        sides = [
            replace(recipe_side(name, _cell(table, name, protocol, finding)), name=f"{name} on {protocol}")
            for name in (finding.a, finding.b)
        ]
        _have_records(*sides)
        pairs.append((sides[0], sides[1]))
    result = compare_interaction(pairs[0], pairs[1], finding.score, finding.claim.tested_margin)
    gain = f"{finding.a} - {finding.b}"
    return _tested(replace(finding, a=gain, b=f"{gain} on {finding.claim.interaction}"), result)


def _cell(table: Table, recipe: str, protocol: str, finding: Finding) -> TableCell | None:
    """Cell of a recipe, of the tasks of a stratum alone if the comparison is about one."""
    cell = table.cells.get((recipe, protocol, finding.variant))
    if cell is None or finding.stratum is None or not cell.records:
        return cell
    found = cell.of(finding.stratum)
    if not found.records:
        known = dict.fromkeys(name for record in cell.records for name in record.episodes.strata)
        raise NotComparable(
            f"no task of stratum {finding.stratum!r} in the records of {recipe} on {protocol}. "
            + suggest(finding.stratum, known)
        )
    return found


def _have_records(*sides: Side) -> None:
    missing = [side.name for side in sides if not side.records]
    if missing:
        raise NotComparable(f"no current record of {' nor of '.join(missing)}")


def _tested(finding: Finding, result: Comparison) -> Finding:
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
    scope = OVER_SEEDS if passed else "for this checkpoint" if count == 1 else f"for these {count} checkpoints"
    if not passed and tasks >= ALPHA:
        return replace(found, scope=scope)
    confirmed = found.above == (finding.claim.direction == "greater")
    return replace(found, verdict="confirmed" if confirmed else "contradicted", scope=scope)
