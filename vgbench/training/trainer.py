"""The training loop of one stage: steps, logging, checkpoints."""

import math
import time
from typing import Any

import torch
from torch import Tensor, nn

from vgbench.data.dataset import Dataset
from vgbench.errors import RunFailed
from vgbench.model.jepa import JEPA, is_frozen
from vgbench.plugin.loggers import Loggers
from vgbench.rng import ScalarNoise, Stream
from vgbench.storage.interrupt import Stop
from vgbench.storage.run_folder import RunFolder, checkpoint_seconds
from vgbench.training.batch import MovingAverages, WindowBatch
from vgbench.training.checks import bad_gradient, check_loss
from vgbench.training.compatibility import check_lengths, check_window
from vgbench.training.latents import Latents
from vgbench.training.optimizer import Adam
from vgbench.training.stage import Stage, Term, WindowSampler, learning_rate, total_steps

LOG_EVERY = 10  # steps


class Trainer:
    """Runs one stage, from its last checkpoint if there is one."""

    def __init__(
        self,
        stage: Stage,
        model: JEPA,
        data: Dataset,
        folder: RunFolder,
        loggers: Loggers,
        stop: Stop,
        latents: Latents | None = None,
    ) -> None:
        """`latents` [N * length, D] are the frozen encoder's, for a stage that does not train it."""
        self.stage, self.model, self.data, self.latents = stage, model, data, latents
        self._folder, self._loggers, self._stop = folder, loggers, stop
        check_window(stage.group, stage.settings.window, stage.terms)
        check_lengths(data, stage.terms)
        self._parts = self._trained()
        weights = [p for p in self._parts.parameters() if p.requires_grad]
        self.idle = not any(self._learns(term) for term in stage.terms)
        """Whether nothing that the stage trains has weights to train: then it takes no step."""
        # Adam refuses to have none.
        self._optimizer = Adam(
            weights or [torch.zeros(1)], lr=stage.settings.lr, weight_decay=stage.settings.weight_decay
        )
        self._averages = None if latents is not None else MovingAverages(model.encoder)
        self.total = self.step = 0
        if not self.idle:
            least = max(term.objective.min_length for term in stage.terms)
            self._sampler = WindowSampler(data, stage.settings, stage.seed, least)
            self.total = total_steps(stage.settings, self._sampler.steps_per_epoch, stage.states(data.length))
        self.at_once = data.device.type == "cpu"
        """Whether losses and gradients are looked at as they come, or together when they are logged.

        Each look waits until a GPU has done what it was given; on a CPU it costs nothing.
        """
        self._unseen: list[Tensor] = []  # losses of the terms and norm of the gradient, of the steps not looked at
        self._checked = False  # whether a loss of each objective was held against its contract

    def _trained(self) -> nn.ModuleDict:
        """Modules that the stage's objectives say they train."""
        named: set[str] = {part for term in self.stage.terms for part in term.objective.trains}
        # Sorted: a saved optimiser knows parameters by number, so their order must be the same after a resume.
        parts = sorted(named & {"encoder", "head", "distance", "predictor"})
        if "predictor" in named:
            # It makes the predictor's inputs, and is no part that objectives name.
            parts.append("action_encoder")
        modules = self.model.train_only(parts)
        for index, term in enumerate(self.stage.terms):
            if "own" in term.objective.trains:
                modules[f"own{index}"] = term.objective
        return modules

    def _learns(self, term: Term) -> bool:
        """Whether something that an objective of the stage trains has weights to train."""
        index = self.stage.terms.index(term)
        names = {f"own{index}" if part == "own" else part for part in term.objective.trains}
        if self.latents is not None:
            names.discard("encoder")  # it is not asked again
        return not all(is_frozen(module) for name, module in self._parts.items() if name in names)

    def at_rest(self) -> str:
        """Say what of the stage trains nothing, for want of weights that may change (a frozen encoder); or nothing."""
        resting = [term for term in self.stage.terms if not self._learns(term)]
        parts = ", ".join(sorted({part for term in resting for part in term.objective.trains}))
        if self.idle:
            return f"stage '{self.stage.name}' is skipped: nothing that it trains ({parts}) has weights that may change"
        names = " or ".join(term.who for term in resting)
        words = f"stage '{self.stage.name}': nothing that {names} trains ({parts}) has weights that may change"
        return words if resting else ""

    def run(self) -> None:
        """Train to the end of the stage, saving on the way; return at once if it is complete."""
        found = self._restore()
        if self.idle and not found:
            self._save()  # whoever loads the run looks for the checkpoint of its last stage
        if self.step >= self.total:
            return
        self._tell_unused()
        self.model.train()
        self._loggers.call(
            "vgbench_stage_started", stage=self.stage.name, total=self.total, done=self.step, unit="step"
        )
        saved, interval = time.monotonic(), checkpoint_seconds()
        while self.step < self.total:
            logs = self._one_step()
            if self.step % LOG_EVERY == 0 or self.step == self.total:
                record = {"stage": self.stage.name, "step": self.step, **logs}
                self._folder.append("train.jsonl", record)
                self._loggers.call("vgbench_stage_progress", stage=self.stage.name, done=self.step, logs=logs)
            # Saved before it raises, so that an interrupted run loses no step.
            if self._stop.requested or time.monotonic() - saved > interval:
                self._save()
                saved = time.monotonic()
                if self._stop.requested:
                    raise KeyboardInterrupt
        self._save()
        self._loggers.call("vgbench_stage_ended", stage=self.stage.name)

    def _tell_unused(self) -> None:
        """Say, once, that some episodes are too short to be trained on."""
        unused = self._sampler.short.unused if self._sampler.short else 0
        words = (
            f"stage '{self.stage.name}': {unused} of {len(self.data)} trajectories have too few states for its "
            "objectives and are not trained on"
        )
        if unused and self._folder.note(words):
            self._loggers.note(words)

    def _one_step(self) -> dict[str, float]:
        settings = self.stage.settings
        rate = learning_rate(settings, self.step, self.total)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        trajectory, start = self._sampler.windows(self.step)
        device = self.data.device
        batch = WindowBatch(
            self.data,
            self.model,
            trajectory,
            start,
            self._sampler.size(self.step),
            ScalarNoise(self.stage.seed, self.step, Stream.SAMPLER, device),
            self._averages,
            self.latents,
        )
        self._read_ahead()
        # A stream of its own: what objectives draw does not change which goals a batch has.
        noise = ScalarNoise(self.stage.seed, self.step, Stream.OBJECTIVE, device)
        # The first step is looked at in any case: a plugin's mistakes show there.
        at_once = self.at_once or not self._checked
        total, logs = self._loss(batch, noise, at_once)
        # None, not 0: Adam moves what has a gradient of 0, too, by its moments and the weight decay.
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()
        parameters = [p for p in self._parts.parameters() if p.grad is not None]
        # Nothing is clipped at infinity, but the norm is computed for the check and the log.
        norm = nn.utils.clip_grad_norm_(parameters, settings.clip or math.inf)
        if not at_once:
            self._unseen.append(torch.stack([*(logs[term.name] for term in self.stage.terms), norm]))
        # Before the optimiser's step, so that no weight takes a bad gradient.
        elif not bool(torch.isfinite(norm)):
            raise self._failure(bad_gradient(self._parts, self.stage.terms, self.model.distance))
        self._optimizer.step()
        # After the optimiser's step: averages follow the weights as they are now.
        if self._averages is not None:
            self._averages.update()
        for term in self.stage.terms:
            term.objective.after_step(self.model)
        self.step += 1
        if self.step % LOG_EVERY and self.step < self.total:
            return {}
        self._look()
        return {
            "loss": float(total.detach()),
            **{k: float(v) for k, v in logs.items()},
            "grad_norm": float(norm),
            "lr": rate,
        }

    def _read_ahead(self) -> None:
        """Have the windows of the next step read, from a set that stays in its file, while this one is computed."""
        if self.latents is not None or not self.data.reads_ahead or self.step + 1 >= self.total:
            return
        trajectory, start = self._sampler.windows(self.step + 1)
        times = start.unsqueeze(1) + torch.arange(self._sampler.size(self.step + 1), device=start.device)
        self.data.read_ahead(trajectory.unsqueeze(1).expand_as(times).flatten(), times.flatten())

    def _look(self) -> None:
        """Look at the losses and gradients of the steps since the last look; a run stops at the first bad one."""
        if not self._unseen:
            return
        # One copy from the device for all of these steps.
        figures, first = torch.stack(self._unseen).tolist(), self.step - len(self._unseen)
        self._unseen.clear()
        names = [*(f"loss of {term.who}" for term in self.stage.terms), "norm of the gradient"]
        for step, row in enumerate(figures, first):
            for name, figure in zip(names, row, strict=True):
                if not math.isfinite(figure):
                    raise self._failure(f"the {name} is {figure}", step)

    def _loss(self, batch: WindowBatch, noise: ScalarNoise, at_once: bool) -> tuple[Tensor, dict[str, Any]]:
        """Weighted sum of the terms, and what to log."""
        total = torch.zeros((), device=self.data.device)
        logs: dict[str, Any] = {}
        for term in self.stage.terms:
            loss = term.objective.loss(batch, self.model, noise)
            check_loss(term, loss, thoroughly=not self._checked, learns=self._checked or self._learns(term))
            value = loss.value
            if at_once and not bool(torch.isfinite(value)):
                raise self._failure(f"the loss of {term.who} is {float(value.detach())}")
            total = total + term.weight * value
            # Detached, so that a log does not keep the graph alive.
            logs[term.name] = value.detach()
            for key, figure in loss.logs.items():
                logs[f"{term.name}.{key}"] = figure.detach() if isinstance(figure, Tensor) else figure
        self._checked = True
        return total, logs

    def _failure(self, what: str, step: int | None = None) -> RunFailed:
        step = self.step if step is None else step
        group, terms = self.stage.group, self.stage.terms
        ways = [f"a lower {group}.lr", f"{group}.clip=1"]
        ways += dict.fromkeys(words for term in terms if (words := term.objective.remedies.get("diverged")))
        advice = f"Try {', '.join(ways[:-1])} or {ways[-1]}"
        if step == 0:  # with fresh weights, so that hardly the settings are to blame
            checks = " and ".join(f"`vgbench check objective {term.name}`" for term in terms)
            advice = (
                "Before the first update the weights are fresh, so the formula is to blame rather than the settings: a "
                "logarithm or a division at 0, a square root or norm whose argument is 0, or an exponential that "
                f"overflows. See what {checks} find{'s' if len(terms) == 1 else ''}, or t{advice[1:]}"
            )
        return RunFailed(
            f"step {step} of stage '{self.stage.name}': {what}. {self._folder.kept(self.stage.name)} {advice}"
        )

    def _save(self) -> None:
        # Losses and weights first: a bad state must not replace a good checkpoint.
        self._look()
        if not all(bool(torch.isfinite(p).all()) for p in self._parts.parameters()):
            raise self._failure("the weights are not finite")
        done = self.step >= self.total
        content: dict[str, Any] = {
            "step": self.step,
            "total": self.total,
            "model": self.model.state_dict(),
            "objectives": [term.objective.state_dict() for term in self.stage.terms],
            # A finished stage takes no further step, so its file does without Adam's moments.
            "optimizer": None if done else self._optimizer.state_dict(),
            "averages": None if done or self._averages is None else self._averages.state_dict(),
            # For plugins that draw from the global generators: a resumed run goes on with the same numbers.
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.data.device) if self.data.device.type == "cuda" else None,
        }
        self._folder.save_checkpoint(self.stage.name, content)

    def _restore(self) -> bool:
        """Go on from the last checkpoint; say whether there is one."""
        content = self._folder.load_checkpoint(self.stage.name)
        if content is None:
            self._folder.keep("train.jsonl", self._recorded(0))
            return False
        if (damage := self._folder.log_damage()) and self._folder.note(damage):
            self._loggers.note(damage)
        with self._folder.explained(self.stage.name):
            if content["total"] != self.total:
                raise ValueError(f"it is of {content['total']} steps, not {self.total}")
            self._load_model(content["model"])
            for term, state in zip(self.stage.terms, content["objectives"], strict=True):
                term.objective.load_state_dict(state)
            if content["optimizer"] is not None:
                self._optimizer.load_state_dict(content["optimizer"])
            if content["averages"] is not None and self._averages is not None:
                self._averages.load_state_dict(content["averages"])
            torch.set_rng_state(content["rng"])
            if content["cuda_rng"] is not None:
                torch.cuda.set_rng_state(content["cuda_rng"], self.data.device)
            self.step = int(content["step"])
        # The steps after the checkpoint are taken, and logged, again.
        self._folder.keep("train.jsonl", self._recorded(self.step))
        return True

    def _load_model(self, state: dict[str, Tensor]) -> None:
        """Load weights; those of a head that is still untrained may be missing (runs without one share them)."""
        fresh = {name: value for name, value in self.model.state_dict().items() if name.startswith("head.")}
        untrained = "head" not in self._parts
        self.model.load_state_dict((fresh if untrained else {}) | state)

    def _recorded(self, reached: int) -> Any:
        """Predicate for the log's lines that belong to the past of the checkpoint."""

        def keep(record: dict[str, Any]) -> bool:
            return record.get("stage") != self.stage.name or record.get("step", 0) <= reached

        return keep
