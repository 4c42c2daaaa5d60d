"""Index of what is installed: entry points by kind and name. Listing imports no plugin; choosing one imports that one.

The built-ins are found the same way as a stranger's plugins. Which of them are worth knowing, and with which values, is
`vgbench.config.catalogue`'s business.
"""

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

from vgbench.errors import UsageError

GROUPS = {
    "environment": "vgbench.environments",
    "objective": "vgbench.objectives",
    "distance": "vgbench.distances",
    "network": "vgbench.networks",
    "planner": "vgbench.planners",
    "logger": "vgbench.loggers",
}
"""Entry-point group of each kind of plugin."""

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

    def load(self) -> type[Any]:
        """Import the plugin and return its class.

        Raises:
            UsageError: it cannot be imported, is no plugin of its kind, or was made for another plugin interface.
        """
        point = EntryPoint(self.name, self.value, GROUPS[self.kind])
        if not EntryPoint.pattern.match(self.value):
            raise UsageError(f"{self.kind} {self.name!r} from {self.source}: {self.value!r} is not `module:Class`")
        try:
            loaded = point.load()
        except (Exception, SystemExit) as err:
            raise UsageError(
                f"{self.kind} {self.name!r} from {self.source} failed to import ({self.value}): "
                f"{type(err).__name__}: {err}"
            ) from err
        from vgbench.plugin.contract import check_class

        check_class(self, loaded, HOME)
        return loaded
