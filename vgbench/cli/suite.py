"""`vgbench suite`: recipes x protocols x seeds, or go on with them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vgbench.cli.common import Debug, Format, examples, handled, print_json, takes
from vgbench.cli.experiment_options import (
    Address,
    DryRun,
    Estimate,
    Executor,
    Out,
    Retry,
    Seeds,
    Threads,
    Workers,
    check_place,
    compute,
    default_folder,
    print_outcomes,
    print_plan,
)
from vgbench.config.options import SHARED
from vgbench.errors import UsageError

if TYPE_CHECKING:
    from vgbench.experiments.cells import CellOutcome

EPILOG = examples(
    "vgbench suite paper_table_2 --dry-run",
    "vgbench suite paper_table_2 --only vf,vf_quasi,wall_big --seeds 0",
    "vgbench suite paper_table_2 --set evaluation.tasks=50 --out runs/short",
)


@takes(*SHARED)
@handled
def suite(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A suite of registry.yaml, e.g. paper_table_2.")],
    seeds: Seeds = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME[,NAME]", help="Only these recipes and protocols of the suite.")
    ] = None,
    out: Out = None,
    executor: Executor = "local",
    workers: Workers = None,
    threads: Threads = 1,
    address: Address = None,
    retry_failed: Retry = True,
    dry_run: DryRun = False,
    estimate: Estimate = False,
    format: Format = "table",
    debug: Debug = False,
    **options: Any,
) -> None:
    """Run every recipe on every protocol with every seed.

    Each has an ordinary run folder, DIR/PROTOCOL/RECIPE/sSEED. The same command goes on with what is not complete.
    """
    from vgbench.config.request import RunRequest
    from vgbench.experiments import suite
    from vgbench.experiments.campaign import Campaign
    from vgbench.experiments.cells import resolve_cells
    from vgbench.experiments.cells import seeds as read_seeds

    place = check_place(executor, workers, threads, address)
    if estimate and not dry_run:
        raise UsageError("--estimate goes with --dry-run")
    asked, base = suite.narrowed(suite.find(name), only or ()), RunRequest(**options)
    root = out or default_folder(asked.name, base)
    cells = resolve_cells(suite.cells(asked, read_seeds(seeds, asked.seeds), base), root)
    campaign = Campaign("suite", asked.name, cells[0].spec.scale, root, cells)
    if dry_run:
        print_plan(campaign, format, estimate)
    else:
        finish(root, asked.name, compute(campaign, executor, place, retry_failed), format)


def finish(root: Path, name: str, outcomes: "list[CellOutcome]", format: str) -> None:
    """Print the table of runs and leave with 1 if one of them is missing."""
    if format == "json":
        print_json({"suite": name, "dir": str(root), "runs": [outcome.record() for outcome in outcomes]})
    else:
        print_outcomes(outcomes)
        print(root)
    if any(outcome.status not in ("done", "complete") for outcome in outcomes):
        raise typer.Exit(1)
