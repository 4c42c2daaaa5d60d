"""`vgbench import`: another library's data set as a training set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vgbench.cli.common import Debug, Format, check_writable, examples, handled, print_json, print_lines, say, takes
from vgbench.errors import UsageError
from vgbench.text import same

if TYPE_CHECKING:
    from vgbench.config.request import RunRequest

EPILOG = examples(
    "vgbench import --minari vgbench/wall-v0 --out wall.h5",
    "vgbench import --minari D4RL/pointmaze/umaze-v2 --env umaze --length 64 --out umaze.h5",
    "vgbench run --env umaze --recipe vf --encoder vector --data umaze.h5",
)


@takes("env", "set")
@handled
def import_(
    minari: Annotated[str, typer.Option(metavar="NAME-vN", help="A Minari data set on this machine.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write (HDF5); must not exist.")],
    length: Annotated[
        int | None, typer.Option(help="States of a trajectory, into which episodes are cut (default: the protocol's).")
    ] = None,
    format: Format = "table",
    debug: Debug = False,
    **options: Any,
) -> None:
    """Write a data set of Minari (vgbench[minari]) as a training set for --data.

    What `vgbench export` wrote comes back as it was, to the last bit. Of others, the environment reads its states off
    the observations (and infos) of the same names; where they are not enough to step from, they are for training alone.
    """
    from vgbench.config.request import RunRequest
    from vgbench.data import files
    from vgbench.data.minari import importing

    if out.exists():
        raise UsageError(f"--out {out} exists already; choose another name or delete it")
    found = importing.opened(minari)
    exported = importing.exported_here(found)
    # After the data set is found: it may make a folder, which a wrong name would leave behind.
    check_writable("--out", out)
    if exported:
        name = exported["specification"]["environment"]
        _as_it_was(minari, name, options.get("env"), {"--length": length, "--set": options.get("set")})
        data = importing.restore(found, exported, out)
    else:
        name, data = _converted(found, RunRequest(**options), length, out)
    about: dict[str, Any] = {"file": str(out), "minari": minari, "environment": name, "trajectories": len(data)}
    about |= {"length": data.length, "fingerprint": files.fingerprint(data)}
    if format == "json":
        print_json(about | {"card": data.card})
    else:
        print_lines(about | data.card)


def _as_it_was(minari: str, name: str, env: str | None, others: dict[str, Any]) -> None:
    """Refuse options that an exported data set leaves nothing to decide for."""
    if env is not None and same(env.rpartition(":")[2]) != name:
        raise UsageError(f"--env {env}: {minari} was exported from data of environment {name!r}")
    for option, value in others.items():
        if value:
            raise UsageError(f"{option}: {minari} was exported by vgbench and comes back as it was; leave it out")


def _converted(found: Any, request: "RunRequest", length: int | None, out: Path) -> tuple[str, Any]:
    """Import what something else recorded."""
    from vgbench.config.resolve import resolve_data
    from vgbench.data.minari import importing
    from vgbench.plugin.registry import Registry

    if "env" not in request.options:
        known = ", ".join(e.address for e in Registry().entries("environment"))
        raise UsageError(f"{found.id} was not exported by vgbench: say with --env which environment it is of ({known})")
    if length is not None:
        request = request.replaced(set=[*request.sets, f"data.length={length}"])
    asked = resolve_data(request)
    for note in asked.notes:
        say(f"note: {note}")
    return asked.environment.name, importing.convert(found, asked, out)
