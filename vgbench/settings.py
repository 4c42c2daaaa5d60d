"""Parameters of the core itself, by group: addressed like a plugin's (`--set train.lr=1e-3`)."""

from typing import ClassVar, Literal

from pydantic import Field

from vgbench.api.params import Params
from vgbench.stages import STAGE_SETTINGS


class DataSettings(Params):
    """The training set."""

    # Records older than `held_out` trained on all.
    default_preserving: ClassVar[frozenset[str]] = frozenset({"held_out"})

    trajectories: int = Field(1000, ge=2, description="number of trajectories collected")
    length: int = Field(64, ge=3, description="states in a trajectory (one more than its actions)")
    held_out: float = Field(
        0.0, ge=0, lt=1, description="share of the trajectories that are not trained on; `vgbench train` has .1"
    )


class ModelSettings(Params):
    """The JEPA around its networks."""

    # Records older than these were made as their defaults say.
    default_preserving: ClassVar[frozenset[str]] = frozenset({"freeze_encoder", "action_scale"})

    latent_dim: int = Field(512, ge=2, description="dimension of the flat latent")
    freeze_encoder: bool = Field(
        False, description="leave the encoder's weights as they are built: pre-trained ones, or random features"
    )
    image_norm: Literal["channel", "whiten"] = Field(
        "channel",
        description="images in units of each channel's standard deviation, or whitened: every direction of colour in "
        "units of its own, so that a small agent in a colour of its own weighs as much as large walls",
    )
    latent_scale: Literal["none", "overall", "per_dimension", "scalar"] = Field(
        "overall",
        description="separate training, or a frozen encoder: the predictor works on latents less their mean, over "
        "their standard deviation on the training set. overall: a mean for each dimension, one deviation for all; "
        "per_dimension: both for each; scalar: both one number for all, so that a latent of places keeps what "
        "translation means; none: as they are",
    )
    action_scale: Literal["overall", "component"] = Field(
        "overall",
        description="unit of actions, for networks and planners: their root mean square on the training set. overall: "
        "one number for all components; component: one for each, for a box whose ranges differ in size (a ball and "
        "discrete actions keep one)",
    )


class TrainSettings(Params):
    """One stage of training."""

    # Records older than `frames` were made without.
    default_preserving: ClassVar[frozenset[str]] = frozenset({"frames"})

    epochs: float = Field(10.0, gt=0, description="passes over all windows; used where `steps` and `frames` are 0")
    frames: int = Field(
        0,
        ge=0,
        description="states to train on, over all batches: those of windows of each stride that objectives look at; "
        "used where `steps` is 0; 0: from `epochs`",
    )
    steps: int = Field(0, ge=0, description="optimiser steps; 0: from `frames` or `epochs`")
    batch: int = Field(64, ge=2, description="windows in a batch")
    # The paper's segments of length 16.
    window: int = Field(16, ge=2, description="states in a window (one more than its actions)")
    # 0.0028 x 64 / 256.
    lr: float = Field(
        7e-4, gt=0, description="peak learning rate of Adam (base rate x batch / 256 in the paper's code)"
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the rate rises linearly from 0")
    final_lr: float = Field(0.001, ge=0, le=1, description="last rate of the cosine schedule, as a share of the peak")
    weight_decay: float = Field(1e-6, ge=0, description="L2 term of Adam")
    clip: float = Field(0.0, ge=0, description="largest norm of the gradient; 0: not clipped")


class MpcSettings(Params):
    """Model predictive control: how a planner is used in an episode, and what it minimises."""

    max_steps: int = Field(200, ge=1, le=1_000_000, description="environment steps in an episode")
    replan_every: int = Field(1, ge=1, description="actions executed from each plan")
    aggregate: Literal["sum", "mean", "last", "discounted"] = Field(
        "sum", description="how the distances of the predicted states to the goal make one cost"
    )
    discount: float = Field(0.98, gt=0, le=1, description="factor per step for aggregate=discounted")
    power: float = Field(1.0, gt=0, description="exponent of the distance in the cost (2: squared distance)")
    block_rows: int = Field(
        0,
        ge=0,
        description="candidate sequences rolled out together; 0: 32768 on a GPU; on a CPU 1024, or 256 in blocks of a "
        "constant number of tasks where plans would depend on how many tasks are left",
    )


class EvaluationSettings(Params):
    """What is evaluated."""

    # Records older than `stop` were made as its default says.
    default_preserving: ClassVar[frozenset[str]] = frozenset({"stop"})

    tasks: int = Field(100, ge=1, description="planning problems")
    uninformed: bool = Field(
        True,
        description="also evaluate the run's planner with random numbers for costs: an uninformed baseline that moves "
        "as the planner does",
    )
    stop: Literal["ever", "never"] = Field(
        "ever",
        description="when an episode stops early: at its first success (ever), or not at all (never); the success rate "
        "is the same, but then it is known where solved tasks end, too, and how near they came: see `vgbench rescore`",
    )


GROUPS: dict[str, type[Params]] = {
    "data": DataSettings,
    "evaluation": EvaluationSettings,
    "model": ModelSettings,
    "mpc": MpcSettings,
    **dict.fromkeys(STAGE_SETTINGS, TrainSettings),
}
"""Name of each group, as it is addressed; those of training are in `vgbench.stages`."""
