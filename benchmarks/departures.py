"""What each choice of variant `tuned` is worth: runs with it and with the values of the paper's words in its place.

    python -m benchmarks.departures list
    python -m benchmarks.departures run results/variant_tuned [NAME ...]

On data, tasks and a training seed that no table reports. Runs of a protocol share the stages that they have in common;
complete ones are kept. A NAME is `PROTOCOL/RECIPE/tuned` or `PROTOCOL/RECIPE/without-CHOICE`.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.request import RunRequest
from vgbench.config.resolve import resolve
from vgbench.experiments import runner
from vgbench.plugin.loggers import Loggers
from vgbench.spec import RunSpec

SEEDS = {"seed": 11, "data_seed": 1000, "task_seed": 1000}
"""Of these runs: no reported table has them."""

PLACES = {
    "maze": ("vf", "pred_vcreg"),
    "wall_small": ("vf_quasi",),
    "wall_big": ("pred_vcreg", "vf_quasi_pred", "pred_ema"),
    "turnstile": ("vf_quasi_gamma98",),
    "maze_far": ("vf",),
}
"""Recipes on which a choice is tried, by protocol. That of wall_small solves all there is to solve, so it shows the
worth of what it cannot do without, and of nothing else.
"""


def runs() -> Iterator[tuple[str, RunSpec]]:
    """Yield the name and the specification of every run: `tuned`, and without each choice that is in force."""
    catalogue = load_catalogue()
    variant = catalogue.variant("tuned")
    assert variant is not None and variant.base is not None
    for protocol, recipes in PLACES.items():
        for recipe in recipes:
            place: dict[str, Any] = {"protocol": protocol, "recipe": recipe, "variant": "tuned", **SEEDS}
            training = catalogue.recipe(recipe).training
            tuned = resolve(RunRequest(**place, threads=1, device="cpu"))
            yield f"{protocol}/{recipe}/tuned", tuned
            literal = resolve(RunRequest(**{**place, "variant": "literal"}, device="cpu"))
            for each in variant.choices:
                concerned = each.values((protocol,), recipe, training)
                back = {name: literal.values[name].value for name in concerned if name in literal.values}
                # Settings of a stage that joint training does not have.
                back = {n: v for n, v in back.items() if training == "separate" or "train_predictor." not in n}
                if any(tuned.values[name].value != value for name, value in back.items()):
                    spec = resolve(RunRequest(**place, set=back, threads=1, device="cpu"))
                    yield f"{protocol}/{recipe}/without-{each.name}", spec


def main(argv: list[str]) -> None:
    """List the runs, or make them."""
    command, *rest = argv or ["list"]
    if command == "list":
        for name, spec in runs():
            print(name, spec.key())
        return
    root, wanted = Path(rest[0]), rest[1:]
    for name, spec in runs():
        if wanted and name not in wanted:
            continue
        result: Mapping[str, Any] = runner.run(
            spec, root / name, ["python", "-m", "benchmarks.departures", *argv], Loggers(), root / ".shared"
        )
        print(f"{name}: {result['successes']} of {result['n']} in {result['cpu_seconds']:.0f} CPU-s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
