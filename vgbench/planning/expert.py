"""The environment's own expert on the tasks of a run: how many steps a task takes."""

import torch

from vgbench.api import Environment, HasExpert, Tasks
from vgbench.api.capabilities import offers
from vgbench.model.batching import take_rows


@torch.inference_mode()
def expert_steps(environment: Environment, tasks: Tasks, most: int, radius: float | None = None) -> list[int | None]:
    """Play all tasks with the environment's expert, together; return the steps from each start to its first success.

    Noise of the environment is left out: each step is made with its mean, 0, so that the number is one of the task and
    of no seed.

    Args:
        environment: where they are; without the capability `expert` no number is known.
        tasks: on any device.
        most: steps that an episode may take, `mpc.max_steps`.
        radius: a task is solved below this distance from its goal; by default where the environment says so.

    Returns:
        A number of 1 to `most` for each task, None where it is not known or the expert did not get there.
    """
    count = len(tasks)
    if not offers(environment, HasExpert):
        return [None] * count
    found: list[int | None] = [None] * count
    state, goal = tasks.start, tasks.goal
    active = torch.arange(count, device=next(iter(state.values())).device)
    dim = environment.spec.noise_dim
    for step in range(1, most + 1):
        mean = torch.zeros(len(active), dim, device=active.device) if dim else None
        state = environment.step(state, environment.expert(state, goal), mean)
        near = environment.success(state, goal) if radius is None else environment.goal_distance(state, goal) < radius
        for task in active[near].tolist():
            found[task] = step
        stay = (~near).nonzero().squeeze(1)
        active, state, goal = active[stay], take_rows(state, stay), take_rows(goal, stay)
        if not len(active):
            break
    return found
