"""What can only be known on a GPU, in one go of at most eight minutes: to be run whenever there is one.

    python -m benchmarks.gpu --out gpu
    python -m benchmarks.gpu --out gpu --device cpu --scale smoke

In turn: the tests marked `gpu`, plans of a paper-scale solve, one epoch of training, and one whole cell of the paper's
table (wall_big, vf_quasi, variant literal). FOLDER/gpu.json has the record, written after each of them; a cell that is
not done in time is stopped so that the same command goes on with it. On a CPU the tests are collected only.

Exit status: 1 if one of them failed, 2 for a wrong option; being out of time is no failure, and is recorded.
"""

import argparse
import contextlib
import json
import shutil
import signal
import statistics
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import machine
from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.data.dataset import Dataset
from vgbench.errors import UsageError, VgbenchError
from vgbench.experiments.build import build_environment, build_model, build_planner, build_terms, load_data
from vgbench.planning.controller import Controller
from vgbench.plugin.loggers import Loggers
from vgbench.spec import RunSpec
from vgbench.storage.files import write_json
from vgbench.storage.interrupt import Stop
from vgbench.storage.run_folder import RunFolder
from vgbench.text import choice
from vgbench.training.stage import Stage
from vgbench.training.trainer import Trainer

FORMAT = 1
ROOT = Path(__file__).resolve().parents[1]
CELL = {"protocol": "wall_big", "recipe": "vf_quasi", "variant": "literal"}
SHARES = {"tests": 0.3, "solve": 0.1, "epoch": 0.25, "cell": 1.0}
"""Of the time that is left when it begins, how much each may take."""
EPOCHS = {"smoke": 0.04}
"""By scale, where one whole epoch would be more than shows that it runs."""
SAVING = 20.0  # seconds that a stopped run has to save

Record = dict[str, Any]


class Until(Stop):
    """Asks for a stop once its time has come."""

    def __init__(self, ends: float) -> None:
        self._ends = ends

    @property
    def requested(self) -> bool:
        """Whether it has."""
        return time.monotonic() > self._ends


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the options of the command line.

    Raises:
        UsageError: a value that cannot be.
    """
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__, formatter_class=formatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for the record and the cell's run")
    parser.add_argument("--device", default="cuda", help="cuda (default), cuda:N or cpu")
    parser.add_argument("--scale", default="paper", help="paper (default), quick or smoke")
    parser.add_argument("--seconds", type=float, default=480.0, help="for all of it (480)")
    options = parser.parse_args(arguments)
    options.scale = choice(options.scale, ("paper", "quick", "smoke"), "--scale")
    if not 0 < options.seconds < 1e6:
        raise UsageError(f"--seconds {options.seconds:g}: expected a number above 0")
    resolve(RunRequest(**CELL, scale=options.scale, device=options.device))
    return options


def measure(options: argparse.Namespace) -> Record:
    """Do all of it in turn; what fails is recorded, and the others are done."""
    options.out.mkdir(parents=True, exist_ok=True)
    spec = resolve(RunRequest(**CELL, scale=options.scale, device=options.device))
    began, path = time.monotonic(), options.out / "gpu.json"
    ends = began + options.seconds
    record: Record = {
        "format": FORMAT,
        "device": options.device,
        "scale": options.scale,
        "seconds_at_most": options.seconds,
    }
    record |= {"machine": machine() | _gpu(spec), "parts": {}}
    parts: dict[str, Callable[[float], Record]] = {
        "tests": lambda until: tests(spec, options.out, until),
        "solve": lambda until: solve(spec, until),
        "epoch": lambda until: epoch(spec, options.out, until),
        "cell": lambda until: cell(options, until),
    }
    for name, part in parts.items():
        start = time.monotonic()
        try:
            found = part(start + SHARES[name] * max(0.0, ends - start))
        except Exception as err:
            found = {"error": f"{type(err).__name__}: {err}"}
        record["parts"][name] = found | {"seconds": round(time.monotonic() - start, 2)}
        record["seconds"] = round(time.monotonic() - began, 2)
        write_json(path, record)
        print(f"{name}: {json.dumps(record['parts'][name])}", file=sys.stderr, flush=True)
    return record


def _gpu(spec: RunSpec) -> Record:
    if spec.device_kind != "cuda":
        return {"gpu": None}
    about = torch.cuda.get_device_properties(spec.device)
    return {"gpu": about.name, "gpu_memory_mib": about.total_memory >> 20, "cuda": torch.version.cuda}


def tests(spec: RunSpec, out: Path, until: float) -> Record:
    """The tests marked `gpu`, in a process of their own; on a CPU they are only collected."""
    report = (out / "tests.xml").resolve()
    # Collecting those of the other files would take most of a minute.
    files = [str(p) for p in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in p.read_text(encoding="utf-8")]
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-m", "gpu", "-p", "no:cacheprovider", *files]
    if spec.device_kind != "cuda":
        done = subprocess.run([*command, "--collect-only"], cwd=ROOT, capture_output=True, text=True, timeout=600)
        found = [line for line in done.stdout.splitlines() if "::" in line]
        return {"collected": len(found)} | ({} if found else {"error": (done.stdout + done.stderr)[-2000:]})
    command += [f"--junitxml={report}"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=max(1.0, until - time.monotonic())
        )
    except subprocess.TimeoutExpired as err:
        return {"out_of_time": True, "output": str(err.stdout or "")[-2000:]}
    suite = next(ET.parse(report).getroot().iter("testsuite"))
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    return counts if done.returncode == 0 else counts | {"error": done.stdout[-4000:]}


def _wait(spec: RunSpec) -> None:
    """Wait until the device has done what it was given."""
    if spec.device_kind == "cuda":
        torch.cuda.synchronize(spec.device)


def _peak(spec: RunSpec) -> Record:
    """Most memory that tensors had on the device since this was asked."""
    if spec.device_kind != "cuda":
        return {}
    most = torch.cuda.max_memory_allocated(spec.device)
    torch.cuda.reset_peak_memory_stats(spec.device)
    return {"peak_mib": round(most / 2**20, 1)}


def solve(spec: RunSpec, until: float) -> Record:
    """Plans with a fresh model of the run's sizes: for one task, and for as many as a block has."""
    environment = build_environment(spec.environment)
    model = build_model(spec, environment).to(spec.device).eval().requires_grad_(False)
    dim, found = spec.settings["model"].latent_dim, {}
    _peak(spec)
    for name in ("one task", "a block of tasks"):
        actions, mpc = environment.spec.actions, spec.settings["mpc"]
        controller = Controller(build_planner(spec.planner), model, actions, mpc, 0, device=spec.device)
        count = 1 if name == "one task" else controller.block
        latent, goal = torch.randn(2, count, dim, device=spec.device, generator=_generator(spec))
        tasks = {"id": torch.arange(count, device=spec.device), "latent": latent, "goal": model.head(goal)}
        taken: list[float] = []
        while len(taken) < 12 and (len(taken) < 2 or time.monotonic() < until):
            _wait(spec)
            began = time.perf_counter()
            controller.plan(tasks, {}, 0, 0)
            _wait(spec)
            taken.append(time.perf_counter() - began)
        timed = sorted(taken[1:])  # without the first, which allocates
        found[name] = {
            "tasks": count,
            "candidates": controller.planner.candidates,
            "horizon": controller.planner.horizon,
            "plans": len(timed),
            "median_seconds": round(statistics.median(timed), 6),
            "fastest_seconds": round(timed[0], 6),
            "predictions_per_second": round(controller.evaluations / len(taken) / statistics.median(timed)),
        }
        found[name] |= _peak(spec)
    return found


def _generator(spec: RunSpec) -> torch.Generator:
    return torch.Generator(device=spec.device).manual_seed(0)


def epoch(spec: RunSpec, out: Path, until: float) -> Record:
    """One pass over all windows, of the stage that trains the encoder; and the collection of the data, if it is due."""
    epochs = EPOCHS.get(spec.scale, 1)
    sets = (f"train.epochs={epochs}", "train.steps=0")
    spec = resolve(RunRequest(**CELL, scale=spec.scale, device=spec.device, set=sets))
    environment, began = build_environment(spec.environment), time.monotonic()
    trajectories, _ = load_data(spec, environment)
    collected = time.monotonic() - began
    device = torch.device(spec.device)
    data = Dataset(environment, trajectories, device, spec.settings["model"].action_scale)
    model = build_model(spec, environment)
    model.set_statistics(data.statistics())
    model.to(device)
    terms = build_terms(spec, spec.objectives, model, environment.spec.actions.dim)
    # An earlier call's: going on with it, its steps would count as taken in this one's time.
    shutil.rmtree(out / "epoch", ignore_errors=True)
    (out / "epoch" / "checkpoints").mkdir(parents=True)
    stage = Stage("encoder", terms, spec.settings["train"], spec.seed)
    trainer = Trainer(stage, model, data, RunFolder(out / "epoch"), Loggers(), Until(until))
    _peak(spec)
    _wait(spec)
    began = time.monotonic()
    # Collecting cannot be stopped, and a stage takes a step before it looks at the time.
    if began < until:
        with contextlib.suppress(KeyboardInterrupt):
            trainer.run()
    _wait(spec)
    seconds, settings = max(time.monotonic() - began, 1e-9), spec.settings["train"]
    return {
        "data_seconds": round(collected, 2),
        "epochs": epochs,
        "steps": trainer.step,
        "of": trainer.total,
        "out_of_time": trainer.step < trainer.total,
        "training_seconds": round(seconds, 2),
        "steps_per_second": round(trainer.step / seconds, 3),
        "frames_per_second": round(trainer.step * settings.batch * settings.window / seconds, 1),
        "last": RunFolder(out / "epoch").lines("train.jsonl")[-1:],
    } | _peak(spec)


def cell(options: argparse.Namespace, until: float) -> Record:
    """A whole run, by the command that a user gives; stopped, saved and told how far it came when the time is up."""
    folder = (options.out / "cell").resolve()
    named = [part for name, value in CELL.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-m", "vgbench", "run", *named, "--scale", options.scale, "--device", options.device]
    with (options.out / "cell.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*command, "--out", str(folder), "--format", "json"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log
        )
        ended = _ended(process, until - SAVING)
        if ended is None:
            process.send_signal(signal.SIGTERM)
            if _ended(process, until) is None:
                process.kill()
                process.wait()
    found: Record = {"command": ["vgbench", *command[3:]], "exit": process.returncode, "out_of_time": ended is None}
    if (folder / "result.json").exists():
        kept = ("success_rate", "n", "successes", "baselines", "stages", "seconds", "cpu_seconds", "planned_at_a_time")
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        return found | {"result": {name: result[name] for name in kept}}
    run = RunFolder(folder)
    if (folder / "run.json").exists():
        found["stages"] = run.attach()["stages"]
    trained, played = run.lines("train.jsonl")[-1:], len(run.lines("episodes.jsonl"))
    found |= {"trained": trained, "played": played}
    if not found["out_of_time"]:
        found["error"] = (options.out / "cell.log").read_text(encoding="utf-8")[-4000:]
    return found


def _ended(process: "subprocess.Popen[bytes]", until: float) -> int | None:
    """Exit status, or None if it still runs at that time."""
    try:
        return process.wait(max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None


def main() -> int:
    """Run the command line and return its exit status."""
    try:
        record = measure(parse())
    except UsageError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    except VgbenchError as err:
        print(f"error: {err}", file=sys.stderr)
        return 1
    return int(any("error" in part for part in record["parts"].values()))


if __name__ == "__main__":
    sys.exit(main())
