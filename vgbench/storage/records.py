"""Run folders as a report reads them: found anywhere below a folder, and believed only if whole."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from vgbench.errors import UsageError, VgbenchError
from vgbench.storage import checksums
from vgbench.storage.episode_rows import Episodes, NotARecord, read_rows
from vgbench.storage.files import Record, read_json
from vgbench.storage.record_shape import misfit
from vgbench.storage.record_types import PluginOrigin, ResultFile, RunFile
from vgbench.storage.run_folder import other_format

_UNFORESEEN = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, TypeError, ValueError)

MOST_FOLDERS = 50_000
"""Folders that are looked into for runs: a whole disk, named by mistake, has more."""


@dataclass(frozen=True)
class RunRecord:
    """One run folder: a complete run, or one that failed with `error`.

    Attributes:
        seed: of training.
        identity: what decided the results, see `RunSpec.identity`.
        episodes: empty for a failed run.
        baselines: episodes of the planners that know nothing of the cost, on the same tasks, by their names.
        tasks: hash of its task manifest; None for a record that is older than manifests.
        plugins: where each plugin comes from, as run.json has it.
        argv: the command, or the call from Python.
        asked: addresses of the values of its --config.
        row: name of its row in a table, where that is not the recipe's.
    """

    path: Path
    key: str
    recipe: str
    protocol: str
    scale: str
    seed: int
    identity: Record
    variant: str | None = None
    error: str | None = None
    episodes: Episodes = field(default_factory=lambda: Episodes((), ()))
    baselines: Mapping[str, Episodes] = field(default_factory=dict)
    tasks: str | None = None
    plugins: tuple[PluginOrigin, ...] = ()
    argv: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    row: str | None = None

    @property
    def label(self) -> str:
        """Name of its row in a table."""
        return self.recipe if self.row is None else self.row

    @property
    def rate(self) -> float:
        """Share of the tasks that were solved."""
        return self.episodes.successes / len(self.episodes)

    def of(self, stratum: str) -> "RunRecord":
        """Return the record of the tasks of one stratum alone."""
        baselines = {name: episodes.of(stratum) for name, episodes in self.baselines.items()}
        # The hash is that of all tasks, of which another record may have only this stratum: distances tell.
        return replace(self, episodes=self.episodes.of(stratum), baselines=baselines, tasks=None)

    @property
    def baseline(self) -> str | None:
        """Name of the strongest baseline, the one with the most successes (the first of several); None without one."""
        return max(self.baselines, key=lambda name: self.baselines[name].successes, default=None)

    def same_tasks(self, other: "RunRecord") -> bool:
        """Whether another record is of the same tasks: by their hashes or, where one has none, by their distances."""
        if self.tasks is not None and other.tasks is not None:
            return self.tasks == other.tasks
        return self._place() == other._place()

    def shares_tasks(self, other: "RunRecord") -> bool:
        """Whether another record is of the same tasks, or of the same ones in some stratum."""
        strata = {*self.episodes.strata} & {*other.episodes.strata}
        return self.same_tasks(other) or any(self.of(name).same_tasks(other.of(name)) for name in strata)

    def _place(self) -> object:
        # Equal distances at all starts mean equal tasks, within one environment and task seed.
        seeds = self.identity["seeds"]
        return self.identity["environment"]["name"], seeds["task"], self.episodes.start_distance


def share_tasks(records: Sequence[RunRecord]) -> bool:
    """Whether records of several seeds have tasks in common; else each one has tasks of its own.

    One pair is enough: it is cautious to take all for alike, since shared tasks count for less.
    """
    pairs = ((a, b) for i, a in enumerate(records) for b in records[i + 1 :])
    return any(a.shares_tasks(b) for a, b in pairs)


def scan(
    folders: Iterable[Path], scale: str, recipes: Iterable[str] | None = None, variants: Sequence[str] = ()
) -> tuple[list[RunRecord], list[str]]:
    """Read every run folder at or below some folders.

    What a record is, is what it says itself; the names of folders mean nothing. Returns the records of the scale,
    the recipes and the variants (all, where none are given; older records name none), and a line with the reason for
    each folder left out.

    Raises:
        UsageError: a folder does not exist.
    """
    records: dict[tuple[str, str, str | None, str], RunRecord] = {}
    left_out: list[str] = []
    wanted = None if recipes is None else set(recipes)
    for folder in folders:
        paths = list(leaves(folder, left_out.append))
        waiting = [path for path in paths if _not_begun(path)]
        if waiting:
            left_out.append(f"{folder}: {len(waiting)} of {len(paths)} runs have not begun")
        for path in paths:
            if path in waiting:
                continue
            record = read_or_why(path, lambda found: _belonging(found, scale, wanted, variants))
            if isinstance(record, str):
                left_out.append(f"{path}: {record}")
                continue
            # Copies of one run count once; one that was finished goes before one that failed.
            place = (record.recipe, record.protocol, record.variant, record.key)
            first = records.setdefault(place, record)
            if first is not record:
                better = record if first.error and not record.error else first
                records[place] = better
                other = first if better is record else record
                left_out.append(f"{other.path}: the same run as {better.path}")
    return list(records.values()), left_out


def read_or_why(path: Path, check: Callable[[RunRecord], RunRecord] = lambda record: record) -> RunRecord | str:
    """Read a run folder; return why it is no record, or why `check` refuses it, where it is not."""
    try:
        return check(read(path))
    except VgbenchError as err:
        return str(err)
    except _UNFORESEEN as err:
        # What no check foresaw: it must not cost what is told of all others.
        return f"it is no record of vgbench ({type(err).__name__}: {err})"


def leaves(folder: Path, skipped: Callable[[str], object] = lambda line: None) -> Iterator[Path]:
    """Yield run folders, and folders that hold something but no run.

    Args:
        folder: where they lie, at any depth.
        skipped: hears of each link to a folder, which is not followed.

    Raises:
        UsageError: it cannot be read, or has more folders than anybody's runs.
    """
    waiting, looked = [folder], 0
    while waiting:
        place = waiting.pop()
        looked += 1
        if looked > MOST_FOLDERS:
            raise UsageError(f"DIR {folder}: more than {MOST_FOLDERS:,} folders lie in it; give the folder of the runs")
        try:
            with os.scandir(place) as entries:
                # A link could lead back up, or count a run twice.
                every = [(entry.name, entry.is_dir(follow_symlinks=False), entry.is_dir()) for entry in entries]
        except OSError as err:
            if place == folder:
                raise UsageError(f"DIR {folder}: {err.strerror or err}; expected a folder of run folders") from err
            yield place  # who reads it is told why it cannot be read
            continue
        links = [name for name, is_folder, leads_to_one in every if leads_to_one and not is_folder]
        for name in sorted(links):
            skipped(f"{place / name}: it is a link to a folder, which is not followed; name the folder itself")
        inside = {name: is_folder for name, is_folder, _ in every if name not in links and not name.startswith(".")}
        # Its checkpoints are part of a run (here of one without run.json), not a level of runs.
        deeper = [name for name, is_folder in inside.items() if is_folder and name != "checkpoints"]
        if "run.json" in inside or (inside and not deeper):
            yield place
        else:
            waiting += [place / name for name in sorted(deeper, reverse=True)]


def _not_begun(folder: Path) -> bool:
    """Whether a folder holds only what a suite puts there before a cell is started."""
    try:
        names = {path.name for path in folder.iterdir() if path.suffix != ".partial"}
    except OSError:
        return False
    return "config.yaml" in names and names <= {"config.yaml", "log.txt", ".lock"}


def read_run(path: Path, fields: Iterable[str]) -> Record:
    """Read run.json of a run folder, with some fields.

    Raises:
        VgbenchError: there is none, it cannot be read, or it is of another format.
    """
    try:
        there = (path / "run.json").exists()
    except OSError as err:
        raise NotARecord(f"run.json cannot be read: {err.strerror or err}") from err
    if not there:
        raise NotARecord("there is no run.json")
    run = read_json(path / "run.json", ("format", "key", "identity", "status", *fields), "left out")
    if problem := other_format(run["format"]):
        raise NotARecord(f"it {problem}")
    if problem := misfit(run, RunFile) or misfit(run["identity"], _Identity, "identity"):
        raise NotARecord(f"run.json is damaged: {problem}")
    if missing := _missing(run["identity"]):
        raise NotARecord(f"run.json is damaged: it has no identity.{missing}")
    return run


def _missing(identity: Record) -> str | None:
    """Name the first field of an identity that every record has and that this one lacks."""
    plugins = {name: identity.get(name) for name in ("environment", "distance", "planner")}
    plugins |= {f"networks.{role}": plugin for role, plugin in identity.get("networks", {}).items()}
    plugins |= {f"objectives.{i}": plugin for i, plugin in enumerate(identity.get("objectives", ()))}
    needed: list[tuple[str, Any, tuple[str, ...]]] = [
        (slot, plugin or {}, ("name", "params")) for slot, plugin in plugins.items()
    ]
    needed.append(("seeds", identity.get("seeds", {}), ("train", "data", "task")))
    return next((f"{slot}.{name}" for slot, has, names in needed for name in names if name not in has), None)


class _Plugin(TypedDict):
    name: str
    params: dict[str, Any]


class _Identity(TypedDict):
    """What of an identity is read, see `RunSpec.identity`."""

    environment: _Plugin
    distance: _Plugin
    planner: _Plugin
    baseline: _Plugin | None
    networks: dict[str, _Plugin]
    objectives: list[_Plugin]
    settings: dict[str, dict[str, Any]]
    seeds: dict[str, int]
    device: str
    precision: str
    compile: bool


def read_result(path: Path, run: Record) -> Record:
    """Read result.json of a run folder whose run.json says that it is done.

    Raises:
        VgbenchError: the run is not finished, or its result cannot be read or is that of another run.
    """
    if run["status"] != "done" or not (path / "result.json").exists():
        raise NotARecord(f"the run is not finished (status {run['status']})")
    checksums.verify(path)
    result = read_json(path / "result.json", ("key", "successes", "n", "planner"), "left out")
    if problem := misfit(result, ResultFile):
        raise NotARecord(f"result.json is damaged: {problem}")
    if result["key"] != run["key"]:
        raise NotARecord(f"result.json has key {result['key']}, run.json {run['key']}")
    return result


def read(path: Path) -> RunRecord:
    """Read one run folder.

    Raises:
        NotARecord: it is no run, is not finished, or contradicts itself.
    """
    run = read_run(path, ("recipe", "protocol", "scale"))
    if not run["recipe"]:
        failed = f"it failed: {run.get('error')}; " if run["status"] == "failed" else ""
        raise NotARecord(f"{failed}its run is of no recipe (but of objectives and a distance), so it has no row")
    try:
        about = {name: run[name] for name in ("key", "recipe", "protocol", "scale", "identity")}
        about |= {"path": path, "seed": int(run["identity"]["seeds"]["train"]), "variant": run.get("variant")}
        about["plugins"] = tuple(run.get("plugins", ()))
        about["argv"] = tuple(map(str, run.get("argv", ())))
        about["asked"] = tuple(run.get("asked", ()))
    except (KeyError, TypeError, ValueError) as err:
        raise NotARecord(f"its run.json has no identity.seeds.train: {err}") from err
    if run["status"] == "failed":
        # On one line and without its full stop: reports put it inside a sentence.
        return RunRecord(**about, error=" ".join(str(run.get("error") or "no reason was noted").split()).rstrip("."))
    result = read_result(path, run)
    episodes = read_rows(path / "episodes.jsonl", result)
    tasks = (result.get("tasks") or {}).get("sha256")
    baselines = {str(rate["planner"]): read_rows(path / file, rate) for file, rate in baseline_rates(result)}
    return RunRecord(**about, episodes=episodes, baselines=baselines, tasks=tasks)


def baseline_rates(result: Record) -> list[tuple[str, Record]]:
    """Return the rates of the baselines in result.json, each with the file of its rows; older results have one.

    Raises:
        NotARecord: they are damaged.
    """
    one = result.get("baseline")
    listed = result.get("baselines", [one] if one else [])
    try:
        found = [(str(rate.get("file", "baseline.jsonl")), rate) for rate in listed]
        names = [rate["planner"] for _, rate in found if {"successes", "n"} <= set(rate)]
    except (KeyError, TypeError, AttributeError) as err:
        raise NotARecord(f"result.json has a damaged list of baselines: {type(err).__name__}: {err}") from err
    # Nor may a record make us read files elsewhere.
    if len(set(names)) < len(found) or any(Path(file).name != file for file, _ in found):
        raise NotARecord(f"result.json has baselines {', '.join(map(str, names))} in {', '.join(f for f, _ in found)}")
    return found


def _belonging(record: RunRecord, scale: str, recipes: set[str] | None, variants: Sequence[str]) -> RunRecord:
    if record.scale != scale:
        raise NotARecord(f"it is of scale {record.scale}, not {scale} (--scale {record.scale} shows it)")
    if variants and record.variant and record.variant not in variants:
        raise NotARecord(f"it is of variant {record.variant}, not {' or '.join(variants)}")
    if recipes is not None and record.recipe not in recipes:
        raise NotARecord(f"recipe {record.recipe} is not part of the suite")
    return record
