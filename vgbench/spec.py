"""The resolved description of a run: what `resolve` makes of flags, recipe, protocol, file and `--set`."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgbench.plugin import guard
from vgbench.stages import OBJECTIVE_KEYS, STAGES, StageKind
from vgbench.text import task_name

if TYPE_CHECKING:
    from vgbench.api import Params
    from vgbench.plugin.entry import Entry
    from vgbench.settings import DataSettings

FORMAT = 1

PRECISIONS = ("float32", "tf32", "bfloat16")


@dataclass(frozen=True)
class Compute:
    """Precision and compilation, which change the last bits of results; threads and memory, which are no part of them.

    Attributes:
        precision: "float32"; "tf32": matrix products and convolutions of a CUDA device; "bfloat16": the networks'.
        compile: whether networks go through `torch.compile`.
        threads: of PyTorch; 0: chosen.
        memory: bytes that a block of plans may take; None: chosen.
    """

    precision: str = "float32"
    compile: bool = False
    threads: int = 0
    memory: int | None = None

    def identity(self) -> dict[str, Any]:
        """Return what of it decides results; nothing at the defaults, so that runs older than these choices agree."""
        plain = Compute()
        own = {"precision": self.precision, "compile": self.compile}
        return {name: value for name, value in own.items() if value != getattr(plain, name)}


@dataclass(frozen=True)
class ResolvedPlugin:
    """A plugin that takes part in a run: where it came from, its class and its validated parameters."""

    entry: "Entry"
    cls: type[Any]
    params: "Params"
    weight: float = 1.0

    @property
    def name(self) -> str:
        """Name under which the plugin is registered."""
        return self.entry.name

    def make(self, *more: Any) -> Any:
        """Make an instance, with its constructor and its hooks watched; `more` follows the parameters."""
        return guard.built(self.entry.kind, self.entry, lambda: self.cls(self.params, *more))

    def identity(self) -> dict[str, Any]:
        """Return what of the plugin decides results."""
        return {
            "name": self.entry.name,
            "dist": self.entry.dist,
            "version": self.cls.version,
            "params": self.params.identity(),
        }


@dataclass(frozen=True)
class SourcedValue:
    """A resolved value and where it came from (`default`, `recipe vf`, `protocol maze`, ..., `--set`).

    `over` has the other values that it replaced, each with its source, the latest first.
    """

    value: Any
    source: str
    over: tuple[tuple[Any, str], ...] = ()


@dataclass(frozen=True)
class DataSpec:
    """A resolved data set, what `vgbench collect` makes, and the tasks that `vgbench tasks` samples beside it.

    Attributes:
        tasks: their number; 0 if none were asked for.
        file: of trajectories, to be used instead of collecting.
    """

    environment: ResolvedPlugin
    settings: "DataSettings"
    seed: int
    notes: tuple[str, ...] = ()
    protocol: str = ""
    tasks: int = 0
    task_seed: int = 0
    file: Path | None = None


@dataclass(frozen=True)
class StageSpec:
    """A stage of a run: its kind and its objectives, sorted by name."""

    kind: StageKind
    objectives: tuple[ResolvedPlugin, ...]

    @property
    def name(self) -> str:
        """Name of the stage, of its checkpoint and of its times."""
        return self.kind.name

    @property
    def settings(self) -> str:
        """Name of its group of settings."""
        return self.kind.settings

    def identity(self) -> list[dict[str, Any]]:
        """Return what of its objectives decides results."""
        return [chosen.identity() | {"weight": chosen.weight} for chosen in self.objectives]


@dataclass(frozen=True)
class RunSpec:
    """Everything that a run's results depend on, validated; see `vgbench.config.resolve.resolve` for how it is made."""

    environment: ResolvedPlugin
    stages: tuple[StageSpec, ...]  # of training, in their order; the first trains the encoder
    distance: ResolvedPlugin
    planner: ResolvedPlugin
    baseline: ResolvedPlugin | None  # planner that ignores the cost, judged on the same tasks
    networks: dict[str, ResolvedPlugin]  # by role; without an action_encoder or a head: identity
    training: str  # "separate" | "joint"
    settings: dict[str, Any]  # core parameter groups by name: instances of vgbench.settings.GROUPS
    seed: int
    data_seed: int
    task_seed: int
    device: str  # "cpu" | "cuda" | "cuda:N"
    recipe: str | None
    protocol: str
    scale: str
    variant: str | None = None
    values: dict[str, SourcedValue] = field(default_factory=dict)  # every `name.param`, with its source
    unused: dict[str, SourcedValue] = field(default_factory=dict)  # the registry's values for plugins not chosen
    selections: dict[str, SourcedValue] = field(default_factory=dict)  # what was chosen by name: distance, seed, ...
    compute: Compute = field(default_factory=Compute)
    data_file: str | None = None  # a file to train on, instead of collecting; its arrays have this hash
    data_fingerprint: str | None = None
    data_files: tuple[str, ...] = ()  # hashes of the files that the environment collects from
    tasks_file: str | None = None  # a file to take the tasks from, instead of sampling; those played have this hash
    tasks_sha256: str | None = None
    own: Mapping[str, Any] = field(default_factory=dict)  # recipes, protocols, variants of the user's own, by section
    trained: str | None = None  # key of the run whose model is evaluated, where that was trained in another environment
    reweighted: tuple[str, ...] = ()  # NAME=WEIGHT of each objective whose weight is not the recipe's
    notes: tuple[str, ...] = ()  # said to the user: which recipe gave the values, or that none fits

    @property
    def device_kind(self) -> str:
        """`cpu` or `cuda`: which of several devices of a kind computes makes no difference."""
        return self.device.partition(":")[0]

    @property
    def objectives(self) -> tuple[ResolvedPlugin, ...]:
        """Objectives of the first stage, which trains the encoder."""
        return self.stages[0].objectives

    def objectives_of(self, key: str) -> tuple[ResolvedPlugin, ...]:
        """Objectives that are listed under a key of `vgbench.stages.OBJECTIVE_KEYS`; empty if the run has none."""
        return next((stage.objectives for stage in self.stages if stage.kind.objectives == key), ())

    def same_data(self, other: "RunSpec") -> bool:
        """Whether another run has the same training set, in the same units and on the same device."""
        if (self.settings["data"], self.device) != (other.settings["data"], other.device):
            return False
        if self.settings["model"].action_scale != other.settings["model"].action_scale:
            return False
        names = ("environment", "data_seed", "data_file", "data_fingerprint", "data_files")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def identity(self) -> dict[str, Any]:
        """Canonical JSON-able content that decides the results: plugins with versions, values, seeds, device, ...

        Recipe, protocol, scale and variant are not part of it: they are names for values. Nor are threads and memory.
        """
        # The hash of its arrays stands for a file: where it lies does not decide results.
        extra: dict[str, Any] = {"data_fingerprint": self.data_fingerprint} if self.data_file else {}
        if self.data_files and not self.data_file:
            extra["data_files"] = list(self.data_files)
        # Only where tasks come from a file: a run that samples them has all that decides them below.
        if self.tasks_file:
            extra["tasks_sha256"] = self.tasks_sha256
        if self.trained:
            extra["trained"] = self.trained
        # An optional stage is left out of runs without it, so that a new kind leaves the keys of old runs as they are.
        extra |= {kind.objectives: [] for kind in STAGES if not kind.optional}
        extra |= {stage.kind.objectives: stage.identity() for stage in self.stages}
        extra |= self.compute.identity()
        return extra | {
            "format": FORMAT,
            "environment": self.environment.identity(),
            "distance": self.distance.identity(),
            "planner": self.planner.identity(),
            "baseline": self.baseline.identity() if self.baseline else None,
            "networks": {role: chosen.identity() for role, chosen in self.networks.items()},
            "training": self.training,
            "settings": {name: group.identity() for name, group in self.settings.items()},
            "seeds": {"train": self.seed, "data": self.data_seed, "task": self.task_seed},
            "device": self.device_kind,
        }

    def key(self) -> str:
        """Return eight hex digits of a hash of `identity`."""
        # Sorted, so that the key does not depend on the order in which the identity was put together.
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:8]

    def title(self) -> str:
        """Return a readable name, fit for a folder: place, recipe (or objectives and distance), scale, seed.

        Weights that are not the recipe's stand after its name.
        """
        terms = [self.recipe] if self.recipe else ["+".join(c.name for c in self.objectives), self.distance.name]
        method = "-".join([*terms, *self.reweighted])
        return f"{task_name(self.environment.name, self.protocol)}-{method}-{self.scale}-s{self.seed}"

    def to_config(self) -> dict[str, Any]:
        """Return the content of `config.yaml`: what `--config` accepts again, with every value written out."""
        networks = {role: chosen.entry.address for role, chosen in self.networks.items()}
        return {
            "format": FORMAT,
            "complete": True,
            "environment": self.environment.entry.address,
            "protocol": self.protocol,
            **self.own,
            **({"trained": self.trained} if self.trained else {}),
            "recipe": self.recipe,
            **{key: weighted(self.objectives_of(key)) or None for key in OBJECTIVE_KEYS},
            "distance": self.distance.entry.address,
            "training": self.training,
            "planner": self.planner.entry.address,
            "baseline": self.baseline.entry.address if self.baseline else None,
            **networks,
            "scale": self.scale,
            "variant": self.variant,
            "seed": self.seed,
            "data_seed": self.data_seed,
            "task_seed": self.task_seed,
            "device": self.device,
            "precision": self.compute.precision,
            "compile": self.compute.compile,
            # In whole bytes, so that reading it again rounds nothing.
            "memory": f"{self.compute.memory}B" if self.compute.memory else None,
            "data": self.data_file,
            "tasks": self.tasks_file,
            "set": {address: value.value for address, value in self.values.items()},
        }


def weighted(objectives: Iterable[Any]) -> list[str]:
    """Write objectives with an `entry` and a `weight` as `NAME` or `NAME:WEIGHT`, as --objective takes them."""
    # repr is the shortest text that gives the same number back.
    return [c.entry.address if c.weight == 1 else f"{c.entry.address}:{c.weight!r}" for c in objectives]
