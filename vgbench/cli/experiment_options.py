"""What `suite` and `sweep` share: options about where to compute, and tables of cells."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vgbench.cli.common import print_json, print_table, say
from vgbench.errors import UsageError
from vgbench.text import duration, rate_text

if TYPE_CHECKING:
    from vgbench.experiments.campaign import Campaign
    from vgbench.experiments.cells import CellOutcome
    from vgbench.experiments.executors.base import Resources

Variant = Annotated[
    str | None, typer.Option(metavar="literal|pldm", help="Choices for what the paper leaves open, by name.")
]
Executor = Annotated[str, typer.Option(metavar="local|ray", help="Processes of this machine, or a Ray cluster.")]
Workers = Annotated[int | None, typer.Option(metavar="N", help="Cells at once; by default as many as there are cores.")]
Threads = Annotated[
    int, typer.Option(metavar="N", help="Threads of a cell; 0: the cores, divided among --workers (without: 1).")
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Existing Ray cluster: auto, HOST:PORT or ray://HOST:PORT; without, a local one."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the cells and what their folders hold.")]
Estimate = Annotated[bool, typer.Option("--estimate", help="With --dry-run: FLOPs and time of each cell here, too.")]
Retry = Annotated[bool, typer.Option("--retry-failed/--keep-failed", help="Whether to try again what failed before.")]


def check_place(executor: str, workers: int | None, threads: int, address: str | None) -> "Resources":
    """Check the options about where to compute, before anything else is done."""
    from vgbench.experiments import executors
    from vgbench.experiments.executors.base import Resources
    from vgbench.hardware import cores
    from vgbench.plugin.loggers import requested
    from vgbench.plugin.registry import Registry

    chosen = executors.find(executor)
    if workers is not None and not 1 <= workers <= 4096:
        raise UsageError(f"--workers {workers}: expected a whole number from 1 to 4096")
    here = address is None  # a cluster's machines have cores of their own
    most = cores() if here else 4096
    if not 0 <= threads <= most:
        have = f" (this process may use {most} core{'' if most == 1 else 's'})" if here else ""
        raise UsageError(f"--threads {threads}: expected a whole number from 1 to {most}{have}, or 0: chosen here")
    if threads == 0:
        threads = max(1, cores() // workers) if workers and here else 1
    place = Resources(workers, threads, address)
    requested(Registry())  # every cell would fail over a wrong name
    chosen.check(place)
    return place


def prepare(campaign: "Campaign") -> None:
    """See that a compiler works, if one is asked for; say which device the cells compute on, if nobody named one."""
    from vgbench.model.precision import check_compiler

    spec = campaign.cells[0].spec
    check_compiler(spec)
    if spec.selections["device"].source == "found":
        from vgbench.hardware import about

        say(f"note: {about(spec.device)}")


def default_folder(name: str, scale: str | None, variant: str | None, *how: str) -> Path:
    """Folder of a suite or sweep: what is not as by default (a variant, a precision) is part of its name."""
    from vgbench.config.catalogue import load_catalogue
    from vgbench.text import same

    default = load_catalogue().variant(None)
    other = variant is not None and (default is None or same(variant) != default.name)
    return Path("runs") / "-".join([name, scale or "quick", *([same(variant)] if variant and other else []), *how])


def not_default(precision: str | None, compile: bool | None) -> list[str]:
    """Words for a precision and compilation that are not those by default."""
    return [*([precision] if precision not in (None, "float32") else []), *(["compile"] if compile else [])]


def print_plan(campaign: "Campaign", format: str, estimated: bool = False) -> None:
    """Print the cells with the state of their folders, and what each would cost if that is asked for."""
    rows = [
        {**cell.labels, "state": cell.state, "key": cell.spec.key(), "folder": str(cell.folder)}
        | {"stale": cell.stale["folder"] if cell.stale else None}
        for cell in campaign.cells
    ]
    if estimated:
        from vgbench.experiments.cost import estimate

        for cell, row in zip(campaign.cells, rows, strict=True):
            cost = estimate(cell.spec)
            row |= {name: cost[name] for name in ("flops", "seconds", "memory_bytes", "flops_per_second")}
    if format == "json":
        print_json({campaign.kind: campaign.name, "scale": campaign.scale, "dir": str(campaign.root), "cells": rows})
        return
    costs = [[f"{row['flops']:.2g}", duration(row["seconds"])] if estimated else [] for row in rows]
    print_table(
        ["CELL", "STATE", "KEY", *(["FLOPS", "TIME"] if estimated else []), "FOLDER"],
        [
            [cell.name, cell.state, cell.spec.key(), *cost, str(cell.folder)]
            for cell, cost in zip(campaign.cells, costs, strict=True)
        ],
    )
    for cell in campaign.cells:
        if cell.stale:
            say(f"note: {cell.name}: {cell.stale['folder']} holds a run with other values, which stays (stale)")
    states = Counter(cell.state for cell in campaign.cells)
    if estimated:
        total = sum(float(row["seconds"]) for row in rows)
        print(f"{duration(total)} in all, if cells run one at a time and no task is solved before its end")
    print(f"{len(campaign.cells)} cells: {', '.join(f'{count} {state}' for state, count in states.items())}")


def print_outcomes(outcomes: "list[CellOutcome]") -> None:
    """Print a table of cells: what became of them, success with its interval, time, or why there is none."""
    print_table(["CELL", "STATUS", "SUCCESS", "TIME", "WHY"], [_row(outcome) for outcome in outcomes])


def _row(outcome: "CellOutcome") -> list[str]:
    result = outcome.result
    figures = [rate_text(result), duration(result["seconds"])] if result else ["", ""]
    return [outcome.cell.name, outcome.status, *figures, outcome.reason]
