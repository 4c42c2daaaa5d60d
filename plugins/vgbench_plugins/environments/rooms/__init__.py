"""Rooms with one-way doors: worlds in which the way there is not the way back, and their two-way twins."""

from vgbench_plugins.environments.rooms.environment import Rooms

__all__ = ["Rooms"]
