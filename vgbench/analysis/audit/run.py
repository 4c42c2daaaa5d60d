"""An audit of a protocol: rungs without a trained model, and what records say of its tasks."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

from vgbench.analysis.audit import items
from vgbench.analysis.audit.rules import HIGH, LOW, RULES, verdict
from vgbench.analysis.ladder.run import run_ablation
from vgbench.analysis.ladder.setup import LadderSetup
from vgbench.spec import RunSpec
from vgbench.storage.files import Record
from vgbench.storage.records import RunRecord, scan

FORMAT = 1
DIFFERENCES = (0.05, 0.1, 0.2)
"""Of success rates, for which the number of tasks is told."""


def audit(
    setup: LadderSetup, records: Sequence[RunRecord] = (), tell: Callable[[str], None] = lambda _: None
) -> Record:
    """Hold a protocol against the rules; `tell` hears of each rung that is played.

    Args:
        setup: tasks and planner of the protocol; their number and seeds should be the protocol's and tuning seeds.
        records: of recipes on the protocol, in one variant and scale.
        tell: hears of what takes time.
    """
    played = run_ablation(setup, [], tell)
    record = {
        "format": FORMAT,
        **{name: played[name] for name in ("vgbench", "protocol", "scale", "environment", "tasks", "seeds", "planner")},
        "variant": setup.spec.variant,
        "rungs": played["rows"],
        "items": _items(records) if records else None,
        "recipes": _recipes(records),
        "records": [
            {"recipe": record.recipe, "seeds": dict(record.identity["seeds"]), "key": record.key} for record in records
        ],
    }
    judged = [rule.judge(record) for rule in RULES]
    return record | {"rules": judged, "verdict": verdict(judged)}


def _items(records: Iterable[RunRecord]) -> Record:
    """What the records say of tasks and recipes."""
    records = list(records)
    strata = {record.seed: record.episodes.strata for record in records}

    def stratum_of(seed: int, task: int) -> str | None:
        return strata[seed][task] if strata[seed] else None

    solved: dict[int, dict[str, list[float]]] = {}
    for record in records:
        solved.setdefault(record.seed, {})[record.recipe] = [float(x) for x in record.episodes.success]
    correlations, discordant = items.item_rest(solved), items.discordance(solved)
    rates = [row["success_rate"] for row in _recipes(records)]
    return {
        "recipes": len(rates),
        "seeds": sorted(solved),
        "informative": items.informative(solved),
        "between": sum(LOW <= rate <= HIGH for rate in rates) if rates else None,
        "median_item_rest": median(correlations) if correlations else None,
        "negative_item_rest": items.negative_share(correlations) if correlations else None,
        "expected_negative_item_rest": items.expected_negative(solved),
        "against": [
            {
                "seed": seed,
                "task": task,
                "stratum": stratum_of(seed, task),
                "solved": share,
                "item_rest": round(value, 4),
            }
            for seed, task, share, value in items.against(solved)
        ],
        "discordance": discordant,
        "tasks_needed": {}
        if discordant is None
        else {f"{difference:g}": items.tasks_needed(difference, discordant) for difference in DIFFERENCES},
    }


def _recipes(records: Iterable[RunRecord]) -> list[Record]:
    """Rates of the recipes over their seeds, the best first, and of each stratum."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.recipe, []).append(record)
    rows = []
    for recipe, runs in groups.items():
        strata = dict.fromkeys(name for run in runs for name in run.episodes.strata)
        rows.append(
            {
                "recipe": recipe,
                "seeds": sorted(run.seed for run in runs),
                **_rate(runs),
                **({"strata": {name: _rate([run.of(name) for run in runs]) for name in strata}} if strata else {}),
            }
        )
    return sorted(rows, key=lambda row: (-row["success_rate"], row["recipe"]))


def _rate(runs: Sequence[RunRecord]) -> Record:
    solved, count = sum(run.episodes.successes for run in runs), sum(len(run.episodes) for run in runs)
    return {"success_rate": solved / count, "successes": solved, "n": count}


def records_of(
    folders: Iterable[Path], spec: RunSpec, problem: Callable[[RunRecord], str | None] = lambda record: None
) -> tuple[list[RunRecord], list[str]]:
    """Return the complete records of a protocol on the tasks of an audit, and a line for each folder left out.

    Args:
        folders: where to look.
        spec: of the audit: its protocol, scale, variant, and seeds of data and tasks.
        problem: says of a record why it should be left out, or None.
    """
    found, left_out = scan(folders, spec.scale, variants=[spec.variant] if spec.variant else [])
    fitting = []
    for record in found:
        if record.protocol != spec.protocol or record.error or record.variant != spec.variant:
            continue
        seeds = record.identity["seeds"]
        if (seeds["data"], seeds["task"]) != (spec.data_seed, spec.task_seed):
            why = f"data seed {seeds['data']} and task seed {seeds['task']} make other tasks than the audit's"
        else:
            why = problem(record) or ""
        if why:
            left_out.append(f"{record.path}: {why}")
        else:
            fitting.append(record)
    return fitting, left_out
