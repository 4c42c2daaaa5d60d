"""What all conditions of the ablation share: tasks, data and planner of a protocol, or of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from vgbench.api import ActionSet, Environment, Planner, Tasks
from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.resolve import RunRequest, resolve
from vgbench.data.dataset import Dataset
from vgbench.data.files import fingerprint
from vgbench.errors import UsageError
from vgbench.experiments.build import build_environment, load_data, load_tasks
from vgbench.experiments.trained import Trained, load_trained
from vgbench.settings import MpcSettings
from vgbench.spec import RunSpec


@dataclass
class LadderSetup:
    """What all conditions share; `budget` is the number of candidates of a plan, by default the planner's own."""

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

    @property
    def action_set(self) -> ActionSet:
        """Admissible actions, in normalised units."""
        return self.environment.spec.actions.scaled(1 / self.data.action_scale)

    def planner(self) -> Planner:
        """The run's planner, with `budget` candidates if that is given.

        Raises:
            UsageError: it does not take them.
        """
        chosen = self.spec.planner
        planner: Planner = chosen.make()
        if self.budget is None:
            return planner
        try:
            planner = planner.with_budget(self.budget)
        except ValueError as err:
            raise UsageError(f"--budget {self.budget}: {chosen.entry}: {err}") from err
        if planner.candidates != self.budget:
            raise UsageError(f"--budget {self.budget}: {chosen.entry} has no number of candidates that could be chosen")
        return planner


def set_up(
    protocol: str | None,
    folders: Sequence[Path],
    tasks: int,
    budget: int | None,
    scale: str | None = None,
    sets: Sequence[str] = (),
    recipes: Path | None = None,
) -> tuple[LadderSetup, list[Trained]]:
    """Set up an ablation on the first `tasks` tasks; return it with the runs whose value and model take part.

    `recipes` is a file with protocols of the user's own.

    Raises:
        UsageError: nothing says where, runs do not share their tasks, or a number does not fit.
    """
    for option, number in (("--tasks", tasks), ("--budget", budget)):
        if number is not None and number < 1:
            raise UsageError(f"{option} {number}: expected at least 1")
    runs = [load_trained(folder, "--run") for folder in folders]
    if runs:
        for option, given in (("--scale", scale), ("--set", sets), ("--recipes", recipes)):
            if given:
                raise UsageError(f"{option}: with --run everything is the run's own; leave it out")
        spec, environment, data, every = runs[0].spec, runs[0].environment, runs[0].data, runs[0].tasks
        if protocol and protocol.replace("-", "_") != spec.protocol:
            raise UsageError(f"--protocol {protocol}: {folders[0]} is a run of protocol {spec.protocol}")
        _check_same(runs, folders, tasks)
    else:
        if protocol is None:
            raise UsageError("say where: --protocol NAME, or --run DIR for the tasks of a run")
        spec = spec_of_protocol(RunRequest(protocol=protocol, scale=scale, set=sets, recipes=recipes))
        return set_up_protocol(spec, tasks, budget), []
    setup = LadderSetup(spec, environment, data, every.first(tasks), budget)
    setup.planner()  # a budget that it does not take is refused before anything is played
    return setup, runs


def spec_of_protocol(request: RunRequest) -> RunSpec:
    """Resolve a protocol alone: nothing of a method is used, but a specification needs one.

    Raises:
        UsageError: the request does not fit.
    """
    return resolve(request.replaced(recipe=next(iter(load_catalogue().recipes)), loose=True))


def set_up_protocol(spec: RunSpec, tasks: int | None = None, budget: int | None = None) -> LadderSetup:
    """Set up an ablation of a protocol alone (`spec_of_protocol`), on its first `tasks` tasks, by default all.

    Raises:
        UsageError: the planner does not take the budget.
    """
    environment = build_environment(spec.environment)
    scale, device = spec.settings["model"].action_scale, torch.device(spec.device)
    data = Dataset(environment, load_data(spec, environment)[0], device, scale)
    every = load_tasks(spec, environment, data)
    setup = LadderSetup(spec, environment, data, every if tasks is None else every.first(tasks), budget)
    setup.planner()
    return setup


def _check_same(runs: Sequence[Trained], folders: Sequence[Path], tasks: int) -> None:
    """All runs have the environment, data, first `tasks` tasks, planner and units of actions of the first one."""
    first = runs[0]
    settings = first.spec.settings
    for run, folder in zip(runs[1:], folders[1:], strict=True):
        same = (
            ("environment", run.spec.environment.identity() == first.spec.environment.identity()),
            ("training set", fingerprint(run.data.trajectories) == fingerprint(first.data.trajectories)),
            ("task seed", run.spec.task_seed == first.spec.task_seed),
            ("set of tasks", _same_tasks(run.tasks.first(tasks), first.tasks.first(tasks))),
            ("planner", run.spec.planner.identity() == first.spec.planner.identity()),
            ("settings mpc", run.spec.settings["mpc"] == settings["mpc"]),
            ("model.action_scale", run.spec.settings["model"].action_scale == settings["model"].action_scale),
        )
        for what, agrees in same:
            if not agrees:
                raise UsageError(f"--run {folder}: its {what} is not that of {folders[0]}; make a ladder for each")


def _same_tasks(a: Tasks, b: Tasks) -> bool:
    """Whether the starts and goals are the same."""
    return len(a) == len(b) and all(
        one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
        for one, other in ((a.start, b.start), (a.goal, b.goal))
    )
