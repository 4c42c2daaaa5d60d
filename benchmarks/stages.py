"""Run in a process of its own: one JSON object with the peak memory of every stage, MiB.

    python -m benchmarks.stages run PROTOCOL RECIPE SCALE FOLDER [NAME=VALUE ...]
    python -m benchmarks.stages plan SAMPLES HORIZON DISTANCE TASKS

Linux keeps the peak since it was last reset, so that each stage has its own; elsewhere it is that of the process so
far. `start` is the interpreter with everything imported.
"""

import json
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def peak() -> float:
    """Return the peak resident memory since the last `reset`, MiB."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, KiB elsewhere.
    return used / 2**20 if sys.platform == "darwin" else used / 1024


def reset() -> None:
    """Forget the peak, where the system can."""
    with suppress(OSError):
        # 5 resets the peak that VmHWM shows, see proc(5).
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


class Watch:
    """A logger of a run: peak of each stage by name, and of what lies between (`between`)."""

    def __init__(self) -> None:
        """Begin with what is imported."""
        self.peaks: dict[str, float] = {"start": peak()}
        reset()

    def vgbench_stage_started(self, stage: str) -> None:
        """Close what came before."""
        self._note("between")

    def vgbench_stage_ended(self, stage: str) -> None:
        """Close the stage."""
        self._note(stage)

    def _note(self, name: str) -> None:
        self.peaks[name] = max(self.peaks.get(name, 0.0), peak())
        reset()


def of_run(protocol: str, recipe: str, scale: str, folder: str, *sets: str) -> dict[str, float]:
    """Every stage of a run."""
    from vgbench.api.hooks import hookimpl
    from vgbench.config.request import RunRequest
    from vgbench.config.resolve import resolve
    from vgbench.experiments import runner
    from vgbench.plugin.loggers import Loggers

    for name in ("vgbench_stage_started", "vgbench_stage_ended"):
        setattr(Watch, name, hookimpl(getattr(Watch, name)))
    spec = resolve(RunRequest(protocol=protocol, recipe=recipe, scale=scale, set=sets))
    watch, loggers = Watch(), Loggers()
    loggers.register(watch, "watch")
    runner.run(spec, Path(folder), (), loggers)
    return watch.peaks


def of_plan(samples: str, horizon: str, distance: str, tasks: str) -> dict[str, float]:
    """Planning with a predictor of the paper's size."""
    from benchmarks.work import Work
    from vgbench.hardware import keep_freed_memory

    keep_freed_memory()
    work = Work(int(samples), int(horizon), distance, int(tasks))
    problem, controller = work.problem, work.controller()
    peaks = {"start": peak()}
    reset()
    for _ in controller.blocks(problem, {}, 0, 0, 0):
        pass
    return peaks | {"planning": peak()}


def main(arguments: list[str]) -> None:
    """Print one JSON object."""
    what: Any = {"run": of_run, "plan": of_plan}[arguments[0]]
    print(json.dumps({name: round(value, 1) for name, value in what(*arguments[1:]).items()}))


if __name__ == "__main__":
    main(sys.argv[1:])
