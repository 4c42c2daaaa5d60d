"""A plugin as its distribution announces it, before anything of it is imported."""

from dataclasses import dataclass

GROUPS = {
    "environment": "vgbench.environments",
    "objective": "vgbench.objectives",
    "distance": "vgbench.distances",
    "network": "vgbench.networks",
    "planner": "vgbench.planners",
    "logger": "vgbench.loggers",
}
"""Entry-point group of each kind of plugin."""

CATALOGUES = "vgbench.catalogues"
"""Group of the files with recipes, protocols, variants and suites that packages bring; see `config.catalogue_files`."""
EXECUTORS = "vgbench.executors"
"""Group of the ways to compute many runs; see `vgbench.experiments.executors`."""

HOME = "vgbench"
"""The distribution whose plugins win when two have one name."""


@dataclass(frozen=True)
class Entry:
    """A plugin as its distribution announces it. Nothing of it has been imported.

    Attributes:
        kind: a key of `GROUPS`.
        name: name under which it is registered (lower_snake).
        value: `module:attribute`.
        dist: distribution that brings it, and its `version`.
        about: one line on that distribution, from its metadata.
        shadowed: another plugin has this name; this one is reached as `dist:name` only.
    """

    kind: str
    name: str
    value: str
    dist: str
    version: str
    about: str = ""
    shadowed: bool = False

    @property
    def source(self) -> str:
        """Distribution and version."""
        return f"{self.dist} {self.version}"

    @property
    def module(self) -> str:
        """Module that loading the plugin imports."""
        return self.value.partition(":")[0].strip()

    @property
    def address(self) -> str:
        """Name by which `find` returns this plugin and no other."""
        return f"{self.dist}:{self.name}" if self.shadowed else self.name

    def __str__(self) -> str:
        """Words for messages: objective 'iql' (vgbench 0.1.0)."""
        return f"{self.kind} {self.name!r} ({self.source})"
