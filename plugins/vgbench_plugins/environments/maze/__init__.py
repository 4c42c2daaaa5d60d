"""The maze: a ball with inertia that is steered by target velocities, in real MuJoCo physics."""

from vgbench_plugins.environments.maze.environment import Maze

__all__ = ["Maze"]
