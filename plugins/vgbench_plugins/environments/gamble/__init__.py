"""Gamble: two rooms, a door that leads anywhere and a door that can be relied on."""

from vgbench_plugins.environments.gamble.environment import Gamble

__all__ = ["Gamble"]
