"""Two rows through every part of a run, before hours are spent on it: shapes, types, gradients."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vgbench.api import ArraySpec
from vgbench.data.dataset import Dataset
from vgbench.errors import RunFailed
from vgbench.plugin.attribution import describe_plugin, describe_value

STRATUM = 40
"""Most characters of a stratum's name: it heads a column."""
ROWS = 2
"""States that go through the environment: enough to show a wrong batch dimension."""


def sanity_check_environment(data: Dataset) -> None:
    """Hold what an environment does with two states of its data against what its `spec` says.

    Raises:
        RunFailed: an array is missing or has another shape or type, or is not finite; names the plugin.
    """
    environment, spec = data.environment, data.environment.spec
    who, device = describe_plugin(environment, "environment"), data.device
    index = torch.arange(min(ROWS, len(data)), device=device)
    count = len(index)
    state = data.state(index, torch.zeros_like(index))
    check_arrays(who, "observe", data.observations(index, torch.zeros_like(index)), spec.observations, count)
    check_arrays(who, "goal_observation", environment.goal_observation(state), spec.observations, count)
    after = state
    if all(bool(torch.isfinite(value).all()) for value in state.values()):  # else recorded elsewhere
        noise = torch.zeros(count, spec.noise_dim, device=device) if spec.noise_dim else None
        after = environment.step(state, torch.zeros(count, spec.actions.dim, device=device), noise)
        check_arrays(who, "step", after, spec.state, count)
    _rows(who, "goal_distance", environment.goal_distance(after, state), count)
    solved = environment.success(after, state)
    if not isinstance(solved, Tensor) or tuple(solved.shape) != (count,) or solved.dtype != torch.bool:
        kind = f" of {solved.dtype}" if isinstance(solved, Tensor) else ""
        raise RunFailed(
            f"{who}: success returned {describe_value(solved)}{kind}, expected a bool tensor of shape [{count}]"
        )


def check_arrays(who: str, method: str, found: Any, spec: Mapping[str, ArraySpec], count: int) -> None:
    """Compare named arrays of `count` rows, which a plugin's `method` returned, with what its `spec` says of them.

    Raises:
        RunFailed: one is missing or has another shape or type, or is not finite.
    """
    if not isinstance(found, dict) or not set(spec) <= set(found):
        names = sorted(found) if isinstance(found, dict) else f"a {type(found).__name__}"
        raise RunFailed(f"{who}: {method} returned {names}, expected a dictionary with {sorted(spec)}")
    for name, array in spec.items():
        value, wanted = found[name], [count, *array.shape]
        kind = str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else ""
        if not isinstance(value, Tensor) or list(value.shape) != wanted or kind != array.dtype:
            raise RunFailed(
                f"{who}: {method}: {name!r} is {kind} {describe_value(value)}, expected {array.dtype} of shape {wanted}"
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise RunFailed(f"{who}: {method}: {name!r} is not finite")


def check_strata(who: str, strata: object, count: int) -> None:
    """Hold the groups of `count` tasks against what they have to be: None, or a short printable name for each task.

    Raises:
        RunFailed: they are something else.
    """
    if strata is None:
        return
    if not isinstance(strata, tuple) or len(strata) != count:
        found = f"{len(strata)} names" if isinstance(strata, tuple | list) else f"a {type(strata).__name__}"
        raise RunFailed(f"{who}: strata is {found}, expected None or a tuple of {count} names, one for each task")
    for name in strata:
        if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name.strip()) <= STRATUM:
            raise RunFailed(f"{who}: stratum {name!r}: expected a name of 1 to {STRATUM} printable characters")


def _rows(who: str, method: str, found: Any, count: int) -> None:
    """A finite number for each row."""
    if not isinstance(found, Tensor) or tuple(found.shape) != (count,):
        raise RunFailed(f"{who}: {method} returned {describe_value(found)}, expected a tensor of shape [{count}]")
    if not bool(torch.isfinite(found).all()):
        raise RunFailed(f"{who}: {method} returned values that are not finite")
