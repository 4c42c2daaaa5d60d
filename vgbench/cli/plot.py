"""`vgbench plot`: draw one run, or success against steps of several."""

from pathlib import Path
from typing import Annotated

import typer

from vgbench.cli.common import (
    PICTURES,
    Debug,
    check_in_folder,
    examples,
    handled,
    note,
    note_skipped,
    print_json,
    print_table,
)
from vgbench.errors import UsageError
from vgbench.storage.near_path import near_folder
from vgbench.text import choice

FILMS = ("gif", "mp4", "webp")
EPILOG = examples(
    "vgbench plot runs/wall_big-vf_quasi-quick-s0-1a2b3c4d",
    "vgbench plot results/quick/maze-vf-s0 --out pictures",
    "vgbench plot runs/NAME --format json",
    "vgbench plot runs/NAME --task 6 --format gif",
    "vgbench plot runs/NAME --task 6 --task 8 --format mp4 --out films",
    "vgbench plot runs/paper_table_2-quick --format pdf --out success.pdf",
)


@handled
def plot(
    run: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folder of a run; or several, or a folder of runs.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR|FILE", help="Of one run: the folder (default plots/ in RUN). Of several: the file."),
    ] = None,
    task: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Only an animation of this task, of one run; may be repeated."),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="table|json|svg|png|pdf|gif|mp4|webp",
            help="What is printed; the picture of several runs (svg, png, pdf); the animation of --task (gif, mp4, "
            "webp; default gif).",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Draw a run: training, success against steps, value map, prediction error, rollouts; or compare several.

    Success against steps and training need the run's records alone. The map of the learned distance beside the true
    one, the prediction error and the animations (WebP) of solved and failed tasks need its checkpoints, and take about
    a minute. Pictures that are there already and still hold are not drawn again.

    With --task, the whole episode of a task is drawn instead, as GIF, MP4 (extra `video`) or WebP: the way,
    the goal with its success radius, where the plan leads, and where the model expects it to lead. `vgbench failures`
    lists failed tasks.

    Of several runs, or of a folder of runs, success against steps is drawn: a curve for each recipe, a panel for each
    protocol, seeds together.
    """
    form = choice(layout or ("gif" if task else "table"), ("table", "json", *PICTURES, *FILMS), "--format")
    for path in run:
        if not path.is_dir():
            raise UsageError(
                f"RUN {path}: there is no such folder; expected the folder of a run, or of runs.{near_folder(path)}"
            )
    one = len(run) == 1 and (run[0] / "run.json").exists()
    if form in FILMS and not task:
        raise UsageError(f"--format {form}: it is for the animation of one task; give --task N as well")
    if task:
        if not one or form in PICTURES:
            found = "several folders" if len(run) > 1 else f"{run[0]}, which has no run.json"
            expected = f"--format {' or '.join(FILMS)}" if one else f"the folder of one run, not {found}"
            raise UsageError(f"--task {task[0]}: an animation is drawn; expected {expected}")
        _task(run[0], task, out, form)
    elif one:
        if form in PICTURES:
            raise UsageError(
                f"--format {form}: of one run all pictures are drawn, as SVG and WebP; it is for several runs"
            )
        _one(run[0], out, form)
    else:
        _several(run, out, form)


def _one(run: Path, out: Path | None, form: str) -> None:
    from vgbench.reports.plots.run_plots import gallery

    if out is not None and out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; expected a folder")
    made = gallery(run, out)
    if form == "json":
        pictures = [{"file": str(made.folder / p.file), "kind": p.kind, "text": p.text} for p in made.pictures]
        left_out = [{"kind": entry.kind, "why": entry.why} for entry in made.left_out]
        print_json({"dir": str(made.folder), "pictures": pictures, "left_out": left_out})
        return
    print_table(["PICTURE", "FILE"], [[p.kind, str(made.folder / p.file)] for p in made.pictures])
    for entry in made.left_out:
        note(f"{entry.kind}: left out, {entry.why}")


def _task(run: Path, tasks: list[int], out: Path | None, form: str) -> None:
    from vgbench.experiments.trained import load_trained
    from vgbench.reports.plots.film import require_mp4
    from vgbench.reports.plots.rollouts import rollout
    from vgbench.storage.files import write_bytes

    folder = out or run / "plots"
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file; expected a folder")
    film = form if form in FILMS else "gif"
    if film == "mp4":
        require_mp4()  # now, not after a minute of drawing
    trained, made = load_trained(run), []
    for picture in rollout(trained, tasks, film):
        path, content = folder / picture.file, picture.content
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)
        made.append({"file": str(path), "kind": picture.kind, "text": picture.text, "legend": picture.legend})
        if form != "json":
            print(f"{path}  {picture.text}")
    if form == "json":
        print_json({"dir": str(folder), "pictures": made})


def _several(runs: list[Path], out: Path | None, form: str) -> None:
    from vgbench.reports.pairs import trained_alone
    from vgbench.reports.plots.success_steps import by_protocol, plot_success
    from vgbench.reports.rows import labelled
    from vgbench.storage.records import RunRecord, leaves, read_or_why

    named = out.suffix.removeprefix(".").lower() if out else ""
    picture = form if form in PICTURES else named or "svg"
    if out is not None and named != picture:
        raise UsageError(f"--out {out}: expected a file that ends in {', '.join(f'.{name}' for name in PICTURES)}")
    path = out or Path(f"success.{picture}")
    check_in_folder("--out", path)
    found: list[RunRecord] = []
    left_out: list[str] = []
    for folder in runs:
        for leaf in leaves(folder, left_out.append):
            record = read_or_why(leaf)
            if isinstance(record, str) or record.error:
                left_out.append(f"{leaf}: {record if isinstance(record, str) else record.error}")
            else:
                found.append(record)
    note_skipped(left_out)
    if not found:
        raise UsageError(f"RUN {' '.join(map(str, runs))}: no finished run there{trained_alone(runs)}")
    # Runs with other values, another planner, say, are no part of their recipe's curve.
    found = labelled(found)
    plot_success(path, found)
    if form == "json":
        groups = by_protocol(found)
        print_json({"picture": str(path), "curves": {p: {m: len(r) for m, r in c.items()} for p, c in groups.items()}})
    else:
        print(path)
