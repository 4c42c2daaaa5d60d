"""`vgbench offline`: what recordings tell of a trained model."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import Debug, Format, examples, handled, print_json, say

EPILOG = examples("vgbench offline model", "vgbench offline model --data others.h5 --format json")


@handled
def offline(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of `vgbench train` or `vgbench run`.")],
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Episodes to judge by (default: those held out).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The record; by default offline.json in RUN.")
    ] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Judge a trained model by recorded episodes; no simulator is needed.

    Order of the learned distance along episodes, learned against recorded time to a goal, prediction error over the
    horizon, and whether plans to a state that was reached come near the actions that led there.
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
    if target.is_dir() or not target.parent.is_dir():
        raise UsageError(f"--out {target}: expected the name of a file in a folder that exists")
    given = None
    if data is not None:
        found = files.load_for(data, trained.spec.environment.name, trained.environment)[0]
        check_trajectories(trained.environment, found, f"--data {data}")
        given = Dataset(trained.environment, found, trained.data.device, like=trained.data)
    record = judge(trained, given, seed)
    write_json(target, record)
    if format == "json":
        print_json(record)
    else:
        if record["meaningless"]:
            say("note: scale smoke: these numbers mean nothing")
        print(text(record))
        print(f"\n{target}")
