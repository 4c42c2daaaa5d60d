"""Parameters of the maze, and what they say together."""

import math
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

import vgbench.api as api
from vgbench_plugins.environments.maze import generator, maps
from vgbench_plugins.environments.maze import tasks as planning
from vgbench_plugins.environments.maze.generator import Rules
from vgbench_plugins.environments.maze.layouts import Grid

LEAST, MOST = 4, 16
"""Cells along a side."""


class MazeParams(api.Params):
    """Parameters of the maze; the defaults follow the paper, and PLDM where it is silent."""

    default_preserving: ClassVar[frozenset[str]] = frozenset(
        {"cells", "open", "longest", "map", "distance", "tasks", "strata"}
    )

    substeps: int = Field(4, ge=1, le=100, description="simulation steps of 0.01 s that one action lasts")
    max_force: float | None = Field(
        None,
        gt=0.0,
        description="bound on the norm of the force, newton; default none (D4RL's motors: 100 along each axis)",
    )
    goal_velocity: Literal["zero", "keep"] = Field(
        "zero",
        description="velocity shown to the encoder beside a goal's frame: zero, or the goal state's own (which is "
        "zero, too, in tasks sampled here)",
    )
    training_layouts: int = Field(
        5,
        ge=1,
        description="different layouts in a data set, of 3178 in all for 4 x 4; tasks are in others. At most "
        "data.trajectories; the default is no more than these",
    )
    start_velocity: Literal["random", "zero"] = Field(
        "random",
        description="velocity at the start of the data's trajectories: of norm U(0, 5) as in PLDM, or zero",
    )
    action_norm: Literal["radius", "disc"] = Field(
        "radius",
        description="law of the data's actions: norm uniform on [0, 5] (PLDM), or uniform on the disc of radius 5",
    )
    policy: Literal["random", "expert", "mixed", "coverage", "navigate", "stitch"] = Field(
        "random",
        description="who collects the data: random directions (the paper's); experts on shortest ways from goal to "
        "random goal (their directions: kappa 50); expert_share of these, the others random; walkers with noise of "
        "kappa 5 from and to the least visited parts of their layout; or, after OGBench's navigate and stitch, experts "
        "with noise of kappa 5 to random goals, or to goals at most 4 cells from the trajectory's start. Norms follow "
        "action_norm for all, as far as the turns of a way allow",
    )
    expert_share: float = Field(
        0.5, ge=0.0, le=1.0, description="share of experts in the data of policy=mixed; others do not use it"
    )

    cells: int | tuple[int, int] = Field(
        4,
        description="cells along a side, 4 to 16, or [width, height], without the ring of walls; a map has its own",
    )
    open: tuple[float, float] = Field(
        (0.5, 0.6), description="least and largest share of open cells; a map has its own"
    )
    longest: int | None = Field(
        None,
        ge=2,
        description="largest length of a shortest path between open cells; null: 3/2 (width + height) - 5, which is 7 "
        "for 4 x 4, 13 for 6 x 6 and 19 for 8 x 8 (HWM's below 20)",
    )
    map: Literal["random", "medium", "large", "giant"] = Field(
        "random",
        description="random layouts, or one of OGBench's PointMaze maps of 6 x 6, 10 x 7 and 14 x 10 cells: then data "
        "and tasks are in that one layout, and training_layouts, open and longest are not used",
    )
    distance: tuple[int, int] | None = Field(
        None,
        description="least and largest number of cells from start to goal of tasks, along the shortest path; null: 3 "
        "and more",
    )
    tasks: Literal["unseen", "seen", "ood"] | None = Field(
        None,
        description="layouts of tasks: none of the data's, only those, or none of the data's in strata by the least "
        "number of cells that differ from one of them; null: as strata say, else unseen (with a map: seen)",
    )
    strata: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description='groups of tasks, each "LEAST-MOST unseen" or "LEAST-MOST seen" (cells along the shortest path; '
        "layouts that the data have, or not); task i is of group i modulo their number",
    )

    @field_validator("cells", mode="before")
    @classmethod
    def _cells_are_one_number_or_two(cls, value: Any) -> Any:
        """Say in one sentence what pydantic would say of each kind of value."""
        sides = value if isinstance(value, list | tuple) else (value, value)
        whole = all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
        if len(sides) != 2 or not whole or not all(LEAST <= side <= MOST for side in sides):
            raise ValueError(f"must be a whole number of {LEAST} to {MOST}, or two as [width, height]; not {value!r}")
        return value

    @model_validator(mode="before")
    @classmethod
    def _cells_of_the_map(cls, values: Any) -> Any:
        """A map has its own size, which need not be given."""
        name = values.get("map") if isinstance(values, dict) else None
        if isinstance(name, str) and name in maps.MAPS and "cells" not in values:
            width, height = maps.grid_of(name).shape
            return values | {"cells": width if width == height else [width, height]}
        return values

    @model_validator(mode="after")
    def _layouts_can_be_made(self) -> Self:
        """Refuse what no layout fulfils, or not enough of them."""
        if isinstance(self.cells, tuple) and self.cells[0] == self.cells[1]:
            # One way to write a square, so that equal mazes have equal identities.
            object.__setattr__(self, "cells", self.cells[0])
        if self.map != "random":
            own = maps.grid_of(self.map)
            if own != self.grid:
                raise ValueError(
                    f"cells={self.cells} is not the size of map={self.map}; expected [{own.width}, {own.height}], or "
                    "no value"
                )
            return self
        least, most = self.open
        if not (0 < least <= most <= 1 and max(self.rules.least, 2) <= self.rules.most):
            raise ValueError(
                f"open=[{least:g}, {most:g}] leaves no number of open cells, of {self.grid.cells}; expected shares "
                "0 < LEAST <= MOST <= 1 with a whole number of cells, 2 or more, between them"
            )
        if generator.longest_found(self.rules, 0) < 0:
            raise ValueError(
                f"longest={self.rules.longest} is below the longest path of all layouts found with {self.rules.least} "
                f"to {self.rules.most} of {self.grid.cells} cells open; expected a larger longest, or another open"
            )
        if self.rules.listed:
            self._check_number(len(generator.all_codes(self.rules)))
        return self

    @model_validator(mode="after")
    def _tasks_can_be_made(self) -> Self:
        """Refuse tasks that contradict each other or the layouts."""
        if self.strata:
            groups = planning.parse(self.strata)
            if self.distance:
                raise ValueError("distance is not used with strata, which have their own; expected one of them")
            wrong = [group.name for group in groups if self.tasks not in (None, "seen" if group.seen else "unseen")]
            if wrong:
                raise ValueError(f"strata has {wrong[0]!r}, but tasks={self.tasks}; expected one, or both alike")
        elif self.distance:
            planning.check_range(f"distance={list(self.distance)}: ", *self.distance)
        if self.map != "random" and any(not group.seen for group in self.groups):
            raise ValueError(f"map={self.map} has one layout, of data and tasks; expected tasks=seen, and such strata")
        farthest = max(group.least for group in self.groups)
        found = self.rules.longest if self.map != "random" else generator.longest_found(self.rules, farthest)
        named = "strata" if self.strata else "distance" if self.distance else "longest"
        if farthest > found:
            raise ValueError(
                f"{named}: no start and goal are {farthest} cells apart, {found} at most (longest="
                f"{self.rules.longest}); expected a smaller least distance, or a larger longest"
            )
        reach = max(group.most for group in self.groups)
        if reach > self.rules.longest and named != "longest":
            raise ValueError(
                f"{named}: no start and goal are {reach} cells apart, {self.rules.longest} at most; expected a largest "
                "distance of at most that, so that the name of the tasks is true"
            )
        return self

    def without_effect(self) -> dict[str, str]:
        """Return the parameters of random layouts where there is a map, and of mixtures where there is none."""
        found = {} if self.policy == "mixed" else {"expert_share": f"policy=mixed, not {self.policy}"}
        if self.map != "random":
            found |= dict.fromkeys(("training_layouts", "open", "longest"), f"map=random, not {self.map}")
        return found

    def _check_number(self, count: int) -> None:
        """All layouts but one may be trained on: each task draws its own from those that are left."""
        only_seen = all(group.seen for group in self.groups)
        if self.training_layouts > count - (not only_seen):
            raise ValueError(
                f"training_layouts={self.training_layouts}: there are {count} layouts, and tasks need one that the "
                f"data do not have; expected at most {count - 1}"
            )

    @property
    def grid(self) -> Grid:
        """The cells."""
        return Grid(*self.cells) if isinstance(self.cells, tuple) else Grid(self.cells, self.cells)

    @property
    def fixed(self) -> int | None:
        """Code of the only layout; None without a map."""
        return None if self.map == "random" else int(self.grid.encode(maps.layout_of(self.map)))

    @property
    def rules(self) -> Rules:
        """What layouts must be."""
        grid = self.grid
        if self.map != "random":
            layout = maps.layout_of(self.map)
            return Rules(grid, int(layout.sum()), int(layout.sum()), int(grid.longest(layout[None])[0]))
        # 1e-9: 0.6 x 35 is 21, whatever its last digit.
        least, most = math.ceil(self.open[0] * grid.cells - 1e-9), math.floor(self.open[1] * grid.cells + 1e-9)
        return Rules(grid, least, most, self.longest or 3 * (grid.width + grid.height) // 2 - 5)

    @property
    def where(self) -> str:
        """Layouts of tasks, where there are no strata: unseen, seen or ood."""
        return self.tasks or ("unseen" if self.map == "random" else "seen")

    @property
    def groups(self) -> list[planning.Group]:
        """The groups of tasks: the strata, or one of all."""
        if self.strata:
            return planning.parse(self.strata)
        least, most = self.distance or (planning.MIN_STEPS, self.rules.longest)
        if self.where == "ood":
            return planning.edit_groups(self.grid.cells, least, most)
        return [planning.Group("", self.where == "seen", least, most)]
