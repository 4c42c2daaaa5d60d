"""A whole evaluation, against one pytorch-mppi controller per task (see `benchmarks.play`).

Same K, H, temperature and replanning. The peer plays every task to the last step, or (`until success`) lets a task go
at its first success, as ours does.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks import peers
from benchmarks.harness import Case, Check, Options, Record, Side, difference
from benchmarks.play import Play, run_planner
from vgbench.api import Tasks
from vgbench.experiments.trained import load_trained
from vgbench.rng import KeyedNoise, Stream
from vgbench.statistics import t_interval

MARGIN = 0.03
"""Success of ours may lie this much below the peer's at most, with its whole interval."""


def cases(options: Options) -> Iterator[Case]:
    """The run's own tasks and settings; at smaller sizes fewer tasks and steps."""
    with tempfile.TemporaryDirectory() as folder:
        trained = load_trained(Path(options.run or smoke_run(Path(folder) / "run")), "--run")
        count, steps = options.pick((len(trained.tasks), 10**9), (8, 40), (2, 8))
        tasks = Tasks(*({n: x[:count] for n, x in part.items()} for part in (trained.tasks.start, trained.tasks.goal)))
        planner = run_planner(trained)
        yield case(Play(trained, tasks, planner, planner, trained.spec.task_seed, steps))


def smoke_run(folder: Path) -> Path:
    """Make a run that shows that the benchmark runs, and no more."""
    import vgbench

    small = ["data.trajectories=8", "train.steps=2", "train_predictor.steps=2", "mpc.block_rows=64"]
    vgbench.run(protocol="wall_small", recipe="vf_quasi", scale="smoke", set=small, out=folder)
    return folder


def case(play: Play) -> Case:
    """Ours, and the peer in both ways."""
    sides = [Side("vgbench", play.ours, "ours", "until success")]
    written, _ = play.distance()
    for name, whole in ((peers.PYTORCH_MPPI.name, True), (peers.STOPPING, False)):
        if peers.PYTORCH_MPPI.present:
            what = f"one controller per task; {written}; {'to the last step' if whole else 'until success'}"
            sides.append(Side(name, lambda name=name, whole=whole: play.theirs(name, whole), setting=what))  # type: ignore[misc]
    params, spec = play.peer.params, play.trained.spec
    return Case(
        f"{spec.protocol}, {len(play.tasks)} tasks",
        {"protocol": spec.protocol, "recipe": spec.recipe, "scale": spec.scale, "tasks": len(play.tasks)}
        | {"samples": params.samples, "horizon": params.horizon, "iterations": params.iterations}
        | {"max_steps": play.settings.max_steps, "replan_every": play.settings.replan_every},
        sides,
        len(play.tasks),
        "task",
        lambda: checks(play),
        lambda sides: facts(play),
        peers.missing(peers.PYTORCH_MPPI),
        most=3,
    )


def checks(play: Play) -> Iterator[Check]:
    """The first plan of the first task is the same, given the same noise, and so are the costs that it rests on."""
    if not peers.PYTORCH_MPPI.present:
        return
    latent = play.trained.model.encode_blocks(play.trained.environment.observe(play.tasks.start))[:1]
    task = {"id": torch.zeros(1, dtype=torch.int64), "latent": latent, "goal": play.goals[:1]}
    plan = play.controller.plan(task, {}, 0, 0)
    noise = KeyedNoise(play.task_seed, task["id"], 0, Stream.PLANNER)
    mppi, params = play.mppi(0), play.peer.params
    if params.initial_noise or params.iterations > 1:
        return  # the peer starts from zeros, and draws once
    # A draw for each block of steps that share their noise, rounded up; the last block is cut.
    draws = noise.normal(params.samples, -(-mppi.T // params.noise_hold), play.action_set.dim)[0]
    draws = draws.repeat_interleave(params.noise_hold, dim=1)[:, : mppi.T] * play.peer.noise_std
    mppi._sample_noise = lambda shape: draws
    actions = play.command(mppi, latent[0], 0)
    theirs = torch.stack([mppi.cost_total.min(), mppi.cost_total.mean()])
    costs = difference(torch.cat([plan.info["cost"], plan.info["cost_mean"]]), theirs)
    for name in (peers.PYTORCH_MPPI.name, peers.STOPPING):
        yield Check(name, "least and mean cost of the same action sequences", costs, 1e-4)
        # Wider than for costs: weights near an argmin make much of their last bits.
        yield Check(name, "first plan from the same noise", difference(plan.actions[0], actions), 1e-2)


def facts(play: Play) -> Record:
    """Success of every side in its last round, and the paired difference from ours with its interval."""
    ours = play.success["vgbench"]
    found: Record = {"success": {name: sum(rows) / len(rows) for name, rows in play.success.items()}}
    for name, theirs in play.success.items():
        if name == "vgbench" or len(ours) < 2:
            continue
        found[f"ours minus {name}"] = paired(ours, theirs)
    return found


def paired(a: list[bool], b: list[bool]) -> Record:
    """Mean difference a - b of success on the same tasks with its 95 % interval, and whether a is not worse."""
    differences = [float(x) - float(y) for x, y in zip(a, b, strict=True)]
    low, high = t_interval(differences)
    interval = [round(low, 4), round(high, 4)]
    return {"mean": sum(differences) / len(a), "ci95": interval, "not_worse": low > -MARGIN}
