"""What `registry.yaml` says of plugins, figures, suites and sweeps. It imports no plugin."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vgbench.config.claims import Claim
from vgbench.config.schema import make, mapping, parts
from vgbench.errors import UsageError
from vgbench.storage.yaml_file import Where
from vgbench.text import choice


@dataclass(frozen=True)
class Component:
    """Description of a plugin."""

    summary: str = ""
    reference: str = ""
    tags: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Suite:
    """Recipes x protocols x seeds, with the published success rates beside (by recipe, by protocol).

    Attributes:
        published_n: number of tasks behind the published rates, by protocol.
        claims: what the publication says of them.
        families: what the claims of a family have in common, by its name.
        ranking: protocols over which the recipes are ranked; none: they are not.
    """

    name: str
    summary: str
    recipes: tuple[str, ...]
    protocols: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    reference: str = ""
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    published_n: Mapping[str, int] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    families: Mapping[str, str] = field(default_factory=dict)
    ranking: tuple[str, ...] = ()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # protocols of a recipe that is not run on all

    def has(self, recipe: str, protocol: str) -> bool:
        """Whether the suite runs this recipe on this protocol."""
        return protocol in self.only.get(recipe, self.protocols)


@dataclass(frozen=True)
class Curve:
    """A curve of a sweep: a recipe over the values of one parameter, `over` (`name.param`), with others in `set`.

    Attributes:
        beside: parameters that change along with it: as many values each.
        smoke: values at scale smoke, whose small data sets would not do, by `name.param`.
    """

    recipe: str
    over: str
    values: tuple[Any, ...]
    set: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    smoke: Mapping[str, Any] = field(default_factory=dict)

    def points(self, scale: str) -> list[dict[str, Any]]:
        """Return the values of each point at a scale, by `name.param`."""
        small = self.smoke if scale == "smoke" else {}
        return [
            {**self.set, **small, self.over: value} | {name: values[index] for name, values in self.beside.items()}
            for index, value in enumerate(self.values)
        ]


@dataclass(frozen=True)
class Sweep:
    """Curves of planning success over the values of parameters, on one protocol."""

    name: str
    summary: str
    protocol: str
    curves: tuple[Curve, ...]
    seeds: tuple[int, ...] = (0,)
    data_seed: int = 0
    task_seed: int = 0
    reference: str = ""
