"""Plays tasks of a finished run again, and keeps what happened: the states, and at each of them the plan."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vgbench.api import State
from vgbench.experiments.trained import Trained
from vgbench.planning.controller import Controller
from vgbench.rng import KeyedNoise, Stream


@dataclass
class Frame:
    """A task at one step.

    Attributes:
        state, goal: with leading 1.
        plan: [H, A], the latest plan as far as it is not executed yet, in the environment's units.
        since: steps since that plan was made.
        imagined: [H, D], latents that the model predicts for that plan, from when it was made; None without a model.
    """

    state: State
    goal: State
    plan: Tensor
    since: int
    imagined: Tensor | None


@dataclass
class EpisodeTrace:
    """One task from its start to its end, or to where the replay was cut.

    Attributes:
        moments: one for each step, beginning with the start; the last is the end.
    """

    task: int
    solved: bool
    moments: list[Frame]

    @property
    def steps(self) -> int:
        """Steps that were made."""
        return len(self.moments) - 1


class Replay:
    """The loop of `vgbench.planning.episodes` for some tasks; noise is keyed by the task, so they play as they did."""

    def __init__(self, trained: Trained, tasks: Sequence[int]) -> None:
        """Take the numbers of the tasks."""
        spec, environment = trained.spec, trained.environment
        self._trained, self._device = trained, torch.device(spec.device)
        planner = spec.planner.cls(spec.planner.params)
        self._scale = trained.data.action_scale
        actions = environment.spec.actions.scaled(1 / self._scale)
        self._model = None if planner.baseline else trained.model
        settings = spec.settings["mpc"]
        self._controller = Controller(
            planner, self._model, actions, settings, spec.task_seed, Stream.PLANNER, spec.device
        )
        self._ids = torch.tensor(list(tasks), device=self._device)
        self._goal = {name: value[self._ids] for name, value in trained.tasks.goal.items()}
        self._state = {name: value[self._ids] for name, value in trained.tasks.start.items()}
        self._played = [EpisodeTrace(task, False, []) for task in tasks]

    def play(self, most: int | None = None) -> list[EpisodeTrace]:
        """Play all tasks, to their ends or for the first `most` steps."""
        settings, executed, step = self._controller.settings, 0, 0
        memory: dict[str, Tensor] = {}
        last = min(settings.max_steps, most or settings.max_steps)
        rows = torch.arange(len(self._ids), device=self._device)  # of the tasks that are not solved
        while step < last and len(rows):
            plan, memory, imagined = self._plan(rows, memory, step, executed)
            executed = min(settings.replan_every, plan.shape[1], settings.max_steps - step)
            kept = torch.arange(len(rows), device=self._device)  # rows of the plans
            for index in range(executed):
                self._keep(rows, plan[kept], None if imagined is None else imagined[kept], index)
                solved = self._step(rows, plan[kept, index], step)
                step += 1
                for row in rows[solved].tolist():
                    self._end(row, True)
                rows, kept = rows[~solved], kept[~solved]
                if not len(rows):
                    break
            memory = {name: value[kept] for name, value in memory.items()}
        for row in rows.tolist():
            self._end(row, False)
        return self._played

    def _plan(
        self, rows: Tensor, memory: dict[str, Tensor], step: int, executed: int
    ) -> tuple[Tensor, dict[str, Tensor], Tensor | None]:
        """Plans [B, H, A] in the environment's units, the planner's memory, and the latents [B, H, D] predicted."""
        environment, model = self._trained.environment, self._model
        latent = goal = torch.zeros(len(rows), 0, device=self._device)
        if model is not None:
            goal = model.encode_blocks(environment.goal_observation(_take(self._goal, rows)), points=True)
            latent = model.encode_blocks(environment.observe(_take(self._state, rows)))
        tasks = {"id": self._ids[rows], "latent": latent, "goal": goal}
        plans = [plan for _, plan in self._controller.blocks(tasks, memory, 0, step, executed)]
        actions = torch.cat([plan.actions for plan in plans])
        memory = {name: torch.cat([plan.state[name] for plan in plans]) for name in plans[0].state}
        return actions * self._scale, memory, self._imagine(latent, actions)

    def _imagine(self, latent: Tensor, actions: Tensor) -> Tensor | None:
        if self._model is None:
            return None
        seen = []
        with torch.inference_mode():
            for index in range(actions.shape[1]):
                latent = self._model.predict(latent, actions[:, index])
                seen.append(latent)
        return torch.stack(seen, dim=1)

    def _keep(self, rows: Tensor, plan: Tensor, imagined: Tensor | None, since: int) -> None:
        for index, row in enumerate(rows.tolist()):
            seen = None if imagined is None else imagined[index]
            state, goal = (_take(x, torch.tensor([row], device=self._device)) for x in (self._state, self._goal))
            self._played[row].moments.append(Frame(state, goal, plan[index, since:], since, seen))

    def _step(self, rows: Tensor, action: Tensor, step: int) -> Tensor:
        """Make a step of some tasks; return which of them are solved, [B] bool."""
        environment, noise = self._trained.environment, None
        if environment.spec.noise_dim:
            keyed = KeyedNoise(self._controller.seed, self._ids[rows], step, Stream.ENVIRONMENT)
            noise = keyed.normal(environment.spec.noise_dim)
        after = environment.step(_take(self._state, rows), action, noise)
        for name, value in after.items():
            self._state[name][rows] = value
        return environment.success(after, _take(self._goal, rows))

    def _end(self, row: int, solved: bool) -> None:
        last = self._played[row].moments[-1]
        state = _take(self._state, torch.tensor([row], device=self._device))
        self._played[row].moments.append(Frame(state, last.goal, last.plan[:0], 0, None))
        self._played[row].solved = solved


def _take(state: State, rows: Tensor) -> State:
    return {name: value[rows] for name, value in state.items()}
