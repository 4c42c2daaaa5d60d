"""The maze environment: what the core sees of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

import vgbench.api as api
from vgbench_plugins.environments.layout_numbers import refuse_fewer
from vgbench_plugins.environments.maze import data as sampling
from vgbench_plugins.environments.maze import drawing, expert, geodesic, grid, paths, physics, policies
from vgbench_plugins.environments.maze import tasks as planning
from vgbench_plugins.environments.maze.parameters import MazeParams


class Maze(api.Environment):
    """A ball with inertia that must reach a point at least three cells away, in a layout it was not trained on.

    State: `position` and `velocity` [B, 2] in cells and cells/s (MuJoCo's qpos and qvel, coordinates in `physics`),
    and the static `layout` [B, width, height] uint8, 1 where a cell is open; 4 x 4 by default.
    Observations: `image` [B, 3, H, W] uint8 and `velocity` [B, 2]. 4 x 4 cells are 64 x 64 pixels; others have 8 pixels
    a cell, with the ring of walls: [B, 3, 64, 64] for 6 x 6, too.
    Actions: target velocities of norm at most 5. The environment applies the constant force that reaches them after
    `substeps` simulation steps of 0.01 s if nothing is in the way.

    Example::

        maze = Maze(Maze.Params())
        data = maze.collect(5, 10, seed=0)
        tasks = maze.sample_tasks(1, seed=0, data=data)
        maze.step(tasks.start, torch.tensor([[3.0, 0.0]]))["velocity"]  # [[3., 0.]] in the open

    Training layouts come from the data's seed; tasks are in other layouts, unless `tasks`, `strata` or `map` says that
    they are in the same. Mirror images and rotations count as
    different ones. A task is solved within 0.5 cells of the goal, at any speed.

    Capabilities: `expert` goes the shortest way, at top speed if the force has no bound; `cost_to_go` is the length of
    the shortest way over the longest action; `state_grid` has the ball at rest; `map_place`.
    """

    capabilities = frozenset({"expert", "cost_to_go", "state_grid", "map_place", "track"})
    success_radius = 0.5

    Params = MazeParams

    def __init__(self, params: MazeParams) -> None:
        """Keep the parameters; models are compiled, and backgrounds drawn, when first needed."""
        super().__init__(params)
        self._grid, self._fixed = params.grid, params.fixed
        self._painter = drawing.Painter(self._grid)
        right, top = (drawing.ORIGIN + cells + 2 for cells in self._grid.shape)
        self.map_extent = (drawing.ORIGIN, right, drawing.ORIGIN, top)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the parameters alone: what is cached is made again."""
        return type(self), (self.params,)

    @property
    def spec(self) -> api.EnvironmentSpec:
        """State, observations and actions."""
        size = drawing.size_of(self._grid)
        return api.EnvironmentSpec(
            state={
                "position": api.ArraySpec((2,), description="x and y of the ball, cells"),
                "velocity": api.ArraySpec((2,), description="velocity of the ball, cells/s"),
                "layout": api.ArraySpec(
                    self._grid.shape, "uint8", description="1 where cell (i along x, j along y) is open"
                ),
            },
            observations={
                "image": api.ArraySpec((3, *size), "uint8", "image", "red, green, blue; y upwards"),
                "velocity": api.ArraySpec((2,), description="velocity of the ball, cells/s"),
            },
            actions=api.NormBall(2, physics.MAX_SPEED),
            distance_unit="cell",
        )

    def step(self, state: api.State, action: Tensor, noise: Tensor | None = None) -> api.State:
        """Steer towards target velocities [B, 2] for `substeps` simulation steps. Physics runs on the CPU.

        Raises:
            ValueError: an action is NaN or infinite (MuJoCo would silently use 0).
        """
        target = self.spec.actions.clip(action)
        if not torch.isfinite(target).all():
            raise ValueError("maze: an action is not finite; expected target velocities of norm at most 5")
        codes, position, velocity, force = self._forces(state, target)
        position, velocity = physics.simulate(self._grid, codes, position, velocity, force, self.params.substeps)
        return {
            "position": torch.from_numpy(position).to(state["position"]),
            "velocity": torch.from_numpy(velocity).to(state["velocity"]),
            "layout": state["layout"],
        }

    def observe(self, state: api.State) -> dict[str, Tensor]:
        """Draw the states, on their device; the velocity goes along as it is."""
        return {
            "image": self._painter.draw(state["layout"], state["position"]),
            "velocity": state["velocity"].float(),
        }

    def goal_observation(self, goal: api.State) -> dict[str, Tensor]:
        """Return the observation of the goal, at rest unless `goal_velocity` is "keep"."""
        observation = self.observe(goal)
        if self.params.goal_velocity == "zero":
            observation["velocity"] = torch.zeros_like(observation["velocity"])
        return observation

    def track(self, state: api.State) -> Tensor:
        """Return the column and row of the agent in the image, [B, 2] px; the middle of the first pixel is 0."""
        x, y = ((state["position"] - drawing.ORIGIN) * drawing.scale_of(self._grid)).unbind(-1)
        return torch.stack([x, drawing.size_of(self._grid)[0] - y], dim=-1) - 0.5

    def goal_distance(self, state: api.State, goal: api.State) -> Tensor:
        """Return the Euclidean distance [B] between the positions, in cells; walls and velocity do not count."""
        return torch.linalg.vector_norm(state["position"] - goal["position"], dim=-1)

    def expert(self, state: api.State, goal: api.State) -> Tensor:
        """Return target velocities [B, 2] along the shortest way, at top speed, see `maze.expert`. Runs on the CPU.

        With a bound on the force, or next to a wall, they lead from cell to cell, slow enough to stop where it turns.
        """
        position, target = (x["position"].double().cpu().numpy() for x in (state, goal))
        codes = self._grid.encode(state["layout"].cpu().numpy())
        found = self._velocities(codes, position, target)
        if self.params.max_force is None:
            velocity = state["velocity"].double().cpu().numpy()
            fast = expert.velocities(self._grid, codes, position, velocity, target, self.params.substeps)
            found = np.where(np.isnan(fast), found, fast)
        return torch.from_numpy(found).to(state["position"])

    def cost_to_go(self, state: api.State, goal: api.State) -> Tensor:
        """Return the length of the shortest way of the ball's centre over that of an action at top speed, [B] float32.

        Inertia does not count, nor does `max_force`: from rest, or around a turn, more steps are needed. The way leads
        to the goal itself; a task is solved up to `success_radius` before it. Infinite where there is no way.
        """
        start, end = (x["position"].double().cpu().numpy() for x in (state, goal))
        length = geodesic.lengths(self._grid, self._grid.encode(state["layout"].cpu().numpy()), start, end)
        step = physics.MAX_SPEED * self.params.substeps * physics.TIMESTEP
        return torch.from_numpy(length / step).float().to(state["position"].device)

    def state_grid(self, state: api.State) -> api.StateGrid:
        """Return the grid of free places in the layout of a state (leading 1): 8 x 8 to a cell, ball at rest."""
        return grid.state_grid(self._grid, state)

    def map_place(self, state: api.State) -> Tensor:
        """Return positions [B, 2] of the ball, in cells."""
        return state["position"]

    def check_size(self, trajectories: int, length: int) -> None:
        """Refuse fewer trajectories than layouts were asked for: each layout has one at least.

        The default, which nobody has asked for, is no more layouts than there are trajectories.

        Raises:
            ValueError: there are too few trajectories.
        """
        number = self.params.training_layouts
        if self._fixed is None and number != MazeParams.model_fields["training_layouts"].default:
            refuse_fewer("maze", number, trajectories)

    def collect(
        self, trajectories: int, length: int, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> api.Trajectories:
        """Collect trajectories of `length` states by the parameter `policy`, a fresh random action at each step.

        Starts are random free positions, or rarely visited ones.

        Raises:
            ValueError: no trajectories, or of no step; fewer than `training_layouts`; or there are no tasks beside data
                in these layouts.
        """
        if trajectories < 1 or length < 2:
            raise ValueError(
                f"maze: {trajectories} trajectories of {length} states: expected at least 1 of at least 2 states"
            )
        self.check_size(trajectories, length)
        rng, params, steps = np.random.default_rng(seed), self.params, length - 1
        chosen = sampling.chosen_layouts(rng, seed, params.rules, self._fixed, trajectories, params.training_layouts)
        planning.check(seed, params.rules, params.groups, chosen)
        codes = sampling.training_codes(rng, chosen, self._fixed, trajectories)
        start = sampling.free_positions(rng, self._grid, codes)
        # Drawn in any case, so that the actions after it are the same with and without.
        velocity = sampling.random_velocities(rng, (trajectories,), "radius") * (params.start_velocity == "random")
        actions = sampling.random_velocities(rng, (trajectories, steps), params.action_norm).astype(np.float32)
        guide = policies.Guide(params.policy, params.expert_share, self._grid, codes, self._velocities, rng)
        blocked = np.empty((trajectories, steps), bool)
        states = {name: np.empty((trajectories, length, 2), np.float32) for name in ("position", "velocity")}
        done = 0
        for rows in guide.blocks():
            state = self._state(codes[rows], guide.begin(rows, start[rows]), velocity[rows])
            _put(states, rows, 0, state)
            for time in range(steps):
                actions[rows, time] = guide.turn(rows, state["position"].numpy(), actions[rows, time])
                before, action = state, torch.from_numpy(actions[rows, time])
                state = self.step(before, action)
                _put(states, rows, time + 1, state)
                blocked[rows, time] = self._blocked(before, action, state)
                done += len(rows)
                if progress:
                    progress(done, steps * trajectories)
        card = sampling.card(self._grid, codes, states["position"], states["velocity"], blocked) | guide.figures()
        return api.Trajectories(states, {"layout": self._grid.decode(codes)}, actions, card)

    @property
    def task_strata(self) -> tuple[str, ...]:
        """Names of the groups of tasks: of `strata`, or by how much the layouts differ from the data's (tasks=ood)."""
        named = self.params.strata or self.params.where == "ood"
        return tuple(group.name for group in self.params.groups) if named else ()

    def sample_tasks(self, count: int, seed: int, data: api.Trajectories) -> api.Tasks:
        """Sample tasks with start and goal at rest, as far apart and in such layouts as the parameters say.

        Raises:
            ValueError: there are no such tasks beside these data.
        """
        groups = self.params.groups
        seen = self._grid.encode(data.static["layout"])
        codes, start, goal = planning.sample(seed, count, self.params.rules, groups, seen)
        rest = np.zeros_like(start)
        names = tuple(groups[n % len(groups)].name for n in range(count))
        return api.Tasks(
            self._state(codes, start, rest),
            self._state(codes, goal, rest),
            names if self.task_strata else None,
        )

    def check_tasks(self, tasks: api.Tasks, data: api.Trajectories) -> dict[str, Any]:
        """Refuse tasks in layouts of the data where the parameters do not ask for them, and the other way round.

        Raises:
            ValueError: a task's layout occurs in the data, or does not, against `tasks`, `strata` or the task's own.
        """
        codes = self._grid.encode(tasks.start["layout"].cpu().numpy())
        inside = np.isin(codes, self._grid.encode(data.static["layout"]))
        allowed, wanted = planning.allowed(self.params.groups, tasks.strata, len(codes))
        for wrong, where, why in (
            (inside & ~allowed, "in layouts that the data have", "evaluation layouts must not be trained on"),
            (~inside & ~wanted, "in layouts that the data do not have", "tasks in layouts of the data are asked for"),
        ):
            if wrong.any():
                raise ValueError(
                    f"maze: {wrong.sum()} of {len(codes)} tasks (the first is task {wrong.argmax()}) are {where}, "
                    f"but {why}"
                )
        return {"share_in_layouts_of_data": float(inside.mean()) if len(inside) else 0.0}

    def _velocities(self, codes: np.ndarray, position: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Velocities [B, 2] of an expert in layouts [B]."""
        return paths.velocities(self._grid, codes, position, goal, self.params.substeps, self.params.max_force)

    def _state(self, codes: np.ndarray, position: np.ndarray, velocity: np.ndarray) -> api.State:
        """State of B mazes from their codes [B], positions and velocities [B, 2]."""
        return {
            "position": torch.from_numpy(position.astype(np.float32)),
            "velocity": torch.from_numpy(velocity.astype(np.float32)),
            "layout": torch.from_numpy(self._grid.decode(codes)),
        }

    def _forces(self, state: api.State, target: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Codes [B], position, velocity and force [B, 2], all in float64 on the CPU. The velocity is clipped first."""
        position, velocity, goal = (x.double().cpu().numpy() for x in (state["position"], state["velocity"], target))
        # As `simulate` does before its first step: the force has to start from the same velocity.
        velocity = np.clip(velocity, -physics.MAX_SPEED, physics.MAX_SPEED)
        force = physics.force_towards(velocity, goal, self.params.substeps, self.params.max_force)
        return self._grid.encode(state["layout"].cpu().numpy()), position, velocity, force

    def _blocked(self, state: api.State, action: Tensor, after: api.State) -> np.ndarray:
        """Whether walls made the velocity after an action differ from that of a free ball; [B] bool."""
        _, _, velocity, force = self._forces(state, self.spec.actions.clip(action))
        free = physics.free_velocity(velocity, force, self.params.substeps)
        # Far above float32's rounding of velocities, 5e-7.
        return np.abs(after["velocity"].numpy() - free).max(axis=-1) > 1e-3


def _put(states: dict[str, np.ndarray], rows: np.ndarray, time: int, state: api.State) -> None:
    """Write states of trajectories [R] at one time into arrays [N, T + 1, 2]."""
    for name, array in states.items():
        array[rows, time] = state[name].numpy()
