"""The maps of OGBench's PointMaze: medium, large and giant.

From OGBench (Park, Frans, Eysenbach and Levine, 2025; github.com/seohongpark/ogbench, ogbench/locomaze/maze.py, MIT),
without the ring of walls. As there, lines are rows of growing y: pictures, with y upwards, show the last one on top.
"""

import numpy as np

from vgbench_plugins.environments.maze.layouts import Grid

MAPS = {
    "medium": "OO##OO OO#OOO #OOO## OO#OOO O#OO#O OOO#OO",
    "large": "OOOO#OOOOO O##O#O#O#O OOOOOO#OOO O####O###O OO#O#OOOOO #O#O#O#O## OO#OOO#OOO",
    "giant": "O#OOOOOO##OOOO O#O##O#O#OO##O OOO#OO#OOO#OOO O###O######O#O OOO#OOO#OOOO#O "
    "##O#O#OO#O#O## OOO#OO#OOO#OOO O#O#O######O#O O###OOO#OOO##O OOOOO#OOO#OOOO",
}
"""Rows of the maps, "O" where a cell is open."""


def layout_of(name: str) -> np.ndarray:
    """Return the layout [width, height] uint8 of a map."""
    return np.array([[cell == "O" for cell in row] for row in MAPS[name].split()], np.uint8).T


def grid_of(name: str) -> Grid:
    """Return the cells of a map."""
    width, height = layout_of(name).shape
    return Grid(width, height)
