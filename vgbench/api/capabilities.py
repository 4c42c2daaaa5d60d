"""Optional capabilities of an environment: a Protocol each, with the shapes of what goes in and comes out.

An environment that offers one has its members and names it in `Environment.capabilities`; it need not inherit from the
Protocol. `vgbench check` holds the two against each other. To add a capability, write its Protocol and enter it in
`CAPABILITIES`, from which the checks and the documentation take the names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from torch import Tensor

from vgbench.api.data import State, Trajectories
from vgbench.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import TypeIs


@dataclass(frozen=True)
class StateGrid:
    """M states that cover one layout, to evaluate a value everywhere.

    Attributes:
        states: M states, each reachable from the others.
        neighbours: [M, N] int64, numbers of the states next to each one that a straight move reaches; -1: none.
        locate: states [B] -> numbers [B, C] and weights [B, C] of sum 1, by which a function known at the M states
            is interpolated; any state is accepted, and never is it interpolated across a wall.
    """

    states: State
    neighbours: Tensor
    locate: Callable[[State], tuple[Tensor, Tensor]]

    def __len__(self) -> int:
        """Number of states M."""
        return len(self.neighbours)


@runtime_checkable
class HasCostToGo(Protocol):
    """Capability `cost_to_go`: the environment knows the true cost, which diagnosis, maps and ladder compare with."""

    def cost_to_go(self, state: State, goal: State) -> Tensor:
        """Return the least numbers of steps [B] float from states to goals: 0 at a goal, infinite without a way."""


@runtime_checkable
class HasExpert(Protocol):
    """Capability `expert`: the environment has a controller that solves its tasks as fast as possible.

    It is the ladder's top rung, and its steps are those that SPL and timely success are judged by: one that dawdles
    makes these scores too high.
    """

    def expert(self, state: State, goal: State) -> Tensor:
        """Return actions [B, A] from states towards goals, in the environment's units and within its action set."""


@runtime_checkable
class HasStateGrid(Protocol):
    """Capability `state_grid`: values are computed all over a layout (diagnosis, maps, ladder)."""

    def state_grid(self, state: State) -> StateGrid:
        """Return the grid of the layout of a single state (leading 1)."""


@runtime_checkable
class HasPairLabels(Protocol):
    """Capability `pair_labels`: a diagnosis correlates each group of pairs by itself."""

    pair_label_names: tuple[str, ...]
    """What the numbers of `pair_labels` mean."""

    def pair_labels(self, state: State, goal: State) -> Tensor:
        """Return the group of each pair, [B] int64: a number in `pair_label_names`."""


@runtime_checkable
class HasValueFixedPoint(Protocol):
    """Capability `value_fixed_point`: a diagnosis tells the fit of a value loss from the bias of the loss itself."""

    def value_fixed_point(self, state: State, goal: State, tau: float, gamma: float, stride: int = 1) -> Tensor:
        """Return the distances [B] to which a value loss of expectile `tau`, discount `gamma` and `stride` converges.

        Raises:
            ValueError: it is not known for the environment's data; the message says why.
        """


@runtime_checkable
class HasLabels(Protocol):
    """Capability `labels`: a figure chooses trajectories by their kind."""

    def labels(self, data: Trajectories) -> dict[str, np.ndarray]:
        """Return the kinds of trajectories by name, [N] bool each."""


@runtime_checkable
class HasTrack(Protocol):
    """Capability `track`: a figure draws the agent's way over the image."""

    def track(self, state: State) -> Tensor:
        """Return the column and row of the agent in the image, [B, 2] px; the middle of the first pixel is 0."""


@runtime_checkable
class HasMapPlace(Protocol):
    """Capability `map_place`: plots draw states on a map; with `state_grid`, the learned value all over it."""

    map_extent: tuple[float, float, float, float]
    """Left, right, bottom and top edge of the map, in `spec.distance_unit`. The first image that `observe` draws, if
    there is one, shows just this; `bottom` is above `top` in number where y grows downwards.
    """

    def map_place(self, state: State) -> Tensor:
        """Return positions [B, 2] of states on the map."""


CAPABILITIES: Mapping[str, type[Any]] = {
    "cost_to_go": HasCostToGo,
    "expert": HasExpert,
    "state_grid": HasStateGrid,
    "pair_labels": HasPairLabels,
    "value_fixed_point": HasValueFixedPoint,
    "labels": HasLabels,
    "track": HasTrack,
    "map_place": HasMapPlace,
}
"""Every capability that the core knows, by the name that `Environment.capabilities` has; it is that of its method."""

_NAMES = {protocol: name for name, protocol in CAPABILITIES.items()}
_C = TypeVar("_C")


class MissingCapability(UsageError):
    """An environment does not have a capability that is needed."""


def offers(environment: object, wanted: type[_C]) -> "TypeIs[_C]":
    """Tell whether an environment declares a capability, such as `HasCostToGo`; a type checker then knows its methods.

    What counts is the declaration, not the method: an environment may inherit a method that does not hold for it.
    """
    return _NAMES[wanted] in getattr(environment, "capabilities", ())


def capability(environment: object, wanted: type[_C]) -> _C:
    """Return an environment as one that offers a capability, such as `HasCostToGo`.

    Raises:
        MissingCapability: it does not declare the capability; the message names both.
    """
    if offers(environment, wanted):
        return environment
    raise MissingCapability(f"{type(environment).__name__} has no capability '{_NAMES[wanted]}'")
