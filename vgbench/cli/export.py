"""`vgbench export`: write a training set in another library's format."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import Debug, Format, examples, handled, print_json, print_lines

EPILOG = examples(
    "vgbench collect --env wall --out wall.h5",
    "vgbench export wall.h5 --minari vgbench/wall-v0",
)


@handled
def export(
    data: Annotated[Path, typer.Argument(metavar="DATA.h5", help="File written by `vgbench collect`.")],
    minari: Annotated[
        str, typer.Option(metavar="NAME-vN", help="Name of the local Minari data set to create; must not exist.")
    ],
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Write a training set as a local Minari data set (extra `minari`)."""
    from vgbench.data.minari import exporting

    about = exporting.export(data, minari)
    if format == "json":
        print_json(about)
    else:
        print_lines(about)
