"""Rooms with one-way doors: the environment."""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

import vgbench.api as api
from vgbench_plugins.environments import wall_data, wall_geometry, wall_value, wall_walk
from vgbench_plugins.environments.rooms import data as rooms_data
from vgbench_plugins.environments.rooms import geometry, places, tasks, ways
from vgbench_plugins.environments.rooms.drawing import draw
from vgbench_plugins.environments.rooms.grid import RoomsLattice, lattice
from vgbench_plugins.environments.wall import EXPERT_CLEARANCE
from vgbench_plugins.environments.wall_parameters import MAX_STEP, NORMS, WalkParams


class Rooms(api.Environment):
    """A dot that must reach a point in another room, through doors that pass in one direction only.

    The world of the wall (64 x 64 pixels, actions are displacements, a move that would touch a wall is cancelled) with
    several doors. A move through a door against its direction is cancelled, too, so the way there is not the way back.
    With doors=two_way this is the same world with doors that pass either way: the control, with the same walls, law of
    the data and tasks.

    State: `position` [B, 2] = (x, y) = (column, row) in px, and the static `layout`, [B, 3] (turnstile), [B, 6] (ring)
    or [B, 2] (one_door), see `geometry.Plan`. Observation: `image` [B, 3, 64, 64] uint8, channels agent, walls and ways
    of the doors.

    Example::

        rooms = Rooms(Rooms.Params(layout="turnstile", places="fixed"))
        state = {"position": torch.tensor([[34.0, 18.0]]), "layout": torch.tensor([[32.0, 18.0, 46.0]])}
        rooms.step(state, torch.tensor([[-3.0, 0.0]]))["position"]  # [[34., 18.]]: the upper door leads to the right

    Tasks have start and goal in opposite rooms (those of the ring along the diagonal); one is solved within sqrt(2) px
    of the goal, as the wall's. Half are of the stratum "trap", half of "open", see `tasks.stratum`. The
    layout one_door has a single door, which passes either way: half of its tasks are of the stratum "detour".

    Capabilities: as the wall's. `cost_to_go` is the length of the shortest way through doors in their direction over
    the longest action; `pair_labels` tells whether this is longer than with doors that pass either way.
    """

    version = 1
    capabilities = frozenset(
        {"expert", "cost_to_go", "value_fixed_point", "state_grid", "pair_labels", "map_place", "labels", "track"}
    )
    pair_label_names = ("same room", "other room, in the doors' direction", "other room, against the doors' direction")
    map_extent = (-0.5, wall_geometry.SIZE - 0.5, wall_geometry.SIZE - 0.5, -0.5)
    success_radius = math.sqrt(2.0)

    class Params(WalkParams):
        """Parameters of the rooms."""

        layout: Literal["turnstile", "ring", "one_door"] = Field(
            "turnstile",
            description="two rooms with two doors, of which the upper one leads to the right and the lower one to the "
            "left; four rooms in a square with a door between neighbours, which lead clockwise; or two rooms with one "
            "door (doors=two_way)",
        )
        doors: Literal["one_way", "two_way"] = Field(
            "one_way", description="whether doors pass in their direction only, or either way (the control)"
        )
        places: Literal["random", "fixed"] = Field(
            "random", description="where walls and doors are: drawn for each data set, or always the same"
        )
        policy: Literal["random", "expert"] = Field(
            "random",
            description="who collects the data: random walks, of which the share `crossing` passes a door; or experts "
            "on shortest ways from goal to random goal (their headings: kappa 50)",
        )
        crossing: float = Field(
            0.5, ge=0.0, le=1.0, description="share of random trajectories that pass a door; policy=expert has no use"
        )
        noise: float = Field(
            0.0,
            ge=0.0,
            le=16.0,
            description="standard deviation of the Gaussian noise on each coordinate of a move, px; in data and "
            "evaluation alike",
        )

        default_preserving: ClassVar[frozenset[str]] = frozenset()

        @model_validator(mode="after")
        def _some_way_back(self) -> Self:
            """With one-way doors there has to be a way from every room to every other."""
            if self.doors == "one_way" and not geometry.PLANS[self.layout].leads_back:
                raise ValueError(f"layout={self.layout} has no way back through one-way doors; expected doors=two_way")
            return self

        def without_effect(self) -> dict[str, str]:
            """Return the parameters of random walks where experts collect the data."""
            expects = f"policy=random, not {self.policy}"
            return dict.fromkeys(("crossing", "heading"), expects) if self.policy == "expert" else {}

    def __init__(self, params: Params) -> None:
        """Set up the specification."""
        super().__init__(params)
        self._name, self._plan = params.layout, geometry.PLANS[params.layout]
        self._one_way = params.doors == "one_way"
        self._bound = MAX_STEP[params.step] if params.max_step is None else params.max_step
        size, width = wall_geometry.SIZE, len(self._plan.fixed)
        self._spec = api.EnvironmentSpec(
            state={
                "position": api.ArraySpec((2,), description="x (column) and y (row) of the agent, px"),
                "layout": api.ArraySpec((width,), description=self._plan.text),
            },
            observations={"image": api.ArraySpec((3, size, size), "uint8", "image", "agent, walls, ways of doors")},
            actions=api.NormBall(2, self._bound),
            noise_dim=2 if params.noise else 0,
            distance_unit="px",
        )
        self.walk = wall_walk.Walk(*NORMS[params.step], params.heading == "persistent", params.norms == "clip")
        self.world = wall_data.World(self._one_step, params.noise)

    @property
    def spec(self) -> api.EnvironmentSpec:
        """State, observation and actions."""
        return self._spec

    def step(self, state: api.State, action: Tensor, noise: Tensor | None = None) -> api.State:
        """Move by the actions [B, 2] in px, swept along the whole move; one that is not possible is cancelled.

        Where the parameter `noise` is not 0, `noise` times these standard normals [B, 2] is added to the action.

        Raises:
            ValueError: moves are noisy, but no normals are given.
        """
        position = state["position"]
        target = position + self._spec.actions.clip(action).to(position.dtype)
        if self.params.noise:
            if noise is None:
                raise ValueError(f"rooms: noise={self.params.noise:g} expects standard normals [B, 2] at each step")
            target = target + self.params.noise * noise.to(position.dtype)
        after = geometry.stay(self._plan, position, target, state["layout"], self._one_way)
        return {"position": after, "layout": state["layout"]}

    def observe(self, state: api.State) -> dict[str, Tensor]:
        """Draw the states: `image` [B, 3, 64, 64] uint8, on their device."""
        return {"image": draw(self._plan, state["position"], state["layout"], self._one_way)}

    def goal_distance(self, state: api.State, goal: api.State) -> Tensor:
        """Return the Euclidean distance [B] in px; walls and doors are not taken into account."""
        return torch.linalg.vector_norm(state["position"] - goal["position"], dim=-1)

    def expert(self, state: api.State, goal: api.State) -> Tensor:
        """Return actions [B, 2], px: along the shortest way; around a bend whichever step leaves the shortest way.

        With noisy moves it keeps a distance from the doors' corners, up to 3 px.
        """
        position = state["position"]
        # Below 4, half a door: else nothing would be left of the opening.
        distance = min(EXPERT_CLEARANCE + self.params.noise, 3.0)
        end = ways.step_end(
            self._name, position, goal["position"], state["layout"], self._one_way, distance, self._bound
        )
        return self._spec.actions.clip((end - position.double()).to(position.dtype))

    def cost_to_go(self, state: api.State, goal: api.State) -> Tensor:
        """Return the length of the shortest way to the goal itself over that of the longest action, [B] float32.

        Finite for all free states. The least number of steps without noise is at least this.
        """
        return (self._length(state, goal, self._one_way) / self._bound).float()

    def labels(self, data: api.Trajectories) -> dict[str, np.ndarray]:
        """Return the kinds of trajectories, [N] bool: `crossing` is seen in two rooms at least."""
        return {"crossing": rooms_data.crosses(self._plan, data.states["position"], data.static["layout"])}

    def track(self, state: api.State) -> Tensor:
        """Return the column and row of the agent in the image, [B, 2]: its position."""
        return state["position"]

    def map_place(self, state: api.State) -> Tensor:
        """Return positions [B, 2] in px: whole numbers are the middles of the picture's pixels."""
        return state["position"]

    def value_fixed_point(self, state: api.State, goal: api.State, tau: float, gamma: float, stride: int = 1) -> Tensor:
        """Return the distance d [B] float32 that the value loss converges to on random data, see `wall_value`.

        Raises:
            ValueError: the data are not random walks, so the law of their steps is not known here.
        """
        if self.params.policy != "random":
            raise ValueError(f"the law of the data's steps is known for policy=random only, not {self.params.policy}")
        position, end, layout = state["position"].cpu(), goal["position"].cpu(), state["layout"].cpu()
        walks = wall_value.walks(self.walk, stride)
        move = self.world.mover(1)
        d = wall_value.values(position, end, layout, walks, move, tau, gamma, lambda *place: self._lattice(place))
        return d.float().to(state["position"].device)

    def state_grid(self, state: api.State) -> api.StateGrid:
        """Return the grid of the free whole pixels in the layout of a state (leading 1), on its device.

        Its neighbours are those that a straight move reaches, so through a one-way door in its direction only.
        """
        layout = state["layout"][:1]
        grid, device = self._lattice(tuple(layout[0].tolist())), layout.device

        def locate(other: api.State) -> tuple[Tensor, Tensor]:
            number, weight = grid.locate(other["position"].cpu())
            return number.to(device), weight.to(device)

        states = {"position": grid.points.to(device), "layout": layout.expand(len(grid.points), layout.shape[1])}
        return api.StateGrid(states, grid.neighbours.to(device), locate)

    def pair_labels(self, state: api.State, goal: api.State) -> Tensor:
        """Return the number [B] int64 of the names of pairs; those of one-way doors in the two-way twin, too.

        Against the direction is a pair whose way would be shorter if doors passed either way; of one door none is.
        """
        rooms = [geometry.room(self._plan, s["position"], s["layout"]) for s in (state, goal)]
        one_way = self._plan.leads_back
        longer = self._length(state, goal, one_way) > self._length(state, goal, False) + ways.STRAIGHT
        return torch.where(rooms[0] == rooms[1], 0, torch.where(longer, 2, 1))

    def collect(
        self, trajectories: int, length: int, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> api.Trajectories:
        """Collect trajectories of `length` states by the parameter `policy`, all in one layout.

        Raises:
            ValueError: no trajectories, or of no step; or random ones of so few steps cannot pass a door, or hardly
                ever do.
        """
        rng = np.random.default_rng(seed)
        random = self.params.places == "random"
        layout = places.random_layout(self._plan, rng) if random else np.array(self._plan.fixed, np.float32)
        layouts = np.repeat(layout[None], trajectories, axis=0)
        if self.params.policy == "expert":
            return rooms_data.expert(self._name, self._one_way, self.walk, self.world, layouts, length, rng, progress)
        share = self.params.crossing
        return rooms_data.collect(self._plan, self.walk, self.world, layouts, length, seed, share, progress)

    @property
    def task_strata(self) -> tuple[str, ...]:
        """Names of the groups of tasks in this layout, see `tasks.stratum`."""
        return tasks.STRATA[self._name]

    def sample_tasks(self, count: int, seed: int, data: api.Trajectories) -> api.Tasks:
        """Sample starts and goals in opposite rooms of the data's layout, see `tasks.sample`; the same for both twins.

        Raises:
            ValueError: the data have several layouts, or one of another plan.
        """
        return tasks.sample(self._name, places.only_layout(data, len(self._plan.fixed)), count, seed)

    def check_tasks(self, tasks: api.Tasks, data: api.Trajectories) -> dict[str, Any]:
        """Return the share of tasks in the layout of the data; see `places.check`."""
        return places.check(tasks, data)

    def _length(self, state: api.State, goal: api.State, one_way: bool) -> Tensor:
        """Length [B] float64 of the shortest ways, px."""
        return ways.length(self._name, state["position"], goal["position"], state["layout"], one_way)

    def _lattice(self, place: tuple[float, ...]) -> RoomsLattice:
        """The grid of a layout."""
        return lattice(self._name, place, self._one_way)

    def _one_step(self, position: Tensor, layout: Tensor, action: Tensor, noise: Tensor | None) -> Tensor:
        """Next position [B, 2]: data are made by the very rule that judges plans."""
        return self.step({"position": position, "layout": layout}, action, noise)["position"]
