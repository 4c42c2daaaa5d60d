"""Figures of registry.yaml: which trajectories and states of which data are drawn."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vgbench.errors import UsageError
from vgbench.sections import make, mapping, parts
from vgbench.wording import choice
from vgbench.yaml_file import Where

SHOWS = ("trajectory", "states", "tasks")


@dataclass(frozen=True)
class Panel:
    """A row of states, or one trajectory, of a protocol's data set.

    Attributes:
        protocol: whose data set it is.
        show: `trajectory` (a way with its start and end), `states` (of the data set) or `tasks` (starts to judge by).
        where: labels that the environment must give to the trajectory (`crossing: true`).
        count: number of pictures, each of another layout; 1 for a trajectory.
        skip: number of fitting trajectories that are passed over.
    """

    title: str
    protocol: str
    show: str
    where: Mapping[str, bool] = field(default_factory=dict)
    count: int = 1
    skip: int = 0


@dataclass(frozen=True)
class Figure:
    """Panels, one beside or below the other; `data_seed` and `task_seed` as for a run."""

    name: str
    summary: str
    panels: tuple[Panel, ...]
    reference: str = ""
    data_seed: int = 0
    task_seed: int = 0


def read_figures(section: Any, where: Where, protocols: Iterable[str]) -> dict[str, Figure]:
    """Make the figures of the file.

    Raises:
        UsageError: `FILE:LINE: ...`, for a key, protocol or kind of picture that does not exist.
    """
    figures = {}
    for name, raw in mapping(section, where).items():
        here = where / name
        panels = parts(Panel, mapping(raw, here).get("panels"), here / "panels")
        if not panels:
            raise UsageError(f"{here / 'panels'}: expected at least one panel")
        for index, panel in enumerate(panels):
            choice(panel.protocol, protocols, here / "panels" / index / "protocol")
            choice(panel.show, SHOWS, here / "panels" / index / "show")
        figures[name] = make(Figure, raw | {"panels": panels}, here, name=name)
    return figures
