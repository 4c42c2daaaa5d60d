"""Many cells in one folder: its record, its lock, and what happened to each cell."""

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from vgbench.errors import InUse, UsageError
from vgbench.experiments import executors
from vgbench.experiments.cells import CellOutcome, RunCell, changed_sources
from vgbench.experiments.executors.base import PASSED_ON, Job, JobResult, Resources
from vgbench.experiments.progress import ProgressReporter, Watcher
from vgbench.experiments.scheduler import Scheduler
from vgbench.experiments.worker import TOKEN, read_token
from vgbench.storage import provenance, yaml_file
from vgbench.storage.files import Record, drop_partials, read_json, write_sealed, write_text
from vgbench.storage.interrupt import deferred_interrupts
from vgbench.storage.lock import held, locked
from vgbench.storage.run_folder import RunFolder
from vgbench.storage.source_changes import set_aside
from vgbench.training import stage_cache

FORMAT = 2  # 1 had `cells` for what are `runs` now
_PATIENCE = 60.0
"""Seconds to wait for another command that writes the record."""
SHARED = ".shared"
"""Folder of training stages that cells share, within a suite's."""


class Campaign:
    """The cells of a suite or sweep under one folder.

    The folder holds KIND.json (name, scale, `runs`: the cells with their keys, versions, command lines), written before
    the first cell is started, and the cells' run folders. Runs that the file has and the command does not are kept.
    Several commands may share a folder: each run has a lock of its own, and so has each training stage.
    """

    def __init__(
        self, kind: str, name: str, scale: str, root: Path, cells: Sequence[RunCell], every: Sequence[RunCell] = ()
    ) -> None:
        """Look at the folder.

        Args:
            kind: "suite" or "sweep".
            name: its name.
            scale: of all runs.
            root: the folder.
            cells: what this command computes.
            every: these and those that other commands are to compute (shards), for the record.

        Raises:
            UsageError: it holds something else.
        """
        self.kind, self.name, self.scale, self.root, self.cells = kind, name, scale, root, list(cells)
        self._every = list(every)
        # By protocol, those that some task has to be of, where the environment does not declare which it has.
        self.strata: Mapping[str, Mapping[str, str]] = {}
        self._path = root / f"{kind}.json"
        self._old = self._read()

    def _read(self) -> Record:
        root, path = self.root, self._path
        if root.exists() and not root.is_dir():
            raise UsageError(f"--out {root} is a file; expected a folder")
        if not path.exists():
            inside = [p.name for p in root.iterdir()] if root.exists() else []
            others = [name for name in inside if name not in (".lock", TOKEN) and not name.endswith(".partial")]
            if others:
                raise UsageError(f"--out {root} holds {others[0]!r} but no {path.name}; choose an empty or new folder")
            return {}
        # The format alone at first: other formats may lack the other fields.
        old = read_json(path, ("format",), "choose another --out")
        if old["format"] != FORMAT:
            older = (
                ": an earlier vgbench wrote it, and called `cells` what are `runs` now" if old["format"] == 1 else ""
            )
            raise UsageError(
                f"{path} has format {old['format']}{older}; this vgbench reads format {FORMAT}. The folder is left as "
                "it is; choose another --out"
            )
        old = read_json(path, ("name", "scale", "runs", "commands"), "choose another --out")
        for key, mine in (("name", self.name), ("scale", self.scale)):
            if old[key] != mine:
                raise UsageError(
                    f"--out {root} holds {self.kind} {old['name']} at scale {old['scale']}: choose another"
                )
        return old

    def record(self, argv: Sequence[str]) -> Record:
        """Return the content of KIND.json."""
        cells = {c["folder"]: c | {"stale": c.get("stale", False)} for c in self._old.get("runs", ())}
        for cell in self.cells:
            if cell.stale:
                where = self._inside(Path(cell.stale["folder"]))
                old = cells.get(where, {"labels": dict(cell.labels)})
                cells[where] = old | {"key": cell.stale["key"], "folder": where, "stale": True}
            own = self._entry(cell)
            cells[own["folder"]] = own
        for other in map(self._entry, self._every):
            cells.setdefault(other["folder"], other)
        current = {self._inside(cell.folder): cell for cell in self.cells}
        labels = [dict(cell.labels) for cell in self.cells]
        for folder, about in cells.items():
            about["stale"] = about["stale"] or (folder not in current and about["labels"] in labels)
        command = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "argv": list(argv)}
        return {
            "format": FORMAT,
            "kind": self.kind,
            "name": self.name,
            "scale": self.scale,
            "commands": [*self._old.get("commands", ()), command],
            "versions": provenance.versions(),
            "git": provenance.git(),
            "runs": list(cells.values()),
        }

    def _entry(self, cell: RunCell) -> Record:
        about = {"labels": dict(cell.labels), "key": cell.spec.key(), "folder": self._inside(cell.folder)}
        return about | {"title": cell.spec.title(), "stale": False}

    def amend(self, **fields: object) -> None:
        """Add to KIND.json what has come out."""
        with locked(self.root, _PATIENCE):
            # Another command may have added runs meanwhile.
            self._old = self._read()
            write_sealed(self._path, self._old | fields)

    def _inside(self, folder: Path) -> str:
        return folder.relative_to(self.root).as_posix()

    def check_sources(self, repeat: bool | None) -> None:
        """Refuse runs that were made before their plugins changed, unless the user has said what to do with them.

        Raises:
            UsageError: there are such runs, and `repeat` is None.
        """
        lines = changed_sources(self.cells)
        if lines and repeat is None:
            raise UsageError(
                f"--out {self.root} holds runs made before a change of {'; '.join(lines)}. Use --again to repeat them "
                "(their folders are kept beside them, in .replaced), or --keep to leave complete ones as they are"
            )

    def _set_aside(self, cell: RunCell, computed: Mapping[str, bool], say: Callable[[str], None]) -> RunCell:
        """Move aside a run that was made before its plugins changed, if runs in its state are computed."""
        if not cell.changes or not computed.get(cell.state, True):
            return cell
        say(f"{cell.name}: repeated; the run from before the change is kept in {set_aside(cell.folder)}")
        return replace(cell, state="new", result=None, reason="", changes=())

    def run(
        self,
        executor: str,
        place: Resources,
        argv: Sequence[str],
        say: Callable[[str], None],
        again: bool = True,
        repeat: bool | None = None,
        watch: Watcher | None = None,
    ) -> list[CellOutcome]:
        """Compute what is not complete; return an outcome for each cell.

        Args:
            executor: name of one of `vgbench.experiments.executors`.
            place: workers, threads, address.
            argv: the command line, for the record.
            say: called with each line about progress.
            again: whether cells that failed before are tried again.
            repeat: whether complete runs whose plugins have changed since are repeated, or kept; see `check_sources`.
            watch: follows what is running.

        Raises:
            UsageError: there are such runs, and `repeat` is None.
            KeyboardInterrupt: interrupted, after the running cells have saved their state.
        """
        self.check_sources(repeat)
        computed = {"complete": bool(repeat), "failed": again}
        # Held for a moment only: other commands may compute runs of the same folder, each of which has its own lock.
        with locked(self.root, _PATIENCE):
            drop_partials(self.root)
            self.cells = [self._set_aside(cell, computed, say) for cell in self.cells]
            self._old = self._read()
            write_sealed(self._path, self.record(argv))
            token = self._token()
        tally = ProgressReporter(self.cells, again, say, watch)
        waiting = tally.waiting()
        # After the record, which has this command in it even if nothing is left to compute.
        if not waiting:
            return tally.outcomes()
        workers = executors.find(executor)(place)
        share = self.root / SHARED
        required = {cell.spec.key(): tuple(stage_cache.stages(cell.spec).values()) for cell in waiting}
        states = {str(cell.folder): cell.state for cell in waiting}
        jobs = [self._job(cell, place, argv, token) for cell in waiting]
        # After the executor, whose library may have put handlers of its own in place.
        with closing(tally), deferred_interrupts() as stop:
            tally.planned(workers.slots, share)
            Scheduler(
                workers,
                jobs,
                tally.ended,
                say,
                required,
                partial(stage_cache.published, share),
                lambda job: _elsewhere(job, share, required[job.key]),
                lambda job: _ended_elsewhere(job, states[job.folder]),
                tally.running,
            ).run(stop)
        return tally.outcomes()

    def _token(self) -> str:
        path = self.root / TOKEN
        # Made up, so that a worker on another disk cannot have it by chance.
        if not path.exists():
            write_text(path, secrets.token_hex(16))
        try:
            return read_token(self.root)
        except (OSError, ValueError) as err:
            reason = getattr(err, "strerror", None) or err
            raise UsageError(f"{path} is not what a suite has written: {reason}; remove it") from err

    def _job(self, cell: RunCell, place: Resources, argv: Sequence[str], token: str) -> Job:
        # Where another command computes this run, the file is that one's: run.json there has its hash.
        with suppress(InUse), locked(cell.folder):
            write_text(cell.folder / "config.yaml", yaml_file.dump(cell.spec.to_config()))
        env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return Job(
            folder=str(cell.folder),
            key=cell.spec.key(),
            root=str(self.root),
            token=token,
            argv=tuple(argv),
            share=str(self.root / SHARED),
            threads=place.threads,
            cwd=str(Path.cwd()),
            env=env,
            plugins=tuple(map(dict, provenance.plugins(cell.spec))),
            strata=self.strata.get(cell.spec.protocol, {}),
        )


def _elsewhere(job: Job, share: Path, stages: Sequence[str]) -> bool:
    """Whether another command computes a run, or trains a stage that the run waits for."""
    if held(Path(job.folder) / ".lock"):
        return True
    return any(not stage_cache.published(share, name) and held(stage_cache.lock_of(share, name)) for name in stages)


def _ended_elsewhere(job: Job, state: str) -> JobResult | None:
    """How another command has ended a run since this one looked at it; None while it has not."""
    folder = RunFolder(Path(job.folder))
    if (folder.path / "result.json").exists() and not held(folder.path / ".lock"):
        return JobResult(job, "done")
    run = folder.recorded()
    if run is None or state == "failed" or run.get("status") != "failed" or held(folder.path / ".lock"):
        return None
    return JobResult(job, "failed", str(run.get("error") or "it failed under another command"))
