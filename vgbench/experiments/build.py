"""Everything that a specification names, built: environment, model, objectives, data and tasks."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from vgbench.api import Environment, EnvironmentSpec, Network, Objective, ObjectiveShapes, Planner, Tasks, Trajectories
from vgbench.data import collection, files, task_files
from vgbench.data.checks import check_trajectories
from vgbench.data.dataset import Dataset
from vgbench.errors import UsageError
from vgbench.model import jepa
from vgbench.model.checks import sanity_check_model
from vgbench.model.jepa import JEPA
from vgbench.planning import memory
from vgbench.plugin.attribution import attribute_errors, explain
from vgbench.plugin.entry import Entry
from vgbench.plugin.registry import Registry, load_plugin
from vgbench.spec import ResolvedPlugin, RunSpec
from vgbench.training.compatibility import check_terms, check_window
from vgbench.training.stage import Term


def dry_build(spec: RunSpec) -> tuple[Environment, JEPA, tuple[Term, ...]]:
    """Build everything once, so that what does not fit is found before anything is computed or written.

    Returns:
        The environment, the model and the objectives of its (first) stage.

    Raises:
        UsageError: the parts of the run do not fit together, or a plugin fails or breaks its contract.
    """
    with attribute_errors(UsageError):
        return _dry_build(spec)


def _dry_build(spec: RunSpec) -> tuple[Environment, JEPA, tuple[Term, ...]]:
    environment = build_environment(spec.environment)
    kinds = {array.kind for array in environment.spec.observations.values()}
    if spec.settings["model"].image_norm != "channel" and "image" not in kinds:
        raise UsageError(
            f"model.image_norm={spec.settings['model'].image_norm}: environment '{spec.environment.name}' has no images"
        )
    check_action_set(spec, environment)
    model, action_dim = build_model(spec, environment), environment.spec.actions.dim
    built = [build_terms(spec, stage.objectives, model, action_dim) for stage in spec.stages]
    for stage, terms in zip(spec.stages, built, strict=True):
        check_window(stage.settings, spec.settings[stage.settings].window, terms)
    sanity_check_model(spec, model, environment.spec)
    memory.check_budget(spec, model, environment)
    return environment, model, built[0]


def check_action_set(spec: RunSpec, environment: Environment) -> None:
    """Check that the planner and the baseline can plan in the environment's actions.

    Raises:
        UsageError: they are discrete and one of the two is not made for that; it says why, and which planners are.
    """
    if not environment.spec.actions.discrete:
        return
    for option, chosen in (("--planner", spec.planner), ("baseline", spec.baseline)):
        if chosen is None or chosen.cls.discrete:
            continue
        fitting = [entry.address for entry in Registry().entries("planner") if _plans_discrete(entry)]
        raise UsageError(
            f"{option} {chosen.name}: environment '{spec.environment.name}' has {environment.spec.actions.dim} "
            f"discrete actions, in which {chosen.entry} cannot plan: {chosen.cls.not_discrete}. Planners that can: "
            f"{', '.join(fitting)}"
        )


def _plans_discrete(entry: Entry) -> bool:
    try:
        return bool(load_plugin(entry).discrete)
    except UsageError:  # one that cannot be imported is no suggestion
        return False


def build_environment(chosen: ResolvedPlugin) -> Environment:
    """Make an instance of the chosen environment."""
    environment: Environment = chosen.make()
    if not isinstance(environment.spec, EnvironmentSpec):
        raise UsageError(f"{chosen.entry}: its spec is {environment.spec!r}, expected a vgbench.api.EnvironmentSpec")
    return environment


def build_model(spec: RunSpec, environment: Environment) -> JEPA:
    """Build the model with fresh weights, drawn from the run's seed, on the CPU."""
    # Right before the first weight is drawn, so that nothing drawn earlier matters.
    torch.manual_seed(spec.seed)
    networks = {role: _network(chosen) for role, chosen in spec.networks.items()}
    with _fitting("networks and distance"):
        model, dim = jepa.build(networks, environment.spec, spec.settings["model"].latent_dim)
        if spec.settings["model"].freeze_encoder:
            model.encoder.requires_grad_(False)
        # After the networks, with which it shares the stream of weights.
        chosen = spec.distance
        model.distance = chosen.make(dim)
    return model


def _network(chosen: ResolvedPlugin) -> Network:
    made: Network = chosen.make()
    return made


def build_planner(chosen: ResolvedPlugin) -> Planner:
    """Make an instance of the chosen planner."""
    made: Planner = chosen.make()
    return made


@contextmanager
def _fitting(what: str) -> Iterator[None]:
    """Turn a plugin's ValueError, by which it refuses a size or a value, into a usage error."""
    try:
        yield
    except ValueError as err:
        raise UsageError(f"the {what} do not fit together: {explain(err) or err}") from err


def build_terms(spec: RunSpec, chosen: Iterable[ResolvedPlugin], model: JEPA, action_dim: int) -> tuple[Term, ...]:
    """Build the objectives of a stage; check that they fit the distance and the data."""
    shapes = ObjectiveShapes(spec.settings["model"].latent_dim, action_dim)
    with _fitting("objectives"):
        terms = tuple(Term(c.name, _objective(c, shapes), c.weight) for c in chosen)
    check_terms(spec, terms, model.distance)
    return terms


def _objective(chosen: ResolvedPlugin, shapes: ObjectiveShapes) -> Objective:
    made: Objective = chosen.make(shapes)
    return made


def load_data(
    spec: RunSpec, environment: Environment, progress: Callable[[int, int], None] | None = None
) -> tuple[Trajectories, Path]:
    """Load the training set of a run and its file: the one it names, or that of its seed, collected if need be."""
    name = spec.environment.name
    if spec.data_file:
        path = Path(spec.data_file)
        found = files.load_for(path, name, environment)[0]
        check_trajectories(environment, found, str(path))
        return found, path
    # What is held out of a set is no part of what it is.
    settings = spec.settings["data"].model_copy(update={"held_out": 0.0})
    return collection.collect(name, environment, settings, spec.data_seed, progress)


def load_tasks(spec: RunSpec, environment: Environment, data: Dataset) -> Tasks:
    """Load the tasks of a run, on the data's device."""
    return task_files.for_run(spec, environment, data.trajectories)[0].tasks.to(data.device)
