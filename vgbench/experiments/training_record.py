"""training.json: what `vgbench train` made, written when the model is trained."""

from pathlib import Path
from typing import Any

from vgbench.api import Trajectories
from vgbench.data import files
from vgbench.data.dataset import Dataset
from vgbench.model import jepa
from vgbench.model.jepa import JEPA
from vgbench.spec import RunSpec
from vgbench.storage.files import read_json
from vgbench.storage.run_folder import FORMAT, RunFolder
from vgbench.version import __version__

TRAINING = "training.json"


def training_record(folder: RunFolder) -> dict[str, Any] | None:
    """Content of training.json, if the model of a folder is trained."""
    path = folder.path / TRAINING
    if not path.exists():
        return None
    return read_json(path, ("key", "title", "stages"), "delete this one file and give the command again")


def make_record(
    spec: RunSpec, folder: RunFolder, data: Dataset, held: Trajectories | None, path: Path, model: JEPA
) -> dict[str, Any]:
    """Say what was trained, on what, and to which losses."""
    last: dict[str, dict[str, float]] = {}
    for line in folder.lines("train.jsonl"):
        last[line["stage"]] = {name: value for name, value in line.items() if name != "stage"}
    times = folder.stage_times()
    return {
        "format": FORMAT,
        "vgbench": __version__,
        "title": spec.title(),
        "key": spec.key(),
        "recipe": spec.recipe,
        "environment": spec.environment.name,
        "scale": spec.scale,
        "training": spec.training,
        "meaningless": spec.scale == "smoke",
        "data": {
            "file": path.name,
            "fingerprint": spec.data_fingerprint or files.fingerprint(data.trajectories),
            "trajectories": len(data),
            "held_out": len(held) if held else 0,
            "states": data.total,
            "card": data.trajectories.card,
        },
        "parameters": {name: jepa.parameter_count(getattr(model, name)) for name in ("encoder", "predictor")},
        "losses": last,
        "notes": [*spec.notes, *folder.notes()],
        "stages": times,
        "seconds": round(sum(stage["seconds"] for stage in times.values()), 2),
        "run_dir": str(folder.path),
    }
