"""The resolved description of a run: what `resolve` makes of flags, recipe, protocol, file and `--set`."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgbench.api import Params
    from vgbench.registry import Entry


@dataclass(frozen=True)
class Chosen:
    """A plugin that takes part in a run: where it came from, its class and its validated parameters."""

    entry: "Entry"
    cls: type[Any]
    params: "Params"
    weight: float = 1.0

    @property
    def name(self) -> str:
        """Name under which the plugin is registered."""
        return self.entry.name


@dataclass(frozen=True)
class Value:
    """A resolved value and where it came from (`default`, `recipe vf`, `protocol maze`, ..., `--set`)."""

    value: Any
    source: str


@dataclass(frozen=True)
class RunSpec:
    """Everything that a run's results depend on, validated; see `vgbench.resolve.resolve` for how it is made."""

    environment: Chosen
    objectives: tuple[Chosen, ...]
    predictor_objectives: tuple[Chosen, ...]  # the predictor's own stage; empty when training is joint
    distance: Chosen
    planner: Chosen
    floor: Chosen | None  # planner that ignores the cost, judged on the same tasks
    networks: dict[str, Chosen]  # by role: encoder and predictor always; action_encoder, head: identity if absent
    training: str  # "separate" | "joint"
    settings: dict[str, Any]  # core parameter groups by name: instances of vgbench.settings.GROUPS
    seed: int
    data_seed: int
    task_seed: int
    device: str  # "cpu" | "cuda"
    recipe: str | None
    protocol: str | None
    scale: str
    values: dict[str, Value] = field(default_factory=dict)  # every `name.param`, with its source
    inert: dict[str, Value] = field(default_factory=dict)  # values of a recipe or protocol for plugins not chosen
    notes: tuple[str, ...] = ()  # said to the user: which recipe gave the values, or that none fits

    def identity(self) -> dict[str, Any]:
        """Canonical JSON-able content that decides the results: plugins with versions, values, seeds, device."""
        raise NotImplementedError

    def key(self) -> str:
        """Eight hex digits of a hash of `identity`."""
        raise NotImplementedError

    def title(self) -> str:
        """Readable name: protocol, recipe (or objectives and distance), scale, seed."""
        raise NotImplementedError

    def to_config(self) -> dict[str, Any]:
        """Content of `config.yaml`: what `--config` accepts again, with every value written out."""
        raise NotImplementedError
