"""`vgbench tasks`: the planning problems of a protocol to a file."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import Debug, Format, check_writable, examples, handled, print_json, print_lines, say
from vgbench.errors import UsageError

EPILOG = examples(
    "vgbench tasks --protocol maze --out maze-tasks.json",
    "vgbench tasks --protocol wall_big --task-seed 7 --set evaluation.tasks=500 --out tasks.json",
    "vgbench run --protocol maze --recipe vf --tasks maze-tasks.json",
)


@handled
def tasks(
    out: Annotated[Path, typer.Option(metavar="FILE.json", help="The file to write; must not exist.")],
    env: Annotated[str | None, typer.Option(metavar="NAME", help="Environment: its usual protocol.")] = None,
    protocol: Annotated[str | None, typer.Option(metavar="NAME", help="wall_small, wall_big, maze, ...")] = None,
    scale: Annotated[str | None, typer.Option(metavar="smoke|quick|paper", help="Default quick.")] = None,
    variant: Annotated[
        str | None, typer.Option(metavar="literal|pldm", help="Choices for what the paper leaves open, by name.")
    ] = None,
    task_seed: Annotated[int | None, typer.Option(help="Seed of the tasks (default 0).")] = None,
    data_seed: Annotated[int | None, typer.Option(help="Seed of the training set (default 0).")] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Training set of `vgbench collect`; else it is collected.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Value of a parameter.")
    ] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Write the tasks of a protocol to a file that `vgbench run --tasks` plans.

    The training set takes part: it may decide the layout, or which layouts tasks must not have.
    """
    from vgbench.cli.collect import Progress
    from vgbench.config.resolve import RunRequest, resolve_data
    from vgbench.data import collection, files, task_files

    request = RunRequest(env=env, protocol=protocol, scale=scale, variant=variant, sets=set_ or ())
    request.data_seed, request.task_seed, request.data = data_seed, task_seed, data
    asked = resolve_data(request, tasks=True)
    for note in asked.notes:
        say(f"note: {note}")
    if out.exists():
        raise UsageError(f"--out {out} exists already; choose another name or delete it")
    check_writable("--out", out)
    chosen = asked.environment
    environment = chosen.cls(chosen.params)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if asked.file:
        trajectories = files.load_for(asked.file, chosen.name, environment)[0]
    else:
        trajectories = collection.collect(chosen.name, environment, asked.settings, asked.seed, Progress())[0]
    where = (asked.protocol, chosen.identity(), asked.tasks, asked.task_seed)
    found, figures = task_files.sample(environment, *where, trajectories)
    found.write(out)
    about = {"file": str(out), "protocol": asked.protocol, "n": asked.tasks, "seed": found.seed}
    about |= {"radius": found.radius, "sha256": found.sha256, **figures}
    if format == "json":
        print_json(about)
        return
    print_lines(about)
