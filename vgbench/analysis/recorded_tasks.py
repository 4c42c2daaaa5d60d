"""Tasks of a finished run, made again from what it recorded, and the steps that the environment's expert takes on them.

Nothing of the method is needed, only the environment. Where the run's folder has no tasks.json, as records kept without
it, the tasks are sampled again; the training set, which may decide their layout, comes from the cache or is collected.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vgbench.api import Environment, Trajectories
from vgbench.data import collection, files, task_files
from vgbench.data.task_manifest import TaskManifest
from vgbench.errors import UsageError
from vgbench.experiments.build import build_environment
from vgbench.planning.expert import expert_steps
from vgbench.plugin.attribution import attribute_errors
from vgbench.plugin.registry import Registry, load_plugin
from vgbench.settings import DataSettings
from vgbench.spec import ResolvedPlugin
from vgbench.storage import yaml_file
from vgbench.storage.episode_rows import NotARecord
from vgbench.storage.files import Record

NEAR = 1e-4
"""Difference between a start's recorded distance and that of the task made again, which another machine may make."""


class RecordedTasks:
    """Makes tasks again; runs that share environment, data and seeds share them."""

    def __init__(self, tell: Callable[[str], None] = lambda text: None) -> None:
        """`tell` hears of what takes time."""
        self._tell = tell
        self._tasks: dict[str, tuple[Environment, TaskManifest]] = {}
        self._steps: dict[str, list[int | None]] = {}

    def of(self, path: Path, run: Record, result: Record, rows: Sequence[Record]) -> tuple[Environment, TaskManifest]:
        """Return the environment and the tasks of a run, which are held against its record.

        Raises:
            UsageError: the environment is not installed, or was changed, or files of the run are missing.
            NotARecord: its tasks cannot be made again: others come out.
        """
        identity = run["identity"]
        where = str(path / "tasks.json") if (path / "tasks.json").exists() else None
        names = ("environment", "seeds", "data_fingerprint", "tasks_sha256")
        settings = {name: identity["settings"][name] for name in ("data", "evaluation")}
        key = _key(where, run["protocol"], settings, *(identity.get(name) for name in names))
        if key not in self._tasks:
            with attribute_errors(UsageError):
                environment = _environment(identity["environment"])
                made = (
                    task_files.load(path / "tasks.json", environment)
                    if where
                    else self._sampled(path, run, environment)
                )
            self._tasks[key] = environment, made
        environment, made = self._tasks[key]
        _check(environment, made, result, rows)
        return environment, made

    def expert_steps(
        self, environment: Environment, manifest: TaskManifest, most: int, radius: float | None
    ) -> list[int | None]:
        """Return the expert's steps on tasks, see `vgbench.planning.expert.expert_steps`; played once for all runs."""
        key = _key(manifest.sha256, most, radius)
        if key not in self._steps:
            with attribute_errors(UsageError):
                self._steps[key] = expert_steps(environment, manifest.tasks, most, radius)
        return self._steps[key]

    def _sampled(self, path: Path, run: Record, environment: Environment) -> TaskManifest:
        identity = run["identity"]
        if "tasks_sha256" in identity:
            raise NotARecord("its tasks came from a file, and the folder has no tasks.json")
        data = self._data(path, identity, environment)
        about, count, seed = identity["environment"], identity["settings"]["evaluation"]["tasks"], identity["seeds"]
        return task_files.sample(environment, run["protocol"], about, count, seed["task"], data)[0]

    def _data(self, path: Path, identity: Record, environment: Environment) -> Trajectories:
        """Training set of a run."""
        name, wanted = identity["environment"]["name"], identity.get("data_fingerprint")
        if wanted is None:
            settings, seed = DataSettings.model_validate(identity["settings"]["data"]), identity["seeds"]["data"]
            self._tell(f"{path}: the training set decides the tasks; collected if it is not in the cache")
            return collection.collect(name, environment, settings, seed)[0]
        file = Path(yaml_file.load(path / "config.yaml")["data"])
        data, _ = files.load_for(file, name, environment)
        if files.fingerprint(data) != wanted:
            raise NotARecord(f"{file} has other data than it was trained on, which may decide the tasks")
        return data


def _environment(identity: Record) -> Environment:
    """Environment of a run, from its identity."""
    entry = Registry().find("environment", f"{identity['dist']}:{identity['name']}")
    cls = load_plugin(entry)
    if cls.version != identity["version"]:
        raise UsageError(f"it ran in version {identity['version']} of {entry}; installed is version {cls.version}")
    try:
        params = cls.Params.model_validate(identity["params"])
    except ValueError as err:
        raise UsageError(f"{entry} no longer takes the run's parameters: {err}") from err
    return build_environment(ResolvedPlugin(entry, cls, params))


def _check(environment: Environment, made: TaskManifest, result: Record, rows: Sequence[Record]) -> None:
    """Hold tasks that were made again against a record; one that is older than their hash has the starts' distances."""
    recorded = (result.get("tasks") or {}).get("sha256")
    if recorded and made.sha256 != recorded:
        raise NotARecord(f"its tasks cannot be made again: they have the hash {made.sha256[:12]}, not {recorded[:12]}")
    distances = environment.goal_distance(made.tasks.start, made.tasks.goal).tolist()
    starts = [row["start_distance"] for row in rows]
    if len(starts) != len(distances) or any(abs(a - b) > NEAR for a, b in zip(starts, distances, strict=True)):
        raise NotARecord("its tasks cannot be made again: their starts are at other distances from the goals")


def _key(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True)
