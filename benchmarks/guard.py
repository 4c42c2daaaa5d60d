"""Whether a record falls behind an older one: shares of a limit's rate, which hold from machine to machine.

Seconds do not, so they are compared with nothing.
"""

from typing import Any

from vgbench.errors import UsageError

Record = dict[str, Any]
Key = tuple[str, str, str]

FACTOR = 1.5
"""How many times worse a share may be: less than that a busy machine can do by itself."""


def compare(record: Record, committed: Record) -> list[Record]:
    """Return a row for each limit that both records measured: its share then and now, and whether that passes.

    Raises:
        UsageError: they have none in common.
    """
    now, then = _shares(record), _shares(committed)
    common = [key for key in now if key in then]
    if not common:
        raise UsageError("--against: the two records have no limit in common; expected one of the same size and names")
    return [
        {"benchmark": key[0], "case": key[1], "limit": key[2], "then": then[key], "now": now[key]}
        | {"passed": now[key] * FACTOR >= then[key]}
        for key in common
    ]


def _shares(record: Record) -> dict[Key, float]:
    """Median share of each limit's rate that ours reaches, of one size of the benchmarks."""
    found = {}
    for benchmark in record["benchmarks"]:
        for case in benchmark["cases"]:
            for side in case["sides"]:
                if side["kind"] == "limit" and side["ratio"] is not None:
                    found[f"{record['size']} {benchmark['name']}", case["case"], side["name"]] = side["ratio"]["median"]
    return found


def lines(rows: list[Record]) -> list[str]:
    """Write a line for each row."""
    return [
        f"{row['benchmark']}, {row['case']}: {row['now']:.2f} of the rate of {row['limit']}, {row['then']:.2f} before"
        + ("" if row["passed"] else f": MORE THAN {FACTOR} TIMES WORSE")
        for row in rows
    ]
