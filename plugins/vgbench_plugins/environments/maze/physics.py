"""The maze's physics: a ball on two slide joints among boxes, stepped by MuJoCo for many mazes at once.

The constants are those of D4RL's PointMaze (Fu et al. 2021, pointmaze/maze_model.py), on which the paper's maze is
based: D4RL itself needs mujoco-py, this needs only the `mujoco` wheel. Lengths are in cells.

Coordinates are D4RL's qpos. The cells are surrounded by a ring of walls, which makes 6 x 6 of 4 x 4; cell (a, b) of
those, from (0, 0) on, spans [a - 0.7, a + 0.3] x [b - 0.7, b + 0.3]. So cell (i, j) of a layout has its middle at
(i + 0.8, j + 0.8), and the ball's centre can be anywhere between 0.4 and, along x, the width + 0.2.
"""

from functools import lru_cache

import mujoco
import numpy as np
from mujoco import rollout

from vgbench_plugins.environments.maze.layouts import Grid

TIMESTEP = 0.01
"""Simulation step, s."""
RADIUS = 0.1
"""Radius of the ball."""
MASS = 4 / 3 * np.pi * RADIUS**3 * 1000.0
"""Its mass, kg: 4.18879, as its density is 1000."""
DAMPING = 1.0
"""Damping of the slide joints, N s per cell."""
MAX_SPEED = 5.0
"""Velocity components are clipped to this before every simulation step, as D4RL does. After the last one they are not:
a ball that bounces while it is being reversed can end an action at up to about 7.5."""
FIRST_MIDDLE = 0.8
"""qpos of the middle of the first cell of a layout."""

_XML = """
<mujoco>
  <option timestep="{timestep}" gravity="0 0 0" iterations="20" integrator="Euler"/>
  <size memory="256K"/>
  <default><geom friction=".5 .1 .1" density="1000" margin=".002" condim="1"/></default>
  <worldbody>
    {walls}
    <body name="ball" pos="1.2 1.2 0">
      <joint name="x" type="slide" axis="1 0 0" damping="{damping}"/>
      <joint name="y" type="slide" axis="0 1 0" damping="{damping}"/>
      <geom name="ball" type="sphere" size="{radius}" contype="2" conaffinity="1"/>
    </body>
  </worldbody>
  <actuator><motor joint="x" gear="1"/><motor joint="y" gear="1"/></actuator>
</mujoco>
"""
_BOX = '<geom type="box" size=".5 .5 .2" pos="{x} {y} {z}" contype="1" conaffinity="1"/>'
_BURIED = -10
"""Height of the boxes of open cells: out of the ball's reach, but there, so that all models have the same sizes and
one batch may mix layouts."""


def maze_xml(grid: Grid, code: int) -> str:
    """Model description of the layout with this code. D4RL's floor is left out: the ball slides on joints above it."""
    open_cell = np.zeros((grid.width + 2, grid.height + 2), bool)
    open_cell[1:-1, 1:-1] = grid.decode(code)
    boxes = [
        _BOX.format(x=a + 1, y=b + 1, z=_BURIED if is_open else 0) for (a, b), is_open in np.ndenumerate(open_cell)
    ]
    return _XML.format(timestep=TIMESTEP, damping=DAMPING, radius=RADIUS, walls="\n    ".join(boxes))


@lru_cache(maxsize=4096)
def model(grid: Grid, code: int) -> mujoco.MjModel:
    """Return the compiled model of a layout (about 1 ms; kept)."""
    return mujoco.MjModel.from_xml_string(maze_xml(grid, code))


def force_towards(
    velocity: np.ndarray, target: np.ndarray, substeps: int, max_force: float | None = None
) -> np.ndarray:
    """Constant force [B, 2], newton, that takes a free ball from one velocity [B, 2] to another in `substeps` steps.

    MuJoCo's Euler step treats damping implicitly: v' = v + h (F - d v) / (m + h d). With r = m / (m + h d), n steps
    of a constant force give v_n = r^n v_0 + (1 - r^n) F / d, which is solved for F. Without damping this would be the
    familiar m (v_n - v_0) / (n h).

    Args:
        velocity: [B, 2].
        target: [B, 2], velocity to be reached.
        substeps: n.
        max_force: bound on the norm of the force, whose direction is kept; None for no bound.
    """
    kept = (MASS / (MASS + TIMESTEP * DAMPING)) ** substeps
    force = DAMPING * (target - kept * velocity) / (1 - kept)
    if max_force is None:
        return force
    # The larger of norm and bound divides: weaker forces keep their size, and 0 is not divided by.
    norm = np.sqrt((force**2).sum(axis=-1, keepdims=True))
    return force * (max_force / np.maximum(norm, max_force))


def free_velocity(velocity: np.ndarray, force: np.ndarray, substeps: int) -> np.ndarray:
    """Return the velocity [B, 2] of a ball that touches nothing, after `substeps` steps of a constant force."""
    kept = (MASS / (MASS + TIMESTEP * DAMPING)) ** substeps
    return kept * velocity + (1 - kept) / DAMPING * force


def simulate(
    grid: Grid, codes: np.ndarray, position: np.ndarray, velocity: np.ndarray, force: np.ndarray, substeps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Step B mazes under constant forces. Every row is a function of its own inputs alone, bit for bit.

    Each step is one call into C for the whole batch, on the calling thread: safe under fork and spawn, and 3
    microseconds per row and step. The solver starts cold at every step, so that the state is all that there is.

    Args:
        grid: cells of the mazes.
        codes: [B] codes of the layouts.
        position: [B, 2] float64 qpos.
        velocity: [B, 2] float64 qvel.
        force: [B, 2] float64, newton.
        substeps: number of simulation steps.

    Returns:
        Position and velocity [B, 2] float64 afterwards.
    """
    if not len(codes):
        return position, velocity
    models = [model(grid, code) for code in codes.tolist()]
    # One for all: the models of all layouts have the same sizes.
    data = mujoco.MjData(models[0])
    control = np.ascontiguousarray(force)[:, None]
    for _ in range(substeps):
        # One step per call, since D4RL clips velocities before each.
        velocity = np.clip(velocity, -MAX_SPEED, MAX_SPEED)
        state = np.concatenate([np.zeros((len(codes), 1)), position, velocity], axis=1)  # time, qpos, qvel
        state = rollout.rollout(models, data, state, control, nstep=1)[0][:, 0]
        position, velocity = state[:, 1:3], state[:, 3:5]
    return position, velocity


def clearance(grid: Grid, codes: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the distance [M] of points [M, 2] from the nearest wall of their layouts [M]; 0 inside a wall."""
    walls = np.ones((len(codes), grid.width + 2, grid.height + 2), bool)
    walls[:, 1:-1, 1:-1] = grid.decode(codes) == 0
    middles = np.arange(max(walls.shape[1:])) + FIRST_MIDDLE - 1
    gap = np.maximum(np.abs(position[:, :, None] - middles) - 0.5, 0.0)
    square = gap[:, 0, : grid.width + 2, None] ** 2 + gap[:, 1, None, : grid.height + 2] ** 2
    return np.sqrt(np.where(walls, square, np.inf).min(axis=(1, 2)))


def cell_of(grid: Grid, position: np.ndarray) -> np.ndarray:
    """Return the number of the cell that holds positions [..., 2]; [...] int."""
    index = np.clip(np.floor(position - (FIRST_MIDDLE - 0.5)), 0, np.array(grid.shape) - 1).astype(np.int64)
    return index[..., 0] * grid.height + index[..., 1]


def middle_of(grid: Grid, cell: np.ndarray) -> np.ndarray:
    """Return the middle [..., 2] of the cells with numbers [...]."""
    return np.stack([cell // grid.height, cell % grid.height], axis=-1) + FIRST_MIDDLE
