"""Pictures of the maze: a background per layout, drawn once, and the agent's disc on top of it.

64 x 64 pixels show the 6 x 6 cells, the ring of walls included: x to the right, y upwards (row 0 is the largest y).
Colours and sizes are those of D4RL's renderer seen through PLDM's crop and resize, as measured: a flat picture, without
the camera's perspective.
"""

import numpy as np
import torch
from torch import Tensor

from vgbench_plugins.environments.maze.layouts import CELLS, decode

SIZE = 64
"""Height and width, px."""
GRID = CELLS + 2
SCALE = SIZE / GRID
"""Pixels per cell, 10.67."""
ORIGIN = -0.7
"""qpos of the picture's left and lower edges."""
DISC = 0.2 * SCALE
"""Radius of the agent's disc, px: D4RL draws a marker of radius 0.2 on the ball."""
WALL, AGENT = (221, 160, 99), (86, 171, 86)
BASELINE = ((25, 51, 76), (51, 76, 102))
"""The floor is a checkerboard of squares of 2 x 2 cells."""
PATCH = 7
"""Side of the square that holds the disc with its soft edge (2.13 + 0.5 px to all sides of any point), px."""


def background(code: int) -> np.ndarray:
    """Picture [3, 64, 64] uint8 of the empty maze. Exact box filter: a pixel covers 3 x 3 of 192 x 192 samples."""
    is_wall = np.ones((GRID, GRID), bool)
    is_wall[1:-1, 1:-1] = decode(code) == 0
    square = np.arange(GRID) // 2
    shade = (square[:, None] + square) % 2
    colour = np.where(is_wall[..., None], np.array(WALL), np.array(BASELINE)[shade])
    cell = np.arange(3 * SIZE) // (3 * SIZE // GRID)
    samples = colour[cell][:, cell].transpose(2, 1, 0)[:, ::-1]  # [x, y, channel] to [channel, row, column]
    total = samples.reshape(3, SIZE, 3, SIZE, 3).sum(axis=(2, 4))
    # Half of 9 is added for rounding to the nearest.
    return ((total + 4) // 9).astype(np.uint8)


class Painter:
    """Draws states; keeps the backgrounds that it has drawn on each device (12 kB per layout)."""

    def __init__(self) -> None:
        self._row: dict[torch.device, Tensor] = {}
        self._table: dict[torch.device, Tensor] = {}

    def draw(self, layout: Tensor, position: Tensor) -> Tensor:
        """Draw states.

        Args:
            layout: [B, 4, 4], non-zero where a cell is open.
            position: [B, 2] float, (x, y).

        Returns:
            [B, 3, 64, 64] uint8 on the same device.
        """
        image = self._backgrounds(layout)
        x, y = ((position.float() - ORIGIN) * SCALE).unbind(-1)
        column, row = x, SIZE - y
        first_column, first_row = (_first(c) for c in (column, row))
        offset = torch.arange(PATCH, device=image.device)
        columns, rows = first_column.unsqueeze(1) + offset, first_row.unsqueeze(1) + offset
        square = (columns + 0.5 - column.unsqueeze(1)).square().unsqueeze(1)
        square = square + (rows + 0.5 - row.unsqueeze(1)).square().unsqueeze(2)
        # Linear over one pixel: about the part of the pixel that the disc covers.
        cover = (DISC + 0.5 - square.sqrt()).clamp(0, 1).flatten(1).unsqueeze(1)
        index = (rows.unsqueeze(2) * SIZE + columns.unsqueeze(1)).flatten(1).unsqueeze(1).expand(-1, 3, -1)
        flat = image.view(len(image), 3, SIZE * SIZE)
        below = flat.gather(2, index).float()
        agent = torch.tensor(AGENT, dtype=torch.float32, device=image.device).view(1, 3, 1)
        flat.scatter_(2, index, (below + cover * (agent - below)).round().to(torch.uint8))
        return image

    def _backgrounds(self, layout: Tensor) -> Tensor:
        """Pictures [B, 3, 64, 64] of the empty mazes, a fresh tensor."""
        device = layout.device
        if device not in self._row:
            # A place for each of the 65,536 codes, so that a batch is looked up at once.
            self._row[device] = torch.full((1 << (CELLS * CELLS),), -1, dtype=torch.int64, device=device)
            self._table[device] = torch.empty((0, 3, SIZE, SIZE), dtype=torch.uint8, device=device)
        bits = 1 << torch.arange(CELLS * CELLS, device=device)
        codes = ((layout.flatten(1) != 0) * bits).sum(1)
        rows = self._row[device][codes]
        missing = codes[rows < 0].unique()
        if len(missing):
            drawn = torch.from_numpy(np.stack([background(code) for code in missing.tolist()])).to(device)
            self._row[device][missing] = len(self._table[device]) + torch.arange(len(missing), device=device)
            self._table[device] = torch.cat([self._table[device], drawn])
            rows = self._row[device][codes]
        return self._table[device][rows]


def _first(centre: Tensor) -> Tensor:
    """First pixel [B] of a patch around coordinates [B]; the patch stays within the picture."""
    return (centre.floor().long() - PATCH // 2).clamp(0, SIZE - PATCH)
