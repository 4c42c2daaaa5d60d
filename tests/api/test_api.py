"""Values of the interfaces: action sets."""

import pytest
import torch

from vgbench.api import Box, NormBall, Params


# The radius of 5 is the maze's: the quotient by the least number of a direction of 0 overflows from 4 on.
@pytest.mark.parametrize(
    "action_set", [NormBall(2, 1.5), NormBall(2, 5.0), Box((0.0, 0.0), (1.0, 1.0)), Box((0.5, -2.0), (1.0, 3.0))]
)
def test_the_boundary_lies_in_the_set_and_no_further_along_the_direction(action_set):
    directions = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    middle = action_set.boundary(torch.zeros(1, 2))
    edge = action_set.boundary(directions)
    assert torch.allclose(action_set.clip(edge), edge, atol=1e-6)
    beyond = middle + 1.01 * (edge - middle)
    assert (action_set.clip(beyond) - beyond).abs().amax(dim=1).min() > 0
    aligned = torch.nn.functional.cosine_similarity(edge - middle, directions)
    assert torch.allclose(aligned, torch.ones(200), atol=1e-5)
    assert torch.isfinite(middle).all()


def test_clipping_a_ball_keeps_the_direction():
    clipped = NormBall(2, 1.0).clip(torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]))
    assert torch.allclose(clipped, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


def test_scaling_a_set_scales_its_boundary():
    direction = torch.tensor([[1.0, 2.0]])
    for action_set in (NormBall(2, 1.5), Box((-1.0, -1.0), (1.0, 1.0))):
        assert torch.allclose(action_set.scaled(3.0).boundary(direction), 3 * action_set.boundary(direction))


def test_an_upside_down_box_is_refused():
    with pytest.raises(ValueError, match="must be below"):
        Box((0.0, 1.0), (1.0, 1.0))


@pytest.mark.filterwarnings("ignore:Field name")
@pytest.mark.parametrize("name", ["default_preserving", "identity"])
def test_a_parameter_cannot_take_a_name_of_params_itself(name):
    with pytest.raises(TypeError, match=f"a parameter cannot be called '{name}'"):
        type("Mine", (Params,), {"__annotations__": {name: int}, name: 1, "__module__": __name__})
