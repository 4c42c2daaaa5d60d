"""The door that leads to one of three places, and what it costs to rely on it.

Coordinates, walls and doors are those of the rooms' turnstile: an upper and a lower door in one wall. Who passes the
middle line of the wall in the upper one comes out at one of three places, each as likely: behind the door, in a dead
end of the room that it comes from, or in the far corner of the other room. The lower door is an ordinary one.
"""

import torch
from torch import Tensor

from vgbench_plugins.environments import wall_paths
from vgbench_plugins.environments.wall_geometry import HALF_WALL, HIGH, LOW

LUCKY, DEAD_END, FAR = 0, 1, 2
"""Numbers of the exits. A standard normal of 0, the mean, leads to the dead end."""
EXITS = 3
BEHIND = 2.0
"""Distance of the lucky exit from the wall, px."""
CORNER = 4.0
"""Distance of the other exits from the border, px."""


def passes(start: Tensor, target: Tensor, layout: Tensor) -> Tensor:
    """Tell whether free moves from `start` to `target` [B, 2] pass the upper door of layouts [B, 3]; [B] bool."""
    p, q, place = start.double(), target.double(), layout.double()
    line, middle = place[:, 0], (place[:, 1] + place[:, 2]) / 2
    crosses = (p[:, 0] < line) != (q[:, 0] < line)
    time = (line - p[:, 0]) / torch.where(crosses, q[:, 0] - p[:, 0], 1.0)
    return crosses & (p[:, 1] + time * (q[:, 1] - p[:, 1]) < middle)


def exits(layout: Tensor, rightwards: Tensor) -> Tensor:
    """Return where the upper door leads, [B, 3, 2] float64, from the left room (`rightwards` [B]) or the right one."""
    place = layout.double()
    sign = torch.where(rightwards, 1.0, -1.0).to(place)
    line, upper = place[:, 0], place[:, 1]
    left, right = torch.full_like(line, LOW + CORNER), torch.full_like(line, HIGH - CORNER)
    top = torch.full_like(line, LOW + CORNER)
    own, other = torch.where(rightwards, left, right), torch.where(rightwards, right, left)
    behind = torch.stack([line + sign * (HALF_WALL + BEHIND), upper], dim=-1)
    return torch.stack([behind, torch.stack([own, top], dim=-1), torch.stack([other, top], dim=-1)], dim=1)


def drawn(normal: Tensor) -> Tensor:
    """Return the exits [B] int64 that standard normals [B] draw: each has a third of the law."""
    return (torch.special.ndtr(normal.double()) * EXITS).long().clamp(0, EXITS - 1)


def ways(start: Tensor, goal: Tensor, layout: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lengths of the ways to goals [B, 2]: by the lower door, and the expected one by the upper; px, [B].

    From the dead end one goes on by whichever is shorter, the lower door or the upper one again. Within one room both
    are the straight way.
    """
    p, q, place = start.double(), goal.double(), layout.double()
    rightwards = p[:, 0] < place[:, 0]
    straight = torch.linalg.vector_norm(q - p, dim=-1)
    together = rightwards == (q[:, 0] < place[:, 0])
    lower = place[:, (0, 2)]
    sure = wall_paths.length(p, q, lower).double()
    outs = exits(place, rightwards)
    door = place[:, (0, 1)]
    behind, far = (torch.linalg.vector_norm(outs[:, n] - q, dim=-1) for n in (LUCKY, FAR))
    given_up = wall_paths.length(outs[:, DEAD_END], q, lower).double()
    back = torch.linalg.vector_norm(outs[:, DEAD_END] - door, dim=-1)
    # With v the expected way from the door: v = (behind + far + given_up) / 3, or v = (behind + far + back + v) / 3.
    value = torch.minimum((behind + far + given_up) / EXITS, (behind + far + back) / (EXITS - 1))
    chance = torch.linalg.vector_norm(door - p, dim=-1) + value
    return torch.where(together, straight, sure), torch.where(together, straight, chance)
