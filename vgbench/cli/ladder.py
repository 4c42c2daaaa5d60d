"""`vgbench ladder`: is it the model, the value or the planner?"""

from pathlib import Path
from typing import Annotated, Any

import typer

from vgbench.cli.common import Debug, Format, examples, handled, print_json, print_table, say

EPILOG = examples(
    "vgbench ladder --protocol wall_big",
    "vgbench ladder --run runs/NAME --tasks 40 --budget 64 --out ladder.json",
)


@handled
def ladder(
    protocol: Annotated[str | None, typer.Option(metavar="NAME", help="wall_small, wall_big, maze, ...")] = None,
    run: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="A finished run: its value and its model take part.")
    ] = None,
    tasks: Annotated[int, typer.Option(help="How many of the protocol's tasks, from the first.")] = 20,
    budget: Annotated[
        int | None, typer.Option(metavar="N", help="Candidates of a plan; by default the planner's own.")
    ] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="smoke|quick|paper", help="Default quick; without --run.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Value of a parameter; without --run.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record as JSON.")] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Oracle ablation: success with exact or learned dynamics and true or learned value, on the same tasks.

    The planner plays with the exact dynamics and a straight, learned or true value, and with the learned dynamics and
    the true value; beside it random actions, a straight line and the expert. With --run, tasks, data and planner are
    those of the (first) run. Takes minutes: a row costs what as many episodes of a run cost, and more where a step of
    the environment is slow.
    """
    from vgbench.analysis.ladder import run_ablation, set_up, verdicts
    from vgbench.errors import UsageError
    from vgbench.storage.files import write_json

    # Now, not after minutes of playing.
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise UsageError(f"--out {out}: expected the name of a file in a folder that exists")
    setup, runs = set_up(protocol, run or [], tasks, budget, scale, set_ or [])
    record = run_ablation(setup, runs, lambda name: say(f"playing: {name}"))
    if out is not None:
        write_json(out, record)
    if format == "json":
        print_json(record)
        return
    candidates = setup.planner().candidates
    print(f"{record['protocol']}, scale {record['scale']}: {record['tasks']} tasks, candidates of a plan: {candidates}")
    strata = list(dict.fromkeys(name for row in record["rows"] for name in row.get("strata", {})))
    headers = ["controller", "dynamics", "value", "success [95 %]", *strata, "steps", "note"]
    print_table(headers, [_row(row, strata) for row in record["rows"]])
    for sentence in verdicts(record):
        print(sentence)


def _row(row: dict[str, Any], strata: list[str]) -> list[str]:
    about = [row["name"], row["dynamics"], row["value"]]
    if "skipped" in row:
        return [*about, "-", *("-" for _ in strata), "-", f"skipped: {row['skipped']}"]
    low, high = row["ci95"]
    notes = []
    if row.get("table_error"):
        notes.append(f"table off by {row['table_error']['of_spread']:.1%} of the distance's spread")
    if row.get("probe_error"):
        notes.append("probe off by " + ", ".join(f"{n} {e:.3g}" for n, e in row["probe_error"].items()))
    if row.get("run"):
        notes.append(str(row["run"]))
    rate = f"{row['success_rate']:.2f} [{low:.2f}, {high:.2f}]"
    parts = [f"{row['strata'][name]['success_rate']:.2f}" if name in row.get("strata", {}) else "-" for name in strata]
    return [*about, rate, *parts, str(row["mean_steps"] or "-"), "; ".join(notes)]
