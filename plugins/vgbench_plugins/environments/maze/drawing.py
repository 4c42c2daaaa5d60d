"""Pictures of the maze: walls and floor, and the agent's disc on top of them.

The ring of walls is included; x to the right, y upwards (row 0 is the largest y). 4 x 4 cells are 64 x 64 pixels, and
need a box filter, since 6 cells do not divide 64: a background per layout is drawn once and looked up. Mazes of other
sizes have 8 pixels a cell, so that each pixel is looked up in its cell. Both run on the device of the states.
Colours and sizes are those of D4RL's renderer seen through PLDM's crop and resize, as measured: a flat picture, without
the camera's perspective.
"""

import numpy as np
import torch
from torch import Tensor

from vgbench_plugins.environments.maze.layouts import Grid

SMALL = Grid(4, 4)
"""The maze with pictures of its own scale."""
SMALL_SIZE = 64
"""Height and width of its pictures, px."""
PIXELS = 8
"""Pixels per cell of all other mazes."""
ORIGIN = -0.7
"""qpos of the picture's left and lower edges."""
DISC = 0.2
"""Radius of the agent's disc, cells: D4RL draws a marker of radius 0.2 on the ball."""
WALL, AGENT = (221, 160, 99), (86, 171, 86)
BASELINE = ((25, 51, 76), (51, 76, 102))
"""The floor is a checkerboard of squares of 2 x 2 cells."""
PATCH = 7
"""Side of the square that holds the disc with its soft edge (2.13 + 0.5 px to all sides of any point), px."""


def size_of(grid: Grid) -> tuple[int, int]:
    """Return the height and width of the pictures, px."""
    if grid == SMALL:
        return SMALL_SIZE, SMALL_SIZE
    return PIXELS * (grid.height + 2), PIXELS * (grid.width + 2)


def scale_of(grid: Grid) -> float:
    """Return the pixels per cell: 8, or 10.67 for 4 x 4."""
    return size_of(grid)[0] / (grid.height + 2)


def background(code: int) -> np.ndarray:
    """Picture [3, 64, 64] of an empty 4 x 4 maze. Exact box filter: a pixel covers 3 x 3 of 192 x 192 samples."""
    is_wall = np.ones((SMALL.width + 2, SMALL.height + 2), bool)
    is_wall[1:-1, 1:-1] = SMALL.decode(code) == 0
    square = np.arange(len(is_wall)) // 2
    shade = (square[:, None] + square) % 2
    colour = np.where(is_wall[..., None], np.array(WALL), np.array(BASELINE)[shade])
    cell = np.arange(3 * SMALL_SIZE) // (3 * SMALL_SIZE // len(is_wall))
    samples = colour[cell][:, cell].transpose(2, 1, 0)[:, ::-1]  # [x, y, channel] to [channel, row, column]
    total = samples.reshape(3, SMALL_SIZE, 3, SMALL_SIZE, 3).sum(axis=(2, 4))
    # Half of 9 is added for rounding to the nearest.
    return ((total + 4) // 9).astype(np.uint8)


class Painter:
    """Draws states of mazes of a size; keeps on each device what it needs (for 4 x 4, 12 kB per layout)."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._row: dict[torch.device, Tensor] = {}
        self._table: dict[torch.device, Tensor] = {}
        self._pixels: dict[torch.device, tuple[Tensor, Tensor, Tensor]] = {}

    def draw(self, layout: Tensor, position: Tensor) -> Tensor:
        """Draw states.

        Args:
            layout: [B, width, height], non-zero where a cell is open.
            position: [B, 2] float, (x, y).

        Returns:
            [B, 3, H, W] uint8 on the same device.
        """
        image = self._looked_up(layout) if self._grid == SMALL else self._gathered(layout)
        (height, width), scale = size_of(self._grid), scale_of(self._grid)
        x, y = ((position.float() - ORIGIN) * scale).unbind(-1)
        column, row = x, height - y
        first_column, first_row = _first(column, width), _first(row, height)
        offset = torch.arange(PATCH, device=image.device)
        columns, rows = first_column.unsqueeze(1) + offset, first_row.unsqueeze(1) + offset
        square = (columns + 0.5 - column.unsqueeze(1)).square().unsqueeze(1)
        square = square + (rows + 0.5 - row.unsqueeze(1)).square().unsqueeze(2)
        # Linear over one pixel: about the part of the pixel that the disc covers.
        cover = (DISC * scale + 0.5 - square.sqrt()).clamp(0, 1).flatten(1).unsqueeze(1)
        index = (rows.unsqueeze(2) * width + columns.unsqueeze(1)).flatten(1).unsqueeze(1).expand(-1, 3, -1)
        flat = image.view(len(image), 3, height * width)
        below = flat.gather(2, index).float()
        agent = torch.tensor(AGENT, dtype=torch.float32, device=image.device).view(1, 3, 1)
        flat.scatter_(2, index, (below + cover * (agent - below)).round().to(torch.uint8))
        return image

    def _gathered(self, layout: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] of the empty mazes, each pixel from its cell."""
        device = layout.device
        if device not in self._pixels:
            self._pixels[device] = _pixels(self._grid, device)
        cell, floor, wall = self._pixels[device]
        is_open = torch.nn.functional.pad(layout != 0, (1, 1, 1, 1)).flatten(1)[:, cell].unsqueeze(1)
        return torch.where(is_open, floor, wall).unflatten(-1, size_of(self._grid)).contiguous()

    def _looked_up(self, layout: Tensor) -> Tensor:
        """Pictures [B, 3, 64, 64] of the empty 4 x 4 mazes, a fresh tensor."""
        device = layout.device
        if device not in self._row:
            # A place for each of the 65,536 codes, so that a batch is looked up at once.
            self._row[device] = torch.full((1 << SMALL.cells,), -1, dtype=torch.int64, device=device)
            self._table[device] = torch.empty((0, 3, SMALL_SIZE, SMALL_SIZE), dtype=torch.uint8, device=device)
        bits = 1 << torch.arange(SMALL.cells, device=device)
        codes = ((layout.flatten(1) != 0) * bits).sum(1)
        rows = self._row[device][codes]
        missing = codes[rows < 0].unique()
        if len(missing):
            drawn = torch.from_numpy(np.stack([background(code) for code in missing.tolist()])).to(device)
            self._row[device][missing] = len(self._table[device]) + torch.arange(len(missing), device=device)
            self._table[device] = torch.cat([self._table[device], drawn])
            rows = self._row[device][codes]
        return self._table[device][rows]


def _pixels(grid: Grid, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Number of each pixel's cell, the ring included, [H W]; colours of the floor [3, H W] and of walls [3, 1]."""
    height, width = size_of(grid)
    a = torch.arange(width, device=device) // PIXELS
    b = (height - 1 - torch.arange(height, device=device)).unsqueeze(1) // PIXELS
    cell = (a * (grid.height + 2) + b).flatten()
    shade = ((a // 2 + b // 2) % 2).flatten()
    floor = torch.tensor(BASELINE, dtype=torch.uint8, device=device)[shade].T.contiguous()
    return cell, floor, torch.tensor(WALL, dtype=torch.uint8, device=device).unsqueeze(1)


def _first(centre: Tensor, size: int) -> Tensor:
    """First pixel [B] of a patch around coordinates [B]; the patch stays within the picture."""
    return (centre.floor().long() - PATCH // 2).clamp(0, size - PATCH)
