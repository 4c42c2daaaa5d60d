"""Figures of a run for Weights & Biases; offline unless the user says otherwise."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from vgbench.api import hookimpl


class WandB:
    """Logs to RUN/wandb: `STAGE/FIGURE` over `STAGE/step`, the run's identity as configuration, the result as summary.

    Nothing is sent by default: `WANDB_MODE=online` does, or `wandb sync RUN/wandb/offline-run-*` later. The project is
    `WANDB_PROJECT`, or `vgbench`. A run that goes on has the same id.
    """

    on_request = True

    def __init__(self) -> None:
        """Find the package."""
        try:
            import wandb
        except ImportError as err:
            raise ImportError(
                'this needs wandb: pip install -c constraints.txt ".[wandb]" in a checkout of vgbench'
            ) from err
        self._wandb: Any = wandb
        self._run: Any = None
        self._stages: set[str] = set()

    @hookimpl
    def vgbench_run_started(self, title: str, folder: str) -> None:
        """Start or resume a run of W&B."""
        record = json.loads((Path(folder) / "run.json").read_text(encoding="utf-8"))
        # With the time: runs of one key in two folders are two runs.
        once = f"{record['key']} {record['created']} {title}"
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "vgbench"),
            name=title,
            id=hashlib.sha256(once.encode()).hexdigest()[:12],
            resume="allow",
            dir=folder,
            mode=os.environ.get("WANDB_MODE", "offline"),
            config=record["identity"],
            settings=self._wandb.Settings(silent=True, console="off"),  # stdout is for results
        )

    @hookimpl
    def vgbench_stage_progress(self, stage: str, done: int, logs: dict[str, Any]) -> None:
        """Log the figures."""
        if self._run is None or not logs:
            return
        if stage not in self._stages:
            self._stages.add(stage)
            # Each stage counts its own steps, so each has its own axis.
            self._run.define_metric(f"{stage}/*", step_metric=f"{stage}/step")
        self._run.log({f"{stage}/step": done, **{f"{stage}/{name}": float(value) for name, value in logs.items()}})

    @hookimpl
    def vgbench_run_stopped(self, status: str) -> None:
        """Finish, unless the result is still to come."""
        if status != "done":
            self._finish(1)

    @hookimpl
    def vgbench_run_ended(self, result: dict[str, Any]) -> None:
        """Add the result to the summary, and finish."""
        if self._run is not None:
            names = ("success_rate", "successes", "n", "ci95", "spl", "timely")
            self._run.summary.update({name: result[name] for name in names if result.get(name) is not None})
        self._finish(0)

    def _finish(self, code: int) -> None:
        if self._run is not None:
            self._run.finish(exit_code=code)
            self._run = None
