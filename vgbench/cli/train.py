"""`vgbench train`: train a model without evaluating it."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Unpack

import typer

from vgbench.cli.common import Debug, Format, examples, handled, note, print_json, takes
from vgbench.config.options import OPTIONS, RunOptions
from vgbench.errors import UsageError

EPILOG = examples(
    "vgbench train --data data.h5 --recipe vf --out model",
    "vgbench train --data data.h5 --recipe pred_vcreg --scale smoke --set data.held_out=0.2 --out trial",
    "vgbench offline model",
)
HELD_OUT = "data.held_out=0.1"
"""Share held out for `vgbench offline`, unless the user sets it."""


@takes(*(name for name in OPTIONS if name not in ("tasks", "task_seed")))
@handled
def train(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every value with its source and cost estimates, then stop.")
    ] = False,
    format: Format = "table",
    debug: Debug = False,
    **options: Unpack[RunOptions],
) -> None:
    """Train on a data set without evaluating; no simulator is needed.

    The environment is that of the data. A tenth of the trajectories is held out (data.held_out) for `vgbench offline`.
    The same command resumes interrupted training. If the environment can be simulated, `vgbench run --config` with the
    folder's config.yaml evaluates the model.
    """
    from vgbench.config.request import RunRequest
    from vgbench.python_api.single import perform, prepare

    request = RunRequest(**options)
    if not {"data", "config", "env", "protocol"} & set(request.options):
        raise UsageError("missing --data FILE, written by `vgbench import` or `vgbench collect`")
    if "config" not in request.options and request.options.get("data"):
        # First, so that the user's own values win.
        request = request.replaced(set=[HELD_OUT, *request.sets])
    asked = request.options
    if dry_run:
        from vgbench.cli.dry_run import print_plan

        print_plan(prepare(request), format, asked.get("out"), train_only=True)
        return
    record = perform(
        prepare(request),
        asked.get("out"),
        ["vgbench", *sys.argv[1:]],
        asked.get("logger", ()),
        note=note,
        again=asked.get("again", False),
        train_only=True,
    )
    if format == "json":
        print_json(record)
    else:
        _show(record)


def _show(record: Mapping[str, Any]) -> None:
    data = record["data"]
    method = record["recipe"] or record["title"]
    print(f"{method} trained on {data['trajectories']} trajectories, {data['states']} states, of {data['file']}")
    if data["held_out"]:
        print(f"held out: {data['held_out']} trajectories (data.held_out), for `vgbench offline`")
    if record["meaningless"]:
        print("smoke scale: this model is not meaningful")
    for stage, times in record["stages"].items():
        loss = record["losses"].get(stage, {}).get("loss")
        print(f"{stage:<12}{times['seconds']:>9.1f} s{'' if loss is None else f'  loss {loss:.4g}'}")
    print(record["run_dir"])
