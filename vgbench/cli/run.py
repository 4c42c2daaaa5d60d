"""`vgbench run`: collect, train, plan and judge, or go on with it."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Unpack

import typer

from vgbench.cli.common import Debug, Format, examples, handled, print_json, say, takes
from vgbench.config.options import OPTIONS, RunOptions
from vgbench.text import rate_text, scores_text, task_name

EPILOG = examples(
    "vgbench run --env maze --objective iql --distance iqe",
    "vgbench run --protocol wall_small --recipe vf --seed 1 --set mppi.samples=512",
    "vgbench run --env maze --recipe vf --tasks tasks.json --logger jsonl",
    "vgbench run --protocol maze --recipes mine.yaml --recipe mine",
    "vgbench run --protocol wall_big --recipe vf --scale paper --device cuda:1 --precision tf32",
    "vgbench run --env wall --recipe vf --out here --again",
    "vgbench run --config runs/NAME/config.yaml --dry-run",
)


@takes(*OPTIONS)
@handled
def run(
    format: Format = "table",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every value with its source, and the cost.")
    ] = False,
    debug: Debug = False,
    **options: Unpack[RunOptions],
) -> None:
    """Collect data, train, plan and judge.

    A run that was interrupted goes on; one that is complete is printed again. Where the source of its plugins has
    changed since, the command stops: --again repeats the run.
    """
    from vgbench.config.request import RunRequest
    from vgbench.python_api import perform, prepare

    request = RunRequest(**options)
    spec = prepare(request)
    if dry_run:
        from vgbench.cli.dry_run import print_plan

        print_plan(spec, format, request.options.get("out"))
        return
    asked = request.options
    result = perform(
        spec,
        asked.get("out"),
        ["vgbench", *sys.argv[1:]],
        asked.get("logger", ()),
        note=lambda text: say(f"note: {text}"),
        again=asked.get("again", False),
    )
    if format == "json":
        print_json(result)
    else:
        print_result(result)


def print_result(result: Mapping[str, Any]) -> None:
    """Print what a run came to; the run folder is the last line."""
    method = result.get("recipe") or f"{' + '.join(result['objectives'])} with {result['distance']}"
    method = ", ".join([method, *result.get("reweighted", [])])  # what makes it another method than the recipe
    where = task_name(result.get("environment", ""), result.get("protocol") or result["title"])
    print(f"{where}, {method}, scale {result['scale']}")
    if result["scale"] == "smoke":
        print("scale smoke: these numbers mean nothing")
    print(f"success  {rate_text(result)}{scores_text(result)}")
    strata = result.get("strata", {})
    width = max(map(len, strata), default=0)
    for name, rate in strata.items():
        print(f"  {name:<{width}}  {rate_text(rate)}{scores_text(rate)}")
    for baseline in result.get("baselines", ()):
        print(f"baseline {rate_text(baseline)}{scores_text(baseline)}  ({baseline['planner']})")
    stages = result.get("stages", {})
    width = max(map(len, (*stages, "all")))
    for name, times in (*stages.items(), ("all", result)):
        print(f"{name:<{width}}{times['seconds']:>9.1f} s{times['cpu_seconds']:>10.1f} CPU-s")
    print(result["run_dir"])
