"""Check what an environment returns, before a run relies on it: shapes, types, finite values, strata."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vgbench.api import ArraySpec, Environment, Trajectories
from vgbench.data.dataset import Dataset
from vgbench.errors import RunFailed, UsageError
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
    check_arrays(who, "observe", data.observations(index, torch.zeros_like(index)), spec.observations, count)
    if not spec.state:  # recordings alone: there is nothing to step
        return
    state = data.state(index, torch.zeros_like(index))
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


def check_trajectories(environment: Environment, data: Trajectories, where: str) -> None:
    """Hold trajectories of a file against what an environment says of itself, as those are that it collects.

    A state that was not recorded is NaN throughout: it is trained on, and not stepped from.

    Raises:
        UsageError: an array is missing, has another shape or type, or is not finite; names trajectory and field.
    """
    spec = environment.spec
    arrays = {**data.states, **data.static}
    wanted = {f"state {name!r}": (arrays.get(name), array, name in data.static) for name, array in spec.state.items()}
    if not spec.restores_state:
        seen = data.observations or {}
        wanted |= {f"observation {n!r}": (seen.get(n), array, False) for n, array in spec.observations.items()}
    wanted["actions"] = (data.actions, ArraySpec((spec.actions.dim,)), False)
    for what, (found, array, fixed) in wanted.items():
        shape = () if found is None else tuple(found.shape[1 if fixed else 2 :])
        if found is None or shape != array.shape or str(found.dtype) != array.dtype:
            got = "is missing" if found is None else f"is {found.dtype} of shape {shape}"
            raise UsageError(f"{where}: {what} {got}; expected {array.dtype} of shape {array.shape}")
        if np.issubdtype(found.dtype, np.floating):
            _check_finite(found, where, what)


def _check_finite(found: Any, where: str, what: str) -> None:
    """Refuse numbers that are not finite, unless all are NaN."""
    recorded = 0
    for number in range(len(found)):
        row = np.asarray(found[number])
        bad = ~np.isfinite(row.reshape(len(row), -1)).all(axis=1) if row.ndim else ~np.isfinite(row)[None]
        if not bad.any():
            recorded += 1
            continue
        if what.startswith("state") and bool(np.isnan(row).all()) and recorded == 0:
            continue
        raise UsageError(f"{where}: trajectory {number}: {what} has NaN or infinity at step {int(bad.argmax())}")
    # Some trajectories with a state and some without would be stepped from by chance.
    if 0 < recorded < len(found):
        raise UsageError(f"{where}: {what} is NaN in {len(found) - recorded} of {len(found)} trajectories")


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
