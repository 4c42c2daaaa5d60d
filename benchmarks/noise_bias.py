"""How far noise of the moves biases the paper's value loss on the wall, without networks.

    python -m benchmarks.noise_bias [--draws 8] [--tasks 10] > results/stochastic_wall/bias.json

The loss takes its expectile over the next states of the data, so over actions and noise alike: where noise helps
counts as if it could be chosen. `joint` is its fixed point; `averaged` is that of the same data if the noise were
averaged first, as a Q function does, and the expectile taken over actions alone. Both have the same walks and the same
draws of noise, so that their difference is the bias; without noise they are equal.
"""

import argparse
import json
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import spearmanr
from torch import Tensor

from vgbench_plugins.environments import wall_value
from vgbench_plugins.environments.wall import Wall

NOISES = (0.0, 1.0, 3.0)
"""Standard deviations, px: none, that of `wall_noisy`, and about the longest step of WB."""
VALUES = {"vf": (0.8, 0.98), "vf_quasi": (0.6, 0.93)}
"""Expectile and discount of the paper's two value functions on WB."""
TASK_SEED = 1000


def targets(wall: Wall, layout: Tensor, draws: int) -> csr_array:
    """States that follow each point of the grid in each walk and draw: [M * S * draws, M], rows of sum 1."""
    walks = np.repeat(wall_value.walks(wall.walk, 1), draws, axis=0)
    return wall_value.transitions(wall_value.lattice(*layout.tolist()), layout, walks, wall.world.mover(1))


def mean_over(ends: csr_array, draws: int) -> csr_array:
    """Return the mean of each `draws` successive rows."""
    rows = ends.shape[0]
    # Row pointers of the CSR format: row i of the mean takes entries i * draws to (i + 1) * draws.
    start = np.arange(0, rows + 1, draws)
    return csr_array((np.full(rows, 1 / draws), np.arange(rows), start), (rows // draws, rows)) @ ends


def order(values: np.ndarray, others: np.ndarray) -> float:
    """Mean over tasks of Spearman's correlation over the grid, of [tasks, M] each."""
    return round(float(np.mean([spearmanr(a, b)[0] for a, b in zip(values, others, strict=True)])), 4)


def measure(draws: int, count: int, noises: tuple[float, ...] = NOISES) -> dict[str, Any]:
    """Both fixed points of each value at each noise, compared at the starts of `count` tasks and over the grid."""
    rows = []
    for noise in noises:
        wall = Wall(Wall.Params(step="big", layout="fixed", noise=noise))
        tasks = wall.sample_tasks(count, TASK_SEED, wall.collect(2, 64, TASK_SEED))
        layout = tasks.start["layout"][0]
        grid = wall_value.lattice(*layout.tolist())
        joint = targets(wall, layout, draws)
        averaged = mean_over(joint, draws)
        starts, goals = (grid.nearest(side["position"]).numpy() for side in (tasks.start, tasks.goal))
        states = wall.state_grid(tasks.start).states
        ends = ({key: value[[goal]].expand_as(value) for key, value in states.items()} for goal in goals)
        costs = [wall.cost_to_go(states, end).numpy() for end in ends]
        for name, (tau, gamma) in VALUES.items():
            both = [
                [wall_value.solve(following, goal, tau, gamma) for following in (joint, averaged)] for goal in goals
            ]
            solved = np.array(both)  # [tasks, 2, M]
            at_start = solved[np.arange(count), :, starts]
            rows.append(
                {
                    "noise": noise,
                    "value": name,
                    "tau": tau,
                    "gamma": gamma,
                    "bound": round(1 / (1 - gamma), 2),
                    "joint": round(float(at_start[:, 0].mean()), 3),
                    "averaged": round(float(at_start[:, 1].mean()), 3),
                    "bias": round(float((at_start[:, 0] - at_start[:, 1]).mean()), 3),
                    "order_joint_averaged": order(solved[:, 0], solved[:, 1]),
                    "order_joint_cost": order(solved[:, 0], costs),
                    "order_averaged_cost": order(solved[:, 1], costs),
                }
            )
    return {"tasks": count, "task_seed": TASK_SEED, "walks": wall_value.SAMPLES, "draws": draws, "rows": rows}


def main() -> None:
    """Parse the options and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=8, help="draws of the noise for each walk")
    parser.add_argument("--tasks", type=int, default=10)
    options = parser.parse_args()
    print(json.dumps(measure(options.draws, options.tasks), indent=1))


if __name__ == "__main__":
    main()
