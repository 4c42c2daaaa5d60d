"""The planner on given dynamics and distances, exact or learned, as it acts in the conditions of the ablation."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from vgbench.analysis.ladder.setup import LadderSetup
from vgbench.analysis.probe import apply, split
from vgbench.analysis.sampling import latents
from vgbench.api import State
from vgbench.experiments.trained import Trained
from vgbench.model.batching import Rows, take_rows
from vgbench.planning.controller import Controller
from vgbench.planning.episodes import Act, Planned, observe_latents
from vgbench.planning.plans import STATE, of_prefix, with_prefix
from vgbench.planning.problem import Simulate, Simulation

Dynamics = Callable[[State, Tensor], Iterator[State]]
"""States of B tasks and normalised actions [B, K, H, A] -> H times the states that they lead to, with B * K rows."""
Distance = Callable[[Tensor, State], Tensor]
"""Numbers of tasks [R] and states of R rows -> distances to the goals [R]."""


def planned(setup: LadderSetup, dynamics: Dynamics, distance: Distance) -> Act | str:
    """The run's planner on given dynamics and distances; or why it cannot plan on them."""
    planner, device = setup.planner(), setup.spec.device
    simulate = partial(_simulate, dynamics, distance)
    if planner.gradient and not _differentiable(setup, simulate):
        return f"planner '{setup.spec.planner.name}' needs a gradient, and the dynamics or distances here give none"
    controller = Controller(
        planner, None, setup.action_set, setup.settings, setup.spec.task_seed, device=device, simulate=simulate
    )
    return Planned(controller, lambda state, ids: with_prefix(STATE, state))


def with_model(setup: LadderSetup, trained: Trained) -> Act:
    """The planner with a run's own model and value, as the run itself plans."""
    actions, device, seed = setup.action_set, setup.spec.device, setup.spec.task_seed
    controller = Controller(setup.planner(), trained.model, actions, setup.settings, seed, device=device)
    return Planned(controller, observe_latents(trained.model, setup.environment, setup.tasks))


def _simulate(dynamics: Dynamics, distance: Distance, tasks: Rows) -> Simulation:
    """The planning problem's view of the two halves: `tasks` has `id`, and the states of the tasks."""
    ids = tasks["id"]

    def to_goals(reached: State) -> Tensor:
        candidates = len(next(iter(reached.values()))) // len(ids)
        return distance(ids.repeat_interleave(candidates), reached).double().unflatten(0, (len(ids), candidates))

    return Simulation(partial(dynamics, of_prefix(STATE, tasks)), to_goals)


def _differentiable(setup: LadderSetup, simulate: Simulate) -> bool:
    """Whether the distance after a step of the first task can be differentiated by the action."""
    ids = torch.zeros(1, dtype=torch.int64, device=setup.data.device)
    with torch.enable_grad():
        actions = torch.zeros(1, 1, 1, setup.action_set.dim, device=setup.data.device, requires_grad=True)
        rollout, distance = simulate({"id": ids} | with_prefix(STATE, take_rows(setup.tasks.start, ids)))
        try:
            return all(distance(reached).requires_grad for reached in rollout(actions))
        except RuntimeError:  # as from Tensor.numpy(), where a simulator is not written in PyTorch
            return False


def exact(setup: LadderSetup) -> Dynamics:
    """The environment's own step; noisy moves are rolled out with their mean."""
    environment, scale = setup.environment, setup.data.action_scale

    def rollout(state: State, actions: Tensor) -> Iterator[State]:
        state = _repeated(state, actions.shape[1])
        dim, rows = environment.spec.noise_dim, len(actions) * actions.shape[1]
        noise = torch.zeros(rows, dim, device=actions.device) if dim else None
        for step in range(actions.shape[2]):
            state = environment.step(state, actions[:, :, step].flatten(0, 1) * scale, noise)
            yield state

    return rollout


def learned(setup: LadderSetup, trained: Trained, weights: Tensor) -> Dynamics:
    """The learned model, whose latents a probe turns into states."""
    shapes, static = setup.environment.spec.state, setup.data.trajectories.static

    def rollout(state: State, actions: Tensor) -> Iterator[State]:
        count = actions.shape[1]
        start = latents(trained, state).repeat_interleave(count, dim=0)
        fixed = _repeated({name: state[name] for name in static}, count)
        for latent in trained.model.rollout(start, actions.flatten(0, 1)):
            read = split(trained, apply(weights, latent))
            yield fixed | {n: v.reshape(-1, *shapes[n].shape).to(state[n].dtype) for n, v in read.items()}

    return rollout


def _repeated(state: State, count: int) -> State:
    return {name: value.repeat_interleave(count, dim=0) for name, value in state.items()}
