"""Results table and pictures of README.md, from the records of the paper's table.

Give `python docs/hooks/readme.py` after a change under results/paper_table_2. `--rollouts RUN` also draws two tasks of
a finished run of the maze, solved and failed; it needs the run's checkpoints, which are not committed.
"""

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

from PIL import Image
from recorded import groups
from tables import table

from vgbench.config.catalogue_files import load_catalogue
from vgbench.reports.plots.table_chart import draw_table
from vgbench.reports.table import Published, Table, TableCell
from vgbench.text import interval_text, share_text

ROOT = Path(__file__).resolve().parents[2]
PAGE, CHART, ROLLOUTS = ROOT / "README.md", ROOT / "docs/figures/table.svg", ROOT / "docs/figures/rollouts.webp"
BEGIN, END = "<!-- results -->\n\n", "<!-- end -->"
SUITE, VARIANT, SCALE = "paper_table_2", "tuned", "quick"
FRAMES = 48
NONE = "\N{EN DASH}"


def records() -> Table:
    """Records of the variant beside the published rates; all seeds that there are."""
    suite = load_catalogue().suites[SUITE]
    cells = {}
    for (variant, protocol, recipe, scale), found in groups().items():
        if (variant, scale) == (VARIANT, SCALE):
            rate = suite.published.get(recipe, {}).get(protocol)
            published = None if rate is None else Published(rate, suite.published_n[protocol])
            ordered = tuple(sorted(found, key=lambda record: record.seed))
            cells[recipe, protocol, VARIANT] = TableCell(
                recipe, protocol, ordered, published=published, variant=VARIANT
            )
    return Table(suite, SCALE, (VARIANT,), cells)


def markdown(found: Table) -> str:
    """Table: a row for each recipe, for each protocol ours and the paper's column."""
    protocols = found.suite.protocols
    rows = []
    for recipe in found.suite.recipes:
        cells = [found.cells.get((recipe, protocol, VARIANT)) for protocol in protocols]
        if any(cells):
            columns = [
                text
                for protocol, cell in zip(protocols, cells, strict=True)
                for text in _pair(found, recipe, protocol, cell)
            ]
            rows.append([f"`{recipe}`", *columns])
    rows.append(["best baseline", *(text for protocol in protocols for text in (_baseline(found, protocol), NONE))])
    return table(["recipe", *(text for protocol in protocols for text in (protocol, "paper"))], rows)


def _pair(found: Table, recipe: str, protocol: str, cell: TableCell | None) -> tuple[str, str]:
    rate = found.suite.published.get(recipe, {}).get(protocol)
    paper = NONE if rate is None else share_text(rate)
    if cell is None:
        return NONE, paper
    seeds = f", {len(cell.records)} seeds" if len(cell.records) > 1 else ""
    return f"{share_text(cell.rate)} {interval_text(cell.interval)}{seeds}", paper


def _baseline(found: Table, protocol: str) -> str:
    best = max(found.baselines(protocol, VARIANT), key=lambda row: row["rate"])
    return f"{share_text(best['rate'])} {interval_text(best['ci95'])}"


def with_table(text: str, made: str) -> str:
    """The page's text with the table written anew."""
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise SystemExit(f"{PAGE}: no table between {BEGIN.strip()} and {END}")
    return before + mark + made + end + after


def digest(made: str) -> str:
    """Comment at the end of the chart: of which table it is."""
    return f"<!-- table {hashlib.sha256(made.encode()).hexdigest()[:16]} -->"


def chart(found: Table) -> str:
    """Table as dots with intervals, as SVG."""
    return draw_table(found, found.suite.recipes).decode().rstrip() + f"\n{digest(markdown(found))}\n"


def rollouts(run: Path) -> None:
    """Draw the first solved task that is neither short nor cut, and the first failed one, side by side."""
    from vgbench.analysis.replay import replay
    from vgbench.experiments.trained import load_trained
    from vgbench.reports.plots.film import encode
    from vgbench.reports.plots.rollouts import STEPS, animate
    from vgbench.reports.plots.value_map import ValueMaps

    trained = load_trained(run)
    rows = {row["task"]: row for row in trained.folder.lines("episodes.jsonl")}
    solved = next(task for task, row in rows.items() if row["success"] and 40 < row["steps"] <= STEPS)
    failed = next(task for task, row in rows.items() if not row["success"])
    atlas = ValueMaps(trained)
    films = [animate(trained, atlas, e, rows[e.task], FRAMES) for e in replay(trained, [solved, failed], STEPS)]
    pictures = []
    for index in range(max(len(film.frames) for film in films)):
        parts = [film.frames[min(index, len(film.frames) - 1)] for film in films]
        joined = Image.new("RGB", (sum(part.width for part in parts) + 8, parts[0].height), "white")
        joined.paste(parts[0])
        joined.paste(parts[1], (parts[0].width + 8, 0))
        pictures.append(joined)
    ROLLOUTS.write_bytes(encode(replace(films[0], frames=pictures, duration=110), "webp"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=Path, metavar="RUN")
    options = parser.parse_args()
    found = records()
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), markdown(found)), encoding="utf-8")
    CHART.write_text(chart(found), encoding="utf-8")
    if options.rollouts:
        rollouts(options.rollouts)
