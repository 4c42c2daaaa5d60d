"""Recipes ranked over a suite's protocols, with the ranks that other seeds and tasks like these might give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vgbench.reports.claims import Finding
from vgbench.reports.fields import NONE, figure
from vgbench.reports.table import Table, TableCell
from vgbench.storage.records import RunRecord

RESAMPLES = 4000
NOTE = (
    "Mean: over the protocols, each with the same weight. Ranks: 95 % of the ranks when seeds and tasks are drawn "
    "again with replacement (4,000 times), the same tasks for all recipes; a recipe of one seed has no chance of the "
    "seed in them. Overlapping ranks are no verdict: “shown better than” names what a declared claim tested, and on "
    "which protocols the test passes after Holm's correction."
)


@dataclass(frozen=True)
class Ranked:
    """A recipe and its rank.

    Attributes:
        rank: by the mean; equal means share the mean of their ranks.
        ranks: least and largest rank, of 95 % of the resamples.
        mean: mean over the protocols of its success rate.
        rates: success rate by protocol.
        seeds: fewest seeds that it has on a protocol.
        better_than: recipes that it was shown to be better than, each with the protocols.
    """

    recipe: str
    rank: float
    ranks: tuple[int, int]
    mean: float
    rates: dict[str, float]
    seeds: int
    better_than: dict[str, tuple[str, ...]]

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "recipe": self.recipe,
            "rank": self.rank,
            "rank95": list(self.ranks),
            "mean": self.mean,
            "rates": self.rates,
            "seeds": self.seeds,
            "better_than": {name: list(places) for name, places in self.better_than.items()},
        }


def rank(table: Table, findings: Sequence[Finding], variant: str | None, resamples: int = RESAMPLES) -> list[Ranked]:
    """Rank the recipes that have current records on all protocols of the suite's ranking, the best first.

    Args:
        table: what ran.
        findings: what became of the claims.
        variant: of the records.
        resamples: number of draws of seeds and tasks; the same numbers are drawn at every call.
    """
    import numpy as np
    from scipy.stats import rankdata

    protocols = table.suite.ranking
    cells = {
        recipe: [table.cells[recipe, protocol, variant] for protocol in protocols] for recipe in table.suite.recipes
    }
    cells = {name: row for name, row in cells.items() if row and all(cell.state == "done" for cell in row)}
    if not cells:
        return []
    draw = np.random.default_rng(0)
    means = np.mean([_resampled([row[p] for row in cells.values()], draw, resamples) for p in range(len(protocols))], 0)
    drawn = rankdata(-means, axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    found = [float(np.mean([cell.rate for cell in row])) for row in cells.values()]
    ranks = rankdata([-round(mean, 9) for mean in found])
    rows = [
        Ranked(
            recipe,
            float(ranks[number]),
            (int(np.floor(low[number])), int(np.ceil(high[number]))),
            found[number],
            {cell.protocol: cell.rate for cell in row},
            min(len(cell.records) for cell in row),
            _better_than(recipe, findings, variant),
        )
        for number, (recipe, row) in enumerate(cells.items())
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


def _resampled(cells: Sequence[TableCell], draw: Any, resamples: int) -> Any:
    """Success rates [resamples, recipes] on one protocol, under seeds and tasks that are drawn again."""
    import numpy as np

    seeds = sorted({record.seed for cell in cells for record in cell.records})
    counts = {seed: max(len(r.episodes) for c in cells for r in c.records if r.seed == seed) for seed in seeds}
    # How often each task is drawn: the same for all recipes, which were judged on the same tasks.
    times = {seed: draw.multinomial(n, np.full(n, 1 / n), resamples) / n for seed, n in counts.items()}
    columns = []
    for cell in cells:
        rates = np.stack([times[r.seed][:, : len(r.episodes)] @ np.asarray(r.episodes.success) for r in cell.records])
        number = len(cell.records)
        weights = draw.multinomial(number, np.full(number, 1 / number), resamples) / number
        columns.append((weights * rates.T).sum(1))
    return np.stack(columns, axis=1)


def _better_than(recipe: str, findings: Sequence[Finding], variant: str | None) -> dict[str, tuple[str, ...]]:
    """Recipes that tested claims on all tasks show to be worse, in their success."""
    found: dict[str, list[str]] = {}
    for finding in findings:
        claim = finding.claim
        # Of claims on other tasks, other scores or differences of differences no recipe is better than another.
        plain = not (claim.interaction or claim.against or finding.stratum or claim.tested_margin is not None)
        if not plain or finding.variant != variant or finding.score != "success" or finding.b == "baseline":
            continue
        winner, loser = (finding.a, finding.b) if finding.sign == ">" else (finding.b, finding.a)
        if finding.sign in ("<", ">") and winner == recipe and finding.protocol not in found.get(loser, []):
            found.setdefault(loser, []).append(finding.protocol)
    return {loser: tuple(places) for loser, places in found.items()}


def grids(table: Table, findings: Sequence[Finding]) -> list[tuple[list[str], list[list[str]]]]:
    """Return headers and rows for each variant; none for a suite that ranks nothing, or without records."""
    found = []
    for variant in table.variants:
        rows = [_texts(row, table.suite.ranking) for row in rank(table, findings, variant)]
        if rows:
            name = f"rank, {variant}" if table.side_by_side else "rank"
            found.append(([name, "95 %", "recipe", "mean", *table.suite.ranking, "seeds", "shown better than"], rows))
    return found


def _texts(row: Ranked, protocols: Sequence[str]) -> list[str]:
    better = [f"{name} ({_places(places, protocols)})" for name, places in row.better_than.items()]
    number = f"{row.rank:g}"
    span = f"{row.ranks[0]} to {row.ranks[1]}"
    rates = [figure(row.rates[protocol]) for protocol in protocols]
    return [number, span, row.recipe, figure(row.mean), *rates, str(row.seeds), ", ".join(better) or NONE]


def _places(places: Sequence[str], protocols: Sequence[str]) -> str:
    return "all" if set(places) == set(protocols) else ", ".join(places)


def plain(table: Table, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return the ranking of each variant, for JSON."""
    ranked = [(variant, rank(table, findings, variant)) for variant in table.variants]
    return [
        {"variant": variant, "protocols": list(table.suite.ranking), "recipes": [row.plain() for row in rows]}
        for variant, rows in ranked
        if rows
    ]
