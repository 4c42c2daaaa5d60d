"""Start-up of the command line, peak memory of each stage, and how planning time grows."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Case, Options, Record, Side, cpu_seconds, summary
from benchmarks.work import Work

ENTRY = "from vgbench.cli import main; main()"


def cases(options: Options) -> Iterator[Case]:
    """CPU of two commands, memory, growth."""
    for arguments in (["list"], ["--help"]):
        yield command(arguments)
    yield memory(options)
    yield growth(options)


def _python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def command(arguments: list[str]) -> Case:
    """CPU time of a command, beside that of a bare interpreter."""
    words = f"vgbench {' '.join(arguments)}"
    sides = [
        Side("vgbench", lambda: _python("-c", ENTRY, *arguments), "ours", words),
        Side("bare python", lambda: _python("-c", "pass"), "limit"),
    ]

    def facts(found: dict[str, Record]) -> Record:
        ours, bare = (found[side.name]["seconds"]["median"] for side in sides)
        return {"cpu_seconds_above_python": round(ours - bare, 4)}

    return Case(words, {"measured": "CPU seconds, user and system"}, sides, facts=facts, clock=cpu_seconds)


def memory(options: Options) -> Case:
    """Peak memory of every stage of a run, and of planning at the paper's scale; each in a process of its own.

    A few steps of training reach its peak, and an episode as long as the horizon that of planning: buffers do not grow
    afterwards.
    """
    scale = options.pick("quick", "quick", "smoke")
    few = ("train.steps=3", "train_predictor.steps=3", "mpc.max_steps=24")
    least = ("data.trajectories=8", "train.steps=2", "train_predictor.steps=2")
    sets = options.pick(few, (*few, "data.trajectories=100"), least)
    samples, horizon, tasks = options.pick((2000, 96, 4), (2000, 4, 4), (16, 2, 2))

    def facts(sides: dict[str, Record]) -> Record:
        with tempfile.TemporaryDirectory() as folder:
            run = ["run", "wall_big", "vf_quasi", scale, str(Path(folder) / "run"), *sets]
            # The last line: the run may print before.
            found = {f"{scale} run": json.loads(_python("-m", "benchmarks.stages", *run).splitlines()[-1])}
        plan = [str(samples), str(horizon), "iqe", str(tasks)]
        name = f"plan {samples} x {horizon}"
        return {"peak_mib": found | {name: json.loads(_python("-m", "benchmarks.stages", "plan", *plan))}}

    return Case("peak memory", {"scale": scale, "set": list(sets), "unit": "MiB, with what is imported"}, facts=facts)


Axis = tuple[str, tuple[int, ...], Callable[[int], Work]]


def growth(options: Options) -> Case:
    """Planning time over the number of tasks, samples, steps, threads and rows of a block, at much the same size."""
    k, h = options.pick((256, 24), (128, 8), (8, 2))
    axes: tuple[Axis, ...] = (
        ("tasks", options.pick((1, 4, 16, 64), (1, 4, 16), (1, 2)), lambda n: Work(k, h, "iqe", n)),
        ("samples", options.pick((64, 256, 1024, 4096), (64, 256, 1024), (4, 8)), lambda n: Work(n, h, "iqe", 4)),
        ("horizon", options.pick((8, 24, 48, 96), (4, 8, 16), (1, 2)), lambda n: Work(k, n, "iqe", 4)),
        ("threads", _threads(), lambda n: Work(k, h, "iqe", 16)),
        # All of them divide 1024 rows: none is padded.
        (
            "block rows",
            options.pick((64, 128, 256, 512, 1024), (64, 256, 1024), (4, 8)),
            lambda n: Work(64, h, "iqe", 16),
        ),
    )

    def facts(sides: dict[str, Record]) -> Record:
        found = {name: [_point(name, n, work(n), options.repeats) for n in values] for name, values, work in axes}
        if options.plots is not None:
            _plot(found, Path(options.plots))
        return {"planning_seconds": found}

    return Case("growth of planning time", {"samples": k, "horizon": h, "distance": "iqe"}, facts=facts)


def _threads() -> tuple[int, ...]:
    """1, 2, 4, ... up to the number in use: more would fight for cores that are not ours."""
    return tuple(2**i for i in range(torch.get_num_threads().bit_length()))


def _point(axis: str, value: int, work: Work, repeats: int) -> Record:
    controller, before = work.controller(), torch.get_num_threads()
    if axis == "block rows":
        controller.settings = controller.settings.model_copy(update={"block_rows": value})
    spent = []
    torch.set_num_threads(value if axis == "threads" else before)
    try:
        for _ in range(repeats + 1):
            began = time.perf_counter()
            for _ in controller.blocks(work.problem, {}, 0, 0, 0):
                pass
            spent.append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(before)
    # Without the first round, which warms up.
    return {"value": value, "seconds": summary(spent[1:]), "evaluations": work.evaluations}


def _plot(found: dict[str, list[Record]], folder: Path) -> None:
    """A panel for each axis, both scales logarithmic; bars are quartiles. The dotted line is proportional growth."""
    from matplotlib.ticker import StrMethodFormatter

    from vgbench.reports.plots import style

    with style.style():
        figure = style.figure(12, 2.6)
        panels = figure.subplots(1, len(found), sharey=True)
        for panel, (name, points) in zip(panels, found.items(), strict=True):
            x, (low, y, high) = [p["value"] for p in points], _quartiles(points)
            slope = {"threads": -1, "block rows": 0}.get(name, 1)
            expected = [y[0] * (value / x[0]) ** slope for value in x]
            panel.plot(x, expected, color=style.INK, linestyle=":", label="proportional growth")
            errors = [[b - a for a, b in zip(low, y, strict=True)], [b - a for a, b in zip(y, high, strict=True)]]
            panel.errorbar(x, y, errors, marker="o", markersize=4, capsize=3, color=style.COLOURS[0], label="measured")
            panel.set(xscale="log", yscale="log", xlabel=name)
            panel.set_xticks(x, [str(value) for value in x])
            panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            panel.minorticks_off()
            style.grid(panel)
        panels[0].set_ylabel("seconds of one plan for all tasks")
        panels[0].legend()
        content = style.svg(figure)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "planning-growth.svg").write_bytes(content)


def _quartiles(points: list[Record]) -> Any:
    return [[p["seconds"][key] for p in points] for key in ("q1", "median", "q3")]
