"""`vgbench suite`: run recipes x protocols x seeds, or resume them."""

import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vgbench.cli import completion
from vgbench.cli.common import Debug, Format, examples, handled, note, print_json, print_table, takes
from vgbench.cli.experiment_options import Execution, print_outcomes, print_plan
from vgbench.cli.result import print_next
from vgbench.config.options import SHARED
from vgbench.errors import UsageError
from vgbench.text import rate_text

if TYPE_CHECKING:
    from vgbench.config.definitions import Suite
    from vgbench.experiments.cells import CellOutcome

EPILOG = examples(
    "vgbench suite paper_table_2 --dry-run",
    "vgbench suite paper_table_2 --only vf,vf_quasi,wall_big --seeds 0",
    "vgbench suite paper_table_2 --set evaluation.tasks=50 --out runs/short",
    "vgbench suite mine.yaml --num-seeds 3 --dry-run",
    "vgbench suite paper_table_2 --shard 3/20 --out shared/table",
    "vgbench suite --status shared/table --watch",
    "vgbench suite paper_table_2 --recipes mine.yaml --only mine,vf,wall_big --dry-run",
)


WATCHED = 5.0
"""Seconds between two looks."""


@takes("recipes", *SHARED, others=Execution)
@handled
def suite(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|FILE.yaml",
            help="Suite, such as paper_table_2, or a YAML file with one.",
            autocompletion=completion.names("suite"),
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME[,NAME]", help="Only these recipes and protocols of the suite.")
    ] = None,
    status: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Only print the state of the runs in a suite's folder.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="With --status: keep printing changes.")] = False,
    format: Format = "table",
    debug: Debug = False,
    **options: Any,
) -> None:
    """Run every recipe on every protocol with every seed.

    Each run has its own folder, DIR/PROTOCOL/RECIPE/sSEED. The same command resumes what is not complete. Several
    commands may share a folder: each run is computed by one of them. --shard 3/20 takes every twentieth run, starting
    with the third, for job arrays.
    """
    if status is not None:
        _print_status(status, name, watch, format)
        return
    if watch:
        raise UsageError("--watch needs --status DIR")
    if name is None:
        raise UsageError(
            "NAME: expected a suite, such as paper_table_2, or a YAML file with one (see `vgbench list suite`)"
        )
    from vgbench.config.request import RunRequest
    from vgbench.experiments import claim_strata, suite
    from vgbench.experiments.cells import seeds

    # First: what it leaves in `options` are those of a run.
    how, resources = Execution.taken_from(options)
    recipes = options.get("recipes")
    found, options["recipes"] = suite.find(name, recipes)
    asked, base = suite.narrowed(found, only or ()), RunRequest(**options)
    wanted = suite.cells(asked, seeds(how.seeds, how.num_seeds, asked.seeds), base)
    campaign = how.campaign("suite", asked.name, wanted, base)
    campaign.strata = claim_strata.check(asked, wanted, note)
    if how.dry_run:
        print_plan(campaign, format, how.estimate)
    else:
        outcomes = how.compute(campaign, resources, base.options.get("plugin_timeout"))
        # Runs with other values than the suite has are no part of its table; without --suite they have rows.
        table = None if base.sets else name
        scale = campaign.scale if campaign.scale != "quick" else None
        finish(campaign.root, asked, outcomes, format, {"--suite": table, "--recipes": recipes, "--scale": scale})


def _print_status(root: Path, name: str | None, watch: bool, format: str) -> None:
    """Print the state of runs; with `watch`, print changes until nothing runs or waits."""
    from vgbench.experiments import suite
    from vgbench.experiments.status import status, summary

    # The folder knows its suite: whoever names it, too, is only held to it.
    found = status(root, suite.find(name)[0].name if name is not None else None)
    if format == "json":
        print_json([run.plain() for run in found])
        return
    rows = [[run.name, run.state, rate_text(run.rate) if run.rate else "", run.where or run.why] for run in found]
    print_table(["RUN", "STATE", "SUCCESS", "WHERE"], rows)
    print(summary(found))
    while watch and any(run.state in ("running", "waiting", "interrupted") for run in found):
        time.sleep(WATCHED)
        before, found = {run.name: run for run in found}, status(root)
        for run in found:
            if run != before.get(run.name):
                print(f"{run.name}: {run.state} {rate_text(run.rate) if run.rate else run.where or run.why}".rstrip())
        sys.stdout.flush()
    if watch:
        print(summary(found))


def finish(
    root: Path, suite: "Suite", outcomes: "list[CellOutcome]", format: str, asked: Mapping[str, str | None]
) -> None:
    """Print the table of runs, and a command for a report with the same options; exit with 1 if a run is missing."""
    if format == "json":
        print_json({"suite": suite.name, "dir": str(root), "runs": [outcome.record() for outcome in outcomes]})
    else:
        print_outcomes(outcomes)
        words = [str(root), *(word for option, value in asked.items() if value for word in (option, str(value)))]
        print_next(f"report {shlex.join(words)}" + (" --claims" if suite.claims else ""))
        print(root)
    if any(outcome.status not in ("done", "complete") for outcome in outcomes):
        raise typer.Exit(1)
