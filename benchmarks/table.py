"""The record of `python -m benchmarks` as tables for people."""

from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.guard import lines


def show(record: dict[str, Any], console: Console) -> None:
    """Print every benchmark: a table per case, its checks, its further figures."""
    machine = record["machine"]
    where = f"{machine['cpu']}, {machine['threads']} of {machine['cores']} threads, torch {machine['torch']}"
    console.print(Text(f"{where}; load {machine['load'][0]}"))
    for benchmark in record["benchmarks"]:
        console.print(Text(f"\n{benchmark['name']}: {benchmark['summary']}", style="bold"))
        for case in benchmark["cases"]:
            console.print(_case(case))
    for line in lines(record.get("against", [])):
        console.print(Text(line))
    absent = [peer for peer in record["peers"] if peer["version"] is None]
    for peer in absent:
        console.print(Text(f"absent: {peer['name']}; get it by: {peer['install']}"))


def _case(case: dict[str, Any]) -> RenderableType:
    parts: list[RenderableType] = []
    if case["sides"]:
        table = Table(box=box.SIMPLE, title=case["case"], title_justify="left")
        for name in ("side", "median", "quartiles", f"{case['unit']}s/s", "time over ours", ""):
            table.add_column(name)
        for side in case["sides"]:
            seconds, ratio = side["seconds"], side["ratio"]
            over = (
                "not the same work"
                if ratio is None
                else f"{ratio['median']:.2f} [{ratio['q1']:.2f}, {ratio['q3']:.2f}]"
            )
            spread = f"{time_text(seconds['q1'])} to {time_text(seconds['q3'])}"
            rate = f"{side['per_second']['median']:.4g}"
            table.add_row(side["name"], time_text(seconds["median"]), spread, rate, over, side["setting"])
        parts.append(table)
    else:
        parts.append(Text(case["case"]))
    failed = [check for check in case["checks"] if not check["passed"]]
    for check in failed:
        words = f"CHECK FAILED: {check['side']}: {check['what']}: {check['error']} > {check['tolerance']}"
        parts.append(Text(words, style="red"))
    if case["checks"] and not failed:
        parts.append(Text(f"same work: {len(case['checks'])} checks passed"))
    parts += [Text(f"{name}: {value}") for name, value in case["facts"].items()]
    return Group(*parts)


def time_text(seconds: float) -> str:
    """Return a time with three digits: `1.23 s`, `45.6 ms`, `789 us`."""
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"
