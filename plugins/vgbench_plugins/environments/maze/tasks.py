"""Tasks of the maze: in which layouts, how far from start to goal, and in which groups."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vgbench_plugins.environments.maze import generator
from vgbench_plugins.environments.maze.generator import Rules
from vgbench_plugins.environments.maze.physics import middle_of

MIN_STEPS = 3
"""Least distance between the cells of start and goal, steps along the shortest path (paper, appendix)."""
HALF_CENTRE = 0.25
"""Starts and goals of tasks lie in the central half of a cell (PLDM, diverse_maze/utils.py:190-222)."""
LAYOUTS = 2
"""Second number of the seeds of the streams from which layouts of large mazes are drawn."""
CHECK = 3
"""Second number of the seeds of the streams that are only looked at, before data are collected."""
TRIED = 20_000
"""Layouts that a group's next one is looked for in."""


@dataclass(frozen=True)
class Group:
    """Tasks of one kind.

    Attributes:
        name: of the stratum.
        seen: whether they are in layouts of the data.
        least: cells from start to goal along the shortest path, at least.
        most: at most.
        edits: least and most cells in which the layout differs from the training layout next to it; None: any.
    """

    name: str
    seen: bool
    least: int
    most: int
    edits: tuple[int, int] | None = None


def parse(strata: tuple[str, ...]) -> list[Group]:
    """Read strata, each "LEAST-MOST unseen" or "LEAST-MOST seen".

    Raises:
        ValueError: one is malformed, or two overlap; the message says which, and what was expected.
    """
    groups: list[Group] = []
    for text in strata:
        match = re.fullmatch(r"([0-9]{1,4})-([0-9]{1,4}) (unseen|seen)", text)
        if not match:
            raise ValueError(f"strata has {text!r}; expected LEAST-MOST unseen, or LEAST-MOST seen, as in '5-8 unseen'")
        least, most, where = int(match[1]), int(match[2]), match[3]
        check_range(f"strata has {text!r}: ", least, most)
        for other in groups:
            if other.seen == (where == "seen") and least <= other.most and other.least <= most:
                raise ValueError(f"strata has {other.name!r} and {text!r}, which overlap; expected disjoint groups")
        groups.append(Group(text, where == "seen", least, most))
    return groups


def check_range(where: str, least: int, most: int) -> None:
    """Refuse a distance that is upside down, or so short that a task could be solved at its start."""
    if not 2 <= least <= most:
        raise ValueError(f"{where}{least} to {most} cells; expected at least 2 first, and no less after it")


def edit_groups(cells: int, least: int, most: int) -> list[Group]:
    """Groups of tasks=ood: up to 1/16, 1/8, 1/4 of the cells differ, or more."""
    bounds, groups, low = [max(cells // part, n + 1) for n, part in enumerate((16, 8, 4))] + [cells], [], 1
    for high in bounds:
        name = f"{low}-{high}" if low < high else f"{low}"
        groups.append(Group(f"{name} cells differ", False, least, most, (low, high)))
        low = high + 1
    return groups


def sample(
    seed: int, count: int, rules: Rules, groups: list[Group], seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample tasks; task i is of group i modulo their number.

    Args:
        seed: each task takes the next numbers of its stream, so the first tasks do not depend on `count`.
        count: number of tasks B.
        rules: what layouts must be.
        groups: at least one.
        seen: codes of the data's layouts; their mirror images and rotations count as unseen.

    Returns:
        Layout codes [B], start positions [B, 2] and goal positions [B, 2].

    Raises:
        ValueError: no layout fits a group.
    """
    rng, seen, grid = np.random.default_rng(seed), np.unique(seen), rules.grid
    pools = [_layouts(rng, [seed, LAYOUTS, n], rules, group, seen) for n, group in enumerate(groups)]
    codes, cells, offsets = [], [], []
    for n in range(count):
        group = groups[n % len(groups)]
        codes.append(next(pools[n % len(groups)]))
        steps = grid.distances(int(codes[-1]))
        pairs = np.argwhere((steps >= group.least) & (steps <= group.most))
        cells.append(pairs[rng.integers(len(pairs))])
        offsets.append(rng.uniform(-HALF_CENTRE, HALF_CENTRE, (2, 2)))
    points = middle_of(grid, np.array(cells, np.int64).reshape(count, 2)) + np.array(offsets).reshape(count, 2, 2)
    return np.array(codes, np.int64), points[:, 0], points[:, 1]


def check(seed: int, rules: Rules, groups: list[Group], seen: np.ndarray) -> None:
    """Refuse data in layouts `seen` beside which a group has no tasks.

    Of layouts that are drawn, as many are tried as for tasks, but others: what is rare may be found here or there only.

    Raises:
        ValueError: no layout fits a group.
    """
    for n, group in enumerate(groups):
        next(_layouts(np.random.default_rng([seed, CHECK, n]), [seed, LAYOUTS, n], rules, group, np.unique(seen)))


def _layouts(rng: np.random.Generator, seed: list[int], rules: Rules, group: Group, seen: np.ndarray) -> Iterator[int]:
    """Codes of a group's layouts, one for each of its tasks, without end.

    Those of a list are drawn from it, with repetition, by the stream of all else; others, all different, by their own.
    """
    grid = rules.grid
    if not (group.seen or rules.listed):
        yield from _drawn(np.random.default_rng(seed), rules, group, seen)
        return
    codes = seen[generator.longest_of(grid, seen) >= group.least] if group.seen else _unseen(rules, group.least, seen)
    if group.edits:
        low, high = group.edits
        away = _edits(grid.decode(codes), grid.decode(seen))
        codes = codes[(away >= low) & (away <= high)]
    if not len(codes):
        raise ValueError(_nothing(group))
    while True:
        yield int(rng.choice(codes))


def _unseen(rules: Rules, least: int, seen: np.ndarray) -> np.ndarray:
    """Codes of the list, without those of the data, in which there are tasks at a distance of at least `least`."""
    every = generator.all_codes(rules)
    found: np.ndarray = every[(generator.all_longest(rules) >= least) & ~np.isin(every, seen)]
    return found


def _drawn(rng: np.random.Generator, rules: Rules, group: Group, seen: np.ndarray) -> Iterator[int]:
    """Different layouts beside those of the data, in which there are tasks of a group."""
    grid, taken = rules.grid, set(seen.tolist())
    training = grid.decode(seen)
    near = group.edits is not None and group.edits[1] < grid.cells
    tried, blocks = 0, _edited(rng, rules, group.edits, training) if near and group.edits else rules.blocks(rng)
    for layouts in blocks:
        tried += rules.block
        good = grid.longest(layouts) >= group.least if len(layouts) else np.zeros(0, bool)
        if group.edits:
            away = _edits(layouts, training)
            good &= (away >= group.edits[0]) & (away <= group.edits[1])
        for code in grid.encode(layouts[good]).tolist() if good.any() else ():
            if code not in taken:
                taken.add(code)
                tried = 0
                yield code
        if tried >= TRIED:
            raise ValueError(_nothing(group))


def _edited(
    rng: np.random.Generator, rules: Rules, edits: tuple[int, int], training: np.ndarray
) -> Iterator[np.ndarray]:
    """Layouts that keep the rules, made by opening or closing some cells of training layouts; block by block."""
    cells = rules.grid.cells
    while True:
        layouts = training[rng.integers(len(training), size=rules.block)].reshape(-1, cells) != 0
        number = rng.integers(edits[0], edits[1] + 1, rules.block)
        rank = rng.random(layouts.shape).argsort(axis=1).argsort(axis=1)
        layouts = (layouts ^ (rank < number[:, None])).reshape(-1, *rules.grid.shape)
        yield layouts[rules.allow(layouts)]


def _edits(layouts: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Number of cells [L] in which layouts differ from the training layout that is most like them."""
    # Not -1 for the cells: a block of candidates may have no layout that keeps the rules.
    one, other = (x.reshape(len(x), math.prod(x.shape[1:])).astype(np.int64) for x in (layouts != 0, training != 0))
    # |a - b| of zeros and ones: a + b - 2 a b.
    found = one.sum(axis=1)[:, None] + other.sum(axis=1) - 2 * one @ other.T
    return np.asarray(found.min(axis=1))


def _nothing(group: Group) -> str:
    """Say that a group has no layouts."""
    if group.edits:
        return (
            f"maze: tasks=ood: no layout found in which {group.name} from a training layout; expected fewer or other "
            "maze.training_layouts, or a wider maze.open"
        )
    where = "layouts of the data" if group.seen else "layouts that the data do not have"
    return (
        f"maze: no {where} with start and goal {group.least} to {group.most} cells apart; expected a smaller "
        "maze.distance (or maze.strata), or other maze.training_layouts"
    )


def allowed(groups: list[Group], strata: tuple[str, ...] | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Tell which tasks [count] may be in layouts of the data, and which may be in others; [count] bool each.

    A task whose stratum is among the groups goes by it; others may be wherever some group is.
    """
    kinds = {group.name: group.seen for group in groups}
    some = {group.seen for group in groups}
    of = [kinds.get(name) for name in (strata or [""] * count)]
    inside = np.array([True in some if seen is None else seen for seen in of], bool)
    outside = np.array([False in some if seen is None else not seen for seen in of], bool)
    return inside, outside
