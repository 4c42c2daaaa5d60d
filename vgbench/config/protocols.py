"""Protocols: where methods are judged, and how much is computed at each scale."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from vgbench.config.budget import Budget
from vgbench.config.schema import check_name, known, make, mapping, with_stages
from vgbench.storage.yaml_file import Where
from vgbench.text import choice

SCALES = ("smoke", "quick", "paper")


@dataclass(frozen=True)
class Scale:
    """How much a scale computes in a protocol; a network that it does not name is the protocol's.

    `set` holds nothing but budget, see `vgbench.config.budget`.
    """

    encoder: str | None = None
    predictor: str | None = None
    set: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """Where a method is judged.

    Attributes:
        environment: name of the environment, or None: for every environment that has no protocol of its own.
        default_for: environment that means this protocol when it is named alone.
        baseline: planner that ignores the cost, judged on the same tasks.
        stages: objectives of stages after the first, by their key (`predictor_objectives`), see `vgbench.stages`.
        ancestors: the protocol that it extends, and those that this one does; a variant's choices for them are for it.
        own: it is a user's, not one of registry.yaml.
        written: what a user's file says of it under `set` and, by scale, `scales`; a variant does not replace that.
    """

    name: str
    summary: str
    encoder: str
    predictor: str
    planner: str
    environment: str | None = None
    reference: str = ""
    default_for: str | None = None
    baseline: str | None = None
    stages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    set: Mapping[str, Any] = field(default_factory=dict)
    scales: Mapping[str, Scale] = field(default_factory=dict)
    ancestors: "tuple[Protocol, ...]" = field(default=(), compare=False, repr=False)
    own: bool = field(default=False, compare=False)
    written: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def lineage(self) -> tuple[str, ...]:
        """Its name, and those of the protocols that it extends, the nearest first."""
        return (self.name, *(protocol.name for protocol in self.ancestors))

    def layers(self, scale: str) -> tuple[dict[str, Mapping[str, Any]], dict[str, Mapping[str, Any]]]:
        """Return its values by where they come from: those that stand below a variant's, and those above."""
        label = f"protocol {self.name}"
        if not self.own:
            return {label: self.set, f"{label}, scale {scale}": self.scales.get(scale, Scale()).set}, {}
        below, above = self.ancestors[0].layers(scale) if self.ancestors else ({}, {})
        own = {label: self.written.get("", {}), f"{label}, scale {scale}": self.written.get(scale, {})}
        return below, above | own

    def values(self, scale: str) -> dict[str, Any]:
        """Return the values at a scale, by `name.param`."""
        return {**self.set, **self.scales.get(scale, Scale()).set}

    def plain(self) -> dict[str, Any]:
        """Return what a file would say of it: its own values, and those of a user's protocols that it extends."""
        others = ("name", "own", "stages", "scales", "ancestors", "written", "set")
        about = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in others}
        about |= {key: list(value) for key, value in self.stages.items()}
        about["extends"] = next((protocol.name for protocol in self.ancestors if not protocol.own), None)
        written: dict[str, dict[str, Any]] = {}
        for protocol in [*reversed([p for p in self.ancestors if p.own]), self]:
            for scale, values in protocol.written.items():
                written.setdefault(scale, {}).update(values)
        about["set"] = written.pop("", {})
        networks = {name: {k: v for k, v in vars(scale).items() if k != "set"} for name, scale in self.scales.items()}
        scales = {name: {**networks[name], "set": written.get(name)} for name in networks}
        about["scales"] = {name: found for name, scale in scales.items() if (found := _given(scale))}
        return _given(about)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def read_protocols(
    section: Any, where: Where, budget: Budget, others: Mapping[str, Protocol] | None = None
) -> dict[str, Protocol]:
    """Make the protocols of a section; `others` are those that there are already, where the section is a user's.

    One that says `extends: NAME` begins with the fields and values of another one, above it or among the others.

    Raises:
        UsageError: `FILE:LINE: ...`, for unknown keys, scales and names, and values of a scale that are not budget.
    """
    made: dict[str, Protocol] = {}
    for name, raw in mapping(section, where).items():
        here = where / name
        raw = dict(mapping(raw, here))
        check_name(name, here, others, "protocol")
        parent = raw.pop("extends", None)
        given = {**(others or {}), **made}
        base = None if parent is None else given[choice(str(parent), given, here / "extends")]
        scales = mapping(raw.get("scales", {}), here / "scales")
        # `make` checks the fields of a dataclass; the names of scales are keys of a mapping.
        known(scales, SCALES, here / "scales")
        blocks = {scale: _scale(block, here / "scales" / scale, budget) for scale, block in scales.items()}
        values = mapping(raw.get("set", {}), here / "set")
        written = {"": values, **{scale: block.set for scale, block in blocks.items()}}
        if base is not None:
            raw = _taken_over(base) | raw
            values = {**base.set, **values}
            blocks = {s: _merged(base.scales.get(s), blocks.get(s)) for s in SCALES if s in base.scales or s in blocks}
        about = with_stages(raw | {"set": values}, here) | {"scales": blocks}
        ancestors = () if base is None else (base, *base.ancestors)
        extra = {"ancestors": ancestors, "own": others is not None, "written": written}
        made[name] = make(Protocol, about, here, name=name, **extra)
    return made


def _taken_over(base: Protocol) -> dict[str, Any]:
    """Fields of the protocol that is extended; it may not be the usual one of an environment for two."""
    names = ("environment", "encoder", "predictor", "planner", "baseline")
    about = {name: getattr(base, name) for name in names if getattr(base, name) is not None}
    stages = {key: list(value) for key, value in base.stages.items()}
    return {"summary": f"{base.name} with other values", **about, **stages}


def _merged(base: Scale | None, block: Scale | None) -> Scale:
    base, block = base or Scale(), block or Scale()
    networks = (block.encoder or base.encoder, block.predictor or base.predictor)
    return Scale(*networks, {**base.set, **block.set})


def _scale(block: Any, where: Where, budget: Budget) -> Scale:
    made: Scale = make(Scale, block, where)
    budget.check(mapping(made.set, where / "set"), where / "set", budget=True)
    return made
