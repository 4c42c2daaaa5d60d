"""`vgbench evaluate`: plan again with a trained model."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vgbench.cli.common import Debug, Format, examples, handled, note, print_json, takes
from vgbench.imports import quick_imports

EPILOG = examples(
    "vgbench evaluate runs/NAME --planner cem",
    "vgbench evaluate runs/NAME --task-seed 7 --set evaluation.tasks=400",
    "vgbench evaluate runs/NAME --protocol turnstile_two_way --out runs/twin",
)


@takes(
    *("planner", "env", "protocol", "recipes", "tasks", "task_seed", "set"),
    *("plugin_timeout", "device", "threads", "memory"),
)
@handled
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run with its checkpoints.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the evaluation (default: RUN-evaluated-KEY, beside RUN)."),
    ] = None,
    format: Format = "table",
    debug: Debug = False,
    **options: Any,
) -> None:
    """Plan with the model of a finished run: with another planner, other tasks, other values or elsewhere.

    Nothing is trained. The result is a new run folder; the same command resumes it. `vgbench report` gives it a row of
    its own, and `vgbench compare` takes it where it is named. Another planner takes its values from the protocol, not
    from the old planner. With another protocol or environment the model is evaluated where it was not trained: also a
    model of `vgbench train` that knows recordings alone, in a simulator whose observations have the same names and
    shapes.
    """
    with quick_imports():
        from vgbench.cli.result import print_result
        from vgbench.experiments.evaluate import evaluate as again
        from vgbench.plugin.loggers import Loggers
        from vgbench.plugin.registry import Registry

    loggers = Loggers().load(Registry(), ())
    result = again(run, options, out, ["vgbench", *sys.argv[1:]], loggers, note)
    if format == "json":
        print_json(result)
    else:
        print_result(result, str(run))
