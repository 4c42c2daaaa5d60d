"""`vgbench run`: collect, train, plan and judge, or go on with it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vgbench.cli.common import Compile, Debug, Device, Format, Memory, Precision, examples, handled, print_json, say
from vgbench.text import rate_text, task_name

EPILOG = examples(
    "vgbench run --env maze --objective iql --distance iqe",
    "vgbench run --protocol wall_small --recipe vf --seed 1 --set mppi.samples=512",
    "vgbench run --env maze --recipe vf --tasks tasks.json --logger jsonl",
    "vgbench run --protocol maze --recipes mine.yaml --recipe mine",
    "vgbench run --protocol wall_big --recipe vf --scale paper --device cuda:1 --precision tf32",
    "vgbench run --config runs/NAME/config.yaml --dry-run",
)


@handled
def run(
    env: Annotated[str | None, typer.Option(metavar="NAME", help="Environment: its usual protocol.")] = None,
    protocol: Annotated[str | None, typer.Option(metavar="NAME", help="wall_small, wall_big, maze, ...")] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="Objectives, distance and training by name.")
    ] = None,
    recipes: Annotated[Path | None, typer.Option(metavar="FILE", help="Recipes of your own, for --recipe.")] = None,
    objective: Annotated[
        list[str] | None, typer.Option(metavar="NAME[:WEIGHT]", help="A term of the loss; may be given several times.")
    ] = None,
    distance: Annotated[str | None, typer.Option(metavar="NAME", help="Distance between latents.")] = None,
    planner: Annotated[str | None, typer.Option(metavar="NAME", help="Planner; the protocol's by default.")] = None,
    encoder: Annotated[str | None, typer.Option(metavar="NAME", help="Network; the protocol's by default.")] = None,
    predictor: Annotated[str | None, typer.Option(metavar="NAME", help="Network; the protocol's by default.")] = None,
    training: Annotated[
        str | None,
        typer.Option(metavar="auto|separate|joint", help="Encoder and predictor one after the other, or together."),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(metavar="smoke|quick|paper", help="Under a minute and meaningless; minutes (default); published."),
    ] = None,
    variant: Annotated[
        str | None, typer.Option(metavar="literal|pldm", help="Choices for what the paper leaves open, by name.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of training (default 0).")] = None,
    data_seed: Annotated[int | None, typer.Option(help="Seed of the training set (default 0).")] = None,
    task_seed: Annotated[int | None, typer.Option(help="Seed of the tasks (default 0).")] = None,
    device: Device = None,
    precision: Precision = None,
    compile: Compile = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads of PyTorch (default 0: one for each core).")
    ] = None,
    memory: Memory = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run folder; by default a name under runs/.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Choices from a file; flags win over it.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Value of a parameter; wins over all.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Train on this file of `vgbench collect`; nothing is collected.")
    ] = None,
    tasks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Plan these tasks, of `vgbench tasks` or a run's tasks.json.")
    ] = None,
    logger: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Also tell jsonl, tensorboard or wandb of the progress; may be repeated."),
    ] = None,
    format: Format = "table",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every value with its source, and the cost.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Collect data, train, plan and judge.

    A run that was interrupted goes on; one that is complete is printed again.
    """
    from vgbench.config.request import RunRequest
    from vgbench.python_api import perform, prepare

    request = RunRequest(
        env,
        protocol,
        recipe,
        objective or (),
        distance,
        planner,
        encoder,
        predictor,
        training,
        scale,
        variant,
        seed,
        data_seed,
        task_seed,
        device,
        config,
        set_ or (),
        data,
        recipes=recipes,
        tasks=tasks,
        precision=precision,
        compile=compile,
        threads=threads,
        memory=memory,
    )
    spec = prepare(request)
    if dry_run:
        from vgbench.cli.dry_run import print_plan

        print_plan(spec, format)
        return
    argv = ["vgbench", *sys.argv[1:]]
    result = perform(spec, out, argv, logger or (), note=lambda text: say(f"note: {text}"))
    if format == "json":
        print_json(result)
    else:
        print_result(result)


def scale_means_nothing(scale: str) -> bool:
    """Whether results of a scale are for tests only."""
    return scale == "smoke"


def print_result(result: Mapping[str, Any]) -> None:
    """Print what a run came to; the run folder is the last line."""
    method = result.get("recipe") or f"{' + '.join(result['objectives'])} with {result['distance']}"
    method = ", ".join([method, *result.get("reweighted", [])])  # what makes it another method than the recipe
    where = task_name(result.get("environment", ""), result.get("protocol") or result["title"])
    print(f"{where}, {method}, scale {result['scale']}")
    if scale_means_nothing(result["scale"]):
        print("scale smoke: these numbers mean nothing")
    print(f"success  {rate_text(result)}")
    baseline = result.get("baseline")
    if baseline:
        print(f"baseline    {rate_text(baseline)}  ({baseline['planner']})")
    for name, times in result.get("stages", {}).items():
        print(f"{name:<9}{times['seconds']:>9.1f} s{times['cpu_seconds']:>10.1f} CPU-s")
    print(f"{'all':<9}{result['seconds']:>9.1f} s{result['cpu_seconds']:>10.1f} CPU-s")
    print(result["run_dir"])
