"""What a run will cost on this machine, before it is started."""

from dataclasses import replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from vgbench.api import Environment
from vgbench.experiments.build import dry_build
from vgbench.experiments.time_range import Speed, measured, time_range
from vgbench.model.jepa import ENCODER_BLOCK, JEPA, input_dtype, is_frozen
from vgbench.model.precision import in_force
from vgbench.planning.controller import block_rows, plan_horizon
from vgbench.planning.memory import most_tasks, task_bytes
from vgbench.spec import RunSpec, StageSpec
from vgbench.training.stage import states_of_window, strides_of, total_steps

_LIBRARIES = 400 * 2**20  # bytes that Python and the libraries take


def estimate(spec: RunSpec, speed: Speed | None = None) -> dict[str, Any]:
    """Predictor evaluations, FLOPs, bytes of memory and seconds of a run, by stage and in all.

    `seconds` and what is by stage are of a run in which no task is solved before its end; `seconds_low` and
    `seconds_high` are the range to expect, of which `training_low` and `training_high` are those of training.

    Args:
        spec: the run.
        speed: of this machine; measured here if it is not given.

    Raises:
        UsageError: the parts of the run do not fit together.
    """
    environment, model, terms = dry_build(spec)
    flops, states = _flops(spec, environment, model, terms)
    speed = speed or speed_of(spec, spec.compute.threads)
    expected = time_range(spec, flops, speed)
    return {
        "predictor_evaluations": predictor_evaluations(spec),
        "flops": sum(flops.values()),
        "memory_bytes": _memory(spec, model, environment, states),
        "seconds": expected.worst,
        "seconds_low": expected.low,
        "seconds_high": expected.high,
        "training_low": expected.training[0],
        "training_high": expected.training[1],
        "recorded": expected.recorded,
        "flops_by_stage": flops,
        "seconds_by_stage": dict(expected.by_stage),
        "flops_per_second": speed.rate,
    }


def speed_of(spec: RunSpec, threads: int) -> Speed:
    """Measure matrix products in the run's precision, on its device, with so many threads."""
    with in_force(replace(spec, compute=replace(spec.compute, threads=threads))):
        half = spec.compute.precision == "bfloat16"
        return measured(torch.device(spec.device), dtype=torch.bfloat16 if half else torch.float32)


def flops_by_stage(spec: RunSpec) -> dict[str, float]:
    """Return the floating-point operations of each training stage, of `encode`, and of `planning` in the worst case."""
    return _flops(spec, *dry_build(spec))[0]


def _flops(spec: RunSpec, environment: Environment, model: JEPA, terms: Any) -> tuple[dict[str, float], int]:
    """Operations by stage, and the states of a window."""
    size = model_flops(model, spec, environment)
    evaluations, strides = predictor_evaluations(spec), strides_of(terms)
    states = states_of_window(strides, spec.settings["train"].window, spec.settings["data"].length)
    frames = _frames(spec, states, is_frozen(model.encoder))
    # Times 3: the backward pass takes about twice as many operations as the forward one.
    flops = {name: 3.0 * count * size["encoder"] for name, count in frames["trained"].items()}
    for stage in spec.stages:
        if "predictor" in stage.kind.trains:
            # A stage of its own looks at single steps, and takes as many steps as joint training would.
            own = states_of_window(strides | {1}, spec.settings[stage.settings].window, spec.settings["data"].length)
            windows = _windows(spec, stage, own if stage.kind.cached else states)
            flops[stage.name] = flops.get(stage.name, 0.0) + 3.0 * windows * size["predictor"]
    flops["encode"] = frames["encoded"] * size["encoder"]
    flops["planning"] = evaluations * size["predictor"] * (3.0 if spec.planner.cls.gradient else 1.0)
    return flops, states


def predictor_evaluations(spec: RunSpec) -> int:
    """Return the number of calls of the predictor, one row each, if no task is solved before its end."""
    mpc, planner = spec.settings["mpc"], spec.planner.make()
    if planner.baseline:
        return 0
    starts = range(0, mpc.max_steps, mpc.replan_every)
    steps = sum(min(plan_horizon(planner, mpc), mpc.max_steps - start) for start in starts)
    return int(spec.settings["evaluation"].tasks * planner.sequences_per_plan * steps)


def model_flops(model: JEPA, spec: RunSpec, environment: Environment) -> dict[str, float]:
    """Return the floating-point operations of the encoder and of the predictor for one row."""
    action_dim = environment.spec.actions.dim
    observations = _frame(model, environment)
    latent = torch.zeros(1, spec.settings["model"].latent_dim)
    result = {}
    with torch.no_grad():
        for name in ("encoder", "predictor"):
            with FlopCounterMode(display=False) as counter:
                if name == "encoder":
                    model.encoder(observations)
                else:
                    model.predict(latent, torch.zeros(1, action_dim))
            result[name] = float(counter.get_total_flops())
    return result


def _windows(spec: RunSpec, stage: StageSpec, states: int) -> float:
    """Transitions in all windows of a stage, each of so many states."""
    data, settings = spec.settings["data"], spec.settings[stage.settings]
    per_epoch = data.trajectories * max(data.length - settings.window + 1, 0) // settings.batch
    return float(total_steps(settings, max(per_epoch, 1), states) * settings.batch * (settings.window - 1))


def _frames(spec: RunSpec, states: int, frozen: bool) -> dict[str, Any]:
    """Frames through the encoder: with gradient by stage, and without."""
    data, transitions = spec.settings["data"], spec.settings["train"].window - 1
    encoding = [] if frozen else [stage for stage in spec.stages if not stage.kind.cached]
    trained = {stage.name: _windows(spec, stage, states) * states / transitions for stage in encoding}
    return {"trained": trained, "encoded": data.trajectories * data.length if _cached(spec, frozen) else 0}


def _cached(spec: RunSpec, frozen: bool) -> bool:
    """Whether a stage works on the latents of the whole data set."""
    return frozen or any(stage.kind.cached for stage in spec.stages)


def _memory(spec: RunSpec, model: JEPA, environment: Environment, states: int) -> int:
    """Weights, gradients and Adam's moments, the cached latents, and the activations of a block of plans."""
    # Four numbers (weight, gradient, Adam's two moments) of four bytes; of a frozen weight, one.
    frozen = is_frozen(model.encoder)
    weights = sum(p.numel() * (4 if p.requires_grad else 1) for p in model.parameters()) * 4
    data, dim = spec.settings["data"], spec.settings["model"].latent_dim
    latents = data.trajectories * data.length * dim * 4 if _cached(spec, frozen) else 0
    planner = spec.planner.make()
    tasks = max(1, block_rows(spec.settings["mpc"], spec.device, padded=False) // planner.candidates)
    tasks = min(tasks, most_tasks(spec, planner, model, environment) or tasks)
    train = spec.settings["train"]
    # The activations of a batch are kept for the backward pass, and their gradients come beside them.
    # A frozen encoder sees blocks of rows, once.
    rows = 0.5 * ENCODER_BLOCK if frozen else train.batch * states
    activations = 2.0 * _activations(model, environment) * rows
    plans = tasks * task_bytes(spec, planner, model, environment)
    return int(_LIBRARIES + weights + latents + max(activations, plans))


def _frame(model: JEPA, environment: Environment) -> dict[str, torch.Tensor]:
    """Observations of one state, as the encoder is given them."""
    shapes = environment.spec.observations
    return {n: torch.zeros(1, *array.shape, dtype=input_dtype(model.encoder, n, array)) for n, array in shapes.items()}


def _activations(model: JEPA, environment: Environment) -> float:
    """Bytes of all intermediate results of the encoder for one frame."""
    sizes: list[int] = []

    def note(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        # Leaves only: a container mostly returns what its last layer does, which would count twice.
        if isinstance(output, torch.Tensor) and not list(module.children()):
            sizes.append(output.numel() * output.element_size())

    hooks = [module.register_forward_hook(note) for module in model.encoder.modules()]
    shapes = environment.spec.observations
    with torch.no_grad():
        model.encoder(_frame(model, environment))
    for hook in hooks:
        hook.remove()
    return float(sum(sizes) + sum(4 * torch.Size(array.shape).numel() for array in shapes.values()))
