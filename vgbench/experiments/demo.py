"""The runs that are shipped with the package, for `vgbench demo`: two trained models with their records."""

import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from vgbench.errors import UsageError
from vgbench.storage import checkpoints, rounded
from vgbench.storage.files import read_json

NAMES = ("maze-vf", "wall_big-vf_quasi")
"""Shipped runs: folders of `vgbench/demo_runs`."""
WEIGHTS = "weights.npz"
"""File of the rounded weights, which becomes the checkpoint of the last stage."""
FORMAT = "stage.json"
"""File that names that stage, and its steps."""


def copy_runs(out: Path) -> list[Path]:
    """Copy the shipped runs to folders in `out`, as `vgbench run` leaves them; those that are there are kept.

    Raises:
        UsageError: something else has the name of one of them, or nothing can be written.
    """
    made = []
    with as_file(files("vgbench") / "demo_runs") as shipped:
        for name in NAMES:
            target = out / name
            if target.exists() or target.is_symlink():
                _check_same(shipped / name, target)
            else:
                _copy(shipped / name, target)
            made.append(target)
    return made


def _check_same(source: Path, target: Path) -> None:
    wanted = read_json(source / "run.json", ("key",), "install vgbench again")["key"]
    try:
        found = read_json(target / "run.json", ("key",), "")["key"]
        kept = any((target / "checkpoints").glob("*.pt"))
    except Exception:
        found, kept = None, False
    if found != wanted or not kept:
        raise UsageError(f"--out {target.parent}: {target} is not the run of the demo; choose another --out")


def _copy(source: Path, target: Path) -> None:
    """Make a whole folder, or none: an interrupt leaves nothing under its name."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=target.parent) as place:
            folder = Path(place) / target.name
            shutil.copytree(source, folder, ignore=shutil.ignore_patterns(WEIGHTS, FORMAT))
            (folder / "checkpoints").mkdir()
            about = read_json(source / FORMAT, ("stage", "steps"), "install vgbench again")
            content = {
                "step": about["steps"],
                "total": about["steps"],
                "model": rounded.unpack((source / WEIGHTS).read_bytes()),
            }
            key = read_json(source / "run.json", ("key",), "install vgbench again")["key"]
            checkpoints.save(folder / "checkpoints" / f"{about['stage']}.pt", key, content)
            folder.rename(target)
    except OSError as err:
        raise UsageError(f"--out {target.parent}: cannot write there: {err.strerror or err}") from err
