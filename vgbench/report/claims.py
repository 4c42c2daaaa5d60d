"""What a publication says of its table, tested on the records of the same comparisons.

Two questions are asked of each comparison, each corrected by Holm's method over all comparisons that the suite declares
(those without records count too, so that what is missing makes nothing easier):

* of these checkpoints: did one side solve more of the tasks than chance would have it? Over tasks: McNemar's exact test
  for one checkpoint a side, its generalisation by sign flips for several; Fisher's where the sides have other tasks.
* of the methods, from three training seeds on: does it hold over seeds (Student's paired test over the seeds' rates,
  Welch's where the tasks are others) and over tasks as well? The larger of the two p-values counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil, floor

from vgbench.config.definitions import Claim
from vgbench.report.table import Table, TableCell
from vgbench.statistics import fisher_exact, holm, newcombe, paired_t, sign_flip, t_interval, welch_t
from vgbench.storage.records import Episodes, RunRecord

ALPHA = 0.05
SEEDS_FOR_METHODS = 3


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a recipe, or the baseline beside a recipe's runs, on a protocol."""

    name: str
    episodes: dict[int, Episodes]  # by training seed
    places: dict[int, object]  # what decides the tasks, by training seed

    def rate(self, seeds: list[int]) -> float:
        """Mean success rate over some seeds."""
        return sum(self.rates(seeds)) / len(seeds)

    def rates(self, seeds: list[int]) -> list[float]:
        """Success rate of each seed."""
        return [self.episodes[seed].successes / len(self.episodes[seed]) for seed in seeds]


@dataclass(frozen=True)
class Finding:
    """A comparison and what came of it.

    Attributes:
        a, b: names of the two sides.
        rates: theirs, over the seeds compared; None without records.
        interval: 95 % interval of their difference: Newcombe's on the number of tasks, and Student's over the seeds if
            that is wider. It is not corrected for the number of comparisons.
        p_tasks, p_seeds: as tested; `p_seeds` is the larger p-value over seeds and tasks, None below three seeds.
        holm_tasks, holm_seeds: corrected.
        scope: `over seeds`, or for whom it was found: `for this checkpoint`, `for these 2 checkpoints`.
        verdict: `confirmed`, `contradicted` or `undecided`.
        reason: why there is nothing to compare.
    """

    claim: Claim
    protocol: str
    a: str
    b: str
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
        """`>` or `<` where a corrected test passes, else `~`; empty without records."""
        if self.rates is None:
            return ""
        passed = any(p is not None and p < ALPHA for p in (self.holm_tasks, self.holm_seeds))
        return "~" if not passed else ">" if self.rates[0] > self.rates[1] else "<"


def judge(table: Table) -> list[Finding]:
    """Judge every comparison that the suite's claims declare, in their order."""
    found = [_compare(claim, protocol, a, b, table) for claim, protocol, a, b in declared(table)]
    # Without records p = 1, which never passes, but counts among the comparisons.
    tasks = holm([1.0 if f.p_tasks is None else f.p_tasks for f in found])
    seeds = holm([1.0 if f.p_seeds is None else f.p_seeds for f in found])
    return [_verdict(f, t, s) for f, t, s in zip(found, tasks, seeds, strict=True)]


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
    side_a = _side(a, ours)
    if b == "baseline":
        side_b = _baseline(ours)
    else:
        other = a if b == "same" else b
        side_b = _side(other, table.cells.get((other, claim.against or protocol)))
    if claim.against:
        side_a, side_b = replace(side_a, name=f"{a} on {protocol}"), replace(side_b, name=f"{a} on {claim.against}")
    finding = Finding(claim, protocol, side_a.name, side_b.name)
    missing = [side.name for side in (side_a, side_b) if not side.episodes]
    if missing:
        return replace(finding, reason=f"no current record of {' nor of '.join(missing)}")
    return _unpaired(finding, side_a, side_b) if claim.against else _paired(finding, side_a, side_b)


def _side(name: str, cell: TableCell | None) -> Side:
    records = cell.records if cell is not None and cell.state == "done" else ()
    return Side(name, {r.seed: r.episodes for r in records}, {r.seed: _place(r) for r in records})


def _baseline(cell: TableCell | None) -> Side:
    """The baseline's episodes beside a recipe's: the same for each of its seeds."""
    records = [r for r in (cell.records if cell is not None and cell.state == "done" else ()) if r.baseline]
    return Side("baseline", {r.seed: r.baseline for r in records if r.baseline}, {r.seed: _place(r) for r in records})


def _place(record: RunRecord) -> object:
    """What decides the tasks of a record, and what came of it."""
    identity = record.identity
    # Equal distances at all starts mean equal tasks; not every record has a hash of them.
    return (identity["environment"]["name"], identity["seeds"]["task"], record.episodes.start_distance)


def _paired(finding: Finding, a: Side, b: Side) -> Finding:
    """Compare on the same tasks, over the seeds that both sides have."""
    seeds = sorted(set(a.episodes) & set(b.episodes))
    if not seeds:
        return replace(finding, reason="the two have no training seed in common")
    if any(a.places[seed] != b.places[seed] for seed in seeds):
        return replace(finding, reason="the two were judged on different tasks")
    tasks = list(zip(*(_difference(a.episodes[seed], b.episodes[seed]) for seed in seeds), strict=True))
    p = sign_flip([sum(task) for task in tasks])  # for one seed: McNemar's exact test
    return _measured(finding, a, b, seeds, seeds, p, paired_t)


def _difference(a: Episodes, b: Episodes) -> list[int]:
    return [int(x) - int(y) for x, y in zip(a.success, b.success, strict=True)]


def _unpaired(finding: Finding, a: Side, b: Side) -> Finding:
    """Compare on different tasks. Each task counts once, however many seeds tried it: seeds share their tasks."""
    seeds_a, seeds_b = sorted(a.episodes), sorted(b.episodes)
    counts = _counts(a, seeds_a, b, seeds_b)
    return _measured(finding, a, b, seeds_a, seeds_b, fisher_exact(*counts), welch_t)


def _counts(a: Side, seeds_a: list[int], b: Side, seeds_b: list[int]) -> tuple[int, int, int, int]:
    """Tasks solved and tasks, of either side; means over seeds are rounded towards each other, which is cautious."""
    n_a, n_b = len(a.episodes[seeds_a[0]]), len(b.episodes[seeds_b[0]])
    rate_a, rate_b = a.rate(seeds_a), b.rate(seeds_b)
    # Rounded before: 0.29 * 100 is 28.999999999999996, and its floor would lose a task.
    down, up = (lambda x: floor(round(x, 9))), (lambda x: ceil(round(x, 9)))
    to_a, to_b = (down, up) if rate_a >= rate_b else (up, down)
    return to_a(rate_a * n_a), n_a, to_b(rate_b * n_b), n_b


def _measured(
    finding: Finding,
    a: Side,
    b: Side,
    seeds_a: list[int],
    seeds_b: list[int],
    p_tasks: float,
    over_seeds: Callable[[list[float], list[float]], float],
) -> Finding:
    """Add rates, the interval of their difference and the p-values."""
    rates_a, rates_b = a.rates(seeds_a), b.rates(seeds_b)
    fewest = min(len(seeds_a), len(seeds_b))
    low, high = newcombe(*_counts(a, seeds_a, b, seeds_b))
    if seeds_a == seeds_b and len(seeds_a) > 1:
        t_low, t_high = t_interval([x - y for x, y in zip(rates_a, rates_b, strict=True)])
        # Student's interval may reach beyond 1, where no difference of rates lies.
        low, high = max(-1.0, min(low, t_low)), min(1.0, max(high, t_high))
    p_seeds = max(p_tasks, over_seeds(rates_a, rates_b)) if fewest >= SEEDS_FOR_METHODS else None
    return replace(
        finding,
        seeds=tuple(sorted({*seeds_a, *seeds_b})),
        n=len(a.episodes[seeds_a[0]]),
        rates=(a.rate(seeds_a), b.rate(seeds_b)),
        interval=(low, high),
        p_tasks=p_tasks,
        p_seeds=p_seeds,
    )


def _verdict(finding: Finding, tasks: float, seeds: float) -> Finding:
    """Say what the corrected tests allow to say, and of whom; nothing where there are no records."""
    if finding.rates is None or finding.interval is None:
        return finding
    count = len(finding.seeds)
    here = "for this checkpoint" if count == 1 else f"for these {count} checkpoints"
    over_seeds = finding.p_seeds is not None
    found = replace(finding, holm_tasks=tasks, holm_seeds=seeds if over_seeds else None)
    passed = over_seeds and seeds < ALPHA
    scope = "over seeds" if passed else here
    greater = finding.rates[0] > finding.rates[1]
    if passed or tasks < ALPHA:
        verdict = "confirmed" if greater == (finding.claim.direction == "greater") else "contradicted"
        return replace(found, verdict=verdict, scope=scope)
    # An absence is never shown by a test that did not pass, but by an interval that has no room for a gain.
    absent = finding.claim.direction == "not_greater" and finding.interval[1] < finding.claim.margin
    scope = "over seeds" if over_seeds and absent else here
    return replace(found, verdict="confirmed" if absent else "undecided", scope=scope)
