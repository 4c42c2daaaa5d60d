"""`vgbench import`: turn recordings into a training set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vgbench.cli.common import Debug, Format, check_writable, examples, handled, note, print_json, print_lines, takes
from vgbench.errors import UsageError
from vgbench.text import choice, same

if TYPE_CHECKING:
    from vgbench.data.importing.importers import ImportOptions
    from vgbench.data.importing.recording import Recording

EPILOG = examples(
    "vgbench import recordings.npz --out data.h5",
    "vgbench import robot.hdf5 --map observations=frames,actions=u,episodes=done --out robot.h5",
    "vgbench train --data data.h5 --recipe vf --out model",
    "vgbench import --minari D4RL/pointmaze/umaze-v2 --env umaze --out umaze.h5",
)


@takes("env", "set", "plugin_timeout")
@handled
def import_(
    out: Annotated[Path, typer.Option(metavar="FILE", help="HDF5 file to write; must not exist.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Recordings: an NPZ or HDF5 file, or a LeRobot folder.")
    ] = None,
    minari: Annotated[
        str | None, typer.Option(metavar="NAME-vN", help="A local Minari data set, instead of FILE.")
    ] = None,
    map_: Annotated[
        str | None,
        typer.Option("--map", metavar="ROLE=FIELD,...", help="Fields for observations, actions and episodes."),
    ] = None,
    frame_skip: Annotated[
        int, typer.Option(metavar="N", help="Keep every N-th state and join the N actions between.")
    ] = 1,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip bad episodes and count them.")] = False,
    images: Annotated[
        str | None, typer.Option(metavar="hwc|chw|hw|khwc|kchw|vector", help="Image layout, if the shape is ambiguous.")
    ] = None,
    image_range: Annotated[
        str | None, typer.Option(metavar="LOW:HIGH", help="Values of black and white (default: 0:255, or 0:1).")
    ] = None,
    action_range: Annotated[
        str | None,
        typer.Option(metavar="LOW:HIGH", help="Action bounds (default: those of the environment or the data)."),
    ] = None,
    length: Annotated[
        int | None, typer.Option(help="Cut episodes into pieces of this many states (default: whole).")
    ] = None,
    format: Format = "table",
    debug: Debug = False,
    **options: Any,
) -> None:
    """Turn recordings into a training set for --data.

    The format is detected. Without --env the set holds observations and actions only: use `vgbench train`. With --env
    the environment reads its states from the recorded fields of the same names, and tasks can be run. A set written by
    `vgbench export` is restored bit for bit.
    """
    from vgbench.data.importing.images import LAYOUTS
    from vgbench.data.importing.importers import ImportOptions

    if (file is None) == (minari is None):
        raise UsageError("expected one of FILE and --minari NAME-vN")
    if out.exists():
        raise UsageError(f"--out {out} exists already; choose another name or delete it")
    if frame_skip < 1:
        raise UsageError(f"--frame-skip {frame_skip}: expected 1 or more")
    if length is not None and length < 3:
        raise UsageError(f"--length {length}: data.length has to be at least 3")
    how = ImportOptions(
        choice(images, LAYOUTS, "--images") if images else None,
        _range("--image-range", image_range),
        _range("--action-range", action_range),
        frame_skip,
        skip_bad,
        length,
    )
    if minari is not None:
        about = _of_minari(minari, map_, how, options, out)
    else:
        from vgbench.data.importing import sources

        assert file is not None
        recording = sources.opened(file, map_)
        check_writable("--out", out)
        about = {"source": file.name} | _converted(recording, how, options, out, str(file), {"source": file.name})
    _show({"file": str(out)} | about, format)


def _show(about: dict[str, Any], format: str) -> None:
    for text in about.get("notes", ()):
        note(text)
    if format == "json":
        print_json(about)
        return
    plain = {key: value for key, value in about.items() if not isinstance(value, dict | list)}
    if "lengths" in about:
        low, middle, high, states = about["lengths"].values()
        plain["length"] = f"{low} to {high} states, median {middle:g}; {states} in total"
    print_lines(plain | about.get("fields", {}) | about["card"])


def _range(option: str, text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    low, colon, high = text.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        found = (0.0, 0.0)
    if not colon or not found[0] < found[1] or max(map(abs, found)) == float("inf"):
        raise UsageError(f"{option} {text}: expected LOW:HIGH, such as -1:1")
    return found


def _of_minari(
    minari: str, map_: str | None, how: "ImportOptions", options: dict[str, Any], out: Path
) -> dict[str, Any]:
    """Import a data set of Minari, or one that was exported here as it was."""
    from vgbench.data import files
    from vgbench.data.importing.minari import MinariRecording
    from vgbench.data.minari import importing

    found = importing.opened(minari)
    exported = importing.exported_here(found)
    if exported:
        # After the data set is found: it may make a folder, which a wrong name would leave behind.
        check_writable("--out", out)
        name = exported["specification"]["environment"]
        others = {"--length": how.length, "--set": options.get("set"), "--map": map_}
        _as_it_was(minari, name, options.get("env"), others)
        data = importing.restore(found, exported, out)
        about = {"minari": minari, "environment": name, "trajectories": len(data), "length": data.length}
        return about | {"fingerprint": files.fingerprint(data), "card": data.card}
    recording = MinariRecording(found, map_)
    check_writable("--out", out)
    who = f"--minari {found.id}"
    return {"minari": minari} | _converted(recording, how, options, out, who, {"minari": found.id})


def _as_it_was(minari: str, name: str, env: str | None, others: dict[str, Any]) -> None:
    """Refuse options that an exported data set leaves nothing to decide for."""
    if env is not None and same(env.rpartition(":")[2]) != name:
        raise UsageError(f"--env {env}: {minari} was exported from data of environment {name!r}")
    for option, value in others.items():
        if value:
            raise UsageError(
                f"{option}: {minari} was exported by vgbench and is restored unchanged; leave this option out"
            )


def _converted(
    recording: "Recording", how: "ImportOptions", options: dict[str, Any], out: Path, who: str, source: dict[str, str]
) -> dict[str, Any]:
    """Import what something else recorded: for an environment if one is named, else without."""
    from vgbench.config.resolve import RunRequest, resolve_data
    from vgbench.data.importing.convert import write
    from vgbench.data.importing.importers import RecordedImporter, WorldImporter

    request = RunRequest(**options)
    if "env" not in request.options:
        if request.sets:
            raise UsageError(
                "--set: there are no parameters without an environment; add --env NAME, or leave --set out"
            )
        return write(RecordedImporter(recording, how, who), out, source)
    asked = resolve_data(request)
    for text in asked.notes:
        note(text)
    return write(WorldImporter(recording, how, who, asked), out, source)
