"""What `suite` and `sweep` share: options about how their runs are computed, and tables of runs."""

import re
import sys
from collections import Counter
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from vgbench.cli.common import note, print_json, print_table
from vgbench.errors import UsageError
from vgbench.text import duration, plural, rate_text, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vgbench.config.request import RunRequest
    from vgbench.experiments.campaign import Campaign
    from vgbench.experiments.cells import CellOutcome, CellRequest, RunCell
    from vgbench.experiments.executors.base import Resources

T = TypeVar("T")


@dataclass(frozen=True)
class Execution:
    """How a suite or sweep is computed: each field is an option of both commands."""

    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="SEEDS", help="Seeds: 0, or 0,2, or 0-4; 5x: five seeds from 0 (default: those of NAME, or 0)."
        ),
    ] = None
    num_seeds: Annotated[int | None, typer.Option(metavar="N", help="Number of seeds, from 0.")] = None
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the runs (default: runs/NAME-SCALE).")] = (
        None
    )
    executor: Annotated[
        str, typer.Option(metavar="local|ray|slurm", help="Where to run: this machine, a Ray cluster or Slurm jobs.")
    ] = "local"
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only part I of N of the runs (I from 1), for job arrays.")
    ] = None
    devices: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Devices of this machine, one run at a time on each, such as cuda:0,cuda:1."),
    ] = None
    workers: Annotated[int | None, typer.Option(metavar="N", help="Runs in parallel (default: one per core).")] = None
    threads: Annotated[int, typer.Option(metavar="N", help="Threads per run; 0: the cores divided by --workers.")] = 1
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Existing Ray cluster: auto, HOST:PORT or ray://HOST:PORT (default: start a local one).",
        ),
    ] = None
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed/--keep-failed", help="Run failed runs again, or leave them.")
    ] = True
    again: Annotated[
        bool | None,
        typer.Option("--again/--keep", help="Repeat complete runs whose plugins have changed, or keep them."),
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the runs and their state without running them.")] = (
        False
    )
    estimate: Annotated[bool, typer.Option("--estimate", help="With --dry-run: also FLOPs and time of each run.")] = (
        False
    )

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> "tuple[Execution, Resources]":
        """Take these options out of all of a command, and check them before anything else is done.

        Raises:
            UsageError: this machine, or the executor, does not allow what was asked for.
        """
        made = cls(**{field.name: options.pop(field.name) for field in fields(cls)})
        if made.estimate and not made.dry_run:
            raise UsageError("--estimate needs --dry-run")
        return made, made._resources()

    def _resources(self) -> "Resources":
        from vgbench.experiments import executors
        from vgbench.experiments.executors.base import Resources
        from vgbench.hardware import cores
        from vgbench.plugin.loggers import requested
        from vgbench.plugin.registry import Registry

        chosen, workers, threads = executors.find(self.executor), self.workers, self.threads
        if workers is not None and not 1 <= workers <= 4096:
            raise UsageError(f"--workers {workers}: expected a whole number from 1 to 4096")
        here = self.address is None  # a cluster's machines have cores of their own
        most = cores() if here else 4096
        if not 0 <= threads <= most:
            have = f" (this process may use {most} core{'' if most == 1 else 's'})" if here else ""
            raise UsageError(f"--threads {threads}: expected a whole number from 1 to {most}{have}, or 0: automatic")
        if threads == 0:
            threads = max(1, cores() // workers) if workers and here else 1
        resources = Resources(workers, threads, self.address, devices=self._devices())
        requested(Registry())  # every run would fail over a wrong name
        chosen.check(resources)
        return resources

    def _devices(self) -> tuple[str, ...]:
        """Devices of --devices, which --workers would contradict."""
        if self.devices is None:
            return ()
        found = tuple(part.strip() for part in self.devices.split(",") if part.strip())
        known = r"cpu|cuda(:[0-9]{1,3})?"
        if not found or not all(re.fullmatch(known, name) for name in found):
            raise UsageError(f"--devices {self.devices}: expected a list such as cuda:0,cuda:1")
        if len({name.partition(":")[0] for name in found}) > 1:
            raise UsageError(f"--devices {self.devices}: expected devices of one kind")
        if self.workers is not None:
            raise UsageError(
                "--devices contradicts --workers (one run at a time on each device); leave out one of them"
            )
        from vgbench.config.compute import named_device

        return tuple(named_device(name, f"--devices {self.devices}") for name in found)

    def part_of(self, runs: list[T]) -> list[T]:
        """Keep the runs of --shard: every N-th one from the I-th on, so that parts have runs of all kinds.

        Raises:
            UsageError: it is of another form, or out of range.
        """
        if self.shard is None:
            return runs
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", self.shard.strip())
        if not match:
            raise UsageError(f"--shard {self.shard}: expected I/N, as in 3/20")
        number, parts = int(match[1]), int(match[2])
        if not 1 <= number <= parts:
            raise UsageError(f"--shard {self.shard}: expected 1/{max(parts, 1)} to {max(parts, 1)}/{max(parts, 1)}")
        kept = runs[number - 1 :: parts]
        if not kept:
            raise UsageError(f"--shard {self.shard}: part {number} is empty: there are only {len(runs)} runs")
        return kept

    def campaign(self, kind: str, name: str, requests: "list[CellRequest]", base: "RunRequest") -> "Campaign":
        """Resolve all runs, of which `base` has what they share, and look at the folder that they have or will get."""
        from vgbench.experiments.campaign import Campaign
        from vgbench.experiments.cells import resolve_cells

        root = self.out or default_folder(name, base)
        if self.devices is not None:
            device = self._devices()[0]
            requests = [replace(one, request=one.request.replaced(device=device)) for one in requests]
        self.part_of(requests)  # whether there is such a part, before all are resolved
        cells = resolve_cells(requests, root)
        return Campaign(kind, name, cells[0].spec.scale, root, self.part_of(cells), cells)

    def compute(
        self, campaign: "Campaign", resources: "Resources", plugin_timeout: int | None = None
    ) -> "list[CellOutcome]":
        """Compute what is not complete, after a look at the machine; say which device it is on, if nobody named one."""
        from vgbench.cli.live import Live
        from vgbench.model.precision import check_compiler
        from vgbench.plugin.guard import time_limit

        spec = campaign.cells[0].spec
        # Before any run is started: all of them would fail alike.
        check_compiler(spec)
        if spec.selections["device"].source == "found":
            from vgbench.hardware import about

            note(about(spec.device))
        # Only now: the device is that of the resolved runs.
        resources = replace(resources, gpu=spec.device_kind != "cpu")
        argv, live = ["vgbench", *sys.argv[1:]], Live(resources.threads)
        with time_limit(plugin_timeout):
            return campaign.run(self.executor, resources, argv, live.say, self.retry_failed, self.again, live)


def default_folder(name: str, request: "RunRequest") -> Path:
    """Name the folder of a suite or sweep: what is not as by default (a variant, a precision) is part of its name."""
    from vgbench.config.catalogue_files import load_catalogue
    from vgbench.text import same

    asked = request.options
    parts = [name, asked.get("scale", "quick")]
    default = load_catalogue().variant(None)
    variant, precision = same(asked.get("variant", "")), asked.get("precision", "float32")
    parts += [variant] if variant and (default is None or variant != default.name) else []
    parts += [precision] if precision != "float32" else []
    return Path("runs") / "-".join([*parts, *(["compile"] if asked.get("compile") else [])])


_TIMES = ("seconds_low", "seconds_high", "seconds")


def estimates(cells: "Sequence[RunCell]", threads: int = 1) -> list[dict[str, Any]]:
    """Estimate what each run costs: once for runs that differ in their seeds alone, with one look at the machine."""
    from vgbench.experiments.cost import estimate, speed_of

    speed, known = None, dict[tuple[Any, ...], dict[str, Any]]()
    for cell in cells:
        speed = speed or speed_of(cell.spec, threads)
        if _method(cell) not in known:
            known[_method(cell)] = estimate(cell.spec, speed)
    return [known[_method(cell)] for cell in cells]


def _method(cell: "RunCell") -> tuple[Any, ...]:
    return tuple((name, str(value)) for name, value in cell.labels.items() if name != "seed")


def print_plan(campaign: "Campaign", format: str, estimated: bool = False) -> None:
    """Print the runs with the state of their folders, and what each would cost if that is asked for."""
    from vgbench.experiments.cells import changed_sources

    rows = [
        {**cell.labels, "state": cell.state, "key": cell.spec.key(), "folder": str(cell.folder)}
        | {"stale": cell.stale["folder"] if cell.stale else None, "changed_sources": list(map(str, cell.changes))}
        for cell in campaign.cells
    ]
    costs = estimates(campaign.cells) if estimated else []
    for row, cost in zip(rows, costs, strict=False):
        names = ("flops", "seconds", "seconds_low", "seconds_high", "memory_bytes", "flops_per_second")
        row |= {name: cost[name] for name in names}
    if format == "json":
        print_json({campaign.kind: campaign.name, "scale": campaign.scale, "dir": str(campaign.root), "runs": rows})
        return
    figures = [[f"{cost['flops']:.2g}", span(cost["seconds_low"], cost["seconds_high"])] for cost in costs] or [
        [] for _ in rows
    ]
    about = [(cell.name, cell.state, cell.spec.key(), str(cell.folder)) for cell in campaign.cells]
    print_table(
        ["RUN", "STATE", "KEY", *(["FLOPS", "TIME"] if estimated else []), "FOLDER"],
        [
            [row_name, state, key, *cost, folder]
            for (row_name, state, key, folder), cost in zip(about, figures, strict=True)
        ],
    )
    for cell in campaign.cells:
        if cell.stale:
            note(f"{cell.name}: {cell.stale['folder']} holds a run with other values (stale); it is kept")
    for line in changed_sources(campaign.cells):
        note(f"runs made before a change of {line}: --again repeats them, --keep keeps complete ones")
    states = Counter(cell.state for cell in campaign.cells)
    if estimated:
        low, high, worst = (sum(float(cost[name]) for cost in costs) for name in _TIMES)
        print(f"{span(low, high)} in total, one run at a time ({duration(worst)} if no task is solved)")
    print(f"{plural(len(campaign.cells), 'run')}: {', '.join(f'{count} {state}' for state, count in states.items())}")


def print_outcomes(outcomes: "list[CellOutcome]") -> None:
    """Print a table of runs: what became of them, success with its interval, time, or why there is none."""
    print_table(["RUN", "STATUS", "SUCCESS", "TIME", "WHY"], [_row(outcome) for outcome in outcomes])


def _row(outcome: "CellOutcome") -> list[str]:
    result = outcome.result
    figures = [rate_text(result), duration(result["seconds"])] if result else ["", ""]
    return [outcome.cell.name, outcome.status, *figures, outcome.reason]
