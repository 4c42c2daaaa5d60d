"""The table of a suite: for each recipe and protocol what ran, with its interval, and what was published."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from vgbench import scores
from vgbench.config.definitions import Suite
from vgbench.intervals import rate_interval
from vgbench.reports.staleness import Comparison, compare
from vgbench.statistics import wilson
from vgbench.storage.episode_rows import Episodes
from vgbench.storage.records import RunRecord, share_tasks

OTHER_VALUES = "has other values: "  # asked for by its command; see `TableCell.aside`
Place = tuple[str, str, str | None]
"""Recipe, protocol and variant."""


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
    """One recipe on one protocol in one variant.

    Attributes:
        records: complete runs that agree in everything but the training seed, by seed.
        stale: why the present code would not make these records; empty for current ones.
        aside: other records of this cell, which are not part of the figure, each with the reason.
        younger: parameters that a record does not have, at their defaults.
        asked: whether the suite runs this recipe on this protocol.
        variant: of its records; None in a table without variants.
        changed_sources: plugins whose source is another one now than its records'.
    """

    recipe: str
    protocol: str
    records: tuple[RunRecord, ...] = ()
    stale: tuple[str, ...] = ()
    aside: tuple[tuple[RunRecord, str], ...] = ()
    published: Published | None = None
    younger: tuple[str, ...] = ()
    asked: bool = True
    variant: str | None = None
    changed_sources: tuple[str, ...] = ()

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
        """Mean success rate over the seeds, rounded once: means of rounded rates would print .03 for 7 of 200."""
        rates = (Fraction(record.episodes.successes, len(record.episodes)) for record in self.records)
        return float(sum(rates, Fraction()) / len(self.records))

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

    def score(self, name: str) -> tuple[float, tuple[float, float]] | None:
        """Mean of a score of `vgbench.scores` and its interval, as of the rate; None if a record does not have it."""
        rows = [record.episodes.scores[name] for record in self.records if name in record.episodes.scores]
        if not rows or len(rows) < len(self.records):
            return None
        # Of one seed as in its result.json; of several as for success, wider than a score between 0 and 1 needs.
        low, high = scores.interval(rows[0]) if len(rows) == 1 else rate_interval(rows, self.share_tasks)[:2]
        return sum(map(sum, rows)) / sum(map(len, rows)), (low, high)

    @property
    def strata(self) -> tuple[str, ...]:
        """Strata of its tasks, in the order in which they come first."""
        return tuple(dict.fromkeys(name for record in self.records for name in record.episodes.strata))

    def of(self, stratum: str) -> "TableCell":
        """Return the cell of the tasks of one stratum alone, without records where none has such tasks."""
        records = tuple(found for record in self.records if len((found := record.of(stratum)).episodes))
        return replace(self, records=records, published=None)

    @property
    def mark(self) -> str:
        """`below` or `above` where the two intervals do not meet; stale figures are not compared."""
        if self.state != "done" or self.published is None:
            return ""
        low, high = self.published.interval
        return "below" if self.interval[1] < low else "above" if self.interval[0] > high else ""


@dataclass(frozen=True)
class Table:
    """All cells of a suite at a scale, by recipe, protocol and variant.

    `variants` stand side by side, in this order; (None,) without variants.
    """

    suite: Suite
    scale: str
    variants: tuple[str | None, ...]
    cells: Mapping[Place, TableCell]

    @property
    def side_by_side(self) -> bool:
        """Whether it has several variants, which are then named wherever a cell is."""
        return len(self.variants) > 1

    def publishes(self, protocol: str) -> bool:
        """Whether there is a published rate on a protocol."""
        return any(cell.published for cell in self.cells.values() if cell.protocol == protocol)

    def baselines(self, protocol: str, variant: str | None) -> list[dict[str, Any]]:
        """Rates of the planners that know nothing of the cost, on the tasks of the protocol's current records.

        A row for each planner and for each set of values that commands asked for (`beside`: the row of the table whose
        values those are, or None), over the seeds; where runs of one seed do not agree, one for each outcome.
        """
        played: dict[tuple[str, str], dict[tuple[int, Episodes], RunRecord]] = {}
        for cell in self.cells.values():
            if (cell.protocol, cell.variant) != (protocol, variant) or cell.state != "done":
                continue
            for record in cell.records:
                for planner, episodes in record.baselines.items():
                    played.setdefault((planner, record.row or ""), {}).setdefault((record.seed, episodes), record)
        rows: list[dict[str, Any]] = []
        for planner, label in sorted(played):
            outcomes = sorted(played[planner, label].items(), key=lambda item: item[0][0])
            seeds = [seed for (seed, _), _ in outcomes]
            agree = len(set(seeds)) == len(seeds)
            for group in [outcomes] if agree else [[one] for one in outcomes]:
                found = {"planner": planner, "beside": label or None} | _rate(group)
                # Values that only the learned rows notice, such as those of a loss, leave a baseline as it is.
                if not any(row | {"beside": None} == found | {"beside": None} for row in rows):
                    rows.append(found)
        return rows

    def task_hashes(self) -> list[dict[str, Any]]:
        """For each protocol, variant and seed of data and tasks, the task manifests of its records: hash -> runs.

        They ought to agree (a layout may come with the data). Records older than manifests are not among them.
        """
        found: dict[tuple[str, str | None, int, int], dict[str, list[RunRecord]]] = {}
        for cell in self.cells.values():
            for record in cell.records:
                if record.tasks is not None:
                    seeds = record.identity["seeds"]
                    place = (cell.protocol, cell.variant, seeds["data"], seeds["task"])
                    found.setdefault(place, {}).setdefault(record.tasks, []).append(record)
        return [
            {"protocol": protocol, "variant": variant, "data_seed": data, "task_seed": seed}
            | {"agree": len(hashes) == 1, "hashes": hashes}
            for (protocol, variant, data, seed), hashes in found.items()
        ]


def _rate(outcomes: list[tuple[tuple[int, Episodes], RunRecord]]) -> dict[str, Any]:
    """Return the rate of a baseline over some seeds; those on the same tasks with the same outcome count once."""
    unlike: dict[Episodes, RunRecord] = {}
    for (_, episodes), record in outcomes:
        unlike.setdefault(episodes, record)
    rows, records = [episodes.success for episodes in unlike], list(unlike.values())
    low, high, _ = rate_interval(rows, len(records) == 1 or share_tasks(records))
    successes, n = sum(map(sum, rows)), sum(map(len, rows))
    about = {"successes": successes, "n": n, "rate": successes / n, "ci95": (low, high)}
    return about | {"seeds": [seed for (seed, _), _ in outcomes]}


def baseline_name(about: dict[str, Any]) -> str:
    """Name a row of `Table.baselines`: its planner, and whose values it has where those are not the protocol's."""
    return about["planner"] if about["beside"] is None else f"{about['planner']} beside {about['beside']}"


def recipes(suite: Suite) -> tuple[str, ...]:
    """Return the recipes of a suite, and after them those that only its claims name."""
    claimed = [name for claim in suite.claims for name in claim.recipes()]
    return tuple(dict.fromkeys([*suite.recipes, *claimed]))


def variants(records: Iterable[RunRecord]) -> list[str]:
    """Return the variants of some records, those of registry.yaml first; the default one where none is named."""
    from vgbench.config.catalogue_files import load_catalogue

    ran, default = {record.variant for record in records}, load_catalogue().variant(None)
    known = [name for name in load_catalogue().variants if name in ran]
    own = sorted(name for name in ran if name is not None and name not in known)
    return [*known, *own] or ([default.name] if default else [])


def build(
    suite: Suite,
    scale: str,
    records: Iterable[RunRecord],
    variants: Sequence[str | None] = (None,),
    own: Path | None = None,
) -> Table:
    """Sort records into the cells of a suite. Cells never mix scales, task seeds or any other value but the seed.

    Args:
        suite: rows and columns.
        scale: of all the records.
        records: in any order.
        variants: side by side. A record that names none belongs to the first one in which it still holds.
        own: file with recipes and protocols of the user's own.
    """
    sorted_in: dict[Place, list[RunRecord]] = {}
    # The report must not depend on the order in which folders were found.
    for record in sorted(records, key=lambda r: (r.seed, str(r.path))):
        sorted_in.setdefault((record.label, record.protocol, _variant(record, variants, own)), []).append(record)
    places = [(r, p, v) for r in recipes(suite) for p in suite.protocols for v in variants]
    return Table(
        suite, scale, tuple(variants), {place: _cell(suite, place, sorted_in.get(place, []), own) for place in places}
    )


def _variant(record: RunRecord, variants: Sequence[str | None], own: Path | None) -> str | None:
    if record.variant in variants or len(variants) == 1:
        return record.variant if record.variant in variants else variants[0]
    return next((v for v in variants if not compare(record, v, own).differences), variants[0])


def _cell(suite: Suite, place: Place, records: Iterable[RunRecord], own: Path | None) -> TableCell:
    """Take the current records for the figure or, if there is none, the largest group of old ones that agree."""
    recipe, protocol, variant = place
    rate = suite.published.get(recipe, {}).get(protocol)
    compared = [(record, compare(record, variant, own)) for record in records]
    failed = [(record, f"failed: {record.error}") for record, _ in compared if record.error]
    # Values that a command asked for make another row, or none.
    whole = [(r, comparison) for r, comparison in compared if not r.error and (r.row or not comparison.asked)]
    others = [(r, f"{OTHER_VALUES}{few(c.asked)}") for r, c in compared if not r.error and not r.row and c.asked]
    current = [pair for pair in whole if not pair[1].differences]
    shown = current or max(_alike(whole), key=len, default=[])
    taken = _a_record_a_seed(shown)
    rest = [(record, _why(comparison)) for record, comparison in whole if record not in [r for r, _ in taken]]
    # A failure is of no interest where the figure has a record of its seed.
    aside = [(record, why) for record, why in failed if record.seed not in [r.seed for r, _ in taken]]
    aside += rest + others
    return TableCell(
        recipe,
        protocol,
        tuple(record for record, _ in taken),
        tuple(dict.fromkeys(d for _, comparison in taken for d in comparison.differences)),
        tuple(aside),
        None if rate is None else Published(rate, suite.published_n[protocol]),
        tuple(dict.fromkeys(name for _, comparison in taken for name in comparison.younger)),
        suite.has(recipe, protocol),
        variant,
        tuple(dict.fromkeys(plugin for _, comparison in taken for plugin in comparison.changed_sources)),
    )


def _alike(pairs: list[tuple[RunRecord, Comparison]]) -> list[list[tuple[RunRecord, Comparison]]]:
    """Group records that differ from the present runs, and so from each other, in the seeds of training and data."""
    groups: dict[str, list[tuple[RunRecord, Comparison]]] = {}
    for record, comparison in pairs:
        seeds = {name: seed for name, seed in record.identity["seeds"].items() if name not in ("train", "data")}
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
