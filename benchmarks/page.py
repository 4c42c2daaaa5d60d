"""Tables in Markdown, from records of `python -m benchmarks --format json`.

    python -m benchmarks.page results/benchmarks/solve.json
    python -m benchmarks.page docs/performance.md

The first prints one for each benchmark of a record; the second writes those into a page that it has marks for:
`<!-- solve.json -->` before a table and `<!-- end -->` after it, `<!-- targets -->` for that of all targets, and
`<!-- planner_budget/NAME -->` or `<!-- paper_figure_3/quick -->` for the sweep of that folder under `results/`: over
planners, or over values of parameters. `<!-- cell_cost -->` is for what one run costs, and what those of the paper's
table did; `<!-- audit -->` for the audits of protocols.
"""

import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.table import time_text
from benchmarks.targets import targets
from vgbench.analysis.audit.rules import EXACT_TRUE
from vgbench.text import share_text

RECORDS = Path(__file__).parents[1] / "results" / "benchmarks"
# Not greedy: each mark goes with the next end; DOTALL, as tables have many lines.
MARK = re.compile(r"(<!-- (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

Record = dict[str, Any]


def tables(record: Record) -> dict[str, list[str]]:
    """Lines of a Markdown table by benchmark: a row per case, a column per side. Cases without sides are left out."""
    timed = {b["name"]: [case for case in b["cases"] if case["sides"]] for b in record["benchmarks"]}
    made = {name: _table(cases) + _found(cases) for name, cases in timed.items() if cases}
    start = [case for b in record["benchmarks"] if b["name"] == "startup" for case in b["cases"]]
    return made | ({"startup": _startup(start)} if start else {})


def _startup(cases: list[Record]) -> list[str]:
    """Commands above the bare interpreter, whose share says nothing, and the peak of every stage."""
    lines = ["| command | CPU time above that of bare Python |", "|---|---|"]
    lines += [
        f"| `{case['case']}` | {time_text(case['facts']['cpu_seconds_above_python'])} |"
        for case in cases
        if case["sides"]
    ]
    peaks = next(case["facts"]["peak_mib"] for case in cases if case["case"] == "peak memory")
    lines += ["", "| | stage | peak memory of the process |", "|---|---|---|"]
    return lines + [
        f"| {name} | {stage} | {peak:.0f} MiB |" for name, stages in peaks.items() for stage, peak in stages.items()
    ]


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
    """A second table for cases of whole evaluations: the settings of each side, and what it solved with them."""
    played = [case for case in cases if "success" in case["facts"]]
    lines = ["", "| | | settings | solved | ours minus theirs [95 % interval] |", "|---|---|---|---|---|"]
    for case in played:
        shared = _shared(case["parameters"])
        for side in case["sides"]:
            success = f"{100 * case['facts']['success'][side['name']]:.1f} %"
            minus = case["facts"].get(f"ours minus {side['name']}")
            told = "" if minus is None else f"{minus['mean']:+.3f} [{minus['ci95'][0]:+.3f}, {minus['ci95'][1]:+.3f}]"
            settings = "; ".join(filter(None, (shared, side["setting"])))
            lines.append(f"| {case['case']} | {side['name']} | {settings} | {success} | {told} |")
    return lines if played else []


def _shared(parameters: Record) -> str:
    """What all sides of a whole evaluation have in common."""
    words = {"recipe": "{}", "samples": "K = {}", "horizon": "H = {}", "replan_every": "a plan every {} steps"}
    return ", ".join(text.format(parameters[name]) for name, text in words.items() if name in parameters)


def filled(page: str, folder: Path = RECORDS) -> str:
    """Return a page with its tables made again from the records in a folder."""

    def made(found: re.Match[str]) -> str:
        name = found[2]
        if name == "targets":
            parts = [_reached(folder)]
        elif name == "cell_cost":
            parts = [_cost(folder.parent / name), _costs(folder.parent / "paper_table_2" / "quick")]
        elif name == "audit":
            parts = [_audits(folder.parent / name)]
        elif name.endswith(".json"):
            parts = list(tables(_read(folder / name)).values())
        else:
            parts = _sweep(folder.parent / name)
        text = "\n\n".join("\n".join(lines) for lines in parts)
        return f"{found[1]}\n{text}\n\n{found[3]}"

    return MARK.sub(made, page)


def _reached(folder: Path) -> list[str]:
    lines = ["| measure | target | worst case measured | met |", "|---|---|---|---|"]
    return lines + ["| " + " | ".join(target.cells()) + " |" for target in targets(folder)]


def _cost(folder: Path) -> list[str]:
    """CPU seconds of the stages of one run, before and after; a stage that only one of them has is without ratio."""
    before, after = (_read(folder / name / "result.json") for name in ("before", "after"))
    lines = ["| stage | before | after | ratio |", "|---|---|---|---|"]
    for stage in before["stages"] | after["stages"]:
        old, new = (record["stages"].get(stage, {}).get("cpu_seconds") for record in (before, after))
        ratio = f"{old / new:.1f} x" if old and new else ""
        lines.append(f"| {stage} | {_seconds(old)} | {_seconds(new)} | {ratio} |")
    old, new = before["cpu_seconds"], after["cpu_seconds"]
    return [*lines, f"| all | {_seconds(old)} | {_seconds(new)} | {old / new:.1f} x |"]


def _costs(folder: Path) -> list[str]:
    """Mean and largest CPU time of the committed runs of the table, by variant and protocol."""
    found: dict[tuple[str, str], list[float]] = {}
    for path in sorted(folder.glob("*/*/*/*/result.json")):
        record = _read(path)
        found.setdefault((record["variant"], record["protocol"]), []).append(record["cpu_seconds"] / 60)
    lines = ["| variant | protocol | runs | CPU minutes a run, mean | largest |", "|---|---|---|---|---|"]
    return lines + [
        f"| {variant} | {protocol} | {len(times)} | {sum(times) / len(times):.1f} | {max(times):.1f} |"
        for (variant, protocol), times in sorted(found.items())
    ]


def _audits(folder: Path) -> list[str]:
    """A row for each audit of a protocol, with the value of each rule, in bold where it fails."""
    records = sorted(map(_read, folder.glob("*.json")), key=lambda record: (record["verdict"], record["protocol"]))
    rules = [rule["name"] for rule in records[0]["rules"]] if records else []
    more = ("by chance", "exact model, true value: timely", "recipes", "verdict")
    lines = ["| " + " | ".join(("protocol", *rules, *more)) + " |", "|---" * (len(rules) + 1 + len(more)) + "|"]
    for record in records:
        values = [_judged(rule) for rule in record["rules"]]
        timely = next(row for row in record["rungs"] if row["name"] == EXACT_TRUE)["timely"]
        chance = (record["items"] or {}).get("expected_negative_item_rest")
        scores = [_share(chance), _share(timely)]
        found = [record["protocol"], *values, *scores, str(len(record["recipes"])), record["verdict"]]
        lines.append("| " + " | ".join(found) + " |")
    return lines


def _judged(rule: Record) -> str:
    # A number of recipes, or a rate.
    value = str(rule["value"]) if isinstance(rule["value"], int) else _share(rule["value"])
    return f"**{value}**" if rule["verdict"] == "failed" else value


def _share(value: float | None) -> str:
    return "" if value is None else share_text(value)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def _sweep(folder: Path) -> list[list[str]]:
    """Tables of a sweep: success for so many evaluations where it has them, else one for each parameter."""
    if (folder / "budget.csv").exists():
        return [_curves(_rows(folder / "budget.csv"), "settings", lambda row: f"({_thousands(row)})", "")]
    rows = _rows(folder / "sweep.csv")
    return [
        _curves([row for row in rows if row["over"] == over], "value", _interval, f"`{over}`")
        for over in dict.fromkeys(row["over"] for row in rows)
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _curves(rows: list[dict[str, str]], key: str, note: Callable[[dict[str, str]], str], corner: str) -> list[str]:
    """A row for each value of a key, a column for each curve: what was solved, and a note in brackets."""
    curves, values = (list(dict.fromkeys(row[name] for row in rows)) for name in ("curve", key))
    cells = {(row[key], row["curve"]): row for row in rows}
    lines = [f"| {corner} | " + " | ".join(curves) + " |", "|---" * (len(curves) + 1) + "|"]
    for value in values:
        found = [cells.get((value, curve)) for curve in curves]
        texts = [f"{row['successes']} of {row['n']} {note(row)}" if row else "" for row in found]
        lines.append(f"| `{value.replace('planner.', '')}` | " + " | ".join(texts) + " |")
    return lines


def _interval(row: dict[str, str]) -> str:
    return f"[{float(row['low']):.2f}, {float(row['high']):.2f}], {_thousands(row)}"


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
