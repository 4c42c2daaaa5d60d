"""Plays tasks of a finished run again, and keeps what happened: the states, and at each of them the plan."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vgbench.analysis.plans import controller_of
from vgbench.api import State
from vgbench.experiments.trained import Trained
from vgbench.model.batching import take_rows
from vgbench.model.jepa import JEPA
from vgbench.planning.episodes import Episodes, Planned, Step, observe_latents


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


def replay(
    trained: Trained, tasks: Sequence[int], until: int | None = None, imagine: bool = True
) -> list[EpisodeTrace]:
    """Play tasks again, to their ends or for the first `until` steps; noise is keyed by the task: they play as then.

    `imagine=False` leaves out what the model predicts, which takes most of the memory.
    """
    spec, environment, scale = trained.spec, trained.environment, trained.data.action_scale
    controller = controller_of(trained)
    observe = observe_latents(controller.model, environment, trained.tasks)
    traces = {task: EpisodeTrace(task, False, []) for task in tasks}
    imagined: Tensor | None = None  # by the plan that is being executed

    def keep(step: Step) -> None:
        nonlocal imagined
        # At index 0 a plan begins: until the next one nothing else is imagined.
        if imagine and step.index == 0 and controller.model is not None:
            imagined = _imagine(controller.model, observe(step.before, step.ids)["latent"], step.plan.actions)
        for row, (task, of_plan) in enumerate(zip(step.ids.tolist(), step.rows.tolist(), strict=True)):
            one = torch.tensor([row], device=step.ids.device)
            goal = take_rows(trained.tasks.goal, step.ids[one])
            plan = step.plan.actions[of_plan, step.index :] * scale  # in the environment's units
            seen = None if imagined is None else imagined[of_plan]
            trace = traces[task]
            # Each step takes the place of the end that the last one left, so that there is one whenever play stops.
            trace.moments[-1:] = [
                Frame(take_rows(step.before, one), goal, plan, step.index, seen),
                Frame(take_rows(step.after, one), goal, plan[:0], 0, None),
            ]
            trace.solved = bool(step.solved[row])

    episodes = Episodes(environment, trained.tasks, spec.settings["mpc"], scale, spec.task_seed)
    start = episodes.start(torch.tensor(list(tasks), device=trained.data.device))
    episodes.play(Planned(controller, observe), start, until=until, on_step=keep)
    return list(traces.values())


@torch.inference_mode()
def _imagine(model: JEPA, latent: Tensor, actions: Tensor) -> Tensor:
    """Latents [B, H, D] that the model predicts for plans [B, H, A]."""
    return torch.stack(list(model.rollout(latent, actions)), dim=1)
