"""The table of a suite: for each recipe and protocol what ran, with its interval, and what was published."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vgbench.config.definitions import Suite
from vgbench.intervals import rate_interval
from vgbench.report.staleness import Comparison, compare
from vgbench.statistics import wilson
from vgbench.storage.records import Episodes, RunRecord, share_tasks


@dataclass(frozen=True)
class Published:
    """A published success rate, with the Wilson interval of its number of tasks."""

    rate: float
    n: int

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval; the rate is rounded in print, so its count is the nearest one."""
        return wilson(round(self.rate * self.n), self.n)


@dataclass(frozen=True)
class TableCell:
    """One recipe on one protocol.

    Attributes:
        records: complete runs that agree in everything but the training seed, by seed.
        stale: why the present code would not make these records; empty for current ones.
        aside: other records of this cell, which are not part of the figure, each with the reason.
        younger: parameters that a record does not have, at their defaults.
        asked: whether the suite runs this recipe on this protocol.
    """

    recipe: str
    protocol: str
    records: tuple[RunRecord, ...] = ()
    stale: tuple[str, ...] = ()
    aside: tuple[tuple[RunRecord, str], ...] = ()
    published: Published | None = None
    younger: tuple[str, ...] = ()
    asked: bool = True

    @property
    def state(self) -> str:
        """`done`, `stale`, `failed`, `missing` or `not asked`."""
        if self.records:
            return "stale" if self.stale else "done"
        if any(record.error for record, _ in self.aside):
            return "failed"
        return "missing" if self.asked else "not asked"

    @property
    def rate(self) -> float:
        """Mean success rate over the seeds."""
        return sum(record.rate for record in self.records) / len(self.records)

    @cached_property
    def share_tasks(self) -> bool:
        """Whether its seeds are judged on the same tasks; True for one seed."""
        return len(self.records) == 1 or share_tasks(self.records)

    @cached_property
    def _interval(self) -> tuple[float, float, str]:
        return rate_interval([r.episodes.success for r in self.records], self.share_tasks)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval for tasks like these, see `vgbench.intervals.rate_interval`."""
        return self._interval[:2]

    @property
    def kind(self) -> str:
        """Kind of the interval: `wilson`, `wilson_over_seeds` (of shared tasks) or `wilson_own_tasks`."""
        return self._interval[2]

    @property
    def mark(self) -> str:
        """`below` or `above` where the two intervals do not meet; stale figures are not compared."""
        if self.state != "done" or self.published is None:
            return ""
        low, high = self.published.interval
        return "below" if self.interval[1] < low else "above" if self.interval[0] > high else ""


@dataclass(frozen=True)
class Table:
    """All cells of a suite at a scale, by (recipe, protocol)."""

    suite: Suite
    scale: str
    variant: str | None
    cells: Mapping[tuple[str, str], TableCell]

    def baselines(self, protocol: str) -> list[dict[str, Any]]:
        """Rates of the planners that know nothing of the cost, on the tasks of the protocol's current records.

        A row for each planner, over the seeds; where runs of one seed do not agree, one for each outcome.
        """
        played: dict[str, dict[tuple[int, Episodes], RunRecord]] = {}
        for cell in self.cells.values():
            for record in cell.records if cell.protocol == protocol and cell.state == "done" else ():
                for planner, episodes in record.baselines.items():
                    played.setdefault(planner, {}).setdefault((record.seed, episodes), record)
        rows = []
        for planner in sorted(played):
            outcomes = sorted(played[planner].items(), key=lambda item: item[0][0])
            seeds = [seed for (seed, _), _ in outcomes]
            agree = len(set(seeds)) == len(seeds)
            rows += [_baseline(planner, group) for group in ([outcomes] if agree else [[one] for one in outcomes])]
        return rows

    def task_hashes(self) -> list[dict[str, Any]]:
        """For each protocol and task seed, the task manifests of the records in the table: hash -> training runs.

        Records of one protocol and seed ought to agree. Those that are older than manifests are not among them.
        """
        found: dict[tuple[str, int], dict[str, list[RunRecord]]] = {}
        for cell in self.cells.values():
            for record in cell.records:
                if record.tasks is not None:
                    place = (cell.protocol, record.identity["seeds"]["task"])
                    found.setdefault(place, {}).setdefault(record.tasks, []).append(record)
        return [
            {"protocol": protocol, "task_seed": seed, "agree": len(hashes) == 1, "hashes": hashes}
            for (protocol, seed), hashes in found.items()
        ]


def _baseline(planner: str, outcomes: list[tuple[tuple[int, Episodes], RunRecord]]) -> dict[str, Any]:
    """Return the rate of a baseline over some seeds; those on the same tasks with the same outcome count once."""
    unlike: dict[Episodes, RunRecord] = {}
    for (_, episodes), record in outcomes:
        unlike.setdefault(episodes, record)
    rows, records = [episodes.success for episodes in unlike], list(unlike.values())
    low, high, _ = rate_interval(rows, len(records) == 1 or share_tasks(records))
    successes, n = sum(map(sum, rows)), sum(map(len, rows))
    about = {"planner": planner, "successes": successes, "n": n, "rate": successes / n, "ci95": (low, high)}
    return about | {"seeds": [seed for (seed, _), _ in outcomes]}


def recipes(suite: Suite) -> tuple[str, ...]:
    """Return the recipes of a suite, and after them those that only its claims name."""
    claimed = [name for claim in suite.claims for name in claim.recipes()]
    return tuple(dict.fromkeys([*suite.recipes, *claimed]))


def build(suite: Suite, scale: str, records: Iterable[RunRecord], variant: str | None = None) -> Table:
    """Sort records into the cells of a suite. Cells never mix scales, task seeds or any other value but the seed."""
    sorted_in: dict[tuple[str, str], list[RunRecord]] = {}
    # The report must not depend on the order in which folders were found.
    for record in sorted(records, key=lambda r: (r.seed, str(r.path))):
        sorted_in.setdefault((record.recipe, record.protocol), []).append(record)
    cells = {}
    for recipe in recipes(suite):
        for protocol in suite.protocols:
            rate = suite.published.get(recipe, {}).get(protocol)
            published = None if rate is None else Published(rate, suite.published_n[protocol])
            found = [(record, compare(record, variant)) for record in sorted_in.get((recipe, protocol), [])]
            cells[recipe, protocol] = _cell(recipe, protocol, found, published, suite.has(recipe, protocol))
    return Table(suite, scale, variant, cells)


def _cell(
    recipe: str,
    protocol: str,
    compared: list[tuple[RunRecord, Comparison]],
    published: Published | None,
    asked: bool,
) -> TableCell:
    """Take the current records for the figure or, if there is none, the largest group of old ones that agree."""
    failed = [(record, f"failed: {record.error}") for record, _ in compared if record.error]
    whole = [(record, comparison) for record, comparison in compared if not record.error]
    current = [pair for pair in whole if not pair[1].differences]
    shown = current or max(_alike(whole), key=len, default=[])
    taken = _a_record_a_seed(shown)
    rest = [(record, _why(comparison)) for record, comparison in whole if record not in [r for r, _ in taken]]
    # A failure is of no interest where the figure has a record of its seed.
    aside = [(record, why) for record, why in failed if record.seed not in [r.seed for r, _ in taken]] + rest
    return TableCell(
        recipe,
        protocol,
        tuple(record for record, _ in taken),
        tuple(dict.fromkeys(d for _, comparison in taken for d in comparison.differences)),
        tuple(aside),
        published,
        tuple(dict.fromkeys(name for _, comparison in taken for name in comparison.younger)),
        asked,
    )


def _alike(pairs: list[tuple[RunRecord, Comparison]]) -> list[list[tuple[RunRecord, Comparison]]]:
    """Group records that differ from the present runs, and so from each other, in the training seed alone."""
    groups: dict[str, list[tuple[RunRecord, Comparison]]] = {}
    for record, comparison in pairs:
        seeds = {name: seed for name, seed in record.identity["seeds"].items() if name != "train"}
        # As text: an identity holds lists and mappings, which cannot be keys.
        groups.setdefault(str(record.identity | {"seeds": seeds}), []).append((record, comparison))
    return list(groups.values())


def _a_record_a_seed(pairs: list[tuple[RunRecord, Comparison]]) -> list[tuple[RunRecord, Comparison]]:
    """One record for each seed: of several (other devices, older ones that still hold) the one least older."""
    best: dict[int, tuple[RunRecord, Comparison]] = {}
    for record, comparison in sorted(pairs, key=lambda pair: len(pair[1].younger)):
        best.setdefault(record.seed, (record, comparison))
    return [best[seed] for seed in sorted(best)]


def _why(comparison: Comparison) -> str:
    if not comparison.differences:
        return "another record has this seed"
    return f"stale: {few(comparison.differences)}"


def few(texts: Iterable[str], most: int = 3) -> str:
    """Join the first of some texts, and count the rest."""
    texts = list(texts)
    return "; ".join(texts[:most]) + (f"; and {len(texts) - most} more" if len(texts) > most else "")
