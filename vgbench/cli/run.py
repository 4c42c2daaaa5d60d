"""`vgbench run`: collect data, train, plan and evaluate, or resume."""

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from vgbench.cli.common import Debug, Format, examples, handled, note, print_json, progress, takes, verbosity
from vgbench.config.options import OPTIONS, RunOptions
from vgbench.errors import UsageError
from vgbench.imports import quick_imports
from vgbench.text import rate_text, span

if TYPE_CHECKING:
    from pathlib import Path

    from vgbench.config.request import RunRequest
    from vgbench.spec import RunSpec
    from vgbench.storage.record_types import ResultFile

EPILOG = examples(
    "vgbench run --env maze --objective iql --distance iqe",
    "vgbench run --protocol wall_small --recipe vf --seed 1 --set mppi.samples=512",
    "vgbench run --protocol turnstile --recipe vf_quasi --seeds 0-2 --out runs/mine",
    "vgbench run --env maze --recipe vf --tasks tasks.json --logger jsonl",
    "vgbench run --protocol maze --recipes mine.yaml --recipe mine",
    "vgbench run --protocol wall_big --recipe vf --scale paper --device cuda:1 --precision tf32",
    "vgbench run --env wall --recipe vf --out here --again",
    "vgbench run --config runs/NAME/config.yaml --dry-run",
)


@takes(*OPTIONS)
@handled
def run(
    seeds: Annotated[
        str | None, typer.Option(metavar="SEEDS", help="Several runs: 0,2 or 0-4; 5x: five seeds from 0.")
    ] = None,
    num_seeds: Annotated[int | None, typer.Option(metavar="N", help="Several runs: N seeds, from 0.")] = None,
    format: Format = "table",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every value with its source and the estimated cost; run nothing.")
    ] = False,
    debug: Debug = False,
    **options: Unpack[RunOptions],
) -> None:
    """Collect data, train a model, plan with it and report the success rate.

    Resumes an interrupted run; prints the result of a finished one. If a plugin's source has changed since, the command
    stops: --again repeats the run. With several seeds each run has its own folder, DIR/sN for --out DIR.
    """
    with quick_imports():
        from vgbench.config.request import RunRequest
        from vgbench.python_api.single import prepare

    base = RunRequest(**options)
    one = seeds is None and num_seeds is None
    requests = [base] if one else _of_seeds(base, seeds, num_seeds)
    # All of them first: a mistake in the last one must not cost the others' time.
    prepared = [(request, prepare(request)) for request in requests]
    if dry_run:
        from vgbench.cli.dry_run import print_plan

        for request, spec in prepared:
            print_plan(spec, format, request.options.get("out"))
        return
    results = [_perform(request, spec) for request, spec in prepared]
    if format == "json":
        print_json(results[0] if one else results)
        return
    from vgbench.cli.result import print_result

    for result in results:
        print_result(result)
    if len(results) > 1:
        _print_seeds(results)


def _of_seeds(base: "RunRequest", seeds: str | None, number: int | None) -> "list[RunRequest]":
    """Return the request of each seed, with folders of their own."""
    from vgbench.experiments.cells import seeds as read

    if "seed" in base.options:
        raise UsageError("--seed contradicts --seeds and --num-seeds; use one of them")
    out = base.options.get("out")
    found = read(seeds, number, ())
    return [base.replaced(seed=seed, **({"out": out / f"s{seed}"} if out is not None else {})) for seed in found]


def _perform(request: "RunRequest", spec: "RunSpec") -> "ResultFile":
    from vgbench.plugin.guard import time_limit
    from vgbench.python_api.single import perform

    asked = request.options
    with time_limit(asked.get("plugin_timeout")):
        _print_estimate(spec, asked.get("out"))
        return perform(
            spec,
            asked.get("out"),
            ["vgbench", *sys.argv[1:]],
            asked.get("logger", ()),
            note=note,
            again=asked.get("again", False),
        )


def _print_estimate(spec: "RunSpec", out: "Path | None") -> None:
    """Print how long a run will take that has not begun."""
    from vgbench.experiments.cost import estimate
    from vgbench.experiments.runner import folder_of

    if verbosity() < 0 or spec.scale == "smoke" or (folder_of(spec, out).path / "run.json").exists():
        return
    # Whatever is wrong with a plugin, the run itself reports.
    with suppress(Exception):
        cost = estimate(spec)
        progress(f"estimated time {span(cost['seconds_low'], cost['seconds_high'])}")


def _print_seeds(results: "list[ResultFile]") -> None:
    """Print the rate of all seeds together, with its interval for tasks and seeds like these."""
    from pathlib import Path

    from vgbench.intervals import rate_interval
    from vgbench.storage.episode_rows import read_rows

    rows = [read_rows(Path(result["run_dir"]) / "episodes.jsonl", dict(result)).success for result in results]
    shared = len({result["tasks"]["sha256"] for result in results}) < len(results)
    low, high, _ = rate_interval(rows, shared)
    solved, n = sum(map(sum, rows)), sum(map(len, rows))
    rate = {"success_rate": solved / n, "successes": solved, "n": n, "ci95": (low, high)}
    print(f"{len(results)} seeds: {rate_text(rate)}")
