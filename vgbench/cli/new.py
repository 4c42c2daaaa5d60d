"""`vgbench new`: a plugin of your own, as a distribution that can be installed at once."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import KINDS, Debug, examples, handled

EPILOG = examples(
    "vgbench new objective my_loss", "vgbench new environment ring --into projects", "vgbench new suite my_table"
)


@handled
def new(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of: {KINDS}, suite.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name in vgbench: lower_snake.")],
    into: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder in which vgbench-NAME is made; by default this one.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Write a plugin to start from, in a new folder vgbench-NAME; or a suite, NAME.yaml.

    A plugin has a pyproject.toml with the entry point, the class, a test of the contract and a README, and runs as it
    is. A suite has recipes and a protocol of its own beside those that there are, seeds, and claims to be tested.
    """
    from vgbench.plugin.scaffold import new as write
    from vgbench.plugin.scaffold import new_suite

    if kind.lower().removesuffix("s") == "suite":
        file = new_suite(name, into)
        print(f"{file}\n\nnext:\n  vgbench suite {file} --dry-run")
        return
    project = write(kind, name, into)
    for path in project.files:
        print(project.folder / path)
    print("\nnext:")
    print(f'  pip install -e "{project.folder}[test]"')
    print(f"  vgbench check {project.kind} {project.name}")
    print(f"  vgbench {project.run}")
