"""How long a run will take here: a range, from records of the same stages, this machine's speed and its load."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from vgbench.experiments import recorded
from vgbench.experiments.recorded import Recorded
from vgbench.spec import RunSpec

EFFICIENCY = 0.7
"""Of the matrix products' rate, that a stage without any record is taken to reach."""
_THREADS = 0.7
"""Exponent of the speed-up by threads: networks this small gain less than a thread's worth by each."""
_LOW, _HIGH = 0.85, 1.2
"""Factors of what the records say: machines differ, and so do two runs on one of them."""
_START = (3.0, 8.0)
"""Seconds until a run begins: imports, and the checks of its parts."""


@dataclass(frozen=True)
class Speed:
    """Matrix products on this machine.

    Attributes:
        rate: floating-point operations per second, under the present load.
        per_thread: operations per second of CPU time, so that of one thread on an idle machine.
        threads: that are used.
    """

    rate: float
    per_thread: float
    threads: int = 1

    @property
    def load(self) -> float:
        """How much longer products take because of what else runs: 1 on an idle machine."""
        return max(1.0, self.per_thread * self.threads / self.rate)


@dataclass(frozen=True)
class TimeRange:
    """Seconds that a run takes: `low` on an idle machine, `high` under the present load, `worst` with no task solved.

    Attributes:
        training: those of training, low and high; runs that share a trained model spend them once.
        by_stage: seconds of each stage under the present load, with no task solved.
        recorded: whether a record of the same recipe and protocol informed it.
    """

    low: float
    high: float
    worst: float
    training: tuple[float, float]
    by_stage: Mapping[str, float]
    recorded: bool


def measured(device: torch.device, size: int = 1024, dtype: torch.dtype = torch.float32) -> Speed:
    """Measure matrix products for a moment."""
    a = torch.randn(size, size, device=device).to(dtype)
    # Not measured: the first products load and choose kernels.
    for _ in range(3):
        a @ a
    began, cpu, count = time.perf_counter(), time.process_time(), 0
    # One at least: on a crowded machine the time may pass before the first.
    while not count or time.perf_counter() - began < 0.2:
        a @ a
        count += 1
        if device.type == "cuda":
            # Without this, only how fast products can be queued would be measured.
            torch.cuda.synchronize()
    flops, wall = 2.0 * size**3 * count, time.perf_counter() - began
    if device.type == "cuda":
        return Speed(flops / wall, flops / wall)
    # `process_time` counts all threads, so this is the work of one thread.
    return Speed(flops / wall, flops / max(time.process_time() - cpu, 1e-3), torch.get_num_threads())


def time_range(spec: RunSpec, flops: Mapping[str, float], speed: Speed) -> TimeRange:
    """Estimate the seconds of a run.

    Args:
        spec: the run.
        flops: floating-point operations by stage, those of `planning` with no task solved before its end.
        speed: of this machine.
    """
    base, rows = recorded.content()
    same = recorded.row(spec.variant, spec.protocol, spec.recipe, spec.scale) or next(
        (r for r in rows if (r.protocol, r.recipe) == (spec.protocol, spec.recipe) and r.flops), None
    )
    near = [same] if same else _near(spec, rows)
    idle = speed.per_thread * (speed.threads**_THREADS)
    seconds = {name: n / (idle * _reached(name, same, rows, base)) for name, n in flops.items()}
    planning = seconds.get("planning", 0.0)
    training = sum(seconds.values()) - planning
    shares = [r.planning_share for r in near if r.planning_share is not None]
    # Tasks of another run are solved sooner or later than those of the record.
    least, most = (0.8 * min(shares), min(1.0, 1.25 * max(shares))) if shares else (0.1, 1.0)
    overhead, load = max(map(_other, near), default=0.0) * base / idle, speed.load
    if spec.device_kind != "cpu":
        overhead, load = 0.0, 1.0
    low = _LOW * (training + least * planning) + _START[0]
    rest = overhead + _START[1]
    high, worst = _HIGH * (training + most * planning) + rest, _HIGH * (training + planning) + rest
    shared = (_LOW * training, _HIGH * training * load)
    by_stage = {name: value * load for name, value in seconds.items()}
    return TimeRange(low, high * load, worst * load, shared, by_stage, same is not None)


def _near(spec: RunSpec, rows: tuple[Recorded, ...]) -> list[Recorded]:
    """Return the rows that are most like a run without a record of its own."""
    here = [r for r in rows if r.protocol == spec.protocol]
    return [r for r in here if r.variant == spec.variant] or here or list(rows)


def _reached(stage: str, same: Recorded | None, rows: tuple[Recorded, ...], base: float) -> float:
    """Return the share of the matrix products' rate to expect of a stage: that of the records."""
    own = efficiency(same, stage, base) if same else None
    # Another recipe's stage of the same name does the same kind of work.
    known = [found for r in rows if (found := efficiency(r, stage, base)) is not None]
    return own or (statistics.median(known) if known else EFFICIENCY)


def efficiency(row: Recorded, stage: str, base: float) -> float | None:
    """Return the share of the matrix products' rate that a stage of a record reached; None where it is not known."""
    if stage == "planning":
        seconds, share = row.cpu_seconds.get("episodes", 0.0), row.planning_share or 0.0
    else:
        seconds, share = row.cpu_seconds.get(stage, 0.0), 1.0
    flops = row.flops.get(stage, 0.0) * share
    return flops / (seconds * base) if seconds > 0.5 and flops else None


def _other(row: Recorded) -> float:
    """CPU-seconds of what has no operations to count: collecting, and the baselines."""
    return sum(seconds for name, seconds in row.cpu_seconds.items() if name == "collect" or name.startswith("baseline"))
