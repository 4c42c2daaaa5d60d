"""Parameters of the wall."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

import vgbench.api as api
from vgbench_plugins.environments.wall_layouts import DOOR_RANGE, WALL_RANGE, number_of_layouts

NORMS = {"small": (1.0, 0.4, 0.2, 1.8), "big": (2.0, 0.8, 0.4, 3.6)}
"""Mean, std, least and largest norm of the data's actions, px (paper, appendix: WS and WB)."""
MAX_STEP = {"small": 1.84, "big": 3.67}
"""Default bound on planned actions, px: 2.45 standard deviations of a component, which is PLDM's bound."""

USED_BY = {("crossing", "directed"): ("random",), ("heading",): ("random", "mixed"), ("expert_share",): ("mixed",)}
"""Policies that use some parameters; the others do not."""


class WalkParams(api.Params):
    """How the data's walks move, in the wall and in the worlds made of it."""

    step: Literal["small", "big"] = Field(
        "big", description="length of the data's steps: small (WS, mean 1 px) or big (WB, mean 2 px)"
    )
    max_step: float | None = Field(
        None, gt=0.0, le=64.0, description="largest norm of an action, px; default 1.84 (small) or 3.67 (big)"
    )
    norms: Literal["truncate", "clip"] = Field(
        "truncate",
        description="norms of the data's actions beyond two standard deviations: drawn again (truncate, PLDM's "
        "generator), or set to that bound (clip, the paper's word: 4.6 % of them)",
    )
    heading: Literal["persistent", "fixed"] = Field(
        "persistent",
        description="headings of the data's actions: a random walk with von Mises increments (kappa 5), or "
        "independent von Mises noise around one direction per trajectory",
    )

    @model_validator(mode="after")
    def _data_within_bound(self) -> Self:
        """Data and plans share one action set, so the data's longest action must lie within the bound."""
        longest = NORMS[self.step][3]
        if self.max_step is not None and self.max_step < longest:
            raise ValueError(
                f"max_step={self.max_step:g} is below the longest action of the data, {longest:g} px "
                f"(step={self.step}); expected at least that"
            )
        return self


class WallParams(WalkParams):
    """Parameters of the wall; the defaults are the paper's literal reading."""

    default_preserving: ClassVar[frozenset[str]] = frozenset(
        {"holdout", "norms", "crossing", "directed", "training_layouts"}
    )

    layout: Literal["fixed", "per_dataset", "per_trajectory"] = Field(
        "per_dataset",
        description="where wall and door are: at `fixed_layout`, one random layout per data set (tasks use it, "
        "too), or a random one for each trajectory and each task",
    )
    fixed_layout: tuple[float, float] = Field(
        (32.0, 22.0), description="column of the wall and row of the door's middle for layout=fixed, px"
    )
    collision: Literal["stay", "stop"] = Field(
        "stay",
        description="a move that touches a wall is cancelled (stay), or goes to the contact point and slides on "
        "along the wall (stop); in data and evaluation alike",
    )
    policy: Literal["random", "expert", "mixed", "coverage", "navigate", "stitch"] = Field(
        "random",
        description="who collects the data: random walks, half of which pass the door (the paper's); experts on "
        "shortest ways from goal to random goal (their headings: kappa 50); expert_share of these and plain random "
        "walks; walkers with noise of kappa 5 from and to the least visited parts of the rooms; or, after OGBench's "
        "navigate and stitch, experts with noise of kappa 5 to random goals, or to goals at most 16 px (a quarter of "
        "the picture's side) from the trajectory's start, along the shortest way",
    )
    expert_share: float = Field(
        0.5, ge=0.0, le=1.0, description="share of experts in the data of policy=mixed; others do not use it"
    )
    crossing: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="share of the trajectories of policy=random that pass the door; other policies do not use it",
    )
    directed: float = Field(
        1.0,
        ge=0.0,
        le=1.0,
        description="share of the trajectories of policy=random whose headings follow `heading`; each heading of the "
        "others is uniform, whatever was before (PLDM's good and poor data)",
    )
    training_layouts: int | None = Field(
        None,
        ge=1,
        description="for layout=per_trajectory: different layouts in the data, as many trajectories of each (or one "
        "more); at most data.trajectories, 1056, and with holdout 792; null: each trajectory draws its own, and some "
        "are alike",
    )
    noise: float = Field(
        0.0,
        ge=0.0,
        le=16.0,
        description="standard deviation of the Gaussian noise on each coordinate of a move, px; in data and "
        "evaluation alike, and under the same rule at walls",
    )
    holdout: bool = Field(
        False,
        description="for layout=per_trajectory: data are drawn from 792 of the 24 x 44 layouts, tasks from the "
        "other 264 (else both from all of them, and some tasks are in layouts of the data)",
    )

    @model_validator(mode="after")
    def _layouts_to_count(self) -> Self:
        """Only where there are many layouts can their number be chosen, and not beyond those that there are."""
        if self.training_layouts is not None and self.layout != "per_trajectory":
            raise ValueError(
                f"training_layouts={self.training_layouts} expects layout=per_trajectory, not {self.layout}"
            )
        most = number_of_layouts(self.holdout)
        if self.training_layouts is not None and self.training_layouts > most:
            raise ValueError(
                f"training_layouts={self.training_layouts}: with holdout={str(self.holdout).lower()} there are {most} "
                f"layouts to draw from; expected at most {most}"
            )
        return self

    @model_validator(mode="after")
    def _layouts_to_hold_out(self) -> Self:
        """Only where there are many layouts can some be kept from the data."""
        if self.holdout and self.layout != "per_trajectory":
            raise ValueError(f"holdout=true expects layout=per_trajectory, not {self.layout}")
        return self

    @model_validator(mode="after")
    def _layout_within_room(self) -> Self:
        """A layout is one of those that could be drawn at random."""
        for name, value, (low, high) in zip(
            ("the wall", "the door"), self.fixed_layout, (WALL_RANGE, DOOR_RANGE), strict=True
        ):
            if not low <= value < high:
                raise ValueError(f"fixed_layout has {name} at {value:g}; expected at least {low} and below {high}")
        return self

    def without_effect(self) -> dict[str, str]:
        """Return parameters that the chosen policy or layout does not use, each with what it expects."""
        found = {} if self.layout == "fixed" else {"fixed_layout": f"layout=fixed, not {self.layout}"}
        for names, policies in USED_BY.items():
            if self.policy not in policies:
                found |= dict.fromkeys(names, f"policy={' or '.join(policies)}, not {self.policy}")
        return found
