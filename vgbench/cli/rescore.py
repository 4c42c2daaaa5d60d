"""`vgbench rescore`: recorded runs at another success radius."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vgbench.cli.common import Debug, Format, examples, handled, print_json, print_table, say
from vgbench.errors import UsageError
from vgbench.text import choice, suggest

if TYPE_CHECKING:
    from vgbench.analysis.rescore import Rescored

EPILOG = examples(
    "vgbench rescore results/quick --radius 1",
    "vgbench rescore runs/NAME --radius 0.5 --at end",
    "vgbench run --env wall --recipe vf --set evaluation.stop=never",
)


@handled
def rescore(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN_OR_DIR...", help="Run folders, or folders of them.")],
    radius: Annotated[float, typer.Option(metavar="R", help="Solved below this distance, in the environment's unit.")],
    at: Annotated[
        str, typer.Option(metavar="ever|end", help="Within the radius at any time (default), or at the end.")
    ] = "ever",
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Success rates at another radius, from the recorded distances.

    Nothing is planned again and no record is changed. Planners knew nothing of the radius, so these are the rates that
    runs with it would have had, where the record tells: an episode that stopped at its first success (evaluation.stop=
    ever, the default) has no distances after it. Rates at a radius as large as the recorded one, or larger, are exact
    for --at ever; others are given as bounds.
    """
    from vgbench.analysis import rescore as scores

    at = choice(at, scores.AT, "--at")
    # Written so that nan is refused, too.
    if not 0 < radius < float("inf"):
        raise UsageError(f"--radius {radius:g}: expected a number above 0")
    for folder in folders:
        if not folder.is_dir():
            near = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
            raise UsageError(
                f"RUN_OR_DIR {folder}: there is no such folder. In {folder.parent}: {suggest(folder.name, near)}"
            )
    found, left_out = scores.rescore(folders, radius, at)
    for line in left_out:
        say(f"note: left out {line}")
    if not found:
        raise UsageError(f"RUN_OR_DIR {' '.join(map(str, folders))}: no complete run there")
    if format == "json":
        print_json([row.plain() for row in found])
        return
    headers = ["RUN", "PLANNER", f"{at.upper()} < {radius:g}", "95 %", "RECORDED"]
    print_table(headers, [_row(row) for row in found])
    for note in _notes(found):
        say(f"note: {note}")


def _row(row: "Rescored") -> list[str]:
    low, high = row.interval
    most = row.successes + row.unknown
    count = f"{row.successes} to {most}" if row.unknown else f"{most}"
    rate = f"{row.successes / row.n:.3f} to {most / row.n:.3f}" if row.unknown else f"{most / row.n:.3f}"
    planner = f"{row.planner} (baseline)" if row.baseline else row.planner
    recorded = f"{row.recorded}" + (f" within {row.recorded_radius:.4g}" if row.recorded_radius is not None else "")
    return [row.path.as_posix(), planner, f"{rate}  {count} of {row.n}", f"[{low:.3f}, {high:.3f}]", recorded]


def _notes(found: "list[Rescored]") -> list[str]:
    if not any(row.unknown for row in found):
        return []
    about = "what they did after it is not recorded" if found[0].at == "end" else "they might have come nearer later"
    return [
        f"bounds where episodes stopped at their first success: {about}. Runs with --set evaluation.stop=never have "
        "exact rates at every radius"
    ]
