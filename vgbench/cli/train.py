"""`vgbench train`: a model, without tasks to play."""

import sys
from collections.abc import Mapping
from typing import Any, Unpack

from vgbench.cli.common import Debug, Format, examples, handled, print_json, say, takes
from vgbench.config.options import OPTIONS, RunOptions
from vgbench.errors import UsageError

EPILOG = examples(
    "vgbench train --data data.h5 --recipe vf --out model",
    "vgbench train --data data.h5 --recipe pred_vcreg --scale smoke --set data.held_out=0.2 --out trial",
    "vgbench offline model",
)
HELD_OUT = "data.held_out=0.1"
"""What is kept for `vgbench offline`, unless the user says otherwise."""


@takes(*(name for name in OPTIONS if name not in ("tasks", "task_seed")))
@handled
def train(format: Format = "table", debug: Debug = False, **options: Unpack[RunOptions]) -> None:
    """Train on a data set, and stop there: no simulator is needed.

    The environment is that of the data. A tenth of the trajectories is held out (data.held_out), for `vgbench offline`.
    Training that was interrupted goes on. Where the data's environment can be played, `vgbench run --config` of the
    folder's config.yaml judges the model.
    """
    from vgbench.config.request import RunRequest
    from vgbench.python_api.single import perform, prepare

    request = RunRequest(**options)
    if not {"data", "config", "env", "protocol"} & set(request.options):
        raise UsageError("say what to train on: --data FILE, as `vgbench import` or `vgbench collect` makes it")
    if "config" not in request.options and request.options.get("data"):
        # First, so that the user's own values win.
        request = request.replaced(set=[HELD_OUT, *request.sets])
    asked = request.options
    record = perform(
        prepare(request),
        asked.get("out"),
        ["vgbench", *sys.argv[1:]],
        asked.get("logger", ()),
        note=lambda text: say(f"note: {text}"),
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
        print("scale smoke: this model means nothing")
    for stage, times in record["stages"].items():
        loss = record["losses"].get(stage, {}).get("loss")
        print(f"{stage:<12}{times['seconds']:>9.1f} s{'' if loss is None else f'  loss {loss:.4g}'}")
    print(record["run_dir"])
