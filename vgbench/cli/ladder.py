"""`vgbench ladder`: find out whether the model, the value or the planner limits success."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vgbench.cli.common import Debug, Format, check_in_folder, examples, handled, print_json, print_table, progress
from vgbench.text import interval_text, share_text

EPILOG = examples(
    "vgbench ladder --protocol wall_big",
    "vgbench ladder --run runs/NAME --tasks 40 --budget 64 --out ladder.json",
    "vgbench ladder --protocol my_rooms --recipes mine.yaml",
)


@handled
def ladder(
    protocol: Annotated[str | None, typer.Option(metavar="NAME", help="wall_small, wall_big, maze, ...")] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Finished run whose value and model are tested; repeatable."),
    ] = None,
    tasks: Annotated[int, typer.Option(help="Number of tasks, from the protocol's first.")] = 20,
    budget: Annotated[
        int | None, typer.Option(metavar="N", help="Candidates of a plan (default: the planner's).")
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(metavar="smoke|quick|paper", help="How much to compute (default: quick); without --run."),
    ] = None,
    recipes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML file with your own protocols and recipes; without --run."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Set a parameter; without --run.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record as JSON.")] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Oracle ablation: replace the learned model or value by the exact one, on the same tasks.

    The planner uses the exact dynamics with a straight, learned or true value, and the learned dynamics with the true
    value. Random actions, a straight line and the expert are shown for comparison. With --run, tasks, data and planner
    are those of the (first) run. Takes minutes: a row costs as much as the same number of episodes of a run, or more
    if a step of the environment is slow.
    """
    from vgbench.analysis.ladder import run_ablation, set_up, verdicts
    from vgbench.storage.files import write_json

    if out is not None:
        check_in_folder("--out", out)
    setup, runs = set_up(protocol, run or [], tasks, budget, scale, set_ or [], recipes)
    record = run_ablation(setup, runs, lambda name: progress(f"running: {name}"))
    if out is not None:
        write_json(out, record)
    if format == "json":
        print_json(record)
        return
    candidates = setup.planner().candidates
    print(f"{record['protocol']}, scale {record['scale']}: {record['tasks']} tasks, {candidates} candidates per plan")
    strata = list(dict.fromkeys(name for row in record["rows"] for name in row.get("strata", {})))
    headers = ["controller", "dynamics", "value", "success [95 %]", *strata, "steps", "note"]
    print_table(headers, [_row(row, strata) for row in record["rows"]])
    for sentence in verdicts(record):
        print(sentence)


def _row(row: dict[str, Any], strata: list[str]) -> list[str]:
    about = [row["name"], row["dynamics"], row["value"]]
    if "skipped" in row:
        return [*about, "-", *("-" for _ in strata), "-", f"skipped: {row['skipped']}"]
    notes = []
    if row.get("table_error"):
        notes.append(f"interpolation error {row['table_error']['of_spread']:.1%}")
    if row.get("probe_error"):
        notes.append("probe error " + ", ".join(f"{n} {e:.3g}" for n, e in row["probe_error"].items()))
    if row.get("run"):
        notes.append(str(row["run"]))
    rate = f"{share_text(row['success_rate'])} {interval_text(row['ci95'])}"
    known = row.get("strata", {})
    parts = [share_text(known[name]["success_rate"]) if name in known else "-" for name in strata]
    return [*about, rate, *parts, str(row["mean_steps"] or "-"), "; ".join(notes)]
