"""The steps of a run: data, tasks, training, planning, baselines; each resumes where it was."""

import operator
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgbench.api import HasExpert, Planner, Tasks
from vgbench.api.capabilities import offers
from vgbench.data import files, held_out, task_files
from vgbench.data.checks import sanity_check_environment
from vgbench.data.dataset import Dataset, unequal_components
from vgbench.data.strata import check_wanted
from vgbench.experiments.build import build_environment, build_model, build_planner, build_terms, load_data
from vgbench.experiments.rates import rate
from vgbench.experiments.trained import Trained, last_stage
from vgbench.experiments.training_record import make_record
from vgbench.model import jepa, precision
from vgbench.model.jepa import JEPA
from vgbench.planning import memory
from vgbench.planning.controller import UNINFORMED, Controller
from vgbench.planning.evaluation import Evaluation
from vgbench.planning.expert import expert_steps
from vgbench.plugin import guard
from vgbench.plugin.loggers import Loggers
from vgbench.rng import Level, Stream, derive
from vgbench.spec import RunSpec, StageSpec
from vgbench.stages import baseline_stage
from vgbench.storage.interrupt import Stop
from vgbench.storage.rate_types import BaselineRate
from vgbench.storage.record_types import EpisodeRow, ResultFile, TasksAbout
from vgbench.storage.run_folder import FORMAT, RunFolder
from vgbench.training.compatibility import untrained
from vgbench.training.latent_cache import encode_once
from vgbench.training.latents import Latents, encode_all, fit_latent_scale
from vgbench.training.stage import Stage, strides_of
from vgbench.training.stage_cache import StageCache
from vgbench.training.trainer import Trainer
from vgbench.version import __version__


class RunSteps:
    """The steps of one run, in order; `execute` takes them."""

    def __init__(
        self,
        spec: RunSpec,
        folder: RunFolder,
        loggers: Loggers,
        stop: Stop,
        share: Path | None = None,
        trained: Trained | None = None,
        strata: Mapping[str, str] | None = None,
    ) -> None:
        """Name the run and its folder; `share`, `trained` and `strata` as for `vgbench.experiments.runner.run`."""
        self.spec, self.folder, self.loggers, self.stop, self.trained = spec, folder, loggers, stop, trained
        self.strata = strata or {}
        self.shared = StageCache(share, spec) if share is not None else None
        self.device = torch.device(spec.device)
        self.environment = build_environment(spec.environment)
        self.strides = frozenset[int]()  # between the states that the first stage's objectives look at
        self.evaluations: dict[str, int] = {}  # of the predictor, by stage
        self.blocks: dict[str, int] = {}  # tasks planned at a time, by stage
        self.expert_steps: list[int | None] = []  # by task
        self.action_scale: float | Tensor = 1.0  # until there are data

    def execute(self) -> ResultFile:
        """Take all steps that are not done yet, and return the content of result.json."""
        spec = self.spec
        data, path = self._collect()
        tasks, about_tasks = self._tasks(data)
        self.expert_steps = self._expert(tasks)
        model = self._train(data) if self.trained is None else self._taken_over(self.trained)
        # Actions are in the units that the model was trained in.
        self.action_scale = (self.trained.data if self.trained else data).action_scale
        rows = self._play("episodes", build_planner(self.spec.planner), model, tasks, Stream.PLANNER)
        baselines = self._baselines(tasks)
        mpc, times = spec.settings["mpc"], self.folder.stage_times()
        return {
            "format": FORMAT,
            "metric": "success_rate",
            **rate(rows),
            "baseline": max(baselines, key=operator.itemgetter("successes"), default=None),
            "baselines": baselines,
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
            "objectives": self._weights("objectives"),
            "head_objectives": self._weights("head_objectives"),
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
            "data": {
                "file": path.name,
                "fingerprint": files.fingerprint(data.trajectories),
                "card": data.trajectories.card,
            },
            "tasks": about_tasks,
            "run_dir": str(self.folder.path),
            "stages": times,
            "seconds": round(sum(stage["seconds"] for stage in times.values()), 2),
            "cpu_seconds": round(sum(stage["cpu_seconds"] for stage in times.values()), 2),
        }

    def train_alone(self) -> dict[str, Any]:
        """Train the model, play nothing, and return the content of training.json."""
        data, path = self._collect()
        model = self._train(data)
        return make_record(self.spec, self.folder, data, self.held_out, path, model)

    def _collect(self) -> tuple[Dataset, Path]:
        settings = self.spec.settings["data"]
        with self.folder.timed("collect"):
            start = {"stage": "collect", "total": settings.trajectories, "done": 0, "unit": "trajectory"}
            self.loggers.call("vgbench_stage_started", **start)
            data, path = self._load()
            self.loggers.call("vgbench_stage_ended", stage="collect")
        if unequal := unequal_components(data):
            self._note(unequal)
        sanity_check_environment(data)
        return data, path

    def _load(self) -> tuple[Dataset, Path]:
        """Load the training set, unless the run whose model is taken over has the same one, loaded and checked."""
        spec = self.spec
        if self.trained is not None and self.trained.spec.same_data(spec):
            held = self.trained.held_out
            self.held_out = held.trajectories if held else None
            return self.trained.data, self.trained.data_path
        trajectories, path = load_data(spec, self.environment, self._progress)
        kept, self.held_out = held_out.split(trajectories, spec.settings["data"].held_out)
        return Dataset(self.environment, kept, self.device, spec.settings["model"].action_scale), path

    def _progress(self, done: int, total: int) -> None:
        guard.alive()
        if self.stop.requested:
            raise KeyboardInterrupt
        trajectories = done * self.spec.settings["data"].trajectories // max(total, 1)  # whatever is counted
        self.loggers.call("vgbench_stage_progress", stage="collect", done=trajectories, logs={})

    def _train(self, data: Dataset) -> JEPA:
        spec = self.spec
        model = build_model(spec, self.environment)
        whitening = data.whitening() if spec.settings["model"].image_norm == "whiten" else None
        # Before the move to the device, as this adds tensors to the model, and before anything is compiled.
        model.set_statistics(data.statistics(), whitening)
        model.to(self.device)
        precision.accelerate(model, spec)
        latents, frozen = None, jepa.is_frozen(model.encoder)
        for stage in spec.stages:
            cached = frozen or stage.kind.cached
            # Once: from the first cached stage on the encoder stays as it is.
            if cached and latents is None:
                latents = self._encode(model, data, frozen)
            self._stage(stage, model, data, latents if cached else None)
        return model.eval().requires_grad_(False)

    def _taken_over(self, trained: Trained) -> JEPA:
        """Model of another run, whose last checkpoint is kept here, too, for pictures and diagnosis."""
        stage = last_stage(trained.spec)
        content = trained.folder.load_checkpoint(stage)
        if content is not None and self.folder.load_checkpoint(stage) is None:
            self.folder.save_checkpoint(stage, content)
            for record in trained.folder.lines("train.jsonl"):
                self.folder.append("train.jsonl", record)
        if trained.run["key"] != self.spec.key():  # not of a run that is played anew
            self.folder.note(f"the model is that of run {trained.run['key']} ({trained.folder.path.name})")
        return trained.model

    def _encode(self, model: JEPA, data: Dataset, frozen: bool) -> Latents:
        """Encode the whole training set, and fit the scale on which a predictor of its own works."""
        with self.folder.timed("encode"):
            latents: Latents
            if frozen:
                latents = encode_once(self.spec, model, data, self.loggers, self.stop, self.folder.path)
            else:
                latents = encode_all(model, data, self.loggers, self.stop, folder=self.folder.path)
            # A predictor trained together with an encoder has learned on latents as they are.
            if frozen or self.spec.training == "separate":
                # Nothing was encoded behind the ends of trajectories.
                ids = data.ids if data.ragged else None
                fit_latent_scale(model, latents, self.spec.settings["model"].latent_scale, ids)
        return latents

    def _stage(self, planned: StageSpec, model: JEPA, data: Dataset, latents: Latents | None) -> None:
        terms = build_terms(self.spec, planned.objectives, model, self.environment.spec.actions.dim)
        for term in terms:
            term.objective.to(self.device)
        settings, name = self.spec.settings[planned.settings], planned.name
        seed = derive(self.spec.seed, Level.STAGE, planned.kind.stream)
        if not planned.kind.cached:
            self.strides = strides_of(terms)
        # A predictor of its own takes as many steps as joint training, which would look at the windows of both.
        also = self.strides if "predictor" in planned.kind.trains else frozenset[int]()
        stage = Stage(name, terms, settings, seed, planned.settings, also)
        with self.shared.training(name, lambda: self.stop.requested) if self.shared else nullcontext():
            adopted = self.shared is not None and self.shared.adopt(name, self.folder)
            with nullcontext() if adopted else self.folder.timed(name):
                trainer = Trainer(stage, model, data, self.folder, self.loggers, self.stop, latents)
                for words in (trainer.at_rest(), untrained(name, terms)):
                    if words:
                        self._note(words)
                trainer.run()
            if self.shared:
                self.shared.publish(name, self.folder)

    def _tasks(self, data: Dataset) -> tuple[Tasks, TasksAbout]:
        """Tasks on the device, and what result.json says of them. The folder gets their manifest, or has it."""
        found, about = task_files.for_run(self.spec, self.environment, data.trajectories)
        check_wanted(self.strata, found.tasks)
        task_files.keep(found, self.folder.path / "tasks.json")
        return found.tasks.to(self.device), about

    def _expert(self, tasks: Tasks) -> list[int | None]:
        """Steps of the environment's expert on each task, against which SPL and timely success are judged."""
        most = self.spec.settings["mpc"].max_steps
        steps = expert_steps(self.environment, tasks, most)
        failed = steps.count(None)
        # At scale smoke episodes are too short for anybody.
        if failed and offers(self.environment, HasExpert) and self.spec.scale != "smoke":
            self._note(
                f"the expert solves {len(tasks) - failed} of {len(tasks)} tasks within mpc.max_steps={most}; spl and "
                "timely leave the others out"
            )
        return steps

    def _play(self, name: str, planner: Planner, model: JEPA | None, tasks: Tasks, stream: Stream) -> list[EpisodeRow]:
        """Play all tasks with a planner: a baseline, or one that without a model is uninformed."""
        actions = self.environment.spec.actions.scaled(1 / self.action_scale)
        mpc, seed, device = self.spec.settings["mpc"], self.spec.task_seed, self.spec.device
        most = memory.most_tasks(self.spec, planner, model, self.environment) if model else None
        controller = Controller(
            planner,
            model,
            actions,
            mpc,
            seed,
            stream,
            device,
            max_tasks=most,
            uninformed=model is None,
            note=self._note,
        )
        with self.folder.timed(name):
            whole = self.spec.settings["evaluation"].stop == "never"
            evaluation = Evaluation(
                name,
                self.environment,
                tasks,
                controller,
                self.action_scale,
                self.folder,
                self.loggers,
                self.stop,
                whole,
                self.expert_steps,
            )
            rows = evaluation.run()
        self.evaluations[name] = controller.evaluations
        self.blocks[name] = evaluation.block
        return rows

    def _note(self, text: str) -> None:
        """Tell the user something, once, and keep it with the run."""
        if self.folder.note(text):
            self.loggers.note(text)

    def _baselines(self, tasks: Tasks) -> list[BaselineRate]:
        """Evaluate the uninformed baselines on the same tasks: the protocol's, and the planner with random costs."""
        chosen, planner, judged = self.spec.baseline, build_planner(self.spec.planner), []
        if chosen is not None:
            beside = guard.guarded(build_planner(chosen).beside(planner), "planner")
            judged.append((chosen.name, beside, Stream.BASELINE))
        if self.spec.settings["evaluation"].uninformed and not planner.baseline:
            # The planner's own stream: it looks at the same candidates, and only their costs are others.
            judged.append((UNINFORMED, planner, Stream.PLANNER))
        rates: list[BaselineRate] = []
        for name, who, stream in judged:
            stage = baseline_stage(name)
            rows = self._play(stage, who, None, tasks, stream)
            rates.append({"planner": name, "file": f"{stage}.jsonl", **rate(rows)})
        return rates

    def _weights(self, key: str) -> dict[str, float]:
        return {chosen.name: chosen.weight for chosen in self.spec.objectives_of(key)}
