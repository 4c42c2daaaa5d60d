"""Tables in Markdown, from records of `python -m benchmarks --format json`.

    python -m benchmarks.page results/benchmarks/solve.json
    python -m benchmarks.page docs/performance.md

The first prints one for each benchmark of a record; the second writes those into a page that it has marks for:
`<!-- solve.json -->` before a table and `<!-- end -->` after it, `<!-- targets -->` for that of all targets, and
`<!-- planner_budget/NAME -->` for the sweep over planners of that name under `results/`.
"""

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.table import time_text
from benchmarks.targets import targets

RECORDS = Path(__file__).parents[1] / "results" / "benchmarks"
MARK = re.compile(r"(<!-- (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

Record = dict[str, Any]


def tables(record: Record) -> dict[str, list[str]]:
    """Lines of a Markdown table by benchmark: a row per case, a column per side. Cases without sides are left out."""
    timed = {b["name"]: [case for case in b["cases"] if case["sides"]] for b in record["benchmarks"]}
    return {name: _table(cases) + _found(cases) for name, cases in timed.items() if cases}


def _table(cases: list[Record]) -> list[str]:
    names = list(dict.fromkeys(side["name"] for case in cases for side in case["sides"]))
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for case in cases:
        sides = {side["name"]: side for side in case["sides"]}
        cells = [_cell(sides[name]) if name in sides else "" for name in names]
        lines.append(f"| {case['case']} | " + " | ".join(cells) + " |")
    return lines


def _cell(side: Record) -> str:
    """Median and quartiles: of ours the time, of a limit the share of its rate, of a peer its time over ours."""
    ratio = side["ratio"]
    if side["kind"] == "ours":
        return time_text(side["seconds"]["median"])
    if ratio is None:
        return "not the same work"
    if side["kind"] == "limit":
        low, middle, high = (round(100 * ratio[key]) for key in ("q1", "median", "q3"))
        return f"{middle} % [{low}, {high}]"
    return f"{ratio['median']:.2f} x [{ratio['q1']:.2f}, {ratio['q3']:.2f}]"


def _found(cases: list[Record]) -> list[str]:
    """A second table for cases whose settings were searched: what each side was found to need, and what it solved."""
    searched = [case for case in cases if "tried" in case["facts"]]
    lines = ["", "| | | settings | solved | ours minus theirs [95 % interval] |", "|---|---|---|---|---|"]
    for case in searched:
        for side in case["sides"]:
            success = f"{100 * case['facts']['success'][side['name']]:.1f} %"
            minus = case["facts"].get(f"ours minus {side['name']}")
            told = "" if minus is None else f"{minus['mean']:+.3f} [{minus['ci95'][0]:+.3f}, {minus['ci95'][1]:+.3f}]"
            lines.append(f"| {case['case']} | {side['name']} | {side['setting']} | {success} | {told} |")
    return lines if searched else []


def filled(page: str, folder: Path = RECORDS) -> str:
    """Return a page with its tables made anew from the records in a folder."""

    def made(found: re.Match[str]) -> str:
        name = found[2]
        if name == "targets":
            parts = [_reached(folder)]
        elif name.endswith(".json"):
            parts = list(tables(_read(folder / name)).values())
        else:
            parts = [_budget(folder.parent / name / "budget.csv")]
        text = "\n\n".join("\n".join(lines) for lines in parts)
        return f"{found[1]}\n{text}\n\n{found[3]}"

    return MARK.sub(made, page)


def _reached(folder: Path) -> list[str]:
    lines = ["| measure | target | worst case measured | met |", "|---|---|---|---|"]
    return lines + ["| " + " | ".join(target.cells()) + " |" for target in targets(folder)]


def _budget(path: Path) -> list[str]:
    """Success for so many evaluations: a row for each setting, a column for each planner."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    curves, settings = (list(dict.fromkeys(row[key] for row in rows)) for key in ("curve", "settings"))
    cells = {(row["settings"], row["curve"]): row for row in rows}
    lines = ["| | " + " | ".join(curves) + " |", "|---" * (len(curves) + 1) + "|"]
    for setting in settings:
        found = [cells.get((setting, curve)) for curve in curves]
        texts = [f"{row['successes']} of {row['n']} ({_thousands(row)})" if row else "" for row in found]
        lines.append(f"| `{setting.replace('planner.', '')}` | " + " | ".join(texts) + " |")
    return lines


def _thousands(row: dict[str, str]) -> str:
    return f"{float(row['evaluations_per_task']) / 1000:.1f}k"


def _read(path: Path) -> Record:
    record: Record = json.loads(path.read_text(encoding="utf-8"))
    return record


def main() -> None:
    """Fill the pages, and print the tables of the records, that are named on the command line."""
    for path in map(Path, sys.argv[1:]):
        if path.suffix == ".md":
            path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
            continue
        for name, lines in tables(_read(path)).items():
            print(f"{name}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
