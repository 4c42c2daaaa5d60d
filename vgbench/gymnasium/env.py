"""One environment of vgbench, one task at a time, behind Gymnasium's interface."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from vgbench.api import Environment, State, Tasks, Trajectories
from vgbench.config.resolve import RunRequest, resolve_data
from vgbench.data import files
from vgbench.data.sizes import collect_few
from vgbench.errors import UsageError, VgbenchError
from vgbench.rng import KeyedNoise, Stream
from vgbench.spec import DataSpec
from vgbench.text import choice

OBSERVATIONS = ("state", "pixels")
FEW = 20
"""Trajectories that are collected where no data set is given: they decide the layout of the tasks, no more. More where
the environment needs more for its layouts."""


class TaskEnv(gymnasium.Env[dict[str, np.ndarray], Any]):
    """A goal-conditioned `gymnasium.Env` of any environment of vgbench.

    Observation: `observation`, `achieved_goal` and `desired_goal`, for `observation="state"` all three the arrays of
    the state one after the other (layout included; for the goal those of the goal state). With `"pixels"`,
    `observation` is the image [H, W, C] uint8, `goal_image` that of the goal, and what the environment shows beside its
    image (a velocity) has keys of its own, `NAME` and `goal_NAME`; the other two are still states, for
    `compute_reward`, which a policy on pixels must not look at.

    Action: in the environment's own units, a box around its set; actions outside of the set are projected onto it. Of a
    discrete set, the number of the action.

    Reward: 0 in the step that reaches the goal, which ends the episode (`terminated`), and -1 in every other. Gymnasium
    truncates after the steps of the environment's usual protocol; `gymnasium.make(..., max_episode_steps=N)` says
    otherwise. `info` has `is_success`, `distance` to the goal, and `task` and `task_seed`, which name the task.

    Tasks: `reset(seed=s)` starts the first of the tasks of `vgbench tasks --task-seed s`, later resets without a seed
    the next of them, and so on to the last (`tasks` of them), after which a new seed is drawn. `reset(options={"task":
    i})` starts task i. Moves with noise draw from the task's own stream, as in `vgbench run`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - Gymnasium's

    def __init__(
        self,
        environment: str,
        render_mode: str | None = None,
        observation: str = "state",
        tasks: int | None = None,
        data: str | Path | None = None,
        data_seed: int = 0,
        **params: Any,
    ) -> None:
        """Resolve the environment as `vgbench run --env` does: its usual protocol's values, and `params` above them.

        Args:
            environment: its name (set by Gymnasium's registry).
            render_mode: None or "rgb_array".
            observation: "state" or "pixels".
            tasks: tasks of one seed, at least 1; None: as many as the usual protocol has.
            data: a file of `vgbench collect`, which decides the layouts; else a few trajectories are collected.
            data_seed: seed of that collection.
            params: parameters of the environment, see `vgbench show NAME`.

        Raises:
            UsageError: something of this does not exist or does not fit.
        """
        what = choice(observation, OBSERVATIONS, "observation=")
        self.render_mode = None if render_mode is None else choice(render_mode, ["rgb_array"], "render_mode=")
        self._asked = _resolved(environment, tasks, data, data_seed, params)
        chosen = self._asked.environment
        self._world: Environment = chosen.cls(chosen.params)
        images = [name for name, array in self._world.spec.observations.items() if array.kind == "image"]
        self._image = images[0] if images else None
        self._pixels = what == "pixels"
        if self._image is None:
            # A copy: the class's own is that of all environments.
            self.metadata = {**self.metadata, "render_modes": []}
        if self._image is None and (self._pixels or self.render_mode):
            raise UsageError(f"environment {environment!r} has no images: neither pixels nor rgb_array can be had")
        self.observation_space = self._space()
        self.action_space = _action_space(self._world)
        self._data: Trajectories | None = None
        self._tasks: Tasks | None = None
        self._index, self._seed, self._steps = -1, 0, 0
        self._state: State = {}
        self._goal: State = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start the next task, or the one that seed and options name."""
        super().reset(seed=seed)
        named = (options or {}).get("task")
        # A task that is named is one of the present seed, however far the tasks have been played.
        over = named is None and self._tasks is not None and self._index + 1 >= len(self._tasks)
        if seed is not None or self._tasks is None or over:
            # From Gymnasium's generator: one seeded reset makes all later ones repeatable.
            self._seed = int(self.np_random.integers(2**31)) if seed is None else seed
            self._tasks, self._index = self._sample(), -1
        index = self._index + 1 if named is None else int(named)
        if not 0 <= index < len(self._tasks):
            raise UsageError(f"options: task={index}; expected 0 to {len(self._tasks) - 1}")
        self._index = index
        rows = slice(self._index, self._index + 1)
        self._state = {name: value[rows] for name, value in self._tasks.start.items()}
        self._goal = {name: value[rows] for name, value in self._tasks.goal.items()}
        self._steps = 0
        return self._seen(), self._info()

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Act for one step, see the class for reward and end.

        Raises:
            UsageError: the action has another shape than the action space.
        """
        taken = self._taken(action)
        noise = None
        if self._world.spec.noise_dim:
            keyed = KeyedNoise(self._seed, torch.tensor([self._index]), self._steps, Stream.ENVIRONMENT)
            noise = keyed.normal(self._world.spec.noise_dim)
        self._state = self._world.step(self._state, taken[None], noise)
        self._steps += 1
        info = self._info()
        return self._seen(), float(info["is_success"]) - 1.0, info["is_success"], False, info

    def _taken(self, action: Any) -> Tensor:
        """Vector [A] of an action."""
        if isinstance(self.action_space, spaces.Discrete):
            if not self.action_space.contains(action):
                raise UsageError(f"an action is {action!r}; expected a number of 0 to {self.action_space.n - 1}")
            return torch.eye(int(self.action_space.n))[int(action)]
        taken = torch.as_tensor(np.asarray(action, np.float32))
        if taken.shape != self.action_space.shape:
            raise UsageError(f"an action has shape {tuple(taken.shape)}; expected {self.action_space.shape}")
        return taken

    def compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> np.ndarray | float:
        """Reward [...] of states [..., S] and goals [..., S], for relabelled goals (hindsight); `info` is not used."""
        achieved, desired = np.asarray(achieved_goal), np.asarray(desired_goal)
        lead = achieved.shape[:-1]
        reached = self._world.success(self._unpacked(achieved), self._unpacked(desired)).numpy()
        rewards = reached.astype(np.float64).reshape(lead) - 1.0
        return rewards if lead else float(rewards)

    def render(self) -> np.ndarray | None:
        """Picture [H, W, 3] uint8 of the state: a single channel in grey, two in red and green."""
        if self.render_mode is None or self._image is None or not self._state:
            return None
        picture = self._world.observe(self._state)[self._image][0].numpy()
        picture = picture.repeat(3, axis=0) if len(picture) == 1 else picture[:3]
        return np.pad(picture, ((0, 3 - len(picture)), (0, 0), (0, 0))).transpose(1, 2, 0)

    def _sample(self) -> Tasks:
        """Tasks of the seed, as `vgbench tasks` samples them."""
        if self._data is None:
            self._data = _data(self._asked, self._world)
        try:
            return self._world.sample_tasks(self._asked.tasks, self._seed, self._data)
        except ValueError as err:
            raise UsageError(f"the tasks and data do not fit together: {err}") from err

    def _info(self) -> dict[str, Any]:
        return {
            "is_success": bool(self._world.success(self._state, self._goal).item()),
            "distance": float(self._world.goal_distance(self._state, self._goal).item()),
            "task": self._index,
            "task_seed": self._seed,
        }

    def _seen(self) -> dict[str, np.ndarray]:
        """Observation of the state, beside its goal. All arrays are the caller's own."""
        state, goal = self._packed(self._state), self._packed(self._goal)
        result = {"observation": state, "achieved_goal": state.copy(), "desired_goal": goal}
        if self._pixels:
            shown, wanted = self._world.observe(self._state), self._world.goal_observation(self._goal)
            for name in self._world.spec.observations:
                key, goal_key = self._keys(name)
                result |= {key: self._array(name, shown[name]), goal_key: self._array(name, wanted[name])}
        return result

    def _keys(self, name: str) -> tuple[str, str]:
        """Keys of an observation array and of the goal's: the image is the observation."""
        return ("observation", "goal_image") if name == self._image else (name, f"goal_{name}")

    def _array(self, name: str, value: Tensor) -> np.ndarray:
        """Array of one observation, images with channels last."""
        array = value[0].cpu().numpy()
        image = self._world.spec.observations[name].kind == "image"
        return array.transpose(1, 2, 0).copy() if image else array.copy()

    def _space(self) -> spaces.Dict:
        """Space of the observations. States have no bounds that vgbench knows of."""
        state = spaces.Box(-np.inf, np.inf, (self._size(),), self._dtype())
        result: dict[str, spaces.Space[Any]] = {
            "observation": state,
            "achieved_goal": state,
            "desired_goal": state,
        }
        for name, array in self._world.spec.observations.items() if self._pixels else ():
            if array.kind == "image":
                channels, height, width = array.shape
                space = spaces.Box(0, 255, (height, width, channels), np.uint8)
            else:
                space = spaces.Box(-np.inf, np.inf, array.shape, np.float32)
            result |= dict.fromkeys(self._keys(name), space)
        return spaces.Dict(result)

    def _size(self) -> int:
        return sum(int(np.prod(array.shape)) for array in self._world.spec.state.values())

    def _dtype(self) -> type[np.floating[Any]]:
        """Float32, unless a state array has more."""
        return np.float64 if any(a.dtype == "float64" for a in self._world.spec.state.values()) else np.float32

    def _packed(self, state: State) -> np.ndarray:
        """State of a single row as one vector [S]."""
        parts = [state[name].reshape(-1).cpu().numpy() for name in self._world.spec.state]
        return np.concatenate(parts).astype(self._dtype())

    def _unpacked(self, vectors: np.ndarray) -> State:
        """States [B] of vectors [..., S]."""
        rows, state, at = vectors.reshape(-1, self._size()), {}, 0
        for name, array in self._world.spec.state.items():
            size = int(np.prod(array.shape))
            part = rows[:, at : at + size].reshape(len(rows), *array.shape)
            state[name] = torch.from_numpy(part.astype(array.dtype))
            at += size
        return state


def _resolved(
    environment: str, tasks: int | None, data: str | Path | None, data_seed: int, params: dict[str, Any]
) -> DataSpec:
    """Environment, tasks and data set; parameters are given by their own names here, not as `--set`."""
    name = environment.rpartition(":")[2]
    # JSON is also YAML, as which --set is read.
    sets = [f"{name}.{key}={json.dumps(value)}" for key, value in params.items()]
    sets += [f"evaluation.tasks={tasks}"] if tasks is not None else []
    # A file has a seed of its own.
    seed = None if data is not None else data_seed
    try:
        request = RunRequest(env=environment, set=sets, data=Path(data) if data else None, data_seed=seed)
        return resolve_data(request, tasks=True)
    except VgbenchError as err:
        # The user gave arguments, not --set.
        raise type(err)(str(err).replace(f"--set {name}.", f"{name}: ").replace("--set ", "")) from err


def _data(asked: DataSpec, world: Environment) -> Trajectories:
    """Trajectories that `sample_tasks` wants to see."""
    if asked.file:
        return files.load_for(asked.file, asked.environment.name, world)[0]
    return collect_few(world, min(FEW, asked.settings.trajectories), asked.settings.length, asked.seed)


def _action_space(world: Environment) -> spaces.Box | spaces.Discrete:
    """Box around the action set, as far as it reaches along each axis; or the numbers of discrete actions."""
    if world.spec.actions.discrete:
        return spaces.Discrete(world.spec.actions.dim)
    actions, axes = world.spec.actions, torch.eye(world.spec.actions.dim)
    # Row i is the boundary along axis i, of which entry i is the extent.
    high, low = actions.boundary(axes).diagonal(), actions.boundary(-axes).diagonal()
    return spaces.Box(low.numpy().copy(), high.numpy().copy(), dtype=np.float32)
