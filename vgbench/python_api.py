"""`vgbench.run`: collect, train, plan and judge from Python; the command line goes through `perform` too."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench.errors import UsageError

if TYPE_CHECKING:
    from vgbench.config.request import RunRequest
    from vgbench.spec import RunSpec
    from vgbench.storage.record_types import ResultFile


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        success_rate: share of the tasks that were solved, in [0, 1].
        interval: its 95 % Wilson interval, (low, high). It knows the tasks' chance, not that of another training seed.
        successes: tasks solved, out of `tasks`.
        tasks: number of tasks.
        baseline: success rate of random actions on the same tasks; None where the planner is the baseline itself.
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

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One record per task (success, steps, distance left, ...), read from episodes.jsonl."""
        text = (self.folder / "episodes.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


def run(
    *,
    env: str | None = None,
    protocol: str | None = None,
    recipe: str | None = None,
    objective: str | Sequence[str] = (),
    distance: str | None = None,
    planner: str | None = None,
    encoder: str | None = None,
    predictor: str | None = None,
    training: str | None = None,
    scale: str | None = None,
    variant: str | None = None,
    seed: int | None = None,
    data_seed: int | None = None,
    task_seed: int | None = None,
    device: str | None = None,
    out: str | Path | None = None,
    config: str | Path | None = None,
    set: Mapping[str, Any] | Sequence[str] = (),
    data: str | Path | None = None,
    recipes: str | Path | None = None,
    tasks: str | Path | None = None,
    logger: str | Sequence[str] = (),
    precision: str | None = None,
    compile: bool | None = None,
    threads: int | None = None,
    memory: str | None = None,
) -> Result:
    """Collect data, train, plan and judge: `vgbench run` from Python, with the same names and meanings.

    A run that was interrupted goes on; one that is complete returns its result at once. Notes that the command prints
    are under `notes` in the result's record.

    Args:
        env: environment; its usual protocol is taken.
        protocol: where it is judged, by name, instead of `env`.
        recipe: objectives, distance and training by name, instead of the next three.
        objective: `NAME` or `NAME:WEIGHT`, or several of them.
        distance: distance between latents.
        planner: planner; the protocol's by default, as the networks are.
        encoder: network.
        predictor: network.
        training: `auto`, `separate` or `joint`.
        scale: `smoke`, `quick` (default) or `paper`.
        variant: `literal` (default) or `pldm`.
        seed: seed of training; 0 by default, like the next two.
        data_seed: seed of the training set.
        task_seed: seed of the tasks.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        out: the run folder itself; by default a name under `runs/`.
        config: choices from a file; the other arguments win over it.
        set: values of parameters: `{"iql.tau": 0.8}`, or as in a shell, `["iql.tau=0.8"]`; they win over all.
        data: train on this file of `vgbench collect`.
        recipes: file with recipes of your own.
        tasks: plan these tasks, of `vgbench tasks` or of a run.
        logger: loggers to tell of the progress, beside those that always are.
        precision: `float32` (default), `tf32` (CUDA) or `bfloat16` (of the networks).
        compile: whether networks go through `torch.compile`; not by default.
        threads: of PyTorch, while this runs; 0 (default): one for each core.
        memory: most that a block of plans may take, such as `2GiB`; by default half of what is free.

    Raises:
        UsageError: something does not exist, is out of its range, or contradicts something else; nothing was computed.
        RunFailed: training or planning came to no end.

    Example::

        result = vgbench.run(env="wall", recipe="vf", scale="smoke", set={"iql.tau": 0.8})
        print(result.success_rate, result.interval)
    """
    given = {name: value for name, value in locals().items() if value not in (None, ()) and name != "out"}
    from vgbench.config.request import RunRequest

    for name in ("seed", "data_seed", "task_seed"):
        if type(given.get(name, 0)) is not int:
            raise UsageError(f"{name}={given[name]!r}: a seed must be a whole number")
    for name, kind, words in (("compile", bool, "True or False"), ("threads", int, "a whole number")):
        if type(given.get(name, kind())) is not kind:
            raise UsageError(f"{name}={given[name]!r}: expected {words}")
    fields: dict[str, Any] = {name: given.get(name) for name in _PLAIN}
    fields |= {name: Path(given[name]) for name in ("config", "data", "recipes", "tasks") if name in given}
    request = RunRequest(**fields, objectives=_several(objective), sets=_sets(set))
    written = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
    call = f"vgbench.run({', '.join(f'{name}={value!r}' for name, value in written.items())})"
    record = perform(prepare(request), Path(out) if out is not None else None, [call], _several(logger))
    low, high = record["ci95"]
    return Result(
        success_rate=record["success_rate"],
        interval=(low, high),
        successes=record["successes"],
        tasks=record["n"],
        baseline=record["baseline"]["success_rate"] if record["baseline"] else None,
        folder=Path(record["run_dir"]),
        record=record,
    )


_PLAIN = (
    *("env", "protocol", "recipe", "distance", "planner", "encoder", "predictor", "training", "scale", "variant"),
    *("seed", "data_seed", "task_seed", "device", "precision", "compile", "threads", "memory"),
)


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
) -> "ResultFile":
    """Run a prepared specification with loggers by name; return the content of result.json.

    Args:
        spec: from `prepare`.
        out: the run folder; by default a name under `runs/`.
        argv: what was called, for the record.
        loggers: those to tell beside the ones that always are.
        note: told what the user should know before the run starts.
    """
    from vgbench.experiments import runner
    from vgbench.hardware import about
    from vgbench.plugin.loggers import Loggers
    from vgbench.plugin.registry import Registry

    used = Loggers().load(Registry(), loggers)
    for text in spec.notes:
        note(text)
    if spec.selections["device"].source == "found":
        note(about(spec.device))
    if spec.scale == "smoke":
        note("scale smoke checks that everything works; its numbers mean nothing")
    return runner.run(spec, out, argv, used)


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _sets(values: Mapping[str, Any] | Sequence[str]) -> tuple[str, ...]:
    """Values as they would follow `--set`.

    Raises:
        UsageError: a value is no number, text, truth value, list or None.
    """
    if not isinstance(values, Mapping):
        return _several(values)
    given = []
    for name, value in values.items():
        try:
            given.append(f"{name}={json.dumps(value, ensure_ascii=False)}")
        except TypeError as err:
            raise UsageError(f"set: {name!r}: expected a plain value, not {type(value).__name__}") from err
    return tuple(given)
