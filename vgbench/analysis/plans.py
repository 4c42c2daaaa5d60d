"""Plans of a trained run, made as its evaluation makes them."""

import torch
from torch import Tensor

from vgbench.experiments.trained import Trained
from vgbench.planning import memory
from vgbench.planning.controller import Controller
from vgbench.planning.plans import join_plans
from vgbench.rng import Stream


def controller_of(trained: Trained) -> Controller:
    """Return the controller of a run's evaluation. Plans are in the units of the data's normalised actions."""
    spec = trained.spec
    planner = spec.planner.make()
    most = memory.most_tasks(spec, planner, trained.model, trained.environment)
    actions = trained.environment.spec.actions.scaled(1 / trained.data.action_scale)
    settings, seed, device = spec.settings["mpc"], spec.task_seed, spec.device
    return Controller(planner, trained.model, actions, settings, seed, Stream.PLANNER, device, max_tasks=most)


def first_plans(trained: Trained, latent: Tensor, goal: Tensor) -> Tensor:
    """Return the actions [N, H, A] of the plans from latents [N, D] to goals, prepared as the distance wants them."""
    rows = {"id": torch.arange(len(latent), device=latent.device), "latent": latent, "goal": goal}
    return join_plans([plan for _, plan in controller_of(trained).blocks(rows, {}, 0, 0, 0)]).actions
