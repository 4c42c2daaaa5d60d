"""`vgbench suite`: recipes x protocols x seeds, or go on with them."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vgbench.cli.common import Compile, Debug, Device, Format, Memory, Precision, examples, handled, print_json, say
from vgbench.cli.experiment_options import (
    Address,
    DryRun,
    Estimate,
    Executor,
    Retry,
    Threads,
    Variant,
    Workers,
    check_place,
    default_folder,
    not_default,
    prepare,
    print_outcomes,
    print_plan,
)
from vgbench.errors import UsageError

if TYPE_CHECKING:
    from vgbench.experiments.cells import CellOutcome

EPILOG = examples(
    "vgbench suite paper_table_2 --dry-run",
    "vgbench suite paper_table_2 --only vf,vf_quasi,wall_big --seeds 0",
    "vgbench suite paper_table_2 --set evaluation.tasks=50 --out runs/short",
)


@handled
def suite(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A suite of registry.yaml, e.g. paper_table_2.")],
    scale: Annotated[str | None, typer.Option(metavar="smoke|quick|paper", help="Default quick.")] = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N|LIST", help="A count (3 means 0,1,2) or a list (0,2); the suite's by default."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME[,NAME]", help="Only these recipes and protocols of the suite.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Default runs/NAME-SCALE.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Value of a parameter, in the cells that have it."),
    ] = None,
    variant: Variant = None,
    device: Device = None,
    precision: Precision = None,
    compile: Compile = None,
    memory: Memory = None,
    executor: Executor = "local",
    workers: Workers = None,
    threads: Threads = 1,
    address: Address = None,
    retry_failed: Retry = True,
    dry_run: DryRun = False,
    estimate: Estimate = False,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Run every recipe on every protocol with every seed.

    Each cell is an ordinary run folder, DIR/PROTOCOL/RECIPE/sSEED. The same command goes on with what is not complete.
    """
    from vgbench.config.request import RunRequest
    from vgbench.experiments import suite
    from vgbench.experiments.campaign import Campaign
    from vgbench.experiments.cells import resolve_cells
    from vgbench.experiments.cells import seeds as read_seeds

    place = check_place(executor, workers, threads, address)
    if estimate and not dry_run:
        raise UsageError("--estimate goes with --dry-run")
    asked = suite.narrowed(suite.find(name), only or ())
    base = RunRequest(scale=scale, variant=variant, device=device, sets=set_ or ())
    base = replace(base, precision=precision, compile=compile, memory=memory)
    wanted = suite.cells(asked, read_seeds(seeds, asked.seeds), base)
    root = out or default_folder(asked.name, scale, variant, *not_default(precision, compile))
    cells = resolve_cells(wanted, root)
    campaign = Campaign("suite", asked.name, cells[0].spec.scale, root, cells)
    if dry_run:
        print_plan(campaign, format, estimate)
        return
    prepare(campaign)
    place = replace(place, gpu=cells[0].spec.device_kind != "cpu")
    outcomes = campaign.run(executor, place, ["vgbench", *sys.argv[1:]], say, retry_failed)
    finish(campaign.root, asked.name, outcomes, format)


def finish(root: Path, name: str, outcomes: "list[CellOutcome]", format: str) -> None:
    """Print the table of cells and leave with 1 if one of them is missing."""
    if format == "json":
        print_json({"suite": name, "dir": str(root), "cells": [outcome.record() for outcome in outcomes]})
    else:
        print_outcomes(outcomes)
        print(root)
    if any(outcome.status not in ("done", "complete") for outcome in outcomes):
        raise typer.Exit(1)
