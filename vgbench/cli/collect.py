"""`vgbench collect`: write a training set to a file."""

import signal
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from vgbench.cli.common import (
    Debug,
    Format,
    check_writable,
    examples,
    handled,
    note,
    print_json,
    print_lines,
    progress,
    takes,
)
from vgbench.errors import UsageError
from vgbench.plugin import guard
from vgbench.text import duration, number_text

EPILOG = examples(
    "vgbench collect --env maze --out maze.h5 --preview maze.png",
    "vgbench collect --env wall --set wall.step=small --out small.h5",
)


@takes("env", "protocol", "recipes", "scale", "variant", "data_seed", "set", "plugin_timeout")
@handled
def collect(
    out: Annotated[Path, typer.Option(metavar="FILE", help="HDF5 file to write; must not exist.")],
    trajectories: Annotated[
        int | None, typer.Option(help="Number of trajectories (short for --set data.trajectories=N).")
    ] = None,
    preview: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw some of the trajectories.")] = None,
    format: Format = "table",
    debug: Debug = False,
    **options: Any,
) -> None:
    """Collect a training set in an environment and write it to a file."""
    from vgbench.config.resolve import RunRequest, resolve_data
    from vgbench.data import collection, files
    from vgbench.experiments.build import build_environment

    if preview is not None and preview.suffix.lower() != ".png":
        raise UsageError(f"--preview {preview}: expected a name that ends in .png")
    request = RunRequest(**options)
    if trajectories is not None:
        request = request.replaced(set=[*request.sets, f"data.trajectories={trajectories}"])
    asked = resolve_data(request)
    for text in asked.notes:
        note(text)
    # Before anything is collected.
    for option, path in (("--out", out), ("--preview", preview)):
        if path is not None:
            check_writable(option, path)
    chosen = asked.environment
    environment = build_environment(chosen)
    # From here on there is something to save: Ctrl-C is an exception again, see `main`.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    data = collection.collect_to_file(chosen.name, environment, asked.settings, asked.seed, out, Progress())
    if preview is not None:
        from vgbench.reports.plots.preview import preview as draw

        draw(environment, data, preview, _title(chosen.name, asked.seed, len(data), data.length))
    about: dict[str, Any] = {
        "file": str(out),
        "environment": chosen.name,
        "trajectories": len(data),
        "length": data.length,
    }
    about |= {"seed": asked.seed, "fingerprint": files.fingerprint(data), "preview": str(preview) if preview else None}
    if format == "json":
        print_json(about | {"card": data.card})
    else:
        shown = {key: value for key, value in about.items() if value is not None}
        # Raw values are in the JSON.
        print_lines(shown | {key: number_text(value) for key, value in data.card.items()})


def _title(environment: str, seed: int, trajectories: int, states: int) -> str:
    """Say what a picture of a data set shows."""
    return f"{environment}: {trajectories} trajectories of {states} states, data seed {seed}"


class Progress:
    """Report counts on stderr, at most once a second, with rate and time left."""

    def __init__(self) -> None:
        """Start the clock."""
        self._began = self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Report `done` of `total`."""
        guard.alive()
        now = time.monotonic()
        if now - self._last < 1 or not done:
            return
        self._last = now
        rate = done / (now - self._began)
        progress(f"{done} of {total} trajectories, {rate:.0f}/s, {duration((total - done) / rate)} left")
