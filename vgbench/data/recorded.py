"""Data without a simulator: the environment that stands in for the world in which they were recorded."""

from vgbench.plugin.entry import HOME, Entry
from vgbench.version import __version__

RECORDED = Entry(
    "environment", "recorded", "vgbench_plugins.environments.recorded:Recorded", HOME, __version__, "recordings"
)
"""It is not registered: nothing can be collected or played in it, and what it is comes from a data file alone."""
