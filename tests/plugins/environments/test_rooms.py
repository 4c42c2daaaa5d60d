"""Rooms: one-way doors against moves looked at point by point, and ways against a search on a fine lattice."""

import numpy as np
import pytest
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from vgbench_plugins.environments.rooms import Rooms

LAYOUTS = {
    "turnstile": (32.0, 18.0, 46.0),
    "ring": (32.0, 32.0, 18.0, 46.0, 18.0, 46.0),
    "one_door": (32.0, 15.0),
}
"""The fixed layouts."""
WALLS = {
    "turnstile": [(0, 32, (18, 46))],
    "ring": [(0, 32, (18, 46)), (1, 32, (18, 46))],
    "one_door": [(0, 32, (15,))],
}
"""Their walls, written out: axis, line and the middles of the openings."""
DOORS = {
    "turnstile": [(0, 32, 18, 1), (0, 32, 46, -1)],
    "ring": [(0, 32, 18, 1), (0, 32, 46, -1), (1, 32, 18, -1), (1, 32, 46, 1)],
}
"""Their doors, written out: axis, line, middle of the opening and direction (clockwise, with y downwards)."""
WORLDS = [(layout, doors) for layout in DOORS for doors in ("one_way", "two_way")] + [("one_door", "two_way")]


def make(layout="turnstile", **params):
    return Rooms(Rooms.Params(layout=layout, **params))


def states(layout, points):
    place = torch.tensor([LAYOUTS[layout]])
    points = torch.as_tensor(np.asarray(points, np.float32)).reshape(-1, 2)
    return {"position": points, "layout": place.expand(len(points), place.shape[1])}


def solid(layout, p):
    """Whether points [..., 2] are inside of a solid of the fixed layout, by more than rounding."""
    inside = ((p < 4 - 1e-9) | (p > 59 + 1e-9)).any(axis=-1)
    for axis, line, middles in WALLS[layout]:
        opening = np.min([np.abs(p[..., 1 - axis] - middle) for middle in middles], axis=0) <= 4 + 1e-9
        inside |= (np.abs(p[..., axis] - line) < 1 - 1e-9) & ~opening
    return inside


def against(layout, way):
    """Whether ways [T, N, 2], given point by point, ever go from the far side of a door to the near side in it, [N]."""
    found = np.zeros(way.shape[1], bool)
    for axis, line, middle, sign in DOORS[layout]:
        far = sign * (way[..., axis] - line) >= 0
        within = np.abs(way[..., 1 - axis] - middle) < 5
        found |= (far[:-1] & ~far[1:] & within[:-1]).any(axis=0)
    return found


@pytest.mark.parametrize("layout", DOORS)
def test_no_move_of_any_length_passes_a_door_against_its_direction(layout):
    rng, count = np.random.default_rng(0), 100_000
    one, two = (make(layout, doors=doors, max_step=64.0) for doors in ("one_way", "two_way"))
    start = rng.uniform(4.01, 58.99, (count, 2)).astype(np.float32)
    # Half of them start within or right beside a door, a tenth of all exactly on its line.
    axis, line, middle, _ = np.array(DOORS[layout])[rng.integers(0, len(DOORS[layout]), count)].T
    row, near, on = np.arange(count), rng.random(count) < 0.5, rng.random(count) < 0.2
    across = line + np.where(on, 0, rng.uniform(-2, 2, count))
    along = middle + rng.uniform(-3.99, 3.99, count)
    start[row[near], axis[near]], start[row[near], 1 - axis[near]] = across[near], along[near]
    free = ~solid(layout, start)
    start = start[free]
    angle, size = rng.uniform(0, 2 * np.pi, len(start)), 10 ** rng.uniform(-3, 1.8, len(start))
    # Some along an axis: along the line of a door, or straight through it.
    angle = np.where(rng.random(len(start)) < 0.2, np.pi / 2 * rng.integers(0, 4, len(start)), angle)
    action = np.stack([size * np.cos(angle), size * np.sin(angle)], axis=-1).astype(np.float32)
    action[np.abs(action) < 1e-5] = 0
    here = states(layout, start)
    after, twin = (env.step(here, torch.from_numpy(action))["position"].numpy() for env in (one, two))
    time, total = np.linspace(0, 1, 400)[:, None, None], 0
    for rows in np.array_split(np.arange(len(start)), 40):
        before = start[rows].astype(np.float64)
        way, twin_way = (before + time * (end[rows] - before) for end in (after, twin))
        assert not solid(layout, way).any() and not solid(layout, twin_way).any()
        assert not against(layout, way).any()
        # What the twin does is the same, unless the move is against a direction: and that happens.
        closed = against(layout, twin_way)
        assert (after[rows] == np.where(closed[:, None], start[rows], twin[rows])).all()
        total += closed.sum()
    assert total > 1000


def test_the_line_belongs_to_the_far_side():
    """Upper door of column 32, which leads to the right: on the line one is through, and stays on the right."""
    env = make(max_step=64.0)
    moves = [
        ((31, 18), (1, 0), True),  # onto the line
        ((32, 18), (-0.5, 0), False),  # and back
        ((32, 18), (0, 3), True),  # along it
        ((32, 18), (0, 5), False),  # along it into the wall
        ((33, 18), (-1, 0), True),  # to the line from the far side: no passage
        ((33, 18), (-1.01, 0), False),
        ((40, 18), (-20, 0), False),  # however long
        ((20, 18), (20, 0), True),
        ((31.9, 18), (-3, 0), True),  # in the door, but not through
        ((40, 46), (-20, 0), True),  # the lower door leads to the left
        ((20, 46), (20, 0), False),
        ((32, 46), (0.5, 0), False),
        ((32, 46), (-0.5, 0), True),
    ]
    here = states("turnstile", [m[0] for m in moves])
    after = env.step(here, torch.tensor([m[1] for m in moves], dtype=torch.float32))["position"]
    moved = (after != here["position"]).any(dim=1)
    assert moved.tolist() == [m[2] for m in moves]


@pytest.mark.parametrize("layout", DOORS)
def test_the_picture_tells_the_direction(layout):
    middle = states(layout, [[10, 10]])
    one, two = (make(layout, doors=doors).observe(middle)["image"][0].numpy() for doors in ("one_way", "two_way"))
    assert (one[:2] == two[:2]).all() and one[0, 10, 10] == 255
    expected = np.zeros((2, 64, 64), np.uint8)
    for axis, line, centre, sign in DOORS[layout]:
        opening = slice(centre - 4, centre + 5)
        for direction in (1, -1):
            beyond = slice(line + 2, line + 5) if direction > 0 else slice(line - 4, line - 1)
            index = (opening, beyond) if axis == 0 else (beyond, opening)
            expected[1][index] = 255
            if direction == sign:
                expected[0][index] = 255
    assert (one[2] == expected[0]).all() and (two[2] == expected[1]).all()
    for p in [(31, 10), (33, 32), (32, 23), (4, 20), (20, 59)]:
        assert one[1, p[1], p[0]] == 255, p
    for p in [(32, 18), (31, 14), (33, 50), (30, 10), (3, 3), (18, 32), (14, 31)]:
        assert one[1, p[1], p[0]] == 0, p
    assert (one[1, 32, 10], one[1, 31, 30]) == ((255, 255) if layout == "ring" else (0, 0))


def lattice_lengths(layout, doors, sources):
    """Lengths of shortest ways from points of a lattice of .5 px to all others [S, G], and these [G, 2].

    Dijkstra along moves of up to 6 points each way, each looked at point by point. Points on faces and corners of walls
    may be used: that is the limit. Directions are at most 4.8 degrees off one of the moves, so ways are .35 % too long.
    """
    axis = np.arange(4.5, 59, 0.5)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    n, rows, columns, values = len(axis), [], [], []
    index = np.arange(n * n).reshape(n, n)
    for i in range(-6, 7):
        for j in range(-6, 7):
            if np.gcd(i, j) != 1:
                continue
            a = index[max(0, -i) : n - max(0, i), max(0, -j) : n - max(0, j)].ravel()
            b = a + i * n + j
            way = points[a] + np.linspace(0, 1, 40)[:, None, None] * (points[b] - points[a])
            bad = solid(layout, way).any(axis=0)
            if doors == "one_way":
                bad |= against(layout, way)
            rows.append(a[~bad]), columns.append(b[~bad])
            values.append(np.full((~bad).sum(), 0.5 * np.hypot(i, j)))
    graph = coo_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(n * n, n * n))
    start = [int(np.abs(points - s).sum(axis=1).argmin()) for s in sources]
    return [dijkstra(g.tocsr(), indices=start) for g in (graph, graph.T)], points, start


@pytest.mark.parametrize("layout, doors", [*WORLDS[:3], WORLDS[-1]])
def test_cost_to_go_is_dijkstra_on_a_fine_lattice_in_both_directions(layout, doors):
    env = make(layout, doors=doors, step="small")
    # In a room, beside the wall, in the doors on both sides and on the line.
    middles = WALLS[layout][0][2]
    first, last = middles[0], middles[-1]
    sources = [(10, 50), (33.5, 40), (31.5, first + 1), (32, first - 1), (31.5, last - 2)]
    both, points, start = lattice_lengths(layout, doors, sources)
    moved = points + 0.01 * np.array([(1, 1), (-1, -1), (1, -1), (-1, 1)])[:, None]
    near_face = solid(layout, moved).any(axis=0)
    free = np.flatnonzero(~near_face)
    every = states(layout, points[free])
    for to, lengths in enumerate(both):
        for row, source in zip(lengths, start, strict=True):
            one = states(layout, np.repeat(points[source][None], len(free), axis=0))
            found = env.cost_to_go(*((every, one) if to else (one, every))).numpy() * 1.84
            assert np.isfinite(row[free]).all() and np.isfinite(found).all()
            # A move between two of its 40 points may cut a corner by a hair.
            assert (found <= row[free] + 0.02).all()
            assert (found >= row[free] / 1.0036 - 0.02).all()


def test_cost_to_go_by_hand():
    """From the right to the left beside the upper door: down to the lower one, through, and up again."""
    one, two = (make(doors=doors, max_step=4.0) for doors in ("one_way", "two_way"))
    right, left = states("turnstile", [[36, 18]]), states("turnstile", [[28, 18]])
    around = 2 * np.hypot(3, 24) + 2
    assert float(one.cost_to_go(right, left)) == pytest.approx(around / 4, abs=2e-3)
    assert float(one.cost_to_go(left, right)) == pytest.approx(2, abs=1e-6)
    assert float(two.cost_to_go(right, left)) == float(two.cost_to_go(left, right)) == pytest.approx(2, abs=1e-6)
    assert one.pair_labels(right, left).tolist() == two.pair_labels(right, left).tolist() == [2]
    assert one.pair_labels(left, right).tolist() == [1] and one.pair_labels(left, left).tolist() == [0]


@pytest.mark.parametrize("layout, doors", WORLDS)
def test_the_expert_solves_all_tasks_in_hardly_more_than_the_least_steps(layout, doors):
    env = make(layout, doors=doors)
    for seed in range(3):
        tasks = env.sample_tasks(100, seed, env.collect(4, 33, seed))
        least = torch.ceil(env.cost_to_go(tasks.start, tasks.goal) - 2**0.5 / env.spec.actions.radius - 0.01)
        state, needed = tasks.start, torch.full((100,), -1)
        for step in range(1, 65):
            state = env.step(state, env.expert(state, tasks.goal))
            needed[env.success(state, tasks.goal) & (needed < 0)] = step
        assert (needed > 0).all() and (needed >= least).all()
        assert needed.sum() <= 1.05 * least.sum()


def test_the_expert_copes_with_noise():
    env = make("ring", noise=1.0)
    tasks = env.sample_tasks(100, 0, env.collect(4, 33, 0))
    state, generator, reached = tasks.start, torch.Generator().manual_seed(0), torch.zeros(100, dtype=torch.bool)
    for _ in range(128):
        state = env.step(state, env.expert(state, tasks.goal), torch.randn(100, 2, generator=generator))
        reached |= env.success(state, tasks.goal)
    assert reached.float().mean() >= 0.99


@pytest.mark.parametrize("layout, doors", WORLDS)
def test_conforms(layout, doors, vgbench_cli):
    told = vgbench_cli(
        *("check", "environment", "rooms", "--set", f"rooms.layout={layout}", "--set", f"rooms.doors={doors}"),
        *("--set", "rooms.noise=0.5"),
    )
    assert told.exit_code == 0, told.stdout
