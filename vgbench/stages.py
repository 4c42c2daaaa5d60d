"""Stages of training, as data: the one list from which settings, recipes, configuration, runner and cache work.

A new stage is a new entry of `STAGES`, and objectives for it in a recipe or protocol of registry.yaml.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class StageKind:
    """One kind of stage.

    Attributes:
        name: of the stage, its checkpoint and its times.
        objectives: key under which recipes, protocols and --config files list its objectives.
        settings: group of settings, as in `--set train.lr=1e-3`.
        stream: index of its random streams (`rng.derive`). Fixed for ever: another number is another order of batches.
        modes: modes of training that have this stage.
        trains: parts of the model that it is for, of `vgbench.api.objective.Part`.
        cached: it reads latents of the frozen encoder, encoded once. Such stages come after those that train it.
        optional: it is left out of runs that list no objectives for it.
        role: network that takes part from this stage on, so that the stages before are the same without it.
    """

    name: str
    objectives: str
    settings: str
    stream: int
    modes: tuple[str, ...]
    trains: tuple[str, ...]
    cached: bool = False
    optional: bool = False
    role: str | None = None

    @property
    def slot(self) -> str:
        """Name of one of its objectives in messages and addresses: `predictor_objective`."""
        return self.objectives.removesuffix("s")


STAGES = (
    # "joint" and "encoder" share stream 0: no mode has both.
    StageKind("joint", "objectives", "train", 0, ("joint",), ("encoder", "predictor")),
    StageKind("encoder", "objectives", "train", 0, ("separate",), ("encoder",)),
    StageKind("predictor", "predictor_objectives", "train_predictor", 1, ("separate",), ("predictor",), cached=True),
    StageKind(
        "head",
        "head_objectives",
        "train_head",
        2,
        ("separate", "joint"),
        ("head", "distance"),
        cached=True,
        optional=True,
        role="head",
    ),
)
"""All kinds, in the order in which a run has them. The first one of a mode trains the encoder."""

LATER_STAGES = tuple(kind for kind in STAGES if kind.objectives != "objectives")
"""Stages after the first, whose objectives have a key of their own."""

# Keys of a dict, because they stay in the order of the stages; a set would not.
OBJECTIVE_KEYS = tuple(dict.fromkeys(kind.objectives for kind in STAGES))
"""Keys under which objectives are listed."""

# Sorted: a set of strings has another order in every process.
STAGE_SETTINGS = tuple(sorted({kind.settings for kind in STAGES}))
"""Groups of settings that belong to stages."""


def baseline_stage(name: str) -> str:
    """Return the name of the stage in which a baseline plays the tasks, and of its checkpoint and rows."""
    return f"baseline-{name}"
