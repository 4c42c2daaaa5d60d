"""`vgbench plot`: pictures of one run."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import Debug, Format, examples, handled, print_json, print_table, say

EPILOG = examples(
    "vgbench plot runs/wall_big-vf_quasi-quick-s0-1a2b3c4d",
    "vgbench plot results/quick/maze-vf-s0 --out pictures",
    "vgbench plot runs/NAME --format json",
)


@handled
def plot(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run; with its checkpoints for all pictures.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to; by default plots/ in RUN.")] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Draw a run: training, success against steps, value map, prediction error, rollouts.

    Success against steps and training need the run's records alone. The map of the learned distance beside the true
    one, the prediction error and the animations (WebP) of solved and failed tasks need its checkpoints, and take about
    a minute. Pictures that are there already and still hold are not drawn again.
    """
    from vgbench.errors import UsageError
    from vgbench.report.plots.run_plots import gallery

    if not run.is_dir():
        raise UsageError(f"RUN {run}: there is no such folder; expected the folder of a run")
    if out is not None and out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; expected a folder")
    made = gallery(run, out)
    if format == "json":
        pictures = [{"file": str(made.folder / p.file), "kind": p.kind, "text": p.text} for p in made.pictures]
        left_out = [{"kind": entry.kind, "why": entry.why} for entry in made.left_out]
        print_json({"dir": str(made.folder), "pictures": pictures, "left_out": left_out})
        return
    print_table(["PICTURE", "FILE"], [[p.kind, str(made.folder / p.file)] for p in made.pictures])
    for entry in made.left_out:
        say(f"note: {entry.kind}: left out, {entry.why}")
