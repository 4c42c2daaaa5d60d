"""`vgbench show`: one plugin, recipe, protocol or group of settings in full."""

from typing import Annotated, Any

import typer

from vgbench.cli.common import KINDS, Debug, Format, examples, handled, print_json, print_table
from vgbench.config import SECTIONS
from vgbench.text import shown

EPILOG = examples("vgbench show objective iql", "vgbench show protocol maze", "vgbench show setting train")


@handled
def show(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of: {KINDS}, {', '.join(SECTIONS)}, setting.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `vgbench list` prints it.")],
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Show one of them in full.

    Each parameter has its type, range, default and meaning.
    """
    from vgbench.config.describe import describe

    about = describe(kind, name)
    if format == "json":
        print_json(about)
        return
    tables = {key: about.pop(key) for key in ("parameters", "values", "published", "curves") if key in about}
    about = {key.replace("_", " "): value for key, value in about.items() if value not in ("", [], None)}
    width = max(12, *map(len, about))
    for key, value in about.items():
        print(f"{key:<{width}} {', '.join(value) if isinstance(value, list) else shown(value)}")
    for key, rows in tables.items():
        print(f"\n{key if rows else f'no {key}'}")
        if rows:
            headers = [column for column in rows[0] if column != "required"]
            print_table([h.upper() for h in headers], [[_cell(row, h) for h in headers] for row in rows])


def _cell(row: dict[str, Any], header: str) -> str:
    if header == "default" and row.get("required"):
        return "(required)"
    value = row[header]
    return value if isinstance(value, str) else shown(value)
