"""What all benchmarks share: two or more sides that do the same work, timed in turn, and held against each other.

A `Case` names its sides. `measure` first runs the case's checks, then every side once to warm up, then all sides in
turn, `repeats` times, beginning each round with another one, so that whatever else the machine does falls on all of
them alike. Ratios are taken round by round; medians and quartiles are what is reported.
"""

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch

import vgbench
from vgbench.storage.provenance import git

FORMAT = 1
"""Of the JSON; raised when a field changes its meaning."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """One way to do the work.

    Attributes:
        run: does it once, from the same beginning every time.
        kind: `ours`; `peer`, somebody else's code; or `limit`, what no code can do without (bare matrix products).
        setting: what has to be said of it for a fair reading.
        work: units of work in one call; None: the case's.
    """

    name: str
    run: Callable[[], Any]
    kind: Literal["ours", "peer", "limit"] = "peer"
    setting: str = ""
    work: float | None = None


@dataclass(frozen=True)
class Check:
    """Whether a side computed what ours did: the largest difference found, and the one that is allowed."""

    side: str
    what: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the difference is a number and small enough."""
        return self.error <= self.tolerance

    def record(self) -> Record:
        """JSON values; a difference that is no number is null."""
        error = self.error if abs(self.error) < float("inf") else None
        return {
            "side": self.side,
            "what": self.what,
            "passed": self.passed,
            "error": error,
            "tolerance": self.tolerance,
        }


@dataclass(frozen=True)
class Case:
    """Sides that do the same work, in one setting.

    Attributes:
        work: units of work in one call of a side, and `unit`, what they are.
        checks: compares what the sides compute; called before anything is timed.
        facts: called after the timing with the sides' records by name; further figures for the record.
        clock: seconds so far.
        most: rounds at most, where each takes minutes.
    """

    name: str
    parameters: Record
    sides: Sequence[Side] = ()
    work: float = 1
    unit: str = "call"
    checks: Callable[[], Iterable[Check]] = field(default=tuple)
    facts: Callable[[dict[str, Record]], Record] = field(default=lambda sides: {})
    absent: Sequence[str] = ()
    clock: Callable[[], float] = time.perf_counter
    most: int = 1000


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        size: `full`, the sizes of the targets; `quick`, less than a minute each; `tiny`, seconds, only shows that a
            benchmark runs.
        run: folder of a trained run, for `evaluation`.
        plots: folder for pictures.
    """

    size: Literal["full", "quick", "tiny"] = "full"
    repeats: int = 7
    run: Any = None
    plots: Any = None

    def pick(self, full: Any, quick: Any, tiny: Any) -> Any:
        """Choose by size."""
        return {"full": full, "quick": quick, "tiny": tiny}[self.size]


def difference(ours: Any, theirs: Any) -> float:
    """Return the largest difference of two tensors relative to the size of the first; infinite if the shapes differ."""
    ours, theirs = (torch.as_tensor(x).detach().double() for x in (ours, theirs))
    if ours.shape != theirs.shape:
        return float("inf")
    error = float((ours - theirs).abs().max() / ours.abs().max().clamp_min(1e-12))
    # NaN is not equal to itself.
    return error if error == error else float("inf")


def summary(values: Sequence[float]) -> Record:
    """Return median and quartiles."""
    # inclusive: quartiles lie among what was measured, however few rounds there are.
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {"median": _digits(median), "q1": _digits(q1), "q3": _digits(q3)}


def _digits(value: float) -> float:
    return float(f"{value:.5g}")


def measure(case: Case, repeats: int) -> Record:
    """Check and time a case; the record says of each side how often it is slower than ours, round by round.

    `ratio` is seconds of the side over seconds of ours for the same amount of work: above 1 ours is faster, and for a
    limit it is the share of the limit's rate that ours reaches.
    """
    checks = [check.record() for check in case.checks()]
    spent: dict[str, list[float]] = {side.name: [] for side in case.sides}
    for side in case.sides:
        side.run()  # warms up
    for index in range(min(repeats, case.most)):
        turn = index % max(len(case.sides), 1)
        for side in [*case.sides[turn:], *case.sides[:turn]]:
            began = case.clock()
            side.run()
            spent[side.name].append((case.clock() - began) / (side.work or case.work))
    ours = next((side.name for side in case.sides if side.kind == "ours"), None)
    failed = {check["side"] for check in checks if not check["passed"]}
    sides = [_timed(side, case, spent, ours, side.name in failed) for side in case.sides]
    return {
        "case": case.name,
        "parameters": case.parameters,
        "work": case.work,
        "unit": case.unit,
        "sides": sides,
        "absent": list(case.absent),
        "checks": checks,
        "facts": case.facts({side["name"]: side for side in sides}),
    }


def _timed(side: Side, case: Case, spent: dict[str, list[float]], ours: str | None, failed: bool) -> Record:
    """Figures of one side; one that computes something else has no ratio."""
    per_unit, work = spent[side.name], side.work or case.work
    rounds = [t / max(o, 1e-12) for t, o in zip(per_unit, spent[ours], strict=True)] if ours else []
    return {
        "name": side.name,
        "kind": side.kind,
        "setting": side.setting,
        "seconds": summary([t * work for t in per_unit]),
        "per_second": summary([1 / max(t, 1e-12) for t in per_unit]),
        "ratio": None if failed or not rounds else summary(rounds),
        "rounds": len(per_unit),
    }


def machine() -> Record:
    """Say where and when it was measured: processor, threads, load, versions and commit."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": [round(x, 2) for x in os.getloadavg()],
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vgbench": vgbench.__version__,
        "git": git(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu() -> str:
    """Name of the processor, where the system tells it."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def cpu_seconds() -> float:
    """Return the CPU time of this process's children that have ended, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
