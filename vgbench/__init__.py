"""vgbench: a benchmark toolkit for planning with JEPA world models."""

__version__ = "0.1.0"

API_VERSION = 1
"""Version of the plugin interfaces in `vgbench.api`; a plugin made for another one is refused by name."""
