"""Optional capabilities of environments: what is declared counts, and what is missing is named."""

import inspect

import pytest

from vgbench.api import Environment, HasCostToGo, HasMapPlace, HasValueFixedPoint
from vgbench.api.capabilities import CAPABILITIES, MissingCapability, capability, offers
from vgbench.errors import UsageError
from vgbench_plugins.environments.maze import Maze
from vgbench_plugins.environments.wall import Wall


def test_a_capability_has_the_name_of_its_method():
    assert all(callable(getattr(protocol, name)) for name, protocol in CAPABILITIES.items())


@pytest.mark.parametrize("environment", [Wall(Wall.Params()), Maze(Maze.Params())])
def test_built_in_environments_have_what_they_declare(environment):
    for name in environment.capabilities:
        protocol = CAPABILITIES[name]
        assert isinstance(environment, protocol)  # with map_extent and pair_label_names, which are no methods
        wanted = list(inspect.signature(getattr(protocol, name)).parameters)
        assert list(inspect.signature(getattr(type(environment), name)).parameters) == wanted


def test_what_is_not_offered_is_named_with_the_environment():
    maze = Maze(Maze.Params())
    assert capability(maze, HasMapPlace) is maze and not offers(maze, HasValueFixedPoint)
    with pytest.raises(MissingCapability, match="Maze has no capability 'value_fixed_point'"):
        capability(maze, HasValueFixedPoint)
    assert issubclass(MissingCapability, UsageError)


def test_a_method_that_is_not_declared_does_not_count():
    class Silent(Wall):
        capabilities = Environment.capabilities

    assert not offers(Silent(Wall.Params()), HasCostToGo)
