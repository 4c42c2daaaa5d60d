"""`vgbench compare`: compare methods task by task."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vgbench.cli.common import (
    Debug,
    Format,
    check_picture,
    examples,
    handled,
    note,
    note_skipped,
    print_json,
    print_table,
)
from vgbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vgbench.reports.pairs import Row

EPILOG = examples(
    "vgbench compare runs/mine-s0 runs/theirs-s0",
    "vgbench compare 'runs/mine-*' 'runs/theirs-*' --plot compare.png",
    "vgbench compare vf vf_quasi pred_vcreg --in runs/paper_table_2-quick --tasks",
)


@handled
def compare(
    what: Annotated[
        list[str],
        typer.Argument(metavar="A B [C]...", help="Run folders, folders of runs, or globs; with --in, recipes."),
    ],
    inside: Annotated[
        Path | None,
        typer.Option("--in", metavar="DIR", help="Folder of runs, such as a suite's; A and B are recipes in it."),
    ] = None,
    tasks: Annotated[bool, typer.Option("--tasks", help="List the tasks that only one of the two solves.")] = False,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the success rates (PNG, PDF or SVG).")] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Compare methods: for each protocol, the difference in success with its interval and a corrected test.

    An argument that names runs of several seeds stands for all of them. Methods evaluated on the same tasks are
    compared task by task. Otherwise the rates are compared as independent samples, and the output says so.
    """
    if len(what) < 2:
        raise UsageError("expected at least two methods: folders of runs, or recipes with --in DIR")
    if len(set(what)) < len(what):
        raise UsageError("A B: the same method is given twice")
    if plot is not None:
        check_picture("--plot", plot)
    from vgbench.reports import pairs

    groups = pairs.named([pairs.group(one, inside) for one in what])
    rows = pairs.compare(groups)
    left_out = list(dict.fromkeys(line for each in groups for line in each.left_out))
    note_skipped(left_out)
    _say_seeds(rows)
    if plot is not None:
        from vgbench.reports.plots.pairs import plot_rates

        plot_rates(plot, pairs.rates(groups))
        note(f"drawn: {plot}")
    if format == "json":
        comparisons = [row.plain() for row in rows]
        print_json({"rates": pairs.rates(groups), "comparisons": comparisons, "left_out": left_out})
        return
    headers = ["PROTOCOL", "COMPARISON", "SCORE", "RATES", "DIFFERENCE", "P (HOLM)", "ONLY A : B"]
    print_table(headers, [_texts(row) for row in rows])
    _explain(rows)
    said = set()  # scores of one comparison have one reason
    for row in rows:
        if row.reason and (row.protocol, row.a, row.b, row.reason) not in said:
            said.add((row.protocol, row.a, row.b, row.reason))
            where = f"{row.protocol}: " if row.protocol else ""
            kind = (
                "so the rates are compared as independent samples" if row.result else "so there is nothing to compare"
            )
            print(f"{where}{row.a}, {row.b}: {row.reason}, {kind}")
    if tasks:
        for row in rows:
            if row.score == "success" and row.stratum is None and row.paired and row.result:
                # With three methods "only" is of the two alone.
                print(f"{row.protocol}: {row.a}, not {row.b}: {_places(row.only_a)}")
                print(f"{row.protocol}: {row.b}, not {row.a}: {_places(row.only_b)}")


def _say_seeds(rows: "Sequence[Row]") -> None:
    """Name the seeds that a comparison task by task leaves out."""
    for row in rows:
        if row.unmatched and row.score == "success" and row.stratum is None:
            seeds = f"seed{'' if len(row.unmatched) == 1 else 's'} {', '.join(map(str, row.unmatched))}"
            note(f"{row.protocol}: {row.a}, {row.b}: left out: {seeds}, of which only one of the two has a run")


def _explain(rows: "Sequence[Row]") -> None:
    """Say on stderr how to read the table."""
    if not any(row.result for row in rows):
        return
    note(
        "A > B: a test passes at .05, after Holm's correction for all rows: that over seeds, if it is below .05, else "
        "that over tasks, which speaks of these checkpoints alone; A ~ B: too few tasks to tell"
    )
    if any(row.only_a or row.only_b for row in rows):
        note("ONLY A : B: tasks that only A solves, and only B; --tasks lists them")
    if any(row.score == "spl" for row in rows):
        note("spl: success weighted by the length of the way, against the environment's expert")


def _texts(row: "Row") -> list[str]:
    from vgbench.reports.claim_fields import p_text
    from vgbench.reports.fields import NONE, figure, span

    where = f"{row.protocol} ({row.stratum})" if row.stratum else row.protocol
    found = row.result
    if found is None:
        return [where, f"{row.a}, {row.b}", row.score, NONE, NONE, NONE, NONE]
    p = p_text(row.corrected if row.corrected is not None else 1.0)
    p += f"; over seeds {p_text(row.corrected_seeds)}" if row.corrected_seeds is not None else ""
    difference = f"{figure(found.rates[0] - found.rates[1])} {span(found.interval)}"
    alone = f"{len(row.only_a)} : {len(row.only_b)}" if row.only_a or row.only_b else NONE
    return [where, f"{row.a} {row.sign} {row.b}", row.score, ", ".join(map(figure, found.rates)), difference, p, alone]


def _places(places: "tuple[tuple[int, int], ...]") -> str:
    """Tasks by seed: `seed 0: 3, 7; seed 1: 2`."""
    by_seed: dict[int, list[str]] = {}
    for seed, task in places:
        by_seed.setdefault(seed, []).append(str(task))
    return "; ".join(f"seed {seed}: {', '.join(found)}" for seed, found in by_seed.items()) or "none"
