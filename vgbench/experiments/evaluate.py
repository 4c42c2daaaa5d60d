"""Plans again with the model of a finished run: another planner, other tasks, another protocol. Nothing is trained."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from vgbench.api import ActionSet, Box, EnvironmentSpec
from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.data.recorded import RECORDED
from vgbench.errors import UsageError
from vgbench.experiments import runner
from vgbench.experiments.build import build_environment
from vgbench.experiments.trained import Trained, load_trained
from vgbench.plugin.loggers import Loggers
from vgbench.spec import RunSpec
from vgbench.storage import yaml_file
from vgbench.storage.record_types import ResultFile
from vgbench.training.stage_cache import stages

OF_PLACE = ("mpc.max_steps", "evaluation.tasks")
"""Values of the core's settings that another protocol brings along."""

FAR = 4.0
"""Ratio of the largest actions from which on a user is asked for their units."""


def evaluate(
    run: Path,
    options: Mapping[str, Any],
    out: Path | None = None,
    argv: Sequence[str] = (),
    loggers: Loggers | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> ResultFile:
    """Evaluate the model of a run once more, into a folder beside it; return the content of result.json.

    Args:
        run: folder of a finished run, with its checkpoints.
        options: as given, of `OPTIONS`; what is not among them is as in the run.
        out: the new folder; by default the run's name with the key of the evaluation after it.
        argv: the command, for the record.
        loggers: whom progress is reported to.
        note: called with each thing that the user should know before it starts.

    Raises:
        UsageError: the run is not trained, or an option does not fit, or would change what was trained.
    """
    # The run's own tasks are not played, so they are not made.
    trained = load_trained(run, "RUN", tasks=False)
    if trained.spec.environment.entry == RECORDED and not (options.get("env") or options.get("protocol")):
        raise UsageError(
            f"RUN {run}: it was trained on recordings alone, and there is no simulator to play tasks in; name one that "
            f"shows and moves the same with --env NAME (see `vgbench list environment`), or see `vgbench offline {run}`"
        )
    spec = _spec(trained, options)
    for text in spec.notes:
        note(text)
    if spec.key() == trained.spec.key():
        result = trained.folder.result()
        if result is not None:
            unused = f"; nothing is written to {out}" if out is not None else ""
            note(f"these are the values of the run itself: its own result, {run}{unused}")
            return {**result, "run_dir": str(run)}
    folder = out or run.with_name(f"{run.name}-evaluated-{spec.key()}")
    return runner.run(spec, folder, argv, loggers, trained=trained)


def _spec(trained: Trained, options: Mapping[str, Any]) -> RunSpec:
    """Specification of the evaluation."""
    config = trained.folder.path / "config.yaml"
    given = {name: value for name, value in options.items() if value not in (None, (), [], {})}
    place = {name: given.pop(name) for name in ("env", "protocol") if name in given}
    if not place:
        spec = resolve(RunRequest(config=config, **given))
        _check_same_training(trained.spec, spec)
        return spec
    with _moved(config, trained.spec) as moved:
        spec = resolve(RunRequest(config=moved, **place, **given))
    old, new = trained.environment.spec, build_environment(spec.environment).spec
    _check_same_world(old, new, " ".join(f"--{name} {value}" for name, value in place.items()))
    if units := _other_units(old.actions, new.actions, spec.environment.name):
        spec = replace(spec, notes=(*spec.notes, units))
    return spec if stages(spec) == stages(trained.spec) else replace(spec, trained=trained.spec.key())


def _check_same_training(old: RunSpec, new: RunSpec) -> None:
    """Refuse values that belong to the training.

    Raises:
        UsageError: names the first of them.
    """
    if stages(old) == stages(new):
        return
    for address, value in new.values.items():
        before = old.values.get(address)
        group = address.rpartition(".")[0]
        planning = group in ("mpc", "evaluation", new.planner.entry.address) or (
            new.baseline is not None and group == new.baseline.entry.address
        )
        if not planning and (before is None or before.value != value.value):
            raise UsageError(
                f"{value.source} {address}: this is a value of the training (the model has "
                f"{'none' if before is None else before.value!r}); evaluate changes planner, tasks, mpc and evaluation"
            )
    raise UsageError("the model was trained by another version of vgbench, PyTorch or a plugin; train it again first")


def _check_same_world(old: EnvironmentSpec, new: EnvironmentSpec, written: str) -> None:
    """Refuse an environment that shows or moves something else."""
    shown = {name: (array.shape, array.dtype) for name, array in old.observations.items()}
    other = {name: (array.shape, array.dtype) for name, array in new.observations.items()}
    if shown != other:
        raise UsageError(f"{written}: it shows {other}, but the model was trained on {shown}")
    if (type(old.actions), old.actions.dim) != (type(new.actions), new.actions.dim):
        raise UsageError(f"{written}: it acts by {new.actions}, but the model knows {old.actions}")


def _other_units(old: ActionSet, new: ActionSet, name: str) -> str:
    """Say that actions of the data are far larger or smaller than those of the environment `name`; else nothing."""
    if not (isinstance(old, Box) and isinstance(new, Box)):
        return ""
    recorded, here = (max(map(abs, (*actions.low, *actions.high))) for actions in (old, new))
    if 1 / FAR < recorded / here < FAR:
        return ""
    return f"actions of the training data reach {recorded:.3g}, those of {name} {here:.3g}: are they in the same units?"


@contextmanager
def _moved(config: Path, spec: RunSpec) -> Iterator[Path]:
    """Write the run's file without what its protocol brought: environment, episode length, number of tasks."""
    content = yaml_file.load(config)
    recorded = spec.environment.entry == RECORDED
    # Recordings hold no state of a simulation from which tasks could begin.
    for key in ("environment", "protocol", "protocols", "tasks", "trained", *(["data"] if recorded else [])):
        content.pop(key, None)
    of_environment = f"{spec.environment.entry.address}."
    values = content.get("set", {})
    # Not complete any more: what is missing now is the other protocol's.
    content["complete"] = False
    content["set"] = {a: v for a, v in values.items() if not a.startswith(of_environment) and a not in OF_PLACE}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "config.yaml"
        path.write_text(yaml_file.dump(content), encoding="utf-8")
        yield path
