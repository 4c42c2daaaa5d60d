"""Recipes ranked over a suite's protocols, with the ranks that other seeds and tasks like these might give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vgbench.reports.claims import OVER_SEEDS, Finding
from vgbench.reports.fields import NONE, figure
from vgbench.reports.table import Table, TableCell
from vgbench.storage.records import RunRecord, share_tasks

RESAMPLES = 4000
NOTE = (
    "Ranked on the training seeds that all of these recipes have; where some have more seeds than others, those with "
    "the most come first, among themselves. Mean: over the protocols, each with the same weight. "
    "Ranks: 95 % of the ranks when seeds and tasks are drawn again with replacement (4,000 times), the same ones for "
    "all recipes; from one seed they say nothing of other seeds. Overlapping ranks are no verdict: “shown better than” "
    "names what a declared claim tested on all seeds, and on which protocols the test passes after Holm's correction; "
    "with an asterisk: for these checkpoints, not over seeds."
)


@dataclass(frozen=True)
class Ranked:
    """A recipe and its rank.

    Attributes:
        rank: by the mean; equal means share the mean of their ranks.
        ranks: least and largest rank, of 95 % of the resamples.
        mean: mean over the protocols of its success rate.
        rates: success rate by protocol, on the seeds that all ranked recipes have.
        seeds: fewest such seeds on a protocol.
        better_than: recipes that it was shown to be better than: for each, of whom that was shown, by protocol.
    """

    recipe: str
    rank: float
    ranks: tuple[int, int]
    mean: float
    rates: dict[str, float]
    seeds: int
    better_than: dict[str, dict[str, str]]

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "recipe": self.recipe,
            "rank": self.rank,
            "rank95": list(self.ranks),
            "mean": self.mean,
            "rates": self.rates,
            "seeds": self.seeds,
            "better_than": self.better_than,
        }


Cells = Mapping[str, Sequence[TableCell]]
"""Those of each recipe, on the protocols of a ranking."""


def rankings(
    table: Table, findings: Sequence[Finding], variant: str | None, resamples: int = RESAMPLES
) -> list[list[Ranked]]:
    """Rank the recipes that have current records on all protocols of the suite's ranking, the best first.

    Only the training seeds that all of them have on a protocol count: a seed is a data set, which may be harder than
    another one. Where some recipes have fewer seeds than others, those with the most are ranked among themselves, too,
    and first. Nothing is ranked where they have no seed in common.

    Args:
        table: what ran.
        findings: what became of the claims.
        variant: of the records.
        resamples: number of draws of seeds and tasks; the same numbers are drawn at every call.
    """
    protocols = table.suite.ranking
    cells = {
        recipe: [table.cells[recipe, protocol, variant] for protocol in protocols] for recipe in table.suite.recipes
    }
    cells = {name: row for name, row in cells.items() if row and all(cell.state == "done" for cell in row)}
    seeds = {name: min(len(cell.records) for cell in row) for name, row in cells.items()}
    most = {name: row for name, row in cells.items() if seeds[name] == max(seeds.values())}
    groups = [cells] if len(most) in (1, len(cells)) else [most, cells]
    found = [_rank(group, protocols, findings, variant, resamples) for group in groups]
    return [rows for rows in found if rows]


def _rank(
    cells: Cells, protocols: Sequence[str], findings: Sequence[Finding], variant: str | None, resamples: int
) -> list[Ranked]:
    """Rank some recipes on the seeds that all of them have."""
    import numpy as np
    from scipy.stats import rankdata

    if not cells:
        return []
    common = [_common([row[p] for row in cells.values()]) for p in range(len(protocols))]
    if not all(runs[0] for runs in common):
        return []
    draw = np.random.default_rng(0)
    means = np.mean([_resampled(runs, draw, resamples) for runs in common], axis=0)
    drawn = rankdata(-means, axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    # [recipes, protocols]
    rates = np.array([[np.mean([record.rate for record in of]) for of in runs] for runs in common]).T
    found = [float(mean) for mean in rates.mean(1)]
    ranks = rankdata([-round(mean, 9) for mean in found])
    rows = [
        Ranked(
            recipe,
            float(ranks[number]),
            (int(np.floor(low[number])), int(np.ceil(high[number]))),
            found[number],
            dict(zip(protocols, map(float, rates[number]), strict=True)),
            min(len(runs[number]) for runs in common),
            _better_than(recipe, findings, variant),
        )
        for number, recipe in enumerate(cells)
    ]
    return sorted(rows, key=lambda row: (row.rank, row.recipe))


def records(table: Table, variant: str | None) -> dict[str, list[RunRecord]]:
    """Return the current records on each protocol of the ranking, in the order of the recipes."""
    found = {}
    for protocol in table.suite.ranking:
        cells = [table.cells[recipe, protocol, variant] for recipe in table.suite.recipes]
        runs = [record for cell in cells if cell.state == "done" for record in cell.records]
        if runs:
            found[protocol] = runs
    return found


def _common(cells: Sequence[TableCell]) -> list[list[RunRecord]]:
    """Return the records of each recipe, of the seeds that all of them have, in the order of the seeds."""
    seeds = set.intersection(*({record.seed for record in cell.records} for cell in cells))
    return [sorted((r for r in cell.records if r.seed in seeds), key=lambda r: r.seed) for cell in cells]


def _resampled(runs: Sequence[Sequence[RunRecord]], draw: Any, resamples: int) -> Any:
    """Success rates [resamples, recipes] on one protocol, under seeds and tasks that are drawn again.

    Both are drawn once for all recipes, which saw the same data and were judged on the same tasks; the tasks once for
    all seeds, where these share them.
    """
    import numpy as np

    number, counts = len(runs[0]), [len(record.episodes) for record in runs[0]]
    weights = draw.multinomial(number, np.full(number, 1 / number), resamples) / number
    shared = number > 1 and share_tasks(runs[0])
    drawn = [draw.multinomial(n, np.full(n, 1 / n), resamples) / n for n in (counts[:1] if shared else counts)]
    times = drawn * number if shared else drawn
    rates = [
        np.stack([times[k] @ np.asarray(record.episodes.success) for k, record in enumerate(of)], 1) for of in runs
    ]
    return np.stack([(weights * rate).sum(1) for rate in rates], axis=1)


def _better_than(recipe: str, findings: Sequence[Finding], variant: str | None) -> dict[str, dict[str, str]]:
    """Recipes that tested claims on all tasks show to be worse, in their success: for each, of whom, by protocol."""
    found: dict[str, dict[str, str]] = {}
    for finding in findings:
        claim = finding.claim
        # Of claims on other tasks, other scores or differences of differences no recipe is better than another.
        plain = not (claim.interaction or claim.against or finding.stratum or claim.tested_margin is not None)
        if not plain or finding.variant != variant or finding.score != "success" or finding.b == "baseline":
            continue
        winner, loser = (finding.a, finding.b) if finding.sign == ">" else (finding.b, finding.a)
        if finding.sign in ("<", ">") and winner == recipe:
            found.setdefault(loser, {}).setdefault(finding.protocol, finding.scope)
    return found


def grids(table: Table, findings: Sequence[Finding]) -> list[tuple[list[str], list[list[str]]]]:
    """Return headers and rows for each ranking of each variant; none where there are no records, or no ranking."""
    found = []
    for variant in table.variants:
        name = f"rank, {variant}" if table.side_by_side else "rank"
        headers = [name, "95 %", "recipe", "mean", *table.suite.ranking, "seeds", "shown better than"]
        for ranked in rankings(table, findings, variant):
            found.append((headers, [_texts(row, table.suite.ranking) for row in ranked]))
    return found


def _texts(row: Ranked, protocols: Sequence[str]) -> list[str]:
    better = [f"{name} ({_places(scopes, protocols)})" for name, scopes in row.better_than.items()]
    number = f"{row.rank:g}"
    span = f"{row.ranks[0]} to {row.ranks[1]}"
    rates = [figure(row.rates[protocol]) for protocol in protocols]
    return [number, span, row.recipe, figure(row.mean), *rates, str(row.seeds), ", ".join(better) or NONE]


def _places(scopes: Mapping[str, str], protocols: Sequence[str]) -> str:
    """Name protocols, each with an asterisk where a test passes for the checkpoints alone."""
    if set(scopes) == set(protocols) and set(scopes.values()) == {OVER_SEEDS}:
        return "all"
    return ", ".join(name + ("" if scope == OVER_SEEDS else "*") for name, scope in scopes.items())


def plain(table: Table, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return the rankings of each variant, for JSON."""
    return [
        {"variant": variant, "protocols": list(table.suite.ranking), "recipes": [row.plain() for row in rows]}
        for variant in table.variants
        for rows in rankings(table, findings, variant)
    ]
