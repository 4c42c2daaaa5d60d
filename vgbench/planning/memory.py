"""How many tasks are planned at a time: what a block of plans takes, and what there is for it."""

from typing import Any

import torch
from torch import Tensor, nn

from vgbench.api import Environment, Planner
from vgbench.errors import UsageError
from vgbench.hardware import free_memory
from vgbench.model.jepa import JEPA
from vgbench.planning.controller import plan_horizon
from vgbench.spec import RunSpec
from vgbench.text import show_size

SHARE = 0.5
"""Of a device's free memory, that a block of plans may take by default."""

_LATENTS = 5
"""Latents of a row that are alive at a time: before and after a step of the predictor, scaled, and in the distance."""

_DRAWS = 12
"""Numbers of 8 bytes for each number of noise, while it is drawn: the words of Philox and their products."""


def task_bytes(spec: RunSpec, planner: Planner, model: JEPA, environment: Environment) -> int:
    """Bytes that planning for one task takes at its height, beside the weights: 1.2 to 1.5 times what was measured.

    A row (one candidate sequence) has its actions, and either the noise that is being drawn or what one step of the
    predictor keeps alive: all steps for a planner that differentiates.
    """
    action_dim, dim = environment.spec.actions.dim, spec.settings["model"].latent_dim
    horizon = plan_horizon(planner, spec.settings["mpc"])
    numbers = horizon * action_dim
    step = 4 * (_LATENTS * dim + 2 * _widest(model, action_dim, dim))
    steps = step * (horizon if planner.gradient else 1)
    return int(planner.candidates * (max(8 * _DRAWS * numbers, steps) + 3 * 4 * numbers))


def check_budget(spec: RunSpec, model: JEPA, environment: Environment) -> None:
    """Refuse a budget that one task does not fit in.

    Raises:
        UsageError: naming the least that would do.
    """
    budget, planner = spec.compute.memory, spec.planner.make()
    if budget is None or planner.baseline:
        return
    least = task_bytes(spec, planner, model, environment)
    if budget < least:
        raise UsageError(
            f"--memory {show_size(budget)}: planning one task ({planner.candidates} candidates of "
            f"{plan_horizon(planner, spec.settings['mpc'])} steps) takes about {show_size(least)}; give at least that, "
            f"or lower {spec.planner.name}'s candidates or horizon"
        )


def most_tasks(spec: RunSpec, planner: Planner, model: JEPA, environment: Environment) -> int | None:
    """Return how many tasks fit into the memory for a block of plans; None: as many as one likes.

    That is `--memory`, or a share of what is free, unless `mpc.block_rows` says how many rows are wanted.
    """
    if planner.baseline:
        return None
    budget = spec.compute.memory
    if budget is None and not spec.settings["mpc"].block_rows:
        free = free_memory(model.latent_shift.device)
        budget = None if free is None else int(free * SHARE)
    return None if budget is None else max(1, budget // task_bytes(spec, planner, model, environment))


def _widest(model: JEPA, action_dim: int, dim: int) -> int:
    """Numbers in the largest intermediate result of a step of the predictor and of the head, for one row."""
    found = [dim]

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            found.append(output.numel())

    parts = (model.predictor, model.action_encoder, model.head)
    hooks = [module.register_forward_hook(note) for part in parts for module in part.modules()]
    device = model.latent_shift.device
    with torch.no_grad():
        model.head(model.predict(torch.zeros(1, dim, device=device), torch.zeros(1, action_dim, device=device)))
    for hook in hooks:
        hook.remove()
    return max(found)
