"""Controllers of the ladder: who predicts the future, and who says how far the goal is."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vgbench.analysis.cost_tables import Tables
from vgbench.analysis.ladder.setup import Act, LadderSetup
from vgbench.analysis.prediction import aggregate
from vgbench.analysis.probe import apply, split
from vgbench.analysis.sampling import index_states, latents
from vgbench.api import State
from vgbench.experiments.trained import Trained
from vgbench.planning.controller import block_rows, plan_horizon
from vgbench.planning.problem import BlindProblem
from vgbench.rng import KeyedNoise, Stream
from vgbench.settings import MpcSettings

DIRECTIONS = 64
"""Actions that the straight line tries."""

Rollout = Callable[[State, Tensor], list[Any]]
"""State with B rows and actions [B, K, H, A] -> H times what the cost is taken of, with B * K rows."""
Cost = Callable[[Tensor, Any, int], Tensor]
"""Ids of the tasks [B], one entry of a rollout and K -> costs [B, K]."""


class CostProblem(BlindProblem):
    """A planning problem whose rollouts and costs are given."""

    def __init__(self, ids: Tensor, state: State, rollout: Rollout, cost: Cost, settings: MpcSettings, *shared: Any):
        super().__init__(*shared)
        self._ids, self._state, self._roll, self._cost, self._settings = ids, state, rollout, cost, settings

    def cost(self, actions: Tensor) -> Tensor:
        """Aggregated distance to the goal, [B, K]."""
        candidates = actions.shape[1]
        steps = [self._cost(self._ids, entry, candidates).double() for entry in self._roll(self._state, actions)]
        return aggregate(torch.stack(steps, dim=-1).flatten(0, 1), self._settings).reshape(actions.shape[:2])


class Planned:
    """Acts by the planner on given rollouts and costs; remembers the plans of the active tasks."""

    def __init__(self, place: LadderSetup, rollout: Rollout, cost: Cost) -> None:
        self._place, self._rollout, self._cost, self._planner = place, rollout, cost, place.planner()
        self._memory: dict[int, dict[str, Tensor]] = {}
        self._set = place.environment.spec.actions.scaled(1 / place.data.action_scale)

    def __call__(self, state: State, ids: Tensor, step: int) -> Tensor:
        """Plans of the tasks, block by block."""
        settings, spec = self._place.settings, self._place.spec
        size = max(1, block_rows(settings, spec.device) // self._planner.candidates)
        left = settings.max_steps - step
        horizon = min(plan_horizon(self._planner, settings), left)
        executed = settings.replan_every if step else 0
        plans = []
        for rows in torch.arange(len(ids), device=ids.device).split(size):
            some = ids[rows]
            noise = KeyedNoise(spec.task_seed, some, step, Stream.PLANNER)
            shared = (self._set, noise, torch.full_like(some, left), horizon, executed)
            problem = CostProblem(some, index_states(state, rows), self._rollout, self._cost, settings, *shared)
            with torch.no_grad():
                plan = self._planner.plan(problem, self._recall(some))
            for row, task in enumerate(some.tolist()):
                self._memory[task] = {name: value[row] for name, value in plan.state.items()}
            plans.append(plan.actions[:, : settings.replan_every])
        return torch.cat(plans)

    def _recall(self, ids: Tensor) -> dict[str, Tensor]:
        known = [self._memory.get(task, {}) for task in ids.tolist()]
        return {name: torch.stack([one[name] for one in known]) for name in known[0]}


def exact(place: LadderSetup) -> Rollout:
    """The environment's own step; noisy moves are rolled out with their mean."""
    environment, scale = place.environment, place.data.action_scale

    def rollout(state: State, actions: Tensor) -> list[State]:
        count = actions.shape[1]
        rows = {name: value.repeat_interleave(count, dim=0) for name, value in state.items()}
        noise = None
        if environment.spec.noise_dim:
            noise = torch.zeros(len(actions) * count, environment.spec.noise_dim, device=actions.device)
        states = []
        for step in range(actions.shape[2]):
            rows = environment.step(rows, actions[:, :, step].flatten(0, 1) * scale, noise)
            states.append(rows)
        return states

    return rollout


def learned(place: LadderSetup, trained: Trained, weights: Tensor) -> Rollout:
    """The learned model, whose latents a probe turns into states."""
    environment, static = place.environment, place.data.trajectories.static

    def rollout(state: State, actions: Tensor) -> list[State]:
        count = actions.shape[1]
        latent = latents(trained, state).repeat_interleave(count, dim=0)
        fixed = {name: state[name].repeat_interleave(count, dim=0) for name in static}
        states = []
        for step in range(actions.shape[2]):
            latent = trained.model.predict(latent, actions[:, :, step].flatten(0, 1))
            read = split(trained, apply(weights, latent))
            shaped = {n: v.reshape(-1, *environment.spec.state[n].shape).to(state[n].dtype) for n, v in read.items()}
            states.append(fixed | shaped)
        return states

    return rollout


def straight_cost(place: LadderSetup) -> Cost:
    """The environment's own distance to the goal, which knows no walls."""

    def cost(ids: Tensor, state: State, candidates: int) -> Tensor:
        goal = index_states(place.tasks.goal, ids.repeat_interleave(candidates))
        return place.environment.goal_distance(state, goal).reshape(len(ids), candidates)

    return cost


def table_cost(tables: Tables) -> Cost:
    """Distances from tables over the grid of states."""
    return lambda ids, state, candidates: tables.look_up(ids.repeat_interleave(candidates), state).reshape(len(ids), -1)


def straight_line(place: LadderSetup) -> Act:
    """After which of 64 actions is the goal nearest, as the crow flies? Tried in the environment itself, one step."""
    actions = place.environment.spec.actions
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(DIRECTIONS, actions.dim, generator=generator).to(place.data.device)
    lengths = torch.linspace(1.0, 0.25, 4, device=place.data.device).repeat(DIRECTIONS // 4).unsqueeze(1)
    tried = actions.boundary(directions) * lengths / place.data.action_scale
    one, cost = exact(place), straight_cost(place)

    def act(state: State, ids: Tensor, step: int) -> Tensor:
        candidates = tried.expand(len(ids), -1, -1).unsqueeze(2)
        best = cost(ids, one(state, candidates)[0], DIRECTIONS).argmin(dim=1)
        return tried[best].unsqueeze(1)

    return act


def expert(place: LadderSetup) -> Act:
    """The environment's own expert."""
    environment: Any = place.environment

    def act(state: State, ids: Tensor, step: int) -> Tensor:
        action: Tensor = environment.expert(state, index_states(place.tasks.goal, ids))
        return action.unsqueeze(1) / place.data.action_scale

    return act


def baseline(place: LadderSetup) -> Act | None:
    """The protocol's planner that ignores the cost."""
    chosen = place.spec.baseline
    if chosen is None:
        return None
    planner = chosen.cls(chosen.params)
    actions, settings = place.environment.spec.actions.scaled(1 / place.data.action_scale), place.settings
    memory: dict[int, dict[str, Tensor]] = {}

    def act(state: State, ids: Tensor, step: int) -> Tensor:
        left = settings.max_steps - step
        noise = KeyedNoise(place.spec.task_seed, ids, step, Stream.BASELINE)
        horizon = min(plan_horizon(planner, settings), left)
        known = [memory.get(task, {}) for task in ids.tolist()]
        remembered = {name: torch.stack([one[name] for one in known]) for name in known[0]}
        shared = (actions, noise, torch.full_like(ids, left), horizon, settings.replan_every if step else 0)
        plan = planner.plan(BlindProblem(*shared), remembered)
        for row, task in enumerate(ids.tolist()):
            memory[task] = {name: value[row] for name, value in plan.state.items()}
        result: Tensor = plan.actions[:, : settings.replan_every]
        return result

    return act
