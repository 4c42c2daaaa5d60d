"""`vgbench rescore`: recompute success for another radius, and scores against the expert's steps."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vgbench.cli.common import Debug, Format, examples, handled, note, print_json, print_table
from vgbench.errors import UsageError
from vgbench.scores import SCORES
from vgbench.text import choice, interval_text, share_text, suggest

if TYPE_CHECKING:
    from vgbench.analysis.rescore import Rescored

EPILOG = examples(
    "vgbench rescore results/quick --radius 1",
    "vgbench rescore results/paper_table_2 --score spl",
    "vgbench rescore runs/NAME --radius 0.5 --at end",
    "vgbench run --env wall --recipe vf --set evaluation.stop=never",
)


@handled
def rescore(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN_OR_DIR...", help="Run folders, or folders of runs.")],
    radius: Annotated[
        float | None,
        typer.Option(metavar="R", help="Success radius, in the environment's unit (default: the run's)."),
    ] = None,
    at: Annotated[
        str, typer.Option(metavar="ever|end", help="Success at any time (default), or at the end of the episode.")
    ] = "ever",
    score: Annotated[
        str,
        typer.Option(metavar="|".join(SCORES), help="Score to report; spl and timely compare with an expert's steps."),
    ] = "success",
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Success rates at another radius, and other scores, from recorded runs.

    Nothing is planned again and no record is changed. Planners knew nothing of the radius, so these are the rates that
    runs with it would have had, where the record tells: an episode that stopped at its first success (evaluation.stop=
    ever, the default) has no distances after it. Rates at a radius as large as the recorded one, or larger, are exact
    for --at ever; others are given as bounds.

    spl is success weighted by path length: the expert's steps over those of the episode, at most 1, and 0 where it
    failed (Anderson et al. 2018); timely counts a task as solved within 1.5 times the expert's steps. Records without
    the expert's steps are completed: the tasks are made again, held against the recorded hash, and played by the
    environment's expert, without noise. At another radius the expert is judged by it, too; at which step an episode
    came within it is recorded only where it stopped there, so the scores are bounds.
    """
    from vgbench.analysis import rescore as rescoring

    question = rescoring.Question(radius, choice(at, rescoring.AT, "--at"), choice(score, SCORES, "--score"))
    # Written so that nan is refused, too.
    if radius is not None and not 0 < radius < float("inf"):
        raise UsageError(f"--radius {radius:g}: expected a number above 0")
    if question.at == "end" and question.score != "success":
        raise UsageError(f"--score {question.score} counts steps to the first success, so it needs --at ever")
    for folder in folders:
        if not folder.is_dir():
            near = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
            raise UsageError(
                f"RUN_OR_DIR {folder}: there is no such folder. In {folder.parent}: {suggest(folder.name, near)}"
            )
    found, left_out = rescoring.rescore(folders, question, note)
    for line in left_out:
        note(f"skipped {line}")
    if not found:
        raise UsageError(f"RUN_OR_DIR {' '.join(map(str, folders))}: no complete run there")
    if format == "json":
        print_json([row.plain() for row in found])
        return
    within = "" if radius is None else f" < {radius:g}"
    what = question.at if question.score == "success" else question.score
    print_table(["RUN", "PLANNER", f"{what.upper()}{within}", "95 %", "RECORDED"], [_row(row) for row in found])
    for text in _notes(found):
        note(text)


def _row(row: "Rescored") -> list[str]:
    planner = f"{row.planner} (baseline)" if row.baseline else row.planner
    planner += f", {row.stratum}" if row.stratum else ""
    recorded = f"{row.recorded}" + (f" within {row.recorded_radius:.4g}" if row.recorded_radius is not None else "")
    means, ends = row.means, row.score_interval
    if means is None or ends is None:
        return [row.path.as_posix(), planner, "-", "-", recorded]
    value = share_text(means[0]) if row.low == row.high else f"{share_text(means[0])} to {share_text(means[1])}"
    if row.score == "success":
        most = row.successes + row.unknown
        count = f"{row.successes} to {most}" if row.unknown else f"{most}"
        value += f"  {count} of {row.n}"
    return [row.path.as_posix(), planner, value, interval_text(ends), recorded]


def _notes(found: "list[Rescored]") -> list[str]:
    notes = []
    score, at = found[0].score, found[0].at
    if any(row.low != row.high for row in found) and score != "success":
        notes.append("bounds where the record does not tell at which step an episode first came within the radius")
    if any(row.unknown for row in found):
        about = "what they did after it is not recorded" if at == "end" else "they might have come nearer later"
        notes.append(
            f"bounds where episodes stopped at their first success: {about}. Runs with --set evaluation.stop=never "
            "have exact rates at every radius"
        )
    without = [row for row in found if not row.low]
    if without:
        notes.append(f"{len(without)} of {len(found)} rows have no {score}: the environment has no expert")
    missing = [row for row in found if row.low and len(row.low) < row.n]
    if missing:
        notes.append(
            f"tasks that the expert does not solve within the run's steps are left out, in {len(missing)} of "
            f"{len(found)} rows up to {max(row.n - len(row.low) for row in missing)}"
        )
    return notes
