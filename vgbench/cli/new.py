"""`vgbench new`: create a plugin package, or a suite file."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import KINDS, Debug, examples, handled
from vgbench.errors import UsageError

EPILOG = examples(
    "vgbench new objective my_loss",
    "vgbench new environment ring --into projects",
    "vgbench new suite my_table --objective my_loss",
)


@handled
def new(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of: {KINDS}, suite.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Plugin name (snake_case).")],
    into: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for vgbench-NAME (default: the current one).")
    ] = None,
    objective: Annotated[
        str | None, typer.Option(metavar="NAME", help="For a suite: your objective, which its recipe my_method gets.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Create a plugin package in a new folder vgbench-NAME, or a suite in NAME.yaml.

    A plugin package holds a pyproject.toml with the entry point, the class, a test of its interface and a README. It
    works at once. A suite file holds recipes and a protocol of your own, seeds, and claims to test.
    """
    from vgbench.plugin.scaffold import new as write
    from vgbench.plugin.scaffold import new_suite

    if kind.lower().removesuffix("s") == "suite":
        file = new_suite(name, into, objective)
        edit = "edit it as you like" if objective else "edit its recipe my_method (name your objective there)"
        print(f"{file}\n\nnext: {edit}, then")
        print(f"  vgbench suite {file} --dry-run")
        return
    if objective is not None:
        raise UsageError(f"--objective {objective}: only for a suite: vgbench new suite NAME --objective {objective}")
    project = write(kind, name, into)
    for path in project.files:
        print(project.folder / path)
    print("\nnext:")
    print(f'  pip install -e "{project.folder}[test]"')
    print(f"  vgbench check {project.kind} {project.name}")
    print(f"  vgbench {project.run}")
