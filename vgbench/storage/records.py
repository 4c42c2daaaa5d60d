"""Run folders as a report reads them: found anywhere below a folder, and believed only if whole."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vgbench.errors import UsageError, VgbenchError
from vgbench.storage.files import Record, read_json
from vgbench.storage.record_types import PluginOrigin
from vgbench.storage.run_folder import other_format


class NotARecord(VgbenchError):
    """Why a folder is left out of a report."""


@dataclass(frozen=True)
class Episodes:
    """Episodes of one planner: for each task, whether it was solved and how far it began from its goal."""

    success: tuple[bool, ...]
    start_distance: tuple[float, ...]

    @property
    def successes(self) -> int:
        """Number of tasks solved."""
        return sum(self.success)

    def __len__(self) -> int:
        return len(self.success)


@dataclass(frozen=True)
class RunRecord:
    """One run folder: a complete run, or one that failed with `error`.

    Attributes:
        seed: of training.
        identity: what decided the results, see `RunSpec.identity`.
        episodes: empty for a failed run.
        baseline: episodes of the planner that ignores the cost, on the same tasks, if it was judged.
        tasks: hash of its task manifest; None for a record that is older than manifests.
        plugins: where each plugin comes from, as run.json has it.
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
    episodes: Episodes = Episodes((), ())
    baseline: Episodes | None = None
    baseline_planner: str | None = None
    tasks: str | None = None
    plugins: tuple[PluginOrigin, ...] = ()

    @property
    def rate(self) -> float:
        """Share of the tasks that were solved."""
        return self.episodes.successes / len(self.episodes)


def scan(
    folders: Iterable[Path], scale: str, recipes: Iterable[str], variant: str | None = None
) -> tuple[list[RunRecord], list[str]]:
    """Read every run folder at or below some folders.

    What a record is, is what it says itself; the names of folders mean nothing. Returns the records of the scale,
    the recipes and the variant (older records name none), and a line with the reason for each folder left out.

    Raises:
        UsageError: a folder does not exist.
    """
    records: dict[tuple[str, str, str], RunRecord] = {}
    left_out, wanted = [], set(recipes)
    for folder in folders:
        paths = list(leaves(folder))
        waiting = [path for path in paths if _not_begun(path)]
        if waiting:
            left_out.append(f"{folder}: {len(waiting)} of {len(paths)} runs have not begun")
        for path in paths:
            if path in waiting:
                continue
            try:
                record = _belonging(read(path), scale, wanted, variant)
            except VgbenchError as err:
                left_out.append(f"{path}: {err}")
                continue
            # Copies of one run count once; one that was finished goes before one that failed.
            first = records.setdefault((record.recipe, record.protocol, record.key), record)
            if first is not record:
                better = record if first.error and not record.error else first
                records[record.recipe, record.protocol, record.key] = better
                other = first if better is record else record
                left_out.append(f"{other.path}: the same run as {better.path}")
    return list(records.values()), left_out


def leaves(folder: Path) -> Iterator[Path]:
    """Yield run folders, and folders that hold something but no run."""
    if (folder / "run.json").exists():
        yield folder
        return
    try:
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as err:
        raise UsageError(f"DIR {folder}: {err.strerror or err}; expected a folder of run folders") from err
    # A link could lead back up, or count a run twice.
    deeper = [path for path in inside if path.is_dir() and not path.is_symlink()]
    # Its checkpoints are part of a run (here of one without run.json), not a level of runs.
    if inside and not [path for path in deeper if path.name != "checkpoints"]:
        yield folder
        return
    for path in deeper:
        yield from leaves(path)


def _not_begun(folder: Path) -> bool:
    """Whether a folder holds only what a suite puts there before a cell is started."""
    names = {path.name for path in folder.iterdir()}
    return "config.yaml" in names and names <= {"config.yaml", "log.txt", ".lock"}


def read_run(path: Path, fields: Iterable[str]) -> Record:
    """Read run.json of a run folder, with some fields.

    Raises:
        VgbenchError: there is none, it cannot be read, or it is of another format.
    """
    if not (path / "run.json").exists():
        raise NotARecord("there is no run.json")
    run = read_json(path / "run.json", ("format", "key", "identity", "status", *fields), "left out")
    if problem := other_format(run["format"]):
        raise NotARecord(f"it {problem}")
    return run


def read_result(path: Path, run: Record) -> Record:
    """Read result.json of a run folder whose run.json says that it is done.

    Raises:
        VgbenchError: the run is not finished, or its result cannot be read or is that of another run.
    """
    if run["status"] != "done" or not (path / "result.json").exists():
        raise NotARecord(f"the run is not finished (status {run['status']})")
    result = read_json(path / "result.json", ("key", "successes", "n", "planner"), "left out")
    if result["key"] != run["key"]:
        raise NotARecord(f"result.json has key {result['key']}, run.json {run['key']}")
    return result


def read_episodes(path: Path, rate: Record) -> list[Record]:
    """Read the rows of a JSONL file in the order of their tasks; they have to give the rate that result.json has.

    Raises:
        NotARecord: the file cannot be read, is damaged or contradicts `rate`.
    """
    try:
        rows: list[Record] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        rows.sort(key=lambda row: row["task"])
        tasks, solved = [row["task"] for row in rows], sum(bool(row["success"]) for row in rows)
    except OSError as err:
        raise NotARecord(f"{path.name} cannot be read: {err.strerror or err}") from err
    except (ValueError, KeyError, TypeError) as err:
        raise NotARecord(f"{path.name} is damaged: {err}") from err
    # Lines that were lost, doubled or edited show here.
    if not rows or tasks != list(range(len(rows))) or (solved, len(rows)) != (rate["successes"], rate["n"]):
        raise NotARecord(f"{path.name} contradicts result.json")
    return rows


def read(path: Path) -> RunRecord:
    """Read one run folder.

    Raises:
        NotARecord: it is no run, is not finished, or contradicts itself.
    """
    run = read_run(path, ("recipe", "protocol", "scale"))
    if not run["recipe"]:
        raise NotARecord("its run is of no recipe")
    try:
        about = {name: run[name] for name in ("key", "recipe", "protocol", "scale", "identity")}
        about |= {"path": path, "seed": int(run["identity"]["seeds"]["train"]), "variant": run.get("variant")}
        about["plugins"] = tuple(run.get("plugins", ()))
    except (KeyError, TypeError, ValueError) as err:
        raise NotARecord(f"its run.json has no identity.seeds.train: {err}") from err
    if run["status"] == "failed":
        # On one line and without its full stop: reports put it inside a sentence.
        return RunRecord(**about, error=" ".join(str(run.get("error") or "no reason was noted").split()).rstrip("."))
    result = read_result(path, run)
    episodes = _episodes(path / "episodes.jsonl", result)
    baseline = result.get("baseline")
    judged = _episodes(path / "baseline.jsonl", baseline) if baseline else None
    tasks = (result.get("tasks") or {}).get("sha256")
    planner = baseline["planner"] if baseline else None
    return RunRecord(**about, episodes=episodes, baseline=judged, baseline_planner=planner, tasks=tasks)


def _episodes(path: Path, rate: Record) -> Episodes:
    rows = read_episodes(path, rate)
    try:
        return Episodes(tuple(bool(r["success"]) for r in rows), tuple(float(r["start_distance"]) for r in rows))
    except (ValueError, KeyError, TypeError) as err:
        raise NotARecord(f"{path.name} is damaged: {err}") from err


def _belonging(record: RunRecord, scale: str, recipes: set[str], variant: str | None) -> RunRecord:
    if record.scale != scale:
        raise NotARecord(f"it is of scale {record.scale}, not {scale}")
    if variant and record.variant and record.variant != variant:
        raise NotARecord(f"it is of variant {record.variant}, not {variant}")
    if record.recipe not in recipes:
        raise NotARecord(f"recipe {record.recipe} is not part of the suite")
    return record
