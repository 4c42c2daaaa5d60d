"""Episodes that were recorded somewhere, without the world that they were recorded in."""

from collections.abc import Callable
from typing import Literal, NoReturn

from pydantic import Field
from torch import Tensor

import vgbench.api as api

Array = tuple[str, Literal["image", "vector"], tuple[int, ...]]
"""Name, kind and shape (images: channels, height, width) of an observation."""


class Recorded(api.Environment):
    """Observations and actions of a data file of `vgbench import`; nothing can be stepped, so no task can be played.

    A model can be trained on it (`vgbench train`) and judged by the recordings (`vgbench offline`). There is no state:
    observations are those of the file.
    """

    success_radius = 0.0

    class Params(api.Params):
        """What the file holds."""

        default_preserving = frozenset({"choices", "start"})
        observations: tuple[Array, ...] = Field(
            (("observation", "vector", (1,)),), description="name, kind (image or vector) and shape of each observation"
        )
        low: tuple[float, ...] = Field((-1.0,), description="least value of each component of the actions")
        high: tuple[float, ...] = Field((1.0,), description="largest value of each component of the actions")
        choices: int = Field(0, description="number of discrete actions; 0: actions are vectors of real numbers")
        start: int = Field(0, description="number that the first discrete action has in the recording")

    @property
    def spec(self) -> api.EnvironmentSpec:
        """Observations and actions of the file, and no state."""
        kinds = {"image": "uint8", "vector": "float32"}
        seen = {
            name: api.ArraySpec(tuple(shape), kinds[kind], kind, "as recorded")
            for name, kind, shape in self.params.observations
        }
        actions: api.ActionSet = api.Box(self.params.low, self.params.high)
        if self.params.choices:
            actions = api.Discrete(self.params.choices, start=self.params.start)
        return api.EnvironmentSpec({}, seen, actions, restores_state=False)

    def step(self, state: api.State, action: Tensor, noise: Tensor | None = None) -> NoReturn:
        """Refuse."""
        raise self._missing()

    def observe(self, state: api.State) -> NoReturn:
        """Refuse: observations are in the data set."""
        raise self._missing()

    def goal_distance(self, state: api.State, goal: api.State) -> NoReturn:
        """Refuse."""
        raise self._missing()

    def collect(
        self, trajectories: int, length: int, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> NoReturn:
        """Refuse."""
        raise self._missing()

    @property
    def task_strata(self) -> tuple[str, ...]:
        """There are no tasks."""
        return ()

    def sample_tasks(self, count: int, seed: int, data: api.Trajectories) -> NoReturn:
        """Refuse."""
        raise self._missing()

    def _missing(self) -> ValueError:
        return ValueError(
            "these data were imported without an environment, so there is nothing to step, draw or collect; train "
            "with `vgbench train`, evaluate with `vgbench offline`, or import them again with --env NAME"
        )
