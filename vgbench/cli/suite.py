"""`vgbench suite`: recipes x protocols x seeds, or go on with them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vgbench.cli.common import Debug, Format, examples, handled, print_json, takes
from vgbench.cli.experiment_options import Execution, print_outcomes, print_plan
from vgbench.config.options import SHARED

if TYPE_CHECKING:
    from vgbench.experiments.cells import CellOutcome

EPILOG = examples(
    "vgbench suite paper_table_2 --dry-run",
    "vgbench suite paper_table_2 --only vf,vf_quasi,wall_big --seeds 0",
    "vgbench suite paper_table_2 --set evaluation.tasks=50 --out runs/short",
    "vgbench suite mine.yaml --num-seeds 3 --dry-run",
    "vgbench suite paper_table_2 --recipes mine.yaml --only mine,vf,wall_big --dry-run",
)


@takes("recipes", *SHARED, others=Execution)
@handled
def suite(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE.yaml", help="A suite, e.g. paper_table_2, or a file that has one.")
    ],
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME[,NAME]", help="Only these recipes and protocols of the suite.")
    ] = None,
    format: Format = "table",
    debug: Debug = False,
    **options: Any,
) -> None:
    """Run every recipe on every protocol with every seed.

    Each has an ordinary run folder, DIR/PROTOCOL/RECIPE/sSEED. The same command goes on with what is not complete.
    """
    from vgbench.config.request import RunRequest
    from vgbench.experiments import suite
    from vgbench.experiments.cells import seeds

    # First: what it leaves in `options` are those of a run.
    how, resources = Execution.taken_from(options)
    found, options["recipes"] = suite.find(name, options.get("recipes"))
    asked, base = suite.narrowed(found, only or ()), RunRequest(**options)
    wanted = suite.cells(asked, seeds(how.seeds, how.num_seeds, asked.seeds), base)
    campaign = how.campaign("suite", asked.name, wanted, base)
    if how.dry_run:
        print_plan(campaign, format, how.estimate)
    else:
        finish(campaign.root, asked.name, how.compute(campaign, resources), format)


def finish(root: Path, name: str, outcomes: "list[CellOutcome]", format: str) -> None:
    """Print the table of runs and leave with 1 if one of them is missing."""
    if format == "json":
        print_json({"suite": name, "dir": str(root), "runs": [outcome.record() for outcome in outcomes]})
    else:
        print_outcomes(outcomes)
        print(root)
    if any(outcome.status not in ("done", "complete") for outcome in outcomes):
        raise typer.Exit(1)
