"""Runs compared with each other, two groups at a time: what `vgbench compare` prints."""

import glob
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from vgbench.errors import UsageError
from vgbench.intervals import rate_interval
from vgbench.reports.comparisons import Comparison, NotComparable, Side, compare_paired, compare_unpaired
from vgbench.reports.rows import labelled
from vgbench.statistics import holm
from vgbench.storage.near_path import near_folder
from vgbench.storage.records import RunRecord, leaves, read_or_why, share_tasks

SCORES = ("success", "spl")
ALPHA = 0.05


@dataclass(frozen=True)
class Group:
    """Runs under one name: a method, as an argument of the command named it.

    Attributes:
        runs: by protocol, by training seed.
        left_out: a line for each folder that lies there and is no part of it, with the reason.
    """

    name: str
    runs: Mapping[str, Mapping[int, RunRecord]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """Two groups compared on a protocol, or on one of its strata.

    Attributes:
        paired: whether the tasks are the same, so that they are compared one by one.
        result: None where there is nothing to compare, see `reason`.
        corrected: p-value over tasks, corrected by Holm for all comparisons of the command; `corrected_seeds` likewise,
            over seeds.
        only_a, only_b: (seed, task) of the tasks that one of the two alone solves; of paired success alone.
        unmatched: training seeds that one of the two alone has, which a comparison task by task leaves out.
    """

    protocol: str
    stratum: str | None
    a: str
    b: str
    score: str
    paired: bool = True
    result: Comparison | None = None
    corrected: float | None = None
    corrected_seeds: float | None = None
    only_a: tuple[tuple[int, int], ...] = ()
    only_b: tuple[tuple[int, int], ...] = ()
    unmatched: tuple[int, ...] = ()
    reason: str = ""

    @property
    def sign(self) -> str:
        """`>` or `<` where a corrected test passes, else `~`; empty without a result."""
        if self.result is None:
            return ""
        passed = any(p is not None and p < ALPHA for p in (self.corrected, self.corrected_seeds))
        return "~" if not passed else ">" if self.result.rates[0] > self.result.rates[1] else "<"

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        found = self.result
        about = {name: getattr(self, name) for name in ("protocol", "stratum", "a", "b", "score", "paired")}
        about |= {"sign": self.sign or None, "reason": self.reason or None}
        if found is None:
            return about
        return about | {
            "seeds": list(found.seeds),
            "unmatched_seeds": list(self.unmatched),
            "n": found.n,
            "rate_a": found.rates[0],
            "rate_b": found.rates[1],
            "difference": found.rates[0] - found.rates[1],
            "difference95": list(found.interval),
            "p_tasks": found.p_tasks,
            "p_seeds": found.p_seeds,
            "holm_tasks": self.corrected,
            "holm_seeds": self.corrected_seeds,
            "only_a": [list(place) for place in self.only_a],
            "only_b": [list(place) for place in self.only_b],
        }


def group(argument: str, inside: Path | None = None) -> Group:
    """Read the runs that an argument names: a run folder, a folder of runs, a glob, or a recipe inside of a folder.

    Args:
        argument: as given.
        inside: folder of runs in which `argument` is the name of a recipe.

    Raises:
        UsageError: there is nothing, or two runs are of the same protocol and seed.
    """
    if inside is not None:
        every, left_out = _read([inside], argument)
        there = labelled(every)
        name = argument.replace("-", "_")
        # Runs with other values have names of their own, unless the recipe has no others.
        records = [r for r in there if r.label in (argument, name)] or [r for r in there if r.recipe == name]
        if not records:
            have = sorted({r.label for r in there})
            raise UsageError(
                f"{argument}: no finished run of that recipe in {inside}; it has {', '.join(have) or 'none'}"
            )
    else:
        paths = [Path(argument)] if Path(argument).exists() else _matching(argument)
        if not paths:
            raise UsageError(
                f"{argument}: there is no such folder; expected run folders, a folder of them, or a glob."
                f"{_meant(argument)}"
            )
        records, left_out = _read(paths, argument)
        if not records:
            raise UsageError(f"{argument}: no finished run there{trained_alone(paths)}")
    runs: dict[str, dict[int, RunRecord]] = {}
    # Evaluations of a run lie beside it; they are meant only where they are named.
    trained = {(r.protocol, r.seed) for r in records if not _evaluated(r)}
    records = [r for r in records if not _evaluated(r) or (r.protocol, r.seed) not in trained]
    for record in sorted(records, key=lambda r: (r.protocol, r.seed, str(r.path))):
        first = runs.setdefault(record.protocol, {}).setdefault(record.seed, record)
        if first is not record:
            raise UsageError(
                f"{argument}: two runs on {record.protocol} with seed {record.seed}, {first.path} and {record.path}; "
                "name one of them, or a glob that leaves one out"
            )
    return Group(argument, runs, tuple(left_out))


def _evaluated(record: RunRecord) -> bool:
    """Whether a run planned again with the model of another one."""
    return any(word == "evaluate" or word.startswith("vgbench.evaluate(") for word in record.argv[:2])


def _meant(argument: str) -> str:
    """Say what an argument may mean that is no folder: one under runs/, or a recipe."""
    near = near_folder(Path(argument))
    bare = not {*argument} & {*"/*?["}
    return near or (" A and B can be recipes with --in DIR, the folder of their runs." if bare else "")


def trained_alone(paths: Iterable[Path]) -> str:
    """Say what to do with models that were trained and never evaluated, if there are such."""
    found = [leaf for path in paths for leaf in leaves(path) if (leaf / "training.json").exists()]
    if not found:
        return ""
    return (
        f". {found[0]} was trained without evaluation: `vgbench evaluate {found[0]} --env NAME` gives it a success "
        f"rate, and `vgbench offline {found[0]}` scores that are compared by hand"
    )


def _matching(pattern: str) -> list[Path]:
    """Folders that a glob matches, as a shell would expand it."""
    # pathlib has no glob of a pattern that may be absolute.
    return [Path(path) for path in sorted(glob.glob(pattern))]  # noqa: PTH207


def named(groups: Sequence[Group]) -> list[Group]:
    """Shorten the groups' names by the folders that all of them share, and by the end that all share."""
    parts = [Path(each.name).parts for each in groups]
    while all(len(part) > 1 for part in parts) and len({part[0] for part in parts}) == 1:
        parts = [part[1:] for part in parts]
    while all(len(part) > 1 for part in parts) and len({part[-1] for part in parts}) == 1:
        parts = [part[:-1] for part in parts]
    return [replace(each, name="/".join(part)) for each, part in zip(groups, parts, strict=True)]


def _read(paths: Iterable[Path], argument: str) -> tuple[list[RunRecord], list[str]]:
    """Read the finished runs in some folders; also return a line for each folder left out, with the reason."""
    found: list[RunRecord] = []
    left_out: list[str] = []
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"{argument}: {path} is no folder; expected run folders, a folder of them, or a glob")
        for folder in leaves(path, left_out.append):
            record = read_or_why(folder)
            if isinstance(record, str):
                left_out.append(f"{folder}: {record}")
            elif record.error:
                left_out.append(f"{folder}: failed: {record.error}")
            else:
                found.append(record)
    return found, left_out


def compare(groups: Sequence[Group]) -> list[Row]:
    """Compare each two groups on each protocol that both have, and on each stratum: success and, where known, SPL."""
    rows = []
    for a, b in combinations(groups, 2):
        protocols = [name for name in a.runs if name in b.runs]
        if not protocols:
            rows.append(Row("", None, a.name, b.name, "success", reason="they have no protocol in common"))
        for protocol in protocols:
            for stratum in (None, *_strata([*a.runs[protocol].values(), *b.runs[protocol].values()])):
                sides = [_side(each.name, each.runs[protocol], stratum) for each in (a, b)]
                rows += [_row(protocol, stratum, sides[0], sides[1], score) for score in SCORES]
    rows = [row for row in rows if row.result is not None or row.score == "success"]
    tested = {index: row.result for index, row in enumerate(rows) if row.result is not None}
    tasks = holm([result.p_tasks for result in tested.values()])
    seeds = holm([1.0 if result.p_seeds is None else result.p_seeds for result in tested.values()])
    for (index, result), of_tasks, of_seeds in zip(tested.items(), tasks, seeds, strict=True):
        known = result.p_seeds is not None
        rows[index] = replace(rows[index], corrected=of_tasks, corrected_seeds=of_seeds if known else None)
    return rows


def _strata(records: Iterable[RunRecord]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record.episodes.strata))


def _side(name: str, runs: Mapping[int, RunRecord], stratum: str | None) -> Side:
    if stratum is None:
        return Side(name, runs)
    return Side(name, {seed: part for seed, run in runs.items() if len((part := run.of(stratum)).episodes)})


def _row(protocol: str, stratum: str | None, a: Side, b: Side, score: str) -> Row:
    row = Row(protocol, stratum, a.name, b.name, score)
    try:
        row = replace(row, result=compare_paired(a, b, score, None))
    except NotComparable as err:
        if not (a.records and b.records):
            return replace(row, reason=str(err))
        try:
            return replace(row, paired=False, result=compare_unpaired(a, b, score, None), reason=str(err))
        except NotComparable as missing:
            return replace(row, reason=str(missing))
    row = replace(row, unmatched=tuple(sorted(set(a.records) ^ set(b.records))))
    return replace(row, only_a=_alone(a, b), only_b=_alone(b, a)) if score == "success" and stratum is None else row


def _alone(a: Side, b: Side) -> tuple[tuple[int, int], ...]:
    """Tasks of common seeds that a solves and b misses: (seed, task)."""
    seeds = sorted(set(a.records) & set(b.records))
    pairs = ((seed, a.records[seed].episodes.success, b.records[seed].episodes.success) for seed in seeds)
    return tuple((seed, n) for seed, x, y in pairs for n in range(len(x)) if x[n] and not y[n])


def rates(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Return the rate of each group on each of its protocols, with its interval, for the picture."""
    found = []
    for each in groups:
        for protocol, runs in each.runs.items():
            rows, records = [r.episodes.success for r in runs.values()], list(runs.values())
            low, high, _ = rate_interval(rows, len(records) == 1 or share_tasks(records))
            about = {"group": each.name, "protocol": protocol, "ci95": [low, high], "seeds": sorted(runs)}
            found.append(about | {"success_rate": sum(map(sum, rows)) / sum(map(len, rows))})
    return found
