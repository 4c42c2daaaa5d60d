"""`vgbench audit`: check whether a protocol can tell methods apart."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vgbench.cli.common import (
    Debug,
    Format,
    check_in_folder,
    examples,
    handled,
    note,
    print_json,
    print_table,
    progress,
)
from vgbench.text import interval_text, plural, share_text

EPILOG = examples(
    "vgbench audit turnstile",
    "vgbench audit maze_far --records runs/ranking --out audit.json --plot audit.png",
    "vgbench audit my_rooms --recipes mine.yaml",
)
TUNING_SEED = 1000
"""Seed of data and tasks, so that an audit does not use the tasks that are reported."""


@handled
def audit(
    protocol: Annotated[str, typer.Argument(metavar="PROTOCOL", help="wall_big, maze_far, turnstile, ...")],
    records: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Folder with runs of several recipes on the protocol.")
    ] = None,
    env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment, for a protocol without one (generic).")
    ] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="smoke|quick|paper", help="How much to compute (default: quick).")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Variant (default: that of `vgbench run`).")
    ] = None,
    tasks: Annotated[int | None, typer.Option(help="Number of tasks, from the first (default: all).")] = None,
    data_seed: Annotated[int, typer.Option(help="Seed of the data, and so of the layouts.")] = TUNING_SEED,
    task_seed: Annotated[int, typer.Option(help="Seed of the tasks.")] = TUNING_SEED,
    recipes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML file with your own protocols and recipes.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Set a parameter.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the audit as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it as PNG.")] = None,
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """Check that a protocol is neither luck nor trivial, and that it tells recipes apart.

    Runs the protocol's tasks without a trained model: random actions, the planner with random costs, a straight line,
    the exact model with the straight distance and with the true value, the expert. With --records it also compares
    recipes: which tasks separate them, whether tasks agree, how many tasks a difference needs. Takes minutes.
    """
    from vgbench.analysis.audit import audit as made
    from vgbench.analysis.audit.run import records_of
    from vgbench.analysis.ladder.setup import set_up_protocol, spec_of_protocol
    from vgbench.config.request import RunRequest
    from vgbench.errors import UsageError
    from vgbench.reports.staleness import departures
    from vgbench.storage.files import write_json
    from vgbench.storage.records import RunRecord

    for option, path in (("--out", out), ("--plot", plot)):
        if path is not None:
            check_in_folder(option, path)
    if tasks is not None and tasks < 1:
        raise UsageError(f"--tasks {tasks}: expected at least 1")
    request = RunRequest(
        env=env,
        protocol=protocol,
        scale=scale,
        variant=variant,
        recipes=recipes,
        data_seed=data_seed,
        task_seed=task_seed,
        set=set_ or [],
    )
    spec = spec_of_protocol(request)

    def problem(record: RunRecord) -> str | None:
        """What its values differ in from those that the audit's protocol has."""
        return "; ".join(departures(record, request)) or None

    found, left_out = records_of(records or [], spec, problem)
    for line in left_out:
        note(f"skipped {line}")
    if records and not found:
        raise UsageError(
            f"--records: no finished run of protocol {spec.protocol}, scale {spec.scale}, variant {spec.variant}, data "
            f"seed {data_seed}, task seed {task_seed} in {', '.join(map(str, records))}"
        )
    setup = set_up_protocol(spec, tasks)
    record = made(setup, found, lambda name: progress(f"running: {name}"))
    if out is not None:
        write_json(out, record)
    if plot is not None:
        from vgbench.reports.plots.audit import plot_audit

        plot_audit(plot, record, found)
    if format == "json":
        print_json(record)
        return
    _print(record)


def _print(record: dict[str, Any]) -> None:
    seeds = record["seeds"]
    print(
        f"{record['protocol']}, scale {record['scale']}, variant {record['variant']}: {record['tasks']} tasks, data "
        f"seed {seeds['data']}, task seed {seeds['task']}"
    )
    strata = list(dict.fromkeys(name for row in record["rungs"] for name in row.get("strata", {})))
    headers = ["without training", "success [95 %]", *strata, "SPL", "timely"]
    print_table(headers, [_rung(row, strata) for row in record["rungs"]])
    if record["recipes"]:
        rows = [
            [row["recipe"], str(len(row["seeds"])), _share(row), *(_part(row, name) for name in strata)]
            for row in record["recipes"]
        ]
        print_table(["recipe", "seeds", "success", *strata], rows)
        about = record["items"]
        needed = ", ".join(f"{n} for {d}" for d, n in about["tasks_needed"].items())
        print(f"tasks needed to tell two recipes apart (level .05, power .8), by their difference: {needed}")
    print_table(["rule", "value", "bound", "verdict", "what it asks for"], [_rule(rule) for rule in record["rules"]])
    chance = record["items"] and record["items"]["expected_negative_item_rest"]
    if chance is not None:
        count = plural(record["items"]["recipes"], "recipe")
        print(f"agreement: chance alone gives {chance:.3g} with these {count}; more, or more different ones, tell more")
    print(f"{record['protocol']}: {record['verdict']}")


def _share(row: dict[str, Any]) -> str:
    return share_text(row["success_rate"])


def _part(row: dict[str, Any], stratum: str) -> str:
    part = row.get("strata", {}).get(stratum)
    return _share(part) if part else "-"


def _rung(row: dict[str, Any], strata: list[str]) -> list[str]:
    if "skipped" in row:
        return [row["name"], f"skipped: {row['skipped']}", *("-" for _ in strata), "-", "-"]
    parts = [_part(row, name) for name in strata]
    scores = ["-" if row[name] is None else share_text(row[name]) for name in ("spl", "timely")]
    return [row["name"], f"{_share(row)} {interval_text(row['ci95'])}", *parts, *scores]


def _rule(rule: dict[str, Any]) -> list[str]:
    value = f"needs {rule['needs']}" if rule["value"] is None else f"{rule['value']:.3g}"
    sign = ">=" if rule["least"] else "<="
    return [rule["name"], value, f"{sign} {rule['bound']:g}", rule["verdict"], rule["text"]]
