"""The evaluation of a run: episodes that are checkpointed, interrupted and resumed, and that loggers hear of."""

import time
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from vgbench.api import Environment, Tasks
from vgbench.planning.controller import Controller
from vgbench.planning.episodes import Episodes, Planned, Progress, observe_latents
from vgbench.plugin.loggers import Loggers
from vgbench.storage.files import Record
from vgbench.storage.interrupt import Stop
from vgbench.storage.record_types import EpisodeRow
from vgbench.storage.run_folder import RunFolder, checkpoint_seconds


class Evaluation:
    """Plays episodes with a controller, from their last checkpoint if there is one; loggers see how far they are."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        tasks: Tasks,
        controller: Controller,
        action_scale: float | Tensor,
        folder: RunFolder,
        loggers: Loggers,
        stop: Stop,
        whole: bool = False,
        expert_steps: Sequence[int | None] | None = None,
    ) -> None:
        """`name` is that of the stage and of its JSONL file (`episodes`, `baseline-random`); `whole` as for `Episodes`.

        `expert_steps` are those of all tasks, for their rows; see `vgbench.planning.expert`.
        """
        self.name, self.controller = name, controller
        self._folder, self._loggers, self._stop = folder, loggers, stop
        self._saved, self._interval = time.monotonic(), checkpoint_seconds()
        self._episodes = Episodes(environment, tasks, controller.settings, action_scale, controller.seed, whole, name)
        self._expert_steps = expert_steps
        observe = observe_latents(controller.model, environment, tasks)
        self._act = Planned(controller, observe, self._save_if_due)
        self.block = controller.block
        """Tasks planned at a time, in the end."""

    def run(self) -> list[EpisodeRow]:
        """Play all episodes; return a row for each task."""
        content = self._folder.load_checkpoint(self.name)
        progress = self._episodes.start() if content is None else self._resumed(content)
        total = self.controller.settings.max_steps
        self.controller.evaluations = progress.evaluations
        if progress.step < total and len(progress.active):
            start = {"stage": self.name, "total": total, "done": progress.step, "unit": "step"}
            self._loggers.call("vgbench_stage_started", **start)
            self._episodes.play(self._act, progress, on_plan=self._report)
            self._save(progress)
            self._loggers.call("vgbench_stage_ended", stage=self.name)
        self.block = progress.block or self.controller.block
        rows = self._rows(progress)
        self._folder.write_lines(f"{self.name}.jsonl", rows)
        return rows

    def _rows(self, progress: Progress) -> list[EpisodeRow]:
        """Rows of the tasks that are over, with the expert's steps where these are given."""
        rows, steps = self._episodes.rows(progress), self._expert_steps
        if steps is None:
            return rows
        return [cast("EpisodeRow", {**row, "expert_steps": steps[row["task"]]}) for row in rows]

    def _resumed(self, content: Record) -> Progress:
        """Progress of a checkpoint; what does not fit these tasks is told as a checkpoint that cannot be used."""
        with self._folder.explained(self.name):
            fresh = self._episodes.start()
            progress = Progress.unpacked({name: _placed(value, fresh.active.device) for name, value in content.items()})
            parts = (
                (fresh.record, progress.record, len(fresh.active)),
                (fresh.state, progress.state, len(progress.active)),
            )
            for wanted, found, rows in parts:
                for name in wanted:
                    if len(found[name]) != rows:
                        raise ValueError(f"it has {len(found[name])} rows of {name!r} for {rows} tasks")
        return progress

    def _report(self, progress: Progress) -> None:
        solved = int((progress.record["steps"] >= 0).sum())
        logs = {"solved": solved, "of": len(self._episodes.tasks)}
        self._loggers.call("vgbench_stage_progress", stage=self.name, done=progress.step, logs=logs)
        self._save_if_due(progress)

    def _save_if_due(self, progress: Progress) -> None:
        if self._stop.requested or time.monotonic() - self._saved > self._interval:
            self._save(progress)
            # After saving, so that what is done is kept.
            if self._stop.requested:
                raise KeyboardInterrupt

    def _save(self, progress: Progress) -> None:
        progress.evaluations = self.controller.evaluations
        if self.controller.pad_last_block is not None:  # else nothing was planned since the run was resumed
            progress.block = self.controller.block
        # The checkpoint first: the lines can be written again from it, but not the other way round.
        self._folder.save_checkpoint(self.name, progress.packed())
        self._folder.write_lines(f"{self.name}.jsonl", self._rows(progress))
        self._saved = time.monotonic()


def _placed(value: Any, device: torch.device) -> Any:
    """Move what a checkpoint holds to a device."""
    if isinstance(value, dict):
        return {name: _placed(item, device) for name, item in value.items()}
    return value.to(device) if isinstance(value, Tensor) else value
