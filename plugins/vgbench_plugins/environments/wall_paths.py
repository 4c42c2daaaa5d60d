"""Shortest ways of the wall world, in closed form: a taut string through the two ends of the door.

Two rooms and a door are three rectangles in a row. A shortest way runs straight within each, so it is known by the
heights at which it passes from one to the next: at most two numbers, for which the length is convex. Its least value
has the string free or bent at an end of the opening, which leaves nine cases to compare.
"""

import math
from itertools import pairwise, product

import torch
from torch import Tensor

from vgbench_plugins.environments.wall_geometry import GAP, HALF_DOOR, HALF_WALL, first_contact, solids

STRAIGHT = 1e-6
"""A way that a bend makes longer by less than this does not turn there, px: it can be left out, as the chord passes it
within 0.02 px, less than any agent keeps away from a corner."""
TINY = 1e-9
DIRECTIONS = 33
"""Directions that `step_end` tries for a step around a bend, over half a circle."""


def bends(start: Tensor, goal: Tensor, layout: Tensor, clearance: float | Tensor = GAP) -> tuple[Tensor, Tensor]:
    """Return where the shortest ways enter and leave the door.

    Args:
        start: [..., 2], free.
        goal: [..., 2], free.
        layout: [..., 2] = (wall_x, door_y).
        clearance: distance that the bends keep from the door's corners along both axes, px, below 4.

    Returns:
        Two points, each [..., 2] float64, between which, the start and the goal the way runs straight and touches no
        wall. Where it does not enter (leave) the door, the first is the start (the second is the goal).
    """
    p, q, wall = start.double(), goal.double(), layout.double()
    # Seen from the middle of the door, and mirrored so that the way leads to larger x.
    # Not torch.sign, which is 0 for two points in one column.
    sign = torch.where(p[..., :1] <= q[..., :1], 1.0, -1.0)
    mirror = torch.cat([sign, torch.ones_like(sign)], dim=-1)
    p, q = (p - wall) * mirror, (q - wall) * mirror
    enters = (p[..., 0] < -HALF_WALL) & (q[..., 0] >= -HALF_WALL)
    leaves = (q[..., 0] > HALF_WALL) & (p[..., 0] <= HALF_WALL)
    first_x, first_low, first_high = _opening(p, enters, clearance, -1.0)
    second_x, second_low, second_high = _opening(q, leaves, clearance, 1.0)

    def on_line(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
        """Height at x of the lines from points a to points b."""
        # Points above each other have no slope; the height is clamped into the opening in any case.
        width = (b[..., 0] - a[..., 0]).clamp_min(TINY)
        return a[..., 1] + (x - a[..., 0]) / width * (b[..., 1] - a[..., 1])

    best = torch.full_like(first_x, torch.inf)
    first, second = p, q
    for end, other in product((None, first_low, first_high), (None, second_low, second_high)):
        # A free height lies on the line between its neighbours; clamped into the opening it is always possible.
        before = torch.stack([first_x, end], dim=-1) if end is not None else p
        after = torch.stack([second_x, other], dim=-1) if other is not None else q
        a = torch.stack([first_x, on_line(p, after, first_x).clamp(first_low, first_high)], dim=-1)
        b = torch.stack([second_x, on_line(before, q, second_x).clamp(second_low, second_high)], dim=-1)
        a, b = a if end is None else before, b if other is None else after
        total = _length(p, a, b, q)
        better = (total < best).unsqueeze(-1)
        best = torch.minimum(best, total)
        first, second = torch.where(better, a, first), torch.where(better, b, second)
    return first * mirror + wall, second * mirror + wall


def length(start: Tensor, goal: Tensor, layout: Tensor) -> Tensor:
    """Return the length [...] float64 of the shortest ways between free points [..., 2], px."""
    return _length(start.double(), *bends(start, goal, layout), goal.double())


def aim(position: Tensor, goal: Tensor, layout: Tensor, clearance: float) -> Tensor:
    """Return the next point [..., 2] float64 of the shortest ways at which they turn, or the goal.

    A bend that is nearer than half the clearance is behind: from there the rest of the way is free, too.
    """
    p, q = position.double(), goal.double()
    first, second = bends(p, q, layout, clearance)
    target = torch.where(_turns(p, second, q, clearance), second, q)
    return torch.where(_turns(p, first, second, clearance), first, target)


def step_end(position: Tensor, goal: Tensor, layout: Tensor, clearance: float, step: float) -> Tensor:
    """Return where straight steps of at most `step` px end that leave short ways to the goals, [B, 2] float64.

    They lead along the shortest way. Where that turns within a step, to end at the bend would waste the rest of it, so
    the step may go past the bend, or to the side of it: whichever of `DIRECTIONS` full steps leaves least, and keeps
    the clearance from all walls.

    Args:
        position: [B, 2], free.
        goal: [B, 2], free.
        layout: [B, 2].
        clearance: as for `bends`.
        step: length of a step, px.
    """
    p, q = position.double(), goal.double()
    target = aim(p, q, layout, clearance)
    ahead = _length(p, target).unsqueeze(-1)
    end = p + (target - p) * (step / ahead.clamp_min(step))
    near = (ahead.squeeze(-1) < step) & (_length(p, q) > step)
    if near.any():
        end[near] = _around(p[near], target[near], q[near], layout[near], clearance, step)
    return end


def _around(p: Tensor, bend: Tensor, q: Tensor, layout: Tensor, clearance: float, step: float) -> Tensor:
    """Best ends [N, 2] of steps around bends that lie within one step: full steps, or the bends themselves."""
    angles = torch.linspace(-math.pi / 2, math.pi / 2, DIRECTIONS, dtype=p.dtype, device=p.device)
    heading = torch.atan2(bend[:, 1] - p[:, 1], bend[:, 0] - p[:, 0]).unsqueeze(-1) + angles
    tried = p.unsqueeze(1) + step * torch.stack([heading.cos(), heading.sin()], dim=-1)
    walls = layout.unsqueeze(1).expand(-1, DIRECTIONS, -1)
    low, high = solids(walls)
    # Bends keep just the clearance themselves.
    margin = clearance - GAP
    touches = first_contact(p.unsqueeze(1).expand_as(tried), tried, low - margin, high + margin).hit
    goals = q.unsqueeze(1).expand_as(tried)
    left = _length(tried, *bends(tried, goals, walls, clearance), goals).masked_fill(touches, torch.inf)
    least, index = left.min(dim=1)
    better = least < _length(bend, *bends(bend, q, layout, clearance), q) - STRAIGHT
    best = tried.gather(1, index[:, None, None].expand(-1, 1, 2)).squeeze(1)
    return torch.where(better.unsqueeze(-1), best, bend)


def _turns(point: Tensor, bend: Tensor, after: Tensor, clearance: float) -> Tensor:
    """Whether the way from points [..., 2] by `bend` to `after` turns at the bend, and still ahead; [..., 1] bool."""
    detour = _length(point, bend, after) - _length(point, after)
    return ((_length(point, bend) > clearance / 2) & (detour > STRAIGHT)).unsqueeze(-1)


def _opening(point: Tensor, used: Tensor, clearance: float | Tensor, side: float) -> tuple[Tensor, Tensor, Tensor]:
    """Column, lowest and highest row [...] of an end of the door; an end that is not used shrinks to the point.

    An agent that is nearer to the wall than the clearance steps back to pass a corner, but not in front of the door.
    """
    half = HALF_DOOR - clearance
    x, y = point.unbind(-1)
    column = torch.full_like(x, side * HALF_WALL) + side * clearance
    in_front = torch.minimum(x, column) if side > 0 else torch.maximum(x, column)
    column = torch.where(y.abs() <= half, in_front, column)
    low, high = torch.zeros_like(y) - half, torch.zeros_like(y) + half
    return torch.where(used, column, x), torch.where(used, low, y), torch.where(used, high, y)


def _length(*points: Tensor) -> Tensor:
    """Length [...] of the line through points [..., 2]."""
    return torch.stack([torch.linalg.vector_norm(b - a, dim=-1) for a, b in pairwise(points)]).sum(0)
