"""Whether plans have the same bits whatever else is in their block: tried, since no library promises it.

Near-argmin weights turn last bits into other plans, and a task's result must not depend on the tasks beside it. Where
it does not, blocks need no padding.
"""

from collections.abc import Callable, Iterator

import torch

from vgbench.api import Plan
from vgbench.model.batching import Rows, padded
from vgbench.model.jepa import JEPA
from vgbench.model.onednn import wholly_packed

MakePlan = Callable[[Rows, Rows, int, int], Plan]
"""Plan for tasks (`id`, `latent`, `goal`), with the planner's state, at a step, after so many executed actions."""

_STEPS = 2
"""Horizon of the plans that are compared: every step computes the same."""


def batch_invariant(plan: MakePlan, model: JEPA, tasks: int, latent_dim: int, max_steps: int) -> bool:
    """Try whether `plan` gives each of `tasks` made-up tasks the same bits in smaller blocks, alone too.

    It is tried twice, from nothing and from what the first plan left; the second time with what was executed. Networks
    that are not wholly made of packed layers are not tried: theirs would have to be tried at every size.
    """
    if not wholly_packed(model):
        return False
    generator = torch.Generator().manual_seed(0)
    # As large as latents are: where the predictor works on shifted and scaled ones, so are these.
    latents = model.latent_shift + model.latent_scale * torch.randn(2, tasks, latent_dim, generator=generator)
    with torch.inference_mode():
        rows = {"id": torch.arange(tasks), "latent": latents[0], "goal": model.head(latents[1])}
    # So late that few steps are left, and the plans are short.
    first = max(0, max_steps - 2 * _STEPS)
    try:
        state: Rows = {}
        for step in (first, min(first + _STEPS, max_steps - 1)):
            whole = plan(rows, state, step, _STEPS if state else 0)
            for start, count in _parts(tasks):
                part = padded(rows, start, count), padded(state, start, count)
                if not _same(whole, plan(*part, step, _STEPS if state else 0), slice(start, start + count)):
                    return False
            state = whole.state
    except Exception:  # of any kind, from a planner: what is wrong with it is told when it plans for tasks
        return False
    return True


def _parts(tasks: int) -> Iterator[tuple[int, int]]:
    """First task and number of tasks of blocks of 1, 2, 3, 5, 8, ..., from the end and the beginning in turn."""
    # Fibonacci's numbers: few sizes, odd and even ones, up to that of the whole block.
    a, b, end = 1, 2, True
    while a < tasks:
        yield (tasks - a if end else 0), a
        a, b, end = b, a + b, not end


def _same(whole: Plan, own: Plan, part: slice) -> bool:
    """Whether a plan is its part of another, bit for bit."""
    pairs = [(whole.actions[part], own.actions)]
    for ours, theirs in ((whole.state, own.state), (whole.info, own.info)):
        pairs += [(ours[name][part], theirs[name]) for name in ours]
    return all(torch.equal(a, b) for a, b in pairs)
