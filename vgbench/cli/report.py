"""`vgbench report`: show the results of a suite beside the published numbers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vgbench.cli.common import (
    Debug,
    check_no_other,
    check_picture,
    examples,
    handled,
    note,
    note_skipped,
    print_table,
    progress,
)
from vgbench.errors import UsageError
from vgbench.text import choice, printable

if TYPE_CHECKING:
    from vgbench.reports.claims import Finding
    from vgbench.reports.table import Table

FORMATS = ("table", "md", "csv", "json", "latex")
SUFFIXES = {"md": "md", "csv": "csv", "json": "json", "tex": "latex"}
EPILOG = examples(
    "vgbench report",
    "vgbench report runs/paper_table_2-quick --claims",
    "vgbench report results/paper_table_2/quick --out docs/paper_table_2.md",
    "vgbench report runs/literal runs/tuned --variant literal --variant tuned",
    "vgbench report runs/my_table-quick --suite my_table.yaml --claims --out table.tex --figure table.pdf",
    "vgbench report --format json --out report.json",
    "vgbench report runs/paper_table_2-quick --format latex --out table.tex",
    "vgbench report runs/paper_table_2-quick --html report.html",
)


@handled
def report(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders of runs (default: runs/SUITE-SCALE)."),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.yaml",
            help="Suite with rows, columns, published numbers and claims (default: what DIR holds, beside Table 2).",
        ),
    ] = None,
    recipes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML file with your own recipes, which become rows of the table."),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="smoke|quick|paper", help="Only runs of this scale (default: the only one in DIR, or quick)."
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only runs of this variant; repeat it to show variants side by side (default: all that have runs).",
        ),
    ] = None,
    claims: Annotated[
        bool,
        typer.Option("--claims", help="Also test the suite's claims: a second table (in CSV, after an empty line)."),
    ] = False,
    layout: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="table|md|csv|json|latex",
            help="Output format (default: from the name of --out, or table).",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Output file. In a Markdown page with report markers only the part between them is replaced.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one self-contained page: tables, claims and pictures of every run."),
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw success against distance (SVG), for a suite that ranks recipes."),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the rates with their intervals, a panel per protocol (SVG, PNG, PDF)."),
    ] = None,
    draw: Annotated[
        bool,
        typer.Option(
            "--draw", help="With --html: draw missing pictures first, into plots/ of each run (about a minute each)."
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Show success rates with intervals beside the published numbers.

    Missing, failed and stale runs are marked. Runs of different scales, tasks or values are never mixed in one cell.
    """
    # The options first: a slip need not wait for these imports and records.
    from vgbench.reports.make import choose, folders_of, make

    chosen, *_ = choose(suite, recipes, variant or [], scale)
    guess = SUFFIXES.get(out.suffix.removeprefix(".").lower() if out else "", "table")
    form = choice(layout or guess, FORMATS, "--format")
    _check_files(out, html, curves, figure, draw)
    if curves is not None and not chosen.ranking:
        raise UsageError(f"--curves: suite {chosen.name} has no ranking (no key `ranking`)")
    built, findings, left_out = make(folders or [], suite, scale, variant or [], recipes)
    places = folders_of(folders or [], chosen.name, built.scale)
    note_skipped(left_out)
    if curves is not None:
        _draw_curves(built, curves)
    if figure is not None:
        from vgbench.reports.plots.table_chart import save_table

        save_table(built, figure)
        note(f"drawn: {figure}")
    if html is not None:
        from vgbench.reports.html import page

        _write(html, page(built, findings, left_out, places, draw, progress), "html", "--html")
        # --html alone asks for no other form of the report.
        if out is None and layout is None:
            return
    if form == "table" and out is None:
        _print(built, findings, claims)
        return
    text = _text(form, built, findings, claims, left_out, out.parent if out else Path())
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out, text, form)


def _draw_curves(table: "Table", path: Path) -> None:
    """Draw success against distance, of the first variant that has records."""
    from vgbench.reports import ranking
    from vgbench.reports.plots.distance import draw_protocols
    from vgbench.storage.files import write_bytes

    found = next((runs for variant in table.variants if (runs := ranking.records(table, variant))), None)
    if found is None:
        raise UsageError(f"--curves {path}: no current run of suite {table.suite.name} to draw")
    picture = draw_protocols(found)
    write_bytes(path, picture)
    print(path)


def _check_files(out: Path | None, html: Path | None, curves: Path | None, figure: Path | None, draw: bool) -> None:
    """Refuse files that are folders, and pictures that no page would show."""
    for option, path in (("--out", out), ("--html", html), ("--curves", curves), ("--figure", figure)):
        if path is not None:
            check_no_other(option, path)
    if figure is not None:
        check_picture("--figure", figure)
    if draw and html is None:
        raise UsageError("--draw needs --html FILE: it draws the pictures of that page")


def _text(layout: str, table: "Table", findings: "list[Finding]", claims: bool, left_out: list[str], home: Path) -> str:
    """Return the report in a format; links are relative to the folder `home`."""
    from vgbench.reports import export, markdown

    if layout == "md":
        return markdown.markdown(table, findings, home)
    if layout == "latex":
        from vgbench.reports.latex import latex

        return latex(table, findings, claims)
    if layout == "csv":
        return export.table_csv(table) + (f"\n{export.claims_csv(findings)}" if claims else "")
    if layout == "json":
        return export.dump(export.plain(table, findings, left_out))
    return _plain_text(table, findings, claims)


def _print(table: "Table", findings: "list[Finding]", claims: bool) -> None:
    from vgbench.reports import markdown, ranking

    for headers, rows in ranking.grids(table, findings):
        print_table([header.upper() for header in headers], rows)
        print(f"\n{ranking.NOTE}\n")
    headers, rows = markdown.grid(table)
    print_table([header.upper() for header in headers], rows)
    print("\n" + "\n".join(markdown.notes(table)))
    for headers, rows in markdown.strata_grids(table):
        print()
        print_table([header.upper() for header in headers], rows)
    if claims and findings:
        headers, rows = markdown.claims_grid(findings)
        print()
        print_table([header.upper() for header in headers], rows)
        print("\n" + "\n".join(markdown.claims_notes(findings, table.suite.families)))


def _plain_text(table: "Table", findings: "list[Finding]", claims: bool) -> str:
    """Return what `_print` prints, without a terminal's colours and width."""
    import contextlib
    import io

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        _print(table, findings, claims)
    return text.getvalue()


def _write(out: Path, text: str, layout: str, option: str = "--out") -> None:
    """Write the file whole or not at all; a page of the documentation keeps what is around the markers."""
    from vgbench.reports.markdown import between
    from vgbench.storage.files import read_whole, write_text

    text = printable(text)

    try:
        if layout == "md" and out.exists():
            text = between(read_whole(out).decode(), text, f"{option} {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(f"{option} {out}: cannot write there: {getattr(err, 'strerror', None) or err}") from err

    write_text(out, text)
    print(out)
