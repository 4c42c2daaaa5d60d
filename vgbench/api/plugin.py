"""What all kinds of plugin have in common."""

from typing import ClassVar

from vgbench.api.params import Params


class Plugin:
    """Base of all plugins: a `Params` model, the version of its behaviour, and the interface it was made for."""

    Params: ClassVar[type[Params]] = Params
    """Parameters; a nested subclass of `vgbench.api.Params`."""

    version: ClassVar[int] = 1
    """Raise it when the same parameters give other results: it is part of a run's identity."""

    api: ClassVar[int] = 1
    """Version of `vgbench.api` that the plugin was written for."""
