"""`vgbench sweep`: measure success against values of parameters."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vgbench.cli import completion
from vgbench.cli.common import Debug, Format, examples, handled, print_json, print_table, takes
from vgbench.cli.experiment_options import Execution, print_outcomes, print_plan
from vgbench.config.options import SHARED
from vgbench.errors import UsageError
from vgbench.text import interval_text, rate_text, share_text

if TYPE_CHECKING:
    from vgbench.config.request import RunRequest
    from vgbench.experiments.campaign import Campaign
    from vgbench.experiments.sweep import Point

EPILOG = examples(
    "vgbench sweep --recipe vf --protocol wall_small --grid iql.tau=0.6,0.7,0.8",
    "vgbench sweep --recipe vf_quasi --protocol maze --grid mppi.samples=64,256 --grid mppi.horizon=8,16,32",
    "vgbench sweep --recipe vf --protocol maze --grid planner=mppi,cem,icem --grid planner.samples=16,32,64",
    "vgbench sweep paper_figure_3 --dry-run",
)


@takes("recipe", "protocol", "recipes", "data_seed", "task_seed", *SHARED, others=Execution)
@handled
def sweep(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A sweep of registry.yaml, such as paper_figure_3.",
            autocompletion=completion.names("sweep"),
        ),
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME.PARAM=A,B",
            help="Values to try; the first grid is the axis, each value of another a curve. Or plugins: planner=A,B.",
        ),
    ] = None,
    format: Format = "table",
    debug: Debug = False,
    **options: Any,
) -> None:
    """Run a recipe for every combination of values, and plot success against them.

    Training that runs share is done once: a grid over planners or their values trains one model for each seed, and
    success is also plotted against predictor evaluations per task. Values of one plugin do not apply to runs with
    another. The same command resumes what is not complete.
    """
    from vgbench.config.request import RunRequest
    from vgbench.experiments import sweep
    from vgbench.experiments.cells import seeds
    from vgbench.experiments.check_recipes import check

    # First: what it leaves in `options` are those of a run.
    how, resources = Execution.taken_from(options)
    base = RunRequest(**options)
    recipe, protocol = base.options.get("recipe"), base.options.get("protocol")
    default: tuple[int, ...] = (0,)
    if name is not None:
        _alone(name, grid, base)
        known = sweep.find(name)
        own = RunRequest(protocol=known.protocol, data_seed=known.data_seed, task_seed=known.task_seed)
        # The user's seeds win over the registry's.
        base = own.replaced(**options)
        title, points, default = known.name, sweep.of_registry(known, base), known.seeds
    elif recipe is None or protocol is None or not grid:
        raise UsageError("expected NAME of a sweep, or --recipe, --protocol and --grid NAME.PARAM=A,B,...")
    else:
        title, points = sweep.of_grid(recipe, protocol, sweep.read_grid(grid, base.sets))
    campaign = how.campaign("sweep", title, sweep.cells(points, seeds(how.seeds, how.num_seeds, default), base), base)
    check(base)
    sweep.check_different(campaign.cells)
    if how.dry_run:
        print_plan(campaign, format, how.estimate)
    else:
        _finish(campaign, points, how.compute(campaign, resources, base.options.get("plugin_timeout")), format)


def _alone(name: str, grid: list[str] | None, request: "RunRequest") -> None:
    for option in ("recipe", "recipes", "protocol", "grid"):
        if grid if option == "grid" else option in request.options:
            raise UsageError(f"--{option} contradicts sweep {name!r}, which sets it; leave out one of them")


def _finish(campaign: "Campaign", points: "list[Point]", outcomes: list[Any], format: str) -> None:
    """Write points, CSV and pictures; print the points; leave with 1 if a run is missing."""
    from vgbench.experiments import budget, sweep_results
    from vgbench.reports.plots.sweep import plot, write_budget

    rows = sweep_results.figures(points, outcomes)
    costs = budget.rows(rows)
    root, meaningless = campaign.root, campaign.scale == "smoke"
    title = f"{campaign.cells[0].spec.protocol}, scale {campaign.scale}" + (" (not meaningful)" if meaningless else "")
    areas = sweep_results.areas(rows, sweep_results.records(points, outcomes))
    campaign.amend(points=rows, budget=costs, areas=areas)
    sweep_results.write_csv(root / "sweep.csv", rows)
    plot(root / "sweep.png", rows, title)
    pictures = [root / "sweep.png", *([write_budget(root, costs, title)] if costs else [])]
    missing = [outcome for outcome in outcomes if outcome.status not in ("done", "complete")]
    if format == "json":
        runs = [outcome.record() for outcome in outcomes]
        found = {"points": rows, "areas": areas, "budget": costs, "runs": runs}
        print_json({"sweep": campaign.name, "dir": str(root), **found})
    else:
        table = [[r["curve"], r["over"], r["value"], rate_text(r) if r["n"] else "", _done(r)] for r in rows]
        print_table(["CURVE", "OVER", "VALUE", "SUCCESS", "SEEDS"], table)
        if areas:
            print()
            print_table(
                ["CURVE", "OVER", "MEAN SUCCESS (LOG AXIS) [95 %]", "HOLDS"],
                [[area["curve"], area["over"], _area(area), area["scope"] or ""] for area in areas],
            )
            if any(area["scope"] == sweep_results.CHECKPOINTS for area in areas):
                print(
                    "\nThe intervals are for these checkpoints only, on tasks like these; what other seeds of training "
                    "would give, one seed does not tell."
                )
        if costs:
            print()
            print_table(["CURVE", "EVALUATIONS PER TASK", "SUCCESS", "SETTINGS"], [_cost(row) for row in costs])
        if missing:
            print_outcomes(missing)
        for picture in pictures:
            print(picture)
        print(root)
    if missing:
        raise typer.Exit(1)


def _area(area: dict[str, Any]) -> str:
    ends = area["ci95"]
    return share_text(area["area"]) + (f" {interval_text(ends)}" if ends else "")


def _done(row: dict[str, Any]) -> str:
    return f"{row['runs'] - row['missing']} of {row['runs']}"


def _cost(row: dict[str, Any]) -> list[str]:
    evaluations = row["evaluations_per_task"]
    known = "" if evaluations is None else f"{evaluations:,.0f}"
    return [row["curve"], known, rate_text(row) if row["n"] else "", row["settings"]]
