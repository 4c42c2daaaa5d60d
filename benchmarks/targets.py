"""What the records reach of the targets that were set before anything was measured."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.evaluation import MARGIN
from benchmarks.peers import PYTORCH_MPPI, STOPPING

Record = dict[str, Any]

PEER = PYTORCH_MPPI.name


@dataclass(frozen=True)
class Target:
    """A measure, what it should reach, and the worst value of it among the cases measured.

    Attributes:
        least: whether the target is a least or a most.
        unit: what follows a figure: `%`, `x`, `s`, `MiB`, or nothing.
    """

    measure: str
    target: float
    reached: float
    unit: str
    least: bool = True

    @property
    def met(self) -> bool:
        """Whether the worst case reaches it."""
        return self.reached >= self.target if self.least else self.reached <= self.target

    def cells(self) -> list[str]:
        """Write it as a row of a table."""
        sign = "≥" if self.least else "≤"
        return [
            self.measure,
            f"{sign} {_written(self.target, self.unit)}",
            _written(self.reached, self.unit),
            "yes" if self.met else "**no**",
        ]


def _written(value: float, unit: str) -> str:
    digits = {"%": 0, "MiB": 0}.get(unit, 2)
    return f"{100 * value if unit == '%' else value:.{digits}f} {unit}".rstrip()


def targets(folder: Path) -> list[Target]:
    """Return all of them, from the records in a folder."""
    return [*_solve(folder), *_evaluation(folder), *_rest(folder)]


def _cases(path: Path, name: str) -> list[Record]:
    record = json.loads(path.read_text(encoding="utf-8"))
    return [case for b in record["benchmarks"] if b["name"] == name for case in b["cases"]]


def _ratio(case: Record, side: str) -> float:
    """Median of time over ours: times as fast as a peer, or the share of a limit's rate."""
    return next(float(s["ratio"]["median"]) for s in case["sides"] if s["name"] == side)


def _seconds(case: Record) -> float:
    return next(float(s["seconds"]["median"]) for s in case["sides"] if s["kind"] == "ours")


def _solve(folder: Path) -> Iterator[Target]:
    cases = _cases(folder / "solve.json", "solve")
    euclid, iqe = ([c for c in cases if c["parameters"]["distance"] == name] for name in ("euclidean", "iqe"))
    fastest = min(s["ratio"]["median"] for c in euclid for s in c["sides"] if s["kind"] == "peer")
    yield Target(
        "solve, Euclid: rate of the bare products", 0.85, min(_ratio(c, "matrix products") for c in euclid), "%"
    )
    yield Target("solve, Euclid: against the fastest peer", 1.0, fastest, "x")
    yield Target("solve, Euclid: against pytorch-mppi", 1.1, min(_ratio(c, PEER) for c in euclid), "x")
    yield Target("solve, IQE: against pytorch-mppi with an IQE that sorts", 3.0, min(_ratio(c, PEER) for c in iqe), "x")
    added = max(_seconds(b) / _seconds(a) for a, b in zip(euclid, iqe, strict=True))
    yield Target("solve: time with IQE over that with Euclid", 1.25, added, "x", least=False)


def _evaluation(folder: Path) -> Iterator[Target]:
    cases = [c for path in sorted(folder.glob("evaluation-*.json")) for c in _cases(path, "evaluation")]
    for words, quasi, whole, stopping in (("Euclid", False, 2.0, 1.0), ("IQE", True, 4.0, 2.5)):
        own = [c for c in cases if ("quasi" in c["parameters"]["recipe"]) is quasi]
        if own:
            name = f"whole evaluation, {words}: against one controller per task"
            yield Target(f"{name}, to the last step", whole, min(_ratio(c, PEER) for c in own), "x")
            yield Target(f"{name}, until success", stopping, min(_ratio(c, STOPPING) for c in own), "x")
    equal = [c for path in sorted(folder.glob("equal-*.json")) for c in _cases(path, "equal")]
    if equal:
        worst = min(_ratio(c, STOPPING) for c in equal)
        yield Target("whole evaluation at equal success, both sides with settings searched", 5.0, worst, "x")
        least = min(c["facts"][f"ours minus {STOPPING}"]["ci95"][0] for c in equal)
        yield Target("the same: success of ours minus theirs, lower end of its interval", -MARGIN, least, "")


def _rest(folder: Path) -> Iterator[Target]:
    steps = {c["parameters"].get("recipe"): c for c in _cases(folder / "training.json", "training")}
    for recipe, words, least in (("vf", "Euclid", 0.85), ("vf_quasi", "IQE", 0.65)):
        share = _ratio(steps[recipe], "bare encoder")
        yield Target(f"training step, {words}: rate of the bare encoder", least, share, "%")
    for case in _cases(folder / "recording.json", "recording"):
        if "recipe" in case["parameters"]:
            measure = f"{case['case']}: rate from a 10 GB file, of that from memory"
            # By CPU seconds, too: there reading ahead on another core hides nothing.
            share = min(_ratio(case, "in memory"), float(case["facts"]["share_by_cpu_seconds"]))
            yield Target(measure, 0.8, share, "%")
    wall, maze = _cases(folder / "iqe-collect.json", "collect")
    yield Target("collect, wall, 1000 x 64", 3.0, _seconds(wall), "s", least=False)
    yield Target(
        "collect, maze: `mj_step`s per second, against Gymnasium-Robotics", 3.0, _ratio(maze, "gymnasium-robotics"), "x"
    )
    start = {c["case"]: c["facts"] for c in _cases(folder / "startup.json", "startup")}
    above = start["vgbench list"]["cpu_seconds_above_python"]
    yield Target("`vgbench list`: CPU above that of bare Python", 0.4, above, "s", least=False)
    for name, stages in start["peak memory"]["peak_mib"].items():
        most = 2048.0 if name.endswith("run") else 4096.0
        yield Target(f"peak memory, {name}", most, max(stages.values()), "MiB", least=False)
