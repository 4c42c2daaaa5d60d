"""The run folder: written atomically, locked while in use, resumed by running the same command again."""

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vgbench.errors import UsageError, VgbenchError
from vgbench.storage import checkpoints, checksums, provenance, yaml_file
from vgbench.storage.clock import Clock
from vgbench.storage.differences import first_difference
from vgbench.storage.lock import locked
from vgbench.storage.record_shape import misfit
from vgbench.storage.record_types import MadeBy, ResultFile, RunFile, Times

if TYPE_CHECKING:
    from vgbench.spec import RunSpec
from vgbench.storage.files import (
    Record,
    appending,
    drop_partials,
    hash_of,
    json_text,
    now,
    read_json,
    read_lines,
    write_sealed,
    write_text,
)

_NEEDED = ("format", "key", "title", "identity", "stages")
"""Fields of run.json without which a folder cannot be gone on with."""

FORMAT = 2  # 1 had `floor` and `reading` for what are `baseline` and `variant` now


def other_format(found: object) -> str | None:
    """Say that a run folder is of another format, or return None."""
    if found == FORMAT:
        return None
    older = ": an earlier vgbench wrote it, with names that have changed (`floor`: `baseline`, `reading`: `variant`)"
    words = older if found == 1 else ""
    return f"has run format {found}{words}; this vgbench reads format {FORMAT}"


def checkpoint_seconds() -> float:
    """Return the longest time between two checkpoints: `$VGBENCH_CHECKPOINT_SECONDS`, or 20.

    Raises:
        UsageError: the variable is no such number.
    """
    text = os.environ.get("VGBENCH_CHECKPOINT_SECONDS", "20")
    with suppress(ValueError):
        if 0 <= (seconds := float(text)) < math.inf:  # NaN, too, would mean: never
            return seconds
    raise UsageError(f"VGBENCH_CHECKPOINT_SECONDS={text}: expected a number of seconds, 0 or more")


def _of_config(spec: "RunSpec", argv: Sequence[str]) -> list[str]:
    """Return which values the user's file gives, so that they are not taken for the recipe's, which may change."""
    # A cell of a suite, and an evaluation, come with a file that the user has not asked for.
    given = any(
        re.match(r"--config(=|$)", word) or ("config=" in word and word.startswith("vgbench.")) for word in argv
    )
    asked = [address for address, value in spec.values.items() if value.source.startswith("--config ")]
    return asked if given else []


class RunFolder:
    """Files of one run.

    run.json (who, what, with which versions; status), config.yaml (accepted by `--config`), train.jsonl, episodes.jsonl
    and baseline-NAME.jsonl, checkpoints/, and result.json, which is written last and marks the run complete.
    """

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is written before `opened`."""
        self.path = path
        self._run = cast("RunFile", {})  # until it is opened or attached
        self._clock: Clock | None = None
        self._log: Record | None = None  # of the checkpoint that was read last

    @contextmanager
    def opened(self, spec: "RunSpec", argv: Iterable[str]) -> Iterator[None]:
        """Lock the folder for one process, and make or check its run.json and config.yaml."""
        checkpoint_seconds()  # a wrong one is refused before anything is computed
        # The lock before run.json is read: another process may be about to write it.
        with locked(self.path):
            self.check(spec)  # again: it may have become another run's since
            try:
                (self.path / "checkpoints").mkdir(exist_ok=True)
            except OSError as err:
                raise UsageError(f"--out {self.path}: cannot write there: {err.strerror or err}") from err
            for place in (self.path, self.path / "checkpoints"):
                drop_partials(place, older=0)  # nobody else writes here
            # What is about to change has no checksums until it is complete.
            (self.path / checksums.NAME).unlink(missing_ok=True)
            self._prepare(spec, list(argv))
            yield

    def check(self, spec: "RunSpec") -> None:
        """Refuse a folder that holds something else than this run."""
        path = self.path
        if path.exists() and not path.is_dir():
            raise UsageError(f"--out {path} is a file; expected a folder")
        if not path.exists():
            return
        if not (path / "run.json").exists():
            # What a run that was killed at its very start leaves, and what a suite puts there before it.
            ours = (".lock", "checkpoints", "config.yaml", "log.txt", checksums.NAME)
            others = [p.name for p in path.iterdir() if p.name not in ours and p.suffix != ".partial"]
            if others:
                raise UsageError(f"--out {path} holds {others[0]!r} but no run; choose an empty or new folder")
            return
        run = self._read_run()
        if problem := other_format(run.get("format")):
            raise UsageError(f"--out {path} {problem}. It is left as it is; choose another --out")
        if run.get("key") != spec.key():
            failed = run.get("status") in ("failed", "interrupted")
            way = f", or delete it: it {'was interrupted' if run.get('status') == 'interrupted' else 'failed'}"
            raise UsageError(
                f"--out {path} holds another run ({run.get('title')}, key {run.get('key')}); this one has key "
                f"{spec.key()}{first_difference(run.get('identity'), spec.identity())}. Choose another --out"
                f"{way if failed else ''}"
            )

    def recorded(self) -> RunFile | None:
        """Return the content of run.json, if there is one."""
        return self._read_run() if (self.path / "run.json").exists() else None

    def result(self) -> ResultFile | None:
        """Content of result.json, if the run is complete."""
        path = self.path / "result.json"
        if not path.exists():
            return None
        advice = "delete this one file and give the command again: it is made again from the checkpoints"
        result = read_json(path, ("key", "success_rate", "successes", "n", "stages", "scale", "run_dir"), advice)
        problem = misfit(result, ResultFile)
        if problem is None and not 0 <= result["successes"] <= result["n"] >= 1:
            problem = f"{result['successes']} of {result['n']} tasks solved"
        if problem:
            raise VgbenchError(f"{path} is not what vgbench wrote: {problem}; {advice}")
        # Exactly equal: it was written as this quotient, and JSON keeps every bit of a float.
        if result["key"] != self._read_run()["key"] or result["success_rate"] != result["successes"] / result["n"]:
            raise VgbenchError(f"{path} is not what vgbench wrote: it contradicts itself or run.json; {advice}")
        checksums.verify(self.path)
        return cast("ResultFile", result)

    def withdrawn(self) -> bool:
        """Free a folder in which nothing was computed yet for another run; False if something was, or earlier."""
        began = "resumed" not in self._run and not self._run.get("stages") and not (self.path / "tasks.json").exists()
        if not began or any((self.path / "checkpoints").iterdir()):
            return False
        for name in ("config.yaml", "run.json"):
            (self.path / name).unlink(missing_ok=True)
        return True

    def complete(self, result: ResultFile) -> None:
        """Write result.json, and before it the checksums of all records: a folder that has it is taken for complete."""
        text = json_text(result)
        checksums.write(self.path, {"result.json": text.encode()})
        write_text(self.path / "result.json", text)

    def _read_run(self) -> RunFile:
        """Content of run.json."""
        advice = "choose another --out (this folder's checkpoints cannot be told apart without it)"
        return cast("RunFile", read_json(self.path / "run.json", _NEEDED, advice))

    def _prepare(self, spec: "RunSpec", argv: list[str]) -> None:
        made_by: MadeBy = {
            "versions": provenance.versions(),
            "git": provenance.git(),
            "machine": provenance.machine(),
        }
        if (self.path / "run.json").exists():
            self._run = self._read_run()
            self._run["resumed"] = [*self._run.get("resumed", []), now()]
            self._run.update(made_by)
            # What it goes on with; a record that says nothing of its beginning does not learn it from its end.
            if all("source" in plugin for plugin in self._run.get("plugins", ())):
                self._run["plugins"] = provenance.plugins(spec)
        else:
            self._run = {
                "format": FORMAT,
                "key": spec.key(),
                "title": spec.title(),
                "created": now(),
                "stages": {},
                "argv": argv,
                "identity": spec.identity(),
                "plugins": provenance.plugins(spec),
                "recipe": spec.recipe,
                "protocol": spec.protocol,
                "scale": spec.scale,
                "variant": spec.variant,
                "notes": [],
                **made_by,
            }
            if asked := _of_config(spec, argv):
                self._run["asked"] = asked
        text = yaml_file.dump(spec.to_config())
        # Before anything is computed: whatever ends the run, its folder says whose it is.
        self.update(status="started", config=hashlib.sha256(text.encode()).hexdigest())
        write_text(self.path / "config.yaml", text)

    def attach(self) -> RunFile:
        """Read run.json, so that checkpoints can be read; nothing is locked or written."""
        self._run = self._read_run()
        if (self.path / "result.json").exists():
            checksums.verify(self.path)
        self._check_config()
        return self._run

    def _check_config(self) -> None:
        """Hold config.yaml against the hash in run.json; older runs have none."""
        path, wanted = self.path / "config.yaml", self._run.get("config")
        if wanted is not None and path.exists() and hash_of(path)[1] != wanted:
            raise VgbenchError(
                f"{path} is damaged or was edited: run.json beside it has another hash. Give the command that made the "
                f"run again with --out {self.path}, which writes it anew"
            )

    def note(self, text: str) -> bool:
        """Keep what happened, for the record; False if it is there already."""
        if text in self.notes():
            return False
        self.update(notes=[*self.notes(), text])
        return True

    def notes(self) -> list[str]:
        """Return what happened so far."""
        return list(self._run.get("notes", ()))

    def update(self, **fields: Any) -> None:
        """Change fields of run.json."""
        self._run = cast("RunFile", {**self._run, **fields})
        write_sealed(self.path / "run.json", cast("Record", self._run))

    def stage_times(self) -> dict[str, Times]:
        """Seconds and CPU-seconds spent in each stage so far, by all processes that worked on the run."""
        return self._run["stages"]

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add what is spent inside to the stage's times; noted at every checkpoint, so that a kill loses little."""
        self._clock = Clock(stage)
        try:
            yield
        except BaseException:  # an interrupt, too: its time was spent all the same
            with suppress(VgbenchError):  # what went wrong first is what the user has to see
                self._note_time()
            raise
        else:
            self._note_time()
        finally:
            self._clock = None

    def _note_time(self) -> None:
        if self._clock is None:
            return
        spent, lap = (
            self.stage_times().setdefault(self._clock.stage, Times(seconds=0.0, cpu_seconds=0.0)),
            self._clock.lap(),
        )
        spent["seconds"] = round(spent["seconds"] + lap["seconds"], 3)
        spent["cpu_seconds"] = round(spent["cpu_seconds"] + lap["cpu_seconds"], 3)
        self.update()

    def append(self, name: str, record: Record) -> None:
        """Add a line to a JSONL file."""
        try:
            # Appending is not atomic: `keep` drops a line that was cut off.
            with appending(self.path / name) as file:
                file.write(json.dumps(record) + "\n")
        except OSError as err:
            raise VgbenchError(f"cannot write {self.path / name}: {err.strerror or err}") from err

    def write_lines(self, name: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Write a whole JSONL file atomically."""
        write_text(self.path / name, "".join(json.dumps(record) + "\n" for record in records))

    def keep(self, name: str, wanted: Callable[[Record], bool]) -> None:
        """Drop the lines that a resumed run will write again, and a last line that was cut off."""
        if (self.path / name).exists():
            self.write_lines(name, [line for line in self.lines(name) if wanted(line)])

    def lines(self, name: str) -> list[Record]:
        """Records of a JSONL file, up to a line that was cut off."""
        return read_lines(self.path / name)

    def checkpoint(self, name: str) -> Path:
        """File of a stage's checkpoint, whether it is there or not."""
        return self.path / "checkpoints" / f"{name}.pt"

    def save_checkpoint(self, name: str, content: Record) -> None:
        """Write checkpoints/NAME.pt atomically, and with it the stage's times."""
        # The checkpoint first: a kill between the two loses some time on record, but no work.
        checkpoints.save(self.checkpoint(name), self._run.get("key"), content, self._log_state())
        self._note_time()

    def kept(self, name: str) -> str:
        """Say whether there is a checkpoint of a stage."""
        path = self.checkpoint(name)
        return f"The last good checkpoint is kept in {path}." if path.exists() else "There was no checkpoint yet."

    def load_checkpoint(self, name: str) -> Record | None:
        """Read checkpoints/NAME.pt (tensors and plain values only), or None."""
        path = self.checkpoint(name)
        if not path.exists():
            return None
        content, self._log = checkpoints.load(path, self._run.get("key"))
        return content

    def reached(self, name: str, content: Record) -> tuple[int, int]:
        """Return the steps that a checkpoint of a stage has taken, and those of the whole stage.

        Raises:
            VgbenchError: it does not say so.
        """
        with self.explained(name):
            return int(content["step"]), int(content["total"])

    def _log_state(self, size: int | None = None) -> Record:
        """Bytes of train.jsonl so far, or the first `size` of them, and their hash."""
        path = self.path / "train.jsonl"
        count, found = hash_of(path, size) if path.exists() else (0, hashlib.sha256().hexdigest())
        return {"bytes": count, "sha256": found}

    def log_damage(self) -> str | None:
        """Say that train.jsonl is not as it was when the checkpoint that was read last was written, or return None."""
        if self._log is None or self._log_state(self._log["bytes"]) == self._log:
            return None
        return (
            f"{self.path / 'train.jsonl'} is damaged or was edited: lines of it are missing or others; weights and "
            "results do not depend on it"
        )

    def explained(self, name: str) -> AbstractContextManager[None]:
        """Turn what using a checkpoint may raise into one message."""
        return checkpoints.explained(self.checkpoint(name))
