"""`vgbench tasks`: write the planning tasks of a protocol to a file."""

import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from vgbench.cli.common import Debug, Format, check_writable, examples, handled, note, print_json, print_lines, takes
from vgbench.errors import UsageError

EPILOG = examples(
    "vgbench tasks --protocol maze --out maze-tasks.json",
    "vgbench tasks --protocol wall_big --task-seed 7 --set evaluation.tasks=500 --out tasks.json",
    "vgbench run --protocol maze --recipe vf --tasks maze-tasks.json",
)


@takes("env", "protocol", "recipes", "scale", "variant", "task_seed", "data_seed", "data", "set", "plugin_timeout")
@handled
def tasks(
    out: Annotated[Path, typer.Option(metavar="FILE.json", help="JSON file to write; must not exist.")],
    format: Format = "table",
    debug: Debug = False,
    **options: Any,
) -> None:
    """Write the tasks of a protocol to a file for `vgbench run --tasks`.

    The tasks depend on the training set: it may fix the layout, or the layouts that tasks must not have.
    """
    from vgbench.cli.collect import Progress
    from vgbench.config.resolve import RunRequest, resolve_data
    from vgbench.data import collection, files, task_files
    from vgbench.experiments.build import build_environment

    asked = resolve_data(RunRequest(**options), tasks=True)
    for text in asked.notes:
        note(text)
    if out.exists():
        raise UsageError(f"--out {out} exists already; choose another name or delete it")
    check_writable("--out", out)
    chosen = asked.environment
    environment = build_environment(chosen)
    # From here on there is something to save: Ctrl-C is an exception again, see `main`.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if asked.file:
        trajectories = files.load_for(asked.file, chosen.name, environment)[0]
    else:
        trajectories = collection.collect(chosen.name, environment, asked.settings, asked.seed, Progress())[0]
    found, figures = task_files.sample(
        environment, asked.protocol, chosen.identity(), asked.tasks, asked.task_seed, trajectories
    )
    found.write(out, new=True)
    about = {"file": str(out), "protocol": asked.protocol, "n": asked.tasks, "seed": found.seed}
    about |= {"radius": found.radius, "sha256": found.sha256, **figures}
    if format == "json":
        print_json(about)
        return
    print_lines(about)
