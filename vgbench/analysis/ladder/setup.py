"""Where a ladder stands: the tasks, data and planner of a protocol, or of a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vgbench.analysis.sampling import index_states
from vgbench.api import Environment, Planner, State, Tasks
from vgbench.config.catalogue import load_catalogue
from vgbench.config.resolve import RunRequest, resolve
from vgbench.data.dataset import Dataset
from vgbench.data.files import fingerprint
from vgbench.errors import UsageError
from vgbench.experiments.build import build_environment, load_data, load_tasks
from vgbench.experiments.trained import Trained, load_trained
from vgbench.rng import KeyedNoise, Stream
from vgbench.settings import MpcSettings
from vgbench.spec import RunSpec
from vgbench.storage.files import Record

Act = Callable[[State, Tensor, int], Tensor]
"""State, ids of the active tasks [B], step -> normalised actions [B, R, A] to be executed."""


@dataclass
class LadderSetup:
    """Where the ladder stands: what all rows share."""

    spec: RunSpec
    environment: Environment
    data: Dataset
    tasks: Tasks
    budget: int | None = None

    @property
    def settings(self) -> MpcSettings:
        """Episode length, steps between plans, and how distances make a cost."""
        settings: MpcSettings = self.spec.settings["mpc"]
        return settings

    def planner(self) -> Planner:
        """The run's planner, with `budget` samples if that is given and it has such a parameter."""
        chosen = self.spec.planner
        params = chosen.params
        if self.budget is not None and hasattr(params, "samples"):
            params = params.model_copy(update={"samples": self.budget})
        planner: Planner = chosen.cls(params)
        return planner


def play(place: LadderSetup, act: Act) -> list[Record]:
    """Play all tasks; rows with `task`, `success` and `steps`."""
    environment, settings, tasks = place.environment, place.settings, place.tasks
    state, ids, step = tasks.start, torch.arange(len(tasks), device=place.data.device), 0
    steps = torch.full((len(tasks),), -1)
    while step < settings.max_steps and len(ids):
        actions = act(state, ids, step)
        for index in range(min(actions.shape[1], settings.max_steps - step)):
            noise = None
            if environment.spec.noise_dim:
                keyed = KeyedNoise(place.spec.task_seed, ids, step, Stream.ENVIRONMENT)
                noise = keyed.normal(environment.spec.noise_dim)
            state = environment.step(state, actions[:, index] * place.data.action_scale, noise)
            step += 1
            solved = environment.success(state, index_states(tasks.goal, ids))
            steps[ids[solved].cpu()] = step
            left = (~solved).nonzero().squeeze(1)
            state, ids, actions = index_states(state, left), ids[left], actions[left]
            if not len(ids):
                break
    return [
        {"task": task, "success": count >= 0, "steps": count if count >= 0 else step}
        for task, count in enumerate(steps.tolist())
    ]


def find_place(
    protocol: str | None,
    folders: Sequence[Path],
    tasks: int,
    budget: int | None,
    scale: str | None = None,
    sets: Sequence[str] = (),
) -> tuple[LadderSetup, list[Trained]]:
    """Set up a ladder.

    Raises:
        UsageError: nothing says where, runs do not share their tasks, or a number is too small.
    """
    for option, number in (("--tasks", tasks), ("--budget", budget)):
        if number is not None and number < 1:
            raise UsageError(f"{option} {number}: expected at least 1")
    runs = [load_trained(folder, "--run") for folder in folders]
    if runs:
        if scale or sets:
            raise UsageError("--scale and --set: with --run everything is the run's own; leave them out")
        spec, environment, data, every = runs[0].spec, runs[0].environment, runs[0].data, runs[0].tasks
        if protocol and protocol.replace("-", "_") != spec.protocol:
            raise UsageError(f"--protocol {protocol}: {folders[0]} is a run of protocol {spec.protocol}")
        _check_same(runs, folders)
    else:
        if protocol is None:
            raise UsageError("say where: --protocol NAME, or --run DIR for the tasks of a run")
        # Nothing of a method is used; a specification needs one.
        recipe = next(iter(load_catalogue().recipes))
        spec = resolve(RunRequest(protocol=protocol, recipe=recipe, scale=scale, set=sets, loose=True))
        environment = build_environment(spec.environment)
        data = Dataset(environment, load_data(spec, environment)[0], torch.device(spec.device))
        every = load_tasks(spec, environment, data)
    some = Tasks(index_states(every.start, slice(0, tasks)), index_states(every.goal, slice(0, tasks)))
    return LadderSetup(spec, environment, data, some, budget), runs


def _check_same(runs: Sequence[Trained], folders: Sequence[Path]) -> None:
    """All runs have the environment, the data and the tasks of the first."""
    first = runs[0]
    for run, folder in zip(runs[1:], folders[1:], strict=True):
        same = (
            ("environment", run.spec.environment.identity() == first.spec.environment.identity()),
            ("training set", fingerprint(run.data.trajectories) == fingerprint(first.data.trajectories)),
            ("tasks", run.spec.task_seed == first.spec.task_seed),
        )
        for what, agrees in same:
            if not agrees:
                raise UsageError(f"--run {folder}: its {what} is not that of {folders[0]}; make a ladder for each")
