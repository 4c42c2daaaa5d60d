"""The distance between two latents; the value function is its negative."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from vgbench.api.plugin import Plugin


class Distance(Plugin, nn.Module, ABC):
    """d(x, y) >= 0, the cost of going from x to y: V(s, g) = -d(head(E(s)), head(E(g))).

    Example: the Manhattan distance::

        class Manhattan(Distance):
            symmetric = True
            quasimetric = True

            def forward(self, x, y):
                return (x - y).abs().sum(-1)

    `symmetric` and `quasimetric` (triangle inequality, d(x, x) = 0) are claims; the conformance checks verify them.
    Where they depend on the parameters, the class claims the weaker and an instance may claim more.

    A distance may be put together of several `levels`, say of near and far; `level` is one of them alone.
    """

    symmetric: bool = False
    """Claims d(x, y) = d(y, x)."""
    quasimetric: bool = False
    """Claims the triangle inequality, and d(x, x) = 0."""
    levels: int = 1
    """How many levels it is put together of; with more than one, `level` has to be defined."""

    def __init__(self, params: Any, dim: int) -> None:
        """Keep the validated parameters and the dimension `dim` of the points."""
        super().__init__()
        self.params = params
        self.dim = dim

    @property
    def upper_bound(self) -> float | None:
        """Largest value that d can take, or None. It is compared with the range that the objectives need."""
        return None

    @abstractmethod
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return distances [...] from x [..., D] to y [..., D], broadcasting, with a finite gradient at x = y."""

    @property
    def level_weights(self) -> tuple[float, ...] | None:
        """Weights with which the levels add up to the distance; None if they are combined differently."""
        return (1.0,) if self.levels == 1 else None

    def level(self, index: int, x: Tensor, y: Tensor) -> Tensor:
        """Return distances [...] of level `index` < `levels` from x [..., D] to y [..., D]; 0 is the finest level."""
        if self.levels > 1:
            raise NotImplementedError(f"{type(self).__name__} has {self.levels} levels and does not define `level`")
        distance: Tensor = self(x, y)
        return distance

    def prepare(self, goal: Tensor) -> Callable[[Tensor], Tensor]:
        """Return f with f(z[B, K, D]) -> [B, K], the distance from z to goal [B, D].

        For planning, where the goal stays and the states change: what depends on the goal alone is computed once.
        """
        target = goal.unsqueeze(1)
        return lambda z: self(z, target)
