"""Lengths of shortest ways of the ball in the maze: around the rounded corners that its radius makes of the walls'.

The ball's centre keeps `RADIUS` from the walls, so a shortest way is straight but for arcs around outward corners. Each
arc is replaced by the chords between `POINTS` of its points, which makes a visibility graph: lengths are below the true
ones, by at most 0.0012 cells for each corner turned.
"""

from functools import lru_cache
from itertools import product

import numpy as np

from vgbench_plugins.environments.maze.layouts import Grid
from vgbench_plugins.environments.maze.physics import FIRST_MIDDLE, RADIUS, clearance

POINTS = 5
"""Points on the quarter circle around a corner."""


Axes = list[np.ndarray]
"""Numbers along the two axes, apart."""


def chord_distance(radius: float) -> float:
    """Return what the chords of arcs of a radius keep from the corner, cells. Straight parts need no more."""
    # Less 1e-9, so that rounding does not make a chord touch the corner it goes around.
    return float(radius * np.cos(np.pi / 4 / (POINTS - 1)) - 1e-9)


KEPT = chord_distance(RADIUS)
"""Distance that the chords of shortest ways keep from the corner, cells: 0.002 less than the radius."""
FEW = 2**13
"""Lines times walls that are not worth a first look."""
SHARES = tuple(odd / whole for whole in (2, 4, 8, 16, 32) for odd in range(1, whole, 2))
"""Shares of a line at which the first look is taken."""
FEW_BENDS = 32
"""Bends, up to which the shortest ways between them are found without SciPy; mazes of 4 x 4 cells have about 15."""
LINES = 2**19
"""Lines times walls that are looked at together, to bound the memory."""


def lengths(grid: Grid, codes: np.ndarray, start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Return the lengths [B] of the shortest ways, cells.

    Args:
        grid: cells of the mazes.
        codes: [B], layouts.
        start: [B, 2], positions of the ball's centre; one that presses into a wall (contacts are soft) counts as free.
        goal: [B, 2], likewise.

    Returns:
        [B] float64; infinite where there is no way, as from within a wall.
    """
    result = np.empty(len(codes))
    # An end that presses into a wall keeps less: it must not block its own way.
    kept = np.minimum(KEPT, np.minimum(clearance(grid, codes, start), clearance(grid, codes, goal)) - 1e-9)
    for code in np.unique(codes).tolist():
        rows = np.flatnonzero(codes == code)
        each = (len(graph(grid, code)[0]) + 1) * (len(walls_of(grid, code)) + 1)
        for part in np.array_split(rows, -(-len(rows) * each // LINES)):
            result[part] = _between(grid, code, start[part], goal[part], kept[part])
    return np.where(kept > 0, result, np.inf)


def _between(grid: Grid, code: int, start: np.ndarray, goal: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Lengths [n] of the ways in one layout, which keep the distances `kept` [n] from the walls."""
    bends, between = graph(grid, code)
    walls = walls_of(grid, code)
    straight = np.linalg.norm(goal - start, axis=-1)
    best = np.where(visible(start, goal[:, None], walls, kept)[:, 0], straight, np.inf)
    if len(bends):
        ends = []
        for point in (start, goal):
            seen = visible(point, np.broadcast_to(bends, (len(point), *bends.shape)), walls, kept)
            ends.append(np.where(seen, np.linalg.norm(point[:, None] - bends, axis=-1), np.inf))
        first, last = ends
        # To the last bend by the best first one.
        there = np.stack([(first + between[:, v]).min(axis=1) for v in range(len(bends))], axis=1)
        best = np.minimum(best, (there + last).min(axis=1))
    return best


@lru_cache(maxsize=4096)
def graph(grid: Grid, code: int, radius: float = RADIUS) -> tuple[np.ndarray, np.ndarray]:
    """Points [V, 2] at which the ways of a layout turn, and the lengths [V, V] of the shortest ways between them.

    Ways keep `radius` from the walls.
    """
    bends = _bends(grid.decode(code) != 0, radius)
    if not len(bends):
        return bends, np.zeros((0, 0))
    walls, kept = walls_of(grid, code), chord_distance(radius)
    parts = np.array_split(bends, -(-(len(bends) ** 2) * len(walls) // LINES))
    seen = np.concatenate(
        [visible(p, np.broadcast_to(bends, (len(p), *bends.shape)), walls, np.full(len(p), kept)) for p in parts]
    )
    return bends, _shortest(np.where(seen | seen.T, np.linalg.norm(bends[:, None] - bends, axis=-1), np.inf))


def _shortest(edges: np.ndarray) -> np.ndarray:
    """Lengths [V, V] of the shortest ways along edges [V, V] (infinite: none), summed from each way's start on."""
    if len(edges) > FEW_BENDS:
        # Here, not above: to import it takes longer than many an evaluation.
        from scipy.sparse.csgraph import dijkstra

        # In a dense graph 0 means that there is no edge.
        found: np.ndarray = dijkstra(np.where(np.isfinite(edges), edges, 0.0), directed=False)
        return found
    # Bellman and Ford's way, over all starts at once, which gives the same sums to the last bit.
    found = edges.copy()
    np.fill_diagonal(found, 0.0)
    while True:
        before = found.copy()
        for middle in range(len(found)):
            np.minimum(found, found[:, middle, None] + edges[middle], out=found)
        if np.array_equal(found, before):
            return found


def _bends(is_open: np.ndarray, radius: float) -> np.ndarray:
    """Points [V, 2] on the arcs around the outward corners: those where one cell of four is closed."""
    found = []
    angles = np.linspace(0, np.pi / 2, POINTS)
    arc = radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    for i in range(1, is_open.shape[0]):
        for j in range(1, is_open.shape[1]):
            closed = np.argwhere(~is_open[i - 1 : i + 1, j - 1 : j + 1])
            if len(closed) == 1:
                away = 1 - 2 * closed[0]  # from the closed cell's side to the other, along both axes
                found.append(np.array([i, j]) + FIRST_MIDDLE - 0.5 + arc * away)
    return np.concatenate(found) if found else np.zeros((0, 2))


@lru_cache(maxsize=4096)
def walls_of(grid: Grid, code: int) -> np.ndarray:
    """Return the middles [W, 2] of the closed cells. The ring around them cannot stand between two points within it."""
    return np.argwhere(grid.decode(code) == 0) + FIRST_MIDDLE


def visible(point: np.ndarray, others: np.ndarray, walls: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Tell whether the segments from points to others keep their distance from all walls; [n, m] bool.

    Args:
        point: [n, 2].
        others: [n, m, 2].
        walls: [W, 2], middles of unit squares.
        kept: [n], distance to be kept: a segment must not enter the squares with corners rounded by it.
    """
    if others[..., 0].size * len(walls) < FEW:
        return ~_blocked(point, others, walls, kept)
    # Most lines run through the inside of a wall: a look at some of their points spares them the exact test.
    rows, columns = np.nonzero(np.ones(others.shape[:2], bool))
    is_wall = np.zeros((walls - FIRST_MIDDLE).round().astype(int).max(axis=0) + 3, bool)
    is_wall[tuple((walls - FIRST_MIDDLE).round().astype(int).T + 1)] = True
    starts = [point[rows, axis] for axis in (0, 1)]
    moves = [others[rows, columns, axis] - starts[axis] for axis in (0, 1)]
    for share in SHARES:
        deep, cells = np.ones(len(rows), bool), []
        for axis in (0, 1):
            place = starts[axis] + share * moves[axis] - (FIRST_MIDDLE - 0.5)
            cell = np.floor(place)
            deep &= np.abs(place - cell - 0.5) < 0.5 - 1e-6
            cells.append(np.minimum(np.maximum(cell.astype(int) + 1, 0), is_wall.shape[axis] - 1))
        left = ~(deep & is_wall[tuple(cells)])
        rows, columns = rows[left], columns[left]
        starts, moves = [one[left] for one in starts], [one[left] for one in moves]
    found = np.zeros(others.shape[:2], bool)
    for part in np.array_split(np.arange(len(rows)), len(rows) * len(walls) // LINES + 1):
        r, c = rows[part], columns[part]
        found[r, c] = ~_blocked(point[r], others[r, c][:, None], walls, kept[r])[:, 0]
    return found


def _blocked(point: np.ndarray, others: np.ndarray, walls: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Tell which segments do not keep their distance from all walls; arguments as for `visible`, [n, m] bool."""
    blocked = np.zeros(others.shape[:2], bool)
    # Axis by axis: sums, minima and maxima over an axis of two are slow in NumPy.
    p = [point[:, None, None, axis] for axis in (0, 1)]
    move = [(others[..., axis] - point[:, None, axis])[:, :, None] for axis in (0, 1)]
    radius = kept[:, None, None]
    for along in (0, 1):
        half = [0.5 + radius if axis == along else 0.5 for axis in (0, 1)]
        boxes = [(walls[:, axis] - half[axis], walls[:, axis] + half[axis]) for axis in (0, 1)]
        blocked |= _enters(p, move, boxes).any(axis=-1)
    # A segment of no length has 0 / 1e-300, not 0 / 0.
    square = np.maximum(move[0] ** 2 + move[1] ** 2, 1e-300)
    for corner in product((-0.5, 0.5), repeat=2):
        x, y = (walls[:, axis] + corner[axis] - p[axis] for axis in (0, 1))
        share = np.clip((x * move[0] + y * move[1]) / square, 0, 1)
        blocked |= ((x - share * move[0]) ** 2 + (y - share * move[1]) ** 2 < radius**2).any(axis=-1)
    return blocked


def _enters(point: Axes, move: Axes, boxes: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Whether segments from points [n, 1, 1] by moves [n, m, 1] enter open boxes, low and high [n, 1, W]; [n, m, W]."""
    entered, left = np.array(0.0), np.array(1.0)
    for start, step, (low, high) in zip(point, move, boxes, strict=True):
        still = step == 0
        # Any number but 0 will do: where nothing moves, `inside` decides below.
        pace = np.where(still, 1.0, step)
        to_low, to_high = (low - start) / pace, (high - start) / pace
        enter, leave = np.minimum(to_low, to_high), np.maximum(to_low, to_high)
        if still.any():
            inside = (low < start) & (start < high)
            enter = np.where(still, np.where(inside, -np.inf, np.inf), enter)
            leave = np.where(still, np.where(inside, np.inf, -np.inf), leave)
        entered, left = np.maximum(entered, enter), np.minimum(left, leave)
    # Boxes are open: to touch one, or to run along its side, is no entry, rounding included.
    result: np.ndarray = entered < left - 1e-12
    return result
