"""Makes the runs of `vgbench demo` from finished ones: python docs/hooks/demo.py MAZE_RUN WALL_RUN.

Weights are rounded to nine bits (vgbench/storage/rounded.py), and the rounded models are evaluated again on the tasks
of their runs, so that the shipped records are those of the shipped weights. What training left is kept.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.experiments import demo, runner
from vgbench.experiments.trained import last_stage, load_trained
from vgbench.plugin.loggers import Loggers
from vgbench.storage import checkpoints, provenance, rounded
from vgbench.storage.files import write_sealed

SHIPPED = Path(__file__).parents[2] / "vgbench" / "demo_runs"
LARGEST = 6_000_000
"""Bytes that the shipped files may have together."""
PLAYED = ("episodes", "baseline-")


def make(source: Path, name: str) -> None:
    """Write `SHIPPED/name` from the run folder `source`."""
    spec = resolve(RunRequest(config=source / "config.yaml"))
    stage = last_stage(spec)
    folder = Path(name)  # relative, so that no record has the path of this machine
    (folder / "checkpoints").mkdir(parents=True)
    for file in ("config.yaml", "train.jsonl"):
        shutil.copy(source / file, folder / file)
    run, result = (json.loads((source / file).read_text()) for file in ("run.json", "result.json"))
    if run["key"] != spec.key():
        raise SystemExit(f"{source}: this vgbench would make another run (key {spec.key()}, not {run['key']})")
    run.pop("sha256", None)
    run["stages"] = {n: times for n, times in run["stages"].items() if not n.startswith(PLAYED)}
    run["argv"] = ["vgbench", "run", "--config", "config.yaml", "--out", name]
    run["plugins"] = provenance.plugins(spec)
    weights = "the weights were rounded to nine bits each after training, and evaluated so"
    before = f"before that it solved {result['successes']} of {result['n']} tasks"
    run["notes"] = [*run["notes"], f"demo of vgbench: {weights} (docs/hooks/demo.py); {before}"]
    write_sealed(folder / "run.json", run)
    content = checkpoints.read(source / "checkpoints" / f"{stage}.pt")["content"]
    packed = rounded.pack(content["model"])
    short = {"step": content["total"], "total": content["total"], "model": rounded.unpack(packed)}
    checkpoints.save(folder / "checkpoints" / f"{stage}.pt", run["key"], short)
    again = runner.run(spec, folder, run["argv"], Loggers(), trained=load_trained(folder))
    print(f"{name}: {again['successes']} of {again['n']} tasks, {before}")
    target = SHIPPED / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("checkpoints", ".lock", "log.txt"))
    (target / demo.WEIGHTS).write_bytes(packed)
    (target / demo.FORMAT).write_text(json.dumps({"stage": stage, "steps": content["total"]}) + "\n")


def main() -> None:
    """Make all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs=len(demo.NAMES), metavar="RUN", help=f"for {', '.join(demo.NAMES)}")
    runs = [run.absolute() for run in parser.parse_args().runs]
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        for run, name in zip(runs, demo.NAMES, strict=True):
            make(run, name)
    size = sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file())
    print(f"{size / 1e6:.2f} MB")
    if size > LARGEST:
        raise SystemExit(f"more than {LARGEST / 1e6} MB")


if __name__ == "__main__":
    main()
