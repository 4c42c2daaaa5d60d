"""Spaces of a goal-conditioned `gymnasium.Env`, as what an environment of vgbench says of itself."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vgbench.api.environment import ArraySpec, Box, Discrete
from vgbench.errors import UsageError

KEYS = ("observation", "achieved_goal", "desired_goal")
"""What an observation of a goal-conditioned env consists of (Gymnasium-Robotics' GoalEnv)."""


def observation_spec(env: Any, who: str) -> ArraySpec:
    """Return the shape of `observation`, after a look at the whole space.

    Raises:
        UsageError: the space is not that of a goal-conditioned env; `who` names the class.
    """
    spaces = getattr(env.observation_space, "spaces", None)
    if not isinstance(spaces, Mapping) or any(key not in spaces for key in KEYS):
        raise UsageError(
            f"{who}: the observation space is {env.observation_space}; expected that of a goal-conditioned env, a Dict "
            f"with {', '.join(KEYS)}. Wrap the env so that it has them"
        )
    for key in KEYS:
        if not hasattr(spaces[key], "low"):
            raise UsageError(f"{who}: {key} is {spaces[key]}; expected a Box (gymnasium.wrappers can flatten it)")
    space = spaces["observation"]
    if str(space.dtype) == "uint8" and len(space.shape) == 3:
        height, width, channels = space.shape
        return ArraySpec((channels, height, width), "uint8", "image", "observation of the env")
    return ArraySpec((int(np.prod(space.shape)),), description="observation of the env")


def action_set(env: Any, who: str) -> Box | Discrete:
    """Return the set of the actions.

    Raises:
        UsageError: the space is neither a bounded Box of one dimension nor Discrete.
    """
    space = env.action_space
    if hasattr(space, "n") and hasattr(space, "start"):
        return Discrete(int(space.n), start=int(space.start))
    low, high = (getattr(space, name, None) for name in ("low", "high"))
    if low is None or high is None or low.ndim != 1 or not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise UsageError(f"{who}: the action space is {space}; expected a bounded Box of one dimension, or Discrete")
    return Box(tuple(map(float, low)), tuple(map(float, high)))
