"""Layouts of an environment seen by a model: the states that cover one, and the latents of them."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from vgbench.api import HasStateGrid, State, StateGrid
from vgbench.api.capabilities import capability
from vgbench.experiments.trained import Trained
from vgbench.model.batching import take_rows


@dataclass
class Layout:
    """One layout.

    Attributes:
        latents: [M, D], of the M states of the grid.
    """

    grid: StateGrid
    latents: Tensor

    def nearest(self, latents: Tensor) -> Tensor:
        """Return the numbers [B] of the states of the grid whose latents are nearest to `latents` [B, D]."""
        return torch.cdist(latents, self.latents).argmin(dim=1)

    def beside_wall(self, states: State) -> Tensor:
        """Return [B], whether states are at a wall or an edge: their nearest state of the grid lacks a neighbour."""
        numbers, weights = self.grid.locate(states)
        nearest = numbers.gather(1, weights.argmax(dim=1, keepdim=True)).squeeze(1)
        return (self.grid.neighbours[nearest] < 0).any(dim=1)


@dataclass
class Layouts:
    """Layouts of a trained run, encoded once each."""

    trained: Trained
    _made: list[Layout] = field(default_factory=list)

    def of(self, state: State) -> Layout:
        """Return the layout of a state (leading 1).

        Raises:
            MissingCapability: the environment has no grid of states.
        """
        environment = self.trained.environment
        grid = capability(environment, HasStateGrid).state_grid(state)
        for made in self._made:
            if _alike(made.grid.states, grid.states):
                return made
        self._made.append(Layout(grid, self.trained.model.encode_blocks(environment.observe(grid.states))))
        return self._made[-1]

    def places(self, state: State, latents: Tensor) -> State:
        """Return the states [B] on the layout of `state` (leading 1) whose latents are nearest to `latents` [B, D]."""
        layout = self.of(state)
        return take_rows(layout.grid.states, layout.nearest(latents))


def _alike(a: State, b: State) -> bool:
    return all(a[name].shape == b[name].shape and bool((a[name] == b[name]).all()) for name in a)
