"""Data collection: the wall, and the maze against Gymnasium-Robotics' PointMaze stepped in a Python loop."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.harness import Case, Check, Options, Side, difference
from vgbench_plugins.environments.maze import Maze, physics
from vgbench_plugins.environments.maze.layouts import Grid
from vgbench_plugins.environments.wall import Wall

FORCE = 100.0
"""Newton per unit of PointMaze's action (the gear of its motors)."""


def cases(options: Options) -> Iterator[Case]:
    """Both environments."""
    yield wall(*options.pick((1000, 64), (100, 64), (4, 8)))
    yield maze(*options.pick((200, 64), (50, 16), (4, 4)))


def wall(trajectories: int, length: int) -> Case:
    """Trajectories of the wall, small steps."""
    environment = Wall(Wall.Params())
    run = Side("vgbench", lambda: environment.collect(trajectories, length, 0), "ours")
    parameters = {"trajectories": trajectories, "length": length}
    return Case(f"wall, {trajectories} x {length}", parameters, [run], trajectories * (length - 1), "step")


def maze(trajectories: int, length: int) -> Case:
    """Trajectories of the maze; one action is `substeps` simulation steps."""
    environment = Maze(Maze.Params())
    steps = trajectories * (length - 1) * environment.params.substeps
    sides = [Side("vgbench", lambda: environment.collect(trajectories, length, 0), "ours", "states and bookkeeping")]
    if peers.GYMNASIUM_ROBOTICS.present:
        peer = _point_maze()
        loop = min(steps, 5000)  # whose rate does not depend on it
        sides.append(Side("gymnasium-robotics", lambda: _loop(peer, loop), setting="PointMaze.step, loop", work=loop))
    return Case(
        f"maze, {trajectories} x {length}",
        {"trajectories": trajectories, "length": length, "substeps": environment.params.substeps},
        sides,
        steps,
        "mj_step",
        _same_physics,
        absent=peers.missing(peers.GYMNASIUM_ROBOTICS),
    )


def _point_maze() -> Any:
    import gymnasium
    import gymnasium_robotics

    gymnasium.register_envs(gymnasium_robotics)
    # Neither an end nor a checker within the loop: what is timed are its steps.
    environment = gymnasium.make("PointMaze_UMaze-v3", max_episode_steps=10**9, disable_env_checker=True)
    environment.reset(seed=0)
    return environment


def _loop(environment: Any, steps: int) -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (steps, 2))
    for action in actions:
        environment.step(action)


def _same_physics(steps: int = 20) -> Iterator[Check]:
    """A free ball under the same force moves alike in both, and every step of the peer is one `mj_step`."""
    if not peers.GYMNASIUM_ROBOTICS.present:
        return
    peer, velocity, action = _point_maze().unwrapped, np.array([0.5, -0.3]), np.array([0.02, 0.01])
    inside = peer.point_env
    inside.set_state(inside.data.qpos, velocity)
    place, time = inside.data.qpos.copy(), inside.data.time
    for _ in range(steps):
        peer.step(action)
    name = "gymnasium-robotics"
    advanced = (inside.data.time - time) / inside.model.opt.timestep
    yield Check(name, "mj_steps per step", abs(advanced / steps - 1), 1e-6)
    grid = Grid(4, 4)
    code = grid.encode(np.ones((1, *grid.shape), bool))
    middle = np.full((1, 2), 2.0)
    position, after = physics.simulate(grid, code, middle, velocity[None], FORCE * action[None], steps)
    yield Check(name, "way of a free ball", difference(position[0] - middle[0], inside.data.qpos - place), 1e-6)
    yield Check(name, "velocity of a free ball", difference(after[0], inside.data.qvel), 1e-6)
