"""Steps of the environment's expert: against a visibility graph on the wall and a loop of its own in the maze."""

import itertools
import math

import numpy as np
import pytest
import torch

from vgbench.api import ArraySpec, Box, Environment, EnvironmentSpec, Tasks
from vgbench.planning.expert import expert_steps
from vgbench_plugins.environments.maze import Maze
from vgbench_plugins.environments.wall import Wall


def shortest(start, goal, wall, door):
    """Length of the shortest way by its definition: over all orders of the door's four corners that are free."""
    corners = [(wall + x, door + y) for x in (-1.0, 1.0) for y in (-4.0, 4.0)]

    def free(a, b):
        for t in np.linspace(0, 1, 400):
            x, y = a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])
            if abs(x - wall) < 1 - 1e-9 and abs(y - door) > 4 + 1e-9:
                return False
        return True

    best = math.inf
    for count in range(3):
        for between in itertools.permutations(corners, count):
            way = [start, *between, goal]
            length = sum(math.dist(a, b) for a, b in itertools.pairwise(way))
            if length < best and all(free(a, b) for a, b in itertools.pairwise(way)):
                best = length
    return best


@pytest.mark.parametrize("step, longest, most", [("small", 1.84, 200), ("big", 3.67, 64)])
def test_on_the_wall_the_steps_are_those_of_the_shortest_way(step, longest, most):
    """No fewer than the way to the edge of the disc around the goal takes; in the mean less than half a step more."""
    wall = Wall(Wall.Params(step=step, layout="per_trajectory"))
    tasks = wall.sample_tasks(40, 3, None)
    found = expert_steps(wall, tasks, most)
    excess = []
    for i, steps in enumerate(found):
        start, goal = (end["position"][i].tolist() for end in (tasks.start, tasks.goal))
        least = math.ceil((shortest(start, goal, *tasks.start["layout"][i].tolist()) - math.sqrt(2)) / longest - 1e-3)
        excess.append(steps - least)
    assert min(excess) >= 0 and max(excess) <= 2 and np.mean(excess) < 0.5


@pytest.mark.parametrize("params", [{}, {"max_force": 100.0}])
def test_in_the_maze_the_steps_are_those_of_tasks_that_are_played_one_at_a_time(params):
    maze = Maze(Maze.Params(**params))
    tasks = maze.sample_tasks(8, 0, maze.collect(5, 3, 0))
    expected = []
    for i in range(8):
        state, goal = ({k: v[i : i + 1] for k, v in end.items()} for end in (tasks.start, tasks.goal))
        steps = 0
        while float((state["position"] - goal["position"]).norm()) >= 0.5:
            state, steps = maze.step(state, maze.expert(state, goal)), steps + 1
        expected.append(steps)
    assert expert_steps(maze, tasks, 200) == expected
    # Those that get there at the last step are counted, those that would a step later are not.
    most = sorted(expected)[4]
    assert expert_steps(maze, tasks, most) == [steps if steps <= most else None for steps in expected]


class Line(Environment):
    """A point that goes 1 at most, pushed by noise; its expert goes straight to the goal."""

    spec = EnvironmentSpec({"x": ArraySpec((1,))}, {"x": ArraySpec((1,))}, Box((-1.0,), (1.0,)), noise_dim=1)
    success_radius = 0.5

    def step(self, state, action, noise=None):
        return {"x": state["x"] + self.spec.actions.clip(action) + 5 * noise}

    def observe(self, state):
        return {"x": state["x"]}

    def goal_distance(self, state, goal):
        return (state["x"] - goal["x"]).abs().squeeze(-1)

    def collect(self, *args):
        raise NotImplementedError

    def sample_tasks(self, *args):
        raise NotImplementedError

    def expert(self, state, goal):
        return self.spec.actions.clip(goal["x"] - state["x"])


class Known(Line):
    capabilities = frozenset({"expert"})


TASKS = Tasks({"x": torch.zeros(4, 1)}, {"x": torch.tensor([[0.9], [3.2], [-7.0], [60.0]])})


def test_noise_is_left_out_and_who_does_not_get_there_has_no_number():
    environment = Known(Known.Params())
    assert expert_steps(environment, TASKS, 40) == [1, 3, 7, None]
    assert expert_steps(environment, TASKS, 60) == [1, 3, 7, 60]
    assert expert_steps(environment, TASKS, 40, radius=2.5) == [1, 1, 5, None]


def test_without_the_capability_nothing_is_known_even_if_there_is_a_method_of_that_name():
    assert expert_steps(Line(Line.Params()), TASKS, 40) == [None] * 4


def test_the_tasks_stay_as_they_are():
    tasks = Tasks({k: v.clone() for k, v in TASKS.start.items()}, TASKS.goal)
    expert_steps(Known(Known.Params()), tasks, 5)
    assert torch.equal(tasks.start["x"], TASKS.start["x"])
