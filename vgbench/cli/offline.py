"""`vgbench offline`: evaluate a trained model on recordings."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from vgbench.cli.common import Debug, Format, check_in_folder, examples, handled, note, print_record, takes
from vgbench.cli.percent import Percent

EPILOG = examples("vgbench offline model", "vgbench offline model --data others.h5 --format json")


@takes("device", "threads")
@handled
def offline(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder written by `vgbench train` or `vgbench run`.")],
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Episodes to evaluate on (default: those held out).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sampled states.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File to write (default: offline.json in RUN; with --data offline-NAME.json)."
        ),
    ] = None,
    format: Format = "table",
    debug: Debug = False,
    **options: Any,
) -> None:
    """Evaluate a trained model on recorded episodes; no simulator is needed.

    Measures the order of the learned distance along episodes, learned against recorded time to a goal, prediction error
    over the horizon, and how close plans to a recorded state come to the recorded actions. Beside each figure stands
    that of the same networks before training (three seeds), and a verdict says what is no better.
    """
    from vgbench.analysis.offline import offline as judge
    from vgbench.analysis.offline_text import overlap_lines, text
    from vgbench.data import files
    from vgbench.data.checks import check_trajectories
    from vgbench.data.dataset import Dataset
    from vgbench.errors import UsageError
    from vgbench.experiments.trained import load_trained
    from vgbench.model import precision
    from vgbench.storage.files import write_json

    if seed < 0:
        raise UsageError(f"--seed {seed}: expected 0 or more")
    trained = load_trained(run, tasks=False, simulator=False, options=options)
    target = out or run / ("offline.json" if data is None else _name(run, data))
    check_in_folder("--out", target)
    given = None
    if data is not None:
        found = files.load_for(data, trained.spec.environment.name, trained.environment)[0]
        check_trajectories(trained.environment, found, f"--data {data}")
        given = Dataset(trained.environment, found, trained.data.device, like=trained.data)
    with precision.in_force(trained.spec), Percent() as tell:
        record = judge(trained, given, seed, tell, None if data is None else data.name)
    if format == "json":  # elsewhere it stands in the text
        for line in overlap_lines(record):
            note(line)
    write_json(target, record)
    print_record(record, text(record), target, format)


def _name(run: Path, data: Path) -> str:
    """Name of the record of these data; of other data with the same name it has another."""
    from vgbench.data import files
    from vgbench.errors import VgbenchError
    from vgbench.storage.files import read_json

    name, fingerprint = f"offline-{data.stem}.json", files.read_header(data)[1]
    if (run / name).exists():
        with suppress(VgbenchError, AttributeError, KeyError):
            if read_json(run / name, ("data",), "")["data"]["fingerprint"] != fingerprint:
                return f"offline-{data.stem}-{fingerprint}.json"
    return name
