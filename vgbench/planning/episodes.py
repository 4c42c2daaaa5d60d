"""Episodes: all tasks at once, in lockstep; a solved task leaves the batch, unless episodes are played whole."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from vgbench.api import Environment, Plan, State, Tasks
from vgbench.errors import RunFailed
from vgbench.model.batching import Rows, take_rows
from vgbench.model.jepa import JEPA
from vgbench.planning.controller import Controller
from vgbench.planning.plans import INFO, join_plans, of_prefix, pack_plan, unpack_plan, with_prefix
from vgbench.plugin.attribution import describe_plugin
from vgbench.rng import KeyedNoise, Stream
from vgbench.settings import MpcSettings
from vgbench.storage.files import Record
from vgbench.storage.record_types import EpisodeRow


@dataclass
class Progress:
    """Where episodes stand: everything that resuming needs.

    Attributes:
        active: numbers of the tasks that are being played; `state` and `memory` (the planner's) have a row for each.
        record: what becomes of the tasks, a row for each of them all; `info`: sums of the planner's diagnostics.
        executed: actions executed since the previous plan.
        pending: the plan as far as it is made at the present step: for the first `planned` active tasks.
        evaluations: of the predictor, so far.
        block: tasks planned at a time, once there is a plan.
    """

    step: int
    active: Tensor
    state: State
    memory: Rows
    record: Rows
    executed: int = 0
    planned: int = 0
    pending: Plan | None = None
    evaluations: int = 0
    block: int | None = None
    info: Rows = field(default_factory=dict)

    def packed(self) -> Record:
        """Return what a checkpoint holds."""
        content = dict(vars(self))
        content["record"] = self.record | with_prefix(INFO, content.pop("info"))
        content["pending"] = None if self.pending is None else pack_plan(self.pending)
        return content

    @classmethod
    def unpacked(cls, content: Record) -> "Progress":
        """Return what `packed` made `content` of."""
        progress = cls(**content)
        progress.info = of_prefix(INFO, progress.record)
        progress.record = {name: v for name, v in progress.record.items() if not name.startswith(INFO)}
        progress.pending = None if content["pending"] is None else unpack_plan(content["pending"])
        return progress

    def remember(self, plan: Plan) -> None:
        """Keep the planner's new memory, and add its diagnostics to what was recorded."""
        self.memory = plan.state
        self.record["plans"][self.active] += 1
        for name, value in plan.info.items():
            # In double precision: they are summed over all plans of an episode.
            sums = self.info.setdefault(name, torch.zeros_like(self.record["start_distance"].double()))
            sums[self.active] += value.double()


Act = Callable[[Progress], Plan]
"""Decides what the active tasks do next: plans in normalised units, of one or more steps."""


@dataclass(frozen=True)
class Step:
    """What has just been executed, before solved tasks leave.

    Attributes:
        ids: numbers of the B tasks.
        before, after: their states.
        plan: what they act by, also for tasks that have left since it was made.
        rows: [B], theirs of the plan.
        index: the action of the plan that was executed.
        solved: [B] bool.
    """

    ids: Tensor
    before: State
    after: State
    plan: Plan
    rows: Tensor
    index: int
    solved: Tensor


class Episodes:
    """The loop over the episodes of tasks, whoever acts in them."""

    def __init__(
        self,
        environment: Environment,
        tasks: Tasks,
        settings: MpcSettings,
        action_scale: float | Tensor,
        seed: int,
        whole: bool = False,
        name: str = "episodes",
    ) -> None:
        """`seed` is that of the environment's noise; solved tasks leave, unless episodes are to be played `whole`."""
        self.environment, self.tasks, self.settings, self.name = environment, tasks, settings, name
        self._scale, self._seed, self._whole = action_scale, seed, whole

    def start(self, ids: Tensor | None = None) -> Progress:
        """Return all tasks at their starts, or those with the numbers `ids`."""
        distance = self.environment.goal_distance(self.tasks.start, self.tasks.goal)
        count, device = len(self.tasks), next(iter(self.tasks.start.values())).device
        record = {
            # -1: not solved yet.
            "steps": torch.full((count,), -1, dtype=torch.int64, device=device),
            # A copy each: the two below are written to as the episodes go on.
            "start_distance": distance.clone(),
            "min_distance": distance.clone(),
            "final_distance": distance.clone(),
            "plans": torch.zeros(count, dtype=torch.int64, device=device),
        }
        ids = torch.arange(count, device=device) if ids is None else ids
        return Progress(0, ids, take_rows(self.tasks.start, ids), {}, record)

    def play(
        self,
        act: Act,
        progress: Progress | None = None,
        *,
        until: int | None = None,
        on_step: Callable[[Step], None] | None = None,
        on_plan: Callable[[Progress], None] | None = None,
    ) -> Progress:
        """Play on from `progress`, to the ends of the episodes or for the first `until` steps.

        `on_step` is called after each step, `on_plan` once what was to be executed of a plan is.
        """
        progress = progress or self.start()
        last = min(until or self.settings.max_steps, self.settings.max_steps)
        while progress.step < last and len(progress.active):
            plan = act(progress)
            progress.remember(plan)
            self._execute(progress, plan, last, on_step)
            if on_plan is not None:
                on_plan(progress)
        return progress

    def _execute(self, progress: Progress, plan: Plan, last: int, on_step: Callable[[Step], None] | None) -> None:
        """Apply the first actions of a plan; tasks that reach their goal leave."""
        left = self.settings.max_steps - progress.step
        progress.executed = min(self.settings.replan_every, plan.actions.shape[1], left)
        rows = torch.arange(len(progress.active), device=plan.actions.device)
        for index in range(min(progress.executed, last - progress.step)):
            # Keyed by task and step: what a task meets does not depend on which others are still played.
            noise = step_noise(self.environment, self._seed, progress.active, progress.step)
            ids, before = progress.active, progress.state
            progress.state = self.environment.step(before, plan.actions[rows, index] * self._scale, noise)
            progress.step += 1
            solved = self._judge(progress)
            if on_step is not None:
                on_step(Step(ids, before, progress.state, plan, rows, index, solved))
            if self._whole:
                continue
            # Indices, not a mask: with a mask a GPU would be waited for at every use.
            stay = (~solved).nonzero().squeeze(1)
            progress.active, progress.state, rows = ids[stay], take_rows(progress.state, stay), rows[stay]
            if not len(rows):
                break
        progress.memory = take_rows(progress.memory, rows)
        progress.pending, progress.planned = None, 0

    def _judge(self, progress: Progress) -> Tensor:
        """Record how far the goals are; return which active tasks are solved, [B] bool."""
        record, active = progress.record, progress.active
        goal = take_rows(self.tasks.goal, active)
        distance = self.environment.goal_distance(progress.state, goal)
        if not bool(torch.isfinite(distance).all()):
            who = describe_plugin(self.environment, "environment")
            raise RunFailed(f"{who}: goal_distance is not finite after step {progress.step} of stage '{self.name}'")
        solved = self.environment.success(progress.state, goal)
        record["final_distance"][active] = distance
        record["min_distance"][active] = torch.minimum(record["min_distance"][active], distance)
        steps = record["steps"][active]
        # Only the first time counts, as whole episodes go on after it.
        record["steps"][active] = torch.where(solved & (steps < 0), progress.step, steps)
        return solved

    def rows(self, progress: Progress) -> list[EpisodeRow]:
        """Return values for JSON of each task that is over."""
        record: dict[str, list[Any]] = {name: value.tolist() for name, value in progress.record.items()}
        infos = {name: value.tolist() for name, value in progress.info.items()}
        over = progress.step >= self.settings.max_steps
        playing = set() if over else set(progress.active.tolist())
        rows, strata = [], self.tasks.strata
        for task in range(len(self.tasks)):
            if task in playing:
                continue
            steps = record["steps"][task]
            row: EpisodeRow = {
                "task": task,
                "success": steps >= 0,
                "steps": steps if steps >= 0 else progress.step,
                "start_distance": round(record["start_distance"][task], 6),
                "min_distance": round(record["min_distance"][task], 6),
                "final_distance": round(record["final_distance"][task], 6),
            }
            if strata is not None:
                row["stratum"] = strata[task]
            means = {name: sums[task] / max(record["plans"][task], 1) for name, sums in infos.items()}
            # A planner's figures never replace the row's own, and JSON has no infinity.
            figures = {k: round(v, 6) if math.isfinite(v) else None for k, v in means.items()}
            rows.append(cast("EpisodeRow", {**figures, **row}))
        return rows


class Planned:
    """Acts by a controller's plans, made block by block, going on after those that a checkpoint holds."""

    def __init__(
        self,
        controller: Controller,
        observe: Callable[[State, Tensor], Rows],
        on_block: Callable[[Progress], None] | None = None,
    ) -> None:
        """`observe` turns states and numbers of tasks into what the controller plans from; see `observe_latents`."""
        self._controller, self._observe, self._on_block = controller, observe, on_block

    def __call__(self, progress: Progress) -> Plan:
        """Plans of all active tasks."""
        tasks = {"id": progress.active} | self._observe(progress.state, progress.active)
        blocks = self._controller.blocks(tasks, progress.memory, progress.planned, progress.step, progress.executed)
        for done, plan in blocks:
            made = [plan] if progress.pending is None else [progress.pending, plan]
            progress.pending, progress.planned = join_plans(made), done
            if self._on_block is not None:
                self._on_block(progress)
        if progress.pending is None:
            raise RuntimeError("there is no active task to plan for")
        return progress.pending


def observe_latents(model: JEPA | None, environment: Environment, tasks: Tasks) -> Callable[[State, Tensor], Rows]:
    """Return what encodes states: `latent` [B, D], and their goals' points `goal` [B, D']; nothing without a model."""
    if model is None:
        return lambda state, ids: {}
    # Goals stay as they are: encoded once for all steps.
    points = model.encode_blocks(environment.goal_observation(tasks.goal), points=True)
    return lambda state, ids: {"latent": model.encode_blocks(environment.observe(state)), "goal": points[ids]}


def step_noise(
    environment: Environment, seed: int, ids: Tensor, step: int, stream: Stream = Stream.ENVIRONMENT
) -> Tensor | None:
    """Draw standard normals [B, noise_dim] of a step of tasks, for an environment that is noisy."""
    dim = environment.spec.noise_dim
    return KeyedNoise(seed, ids, step, stream).normal(dim) if dim else None
