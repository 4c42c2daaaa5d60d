"""`vgbench runs`: list runs."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import Debug, Format, examples, handled, note, print_json, print_table
from vgbench.errors import UsageError

EPILOG = examples("vgbench runs", "vgbench runs runs/paper_table_2-quick --format json")


@handled
def runs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder of runs.")] = Path("runs"),
    format: Format = "table",
    debug: Debug = False,
) -> None:
    """List runs with status, success rate, date and size.

    To resume an interrupted run, give its command again. Most of the size is checkpoints: they are needed to resume, to
    evaluate again and to draw value maps, and can be deleted without losing the results.
    """
    from vgbench.storage.listing import listed
    from vgbench.text import interval_text, plural, share_text, show_size

    if not folder.is_dir():
        raise UsageError(f"DIR {folder}: no such folder; by default runs are in runs/, which `vgbench run` creates")
    found = list(listed(folder, lambda line: note(f"skipped {line}")))
    if format == "json":
        print_json([run.plain() for run in found])
        return
    rows = []
    for run in found:
        rate = f"{share_text(run.rate)} {interval_text(run.interval or (0.0, 1.0))}" if run.rate is not None else ""
        day = run.created[:16].replace("T", " ")
        rows.append([run.path.as_posix(), run.status, rate, day, show_size(run.bytes), run.why or run.title])
    print_table(["RUN", "STATUS", "SUCCESS", "MADE", "SIZE", "WHAT"], rows)
    states = ", ".join(f"{sum(r.status == s for r in found)} {s}" for s in dict.fromkeys(r.status for r in found))
    checkpoints = sum(run.checkpoints for run in found)
    print(f"{plural(len(found), 'run')}{f': {states}' if found else ''}; checkpoints {show_size(checkpoints)}")
