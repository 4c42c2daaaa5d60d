"""`vgbench show`: show one plugin, recipe, protocol or group of settings in full."""

from typing import Annotated, Any

import typer

from vgbench.cli import completion
from vgbench.cli.common import KINDS, Debug, Format, examples, handled, print_json, print_table
from vgbench.config import SECTIONS
from vgbench.errors import UsageError
from vgbench.text import same, shown, suggest

EPILOG = examples(
    "vgbench show objective iql",
    "vgbench show protocol maze",
    "vgbench show setting train",
    "vgbench show schema result.json",
)


@handled
def show(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help=f"One of: {KINDS}, {', '.join(SECTIONS)}, setting, schema.",
            autocompletion=completion.kinds("setting", "schema"),
        ),
    ],
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Name as `vgbench list` prints it; for schema a file name, or nothing for all.",
            autocompletion=completion.of_kind,
        ),
    ] = "",
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Show one plugin, recipe, protocol, ... in full: each parameter with type, range, default and meaning.

    `show schema FILE` prints the JSON Schema of a file of a run folder.
    """
    # First, as it needs neither registry.yaml nor plugins.
    if same(kind) == "schema":
        _show_schema(name)
        return
    from vgbench.config.describe import describe

    about = describe(kind, name)
    if format == "json":
        print_json(about)
        return
    tables = {
        key: about.pop(key)
        for key in ("parameters", "logs", "choices", "values", "published", "curves")
        if key in about
    }
    about = {key.replace("_", " "): value for key, value in about.items() if value not in ("", [], None)}
    width = max(12, *map(len, about))
    for key, value in about.items():
        print(f"{key:<{width}} {', '.join(value) if isinstance(value, list) else shown(value)}")
    for key, rows in tables.items():
        print(f"\n{key if rows else f'no {key}'}")
        if rows:
            headers = [column for column in rows[0] if column != "required"]
            print_table([h.upper() for h in headers], [[_cell(row, h) for h in headers] for row in rows])


def _show_schema(name: str) -> None:
    """Print the JSON Schema of a file of a run folder, or of all of them by name."""
    from vgbench.storage.record_types import FILES
    from vgbench.storage.schema import json_schema

    if name and name not in FILES:
        raise UsageError(f"schema: no file named {name!r} in a run folder. {suggest(name, FILES)}")
    print_json(json_schema(name) if name else {file: json_schema(file) for file in FILES})


def _cell(row: dict[str, Any], header: str) -> str:
    if header == "default" and row.get("required"):
        return "(required)"
    value = row[header]
    return value if isinstance(value, str) else shown(value)
