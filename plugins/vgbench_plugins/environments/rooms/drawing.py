"""Pictures of the rooms: the agent's blob, the walls, and a mark behind each door on the side that it leads to."""

import torch
from torch import Tensor

from vgbench_plugins.environments.rooms.geometry import Door, Plan
from vgbench_plugins.environments.wall_drawing import SIGMA
from vgbench_plugins.environments.wall_geometry import HALF_DOOR, HALF_WALL, HIGH, LOW, SIZE

MARK = 3
"""Depth of a door's mark, px; it is as wide as the opening."""


def draw(plan: Plan, position: Tensor, layout: Tensor, one_way: bool) -> Tensor:
    """Draw states.

    Channels 0 and 1 are the wall's: the agent, trunc(255 exp(-r^2 / (2 sigma^2))), and 255 at border and walls except
    for doors. Channel 2 is 255 in the `MARK` lines of pixels beyond the wall into which a door leads, over the width of
    its opening: behind each door on one side, or with two-way doors on both.

    Args:
        plan: meaning of the layouts.
        position: [B, 2] float32, (x, y) in px.
        layout: [B, K] float32.
        one_way: whether doors pass in their direction only.

    Returns:
        [B, 3, 64, 64] uint8, rows are y and columns x.
    """
    image = torch.zeros(len(position), 3, SIZE, SIZE, dtype=torch.uint8, device=position.device)
    pixel = torch.arange(SIZE, device=position.device, dtype=torch.float32)
    # The Gaussian is separable. The exponent is cut where the product is far below 1, as subnormal numbers are slow.
    exponent = (position.float().unsqueeze(-1) - pixel).square() * (-0.5 / SIGMA**2)
    column, row = exponent.clamp_min(-20).exp().unbind(1)
    image[:, 0] = (255 * row).unsqueeze(2) * column.unsqueeze(1)
    border = (pixel == LOW) | (pixel == HIGH)
    walls = (border.unsqueeze(1) | border).expand(len(position), SIZE, SIZE).clone()
    marks = torch.zeros_like(walls)
    offset = layout.float().unsqueeze(-1) - pixel  # [B, K, 64]
    for wall in plan.walls:
        solid = torch.stack([offset[:, middle].abs() > HALF_DOOR for middle in wall.middles]).all(0)
        walls |= _area(wall.axis, offset[:, wall.line].abs() <= HALF_WALL, solid)
    for door in plan.doors:
        marks |= _area(
            door.axis, _beyond(door, -offset[:, door.line], one_way), offset[:, door.middle].abs() <= HALF_DOOR
        )
    image[:, 1], image[:, 2] = walls.to(torch.uint8) * 255, marks.to(torch.uint8) * 255
    return image


def _beyond(door: Door, offset: Tensor, one_way: bool) -> Tensor:
    """Whether pixels at `offset` [B, 64] from a door's line are in its mark, or one of its marks."""
    depth = door.sign * offset if one_way else offset.abs()
    return (depth > HALF_WALL) & (depth <= HALF_WALL + MARK)


def _area(axis: int, across: Tensor, along: Tensor) -> Tensor:
    """Pixels [B, 64, 64] of a rectangle, given across [B, 64] and along [B, 64] a wall whose normal is `axis`."""
    columns, rows = (across, along) if axis == 0 else (along, across)
    return rows.unsqueeze(2) & columns.unsqueeze(1)
