"""Any goal-conditioned `gymnasium.Env` as an environment of vgbench."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from vgbench.api.data import State, Tasks, Trajectories
from vgbench.api.environment import ArraySpec, Discrete, Environment, EnvironmentSpec
from vgbench.api.gymnasium_spaces import action_set, observation_spec
from vgbench.errors import UsageError
from vgbench.hardware import without_drawing

ATTEMPTS = 1000
"""Resets after which a task that is not solved at its start is given up."""


class GymnasiumEnvironment(Environment):
    """A goal-conditioned `gymnasium.Env`: subclasses make it, and define when its goal is reached.

    Example: a maze of Gymnasium-Robotics (`pip install -c constraints.txt ".[robotics]"`)::

        import gymnasium
        import gymnasium_robotics
        import numpy as np
        from vgbench.api import GymnasiumEnvironment


        class UMaze(GymnasiumEnvironment):
            success_radius = 0.45
            distance_unit = "m"

            def make(self):
                gymnasium.register_envs(gymnasium_robotics)
                return gymnasium.make("PointMaze_UMaze-v3")

            def observation_at(self, goal):
                return np.concatenate([goal, [0.0, 0.0]])  # there, and at rest

    Its observations are a `Dict` with `observation` (a vector, or an image [H, W, C] of uint8), `achieved_goal` and
    `desired_goal`; its actions a bounded `Box` of one dimension, or `Discrete`: then they are one-hot vectors here
    (see `vgbench.api.Discrete`), and planners `cem` and `random` take them. Rewards, `terminated` and `truncated` are
    not looked at: an episode goes on until its goal is reached or its steps are used up, so the env has to keep going,
    too.

    A state is `simulation` [S] float64, what `set_state` restores; and `observation` and `achieved_goal` as the env
    reported them, float32. Envs of MuJoCo are restored to the last bit as they are (warm start and time included);
    others define `get_state` and `set_state`.

    A batch is a Python loop over one env that is set to each state in turn: right, but slow next to a world that
    steps all its states together. Planning is hardly held up by it, since plans are rolled out in latent space.
    """

    distance_unit: ClassVar[str] = ""
    """Unit of the goal space, for reports."""
    action_hold: ClassVar[int] = 5
    """Steps for which the data's random actions are held, see `random_actions`."""

    def __init__(self, params: Any) -> None:
        """Keep the parameters; the env is made when it is first needed."""
        super().__init__(params)
        self._made: Any = None
        self._spec: EnvironmentSpec | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the parameters alone: an env is made again."""
        return type(self), (self.params,)

    @abstractmethod
    def make(self) -> Any:
        """Make the `gymnasium.Env`; `self.params` has the parameters."""

    def observation_at(self, goal: np.ndarray) -> np.ndarray | None:
        """Return the observation with which the env would report that `goal` is reached, or None if that is not known.

        Then tasks have the goals that the env's `reset` asks for; else goals are states of the training set.
        """
        return None

    def get_state(self, env: Any) -> np.ndarray:
        """Return the state of the simulation as numbers [S]; by default MuJoCo's integration state."""
        import mujoco

        model, data, what = self._physics(env)
        state = np.empty(mujoco.mj_stateSize(model, what))
        mujoco.mj_getState(model, data, state, what)
        return state

    def set_state(self, env: Any, state: np.ndarray) -> None:
        """Put the simulation into a state that `get_state` returned."""
        import mujoco

        model, data, what = self._physics(env)
        mujoco.mj_setState(model, data, state, what)
        mujoco.mj_forward(model, data)
        mujoco.mj_setState(model, data, state, what)  # the solver's warm start, which mj_forward has moved on

    def random_actions(self, rng: np.random.Generator, steps: int) -> np.ndarray:
        """Return actions [steps, A] of a trajectory of the data: uniform, each held for `action_hold` steps."""
        actions: Any = self.spec.actions
        count = -(-steps // self.action_hold)
        if isinstance(actions, Discrete):
            drawn = np.eye(actions.dim)[rng.integers(actions.dim, size=count)]
        else:
            drawn = rng.uniform(actions.low, actions.high, (count, actions.dim))
        return drawn.repeat(self.action_hold, axis=0)[:steps]

    @property
    def spec(self) -> EnvironmentSpec:
        """State, observation and actions, from the env's spaces.

        Raises:
            UsageError: the spaces do not fit, or the state of the simulation cannot be had.
        """
        if self._spec is None:
            env = self._env()
            observation = observation_spec(env, type(self).__name__)
            size = len(np.atleast_1d(self.get_state(env)))
            goal = ArraySpec((int(np.prod(env.observation_space["achieved_goal"].shape)),), description="goal reached")
            simulation = ArraySpec((size,), "float64", description="state of the simulation; nan: not recorded")
            self._spec = EnvironmentSpec(
                state={"simulation": simulation, "observation": observation, "achieved_goal": goal},
                observations={"observation": observation},
                actions=action_set(env, type(self).__name__),
                distance_unit=self.distance_unit,
            )
        return self._spec

    def step(self, state: State, action: Tensor, noise: Tensor | None = None) -> State:
        """Step each of the states [B] with its action [B, A], one after the other, on the CPU.

        Raises:
            ValueError: an action is not finite, or a state has no `simulation` (data that something else recorded).
        """
        clipped = self.spec.actions.clip(action).cpu().numpy()
        if not np.isfinite(clipped).all():
            raise ValueError(f"{type(self).__name__}: an action is not finite")
        rows = zip(state["simulation"].cpu().numpy(), clipped, strict=True)
        after = [self._advance(simulation, each) for simulation, each in rows]
        # np.stack refuses an empty batch.
        joined = {name: torch.from_numpy(np.stack([row[name] for row in after])) for name in state} if after else state
        return {name: value.to(state[name].device) for name, value in joined.items()}

    def observe(self, state: State) -> dict[str, Tensor]:
        """Return what the env reported in these states."""
        return {"observation": state["observation"]}

    def goal_distance(self, state: State, goal: State) -> Tensor:
        """Return the Euclidean distance [B] in the goal space."""
        return torch.linalg.vector_norm(state["achieved_goal"] - goal["achieved_goal"], dim=-1)

    def collect(
        self, trajectories: int, length: int, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> Trajectories:
        """Collect trajectories from the env's own starts with `random_actions`."""
        rng = np.random.default_rng(seed)
        episodes, taken = [], []
        for index in range(trajectories):
            actions = self.random_actions(rng, length - 1).astype(np.float32)
            rows = [self._reset(rng)[0]]
            for action in actions:
                rows.append(self._advance(rows[-1]["simulation"], action))
            episodes.append({name: np.stack([row[name] for row in rows]) for name in rows[0]})
            taken.append(actions)
            if progress:
                progress(index + 1, trajectories)
        return Trajectories({name: np.stack([e[name] for e in episodes]) for name in episodes[0]}, {}, np.stack(taken))

    def sample_tasks(self, count: int, seed: int, data: Trajectories) -> Tasks:
        """Sample starts by the env's `reset`, and goals as `observation_at` says.

        A goal that was not recorded has the start's `simulation`: goals are looked at, never stepped from.

        Raises:
            ValueError: the env's tasks are solved at their start, time and again.
        """
        rng = np.random.default_rng(seed)
        pairs = [self._task(rng, data) for _ in range(count)]
        start, goal = (
            {n: torch.from_numpy(np.stack([pair[i][n] for pair in pairs])) for n in pairs[0][i]} for i in (0, 1)
        )
        return Tasks(start, goal)

    def recorded_states(self, recorded: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return states of recorded observations; a `simulation` that was not recorded is nan and cannot be stepped.

        Raises:
            ValueError: `observation` or `achieved_goal` was not recorded, or has another shape.
        """
        arrays = dict(recorded)
        seen, spec = arrays.get("observation"), self.spec.state["observation"]
        if seen is not None and spec.kind == "image" and seen.shape[1:] == (*spec.shape[1:], spec.shape[0]):
            arrays["observation"] = np.moveaxis(seen, -1, 1)
        if seen is not None and "simulation" not in arrays:
            arrays["simulation"] = np.full((len(seen), *self.spec.state["simulation"].shape), np.nan)
        return super().recorded_states(arrays)

    def _env(self) -> Any:
        """Return the env, made and reset once."""
        if self._made is None:
            try:
                env = self.make()
            except Exception as err:  # whatever an env's maker raises: a name that is not there, a missing package
                why = without_drawing(err) or f"{type(err).__name__}: {err}"
                raise UsageError(f"{type(self).__name__}.make failed: {why}") from err
            if not all(hasattr(env, name) for name in ("reset", "step", "observation_space", "action_space")):
                raise UsageError(f"{type(self).__name__}.make returned {env!r}; expected a gymnasium.Env")
            env.reset(seed=0)  # Gymnasium refuses steps before the first reset
            self._made = env
        return self._made

    def _physics(self, env: Any) -> tuple[Any, Any, int]:
        """Model and data of MuJoCo, and what of its state is wanted."""
        import mujoco

        inner = getattr(env, "unwrapped", env)
        model, data = getattr(inner, "model", None), getattr(inner, "data", None)
        if not (isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData)):
            raise UsageError(
                f"{type(self).__name__}: {inner!r} is no env of MuJoCo (it has no MjModel `model` and MjData `data`), "
                "so how to restore its state is not known; define get_state(env) and set_state(env, state)"
            )
        return model, data, int(mujoco.mjtState.mjSTATE_INTEGRATION)

    def _advance(self, simulation: np.ndarray, action: np.ndarray) -> dict[str, np.ndarray]:
        """State after an action [A] from a state of the simulation [S]."""
        if not np.isfinite(simulation).all():
            raise ValueError(
                f"{type(self).__name__}: this state has no `simulation` (it comes from a data set that was recorded "
                "elsewhere), so nothing can be stepped from it"
            )
        env = self._env()
        self.set_state(env, simulation)
        actions = self.spec.actions
        if isinstance(actions, Discrete):
            taken = env.action_space.dtype.type(actions.start + int(np.argmax(action)))
        else:
            taken = action.astype(env.action_space.dtype)
        return self._state(env.step(taken)[0])

    def _state(self, seen: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """State of the env as it is, with what it reported."""
        return {"simulation": np.array(self.get_state(self._env()), np.float64).reshape(-1)} | self._seen(
            seen["observation"], seen["achieved_goal"]
        )

    def _seen(self, observation: np.ndarray, achieved: np.ndarray) -> dict[str, np.ndarray]:
        spec = self.spec.state["observation"]
        frame = np.asarray(observation)
        frame = np.moveaxis(frame, -1, 0) if spec.kind == "image" else frame.reshape(-1)
        if frame.shape != spec.shape:
            raise ValueError(
                f"{type(self).__name__}: an observation has shape {frame.shape}; expected {spec.shape}, as in the "
                "env's observation space"
            )
        return {"observation": frame.astype(spec.dtype), "achieved_goal": np.array(achieved, np.float32).reshape(-1)}

    def _reset(self, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """State after a reset, and the goal that the env asks for."""
        seen, _ = self._env().reset(seed=int(rng.integers(2**31)))
        return self._state(seen), np.array(seen["desired_goal"])

    def _task(
        self, rng: np.random.Generator, data: Trajectories
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Start and goal of one task."""
        for _ in range(ATTEMPTS):
            start, wanted = self._reset(rng)
            observation = self.observation_at(wanted)
            if observation is not None:
                goal = {"simulation": start["simulation"]} | self._seen(observation, wanted)
            else:
                trajectory = int(rng.integers(len(data)))
                time = int(rng.integers(int(data.counts[trajectory])))
                goal = {name: array[trajectory, time] for name, array in data.states.items()}
                if not np.isfinite(goal["simulation"]).all():
                    goal["simulation"] = start["simulation"]
            ends = ({name: torch.from_numpy(value)[None] for name, value in end.items()} for end in (start, goal))
            if not self.success(*ends).item():
                return start, goal
        raise ValueError(
            f"{type(self).__name__}: {ATTEMPTS} tasks in a row were solved at their start; is success_radius = "
            f"{self.success_radius:g} too large?"
        )
