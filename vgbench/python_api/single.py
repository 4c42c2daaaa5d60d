"""`vgbench.run` and `vgbench.evaluate`: one run from Python; the command line goes through `perform` too."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from vgbench.config.options import OPTIONS, RunOptions, given
from vgbench.storage.files import read_whole

if TYPE_CHECKING:
    from vgbench.config.request import RunRequest
    from vgbench.spec import RunSpec
    from vgbench.storage.record_types import ResultFile


@dataclass(frozen=True)
class Result:
    """Result of a run.

    Attributes:
        success_rate: share of the tasks that were solved, in [0, 1].
        interval: its 95 % Wilson interval, (low, high). It covers the chance of tasks, not of training seeds.
        successes: tasks solved, out of `tasks`.
        spl: success weighted by path length, in [0, 1]; None where the environment has no expert.
        timely: share of the tasks solved within 1.5 times the expert's steps; None likewise.
        tasks: number of tasks.
        baseline: success rate of the strongest baseline on the same tasks; None where the planner is one itself.
        folder: the run folder, with every record.
        record: content of result.json.
    """

    success_rate: float
    interval: tuple[float, float]
    successes: int
    tasks: int
    baseline: float | None
    folder: Path
    record: Mapping[str, Any] = field(repr=False)
    spl: float | None = None
    timely: float | None = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One record per task (success, steps, distance left, ...), read from episodes.jsonl."""
        text = read_whole(self.folder / "episodes.jsonl").decode()
        return [json.loads(line) for line in text.splitlines()]


def run(**options: Unpack[RunOptions]) -> Result:
    """Collect data, train, plan and evaluate: `vgbench run` from Python, with the same names.

    Resumes an interrupted run; returns the result of a finished one at once. Notes that the command prints
    are under `notes` in the result's record.

    Raises:
        UsageError: something does not exist, is out of its range, or contradicts something else, or the folder was made
            before a plugin changed; nothing was computed.
        RunFailed: training or planning failed.

    Example::

        result = vgbench.run(env="wall", recipe="vf", scale="smoke", set={"iql.tau": 0.8})
        print(result.success_rate, result.interval)
    """
    from vgbench.config.request import RunRequest
    from vgbench.plugin.guard import time_limit

    request = RunRequest(**options)
    shown = {name: str(value) if isinstance(value, Path) else value for name, value in given(options).items()}
    call = f"vgbench.run({', '.join(f'{name}={value!r}' for name, value in shown.items() if name != 'out')})"
    asked = request.options
    spec, again = prepare(request), asked.get("again", False)
    with time_limit(asked.get("plugin_timeout")):
        return of_record(perform(spec, asked.get("out"), [call], asked.get("logger", ()), again=again))


def evaluate(
    run: str | Path,
    *,
    planner: str | None = None,
    env: str | None = None,
    protocol: str | None = None,
    tasks: str | Path | None = None,
    task_seed: int | None = None,
    set: Mapping[str, Any] | None = None,
    device: str | None = None,
    out: str | Path | None = None,
) -> Result:
    """Plan again with the model of a finished run, into a folder beside it: `vgbench evaluate`. Nothing is trained.

    Args:
        run: its folder, with its checkpoints.
        planner: another planner, which has the protocol's values.
        env: another environment, by its usual protocol; a model of recordings alone needs one.
        protocol: another protocol: the model is judged where it was not trained.
        tasks: a file of tasks.
        task_seed: of other tasks.
        set: values of planner, `mpc` and `evaluation` by `name.param`.
        device: where to compute.
        out: the new folder.

    Raises:
        UsageError: the run is not trained, or a value would need training.

    Example::

        vgbench.evaluate("runs/mine", planner="cem", set={"evaluation.tasks": 400}).success_rate
    """
    from vgbench.experiments.evaluate import evaluate as again
    from vgbench.plugin.loggers import Loggers
    from vgbench.plugin.registry import Registry

    given: dict[str, Any] = {"planner": planner, "env": env, "protocol": protocol, "tasks": tasks}
    given |= {"task_seed": task_seed, "set": set or {}}
    shown = {name: value for name, value in {**given, "device": device}.items() if value not in (None, {})}
    call = f"vgbench.evaluate({', '.join([repr(str(run)), *(f'{name}={value!r}' for name, value in shown.items())])})"
    options = {**given, "device": device}
    loggers = Loggers().load(Registry(), ())
    return of_record(again(Path(run), options, Path(out) if out else None, [call], loggers))


def of_record(record: "ResultFile") -> Result:
    """Return the result that a run's result.json holds."""
    low, high = record["ci95"]
    return Result(
        success_rate=record["success_rate"],
        interval=(low, high),
        successes=record["successes"],
        tasks=record["n"],
        baseline=record["baseline"]["success_rate"] if record["baseline"] else None,
        folder=Path(record["run_dir"]),
        record=record,
        spl=record.get("spl"),
        timely=record.get("timely"),
    )


def _documented(function: Callable[..., Result]) -> None:
    """Write the options out in a function's signature and docstring, as `help` shows them."""
    parameters = [
        inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option.kind)
        for option in OPTIONS.values()
    ]
    vars(function)["__signature__"] = inspect.Signature(parameters, return_annotation=Result)
    opening, raises, rest = (function.__doc__ or "").partition("    Raises:")  # no docstring under `python -OO`
    lines = [f"        {option.name}: {option.sentence()}" for option in OPTIONS.values()]
    function.__doc__ = "\n".join([f"{opening}    Args:", *lines, "", f"{raises}{rest}"])


_documented(run)


def prepare(request: "RunRequest") -> "RunSpec":
    """Resolve what was asked for, and check recipes that the user brought.

    Raises:
        UsageError: it cannot be run.
    """
    from vgbench.config.resolve import resolve
    from vgbench.experiments.check_recipes import check

    spec = resolve(request)
    check(request)
    return spec


def perform(
    spec: "RunSpec",
    out: Path | None = None,
    argv: Sequence[str] = (),
    loggers: Iterable[str] = (),
    note: Callable[[str], None] = lambda text: None,
    again: bool = False,
    train_only: bool = False,
) -> Any:
    """Run a prepared specification with loggers by name; return the content of result.json.

    Args:
        spec: from `prepare`.
        out: the run folder; by default a name under `runs/`.
        argv: what was called, for the record.
        loggers: used in addition to the default ones.
        note: called with each thing that the user should know before the run starts.
        again: whether a run whose plugins have changed since is repeated.
        train_only: stop when the model is trained; return the content of training.json.
    """
    # Here, not above: these import torch, without which `import vgbench` is fast.
    from vgbench.experiments import runner
    from vgbench.hardware import about
    from vgbench.plugin.loggers import Loggers
    from vgbench.plugin.registry import Registry

    # First: a logger that was asked for and cannot be loaded must not cost a run.
    active = Loggers().load(Registry(), loggers)
    for text in spec.notes:
        note(text)
    if spec.selections["device"].source == "found":
        note(about(spec.device))
    if spec.scale == "smoke":
        note("smoke scale: results are not meaningful")
    return runner.run(spec, out, argv, active, again=again, train_only=train_only)
