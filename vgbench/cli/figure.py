"""`vgbench figure`: draw the paper's pictures of the data."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import Debug, Format, check_writable, examples, handled, print_json, progress
from vgbench.errors import UsageError, prefix_error

EPILOG = examples(
    "vgbench figure paper_figure_1 --out figure_1.png",
    "vgbench figure paper_figure_2 --out figure_2.png --data-seed 1 --set data.trajectories=50",
)


@handled
def figure(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A figure of registry.yaml, e.g. paper_figure_1.")],
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="PNG file to write.")],
    data_seed: Annotated[int | None, typer.Option(help="Seed of the data sets (default: the figure's).")] = None,
    task_seed: Annotated[int | None, typer.Option(help="Seed of the tasks (default: the figure's).")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Set a parameter of the data.")
    ] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Draw trajectories and states of the training sets.

    The sets are those of the protocols at quick scale. They are collected if they are not in the cache.
    """
    from vgbench.config.catalogue_files import load_catalogue

    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out}: expected a name that ends in .png")
    with prefix_error(f"NAME {name}"):
        chosen = load_catalogue().figure(name)
    # After the name is found: a slip need not wait for this import.
    from vgbench.reports.plots import paper_figures

    panels = paper_figures.prepare(chosen, data_seed, task_seed, set_ or ())
    check_writable("--out", out)
    drawn = paper_figures.draw(chosen, panels, out)
    if format == "json":
        print_json({"figure": chosen.name, "file": str(out), "panels": drawn})
        return
    for about in drawn:
        progress(
            f"{about['title']}: {about['protocol']}, data {about['fingerprint']}, {about['show']} {about['drawn']}"
        )
    print(out)
