"""The plugin under test, and how one of its kind is made and used."""

import importlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from vgbench.api import Params
from vgbench.config.parameters import Addresses, Target
from vgbench.config.request import parse_set
from vgbench.plugin.entry import Entry
from vgbench.plugin.registry import load_plugin
from vgbench.testing.check import Check
from vgbench.testing.isolation import seed_all


class Behaviour(Protocol):
    """What the module of a kind defines."""

    CHECKS: list[Check]

    def make(self, subject: "Subject") -> Any:
        """Build what the checks use: an instance, or for a network the modules that it builds."""

    def outputs(self, subject: "Subject", made: Any) -> list[Tensor]:
        """Use it on the toy world, always with the same input, and return what comes out."""


def behaviour(kind: str) -> Behaviour:
    """Return the module of a kind."""
    return cast("Behaviour", importlib.import_module(f"vgbench.testing.contracts.{kind}"))


class Subject:
    """An installed plugin with values for its parameters.

    Attributes:
        entry: where it comes from.
        cls: its class; imported when first asked for.
        params: its parameters: the defaults, and what was given as `name.param=value`.
    """

    def __init__(self, entry: Entry, sets: Iterable[str] = ()) -> None:
        """Import nothing yet."""
        self.entry, self.sets = entry, tuple(sets)

    @cached_property
    def cls(self) -> Any:
        """The plugin's class."""
        return load_plugin(self.entry)

    @cached_property
    def params(self) -> Params:
        """Validated parameters.

        Raises:
            UsageError: a given value does not fit, or one without a default is not given.
        """
        return self.target().make()

    def target(self) -> Target:
        """Return the plugin's parameters as something that `--set` addresses, with what was given."""
        target = Target(self.entry.name, self.entry.kind, self.cls.Params, str(self.entry))
        addresses = Addresses([target], {})
        for text in self.sets:
            addresses.assign(parse_set(text, "--set", True))
        return target

    @property
    def behaviour(self) -> Behaviour:
        """What the plugin's kind defines."""
        return behaviour(self.entry.kind)

    def make(self, seed: int = 0) -> Any:
        """Build it again, with fresh weights from the global generators seeded by `seed`."""
        seed_all(seed)
        return self.behaviour.make(self)

    def outputs(self, made: Any) -> list[Tensor]:
        """Use it on the toy world."""
        return self.behaviour.outputs(self, made)


def equal(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    """Say whether two lists of tensors have the same shapes and bits (NaN equals NaN)."""
    return len(first) == len(second) and all(
        a.shape == b.shape and a.dtype == b.dtype and bool(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)))
        for a, b in zip(first, second, strict=True)
    )


def near(a: Tensor, b: Tensor, tolerance: float = 1e-4) -> bool:
    """Say whether two tensors have one shape and agree within `tolerance`, relative to the largest number in them."""
    if a.shape != b.shape:
        return False
    a, b = a.detach().double(), b.detach().double()
    # At least 1: for numbers near 0 the tolerance is an absolute one.
    scale = max(1.0, float(b.abs().max()) if b.numel() else 1.0)
    return bool(((a - b).abs() <= tolerance * scale).all())


def largest_gap(a: Tensor, b: Tensor) -> str:
    """Say how far two tensors are apart."""
    if a.shape != b.shape:
        return f"shapes {list(a.shape)} and {list(b.shape)}"
    return f"a difference of {float((a.detach().double() - b.detach().double()).abs().max()):.3g}"
