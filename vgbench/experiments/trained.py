"""A finished run, loaded again: its model, data and tasks, as the runner had them."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vgbench.api import Environment, Tasks
from vgbench.config.resolve import RunRequest, resolve
from vgbench.data import held_out
from vgbench.data.dataset import Dataset
from vgbench.data.recorded import RECORDED
from vgbench.errors import UsageError
from vgbench.experiments.build import build_environment, build_model, load_data, load_tasks
from vgbench.hardware import keep_freed_memory
from vgbench.model import precision
from vgbench.model.jepa import JEPA
from vgbench.spec import RunSpec
from vgbench.storage.near_path import near_folder
from vgbench.storage.record_types import RunFile
from vgbench.storage.run_folder import RunFolder, other_format


@dataclass
class Trained:
    """A trained run.

    Attributes:
        run: content of run.json.
        model: with the weights of the last stage, without gradient.
        data_path: file of the training set.
        tasks: those that the run was judged on.
        held_out: trajectories that were kept from training, with actions in the units of `data`.
    """

    folder: RunFolder
    run: RunFile
    spec: RunSpec
    environment: Environment
    data: Dataset
    data_path: Path
    model: JEPA
    tasks: Tasks
    held_out: Dataset | None = None


def _inside(path: Path) -> str:
    """Name runs that a folder has in it, where it was given in place of one of them."""
    depths = ("*/run.json", "*/*/run.json", "*/*/*/run.json")
    inside = sorted(found.parent.as_posix() for depth in depths for found in path.glob(depth))
    more = f" and {len(inside) - 3} more" if len(inside) > 3 else ""
    return f" Runs in it: {', '.join(inside[:3])}{more}." if inside else ""


def load_trained(
    path: Path,
    option: str = "RUN",
    tasks: bool = True,
    simulator: bool | None = None,
    options: Mapping[str, Any] | None = None,
) -> Trained:
    """Load a run folder for reading; the training set is collected again if it is not in the cache.

    With `tasks` those of the run are made; with `simulator` (by default as `tasks`) a run that was trained on
    recordings alone is refused. `options` of the machine (`device`, `threads`) replace those of the run.

    Raises:
        UsageError: there is no run, or it is not trained to its end; the message says what is missing.
        VgbenchError: a file is damaged.
    """
    if not path.is_dir():
        why = "it is a file" if path.exists() else "there is no such folder"
        raise UsageError(f"{option} {path}: {why}; expected the folder of a run.{near_folder(path)}")
    for name in ("run.json", "config.yaml"):
        if not (path / name).exists():
            wanted = f"expected the folder of a run, as `vgbench run` makes it.{_inside(path)}"
            raise UsageError(f"{option} {path} has no {name}; {wanted}")
    folder = RunFolder(path)
    run = folder.attach()
    if problem := other_format(run["format"]):
        raise UsageError(f"{option} {path} {problem}")
    spec = resolve(RunRequest(config=path / "config.yaml", **(options or {})))
    if (tasks if simulator is None else simulator) and spec.environment.entry == RECORDED:
        raise UsageError(f"{option} {path}: it was trained on recordings alone; see `vgbench offline {path}`")
    keep_freed_memory()
    state = _weights(folder, spec, option)
    environment = build_environment(spec.environment)
    model = _model(folder, spec, environment, state)
    device = torch.device(spec.device)
    trajectories, data_path = load_data(spec, environment)
    kept, held = held_out.split(trajectories, spec.settings["data"].held_out)
    data = Dataset(environment, kept, device, spec.settings["model"].action_scale)
    model.to(device)
    precision.accelerate(model, spec)
    unseen = Dataset(environment, held, device, like=data) if held else None
    # Recordings alone have no tasks; `tasks=False` is for what needs none of an environment that has.
    played = load_tasks(spec, environment, data) if tasks else Tasks({}, {})
    return Trained(folder, run, spec, environment, data, data_path, model, played, unseen)


def last_stage(spec: RunSpec) -> str:
    """Return the name of the stage after which the model is complete, which is that of its checkpoint."""
    return spec.stages[-1].name


def _weights(folder: RunFolder, spec: RunSpec, option: str) -> dict[str, Tensor]:
    """Weights of the last stage."""
    stage = last_stage(spec)
    content = folder.load_checkpoint(stage)
    place = folder.path / "checkpoints"
    if content is None:
        found = sorted(path.name for path in place.glob("*.pt"))
        there = f"only {', '.join(found)}" if found else "no checkpoint at all"
        # A finished run has its result and would only print it again: its model is trained in another folder.
        done = (folder.path / "result.json").exists()
        again = Path("runs") / f"{folder.path.resolve().name}-again" if done else folder.path
        verb = "train" if spec.environment.entry == RECORDED else "run"
        command = (
            f"vgbench {verb} --config {shlex.quote(str(folder.path / 'config.yaml'))} --out {shlex.quote(str(again))}"
        )
        raise UsageError(
            f"{option} {folder.path}: the trained model is missing, {place / stage}.pt ({there}); train it with "
            f"`{command}`"
        )
    step, total = folder.reached(stage, content)
    if step < total:
        raise UsageError(
            f"{option} {folder.path}: stage '{stage}' stands at step {step} of {total}; "
            "give its `vgbench run` command again to train it to its end"
        )
    with folder.explained(stage):
        state: dict[str, Tensor] = content["model"]
    return state


def _model(folder: RunFolder, spec: RunSpec, environment: Environment, state: dict[str, Tensor]) -> JEPA:
    """Model with these weights; its statistics, whose shapes depend on the data, come with them."""
    model = build_model(spec, environment)
    for group in (model.statistics, model.whitening):
        prefix = "statistics." if group is model.statistics else "whitening."
        for name, value in state.items():
            if name.startswith(prefix):
                group[name.removeprefix(prefix)] = nn.Parameter(value, requires_grad=False)
    with folder.explained(last_stage(spec)):
        model.set_latent_scale(state["latent_shift"], state["latent_scale"])
        model.load_state_dict(state)
    return model.eval().requires_grad_(False)
