"""`vgbench diagnose`: find out where a trained run fails."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import Debug, Format, check_in_folder, examples, handled, print_record

EPILOG = examples(
    "vgbench diagnose runs/wall_big-vf_quasi-quick-s0-1a2b3c4d",
    "vgbench diagnose runs/NAME --goals 32 --format json --out diagnosis.json",
)


@handled
def diagnose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run with its checkpoints.")],
    goals: Annotated[int, typer.Option(help="Number of goals (taken from the first tasks).")] = 16,
    states: Annotated[int, typer.Option(help="Number of states for each goal.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the sampled states.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write (default: diagnosis.json in RUN).")
    ] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Find out where a trained run fails: in its value, its model or its planner.

    Measures the rank correlation with the true cost to go and with the fixed point of the value loss, greedy descent,
    saturation, symmetry, prediction error over the horizon, predicted and realised cost, and a linear probe. Takes
    about a minute on one core.
    """
    from vgbench.analysis.diagnosis import diagnose, text
    from vgbench.experiments.trained import load_trained
    from vgbench.storage.files import write_sealed

    trained = load_trained(run)
    target = out or run / "diagnosis.json"
    check_in_folder("--out", target)
    record = diagnose(trained, goals, states, seed)
    write_sealed(target, record)
    print_record(record, text(record), target, format)
