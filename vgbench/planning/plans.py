"""Plans as objects: changed as a whole, joined, and in the flat form in which a checkpoint holds them."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from vgbench.api import Plan
from vgbench.model.batching import Rows, join_rows

STATE, INFO = "state.", "info."
"""Prefixes of a planner's own names in a checkpoint."""


def map_plan(plan: Plan, change: Callable[[Tensor], Tensor]) -> Plan:
    """Apply a function to every tensor of a plan."""
    state, info = ({name: change(value) for name, value in part.items()} for part in (plan.state, plan.info))
    return Plan(change(plan.actions), state, info)


def join_plans(plans: Sequence[Plan]) -> Plan:
    """Return one plan for the tasks of all."""
    actions = torch.cat([plan.actions for plan in plans])
    return Plan(actions, join_rows([plan.state for plan in plans]), join_rows([plan.info for plan in plans]))


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> Rows:
    """Put a prefix before every name."""
    return {prefix + name: value for name, value in tensors.items()}


def of_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> Rows:
    """Return those whose names have a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def pack_plan(plan: Plan) -> Rows:
    """Return a plan as a checkpoint holds it."""
    return {"actions": plan.actions} | with_prefix(STATE, plan.state) | with_prefix(INFO, plan.info)


def unpack_plan(packed: Rows) -> Plan:
    """Return the plan that `pack_plan` made `packed` of."""
    return Plan(packed["actions"], of_prefix(STATE, packed), of_prefix(INFO, packed))
