"""Rooms, walls and one-way doors: where they are, and what moves among them.

Coordinates, borders and the sizes of walls and doors are the wall's (`wall_geometry`). A door passes in one direction,
across the middle line of its wall. A point on that line belongs to the far side, which the door leads to. So the near
side is open and the far side closed, and a move is against the direction if it starts on the far side, ends on the near
side, and its segment crosses the line in the door. The invariant: whoever is on the far side never comes to the near
side through this door, by any move, however long. To run along the line, or to reach it and go back to the far side, is
no passage; to reach it from the near side is one. Sides are comparisons of stored numbers, so nothing is rounded.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vgbench_plugins.environments.wall_geometry import HALF_DOOR, HALF_WALL, HIGH, LOW, first_contact


@dataclass(frozen=True)
class Door:
    """A door of a plan.

    Attributes:
        axis: along which it passes, 0 (x) or 1 (y).
        sign: 1 if it passes to larger coordinates, else -1.
        line: number of the layout's entry that has the middle line of its wall, px.
        middle: number of the entry that has the middle of its opening along the wall, px.
    """

    axis: int
    sign: int
    line: int
    middle: int


@dataclass(frozen=True)
class Wall:
    """An inner wall of a plan.

    Attributes:
        axis: axis of its normal, 0 (x) or 1 (y).
        line: number of the layout's entry that has its middle line, px.
        middles: numbers of the entries that have the middles of its doors, which ascend, px.
    """

    axis: int
    line: int
    middles: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Rooms as numbers: what the entries of a layout [K] mean.

    Attributes:
        doors: clockwise, beginning with the upper one.
        walls: across x, and of the ring another one across y.
        fixed: the layout of `places=fixed`.
        text: description of a layout.
        leads_back: whether one-way doors lead from every room to every other.
    """

    doors: tuple[Door, ...]
    walls: tuple[Wall, ...]
    fixed: tuple[float, ...]
    text: str
    leads_back: bool = True


TURNSTILE = Plan(
    (Door(0, 1, 0, 1), Door(0, -1, 0, 2)),
    (Wall(0, 0, (1, 2)),),
    (32.0, 18.0, 46.0),
    "column of the wall, rows of the middles of the upper and the lower door, px",
)
RING = Plan(
    (Door(0, 1, 0, 2), Door(1, 1, 1, 5), Door(0, -1, 0, 3), Door(1, -1, 1, 4)),
    (Wall(0, 0, (2, 3)), Wall(1, 1, (4, 5))),
    (32.0, 32.0, 18.0, 46.0, 18.0, 46.0),
    "column and row of the walls, rows of the upper and the lower door, columns of the left and the right one, px",
)
ONE_DOOR = Plan(
    (Door(0, 1, 0, 1),),
    (Wall(0, 0, (1,)),),
    (32.0, 15.0),
    "column of the wall, row of the middle of its door, px",
    leads_back=False,
)
PLANS = {"turnstile": TURNSTILE, "ring": RING, "one_door": ONE_DOOR}


def solids(plan: Plan, layout: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper corners of the solids of layouts [..., K], both float64 [..., S, 2]: borders, parts of walls."""
    layout = layout.double()
    infinite = torch.full_like(layout[..., 0], torch.inf)
    low_line, high_line = torch.full_like(infinite, LOW), torch.full_like(infinite, HIGH)
    boxes = [
        ((-infinite, low_line), (-infinite, infinite)),
        ((high_line, infinite), (-infinite, infinite)),
        ((-infinite, infinite), (-infinite, low_line)),
        ((-infinite, infinite), (high_line, infinite)),
    ]
    for wall in plan.walls:
        place = layout[..., wall.line]
        across = (place - HALF_WALL, place + HALF_WALL)
        openings = [layout[..., middle] for middle in wall.middles]
        begins = [-infinite, *(middle + HALF_DOOR for middle in openings)]
        ends = [*(middle - HALF_DOOR for middle in openings), infinite]
        for along in zip(begins, ends, strict=True):
            boxes.append((across, along) if wall.axis == 0 else (along, across))
    low = torch.stack([torch.stack([x[0], y[0]], dim=-1) for x, y in boxes], dim=-2)
    high = torch.stack([torch.stack([x[1], y[1]], dim=-1) for x, y in boxes], dim=-2)
    return low, high


def clearance(plan: Plan, position: Tensor, layout: Tensor) -> Tensor:
    """Least distance [...] float64 of positions [..., 2] to a solid along an axis, px: 0 or less if they touch one."""
    low, high = solids(plan, layout)
    p = position.double().unsqueeze(-2)
    return torch.maximum(low - p, p - high).amax(-1).amin(-1)


def is_free(plan: Plan, position: Tensor, layout: Tensor) -> Tensor:
    """Tell whether positions [..., 2] touch no solid of layouts [..., K]; [...] bool."""
    return clearance(plan, position, layout) > 0


def against(plan: Plan, start: Tensor, target: Tensor, layout: Tensor) -> Tensor:
    """Whether straight moves that touch no solid pass a door against its direction; all [..., 2] or [..., K], [...]."""
    p, q, layout = start.double(), target.double(), layout.double()
    result = torch.zeros(p.shape[:-1], dtype=torch.bool, device=p.device)
    for door in plan.doors:
        line, middle = layout[..., door.line], layout[..., door.middle]
        before, after = p[..., door.axis], q[..., door.axis]
        leaves = (door.sign * (before - line) >= 0) & (door.sign * (after - line) < 0)
        time = (line - before) / torch.where(leaves, after - before, 1.0)
        along = p[..., 1 - door.axis] + time * (q[..., 1 - door.axis] - p[..., 1 - door.axis])
        # Half a pixel more than the door, as all else is solid there: rounding does not decide.
        result |= leaves & ((along - middle).abs() <= HALF_DOOR + 0.5)
    return result


def passes(
    plan: Plan, start: Tensor, target: Tensor, layout: Tensor, one_way: bool, margin: float | Tensor = 0.0
) -> Tensor:
    """Tell whether straight moves are possible, [...] bool.

    Args:
        plan: meaning of the layouts.
        start: [..., 2], free.
        target: [..., 2].
        layout: [..., K].
        one_way: whether doors pass in their direction only.
        margin: distance by which the solids are enlarged, px; a number or [...].
    """
    p, q = torch.broadcast_tensors(start.double(), target.double())
    layout = layout.expand(*p.shape[:-1], layout.shape[-1])
    low, high = solids(plan, layout)
    wide = torch.as_tensor(margin, dtype=p.dtype, device=p.device)[..., None, None]
    free = ~first_contact(p, q, low - wide, high + wide).hit
    return free & ~against(plan, p, q, layout) if one_way else free


def stay(plan: Plan, start: Tensor, target: Tensor, layout: Tensor, one_way: bool) -> Tensor:
    """Return the end of moves where one that is not possible is cancelled; [..., 2], in the dtype of `target`."""
    return torch.where(passes(plan, start, target, layout, one_way).unsqueeze(-1), target, start.to(target.dtype))


def room(plan: Plan, position: Tensor, layout: Tensor) -> Tensor:
    """Number of the room of free positions [..., 2], [...] int64: the sum of 2^w over the walls w that it is beyond.

    Beyond is right of a wall, or below it. In a door, the two sides of its line count as the rooms that they are open
    to.
    """
    p, layout = position.double(), layout.double()
    number = torch.zeros(p.shape[:-1], dtype=torch.int64, device=p.device)
    sign = {door.middle: door.sign for door in plan.doors}
    for bit, wall in enumerate(plan.walls):
        offset, along = p[..., wall.axis] - layout[..., wall.line], p[..., 1 - wall.axis]
        away = torch.stack([(along - layout[..., middle]).abs() for middle in wall.middles])
        far = torch.tensor([sign[middle] > 0 for middle in wall.middles], device=p.device)[away.argmin(0)]
        number += ((offset > 0) | ((offset == 0) & far)).long() << bit
    return number


def in_wall(plan: Plan, position: Tensor, layout: Tensor) -> Tensor:
    """Tell whether free positions [..., 2] are in a door, that is, within a wall's thickness; [...] bool."""
    walls = [(position[..., wall.axis] - layout[..., wall.line]).abs() <= HALF_WALL for wall in plan.walls]
    return torch.stack(walls).any(0)
