"""The gamble: the environment."""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

import vgbench.api as api
from vgbench_plugins.environments import wall_data, wall_paths, wall_value
from vgbench_plugins.environments.gamble import chance, tasks
from vgbench_plugins.environments.rooms import Rooms, geometry, places, ways
from vgbench_plugins.environments.rooms import data as rooms_data
from vgbench_plugins.environments.rooms.drawing import draw
from vgbench_plugins.environments.wall import EXPERT_CLEARANCE
from vgbench_plugins.environments.wall_parameters import WalkParams

PLAN = geometry.TURNSTILE
MARKED = geometry.Plan(PLAN.doors[:1], PLAN.walls, PLAN.fixed, PLAN.text)
"""The plan as it is drawn: the upper door alone has a mark, on both sides."""


class Gamble(api.Environment):
    """A dot that must reach a point in the other room, by a sure door or by one that leads to one of three places.

    The world of the rooms' turnstile, with doors that pass either way. Who passes the upper one, which has a mark,
    comes out behind it, in a dead end of its own room, or in the far corner of the other room, see `chance`: the way
    through it is short with luck, and often longer than by the lower door on average. A value that is learned by an
    expectile above one half is drawn to what luck would give.

    State: `position` [B, 2] = (x, y) = (column, row) in px, and the static `layout` [B, 3]: column of the wall, rows of
    the upper and the lower door. Observation: `image` [B, 3, 64, 64] uint8: agent, walls, mark of the upper door.
    Actions: displacements in px; a move that would touch a wall is cancelled.

    Example::

        gamble = Gamble(Gamble.Params(places="fixed"))
        state = {"position": torch.tensor([[30.5, 18.0]]), "layout": torch.tensor([[32.0, 18.0, 46.0]])}
        gamble.step(state, torch.tensor([[3.0, 0.0]]), torch.tensor([[-2.0]]))["position"]  # [[35., 18.]]: luck

    Tasks have start and goal in different rooms, half each of two strata, see `tasks.STRATA`; one is solved within
    sqrt(2) px of the goal.

    Capabilities: `expert` and `cost_to_go` know the chances: they take the way that is shorter on average.
    """

    version = 1
    capabilities = frozenset({"expert", "cost_to_go", "state_grid", "map_place", "labels", "track"})
    map_extent = Rooms.map_extent
    success_radius = math.sqrt(2.0)

    class Params(WalkParams):
        """Parameters of the gamble; those of the rooms of the same names."""

        places: Literal["random", "fixed"] = Field(
            "random", description="where wall and doors are: drawn for each data set, or always the same"
        )
        crossing: float = Field(0.5, ge=0.0, le=1.0, description="share of trajectories that pass a door")

        default_preserving: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, params: Params) -> None:
        """Set up the rooms whose walls, pictures and data these are."""
        super().__init__(params)
        self._rooms = Rooms(Rooms.Params(layout="turnstile", doors="two_way", **params.model_dump()))
        rooms = self._rooms.spec
        self._spec = api.EnvironmentSpec(rooms.state, rooms.observations, rooms.actions, 1, distance_unit="px")
        self._bound = self._spec.actions.radius if isinstance(self._spec.actions, api.NormBall) else 0.0
        self.world = wall_data.World(self._one_step, dims=1)

    @property
    def spec(self) -> api.EnvironmentSpec:
        """State, observation and actions."""
        return self._spec

    def step(self, state: api.State, action: Tensor, noise: Tensor | None = None) -> api.State:
        """Move by the actions [B, 2] in px; who passes the upper door comes out where standard normals [B, 1] say.

        Raises:
            ValueError: no normals are given.
        """
        if noise is None:
            raise ValueError("gamble: expects standard normals [B, 1] at each step, by which the upper door leads")
        position, layout = state["position"], state["layout"]
        after = self._rooms.step(state, action)["position"]
        passing = chance.passes(position, after, layout)
        outs = chance.exits(layout, position[:, 0].double() < layout[:, 0].double())
        index = chance.drawn(noise[:, 0])[:, None, None].expand(-1, 1, 2)
        led = outs.gather(1, index)[:, 0].to(after.dtype)
        return {"position": torch.where(passing[:, None], led, after), "layout": layout}

    def observe(self, state: api.State) -> dict[str, Tensor]:
        """Draw the states: `image` [B, 3, 64, 64] uint8, on their device."""
        return {"image": draw(MARKED, state["position"], state["layout"], one_way=False)}

    def goal_distance(self, state: api.State, goal: api.State) -> Tensor:
        """Return the Euclidean distance [B] in px; walls and doors are not taken into account."""
        return self._rooms.goal_distance(state, goal)

    def expert(self, state: api.State, goal: api.State) -> Tensor:
        """Return actions [B, 2], px, along the way that is shorter on average, at the longest step."""
        position, layout, aim = state["position"], state["layout"], goal["position"].double()
        sure, risky = chance.ways(position, goal["position"], layout)
        outs = chance.exits(layout, position[:, 0].double() < layout[:, 0].double())
        distance = EXPERT_CLEARANCE
        by_chance = ways.step_end("turnstile", position, outs[:, chance.LUCKY], layout, False, distance, self._bound)
        by_lower = wall_paths.step_end(position, aim, layout[:, (0, 2)], distance, self._bound)
        end = torch.where((risky < sure)[:, None], by_chance, by_lower.double())
        return self._spec.actions.clip((end - position.double()).to(position.dtype))

    def cost_to_go(self, state: api.State, goal: api.State) -> Tensor:
        """Return the length of the way that is shorter on average over that of the longest action, [B] float32."""
        sure, risky = chance.ways(state["position"], goal["position"], state["layout"])
        return (torch.minimum(sure, risky) / self._bound).float()

    def labels(self, data: api.Trajectories) -> dict[str, np.ndarray]:
        """Return the kinds of trajectories, [N] bool: `crossing` is seen in both rooms."""
        return self._rooms.labels(data)

    def track(self, state: api.State) -> Tensor:
        """Return the column and row of the agent in the image, [B, 2]: its position."""
        return state["position"]

    def map_place(self, state: api.State) -> Tensor:
        """Return positions [B, 2] in px: whole numbers are the middles of the picture's pixels."""
        return state["position"]

    def state_grid(self, state: api.State) -> api.StateGrid:
        """Return the grid of the whole pixels between which nothing is left to chance: the upper door is closed."""
        layout = state["layout"][:1]
        grid = wall_value.state_grid({"position": state["position"][:1], "layout": layout[:, (0, 2)]})
        states = {"position": grid.states["position"], "layout": layout.expand(len(grid), 3)}
        return api.StateGrid(states, grid.neighbours, lambda other: grid.locate({"position": other["position"]}))

    def collect(
        self, trajectories: int, length: int, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> api.Trajectories:
        """Collect random walks of `length` states, all in one layout; the share `crossing` passes a door.

        Raises:
            ValueError: no trajectories, or of no step; or so short ones cannot pass a door, or hardly ever do.
        """
        rng = np.random.default_rng(seed)
        random = self.params.places == "random"
        layout = places.random_layout(PLAN, rng) if random else np.array(PLAN.fixed, np.float32)
        layouts = np.repeat(layout[None], trajectories, axis=0)
        walk, share = self._rooms.walk, self.params.crossing
        return rooms_data.collect(PLAN, walk, self.world, layouts, length, seed, share, progress)

    @property
    def task_strata(self) -> tuple[str, ...]:
        """Names of the groups of tasks, see `tasks.STRATA`."""
        return tasks.STRATA

    def sample_tasks(self, count: int, seed: int, data: api.Trajectories) -> api.Tasks:
        """Sample starts and goals in different rooms of the data's layout, see `tasks.sample`.

        Raises:
            ValueError: the data have several layouts, or one of another plan.
        """
        return tasks.sample(places.only_layout(data, len(PLAN.fixed)), count, seed)

    def check_tasks(self, tasks: api.Tasks, data: api.Trajectories) -> dict[str, Any]:
        """Return the share of tasks in the layout of the data; see `places.check`."""
        return places.check(tasks, data)

    def _one_step(self, position: Tensor, layout: Tensor, action: Tensor, noise: Tensor | None) -> Tensor:
        """Next position [B, 2]: data are made by the very rule that judges plans."""
        return self.step({"position": position, "layout": layout}, action, noise)["position"]
