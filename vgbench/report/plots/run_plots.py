"""The pictures of one run: drawn once, and kept in its folder `plots/` until what they show has changed."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgbench.errors import UsageError, VgbenchError
from vgbench.report.plots.picture import Drawn, Plot, SkippedPlot
from vgbench.storage.files import Record, read_json, write_atomically, write_json
from vgbench.storage.run_folder import FORMAT, other_format

DRAWING = 1
"""Version of the pictures; raised where they begin to look otherwise."""
INDEX = "plots.json"
MODEL_KINDS = "Value map, prediction error and rollouts"
_SHOWN = ("train.jsonl", "episodes.jsonl", "baseline.jsonl")


@dataclass(frozen=True)
class Gallery:
    """Pictures of a run in a folder, in their order, and what is left out."""

    folder: Path
    pictures: tuple[Plot, ...] = ()
    left_out: tuple[SkippedPlot, ...] = ()


def gallery(run: Path, out: Path | None = None, draw: bool = True) -> Gallery:
    """Return the pictures of a run folder, drawing those that are missing or old.

    Args:
        run: the run folder.
        out: where the pictures lie; by default `plots/` in the run folder.
        draw: whether to draw what needs the model, which takes up to a minute or two. If not, pictures of the model
            that were drawn before are still shown.

    Raises:
        UsageError: the folder holds no run, or `out` cannot be written.
    """
    if not (run / "run.json").exists():
        raise UsageError(f"RUN {run} has no run.json; expected the folder of a run, as `vgbench run` makes it")
    found = read_json(run / "run.json", ("format",), "it is left as it is")["format"]
    if found != FORMAT:
        raise UsageError(f"RUN {run} {other_format(found)}")
    folder = out or run / "plots"
    known = _index(folder)
    groups: tuple[tuple[str, tuple[str, ...], Callable[[Path], Drawn], bool], ...] = (
        ("records", _SHOWN, _records, True),
        ("model", ("result.json",), _model, draw),
        ("diagnosis", ("run.json", "diagnosis.json"), _diagnosis, True),
    )
    made: dict[str, Any] = {}
    for name, files, drawer, wanted in groups:
        stamp, old = _stamp(run, files, str(_most_steps(run)) if name == "records" else ""), known.get(name)
        # Without a picture: what was missing (checkpoints, a plugin) may be there now.
        tried = old and (old["pictures"] or not (wanted and name == "model"))
        if old and tried and old["stamp"] == stamp and all((folder / p["file"]).exists() for p in old["pictures"]):
            made[name] = old
        elif wanted:
            made[name] = {"stamp": stamp, **_drawn(drawer(run), folder)}
    shown = Gallery(folder, tuple(_pictures(made)), tuple(_left_out(made, run, draw)))
    if made != known:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / INDEX, {"format": DRAWING, **made})
        except OSError as err:
            raise UsageError(f"--out {folder}: cannot write there: {err.strerror or err}") from err
    return shown


def _index(folder: Path) -> dict[str, Any]:
    """What the folder holds already; nothing, if it cannot be read or is of another version."""
    try:
        content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if content.pop("format") != DRAWING:
            return {}
        for group in content.values():
            if not {"stamp", "pictures", "left_out"} <= set(group):
                return {}
            for entry in group["pictures"]:
                Plot(**entry)
            for entry in group["left_out"]:
                SkippedPlot(**entry)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return dict(content)


def _stamp(run: Path, files: tuple[str, ...], more: str = "") -> str:
    """Hash of what pictures show: files, and a word."""
    state = hashlib.sha256(more.encode())
    for name in files:
        path = run / name
        state.update(f"{name}:".encode())
        state.update(path.read_bytes() if path.exists() else b"-")
    return state.hexdigest()[:16]


def _drawn(pictures: Drawn, folder: Path) -> dict[str, Any]:
    """Write pictures as they are made; return what of them the index keeps."""
    from vgbench.report.plots import style

    result: dict[str, list[dict[str, str]]] = {"pictures": [], "left_out": []}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise UsageError(f"--out {folder}: cannot write there: {err.strerror or err}") from err
    with style.style():
        for item in pictures:
            about = {name: value for name, value in vars(item).items() if name != "content"}
            if isinstance(item, SkippedPlot):
                result["left_out"].append(about)
                continue
            content = item.content
            write_atomically(folder / item.file, lambda path, content=content: path.write_bytes(content))  # type: ignore[misc]
            result["pictures"].append(about)
    return result


def _pictures(made: dict[str, Any]) -> Iterator[Plot]:
    """All pictures; one of a diagnosis takes the place of that which was drawn without it."""
    entries = {entry["file"]: entry for group in made.values() for entry in group["pictures"]}
    for entry in entries.values():
        yield Plot(**entry)


def _left_out(made: dict[str, Any], run: Path, draw: bool) -> Iterator[SkippedPlot]:
    for group in made.values():
        for entry in group["left_out"]:
            yield SkippedPlot(**entry)
    if "model" not in made and not draw:
        kept = any((run / "checkpoints").glob("*.pt"))
        drawn = f"not drawn so far; `vgbench plot {run}` draws them"
        yield SkippedPlot(
            MODEL_KINDS, drawn if kept else "they need the run's checkpoints, which are not in its folder"
        )


def _records(run: Path) -> Drawn:
    """Pictures that every record has."""
    from vgbench.report.plots import training

    yield from training.success(run, _most_steps(run))
    yield from training.training(run)


def _most_steps(run: Path) -> int | None:
    """Steps that a task may take, as run.json says."""
    try:
        return int(
            json.loads((run / "run.json").read_text(encoding="utf-8"))["identity"]["settings"]["mpc"]["max_steps"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _model(run: Path) -> Drawn:
    """Pictures that need the trained model."""
    from vgbench.experiments.trained import load_trained
    from vgbench.report.plots import prediction, rollouts, value_map

    try:
        trained = load_trained(run)
    except VgbenchError as err:
        yield SkippedPlot(MODEL_KINDS, str(err))
        return
    atlas = value_map.ValueMaps(trained)
    yield from value_map.value(atlas)
    if not (run / "diagnosis.json").exists():
        from vgbench.analysis import prediction as dynamics

        yield prediction.prediction(dynamics.prediction(trained, dynamics.rollouts(trained, 0)))
    yield from rollouts.rollouts(atlas)


def _diagnosis(run: Path) -> Drawn:
    """Pictures of what `vgbench diagnose` found, if it was asked."""
    from vgbench.report.plots import prediction

    found, why = diagnosis(run)
    if why:
        yield SkippedPlot(prediction.PREDICTION, why)
    elif found:
        yield prediction.prediction(found["blocks"]["prediction"])


def diagnosis(run: Path) -> tuple[Record, str]:
    """Content of diagnosis.json (empty if there is none), or why it cannot be used."""
    if not (run / "diagnosis.json").exists():
        return {}, ""
    try:
        found = read_json(run / "diagnosis.json", ("key", "title", "goals", "states", "blocks"), "left out")
        key = read_json(run / "run.json", ("key",), "left out")["key"]
        if found["key"] != key:
            return {}, f"diagnosis.json is of another run (key {found['key']}, this one has {key})"
        block = found["blocks"]["prediction"]
        whole = all(len(block[name]) == block["horizon"] for name in ("latent", "latent_shuffled", "cost"))
    except (VgbenchError, KeyError, TypeError) as err:
        return {}, f"diagnosis.json cannot be used: {err}"
    return (found, "") if whole else ({}, "diagnosis.json cannot be used: its errors do not fit its horizon")
