"""Exact motion among the walls: a segment swept against six axis-aligned solids.

Coordinates are pixels, (x, y) = (column, row). The solids are closed: to touch one is a collision. They are the four
sides of the room, beyond `LOW` and `HIGH`, and the two parts of the inner wall, above and below its door. So an agent
lives in an open set, and no step can jump over the wall or cut the corner of a door jamb, however long it is.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SIZE = 64
"""Height and width of the picture, px."""
LOW, HIGH = 4.0, 59.0
"""Border lines of the room; the agent lives strictly between them."""
HALF_WALL = 1.0
"""The inner wall fills the columns wall_x - 1 ... wall_x + 1."""
HALF_DOOR = 4.0
"""The door opens the rows door_y - 4 ... door_y + 4."""
GAP = 1e-3
"""What "stop" leaves between the agent and the face that it hit, px: far above float32 rounding (4e-6), far below a
pixel. Without it an agent at rest on a wall would touch it, and could never slide along it."""


class Contact(NamedTuple):
    """First contact of moves with a solid, each [...].

    Attributes:
        hit: whether there is any.
        time: share of the move made before it, in [0, 1].
        axis: axis of the face's normal, 0 or 1; x where a corner is hit exactly.
        face: coordinate of that face.
    """

    hit: Tensor
    time: Tensor
    axis: Tensor
    face: Tensor


def solids(layout: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper corners of the six solids of layouts [..., 2] = (wall_x, door_y), both float64 [..., 6, 2]."""
    wall, door = layout.double().unbind(-1)
    infinite = torch.full_like(wall, torch.inf)
    low_line, high_line = torch.full_like(wall, LOW), torch.full_like(wall, HIGH)
    boxes = [
        (-infinite, low_line, -infinite, infinite),
        (high_line, infinite, -infinite, infinite),
        (-infinite, infinite, -infinite, low_line),
        (-infinite, infinite, high_line, infinite),
        (wall - HALF_WALL, wall + HALF_WALL, -infinite, door - HALF_DOOR),
        (wall - HALF_WALL, wall + HALF_WALL, door + HALF_DOOR, infinite),
    ]
    edges = torch.stack([torch.stack(box, dim=-1) for box in boxes], dim=-2)
    return edges[..., 0::2], edges[..., 1::2]


def is_free(position: Tensor, layout: Tensor) -> Tensor:
    """Tell whether positions [..., 2] touch no solid of layouts [..., 2]; [...] bool."""
    low, high = solids(layout)
    p = position.double().unsqueeze(-2)
    return ~((p >= low) & (p <= high)).all(-1).any(-1)


def first_contact(start: Tensor, target: Tensor, low: Tensor, high: Tensor) -> Contact:
    """Return the first contact of straight moves with boxes: the slab method, on both axes of all boxes at once.

    Args:
        start: [..., 2] float64, where the moves begin; free.
        target: [..., 2] float64, where they would end.
        low: [..., S, 2] float64, lower corners of S closed boxes.
        high: [..., S, 2] float64, upper corners.

    Returns:
        The first contact of each move, fields [...].
    """
    p, move = start.unsqueeze(-2), (target - start).unsqueeze(-2)
    to_low, to_high = (low - p) / move, (high - p) / move
    inside = (low <= p) & (p <= high)
    # No motion along an axis: within the box's range for ever, or never (the quotients are infinite or NaN there).
    still = move == 0
    enter = torch.where(still, torch.where(inside, -torch.inf, torch.inf), torch.minimum(to_low, to_high))
    leave = torch.where(still, torch.where(inside, torch.inf, -torch.inf), torch.maximum(to_low, to_high))
    time = enter.amax(-1)
    hit = (time <= leave.amin(-1)) & (time <= 1) & (leave.amin(-1) >= 0)
    time, solid = torch.where(hit, time.clamp_min(0), torch.inf).min(-1)
    index = solid[..., None, None].expand(*solid.shape, 1, 2)
    enter, low, high = (x.gather(-2, index).squeeze(-2) for x in (enter, low, high))
    axis = (enter[..., 1] > enter[..., 0]).long()
    faces = torch.where(move.squeeze(-2) > 0, low, high)
    return Contact(torch.isfinite(time), time, axis, faces.gather(-1, axis.unsqueeze(-1)).squeeze(-1))


def stay(start: Tensor, target: Tensor, layout: Tensor) -> Tensor:
    """Return the end of moves where one that touches a solid is cancelled; all [..., 2], in the dtype of `target`."""
    contact = first_contact(start.double(), target.double(), *solids(layout))
    return torch.where(contact.hit.unsqueeze(-1), start, target)


def stop(start: Tensor, target: Tensor, layout: Tensor) -> Tensor:
    """Return the end of moves that stop at the contact point, then slide along that face with the motion left along it.

    A second contact ends the move. The motion into the first face is lost, even where the face ends on the way.

    Args:
        start: [..., 2], free.
        target: [..., 2], where the moves would end.
        layout: [..., 2].

    Returns:
        [..., 2] in the dtype of `target`, free and `GAP` away from the faces that were hit.
    """
    low, high = solids(layout)
    p, q = start.double(), target.double()
    first = first_contact(p, q, low, high)
    along = torch.arange(2, device=p.device) != first.axis.unsqueeze(-1)
    time = torch.where(first.hit, first.time, 0.0).unsqueeze(-1)
    held = _held_back(p, q, first)
    corner = torch.where(along, p + time * (q - p), held)
    goal = torch.where(along, q, held)
    second = first_contact(corner, goal, low, high)
    end = torch.where(second.hit.unsqueeze(-1) & along, _held_back(p, goal, second), goal)
    # Both faces of a corner can be met at once: then the gap before the second one lies behind the contact point.
    corner = torch.where(q > p, torch.minimum(corner, end), torch.maximum(corner, end))
    # The gap shifts the path by 1e-3 px, which may graze a corner that the true path missed: then nothing moves.
    grazed = first_contact(p, corner, low, high).hit | first_contact(corner, end, low, high).hit
    slid = torch.where(grazed.unsqueeze(-1), p, end).to(target.dtype)
    return torch.where(first.hit.unsqueeze(-1), slid, target)


def _held_back(start: Tensor, target: Tensor, contact: Contact) -> Tensor:
    """Coordinates [..., 2] at the face, less the gap, and never behind the start (valid along `contact.axis`)."""
    face = contact.face.unsqueeze(-1)
    forward = torch.maximum(face - GAP, start)
    return torch.where(target > start, forward, torch.minimum(face + GAP, start))
