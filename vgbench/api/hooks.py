"""Hooks for loggers of a run (pluggy, group `vgbench.loggers`). A logger may take any subset of the arguments.

The entry point names a class, of which each run makes an instance without arguments. One with the attribute
`on_request = True` is used only where it is named, by `--logger NAME` or in `VGBENCH_LOGGERS`; the others always.
A logger that raises is reported once and switched off; the run goes on.

Example: print the success rate at the end::

    from vgbench.api import hookimpl

    class MyLogger:
        on_request = True  # only where it is asked for: --logger my_logger

        @hookimpl
        def vgbench_run_ended(self, result):
            print(result["success_rate"])
"""

from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("vgbench")
hookimpl = pluggy.HookimplMarker("vgbench")


@hookspec
def vgbench_run_started(title: str, folder: str) -> None:
    """Announce a run that begins or resumes."""


@hookspec
def vgbench_stage_started(stage: str, total: int, done: int, unit: str) -> None:
    """Announce a stage (collect, encoder, predictor, planning, ...) of `total` units, of which `done` are finished."""


@hookspec
def vgbench_stage_progress(stage: str, done: int, logs: dict[str, Any]) -> None:
    """Report units done so far in the stage, with the latest figures."""


@hookspec
def vgbench_stage_ended(stage: str) -> None:
    """Announce the end of a stage."""


@hookspec
def vgbench_noted(text: str) -> None:
    """Tell the user something during the run, such as that memory was short."""


@hookspec
def vgbench_run_stopped(status: str) -> None:
    """Announce the end. Close what is open.

    Status: `done`; `trained`, where only training was asked for; `interrupted`; `failed`; or `refused`, where what was
    asked for cannot be run and the folder is as it was.

    After `done` there follows `vgbench_run_ended`.
    """


@hookspec
def vgbench_run_ended(result: dict[str, Any]) -> None:
    """Hand over the content of result.json."""
