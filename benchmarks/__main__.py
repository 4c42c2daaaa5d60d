"""Speed beside peers and limits, measured in one run.

    python -m benchmarks --list
    python -m benchmarks solve iqe --format json > speed.json
    python -m benchmarks evaluation --run runs/wall_small-vf_quasi-quick-s0-... --repeats 3
    python -m benchmarks startup --plots results/benchmarks/plots
    python -m benchmarks --quick
    python -m benchmarks solve training --quick --against results/benchmarks/quick.json

Without a name all are run, except `evaluation` and `equal` where there is no --run. Peers come with
`pip install -c constraints.txt -e ".[bench]"`; one that is not installed is reported with the command that installs it.
Threads are those of OMP_NUM_THREADS, or of --threads, for both sides alike, and so is the allocator's setting of a run
(unless the environment chooses another, e.g. MALLOC_ARENA_MAX=1000). Exit status: 1 if a side did not compute what ours
does (its times are then compared with nothing) or if a limit's share is far below that of --against, 2 for a wrong
option.
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from vgbench.errors import UsageError, VgbenchError
from vgbench.hardware import cores
from vgbench.text import choice

NAMES = {
    "solve": "one planning solve at the paper's sizes, Euclid and IQE",
    "predictor": "one step of the predictor, computed in several ways",
    "evaluation": "a whole evaluation, against one controller per task",
    "equal": "a whole evaluation at equal success, both sides with settings searched for",
    "iqe": "IQE in training and planning shapes, against sorting",
    "training": "training steps against the bare encoder; frames drawn",
    "recording": "training from a 10 GB file against the same frames in memory; needs 10 GB of disk",
    "collect": "data collection: wall, and maze against PointMaze",
    "startup": "start-up, peak memory, growth of planning time",
}
OF_A_RUN = ("evaluation", "equal")
"""They plan with a trained run; at the smallest size with a smoke run of their own."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the options of the command line.

    Raises:
        UsageError: a name or a number that cannot be.
    """
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__, formatter_class=formatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks; all of them if none is named")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and the peers, and stop")
    parser.add_argument("--format", default="table", help="table (default) or json")
    parser.add_argument("--repeats", type=int, default=7, help="rounds, in each of which every side runs once (7)")
    parser.add_argument("--quick", action="store_true", help="smaller sizes: less than a minute each")
    parser.add_argument("--tiny", action="store_true", help="smallest sizes: only shows that everything runs")
    parser.add_argument("--threads", type=int, help="of PyTorch, for all sides; 1 to the number of cores")
    parser.add_argument("--run", type=Path, help="folder of a trained run, for `evaluation` and `equal`")
    parser.add_argument("--against", type=Path, help="an older record (JSON) that this one must not fall far behind")
    parser.add_argument("--plots", type=Path, help="folder for the pictures of `startup`")
    options = parser.parse_args(arguments)
    options.names = _names([choice(name, NAMES, "NAME") for name in options.names], options.run or options.tiny)
    options.format = choice(options.format, ("table", "json"), "--format")
    if options.repeats < 1:
        raise UsageError(f"--repeats is {options.repeats}, expected 1 or more")
    if options.threads is not None and not 1 <= options.threads <= cores():
        raise UsageError(f"--threads is {options.threads}, expected 1 to {cores()}, the number of cores")
    if options.run is not None and not options.run.is_dir():
        raise UsageError(f"--run {options.run}: there is no such folder; expected the folder of a trained run")
    if options.against is not None:
        options.against = _record(options.against)
    return options


def _names(named: list[str], able: object) -> list[str]:
    """Those that are named, or all that can be run. `able`: whether there is a run to plan with."""
    without = [name for name in named if name in OF_A_RUN and not able]
    if without:
        raise UsageError(f"benchmark '{without[0]}' plans with a trained run: give its folder by --run")
    if named:
        return named
    if not able:
        print(f"note: without --run, no {' and no '.join(OF_A_RUN)}", file=sys.stderr)
    return [name for name in NAMES if able or name not in OF_A_RUN]


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise UsageError(f"--against {path}: {err}") from err
    if not isinstance(record, dict) or not isinstance(record.get("benchmarks"), list):
        raise UsageError(f"--against {path}: expected a record that `python -m benchmarks --format json` has written")
    return record


def listing() -> dict[str, Any]:
    """List the names, and which peers are installed."""
    from benchmarks.peers import ALL

    benchmarks = [{"name": name, "summary": summary} for name, summary in NAMES.items()]
    return {"benchmarks": benchmarks, "peers": [peer.record() for peer in ALL]}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmarks that were asked for."""
    import torch

    from benchmarks import guard, harness, peers
    from vgbench.hardware import keep_freed_memory

    # The allocator's setting of a run, for all sides alike.
    keep_freed_memory()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    size = "tiny" if options.tiny else "quick" if options.quick else "full"
    asked = harness.Options(size, options.repeats, options.run, options.plots)
    record: dict[str, Any] = {
        "format": harness.FORMAT,
        "machine": harness.machine(),
        "size": size,
        "repeats": options.repeats,
        "peers": [peer.record() for peer in peers.ALL],
        "benchmarks": [],
    }
    for name in options.names:
        print(f"{name} ...", file=sys.stderr)
        module, began = importlib.import_module(f"benchmarks.{name}"), time.perf_counter()
        cases = [harness.measure(case, options.repeats) for case in module.cases(asked)]
        seconds = round(time.perf_counter() - began, 1)
        record["benchmarks"].append({"name": name, "summary": NAMES[name], "seconds": seconds, "cases": cases})
    if options.against is not None:
        record["against"] = guard.compare(record, options.against)
    return record


def main() -> int:
    """Run the command line; return the exit status."""
    try:
        options = parse()
        record = listing() if options.list else measure(options)
    except VgbenchError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2 if isinstance(err, UsageError) else 1
    if options.format == "json":
        # NaN is no JSON: rather an error here than a record that others cannot read.
        print(json.dumps(record, indent=1, allow_nan=False))
    elif options.list:
        for item in record["benchmarks"]:
            print(f"{item['name']:<12} {item['summary']}")
        for peer in record["peers"]:
            print(f"{peer['name']:<20} {peer['version'] or 'absent; ' + peer['install']}")
    else:
        from rich.console import Console

        from benchmarks.table import show

        show(record, Console())
    return status(record)


def status(record: dict[str, Any]) -> int:
    """Return the exit status: 1 if a check failed, or a limit's share fell."""
    cases = [case for benchmark in record["benchmarks"] for case in benchmark.get("cases", ())]
    checks = [*(check for case in cases for check in case["checks"]), *record.get("against", ())]
    return 0 if all(check["passed"] for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
