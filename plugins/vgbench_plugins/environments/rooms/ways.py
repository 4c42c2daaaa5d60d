"""Shortest ways through doors that may be one-way: a visibility graph of the doors' corners.

Walls are polygons, so a shortest way is straight except where it bends at a corner of a door. Crossing a one-way line
is no reason to bend: the line ends at the faces of the opening, which are no corners. So the graph has the four corners
of each door, its edges are the straight moves that the world itself allows, in their direction, and a way begins with a
move to a corner and ends with one from a corner, or is a single move.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from vgbench_plugins.environments.rooms.geometry import PLANS, Plan, clearance, passes
from vgbench_plugins.environments.wall_geometry import GAP, HALF_DOOR, HALF_WALL

STRAIGHT = 1e-6
"""Ways that differ by less than this in length are equal, px; of two such first moves the longer one is taken."""
DIRECTIONS = 33
"""Directions that `step_end` tries for a step around a bend, over half a circle."""
CHUNK = 4096
"""Rows that are looked at together."""


@lru_cache(maxsize=64)
def graph(name: str, places: tuple[float, ...], one_way: bool, distance: float) -> tuple[Tensor, Tensor]:
    """Return the corners [V, 2] float64 and the lengths [V, V] of the shortest ways from each to each.

    Args:
        name: of the plan.
        places: the layout.
        one_way: whether doors pass in their direction only.
        distance: that corners keep from the walls along both axes, px.
    """
    plan, layout = PLANS[name], torch.tensor(places, dtype=torch.float64)
    corners = []
    for door in plan.doors:
        for across in (-1, 1):
            for along in (-1, 1):
                point = (
                    places[door.line] + across * (HALF_WALL + distance),
                    places[door.middle] + along * (HALF_DOOR - distance),
                )
                corners.append(point if door.axis == 0 else point[::-1])
    points = torch.tensor(corners, dtype=torch.float64)
    margin = distance - GAP
    lengths = _moves(plan, points.unsqueeze(1), points.unsqueeze(0), layout, one_way, margin)
    for middle in range(len(points)):
        lengths = torch.minimum(lengths, lengths[:, middle, None] + lengths[None, middle])
    return points, lengths


def first_moves(
    name: str, start: Tensor, goal: Tensor, layout: Tensor, one_way: bool, distance: float = GAP
) -> tuple[Tensor, Tensor]:
    """Return all first moves of ways: their ends, and the lengths of the shortest ways that begin with them.

    Args:
        name: of the plan.
        start: [B, 2], free.
        goal: [B, 2], free.
        layout: [B, K].
        one_way: whether doors pass in their direction only.
        distance: that ways keep from the walls, px, below 4; less where the start or the goal itself is nearer to one.

    Returns:
        Points [B, V + 1, 2] float64, the corners and the goal, and lengths [B, V + 1], infinite where there is no move.
    """
    plan, p, q = PLANS[name], start.double(), goal.double()
    count = 4 * len(plan.doors) + 1
    points, lengths = p.new_empty(len(p), count, 2), p.new_empty(len(p), count)
    for place in torch.unique(layout, dim=0):
        corners, between = (x.to(p.device) for x in graph(name, tuple(place.tolist()), one_way, distance))
        for rows in (layout == place).all(-1).nonzero().squeeze(-1).split(CHUNK):
            a, b = p[rows], q[rows]
            near, far = (_margin(plan, x, place, distance) for x in (a, b))
            leave = _moves(plan, a.unsqueeze(1), corners, place, one_way, near.unsqueeze(1))
            arrive = _moves(plan, corners, b.unsqueeze(1), place, one_way, far.unsqueeze(1))
            rest = (between + arrive.unsqueeze(1)).amin(-1)
            direct = _moves(plan, a, b, place, one_way, torch.minimum(near, far))
            lengths[rows] = torch.cat([leave + rest, direct.unsqueeze(1)], dim=1)
            points[rows] = torch.cat([corners.expand(len(rows), -1, -1), b.unsqueeze(1)], dim=1)
    return points, lengths


def length(name: str, start: Tensor, goal: Tensor, layout: Tensor, one_way: bool) -> Tensor:
    """Return the length [B] float64 of the shortest ways between free points [B, 2] of layouts [B, K], px."""
    return first_moves(name, start, goal, layout, one_way)[1].amin(-1)


def aim(name: str, start: Tensor, goal: Tensor, layout: Tensor, one_way: bool, distance: float) -> Tensor:
    """Return the next point [B, 2] float64 of the shortest ways at which they turn, or the goal; see `first_moves`."""
    points, lengths = first_moves(name, start, goal, layout, one_way, distance)
    ahead = torch.linalg.vector_norm(points - start.double().unsqueeze(1), dim=-1)
    best = lengths <= lengths.amin(-1, keepdim=True) + STRAIGHT
    index = ahead.masked_fill(~best, -1.0).argmax(-1)
    return points[torch.arange(len(points), device=points.device), index]


def step_end(
    name: str, start: Tensor, goal: Tensor, layout: Tensor, one_way: bool, distance: float, step: float
) -> Tensor:
    """Return where straight steps of at most `step` px end that leave short ways to the goals, [B, 2] float64.

    They lead along the shortest way. Where that turns within a step, to end at the bend would waste the rest of it, so
    the step may go past the bend, or to the side of it: whichever of `DIRECTIONS` full steps leaves least.
    """
    p, q = start.double(), goal.double()
    target = aim(name, p, q, layout, one_way, distance)
    ahead = torch.linalg.vector_norm(target - p, dim=-1)
    end = p + (target - p) * (step / ahead.clamp_min(step)).unsqueeze(-1)
    turning = (ahead < step) & (torch.linalg.vector_norm(q - p, dim=-1) > step)
    if not turning.any():
        return end
    p, q, bend, layout = p[turning], q[turning], target[turning], layout[turning]
    angles = torch.linspace(-math.pi / 2, math.pi / 2, DIRECTIONS, dtype=p.dtype, device=p.device)
    heading = torch.atan2(bend[:, 1] - p[:, 1], bend[:, 0] - p[:, 0]).unsqueeze(-1) + angles
    tried = p.unsqueeze(1) + step * torch.stack([heading.cos(), heading.sin()], dim=-1)
    ends = torch.cat([bend.unsqueeze(1), tried], dim=1)
    walls = layout.unsqueeze(1).expand(-1, ends.shape[1], -1)
    margin = _margin(PLANS[name], p, layout, distance).unsqueeze(1)
    allowed = passes(PLANS[name], p.unsqueeze(1), ends, walls, one_way, margin)
    goals = q.unsqueeze(1).expand_as(ends)
    left = torch.full(ends.shape[:2], torch.inf, dtype=p.dtype, device=p.device)
    moves = first_moves(name, ends[allowed], goals[allowed], walls[allowed], one_way, distance)[1]
    left[allowed] = moves.amin(-1)
    # The bend itself, unless a full step is better by more than rounding.
    left[:, 0] -= STRAIGHT
    end[turning] = ends[torch.arange(len(ends), device=ends.device), left.argmin(1)]
    return end


def _moves(plan: Plan, start: Tensor, target: Tensor, layout: Tensor, one_way: bool, margin: float | Tensor) -> Tensor:
    """Lengths [...] of straight moves, infinite where they are not possible; see `passes`."""
    far = torch.linalg.vector_norm(target - start, dim=-1)
    return far.masked_fill(~passes(plan, start, target, layout, one_way, margin), torch.inf)


def _margin(plan: Plan, point: Tensor, layout: Tensor, distance: float) -> Tensor:
    """By how much solids can be enlarged for moves from or to points [B, 2]: so that these stay outside; [B] px."""
    return (clearance(plan, point, layout) / 2).clamp(0.0, distance - GAP)
