"""The wall: a dot in a square room, behind a wall with a door.

Two rooms of 64 x 64 pixels (Sobal et al. 2025, as used by the value-guided paper, appendix "Datasets"). An action is
a displacement in pixels; whatever would touch a wall is cancelled, or stopped at the contact point.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

import vgbench.api as api
from vgbench_plugins.environments import (
    wall_data,
    wall_geometry,
    wall_layouts,
    wall_paths,
    wall_policies,
    wall_tasks,
    wall_value,
    wall_walk,
)
from vgbench_plugins.environments.layout_numbers import refuse_fewer
from vgbench_plugins.environments.wall_drawing import draw
from vgbench_plugins.environments.wall_layouts import random_layouts
from vgbench_plugins.environments.wall_parameters import MAX_STEP, NORMS, WallParams

EXPERT_CLEARANCE = 0.1
"""Distance from the door's corners at which the expert turns, px, where moves have no noise."""
NEAR = 10.0
"""Pairs in one room up to this distance count as near, px."""


class Wall(api.Environment):
    """A dot that must reach a point in the other room, through the door.

    State: `position` [B, 2] = (x, y) = (column, row) in px, and the static `layout` [B, 2] = (wall_x, door_y).
    Observation: `image` [B, 2, 64, 64] uint8, channels agent and walls.

    Example::

        wall = Wall(Wall.Params(step="big", layout="fixed"))
        state = {"position": torch.tensor([[20.0, 40.0]]), "layout": torch.tensor([[32.0, 22.0]])}
        wall.step(state, torch.tensor([[1.0, -2.0]]))["position"]  # [[21., 38.]]

    Tasks have start and goal in opposite rooms; one is solved within sqrt(2) px (PLDM: a mean squared error below 1).

    Capabilities: `expert` goes the shortest way through the door; `cost_to_go` is the length of that way over the
    longest action; `value_fixed_point` is what the value loss converges to; `state_grid` has whole pixels;
    `pair_labels` tells pairs across the door from those in one room; `map_place`.

    Attributes:
        walk: law of the random data's steps.
        world: step and noise that data are made with.
    """

    version = 2  # 1 drew tasks from the stream of the data
    capabilities = frozenset(
        {"expert", "cost_to_go", "value_fixed_point", "state_grid", "pair_labels", "map_place", "labels", "track"}
    )
    pair_label_names = ("near, same room", "far, same room", "across the door")
    map_extent = (-0.5, wall_geometry.SIZE - 0.5, wall_geometry.SIZE - 0.5, -0.5)
    success_radius = math.sqrt(2.0)

    Params = WallParams

    def __init__(self, params: WallParams) -> None:
        """Set up the specification."""
        super().__init__(params)
        self._norms = NORMS[params.step]
        self._bound = MAX_STEP[params.step] if params.max_step is None else params.max_step
        self._spec = api.EnvironmentSpec(
            state={
                "position": api.ArraySpec((2,), description="x (column) and y (row) of the agent, px"),
                "layout": api.ArraySpec((2,), description="column of the wall and row of the door's middle, px"),
            },
            observations={
                "image": api.ArraySpec((2, wall_geometry.SIZE, wall_geometry.SIZE), "uint8", "image", "agent, walls")
            },
            actions=api.NormBall(2, self._bound),
            noise_dim=2 if params.noise else 0,
            distance_unit="px",
        )
        self.walk = wall_walk.Walk(*self._norms, params.heading == "persistent", params.norms == "clip")
        self.world = wall_data.World(self._one_step, params.noise)
        self._move = wall_geometry.stay if params.collision == "stay" else wall_geometry.stop

    @property
    def spec(self) -> api.EnvironmentSpec:
        """State, observation and actions."""
        return self._spec

    def step(self, state: api.State, action: Tensor, noise: Tensor | None = None) -> api.State:
        """Move by the actions [B, 2] in px, swept along the whole move; a free move ends at position + action.

        Where the parameter `noise` is not 0, `noise` times these standard normals [B, 2] is added to the action.

        Raises:
            ValueError: moves are noisy, but no normals are given.
        """
        position = state["position"]
        target = position + self._spec.actions.clip(action).to(position.dtype)
        if self.params.noise:
            if noise is None:
                raise ValueError(f"wall: noise={self.params.noise:g} expects standard normals [B, 2] at each step")
            target = target + self.params.noise * noise.to(position.dtype)
        return {"position": self._move(position, target, state["layout"]), "layout": state["layout"]}

    def observe(self, state: api.State) -> dict[str, Tensor]:
        """Draw the states: `image` [B, 2, 64, 64] uint8, on their device."""
        return {"image": draw(state["position"], state["layout"])}

    def goal_distance(self, state: api.State, goal: api.State) -> Tensor:
        """Return the Euclidean distance [B] in px; walls are not taken into account."""
        return torch.linalg.vector_norm(state["position"] - goal["position"], dim=-1)

    def expert(self, state: api.State, goal: api.State) -> Tensor:
        """Return actions [B, 2], px: along the shortest way; around a bend whichever step leaves the shortest way.

        With noisy moves it keeps a distance from the door's corners, up to 3 px: that which takes fewest steps.
        """
        position, layout = state["position"], state["layout"]
        # Below 4, half the door: else nothing would be left of the opening.
        clearance = min(EXPERT_CLEARANCE + self.params.noise, 3.0)
        end = wall_paths.step_end(position, goal["position"], layout, clearance, self._bound)
        return self._spec.actions.clip((end - position.double()).to(position.dtype))

    def cost_to_go(self, state: api.State, goal: api.State) -> Tensor:
        """Return the length of the shortest way to the goal itself over that of the longest action, [B] float32.

        The least number of steps without noise is at least this. It is above by less than one step, and one more for
        each bend at the door, since a step is straight. A task is solved a little earlier, within `success_radius`.
        """
        length = wall_paths.length(state["position"], goal["position"], state["layout"])
        return (length / self._bound).float()

    def labels(self, data: api.Trajectories) -> dict[str, np.ndarray]:
        """Return the kinds of trajectories, [N] bool: `crossing` is seen on both sides of the wall."""
        return {"crossing": wall_data.crosses(data.states["position"], data.static["layout"])}

    def track(self, state: api.State) -> Tensor:
        """Return the column and row of the agent in the image, [B, 2]: its position."""
        return state["position"]

    def value_fixed_point(self, state: api.State, goal: api.State, tau: float, gamma: float, stride: int = 1) -> Tensor:
        """Return the distances [B] float32 to which the value loss of `stride` steps converges on random data.

        See `wall_value`. A second or so for each layout, and one for each goal.

        Raises:
            ValueError: the data are not random walks, so the law of their steps is not known here.
        """
        if self.params.policy != "random":
            raise ValueError(f"the law of the data's steps is known for policy=random only, not {self.params.policy}")
        if self.params.directed < 1 and stride > 1:
            raise ValueError(f"the law of {stride} steps is known for directed=1 only, not {self.params.directed:g}")
        position, end, layout = state["position"].cpu(), goal["position"].cpu(), state["layout"].cpu()
        walks = wall_value.walks(self.walk, stride)
        d = wall_value.values(position, end, layout, walks, self.world.mover(1), tau, gamma)
        return d.float().to(state["position"].device)

    def state_grid(self, state: api.State) -> api.StateGrid:
        """Return the grid of the free whole pixels in the layout of a state (leading 1), on its device."""
        return wall_value.state_grid(state)

    def map_place(self, state: api.State) -> Tensor:
        """Return positions [B, 2] in px: whole numbers are the middles of the picture's pixels."""
        return state["position"]

    def pair_labels(self, state: api.State, goal: api.State) -> Tensor:
        """Number [B] int64 of the names of pairs: in one room up to `NEAR` px apart, further, or in two rooms."""
        wall = state["layout"][:, 0]
        across = (state["position"][:, 0] < wall) != (goal["position"][:, 0] < wall)
        far = self.goal_distance(state, goal) > NEAR
        return torch.where(across, 2, far.long())

    def check_size(self, trajectories: int, length: int) -> None:
        """Refuse fewer trajectories than layouts were asked for: each layout has one at least.

        Raises:
            ValueError: there are too few trajectories.
        """
        if self.params.training_layouts is not None:
            refuse_fewer("wall", self.params.training_layouts, trajectories)

    def collect(
        self, trajectories: int, length: int, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> api.Trajectories:
        """Collect trajectories of `length` states by the parameter `policy`; the share `crossing` passes the door.

        Raises:
            ValueError: no trajectories, or of no step; fewer than `training_layouts`; or random ones of so few steps
                cannot pass the door, or hardly ever do.
        """
        self.check_size(trajectories, length)
        rng = np.random.default_rng(seed)
        layouts = self._training_layouts(rng, trajectories)
        if self.params.policy == "random":
            shares = wall_data.Shares(self.params.crossing, self.params.directed)
            return wall_data.collect(self.walk, self.world, layouts, length, rng, shares, progress)
        share = self.params.expert_share
        return wall_policies.collect(self.params.policy, share, self.walk, self.world, layouts, length, rng, progress)

    @property
    def task_strata(self) -> tuple[str, ...]:
        """Its tasks have no strata."""
        return ()

    def sample_tasks(self, count: int, seed: int, data: api.Trajectories) -> api.Tasks:
        """Sample starts and goals in opposite rooms; the first tasks of a larger `count` are those of a smaller one.

        The layout is the data set's, except for layout=per_trajectory: then each task has a random one of its own,
        with holdout=true one of those that data are never drawn from.

        Raises:
            ValueError: the data have several layouts, but the parameters say one.
        """
        return wall_tasks.sample(count, seed, data, self.params.layout, self.params.holdout)

    def check_tasks(self, tasks: api.Tasks, data: api.Trajectories) -> dict[str, Any]:
        """Return the share of tasks in layouts of the data, see `wall_layouts.check`."""
        return wall_layouts.check(tasks, data, self.params.layout, self.params.holdout)

    def _training_layouts(self, rng: np.random.Generator, trajectories: int) -> np.ndarray:
        """Draw the layouts [N, 2] float32 of the data's trajectories."""
        if self.params.layout == "fixed":
            return np.full((trajectories, 2), self.params.fixed_layout, np.float32)
        if self.params.layout == "per_dataset":
            return np.repeat(random_layouts(rng.random((1, 2))), trajectories, axis=0)
        part: wall_layouts.Part = "training" if self.params.holdout else "all"
        number = self.params.training_layouts
        if number is None:
            return random_layouts(rng.random((trajectories, 2)), part)
        return wall_layouts.different_layouts(rng, number, part)[np.arange(trajectories) % number]

    def _one_step(self, position: Tensor, layout: Tensor, action: Tensor, noise: Tensor | None) -> Tensor:
        """Next position [B, 2]: data are made by the very rule that judges plans."""
        return self.step({"position": position, "layout": layout}, action, noise)["position"]
