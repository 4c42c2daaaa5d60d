"""Episodes: all tasks at once, in lockstep; a solved task leaves the batch, unless episodes are played whole."""

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vgbench.api import Environment, Tasks
from vgbench.errors import RunFailed
from vgbench.planning.controller import Controller
from vgbench.plugin.attribution import describe_plugin
from vgbench.plugin.loggers import Loggers
from vgbench.rng import KeyedNoise, Stream
from vgbench.storage.files import Record
from vgbench.storage.interrupt import Stop
from vgbench.storage.run_folder import RunFolder, checkpoint_seconds

Tensors = dict[str, Tensor]


@dataclass
class Progress:
    """Where an evaluation stands: everything that resuming needs, as tensors and numbers.

    `state`, `memory` (the planner's) and `pending` have a row for each active task; `record` one for each task.
    `pending` holds the plans made so far at the present step, for the first `planned` active tasks.
    """

    step: int
    active: Tensor
    state: Tensors
    memory: Tensors
    record: Tensors
    executed: int = 0
    planned: int = 0
    pending: Tensors | None = None
    evaluations: int = 0


class Evaluation:
    """Runs one controller on the tasks, from its last checkpoint if there is one."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        tasks: Tasks,
        controller: Controller,
        action_scale: float,
        folder: RunFolder,
        loggers: Loggers,
        stop: Stop,
        whole: bool = False,
    ) -> None:
        """`name` is that of the stage and of its JSONL file (`episodes`, `baseline`).

        Solved tasks leave, unless episodes are to be played `whole`, to their last step.
        """
        self._whole = whole
        self.name, self.environment, self.tasks, self.controller = name, environment, tasks, controller
        self._scale, self._folder, self._loggers, self._stop = action_scale, folder, loggers, stop
        self._saved, self._interval = time.monotonic(), checkpoint_seconds()
        self._device = next(iter(tasks.start.values())).device
        self._goal_points = self._goals()

    def run(self) -> list[Record]:
        """Play all episodes; return a row for each task."""
        content = self._folder.load_checkpoint(self.name)
        progress = self._start() if content is None else self._resumed(content)
        total = self.controller.settings.max_steps
        self.controller.evaluations = progress.evaluations
        if progress.step < total and len(progress.active):
            start = {"stage": self.name, "total": total, "done": progress.step, "unit": "step"}
            self._loggers.call("vgbench_stage_started", **start)
            while progress.step < total and len(progress.active):
                self._replan(progress)
                self._execute(progress)
                self._report(progress)
            self._save(progress)
            self._loggers.call("vgbench_stage_ended", stage=self.name)
        rows = self._rows(progress)
        self._folder.write_lines(f"{self.name}.jsonl", rows)
        return rows

    def _resumed(self, content: Record) -> Progress:
        """Progress of a checkpoint; what does not fit these tasks is told as a checkpoint that cannot be used."""
        with self._folder.explained(self.name):
            progress = Progress(**{name: self._placed(value) for name, value in content.items()})
            fresh = self._start()
            parts = (
                (fresh.record, progress.record, len(self.tasks)),
                (fresh.state, progress.state, len(progress.active)),
            )
            for wanted, found, rows in parts:
                for name in wanted:
                    if len(found[name]) != rows:
                        raise ValueError(f"it has {len(found[name])} rows of {name!r} for {rows} tasks")
        return progress

    def _placed(self, value: Any) -> Any:
        """Move what a checkpoint holds to the tasks' device."""
        if isinstance(value, dict):
            return {name: self._placed(item) for name, item in value.items()}
        return value.to(self._device) if isinstance(value, Tensor) else value

    def _goals(self) -> Tensor:
        """Points of the goals, [B, D'] (empty rows for a planner without a model)."""
        model = self.controller.model
        if model is None:
            return torch.zeros(len(self.tasks), 0, device=self._device)
        return model.encode_blocks(self.environment.goal_observation(self.tasks.goal), points=True)

    def _start(self) -> Progress:
        count = len(self.tasks)
        distance = self.environment.goal_distance(self.tasks.start, self.tasks.goal)
        record = {
            "steps": torch.full((count,), -1, dtype=torch.int64, device=self._device),
            "start_distance": distance.clone(),
            "min_distance": distance.clone(),
            "final_distance": distance.clone(),
            "plans": torch.zeros(count, dtype=torch.int64, device=self._device),
        }
        return Progress(0, torch.arange(count, device=self._device), dict(self.tasks.start), {}, record)

    def _replan(self, progress: Progress) -> None:
        """Make the plans of all active tasks, going on after those that a checkpoint holds."""
        goal = self._goal_points[progress.active]
        latent = goal if self.controller.model is None else self._encode(progress)
        tasks = {"id": progress.active, "latent": latent, "goal": goal}
        first, parts = progress.planned, [progress.pending] if progress.pending else []
        blocks = self.controller.blocks(tasks, progress.memory, first, progress.step, progress.executed)
        for done, plan in blocks:
            named = {"actions": plan.actions}
            named |= {f"state.{k}": v for k, v in plan.state.items()} | {f"info.{k}": v for k, v in plan.info.items()}
            parts.append(named)
            progress.pending, progress.planned = _joined(parts), done
            parts = [progress.pending]
            self._save_if_due(progress)
        self._remember(progress)

    def _encode(self, progress: Progress) -> Tensor:
        assert self.controller.model is not None
        return self.controller.model.encode_blocks(self.environment.observe(progress.state))

    def _remember(self, progress: Progress) -> None:
        """Keep the planner's new memory, and add its diagnostics to the record."""
        assert progress.pending is not None
        progress.memory = {k[6:]: v for k, v in progress.pending.items() if k.startswith("state.")}
        progress.record["plans"][progress.active] += 1
        for key, value in progress.pending.items():
            if key.startswith("info."):
                sums = progress.record.setdefault(key, torch.zeros_like(progress.record["start_distance"].double()))
                sums[progress.active] += value.double()

    def _execute(self, progress: Progress) -> None:
        """Apply the first actions of the plans; tasks that reach their goal leave."""
        assert progress.pending is not None
        settings, environment = self.controller.settings, self.environment
        actions = progress.pending["actions"]
        progress.executed = min(settings.replan_every, actions.shape[1], settings.max_steps - progress.step)
        rows = torch.arange(len(progress.active), device=self._device)
        for index in range(progress.executed):
            noise = None
            if environment.spec.noise_dim:
                keyed = KeyedNoise(self.controller.seed, progress.active, progress.step, Stream.ENVIRONMENT)
                noise = keyed.normal(environment.spec.noise_dim)
            action = actions[rows, index] * self._scale
            progress.state = environment.step(progress.state, action, noise)
            progress.step += 1
            rows = self._judge(progress, rows)
            if not len(progress.active):
                break
        progress.memory = {name: value[rows] for name, value in progress.memory.items()}
        progress.pending, progress.planned = None, 0

    def _judge(self, progress: Progress, rows: Tensor) -> Tensor:
        """Record distances; drop the tasks that leave. Returns the rows of the plans that are left."""
        goal = {name: value[progress.active] for name, value in self.tasks.goal.items()}
        distance = self.environment.goal_distance(progress.state, goal)
        if not bool(torch.isfinite(distance).all()):
            who = describe_plugin(self.environment, "environment")
            raise RunFailed(f"{who}: goal_distance is not finite after step {progress.step} of stage '{self.name}'")
        solved = self.environment.success(progress.state, goal)
        record, active = progress.record, progress.active
        record["final_distance"][active] = distance
        record["min_distance"][active] = torch.minimum(record["min_distance"][active], distance)
        steps = record["steps"][active]
        record["steps"][active] = torch.where(solved & (steps < 0), progress.step, steps)
        if self._whole:
            return rows
        # Indices, not a mask: with a mask a GPU would be waited for at every use.
        left = (~solved).nonzero().squeeze(1)
        progress.active = active[left]
        progress.state = {name: value[left] for name, value in progress.state.items()}
        return rows[left]

    def _report(self, progress: Progress) -> None:
        solved = int((progress.record["steps"] >= 0).sum())
        logs = {"solved": solved, "of": len(self.tasks)}
        self._loggers.call("vgbench_stage_progress", stage=self.name, done=progress.step, logs=logs)
        self._save_if_due(progress)

    def _save_if_due(self, progress: Progress) -> None:
        if self._stop.requested or time.monotonic() - self._saved > self._interval:
            self._save(progress)
            if self._stop.requested:
                raise KeyboardInterrupt

    def _save(self, progress: Progress) -> None:
        progress.evaluations = self.controller.evaluations
        self._folder.save_checkpoint(self.name, dict(vars(progress)))
        self._folder.write_lines(f"{self.name}.jsonl", self._rows(progress))
        self._saved = time.monotonic()

    def _rows(self, progress: Progress) -> list[Record]:
        """A row for each task that is over."""
        record: dict[str, list[Any]] = {name: value.tolist() for name, value in progress.record.items()}
        over = progress.step >= self.controller.settings.max_steps
        playing = set() if over else set(progress.active.tolist())
        rows = []
        for task in range(len(self.tasks)):
            if task in playing:
                continue
            steps = record["steps"][task]
            row: Record = {"task": task, "success": steps >= 0, "steps": steps if steps >= 0 else progress.step}
            row |= {key: round(record[key][task], 6) for key in ("start_distance", "min_distance", "final_distance")}
            plans = max(record["plans"][task], 1)
            infos = {key[5:]: record[key][task] / plans for key in record if key.startswith("info.")}
            # A planner's figures never replace the row's own, and JSON has no infinity.
            rows.append({k: round(v, 6) if math.isfinite(v) else None for k, v in infos.items()} | row)
        return rows


def _joined(parts: list[Tensors]) -> Tensors:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
