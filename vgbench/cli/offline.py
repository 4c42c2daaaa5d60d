"""`vgbench offline`: evaluate a trained model on recordings."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import Debug, Format, check_in_folder, examples, handled, print_record

EPILOG = examples("vgbench offline model", "vgbench offline model --data others.h5 --format json")


@handled
def offline(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder written by `vgbench train` or `vgbench run`.")],
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Episodes to evaluate on (default: those held out).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sampled states.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write (default: offline.json in RUN).")
    ] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Evaluate a trained model on recorded episodes; no simulator is needed.

    Measures the order of the learned distance along episodes, learned against recorded time to a goal, prediction error
    over the horizon, and how close plans to a recorded state come to the recorded actions.
    """
    from vgbench.analysis.offline import offline as judge
    from vgbench.analysis.offline_text import text
    from vgbench.data import files
    from vgbench.data.checks import check_trajectories
    from vgbench.data.dataset import Dataset
    from vgbench.errors import UsageError
    from vgbench.experiments.trained import load_trained
    from vgbench.storage.files import write_json

    if seed < 0:
        raise UsageError(f"--seed {seed}: expected 0 or more")
    trained = load_trained(run, tasks=False)
    target = out or run / "offline.json"
    check_in_folder("--out", target)
    given = None
    if data is not None:
        found = files.load_for(data, trained.spec.environment.name, trained.environment)[0]
        check_trajectories(trained.environment, found, f"--data {data}")
        given = Dataset(trained.environment, found, trained.data.device, like=trained.data)
    record = judge(trained, given, seed)
    write_json(target, record)
    print_record(record, text(record), target, format)
