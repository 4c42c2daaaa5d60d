"""The 4 x 4 maze of published records: its data, tasks, pictures, experts and distances, to the last bit."""

import hashlib

import numpy as np
import pytest
import torch

from vgbench_plugins.environments.maze import Maze

DATA = {
    ("random", 0): "f2440cb6f176d6d4",
    ("random", 7): "8748183715917b89",
    ("expert", 0): "ad00609d4dbf73b3",
    ("expert", 7): "fd480beba18b07ca",
    ("mixed", 0): "e2b2ddce8d58f5f3",
    ("mixed", 7): "1a6f85bb01236d6f",
    ("coverage", 0): "a67d633c9a882d31",
    ("coverage", 7): "daf0b8f418bfcdbe",
}
TASKS = {
    0: ("35c96f5100f25cee", "3edd9f95257bf42b", "e8b47a8f80f9734c", "4a4a4c6606411b24", "f0475ed363e5d15f"),
    7: ("65afc4b47c887af9", "2e0b55a015a9c9f4", "a8cec503e32053b5", "46bb2d1a2b18fee2", "dfcf14ec3948bb55"),
}
IDENTITY = {
    "substeps": 4,
    "max_force": None,
    "goal_velocity": "zero",
    "training_layouts": 5,
    "start_velocity": "random",
    "action_norm": "radius",
    "policy": "random",
    "expert_share": 0.5,
}


def digest(*arrays):
    """First 16 hex digits of the SHA-256 of arrays, dtypes and shapes included."""
    found = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        found.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return found.hexdigest()[:16]


def of_data(policy, seed):
    data = Maze(Maze.Params(policy=policy)).collect(6, 30, seed)
    return digest(*(data.states[name] for name in sorted(data.states)), data.static["layout"], data.actions)


def of_tasks(seed):
    """Tasks, their pictures, and what the expert and the cost to go say of them."""
    env = Maze(Maze.Params())
    tasks = env.sample_tasks(40, seed, env.collect(6, 30, seed))
    state = env.step(tasks.start, torch.full((40, 2), 2.0))
    return (
        digest(*(side[name].numpy() for side in (tasks.start, tasks.goal) for name in sorted(side))),
        digest(env.observe(state)["image"].numpy(), env.observe(tasks.goal)["image"].numpy()),
        digest(env.expert(state, tasks.goal).numpy(), Maze(Maze.Params(max_force=100.0)).expert(state, tasks.goal)),
        digest(env.cost_to_go(state, tasks.goal).numpy()),
        digest(env.state_grid(tasks.start).states["position"].numpy(), env.track(state).numpy()),
    )


@pytest.mark.parametrize("policy, seed", sorted(DATA))
def test_data_are_what_they_were(policy, seed):
    assert of_data(policy, seed) == DATA[policy, seed]


@pytest.mark.parametrize("seed", sorted(TASKS))
def test_tasks_and_what_is_computed_of_them_are_what_they_were(seed):
    assert of_tasks(seed) == TASKS[seed]


def test_the_identity_of_the_defaults_is_what_it_was():
    """Records are found by it."""
    assert Maze.Params().identity() == IDENTITY
