"""Tasks of a run, sampled or read from a file, checked and kept in its folder."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from vgbench.api import Environment, State, Tasks, Trajectories
from vgbench.data import checks
from vgbench.data import strata as groups
from vgbench.errors import UsageError, VgbenchError
from vgbench.plugin.attribution import describe_plugin
from vgbench.storage.files import JSON_BYTES, Record, parse_json, read_bytes
from vgbench.storage.record_types import TasksAbout

if TYPE_CHECKING:
    from vgbench.spec import RunSpec

from vgbench.data.task_manifest import FORMAT, NOISE, TaskManifest, digest

_FIELDS: dict[str, type] = {
    "protocol": str,
    "environment": dict,
    "seed": int,
    "number": int,
    "arrays": dict,
    "both": list,
    "tasks": list,
    # A number, or None.
    "radius": object,
    "unit": str,
    "noise": str,
}


def sample(
    environment: Environment, protocol: str, about: Record, count: int, seed: int, data: Trajectories
) -> tuple[TaskManifest, Record]:
    """Sample tasks.

    Args:
        environment: where they are.
        protocol: its name, for the record.
        about: the environment's identity.
        count: number of tasks.
        seed: of the tasks.
        data: the training set, which may decide the layout.

    Returns:
        The tasks, and what the environment tells of them beside the data.

    Raises:
        UsageError: the environment refuses these data.
        VgbenchError: it gave another number of tasks or other arrays, or tasks that are solved at their start.
    """
    try:
        tasks = environment.sample_tasks(count, seed, data)
        figures = environment.check_tasks(tasks, data)
    except ValueError as err:
        raise UsageError(f"the tasks and data do not fit together: {err}") from err
    who = describe_plugin(environment, "environment")
    if not isinstance(tasks, Tasks):
        raise VgbenchError(f"{who}: sample_tasks returned a {type(tasks).__name__}, expected vgbench.api.Tasks")
    for end, state in (("start", tasks.start), ("goal", tasks.goal)):
        checks.check_arrays(who, f"sample_tasks ({end})", state, environment.spec.state, count)
    checks.check_strata(who, tasks.strata, count)
    if odd := groups.undeclared(environment, tasks.strata or ()):
        other, known = odd
        raise VgbenchError(
            f"{who} sampled a task of stratum {other!r}; its task_strata are: {', '.join(known) or 'none'}"
        )
    solved = int(environment.success(tasks.start, tasks.goal).sum())
    if solved:
        raise VgbenchError(f"{who} sampled {solved} tasks solved at their start")
    return of(environment, protocol, about, seed, tasks), figures


def of(environment: Environment, protocol: str, about: Record, seed: int, tasks: Tasks) -> TaskManifest:
    """Return the manifest of some tasks."""
    radius = getattr(environment, "success_radius", None)
    return TaskManifest(protocol, about, seed, radius, environment.spec.distance_unit, tasks.to("cpu"))


def read_content(path: Path) -> Record:
    """Read a file and check that it is whole and as it was written.

    Raises:
        UsageError: there is no such file, it is no manifest, of another format, or was edited.
    """
    try:
        content = parse_json(read_bytes(path, JSON_BYTES))
    except OSError as err:
        raise UsageError(f"{path}: {err.strerror or err}; make it with `vgbench tasks`") from err
    except ValueError as err:
        raise UsageError(f"{path} is no task manifest (not JSON: {err}); make it with `vgbench tasks`") from err
    if not isinstance(content, dict) or "format" not in content or "sha256" not in content:
        raise UsageError(f"{path} is no task manifest; make it with `vgbench tasks`")
    if content["format"] != FORMAT:
        raise UsageError(f"{path} has task format {content['format']!r}; this vgbench reads format {FORMAT}")
    # A hash cannot be part of what it is made of.
    written = content.pop("sha256")
    try:
        found = digest(content)
    except ValueError as err:
        raise UsageError(f"{path}: a number is not finite ({err})") from err
    if found != written:
        raise UsageError(
            f"{path} was edited or damaged: its content has the hash {found[:12]}, but it says {str(written)[:12]}; "
            "make it again with `vgbench tasks`"
        )
    for name, kind in _FIELDS.items():
        if not isinstance(content.get(name, ...), kind) or name not in content:
            raise UsageError(f"{path} is no task manifest: it has no {name!r}, or another kind of value there")
    return content


def load(path: Path, environment: Environment) -> TaskManifest:
    """Read a manifest, and hold its tasks against the environment that will run them.

    Raises:
        UsageError: as `read_content`; or its arrays are not those of the environment's states, its noise is keyed in
            another way, or a task is solved at its start.
    """
    content = read_content(path)
    with _Refused(path):
        start, goal = (_state(content, end, environment) for end in ("start", "goal"))
        tasks = Tasks(start, goal, _strata(path, content["tasks"], environment))
        keys = [task["key"] for task in content["tasks"]]
        if content["noise"] != NOISE or keys != [[content["seed"], i] for i in range(content["number"])]:
            raise ValueError(f"its noise is not keyed as here: {NOISE} by [seed, number of the task]")
        manifest = of(environment, content["protocol"], content["environment"], content["seed"], tasks)
        if (content["radius"], content["unit"]) != (manifest.radius, manifest.unit):
            raise ValueError(f"a task is solved within {content['radius']} {content['unit']}, here {manifest.radius}")
        solved = environment.success(tasks.start, tasks.goal)
        if solved.any():
            raise ValueError(
                f"{int(solved.sum())} of its {len(tasks)} tasks are solved at their start (the first is task "
                f"{int(solved.long().argmax())})"
            )
        # Last, because the messages before it say more.
        if manifest.content != content:
            raise ValueError("its content is not what this vgbench would write for its tasks")
    return manifest


class _Refused:
    """Turn what a file's content may raise into one message that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, err: BaseException | None, trace: object) -> None:
        if isinstance(err, KeyError):
            raise UsageError(f"{self._path} is no task manifest: it has no {err}") from err
        if isinstance(err, ValueError | TypeError | RuntimeError | OverflowError):
            raise UsageError(f"{self._path}: {err}") from err


def _state(content: Record, end: str, environment: Environment) -> State:
    """Start or goal states of a file, checked against the environment's arrays."""
    spec, rows, arrays = environment.spec.state, content["tasks"], content["arrays"]
    if not rows or len(rows) != content["number"]:
        raise ValueError(f"it says {content['number']} tasks, but has {len(rows)}")
    if set(arrays) != set(spec):
        raise ValueError(f"its states have {sorted(arrays)}, but this environment's have {sorted(spec)}")
    state = {}
    for name, about in arrays.items():
        wanted = {"dtype": spec[name].dtype, "shape": list(spec[name].shape)}
        if about != wanted:
            raise ValueError(f"{name!r} is {about}, but this environment has {wanted}")
        place = "both" if name in content["both"] else end
        array = np.array([row[place][name] for row in rows], dtype=about["dtype"])
        if list(array.shape[1:]) != about["shape"]:
            raise ValueError(f"{name!r} has the shape {list(array.shape[1:])}, not {about['shape']}")
        state[name] = torch.from_numpy(array)
    return state


def _strata(path: Path, rows: list[Record], environment: Environment) -> tuple[str, ...] | None:
    """Names of the tasks' groups; None where no task has one. They have to be the environment's, if it declares any."""
    if not any("stratum" in row for row in rows):
        return None
    strata = tuple(row["stratum"] for row in rows)
    checks.check_strata(str(path), strata, len(rows))
    if odd := groups.undeclared(environment, strata):
        other, known = odd
        there = groups.not_there(other, known)
        raise ValueError(f"task {strata.index(other)} is of stratum {other!r}, which the environment has not. {there}")
    return strata


def for_run(spec: "RunSpec", environment: Environment, data: Trajectories) -> tuple[TaskManifest, TasksAbout]:
    """Return the tasks of a run, read from its file or sampled, and what result.json says of them.

    Raises:
        UsageError: the file has changed, or the environment refuses to judge a model trained on these data by them.
    """
    count, about = spec.settings["evaluation"].tasks, spec.environment.identity()
    if spec.tasks_file is None:
        found, figures = sample(environment, spec.protocol, about, count, spec.task_seed, data)
    else:
        path = Path(spec.tasks_file)
        found = load(path, environment).first(count)
        if found.sha256 != spec.tasks_sha256:
            raise UsageError(f"--tasks {path} has changed since it was looked at; give the command again")
        try:
            figures = environment.check_tasks(found.tasks, data)
        except ValueError as err:
            raise UsageError(f"--tasks {path}: {err}") from err
    file = Path(spec.tasks_file).name if spec.tasks_file else None
    about_tasks: TasksAbout = {
        "sha256": found.sha256,
        "n": count,
        "seed": found.seed,
        "radius": found.radius,
        "file": file,
    }
    return found, cast("TasksAbout", {**about_tasks, **figures})


def keep(manifest: TaskManifest, path: Path) -> None:
    """Write a run's manifest; one that is there already, of the run's first start, must have the same hash.

    Raises:
        UsageError: it has another one, or was edited.
    """
    if not path.exists():
        manifest.write(path)
        return
    found = digest(read_content(path))
    if found != manifest.sha256:
        raise UsageError(
            f"{path} has other tasks (hash {found[:12]}) than this run plays ({manifest.sha256[:12]}); "
            "it was begun on those, so choose another --out"
        )
