"""Tables of distances to the goals of tasks, over the environment's grid of states."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vgbench.analysis.prediction import roll
from vgbench.analysis.sampling import goal_points, points, to_goal
from vgbench.api import Environment, HasCostToGo, HasStateGrid, State, StateGrid, Tasks
from vgbench.api.capabilities import capability
from vgbench.data.dataset import Dataset
from vgbench.experiments.trained import Trained
from vgbench.model.batching import take_rows
from vgbench.storage.files import Record

CHECKED = 512
"""States at which the learned table is compared with the distance itself."""


@dataclass
class Tables:
    """Distance to the goal of each task from every state of its layout's grid.

    Attributes:
        grids: one for each layout.
        layout: [T] number of each task's layout.
        values: T tensors [M] of the task's layout.
    """

    grids: list[StateGrid]
    layout: Tensor
    values: list[Tensor]

    def look_up(self, tasks: Tensor, state: State) -> Tensor:
        """Interpolate distances [R] of states [R] to the goals of tasks [R]."""
        result = torch.empty(len(tasks), dtype=torch.float64, device=tasks.device)
        layout = self.layout[tasks]
        for number in torch.unique(layout).tolist():
            rows = (layout == number).nonzero().squeeze(1)
            index, weight = self.grids[number].locate(take_rows(state, rows))
            which, values = self._of_layout[number]
            place = torch.searchsorted(which, tasks[rows])
            result[rows] = (values[place.unsqueeze(1), index] * weight).sum(-1)
        return result

    @cached_property
    def _of_layout(self) -> dict[int, tuple[Tensor, Tensor]]:
        """Numbers of the tasks of each layout, ascending [N], and their tables [N, M]."""
        found = {}
        for number in torch.unique(self.layout).tolist():
            which = (self.layout == number).nonzero().squeeze(1)
            found[number] = which, torch.stack([self.values[task] for task in which.tolist()])
        return found


def layouts(environment: Environment, tasks: Tasks, data: Dataset) -> tuple[list[StateGrid], Tensor]:
    """Return the grids of the tasks' layouts, and the number of each task's [T]."""
    found: dict[bytes, int] = {}
    grids: list[StateGrid] = []
    numbers = []
    for task in range(len(tasks)):
        one = take_rows(tasks.start, slice(task, task + 1))
        # The static arrays are the layout: equal bytes share a grid.
        key = b"".join(one[name].cpu().numpy().tobytes() for name in sorted(data.trajectories.static))
        if key not in found:
            found[key] = len(grids)
            grids.append(capability(environment, HasStateGrid).state_grid(one))
        numbers.append(found[key])
    return grids, torch.tensor(numbers, device=data.device)


def true_tables(environment: Environment, tasks: Tasks, data: Dataset) -> Tables:
    """Make tables of the true cost to go, in steps."""
    grids, number = layouts(environment, tasks, data)
    values = []
    for task, layout in enumerate(number.tolist()):
        states, count = grids[layout].states, len(grids[layout])
        goal = {name: value[task : task + 1].expand(count, *value.shape[1:]) for name, value in tasks.goal.items()}
        cost = capability(environment, HasCostToGo).cost_to_go(states, goal).double()
        most = cost[cost.isfinite()].max()
        # Finite, but beyond all others: interpolation at weight 0 would make NaN of infinity.
        values.append(torch.where(cost.isfinite(), cost, 2 * most))
    return Tables(grids, number, values)


def learned_tables(trained: Trained, tasks: Tasks) -> tuple[Tables, Record]:
    """Make tables of a run's learned distance; return their mean error at states that the data's actions reach, too.

    The error is that of interpolation, and of whatever the grid leaves out (a velocity, say).
    """
    grids, number = layouts(trained.environment, tasks, trained.data)
    here = [points(trained, grid.states) for grid in grids]
    goal = goal_points(trained, tasks.goal)
    values = [to_goal(trained, here[layout], goal[task : task + 1]) for task, layout in enumerate(number.tolist())]
    tables = Tables(grids, number, values)
    return tables, _error(trained, tasks, tables, goal)


def _error(trained: Trained, tasks: Tasks, tables: Tables, goal: Tensor) -> Record:
    """Mean error of the tables at states after a few random actions of the data from the tasks' starts."""
    data = trained.data
    generator = torch.Generator().manual_seed(0)
    rows = (torch.arange(CHECKED) % len(tasks)).to(data.device)
    # A trajectory has one action less than it has states.
    steps = min(8, int(data.lengths.min()) - 1)
    which = torch.randint(0, len(data), (CHECKED,), generator=generator).to(data.device)
    state = roll(trained, take_rows(tasks.start, rows), data.actions[which, :steps])[-1]
    distance: Any = trained.model.distance
    with torch.no_grad():
        exact = distance(points(trained, state), goal[rows]).double()
    error = (tables.look_up(rows, state) - exact).abs().mean()
    spread = torch.cat(tables.values).std()
    return {"mean": round(float(error), 4), "of_spread": round(float(error / spread), 4)}
