"""The pictures of one run: drawn once, and kept in its folder `plots/` until what they show has changed."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgbench.errors import UsageError, VgbenchError
from vgbench.reports.plots.heading import baseline_files, heading
from vgbench.reports.plots.picture import Drawn, Plot, SkippedPlot
from vgbench.storage.files import (
    JSON_BYTES,
    Record,
    parse_json,
    read_bytes,
    read_json,
    read_whole,
    write_bytes,
    write_json,
)
from vgbench.storage.run_folder import other_format

DRAWING = 2
"""Version of the pictures; raised where they begin to look otherwise."""
RECORDS_DRAWING = 3
"""Version of the pictures of records alone, which are cheap to draw again."""
INDEX = "plots.json"
MODEL_KINDS = "Value map, prediction error and rollouts"


@dataclass(frozen=True)
class Group:
    """Pictures that are drawn together, again when one of the `files` that they show has changed, or what `also` gives.

    `slow` ones need the model, and are drawn only where that is asked for. Those of a command of their own (`added`)
    are only shown, see `add`.
    """

    name: str
    files: tuple[str, ...]
    draw: Callable[[Path], Drawn]
    slow: bool = False
    added: bool = False
    also: Callable[[Path], object] = lambda run: ""

    def stamp(self, run: Path) -> str:
        """Hash of what the pictures show."""
        state = hashlib.sha256(str(self.also(run)).encode())
        for name in self.files:
            path = run / name
            state.update(f"{name}:".encode())
            state.update(_content(path) if path.exists() else b"-")
        return state.hexdigest()[:16]


def _content(path: Path) -> bytes:
    """Return what a file holds, or why it cannot be read, which is told where it is drawn."""
    try:
        return read_whole(path)
    except OSError as err:
        return str(err).encode()


@dataclass(frozen=True)
class Gallery:
    """Pictures of a run in a folder, in their order, and what is left out."""

    folder: Path
    pictures: tuple[Plot, ...] = ()
    left_out: tuple[SkippedPlot, ...] = ()


def gallery(run: Path, out: Path | None = None, draw: bool = True, drawn: Path | None = None) -> Gallery:
    """Return the pictures of a run folder, drawing those that are missing or old.

    Args:
        run: the run folder.
        out: where the pictures lie; by default `plots/` in the run folder.
        draw: whether to draw what needs the model, which takes up to a minute or two. If not, pictures of the model
            that were drawn before are still shown.
        drawn: where pictures may lie that were drawn before; those that still hold are copied to `out`.

    Raises:
        UsageError: the folder holds no run, or `out` cannot be written.
    """
    if not (run / "run.json").exists():
        raise UsageError(f"RUN {run} has no run.json; expected the folder of a run, as `vgbench run` makes it")
    if problem := other_format(read_json(run / "run.json", ("format",), "it is left as it is")["format"]):
        raise UsageError(f"RUN {run} {problem}")
    folder = out or run / "plots"
    known = _index(folder) or (_copied(drawn, folder) if drawn else {})
    made: dict[str, Any] = {}
    for group in GROUPS:
        stamp, old, wanted = group.stamp(run), known.get(group.name), not group.added and (draw or not group.slow)
        # Without a picture: what was missing (checkpoints, a plugin) may be there now.
        tried = old and (old["pictures"] or not (wanted and group.slow))
        if old and tried and old["stamp"] == stamp and all(_whole(folder, p["file"], old) for p in old["pictures"]):
            made[group.name] = old
        elif wanted:
            made[group.name] = {"stamp": stamp, **_drawn(group.draw(run), folder)}
    shown = Gallery(folder, tuple(_pictures(made)), tuple(_left_out(made, run, draw)))
    if made != known:
        _make(folder)
        write_json(folder / INDEX, {"format": DRAWING, **made})
    return shown


def _whole(folder: Path, file: str, group: Record) -> bool:
    """Whether a picture lies in a folder as it was drawn; older versions have kept no hash of it."""
    try:
        content = read_whole(folder / file)
    except OSError:  # what is no file, such as a pipe, is drawn again in its place
        return False
    known = group.get("hashes", {}).get(file)
    return known is None or hashlib.sha256(content).hexdigest() == known


def add(run: Path, name: str, picture: Plot) -> Path:
    """Write a picture of a group that is `added` to the run's `plots/`, for who looks at them; return its file."""
    folder = run / "plots"
    drawn, known = _drawn(iter([picture]), folder), _index(folder)
    stamp = next(group for group in GROUPS if group.name == name).stamp(run)
    write_json(folder / INDEX, {"format": DRAWING, **known, name: {"stamp": stamp, **drawn}})
    return folder / picture.file


def _copied(source: Path, folder: Path) -> dict[str, Any]:
    """Copy the pictures of another folder, and return its index; those that are not there are drawn again."""
    known = _index(source)
    for group in known.values():
        for entry in group["pictures"]:
            with suppress(OSError):
                content = read_whole(source / entry["file"])
                _make(folder)
                write_bytes(folder / entry["file"], content)
    return known


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise UsageError(f"--out {folder}: cannot write there: {err.strerror or err}") from err


def _index(folder: Path) -> dict[str, Any]:
    """What the folder holds already; nothing, if it cannot be read or is of another version."""
    try:
        content = parse_json(read_bytes(folder / INDEX, JSON_BYTES))
        if content.pop("format") != DRAWING:
            return {}
        for group in content.values():
            if not {"stamp", "pictures", "left_out"} <= set(group) or not isinstance(group.get("hashes", {}), dict):
                return {}
            for entry in group["pictures"]:
                # Nor may a record make a page of files from elsewhere.
                if Path(Plot(**entry).file).name != entry["file"] or (folder / entry["file"]).is_symlink():
                    return {}
            for entry in group["left_out"]:
                SkippedPlot(**entry)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return dict(content)


def _drawn(pictures: Drawn, folder: Path) -> dict[str, Any]:
    """Write pictures as they are made; return what of them the index keeps."""
    from vgbench.reports.plots import style

    result: dict[str, Any] = {"pictures": [], "left_out": [], "hashes": {}}
    _make(folder)
    with style.style():
        for item in pictures:
            about = {name: value for name, value in vars(item).items() if name != "content"}
            if isinstance(item, SkippedPlot):
                result["left_out"].append(about)
            else:
                write_bytes(folder / item.file, item.content)
                result["pictures"].append(about)
                result["hashes"][item.file] = hashlib.sha256(item.content).hexdigest()
    return result


def _pictures(made: dict[str, Any]) -> Iterator[Plot]:
    """All pictures; one of a diagnosis takes the place of that which was drawn without it."""
    entries = {entry["file"]: entry for group in made.values() for entry in group["pictures"]}
    for entry in entries.values():
        yield Plot(**entry)


def _left_out(made: dict[str, Any], run: Path, draw: bool) -> Iterator[SkippedPlot]:
    # Of a diagnosis the prediction error is drawn without the model.
    drawn = any(entry["file"] == "prediction.svg" for group in made.values() for entry in group["pictures"])
    kind = "Value map and rollouts" if drawn else MODEL_KINDS
    for group in made.values():
        for entry in group["left_out"]:
            yield SkippedPlot(kind if entry["kind"] == MODEL_KINDS else entry["kind"], entry["why"])
    if "model" not in made and not draw:
        kept = any((run / "checkpoints").glob("*.pt"))
        undrawn = f"not drawn so far; `vgbench plot {run}` draws them"
        yield SkippedPlot(kind, undrawn if kept else "they need the run's checkpoints, which are not in its folder")


def _records(run: Path) -> Drawn:
    """Pictures that every record has."""
    from vgbench.reports.plots import training

    yield from training.success(run, _most_steps(run))
    yield from training.training(run)


def _most_steps(run: Path) -> int | None:
    """Steps that a task may take, as run.json says."""
    try:
        return int(read_json(run / "run.json", ("identity",), "")["identity"]["settings"]["mpc"]["max_steps"])
    except (VgbenchError, OverflowError, ValueError, KeyError, TypeError):
        return None


def _shown_of(run: Path) -> list[object]:
    """What else `_records` shows: how, titles, most steps, and hashes of the baselines' episodes."""
    files = baseline_files(run).items()
    return [
        RECORDS_DRAWING,
        heading(run),
        _most_steps(run),
        *((n, hashlib.sha256(_content(p)).hexdigest()) for n, p in files),
    ]


def _model(run: Path) -> Drawn:
    """Pictures that need the trained model."""
    from vgbench.experiments.trained import load_trained
    from vgbench.reports.plots import diagnosis, rollouts, value_map

    try:
        trained = load_trained(run)
    except VgbenchError as err:
        yield SkippedPlot(MODEL_KINDS, str(err))
        return
    atlas = value_map.ValueMaps(trained)
    yield from value_map.value(atlas, title=heading(run).title)
    if not (run / "diagnosis.json").exists():
        from vgbench.analysis import prediction as dynamics

        yield diagnosis.prediction(dynamics.prediction(trained, dynamics.rollouts(trained, 0)), heading(run).title)
    yield from rollouts.rollouts(atlas)


def _diagnosis(run: Path) -> Drawn:
    """Pictures of what `vgbench diagnose` found, if it was asked."""
    from vgbench.reports.plots.diagnosis import DRAWINGS

    found, why = read_diagnosis(run)
    for drawing in DRAWINGS if found or why else ():
        block = found["blocks"].get(drawing.block, {}) if found else {}
        if why or "skipped" in block:
            yield SkippedPlot(drawing.kind, why or block["skipped"])
            continue
        try:
            yield drawing.draw(block, heading(run).title)
        except (KeyError, TypeError, ValueError) as err:
            yield SkippedPlot(drawing.kind, f"diagnosis.json cannot be used: {err}")


GROUPS = (
    Group("records", ("train.jsonl", "episodes.jsonl"), _records, also=lambda run: _shown_of(run)),
    Group("model", ("result.json", "episodes.jsonl"), _model, slow=True),
    Group("failures", ("result.json", "episodes.jsonl"), lambda run: iter(()), added=True),
    Group("diagnosis", ("run.json", "diagnosis.json"), _diagnosis),
)
"""All pictures of a run, in their order; of two with the same file, the later one is shown."""


def read_diagnosis(run: Path) -> tuple[Record, str]:
    """Content of diagnosis.json (empty if there is none), or why it cannot be used."""
    if not (run / "diagnosis.json").exists():
        return {}, ""
    try:
        found = read_json(run / "diagnosis.json", ("key", "title", "goals", "states", "blocks"), "left out")
        key = read_json(run / "run.json", ("key",), "left out")["key"]
    except VgbenchError as err:
        return {}, f"diagnosis.json cannot be used: {err}"
    if found["key"] != key:
        return {}, f"diagnosis.json is of another run (key {found['key']}, this one has {key})"
    return found, ""
