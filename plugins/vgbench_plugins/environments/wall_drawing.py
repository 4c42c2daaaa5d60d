"""Pictures of the wall world: the agent's blob and the walls, drawn from the state."""

import torch
from torch import Tensor

from vgbench_plugins.environments.wall_geometry import HALF_DOOR, HALF_WALL, HIGH, LOW, SIZE

SIGMA = 1.3
"""Width of the agent's Gaussian blob, px (PLDM, pldm_envs/wall/wall.py:268-278)."""


def draw(position: Tensor, layout: Tensor) -> Tensor:
    """Draw states.

    Channel 0 is the agent, trunc(255 exp(-r^2 / (2 sigma^2))). Channel 1 is 255 at the border lines, which run to the
    picture's edge, and at the inner wall except for its door; 0 elsewhere.

    Args:
        position: [B, 2] float32, (x, y) in px.
        layout: [B, 2] float32, (wall_x, door_y).

    Returns:
        [B, 2, 64, 64] uint8, rows are y and columns x.
    """
    image = torch.empty(len(position), 2, SIZE, SIZE, dtype=torch.uint8, device=position.device)
    line = torch.arange(SIZE, device=position.device, dtype=torch.float32)
    # The Gaussian is separable. The exponent is cut where the product is far below 1, as subnormal numbers are slow.
    exponent = (position.float().unsqueeze(-1) - line).square() * (-0.5 / SIGMA**2)
    column, row = exponent.clamp_min(-20).exp().unbind(1)
    image[:, 0] = (255 * row).unsqueeze(2) * column.unsqueeze(1)
    image[:, 1] = _walls(layout.float(), line)
    return image


def _walls(layout: Tensor, line: Tensor) -> Tensor:
    """Wall channel [B, 64, 64] uint8 from one-dimensional comparisons."""
    border = (line == LOW) | (line == HIGH)
    distance = (layout.unsqueeze(-1) - line).abs()
    wall = (distance[:, 0] <= HALF_WALL).to(torch.uint8) * 255
    solid = (distance[:, 1] > HALF_DOOR).to(torch.uint8) * 255
    frame = (border.unsqueeze(1) | border).to(torch.uint8) * 255
    return (solid.unsqueeze(2) & wall.unsqueeze(1)) | frame
