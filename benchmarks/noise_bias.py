"""How far noise of the moves biases the paper's value loss on the wall, without networks.

    python -m benchmarks.noise_bias [--draws 8] [--tasks 10] > results/stochastic_wall/bias.json
    python -m benchmarks.noise_bias --world gamble > results/stochastic_wall/bias-gamble.json

The loss takes its expectile over the next states of the data, so over actions and noise alike: where noise helps
counts as if it could be chosen. `joint` is its fixed point; `averaged` is that of the same data if the noise were
averaged first, as a Q function does, and the expectile taken over actions alone. Both have the same walks and the same
draws of noise, so that their difference is the bias; without noise they are equal.

In the gamble, where the door of chance is never worth it, `takes` is the share of tasks in which the way down a fixed
point ends at that door.
"""

import argparse
import json
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.stats import spearmanr
from torch import Tensor

from vgbench_plugins.environments import wall_value
from vgbench_plugins.environments.gamble import Gamble
from vgbench_plugins.environments.lattice import Lattice
from vgbench_plugins.environments.rooms import Rooms
from vgbench_plugins.environments.wall import Wall

NOISES = (0.0, 1.0, 3.0)
"""Standard deviations, px: none, that of `wall_noisy`, and about the longest step of WB."""
VALUES = {"vf": (0.8, 0.98), "vf_quasi": (0.6, 0.93)}
"""Expectile and discount of the paper's two value functions on WB."""
TASK_SEED = 1000
IN_GAMBLE = {"mean": (0.5, 0.98)} | VALUES | {"vf_quasi_gamma98": (0.6, 0.98)}
"""Expectile and discount: without a bias, the paper's, and both at one discount."""
QUANTILES = (-2.0, 0.0, 2.0)
"""A standard normal for each of the gamble's exits, which are equally likely."""
AT_DOOR = 8.0
"""Distance from the middle of a door within which a way ends at it, px: doors have 8 px."""


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


def measure_gamble(count: int, values: dict[str, tuple[float, float]] = IN_GAMBLE) -> dict[str, Any]:
    """Both fixed points of each value in the gamble at `count` tasks, and which door the way down them takes."""
    gamble = Gamble(Gamble.Params(places="fixed"))
    tasks = gamble.sample_tasks(count, TASK_SEED, gamble.collect(2, 64, TASK_SEED))
    layout = tasks.start["layout"][0]
    # Its upper door is closed: in between, nothing is interpolated through it.
    grid = wall_value.lattice(*layout[[0, 2]].tolist())

    def move(position: Tensor, layouts: Tensor, action: Tensor) -> Tensor:
        noise = torch.tensor(QUANTILES).repeat(len(action) // len(QUANTILES))[:, None]
        return gamble.step({"position": position, "layout": layouts}, action, noise)["position"]

    walks = np.repeat(wall_value.walks(Rooms(Rooms.Params(layout="turnstile")).walk, 1), len(QUANTILES), axis=0)
    joint = wall_value.transitions(grid, layout, walks, move)
    both = (joint, mean_over(joint, len(QUANTILES)))
    starts, goals = (grid.nearest(side["position"]).tolist() for side in (tasks.start, tasks.goal))
    strata = np.array(tasks.strata)
    rows = []
    for name, (tau, gamma) in values.items():
        solved = [[wall_value.solve(following, goal, tau, gamma) for following in both] for goal in goals]
        at_start = np.array([[value[start] for value in pair] for pair, start in zip(solved, starts, strict=True)])
        takes = np.array(
            [
                [ends_at(grid, value, start, layout) for value in pair]
                for pair, start in zip(solved, starts, strict=True)
            ]
        )
        for stratum in dict.fromkeys(strata.tolist()):
            part = strata == stratum
            mean, share = at_start[part].mean(0), takes[part].mean(0)
            about = {"value": name, "tau": tau, "gamma": gamma, "stratum": stratum, "tasks": int(part.sum())}
            about |= {"joint": round(float(mean[0]), 3), "averaged": round(float(mean[1]), 3)}
            about |= {"takes_joint": round(float(share[0]), 3), "takes_averaged": round(float(share[1]), 3)}
            rows.append(about | {"bias": round(float(mean[0] - mean[1]), 3)})
    return {"tasks": count, "task_seed": TASK_SEED, "walks": wall_value.SAMPLES, "rows": rows}


def ends_at(grid: Lattice, value: np.ndarray, start: int, layout: Tensor) -> bool:
    """Whether the way down a value [M] from a point, neighbour by neighbour, ends at the upper door."""
    here = start
    while True:
        near = grid.neighbours[here]
        near = near[near >= 0].numpy()
        best = int(near[value[near].argmin()])
        if value[best] >= value[here]:
            break
        here = best
    return bool(torch.linalg.vector_norm(grid.points[here] - layout[:2]) < AT_DOOR)


def main() -> None:
    """Parse the options and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=8, help="draws of the noise for each walk")
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--world", choices=["wall", "gamble"], default="wall")
    options = parser.parse_args()
    found = measure_gamble(options.tasks) if options.world == "gamble" else measure(options.draws, options.tasks)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
