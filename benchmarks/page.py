"""Tables in Markdown, from records of `python -m benchmarks --format json`.

    python -m benchmarks.page results/benchmarks/solve.json

prints one for each benchmark of the record.
"""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.table import time_text

Record = dict[str, Any]


def tables(record: Record) -> dict[str, list[str]]:
    """Lines of a Markdown table by benchmark: a row per case, a column per side. Cases without sides are left out."""
    found = {
        benchmark["name"]: _table([c for c in benchmark["cases"] if c["sides"]]) for benchmark in record["benchmarks"]
    }
    return {name: lines for name, lines in found.items() if lines}


def _table(cases: list[Record]) -> list[str]:
    if not cases:
        return []
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


def main() -> None:
    """Print the tables of the records named on the command line."""
    for path in sys.argv[1:]:
        for name, lines in tables(json.loads(Path(path).read_text(encoding="utf-8"))).items():
            print(f"{name}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
