"""Cells: the single runs of a suite or sweep, "run" in messages. All are resolved and built before one is computed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.errors import UsageError, prefix_error
from vgbench.experiments.build import dry_build
from vgbench.spec import RunSpec
from vgbench.storage.files import Record, read_json
from vgbench.storage.record_types import ResultFile
from vgbench.storage.run_folder import RunFolder
from vgbench.storage.source_changes import SourceChange, changes_in


@dataclass(frozen=True)
class CellRequest:
    """What is asked of one cell. `labels` tell it from the others; `place` is its folder in the suite's."""

    labels: Mapping[str, Any]
    request: RunRequest
    place: Path


@dataclass(frozen=True)
class RunCell:
    """A resolved cell.

    Attributes:
        folder: its run folder, as it is reached from here.
        state: what the folder holds: "new", "complete", "unfinished" or "failed".
        stale: another run that lies where this one would, of an older version or with other values; it stays there.
        result: content of result.json, if complete.
        reason: why it failed before.
        changes: plugins whose source has changed since the folder's content was made.
    """

    labels: Mapping[str, Any]
    spec: RunSpec
    folder: Path
    state: str = "new"
    stale: Record | None = None
    result: ResultFile | None = None
    reason: str = ""
    changes: tuple[SourceChange, ...] = ()

    @property
    def name(self) -> str:
        """Readable name: its labels."""
        return cell_name(self.labels)


def cell_name(labels: Mapping[str, Any]) -> str:
    """Name a cell by its labels: `wall_small/vf/s0`."""
    return "/".join(f"s{value}" if key == "seed" else str(value) for key, value in labels.items())


def resolve_cells(asked: Iterable[CellRequest], root: Path) -> list[RunCell]:
    """Resolve and build all cells, and see what their folders hold. Nothing is written.

    Raises:
        UsageError: a cell does not resolve, its parts do not fit together, its folder holds something else, or no cell
            has the plugin that a `--set` is for. The message names the cell.
    """
    asked = list(asked)
    cells: list[RunCell] = []
    fitting: set[str] = set()
    for one in asked:
        with prefix_error(f"run {cell_name(one.labels)}"):
            spec = resolve(one.request)
            form = replace(spec, seed=0, data_seed=0, task_seed=0).key()  # seeds make no difference to what fits
            if form not in fitting:
                dry_build(spec)
                fitting.add(form)
            cells.append(RunCell(one.labels, spec, root / one.place))
    _all_sets_used(asked, cells)
    return [_placed(cell) for cell in cells]


def _all_sets_used(asked: Sequence[CellRequest], cells: Sequence[RunCell]) -> None:
    """Refuse a `--set` without effect in every cell, in the words in which a single run would."""
    for text in dict.fromkeys(text for one in asked if one.request.loose for text in one.request.sets):
        address = text.partition("=")[0].strip()
        concerned = [(o, c) for o, c in zip(asked, cells, strict=True) if text in o.request.sets]
        if all(address in cell.spec.unused for _, cell in concerned):
            with prefix_error(f"run {concerned[0][1].name}"):
                resolve(concerned[0][0].request.replaced(loose=False))


def _placed(cell: RunCell) -> RunCell:
    """Find the cell's folder: the plain one, or one of its own beside a run with other values."""
    holds = _run_in(cell.folder)
    if holds is not None and holds["key"] != cell.spec.key():
        stale = {"folder": str(cell.folder), "key": holds["key"]}
        cell = replace(cell, stale=stale, folder=cell.folder.with_name(f"{cell.folder.name}-{cell.spec.key()}"))
        holds = _run_in(cell.folder)
    folder = RunFolder(cell.folder)
    with prefix_error(f"run {cell.name}"):
        folder.check(cell.spec)
    if holds is None:
        return cell
    result, cell = folder.result(), replace(cell, changes=tuple(changes_in(folder, cell.spec)))
    if result is not None:
        return replace(cell, state="complete", result=result)
    failed = holds.get("status") == "failed"
    return replace(
        cell, state="failed" if failed else "unfinished", reason=(holds.get("error") or "") if failed else ""
    )


def changed_sources(cells: Iterable[RunCell]) -> list[str]:
    """Say which plugins have changed since runs were made, and how many runs, a line each."""
    concerned: dict[SourceChange, list[RunCell]] = {}
    for cell in cells:
        for change in cell.changes:
            concerned.setdefault(change, []).append(cell)
    return [f"{change}: {_counted(runs)}" for change, runs in concerned.items()]


def _counted(cells: Sequence[RunCell]) -> str:
    """Count runs, and say of how many there is no result."""
    begun = sum(cell.state != "complete" for cell in cells)
    only = f", {begun} of them not complete" if begun else ""
    return f"{len(cells)} run{'' if len(cells) == 1 else 's'}{only}"


def _run_in(folder: Path) -> Record | None:
    """Content of a folder's run.json, or None."""
    path = folder / "run.json"
    if not path.exists():
        return None
    return read_json(path, ("key",), "move this folder away, or choose another --out")


@dataclass
class CellOutcome:
    """What became of a cell: "complete" (it was before), "done", "failed", "interrupted" or "waiting"."""

    cell: RunCell
    status: str
    reason: str = ""
    result: ResultFile | None = field(default=None, repr=False)

    def record(self) -> Record:
        """Return what a listing says of it."""
        about: Record = {**self.cell.labels, "status": self.status, "reason": self.reason or None}
        names = ("success_rate", "ci95", "successes", "n", "seconds", "cpu_seconds")
        result: Mapping[str, Any] = self.result or {}
        about |= {name: result.get(name) for name in names}
        about |= {"changed_sources": [str(change) for change in self.cell.changes]}
        return about | {"key": self.cell.spec.key(), "folder": str(self.cell.folder)}


MOST_SEEDS = 1000


def seeds(text: str | None, number: int | None, default: Sequence[int]) -> tuple[int, ...]:
    """Read --seeds and --num-seeds: `0-4`, `0,2`, `3` (the seed 3), `5x` or the number 5 (five seeds: 0 to 4).

    Raises:
        UsageError: both are given, duplicate seed, or it is something else.
    """
    if number is not None:
        if text is not None:
            raise UsageError(f"--num-seeds {number} contradicts --seeds {text}; leave out one of them")
        if not 1 <= number <= MOST_SEEDS:
            raise UsageError(f"--num-seeds {number}: expected a whole number from 1 to {MOST_SEEDS}")
        return tuple(range(number))
    if text is None:
        return tuple(default)
    wrong = UsageError(f"--seeds {text}: expected seeds such as 0, 0,2 or 0-4, or a number of seeds such as 5x")
    if re.fullmatch(r"[0-9]{1,4}x", text.strip()):
        return seeds(None, int(text.strip()[:-1]), default)
    found: list[int] = []
    for part in text.strip().removesuffix(",").split(","):
        match = re.fullmatch(r"\s*([0-9]{1,10})\s*(?:-\s*([0-9]{1,10})\s*)?", part)
        if not match:
            raise wrong
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < first + MOST_SEEDS:
            raise wrong
        found += range(first, last + 1)
    if len(set(found)) < len(found):
        raise UsageError(f"--seeds {text}: duplicate seed")
    return tuple(found)
