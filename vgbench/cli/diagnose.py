"""`vgbench diagnose`: where a trained run falls short."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import Debug, Format, examples, handled, print_json, say

EPILOG = examples(
    "vgbench diagnose runs/wall_big-vf_quasi-quick-s0-1a2b3c4d",
    "vgbench diagnose runs/NAME --goals 32 --format json --out diagnosis.json",
)


@handled
def diagnose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run, with its checkpoints.")],
    goals: Annotated[int, typer.Option(help="Goals: those of the first tasks.")] = 16,
    states: Annotated[int, typer.Option(help="States for each goal.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The record; by default diagnosis.json in RUN.")
    ] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Compare what a run has learned with the truth: value, model and planner.

    Rank correlation with the true cost to go and with the fixed point of the value loss, descent, saturation, symmetry,
    prediction error over the horizon, promised and realised cost, and a probe. Takes about a minute on one core.
    """
    from vgbench.analysis.diagnosis import diagnose, text
    from vgbench.errors import UsageError
    from vgbench.experiments.trained import load_trained
    from vgbench.storage.files import write_sealed

    trained = load_trained(run)
    target = out or run / "diagnosis.json"
    # Now, not after a minute of computing.
    if target.is_dir() or not target.parent.is_dir():
        raise UsageError(f"--out {target}: expected the name of a file in a folder that exists")
    record = diagnose(trained, goals, states, seed)
    write_sealed(target, record)
    if format == "json":
        print_json(record)
    else:
        if record["meaningless"]:
            say("note: scale smoke: these numbers mean nothing")
        print(text(record))
        print(f"\n{target}")
