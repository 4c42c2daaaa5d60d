"""Figures of a run for TensorBoard."""

from pathlib import Path
from typing import Any

from vgbench.api import hookimpl


class TensorBoard:
    """Writes RUN/tensorboard: `STAGE/FIGURE` over the steps of each stage, and the success rates at the end.

    `tensorboard --logdir runs` compares all runs. A run that goes on adds a file to the same curves.
    """

    on_request = True

    def __init__(self) -> None:
        """Find the package."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as err:
            raise ImportError(
                'this needs tensorboard: pip install -c constraints.txt ".[tensorboard]" in a checkout of vgbench'
            ) from err
        self._make = SummaryWriter
        self._writer: SummaryWriter | None = None

    @hookimpl
    def vgbench_run_started(self, title: str, folder: str) -> None:
        """Open the event file."""
        self._writer = self._make(str(Path(folder) / "tensorboard"))
        self._writer.add_text("run", title)

    @hookimpl
    def vgbench_stage_progress(self, stage: str, done: int, logs: dict[str, Any]) -> None:
        """Write the figures."""
        for name, value in logs.items():
            if self._writer is not None:
                self._writer.add_scalar(f"{stage}/{name}", float(value), done)

    @hookimpl
    def vgbench_run_stopped(self, status: str) -> None:
        """Close the file, unless the result is still to come."""
        if status != "done":
            self._close()

    @hookimpl
    def vgbench_run_ended(self, result: dict[str, Any]) -> None:
        """Write the success rates, and the scores beside them where they are known, and close the file."""
        for name, rate in (("success_rate", result), ("baseline", result.get("baseline"))):
            if self._writer is not None and rate:
                self._writer.add_scalar(f"result/{name}", rate["success_rate"], 0)
        for name in ("spl", "timely"):
            if self._writer is not None and result.get(name) is not None:
                self._writer.add_scalar(f"result/{name}", result[name], 0)
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
