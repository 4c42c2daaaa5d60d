"""Runs a resolved specification: collect, train, plan, judge; each step resumes where it was."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgbench.api import Environment, EnvironmentSpec, ObjectiveShapes, Tasks, Trajectories
from vgbench.data import collection, files, task_manifest
from vgbench.data.checks import sanity_check_environment
from vgbench.data.dataset import Dataset
from vgbench.errors import RunFailed, UsageError, VgbenchError
from vgbench.hardware import keep_freed_memory
from vgbench.model import jepa, precision
from vgbench.model.checks import sanity_check_model
from vgbench.model.jepa import JEPA
from vgbench.planning import memory
from vgbench.planning.controller import Controller
from vgbench.planning.evaluation import Evaluation
from vgbench.plugin.attribution import attribute_errors, explain
from vgbench.plugin.loggers import Loggers
from vgbench.plugin.registry import Registry
from vgbench.rng import Stream
from vgbench.spec import ResolvedPlugin, RunSpec
from vgbench.statistics import wilson
from vgbench.storage.files import Record, write_json
from vgbench.storage.interrupt import Stop, deferred_interrupts
from vgbench.storage.run_folder import FORMAT, RunFolder
from vgbench.training.compatibility import check_terms, check_window
from vgbench.training.latents import encode_all, fit_latent_scale
from vgbench.training.stage import Stage, Term
from vgbench.training.stage_cache import StageCache
from vgbench.training.trainer import Trainer
from vgbench.version import __version__


def run(
    spec: RunSpec,
    out: Path | None = None,
    argv: Sequence[str] = (),
    loggers: Loggers | None = None,
    share: Path | None = None,
) -> dict[str, Any]:
    """Run a specification to its end and return the content of result.json.

    A run that was interrupted goes on; one that is complete returns its result at once.

    Args:
        spec: from `vgbench.config.resolve.resolve`.
        out: the run folder itself; by default a readable, hashed name under `runs/`.
        argv: the command line, for the record.
        loggers: who is told of the progress; by default every installed logger.
        share: folder of finished training stages, which this run takes over where they are its own, and adds to.

    Raises:
        UsageError: the folder holds something else, or the parts of the run do not fit together.
        RunFailed: training diverged, or a plugin failed or broke its contract.
    """
    folder = RunFolder(out or Path("runs") / f"{spec.title()}-{spec.key()}")
    folder.check(spec)
    result = folder.result()
    if result is not None:
        return result | {"run_dir": str(folder.path)}
    keep_freed_memory()
    dry_build(spec)
    precision.check_compiler(spec)
    loggers = loggers or Loggers().load(Registry())
    with precision.in_force(spec), folder.opened(spec, argv), deferred_interrupts() as stop:
        status = "failed"
        try:
            loggers.call("vgbench_run_started", title=spec.title(), folder=str(folder.path))
            with attribute_errors(
                RunFailed, f"What was done is kept in {folder.path}: mend it and give the same command again"
            ):
                result = _Run(spec, folder, loggers, stop, share).execute()
            folder.update(status="done", error=None, plugin_errors=loggers.errors)
            write_json(folder.path / "result.json", result)
            status = "done"
        except BaseException as err:
            status = "interrupted" if isinstance(err, KeyboardInterrupt) else "failed"
            with suppress(VgbenchError):  # what went wrong first is what the user has to see
                folder.update(status=status, error=str(err) or type(err).__name__, plugin_errors=loggers.errors)
            raise
        finally:
            loggers.call("vgbench_run_stopped", status=status)
        loggers.call("vgbench_run_ended", result=result)
        folder.update(plugin_errors=loggers.errors)  # with those of the last two calls
    return result


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
    model, action_dim = build_model(spec, environment), environment.spec.actions.dim
    built = {group: build_terms(spec, chosen, model, action_dim) for _, chosen, group in spec.stages()}
    for group, terms in built.items():
        check_window(group, spec.settings[group].window, terms)
    sanity_check_model(spec, model, environment.spec)
    memory.check_budget(spec, model, environment)
    return environment, model, built["train"]


def build_environment(chosen: ResolvedPlugin) -> Environment:
    """Instance of the chosen environment."""
    environment: Environment = chosen.cls(chosen.params)
    if not isinstance(environment.spec, EnvironmentSpec):
        raise UsageError(f"{chosen.entry}: its spec is {environment.spec!r}, expected a vgbench.api.EnvironmentSpec")
    return environment


def build_model(spec: RunSpec, environment: Environment) -> JEPA:
    """Model with fresh weights, drawn from the run's seed, on the CPU."""
    torch.manual_seed(spec.seed)
    networks = {role: chosen.cls(chosen.params) for role, chosen in spec.networks.items()}
    with _fitting("networks and distance"):
        model, dim = jepa.build(networks, environment.spec, spec.settings["model"].latent_dim)
        model.distance = spec.distance.cls(spec.distance.params, dim)
    return model


@contextmanager
def _fitting(what: str) -> Iterator[None]:
    """Turn a plugin's ValueError, by which it refuses a size or a value, into a usage error."""
    try:
        yield
    except ValueError as err:
        raise UsageError(f"the {what} do not fit together: {explain(err) or err}") from err


def build_terms(spec: RunSpec, chosen: Iterable[ResolvedPlugin], model: JEPA, action_dim: int) -> tuple[Term, ...]:
    """Objectives of a stage; checks that they fit the distance and the data."""
    shapes = ObjectiveShapes(spec.settings["model"].latent_dim, action_dim)
    with _fitting("objectives"):
        terms = tuple(Term(c.name, c.cls(c.params, shapes), c.weight) for c in chosen)
    check_terms(spec, terms, model.distance)
    return terms


def load_data(
    spec: RunSpec, environment: Environment, progress: Callable[[int, int], None] | None = None
) -> tuple[Trajectories, Path]:
    """Training set of a run and its file: the one it names, or that of its seed, collected if need be."""
    name = spec.environment.name
    if spec.data_file:
        path = Path(spec.data_file)
        return files.load_for(path, name, environment)[0], path
    return collection.collect(name, environment, spec.settings["data"], spec.data_seed, progress)


def load_tasks(spec: RunSpec, environment: Environment, data: Dataset) -> Tasks:
    """Tasks of a run, on the data's device."""
    return task_manifest.for_run(spec, environment, data.trajectories)[0].on(data.device)


class _Run:
    """The steps of one run, in order."""

    def __init__(
        self, spec: RunSpec, folder: RunFolder, loggers: Loggers, stop: Stop, share: Path | None = None
    ) -> None:
        self.spec, self.folder, self.loggers, self.stop = spec, folder, loggers, stop
        self.shared = StageCache(share, spec) if share is not None else None
        self.device = torch.device(spec.device)
        self.environment = build_environment(spec.environment)
        self.evaluations: dict[str, int] = {}  # of the predictor, by stage
        self.blocks: dict[str, int] = {}  # tasks planned at a time, by stage

    def execute(self) -> Record:
        data, path = self._collect()
        tasks, about_tasks = self._tasks(data)
        model = self._train(data)
        rows = self._play("episodes", self.spec.planner, model, tasks, data, Stream.PLANNER)
        result: Record = {"format": FORMAT, "metric": "success_rate", **_rate(rows)}
        result |= self._floor(model, tasks, data)
        card = {
            "file": path.name,
            "fingerprint": files.fingerprint(data.trajectories),
            "card": data.trajectories.card,
        }
        places = {"data": card, "tasks": about_tasks, "run_dir": str(self.folder.path)}
        return result | self._about(model) | places | self._times()

    def _collect(self) -> tuple[Dataset, Path]:
        settings = self.spec.settings["data"]
        with self.folder.timed("collect"):
            start = {"stage": "collect", "total": settings.trajectories, "done": 0, "unit": "trajectory"}
            self.loggers.call("vgbench_stage_started", **start)
            trajectories, path = load_data(self.spec, self.environment, self._progress)
            self.loggers.call("vgbench_stage_ended", stage="collect")
        data = Dataset(self.environment, trajectories, self.device)
        sanity_check_environment(data)
        return data, path

    def _progress(self, done: int, total: int) -> None:
        if self.stop.requested:
            raise KeyboardInterrupt
        trajectories = done * self.spec.settings["data"].trajectories // max(total, 1)  # whatever is counted
        self.loggers.call("vgbench_stage_progress", stage="collect", done=trajectories, logs={})

    def _train(self, data: Dataset) -> JEPA:
        spec = self.spec
        model = build_model(spec, self.environment)
        whitening = data.whitening() if spec.settings["model"].image_norm == "whiten" else None
        model.set_statistics(data.statistics(), whitening)
        model.to(self.device)
        precision.accelerate(model, spec)
        action_dim = self.environment.spec.actions.dim
        name = "joint" if spec.training == "joint" else "encoder"
        self._stage(name, 0, spec.objectives, "train", model, data, None, action_dim)
        if spec.training == "joint" and not spec.head_objectives:
            return model.eval().requires_grad_(False)
        with self.folder.timed("encode"):
            latents = encode_all(model, data, self.loggers, self.stop)
            if spec.training == "separate":
                fit_latent_scale(model, latents, spec.settings["model"].latent_scale)
        if spec.training == "separate":
            self._stage("predictor", 1, spec.predictor_objectives, "train_predictor", model, data, latents, action_dim)
        if spec.head_objectives:
            self._stage("head", 2, spec.head_objectives, "train_head", model, data, latents, action_dim)
        return model.eval().requires_grad_(False)

    def _stage(
        self,
        name: str,
        index: int,
        objectives: Iterable[ResolvedPlugin],
        group: str,
        model: JEPA,
        data: Dataset,
        latents: Tensor | None,
        action_dim: int,
    ) -> None:
        terms = build_terms(self.spec, objectives, model, action_dim)
        for term in terms:
            term.objective.to(self.device)
        stage = Stage(name, terms, self.spec.settings[group], self.spec.seed * 16 + index, group)
        adopted = self.shared is not None and self.shared.adopt(name, self.folder)
        with nullcontext() if adopted else self.folder.timed(name):
            Trainer(stage, model, data, self.folder, self.loggers, self.stop, latents).run()
        if self.shared:
            self.shared.publish(name, self.folder)

    def _tasks(self, data: Dataset) -> tuple[Tasks, Record]:
        """Tasks on the device, and what result.json says of them. The folder gets their manifest, or has it."""
        found, about = task_manifest.for_run(self.spec, self.environment, data.trajectories)
        task_manifest.keep(found, self.folder.path / "tasks.json")
        return found.on(self.device), about

    def _play(
        self, name: str, chosen: ResolvedPlugin, model: JEPA, tasks: Tasks, data: Dataset, stream: Stream
    ) -> list[Record]:
        """Play all tasks with a planner; one that is a baseline does not see the model."""
        planner = chosen.cls(chosen.params)
        actions = self.environment.spec.actions.scaled(1 / data.action_scale)
        mpc, seed = self.spec.settings["mpc"], self.spec.task_seed
        most = memory.most_tasks(self.spec, planner, model, self.environment)
        controller = Controller(
            planner, model, actions, mpc, seed, stream, self.spec.device, max_tasks=most, note=self._note
        )
        with self.folder.timed(name):
            common = (self.folder, self.loggers, self.stop)
            whole = self.spec.settings["evaluation"].stop == "never"
            rows = Evaluation(name, self.environment, tasks, controller, data.action_scale, *common, whole).run()
        self.evaluations[name] = controller.evaluations
        self.blocks[name] = controller.block
        return rows

    def _note(self, text: str) -> None:
        """Tell the user something, once, and keep it with the run."""
        if self.folder.note(text):
            self.loggers.note(text)

    def _floor(self, model: JEPA, tasks: Tasks, data: Dataset) -> Record:
        """Judge the planner that ignores the cost on the same tasks."""
        chosen = self.spec.baseline
        if chosen is None:
            return {"baseline": None}
        rows = self._play("baseline", chosen, model, tasks, data, Stream.BASELINE)
        return {"baseline": {"planner": chosen.name, **_rate(rows)}}

    def _about(self, model: JEPA) -> Record:
        spec = self.spec
        mpc = spec.settings["mpc"]
        return {
            "title": spec.title(),
            "key": spec.key(),
            "recipe": spec.recipe,
            "reweighted": list(spec.reweighted),
            "environment": spec.environment.name,
            "protocol": spec.protocol,
            "scale": spec.scale,
            "variant": spec.variant,
            "meaningless": spec.scale == "smoke",
            "training": spec.training,
            "objectives": {c.name: c.weight for c in spec.objectives},
            "head_objectives": {c.name: c.weight for c in spec.head_objectives},
            "distance": spec.distance.name,
            "planner": spec.planner.name,
            "cost": f"{mpc.aggregate} of the distance to the power {mpc.power:g} over the horizon",
            "predictor_evaluations": self.evaluations["episodes"],
            "seeds": {"train": spec.seed, "data": spec.data_seed, "task": spec.task_seed},
            "planned_at_a_time": self.blocks["episodes"],
            "device": spec.device,
            "precision": spec.compute.precision,
            "compile": spec.compute.compile,
            "threads": torch.get_num_threads(),
            "parameters": {n: jepa.parameter_count(getattr(model, n)) for n in ("encoder", "predictor")},
            "vgbench": __version__,
            "notes": [*spec.notes, *self.folder.notes()],
        }

    def _times(self) -> Record:
        times = self.folder.stage_times()
        total = {key: round(sum(t[key] for t in times.values()), 2) for key in ("seconds", "cpu_seconds")}
        return {"stages": times, **total}


def _rate(rows: list[Record]) -> Record:
    successes = sum(row["success"] for row in rows)
    low, high = wilson(successes, len(rows))
    rate = {"success_rate": successes / len(rows), "successes": successes, "n": len(rows)}
    return rate | {"ci95": [round(low, 4), round(high, 4)]}
