"""`vgbench report`: the records of a suite as a table, beside the published numbers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vgbench.cli.common import Debug, examples, handled, print_table, say
from vgbench.errors import UsageError, prefix_error
from vgbench.text import choice, suggest

if TYPE_CHECKING:
    from vgbench.config.definitions import Suite
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
    free = suite is None and bool(folders)
    chosen, own, variants, scale = _choose(suite or "paper_table_2", recipes, variant or [], scale)
    guess = SUFFIXES.get(out.suffix.removeprefix(".").lower() if out else "", "table")
    form = choice(layout or guess, FORMATS, "--format")
    # Before records are read and pictures drawn.
    _check_files(out, html, curves, draw)
    if curves is not None and not chosen.ranking:
        raise UsageError(f"--curves: suite {chosen.name} ranks nothing (it has no key `ranking`)")
    folders = _folders(folders or [], chosen.name, scale)
    # After the options are checked: a slip need not wait for these imports.
    from vgbench.report import claims as tests
    from vgbench.report import rows, table
    from vgbench.storage import records

    found, left_out = records.scan(folders, scale, None if free else table.recipes(chosen), variants)
    for line in left_out:
        say(f"note: left out {line}")
    if not variant:
        variants = table.variants(found)
    if free:
        found = rows.labelled(found, variants, own)
        # Without any record the suite's own rows say what is missing.
        chosen = rows.suite_of(found, chosen) if found else chosen
    built = table.build(chosen, scale, found, variants or [None], own)
    findings = tests.judge(built)
    if curves is not None:
        _draw_curves(built, curves)
    if html is not None:
        from vgbench.report.html import page

        _write(html, page(built, findings, left_out, folders, draw, say), "html", "--html")
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


def _choose(
    suite: str, recipes: Path | None, variants: list[str], scale: str
) -> "tuple[Suite, Path | None, list[str], str]":
    """Return the suite, the user's file that it needs, the variants (none: all) and the scale that the options name."""
    from vgbench.config.catalogue_files import load_catalogue, with_file
    from vgbench.config.protocols import SCALES
    from vgbench.experiments.suite import find

    with prefix_error(f"--suite {suite}"):
        chosen, own = find(suite, recipes, "--suite")
    catalogue = load_catalogue() if own is None else with_file(own, "--suite")[0]
    found = []
    for name in variants:
        with prefix_error(f"--variant {name}"):
            variant = catalogue.variant(name)
        assert variant is not None
        found.append(variant.name)
    return chosen, own, list(dict.fromkeys(found)), choice(scale, SCALES, "--scale")


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


def _folders(folders: list[Path], suite: str, scale: str) -> list[Path]:
    """Return the folders to read, by default that of the suite; all of them exist."""
    for folder in folders:
        _look(folder)
    if folders:
        return folders
    usual = Path("runs") / f"{suite}-{scale}"
    _look(usual, f" (`vgbench suite {suite} --scale {scale}` makes it)")
    return [usual]


def _look(folder: Path, made_by: str = "") -> None:
    """Refuse a folder that does not exist."""
    if folder.is_dir():
        return
    near = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
    raise UsageError(
        f"DIR {folder}: there is no such folder{made_by}; name the folder that holds the records. "
        f"In {folder.parent}: {suggest(folder.name, near)}"
    )


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
    from vgbench.storage.files import write_atomically

    try:
        if layout == "md" and out.exists():
            text = between(out.read_text(encoding="utf-8"), text, f"{option} {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(f"{option} {out}: cannot write there: {getattr(err, 'strerror', None) or err}") from err

    write_atomically(out, lambda path: path.write_text(text, encoding="utf-8"))
    print(out)
