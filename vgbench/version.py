"""Version of vgbench, and of the interface between it and its plugins."""

__version__ = "0.1.0"
API_VERSION = 1
"""A plugin that sets `api` to another number is refused, with which of the two is to be upgraded."""
