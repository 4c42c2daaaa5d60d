"""`vgbench demo`: two trained runs, and commands that look into them."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import Debug, examples, handled, verbosity

EPILOG = examples("vgbench demo", "vgbench demo --out runs/demo", "vgbench demo --copy")


@handled
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the runs.")] = Path("vgbench-demo"),
    copy: Annotated[bool, typer.Option("--copy", help="Only copy the runs and list the commands.")] = False,
    debug: Debug = False,
) -> None:
    """Copy two trained runs to a folder, and show plot, diagnose, failures and evaluate on them.

    Trains nothing. Takes about a minute on 2 cores. Each command is printed before it starts, so that you can type it
    yourself. The runs come with vgbench: a maze and a wall, scale quick, weights rounded to nine bits.
    """
    from vgbench.experiments.demo import copy_runs
    from vgbench.storage.files import read_json

    runs = copy_runs(out)
    print("Two trained runs, at scale quick:")
    for run in runs:
        result = read_json(run / "result.json", ("successes", "n", "recipe"), "choose another --out")
        print(f"  {run}  {result['successes']} of {result['n']} tasks solved")
    for title, arguments in _steps(*runs):
        print(f"\n{title}\n$ vgbench {shlex.join(arguments)}", flush=True)
        if not copy:
            _run(arguments)
    print(f"\n{_next(*runs)}")


def _steps(maze: Path, wall: Path) -> Iterator[tuple[str, list[str]]]:
    """The commands, with a line on each."""
    task = str(_quickest(wall))
    yield "An episode as an animation:", ["plot", str(wall), "--task", task, "--format", "gif"]
    yield (
        "Where a run falls short: value, model, planner (fewer goals and states than by default):",
        ["diagnose", str(wall), "--goals", "4", "--states", "200"],
    )
    yield "What happened in failed tasks:", ["failures", str(maze), "--first", "2", "--draw"]
    yield (
        "Plan again with a trained model, here with other tasks:",
        ["evaluate", str(maze), "--task-seed", "7", "--set", "evaluation.tasks=8"],
    )


def _quickest(run: Path) -> int:
    """Task that was solved in the fewest steps, but not at once: a short animation in which something happens."""
    from vgbench.storage.files import read_lines

    rows = [row for row in read_lines(run / "episodes.jsonl") if row["success"]]
    return int(min(rows, key=lambda row: (row["steps"] < 12, row["steps"], row["task"]))["task"])


def _run(arguments: list[str]) -> None:
    """Run a command of vgbench here, as if it were typed."""
    from vgbench.cli import app

    flags = {-1: ["--quiet"], 1: ["--verbose"]}.get(verbosity(), [])
    # A number is the exit code of a command that failed; it has said why.
    if code := app([*flags, *arguments], standalone_mode=False):
        raise typer.Exit(code)


def _next(maze: Path, wall: Path) -> str:
    """What to type next."""
    lines = [
        (f"vgbench plot {shlex.quote(str(wall))}", "all pictures of a run, in about a minute"),
        (f"vgbench ladder --run {shlex.quote(str(maze))} --tasks 10", "with the exact model, the true value"),
        ("vgbench run --env wall --recipe vf --scale smoke", "train a model: everything works, in seconds"),
        ("vgbench run --env wall --recipe vf", "train a model: scale quick, in minutes"),
        ("vgbench new objective my_loss", "begin a loss of your own"),
    ]
    width = max(len(command) for command, _ in lines)
    return "\n".join(["Next:", *(f"  {command:<{width}}  {about}" for command, about in lines)])
