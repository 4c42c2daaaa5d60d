"""Fixtures for tests of plugins; pytest finds them by itself where vgbench is installed. Imports nothing heavy."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from vgbench.testing.quadratic import Quadratic
    from vgbench.testing.toys import World


@pytest.fixture
def tmp_plugin(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Install plugins for one test, through real entry points but without pip.

    `tmp_plugin(code, objectives={"mine": "Mine"}, dist="vgx-mine", version="0.1")` writes the module and its .dist-info
    and returns the folder, which is then on `sys.path`; give it to a subprocess as PYTHONPATH. All is undone after.
    """
    # Here, not above: pytest imports this module in every session, of whatever project.
    from vgbench.testing.distributions import Distributions

    with Distributions(tmp_path) as distributions:
        yield distributions.make


@pytest.fixture
def chain() -> "World":
    """A small world to train on: `data` of a point on a chain, a `model` of it, `batch(windows, states)`, `noise()`."""
    from vgbench.testing.toys import World

    return World()


@pytest.fixture
def toy_batch(chain: "World") -> tuple[Any, Any, Any]:
    """What `Objective.loss` takes: a batch of 8 windows of 6 states of the chain, the model and the noise."""
    return chain.batch(), chain.model, chain.noise()


@pytest.fixture
def quadratic() -> "type[Quadratic]":
    """The class of planning problems with a known optimum: `planner.plan(quadratic(ids=(0, 1)), {})`."""
    from vgbench.testing.quadratic import Quadratic

    return Quadratic
