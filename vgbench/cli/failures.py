"""`vgbench failures`: what happened to the failed tasks of a run."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import Debug, Format, examples, handled, print_json, print_table, say

EPILOG = examples(
    "vgbench failures runs/wall_big-vf_quasi-quick-s0-1a2b3c4d",
    "vgbench failures runs/NAME --first 10 --draw",
    "vgbench failures runs/NAME --task 6 --task 8 --format json",
)


@handled
def failures(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run, with its checkpoints.")],
    task: Annotated[list[int] | None, typer.Option(metavar="N", help="Only this failed task; may be repeated.")] = None,
    first: Annotated[int | None, typer.Option(metavar="N", help="Only the first N failed tasks.")] = None,
    draw: Annotated[bool, typer.Option("--draw", help="Also draw their paths: failures.svg in RUN/plots.")] = False,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """List the failed tasks of a run and what happened in each, counted by reason.

    near miss: within two success radii of the goal. stuck: for at least a quarter of the episode the agent stayed
    within a region three full steps wide; with how far the model expected its plan to lead, and how far it leads. too
    slow: still getting nearer at the end. wandering: none of these. Tasks are played again, which takes as long as
    their evaluation did.
    """
    from vgbench.analysis.failures import REASONS, text, traced
    from vgbench.errors import UsageError
    from vgbench.experiments.trained import load_trained

    if first is not None and first < 1:
        raise UsageError(f"--first {first}: expected at least 1")
    record, traces = traced(trained := load_trained(run), task, first)
    picture = None
    if draw and traces:
        from vgbench.reports.plots.failures import draw_failures
        from vgbench.reports.plots.run_plots import add

        picture = add(run, "failures", draw_failures(trained, record, traces))
    if format == "json":
        print_json(record | {"picture": picture and str(picture)})
        return
    if record["meaningless"]:
        say("note: scale smoke: these failures mean nothing")
    print(text(record))
    if record["rows"]:
        print()
        strata = ["STRATUM"] if "strata" in record else []
        rows = [
            [str(row["task"]), *(row["stratum"] for _ in strata), REASONS[row["reason"]], row["text"]]
            for row in record["rows"]
        ]
        print_table(["TASK", *strata, "REASON", "WHAT HAPPENED"], rows, wrap=2 + len(strata))
        print(f"\nnext: vgbench plot {run} --task {record['rows'][0]['task']} --format gif")
    if picture:
        print(picture)
