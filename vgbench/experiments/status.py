"""Where the runs of a suite or sweep stand, whoever computes them: read from their folders alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgbench.errors import UsageError, VgbenchError
from vgbench.experiments.cells import cell_name
from vgbench.experiments.stage_file import position
from vgbench.storage.files import Record, parse_json, read_json, read_whole, within
from vgbench.storage.lock import held
from vgbench.storage.run_folder import RunFolder
from vgbench.text import duration

RECORDS = ("suite.json", "sweep.json")


@dataclass(frozen=True)
class RunStatus:
    """One run.

    Attributes:
        state: `done`, `running`, `failed`, `interrupted` or `waiting`.
        where: of one that has begun: its stage, and the step of training.
        rate: result.json, of one that is done.
        why: of one that failed.
    """

    name: str
    folder: Path
    state: str
    where: str = ""
    rate: Record | None = None
    why: str = ""

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        rate = self.rate or {}
        about = {"run": self.name, "state": self.state, "where": self.where or None, "why": self.why or None}
        return about | {"success_rate": rate.get("success_rate"), "folder": self.folder.as_posix()}


def status(root: Path, name: str | None = None) -> list[RunStatus]:
    """Return where each run of a suite's or sweep's folder stands; those of an older command with other values do not.

    Raises:
        UsageError: it is not the folder of a suite or sweep, or not of that `name`.
    """
    if not root.is_dir():
        raise UsageError(f"--status {root}: there is no such folder yet; `vgbench suite` makes it, --dry-run does not")
    path = next((root / record for record in RECORDS if (root / record).exists()), None)
    if path is None:
        raise UsageError(f"--status {root}: it has no {' or '.join(RECORDS)}; expected the folder of a suite or sweep")
    content = read_json(path, ("runs",), "it is not what vgbench wrote")
    runs, of = content["runs"], content.get("name")
    if name is not None and name != of:
        raise UsageError(f"--status {root}: it is the folder of {of}, not of {name}; leave {name} out")
    try:
        cells = [(cell_name(run["labels"]), within(root, run["folder"])) for run in runs if not run.get("stale")]
    except (KeyError, TypeError, AttributeError, ValueError) as err:
        raise UsageError(f"{path}: it is not what vgbench wrote: {type(err).__name__}: {err}") from err
    return [_status(name, folder) for name, folder in cells]


def _status(name: str, folder: Path) -> RunStatus:
    run_folder = RunFolder(folder)
    try:
        result = run_folder.result()
        if result is not None:
            return RunStatus(name, folder, "done", rate=dict(result))
        run = run_folder.recorded()
    except VgbenchError as err:
        return RunStatus(name, folder, "failed", why=str(err))
    if held(folder / ".lock"):
        return RunStatus(name, folder, "running", _where(folder, run))
    if run is None:
        return RunStatus(name, folder, "waiting")
    state = {"failed": "failed", "done": "done"}.get(str(run.get("status")), "interrupted")
    where = _where(folder, run) if state == "interrupted" else ""
    return RunStatus(name, folder, state, where, why=str(run.get("error") or ""))


def _where(folder: Path, run: Any) -> str:
    """Stage that a run is in, as its files tell."""
    if now := position(folder):
        left = f", {duration(now.seconds_left)} left" if now.seconds_left is not None else ""
        return f"{now.stage}, {now.percent} %{left}"
    if (folder / "episodes.jsonl").exists() or "episodes" in (run or {}).get("stages", {}):
        return "planning"
    try:
        lines = read_whole(folder / "train.jsonl").splitlines()
        last = parse_json(lines[-1])
        return f"{last['stage']}, step {last['step']}"
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return "starting"


def summary(found: list[RunStatus]) -> str:
    """Count the states: `34 runs: 12 done, 2 running, 20 waiting`."""
    order = ("done", "running", "interrupted", "failed", "waiting")
    counts = {state: sum(run.state == state for run in found) for state in order}
    return f"{len(found)} runs: {', '.join(f'{count} {state}' for state, count in counts.items() if count)}"
