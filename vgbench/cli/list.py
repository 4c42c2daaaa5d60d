"""`vgbench list`: list what is installed, without importing it."""

from typing import Annotated, Any

import typer

from vgbench.cli import completion
from vgbench.cli.common import KINDS, Debug, Format, examples, handled, note, print_json, print_table
from vgbench.config import SECTIONS
from vgbench.text import choice_of_kind

EPILOG = examples("vgbench list", "vgbench list objective", "vgbench list recipe --format json")


@handled
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help=f"One of: {KINDS}, {', '.join(SECTIONS)}.",
            autocompletion=completion.kinds(),
        ),
    ] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """List plugins, recipes, protocols, variants, suites and sweeps."""
    from vgbench.config.catalogue_files import problems
    from vgbench.plugin.entry import GROUPS
    from vgbench.plugin.registry import Registry

    registry = Registry()
    rows = items(registry)
    if kind is not None:
        wanted = choice_of_kind(kind, (*GROUPS, *SECTIONS), "KIND")
        rows = [row for row in rows if row["kind"] == wanted]
    if format == "json":
        print_json(rows)
    else:
        print_table(
            ["KIND", "NAME", "FROM", "SUMMARY"],
            [[row["kind"], row["name"], f"{row['dist']} {row['version']}", row["summary"]] for row in rows],
        )
    for problem in (*registry.problems, *problems()):
        note(problem)
    for entry in registry.entries():
        if entry.shadowed:
            note(f"{entry} shares its name with another plugin; use {entry.address}")


def items(registry: Any) -> list[dict[str, str]]:
    """Return kind, name, dist, version and summary of all that can be named in a run."""
    from vgbench.config.catalogue_files import load_catalogue
    from vgbench.plugin.entry import HOME
    from vgbench.version import __version__

    catalogue = load_catalogue()
    rows = []
    for entry in registry.entries():
        # registry.yaml describes built-in plugins: another one of the same name is something else.
        known = catalogue.component(entry.kind, entry.name).summary if entry.dist == HOME else ""
        rows.append(_row(entry.kind, entry.address, entry.dist, entry.version, known or entry.about))
    for kind in SECTIONS:
        for name, item in getattr(catalogue, f"{kind}s").items():
            home = catalogue.homes.get((f"{kind}s", name), f"{HOME} {__version__}")
            dist, _, version = home.partition(" ")
            rows.append(_row(kind, name, dist, version, item.summary))
    return rows


def _row(kind: str, name: str, dist: str, version: str, summary: str) -> dict[str, str]:
    return {"kind": kind, "name": name, "dist": dist, "version": version, "summary": summary}
