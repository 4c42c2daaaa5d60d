"""`vgbench report`: the records of a suite as a table, beside the published numbers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vgbench.cli.common import Debug, examples, handled, print_table, say
from vgbench.errors import UsageError
from vgbench.text import choice, printable

if TYPE_CHECKING:
    from vgbench.report.claims import Finding
    from vgbench.report.table import Table

FORMATS = ("table", "md", "csv", "json", "latex")
SUFFIXES = {"md": "md", "csv": "csv", "json": "json", "tex": "latex"}
EPILOG = examples(
    "vgbench report",
    "vgbench report runs/paper_table_2-quick --claims",
    "vgbench report results/paper_table_2/quick --out docs/paper_table_2.md",
    "vgbench report runs/literal runs/tuned --variant literal --variant tuned",
    "vgbench report runs/my_table-quick --suite my_table.yaml --claims",
    "vgbench report --format json --out report.json",
    "vgbench report runs/paper_table_2-quick --format latex --out table.tex",
    "vgbench report runs/paper_table_2-quick --html report.html",
)


@handled
def report(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders of run folders; by default runs/SUITE-SCALE."),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.yaml",
            help="Rows, columns, published numbers, claims. By default what DIR has, beside the paper's Table 2.",
        ),
    ] = None,
    recipes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with recipes of your own: further rows of the suite.")
    ] = None,
    scale: Annotated[str, typer.Option(metavar="smoke|quick|paper", help="Records of this scale alone.")] = "quick",
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Records of this variant of the paper; may be repeated, for variants side by side. By default those "
            "that have records.",
        ),
    ] = None,
    claims: Annotated[
        bool, typer.Option("--claims", help="What the paper says of its table, tested (Markdown and JSON have it too).")
    ] = False,
    layout: Annotated[
        str | None,
        typer.Option("--format", metavar="table|md|csv|json|latex", help="By default what --out ends in, or table."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write there; a page keeps what is around its two markers, if it has them."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one self-contained page: tables, claims, pictures of every run."),
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw success against distance as SVG, for a suite that ranks recipes."),
    ] = None,
    draw: Annotated[
        bool,
        typer.Option(
            "--draw", help="For --html: first draw what `vgbench plot` has not drawn; a minute or so for a run."
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Table of a suite's records, with intervals, beside the published numbers.

    Marks what is missing, failed or stale. A cell never mixes scales, tasks or other values.
    """
    # The options first: a slip need not wait for these imports and records.
    from vgbench.report.make import choose, folders_of, make

    chosen, _, _, scale = choose(suite, recipes, variant or [], scale)
    guess = SUFFIXES.get(out.suffix.removeprefix(".").lower() if out else "", "table")
    form = choice(layout or guess, FORMATS, "--format")
    _check_files(out, html, curves, draw)
    if curves is not None and not chosen.ranking:
        raise UsageError(f"--curves: suite {chosen.name} ranks nothing (it has no key `ranking`)")
    built, findings, left_out = make(folders or [], suite, scale, variant or [], recipes)
    places = folders_of(folders or [], chosen.name, scale)
    for line in left_out:
        say(f"note: left out {line}")
    if curves is not None:
        _draw_curves(built, curves)
    if html is not None:
        from vgbench.report.html import page

        _write(html, page(built, findings, left_out, places, draw, say), "html", "--html")
        # --html alone asks for no other form of the report.
        if out is None and layout is None:
            return
    if form == "table" and out is None:
        _print(built, findings if claims else [])
        return
    text = _text(form, built, findings, claims, left_out, out.parent if out else Path())
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out, text, form)


def _draw_curves(table: "Table", path: Path) -> None:
    """Draw success against distance, of the first variant that has records."""
    from vgbench.report import ranking
    from vgbench.report.plots.distance import draw_protocols
    from vgbench.storage.files import write_atomically

    found = next((runs for variant in table.variants if (runs := ranking.records(table, variant))), None)
    if found is None:
        raise UsageError(f"--curves {path}: there is no current record of suite {table.suite.name} to draw")
    picture = draw_protocols(found)
    write_atomically(path, lambda partial: partial.write_bytes(picture))
    print(path)


def _check_files(out: Path | None, html: Path | None, curves: Path | None, draw: bool) -> None:
    """Refuse files that are folders, and pictures that no page would show."""
    for option, path in (("--out", out), ("--html", html), ("--curves", curves)):
        if path is not None and path.is_dir():
            raise UsageError(f"{option} {path} is a folder; expected the name of a file")
    if draw and html is None:
        raise UsageError("--draw goes with --html FILE: it makes the pictures of that page")


def _text(layout: str, table: "Table", findings: "list[Finding]", claims: bool, left_out: list[str], home: Path) -> str:
    """Return the report in a format; links are relative to the folder `home`."""
    from vgbench.report import export, markdown

    if layout == "md":
        return markdown.markdown(table, findings, home)
    if layout == "latex":
        from vgbench.report.latex import latex

        return latex(table)
    if layout == "csv":
        return export.claims_csv(findings) if claims else export.table_csv(table)
    if layout == "json":
        return export.dump(export.plain(table, findings, left_out))
    return _plain_text(table, findings if claims else [])


def _print(table: "Table", findings: "list[Finding]") -> None:
    from vgbench.report import markdown, ranking

    for headers, rows in ranking.grids(table, findings):
        print_table([header.upper() for header in headers], rows)
        print(f"\n{ranking.NOTE}\n")
    headers, rows = markdown.grid(table)
    print_table([header.upper() for header in headers], rows)
    print("\n" + "\n".join(markdown.notes(table)))
    for headers, rows in markdown.strata_grids(table):
        print()
        print_table([header.upper() for header in headers], rows)
    if findings:
        headers, rows = markdown.claims_grid(findings)
        print()
        print_table([header.upper() for header in headers], rows)
        print("\n" + "\n".join(markdown.claims_notes(findings, table.suite.families)))


def _plain_text(table: "Table", findings: "list[Finding]") -> str:
    """Return what `_print` prints, without a terminal's colours and width."""
    import contextlib
    import io

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        _print(table, findings)
    return text.getvalue()


def _write(out: Path, text: str, layout: str, option: str = "--out") -> None:
    """Write the file whole or not at all; a page of the documentation keeps what is around the markers."""
    from vgbench.report.markdown import between
    from vgbench.storage.files import write_text

    text = printable(text)

    try:
        if layout == "md" and out.exists():
            text = between(out.read_text(encoding="utf-8"), text, f"{option} {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(f"{option} {out}: cannot write there: {getattr(err, 'strerror', None) or err}") from err

    write_text(out, text)
    print(out)
