"""What an HTML report says first: a sentence, where the records come from, claims in their families, small curves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vgbench.errors import VgbenchError
from vgbench.reports.claim_fields import VERDICTS, counted
from vgbench.reports.claims import Finding
from vgbench.reports.fields import figure, span
from vgbench.reports.markdown import claims_grid, claims_notes
from vgbench.reports.table import Table
from vgbench.storage.files import read_json
from vgbench.storage.records import RunRecord
from vgbench.text import plural

_ORDER = tuple(VERDICTS)
WIDTH, HEIGHT = 96, 28
"""Size of a small curve, px."""


def summary(table: Table, findings: Sequence[Finding]) -> str:
    """Say in a sentence or two what ran and what became of the claims."""
    records = [record for cell in table.cells.values() for record in cell.records]
    asked = [cell for cell in table.cells.values() if cell.asked]
    if len(records) == 1:
        return _single(records[0])
    recipes = {cell.recipe for cell in table.cells.values() if cell.records}
    protocols = {cell.protocol for cell in table.cells.values() if cell.records}
    seeds = {record.seed for record in records}
    done = sum(bool(cell.records) for cell in asked)
    parts = [
        f"{plural(len(recipes), 'recipe')} on {plural(len(protocols), 'protocol')}, {plural(len(seeds), 'seed')}: "
        f"{done} of {len(asked)} cells have records ({plural(len(records), 'run')})"
    ]
    states = Counter(cell.state for cell in asked)
    parts += [f"{states[state]} {state}" for state in ("failed", "stale") if states[state]]
    text = f"{', '.join(parts)}."
    published = [cell for cell in table.cells.values() if cell.published and cell.state == "done"]
    if published:
        marks = Counter(cell.mark for cell in published)
        text += (
            f" Beside the paper: {marks['']} of {len(published)} intervals meet the published one, {marks['above']} "
            f"are above it, {marks['below']} below."
        )
    judged = Counter(found.verdict for found in findings if found.rates)
    if judged:
        counts = "; ".join(f"{judged[name]} {VERDICTS[name]}" for name in _ORDER)
        text += f" Of {sum(judged.values())} comparisons that the claims make: {counts}."
    return text


def _single(record: RunRecord) -> str:
    """Say what one run reached."""
    episodes = record.episodes
    text = f"One run, {record.label} on {record.protocol}, seed {record.seed}: {episodes.successes} of {len(episodes)}"
    baselines = [f"{name} {found.successes} of {len(found)}" for name, found in record.baselines.items()]
    return f"{text} tasks solved" + (f" (baselines: {', '.join(baselines)})." if baselines else ".")


def origin(table: Table) -> list[str]:
    """Say when, at which commits and on which machines the runs were made; what is not known is left out."""
    seen: dict[str, list[str]] = {"made": [], "commit": [], "machine": []}
    for cell in table.cells.values():
        for record in cell.records:
            for name, value in _origin(record).items():
                seen[name] += [value] if value else []
    dates, commits, machines = (sorted(set(values)) for values in seen.values())
    lines = []
    if dates:
        lines.append(f"Runs of {dates[0]}" + (f" to {dates[-1]}" if len(dates) > 1 else ""))
    if commits:
        lines.append(f"commit{'s' if len(commits) > 1 else ''} {_few(commits)}")
    if machines:
        lines.append(_few(machines))
    return lines


def _origin(record: RunRecord) -> dict[str, str]:
    """Date, commit and machine of a run."""
    try:
        about: Mapping[str, Any] = read_json(record.path / "run.json", (), "")
        git, machine = about.get("git") or {}, about.get("machine") or {}
        changed = " (changed)" if git.get("dirty") else ""
        device = machine.get("gpu") or f"{machine.get('cpu')}, {machine.get('cores')} cores"
        return {
            "made": str(about.get("created", ""))[:10],
            "commit": f"{str(git['commit'])[:8]}{changed}" if git.get("commit") else "",
            "machine": str(device) if machine else "",
        }
    except (VgbenchError, AttributeError):
        return {"made": "", "commit": "", "machine": ""}


def _few(values: Sequence[str], most: int = 3) -> str:
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return f"{', '.join(values[:most])}{more}"


@dataclass(frozen=True)
class Family:
    """The comparisons of one family of claims.

    Attributes:
        title: the family's words, or the claim's.
        counts: how many came out how.
        rows: of a table, those that are decided first.
        texts: names of its claims and their words.
    """

    title: str
    counts: str
    rows: list[list[str]]
    texts: list[tuple[str, str]]


def families(table: Table, findings: Sequence[Finding]) -> tuple[list[str], list[Family]]:
    """Group comparisons by family, those with decided ones first; return the headers of all and the groups."""
    headers, grid = claims_grid(findings)
    groups: dict[tuple[bool, str], list[tuple[Finding, list[str]]]] = {}
    for found, row in zip(findings, grid, strict=True):
        groups.setdefault(found.claim.family_key, []).append((found, row))
    made = []
    for (alone, name), members in groups.items():
        members.sort(key=lambda one: _rank(one[0]))
        counts = Counter(found.verdict if found.rates else "missing" for found, _ in members)
        claims = {found.claim.name: found.claim.text for found, _ in members}
        # Several claims may have the same words.
        title = f"{claims[name]}: {name}" if alone else table.suite.families[name]
        family = Family(
            _capital(title), counted(found for found, _ in members), [row for _, row in members], list(claims.items())
        )
        made.append((-counts["confirmed"] - counts["contradicted"], counts["missing"] == len(members), family))
    return headers, [family for *_, family in sorted(made, key=lambda one: one[:2])]


def claim_notes(findings: Sequence[Finding], table: Table) -> list[str]:
    """Say how the claims were tested; what they say stands with their families."""
    if not findings:
        return []
    names = tuple(f"{found.claim.name}: " for found in findings)
    return [line for line in claims_notes(findings, table.suite.families) if not line.startswith(("Family ", *names))]


def _rank(found: Finding) -> int:
    return len(_ORDER) if found.rates is None else _ORDER.index(found.verdict)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def small_curve(record: RunRecord) -> str:
    """Return points of a line (`x,y x,y`): the share of tasks solved within so many steps, in a small picture."""
    ends = sorted(s for s, done in zip(record.episodes.steps, record.episodes.success, strict=True) if done)
    last, count = max(record.episodes.steps, default=1) or 1, len(record.episodes)
    points, height = [(0.0, 0)], 0
    for height, step in enumerate(ends, start=1):
        points += [(step / last, height - 1), (step / last, height)]
    points.append((1.0, height))
    return " ".join(f"{1 + x * (WIDTH - 2):.1f},{1 + (1 - y / count) * (HEIGHT - 2):.1f}" for x, y in points)


def rate(record: RunRecord) -> str:
    """Return a run's rate with its interval."""
    from vgbench.statistics import wilson

    return f"{figure(record.rate)} {span(wilson(record.episodes.successes, len(record.episodes)))}"
