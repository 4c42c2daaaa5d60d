"""A ladder of controllers between random actions and an expert, which tells whether model, value or planner fails.

Every row plays the same tasks with the same planner, noise and episode length. What changes is who predicts the future
(the environment itself, or the learnt model) and who says how far the goal is (a straight line, the learnt distance,
the true cost to go). Distances are looked up in tables over the environment's grid of states, where it has one.
"""

# ruff: noqa: TID253 - imported only by modules that compute
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import vgbench
from vgbench.api import Environment, Planner, State, Tasks
from vgbench.dataset import Dataset
from vgbench.diagnosis.dynamics import aggregate, apply, fit_probe, split
from vgbench.diagnosis.lookup import Tables, learnt_tables, true_tables
from vgbench.diagnosis.view import lacks, latents, take
from vgbench.noise import KeyedNoise, Stream
from vgbench.planning import BlindProblem, block_rows, plan_horizon
from vgbench.settings import MpcSettings
from vgbench.spec import RunSpec
from vgbench.statistics import wilson
from vgbench.store import Record
from vgbench.trained import Trained

FORMAT = 1
DIRECTIONS = 64
"""Actions that the straight line tries."""

Act = Callable[[State, Tensor, int], Tensor]
"""State, ids of the active tasks [B], step -> normalised actions [B, R, A] to be executed."""
Rollout = Callable[[State, Tensor], list[Any]]
"""State with B rows and actions [B, K, H, A] -> H times what the cost is taken of, with B * K rows."""
Cost = Callable[[Tensor, Any, int], Tensor]
"""Ids of the tasks [B], one entry of a rollout and K -> costs [B, K]."""


@dataclass
class Place:
    """Where the ladder stands: what all rows share."""

    spec: RunSpec
    environment: Environment
    data: Dataset
    tasks: Tasks
    budget: int | None = None

    @property
    def settings(self) -> MpcSettings:
        """Episode length, steps between plans, and how distances make a cost."""
        settings: MpcSettings = self.spec.settings["mpc"]
        return settings

    def planner(self) -> Planner:
        """The run's planner, with `budget` samples if that is given and it has such a parameter."""
        chosen = self.spec.planner
        params = chosen.params
        if self.budget is not None and hasattr(params, "samples"):
            params = params.model_copy(update={"samples": self.budget})
        planner: Planner = chosen.cls(params)
        return planner


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

    def __init__(self, place: Place, rollout: Rollout, cost: Cost) -> None:
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
            problem = CostProblem(some, take(state, rows), self._rollout, self._cost, settings, *shared)
            with torch.no_grad():
                plan = self._planner.plan(problem, self._recall(some))
            for row, task in enumerate(some.tolist()):
                self._memory[task] = {name: value[row] for name, value in plan.state.items()}
            plans.append(plan.actions[:, : settings.replan_every])
        return torch.cat(plans)

    def _recall(self, ids: Tensor) -> dict[str, Tensor]:
        known = [self._memory.get(task, {}) for task in ids.tolist()]
        return {name: torch.stack([one[name] for one in known]) for name in known[0]}


def play(place: Place, act: Act) -> list[Record]:
    """Play all tasks; rows with `task`, `success` and `steps`."""
    environment, settings, tasks = place.environment, place.settings, place.tasks
    state, ids, step = tasks.start, torch.arange(len(tasks), device=place.data.device), 0
    steps = torch.full((len(tasks),), -1)
    while step < settings.max_steps and len(ids):
        actions = act(state, ids, step)
        for index in range(min(actions.shape[1], settings.max_steps - step)):
            noise = None
            if environment.spec.noise_dim:
                keyed = KeyedNoise(place.spec.task_seed, ids, step, Stream.ENVIRONMENT)
                noise = keyed.normal(environment.spec.noise_dim)
            state = environment.step(state, actions[:, index] * place.data.action_scale, noise)
            step += 1
            solved = environment.success(state, take(tasks.goal, ids))
            steps[ids[solved].cpu()] = step
            left = (~solved).nonzero().squeeze(1)
            state, ids, actions = take(state, left), ids[left], actions[left]
            if not len(ids):
                break
    return [
        {"task": task, "success": count >= 0, "steps": count if count >= 0 else step}
        for task, count in enumerate(steps.tolist())
    ]


def exact(place: Place) -> Rollout:
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


def learnt(place: Place, trained: Trained, weights: Tensor) -> Rollout:
    """The learnt model, whose latents a probe turns into states."""
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


def straight_cost(place: Place) -> Cost:
    """The environment's own distance to the goal, which knows no walls."""

    def cost(ids: Tensor, state: State, candidates: int) -> Tensor:
        goal = take(place.tasks.goal, ids.repeat_interleave(candidates))
        return place.environment.goal_distance(state, goal).reshape(len(ids), candidates)

    return cost


def table_cost(tables: Tables) -> Cost:
    """Distances from tables over the grid of states."""
    return lambda ids, state, candidates: tables.look_up(ids.repeat_interleave(candidates), state).reshape(len(ids), -1)


def straight_line(place: Place) -> Act:
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


def expert(place: Place) -> Act:
    """The environment's own expert."""
    environment: Any = place.environment

    def act(state: State, ids: Tensor, step: int) -> Tensor:
        action: Tensor = environment.expert(state, take(place.tasks.goal, ids))
        return action.unsqueeze(1) / place.data.action_scale

    return act


def floor(place: Place) -> Act | None:
    """The protocol's planner that ignores the cost."""
    chosen = place.spec.floor
    if chosen is None:
        return None
    planner = chosen.cls(chosen.params)
    actions, settings = place.environment.spec.actions.scaled(1 / place.data.action_scale), place.settings
    memory: dict[int, dict[str, Tensor]] = {}

    def act(state: State, ids: Tensor, step: int) -> Tensor:
        left = settings.max_steps - step
        noise = KeyedNoise(place.spec.task_seed, ids, step, Stream.FLOOR)
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


def climb(place: Place, runs: list[Trained], tell: Callable[[str], None] = lambda _: None) -> Record:
    """Play every rung of the ladder that the environment and the runs allow.

    Returns:
        Values for JSON: `rows`, each with `name`, `dynamics`, `value`, `run` and success rate and interval, or with
        `skipped` and the reason.
    """
    rows: list[Record] = []

    def add(name: str, dynamics: str, value: str, make: Callable[[], Act | str | None], **more: Any) -> None:
        row: Record = {"name": name, "dynamics": dynamics, "value": value}
        act = make()
        if act is None or isinstance(act, str):
            rows.append(row | {"skipped": act or "the protocol has none"})
            return
        tell(name)
        rows.append(row | _rate(play(place, act)) | more)

    add("random actions", "-", "-", lambda: floor(place))
    add("straight line", "exact, one step", "straight", lambda: straight_line(place))
    add("exact model, straight", "exact", "straight", lambda: Planned(place, exact(place), straight_cost(place)))
    for trained in runs:
        _rungs(place, trained, add, rows)
    missing = lacks(place.environment, "cost_to_go") or lacks(place.environment, "state_grid")
    truth = None if missing else true_tables(place.environment, place.tasks, place.data)
    add(
        "exact model, true value",
        "exact",
        "true",
        lambda: Planned(place, exact(place), table_cost(truth)) if truth else missing,
    )
    add("expert", "-", "-", lambda: lacks(place.environment, "expert") or expert(place))
    planner = place.planner()
    return {
        "format": FORMAT,
        "vgbench": vgbench.__version__,
        "protocol": place.spec.protocol,
        "scale": place.spec.scale,
        "environment": place.spec.environment.identity(),
        "tasks": len(place.tasks),
        "seeds": {"data": place.spec.data_seed, "task": place.spec.task_seed},
        "planner": {"name": place.spec.planner.name, "params": planner.params.model_dump(mode="json")},
        "budget": place.budget,
        "rows": rows,
    }


def _rungs(place: Place, trained: Trained, add: Callable[..., None], rows: list[Record]) -> None:
    """The rungs of one run: its value on the exact model, the true value on its model, and the run itself."""
    title, count = trained.run["title"], len(place.tasks)
    missing = lacks(place.environment, "state_grid")
    tables, error = (None, None) if missing else learnt_tables(trained, place.tasks)
    add(
        "exact model, learnt value",
        "exact",
        "learnt",
        lambda: Planned(place, exact(place), table_cost(tables)) if tables else missing,
        run=title,
        table_error=error,
    )
    missing = missing or lacks(place.environment, "cost_to_go")
    weights, _, errors = fit_probe(trained, 0)
    truth = None if missing else true_tables(place.environment, place.tasks, place.data)
    add(
        "learnt model, true value",
        "learnt",
        "true, by a probe",
        lambda: Planned(place, learnt(place, trained, weights), table_cost(truth)) if truth else missing,
        run=title,
        probe_error=errors,
    )
    found = [row for row in trained.folder.lines("episodes.jsonl") if row["task"] < count]
    if len(found) == count:
        row = {"name": "the run itself", "dynamics": "learnt", "value": "learnt", "run": title}
        rows.append(row | _rate(found) | {"recorded": True})


def _rate(found: list[Record]) -> Record:
    successes = sum(bool(row["success"]) for row in found)
    low, high = wilson(successes, len(found))
    steps = [row["steps"] for row in found if row["success"]]
    return {
        "success_rate": successes / len(found),
        "successes": successes,
        "n": len(found),
        "ci95": [round(low, 4), round(high, 4)],
        "mean_steps": round(sum(steps) / len(steps), 2) if steps else None,
    }
