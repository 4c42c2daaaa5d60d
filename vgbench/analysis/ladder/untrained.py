"""Who acts without a learned model or value: random actions, an uninformed planner, a straight line, an expert."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vgbench.analysis.ladder.controllers import Distance, exact
from vgbench.analysis.ladder.setup import LadderSetup
from vgbench.api import Plan, Planner
from vgbench.model.batching import take_rows
from vgbench.planning.controller import Controller
from vgbench.planning.episodes import Act, Planned, Progress
from vgbench.rng import Stream

DIRECTIONS = 64
"""Actions that the straight line tries."""


def straight_distance(setup: LadderSetup) -> Distance:
    """The environment's own distance to the goal, which knows no walls."""
    return lambda ids, state: setup.environment.goal_distance(state, take_rows(setup.tasks.goal, ids))


def straight_line(setup: LadderSetup) -> Act:
    """After which of 64 actions is the goal nearest, as the crow flies? Tried in the environment itself, one step."""
    actions = setup.environment.spec.actions
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(DIRECTIONS, actions.dim, generator=generator).to(setup.data.device)
    lengths = torch.linspace(1.0, 0.25, 4, device=setup.data.device).repeat(DIRECTIONS // 4).unsqueeze(1)
    tried = actions.boundary(directions) * lengths / setup.data.action_scale
    one_step, distance = exact(setup), straight_distance(setup)

    def act(progress: Progress) -> Plan:
        ids = progress.active
        reached = next(one_step(progress.state, tried.expand(len(ids), -1, -1).unsqueeze(2)))
        best = distance(ids.repeat_interleave(DIRECTIONS), reached).reshape(len(ids), DIRECTIONS).argmin(dim=1)
        return Plan(tried[best].unsqueeze(1))

    return act


def expert(setup: LadderSetup) -> Act:
    """The environment's own expert."""
    environment: Any = setup.environment

    def act(progress: Progress) -> Plan:
        action: Tensor = environment.expert(progress.state, take_rows(setup.tasks.goal, progress.active))
        return Plan(action.unsqueeze(1) / setup.data.action_scale)

    return act


def baseline(setup: LadderSetup, hold: int | None = None) -> Act | str:
    """The protocol's planner that ignores the cost; with `hold` it holds each action for so many steps."""
    chosen = setup.spec.baseline
    if chosen is None:
        return "the protocol has none"
    planner: Planner = chosen.make().beside(setup.planner())
    if hold is not None:
        if "hold" not in type(chosen.params).model_fields:
            return f"{chosen.entry} has no parameter 'hold'"
        planner = replace(chosen, params=chosen.params.model_copy(update={"hold": hold})).make()
    return _blind(setup, planner, Stream.BASELINE)


def uninformed(setup: LadderSetup) -> Act | str:
    """The planner itself with random numbers for costs: what it reaches knowing nothing."""
    planner = setup.planner()
    if planner.baseline:
        return "the planner asks for no cost"
    return _blind(setup, planner, Stream.PLANNER, uninformed=True)


def _blind(setup: LadderSetup, planner: Planner, stream: Stream, uninformed: bool = False) -> Act:
    """Act by a planner that is told nothing of where it is."""
    controller = Controller(
        planner,
        None,
        setup.action_set,
        setup.settings,
        setup.spec.task_seed,
        stream,
        setup.spec.device,
        uninformed=uninformed,
    )
    return Planned(controller, lambda state, ids: {})
