"""Tasks of the maze: how far, in which layouts, in which strata; and parameters that no task or layout fulfils."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.sparse.csgraph import shortest_path

import vgbench.api as api
from vgbench_plugins.environments.maze import Maze

SIX = {"cells": 6, "open": (0.5, 0.75)}
STRATA = ("5-8 unseen", "9-13 unseen", "9-13 seen")


def make(**params):
    return Maze(Maze.Params(**params))


def distances(tasks):
    """Cells from start to goal along the shortest path, by scipy."""
    found = []
    for layout, start, goal in zip(
        tasks.start["layout"].numpy(), tasks.start["position"].numpy(), tasks.goal["position"].numpy(), strict=True
    ):
        cells = np.argwhere(layout)
        beside = np.abs(cells[:, None] - cells).sum(-1) == 1
        a, b = (int((cells == np.floor(p - 0.3).astype(int)).all(axis=1).argmax()) for p in (start, goal))
        found.append(shortest_path(beside.astype(float), unweighted=True)[a, b])
    return np.array(found)


def seen(tasks, data):
    known = {layout.tobytes() for layout in data.static["layout"]}
    return np.array([layout.numpy().tobytes() in known for layout in tasks.start["layout"]])


def edits(tasks, data):
    """Least number of cells in which each task's layout differs from one of the data's."""
    return [min((task.numpy() != layout).sum() for layout in data.static["layout"]) for task in tasks.start["layout"]]


@pytest.mark.parametrize("params", [{}, SIX, {"cells": (5, 6)}])
@pytest.mark.parametrize("where", [None, "unseen", "seen"])
def test_layouts_and_distances(params, where):
    env = make(**params, tasks=where, distance=(4, 5))
    data = env.collect(10, 2, 3)
    tasks = env.sample_tasks(60, 1, data)
    assert set(distances(tasks)) == {4, 5} and tasks.strata is None
    assert seen(tasks, data).all() if where == "seen" else not seen(tasks, data).any()
    assert env.check_tasks(tasks, data) == {"share_in_layouts_of_data": float(where == "seen")}
    fewer, other = env.sample_tasks(7, 1, data), env.sample_tasks(7, 2, data)
    for name in ("position", "layout"):
        assert torch.equal(fewer.goal[name], tasks.goal[name][:7])
    assert not torch.equal(fewer.start["position"], other.start["position"])


def test_the_default_distances_reach_from_three_cells_to_the_longest():
    env = make(**SIX)
    found = distances(env.sample_tasks(400, 0, env.collect(5, 2, 0)))
    assert found.min() == 3 and 10 <= found.max() <= 13


def test_unseen_layouts_of_large_mazes_are_all_different():
    env = make(**SIX, training_layouts=50)
    data = env.collect(50, 2, 0)
    tasks = env.sample_tasks(300, 0, data)
    assert len(torch.unique(tasks.start["layout"], dim=0)) == 300 and not seen(tasks, data).any()


def test_strata_are_disjoint_and_complete():
    env = make(**SIX, strata=STRATA)
    data = env.collect(10, 2, 0)
    tasks = env.sample_tasks(61, 0, data)
    assert tasks.strata == tuple(STRATA[n % 3] for n in range(61))
    far, inside = distances(tasks), seen(tasks, data)
    for name, steps, known in zip(tasks.strata, far, inside, strict=True):
        least, most = map(int, name.split()[0].split("-"))
        assert least <= steps <= most and known == name.endswith(" seen")
    fewer = env.sample_tasks(8, 0, data)
    assert torch.equal(fewer.start["position"], tasks.start["position"][:8]) and fewer.strata == tasks.strata[:8]
    assert env.check_tasks(tasks, data) == {"share_in_layouts_of_data": pytest.approx(20 / 61)}


@pytest.mark.parametrize("params", [{"training_layouts": 3}, SIX, {**SIX, "cells": 8}])
def test_out_of_distribution_tasks_are_in_strata_of_edit_distance(params):
    env = make(**params, tasks="ood")
    data = env.collect(10, 2, 0)
    tasks = env.sample_tasks(24, 0, data)
    assert not seen(tasks, data).any() and len(set(tasks.strata)) == 4
    for name, away in zip(tasks.strata, edits(tasks, data), strict=True):
        least, most = (int(name.split()[0].split("-")[end]) for end in (0, -1))
        assert name.endswith(" cells differ") and least <= away <= most
    bounds = [name.split()[0].split("-") for name in tasks.strata[:4]]
    assert bounds[0][0] == "1" and int(bounds[-1][-1]) == tasks.start["layout"][0].numel()
    assert all(int(low[-1]) + 1 == int(high[0]) for low, high in pairwise(bounds))
    assert (distances(tasks) >= 3).all()
    assert torch.equal(env.sample_tasks(5, 0, data).start["layout"], tasks.start["layout"][:5])
    for layout in tasks.start["layout"].numpy():
        cells = np.argwhere(layout)
        steps = shortest_path((np.abs(cells[:, None] - cells).sum(-1) == 1).astype(float), unweighted=True)
        least, most = params.get("open", (0.5, 0.6))
        assert least <= layout.mean() <= most and steps.max() <= {4: 7, 6: 13, 8: 19}[len(layout)]


def test_tasks_in_the_wrong_layouts_are_refused():
    """A layout of the data is refused where tasks are unseen, and the other way round; strata go task by task."""
    data = make(**SIX).collect(10, 2, 0)
    unseen, known = (make(**SIX, tasks=where).sample_tasks(4, 0, data) for where in ("unseen", "seen"))
    with pytest.raises(ValueError, match=r"4 of 4 tasks \(the first is task 0\) are in layouts that the data have"):
        make(**SIX).check_tasks(known, data)
    with pytest.raises(ValueError, match="are in layouts that the data do not have"):
        make(**SIX, tasks="seen").check_tasks(unseen, data)
    env = make(**SIX, strata=STRATA)
    tasks = env.sample_tasks(6, 0, data)
    wrong = api.Tasks(tasks.start, tasks.goal, tasks.strata[1:] + tasks.strata[:1])
    with pytest.raises(ValueError, match=r"2 of 6 tasks \(the first is task 2\) are in layouts that the data have"):
        env.check_tasks(wrong, data)


@pytest.mark.parametrize(
    "params, words",
    [
        ({"cells": 3}, "cells"),
        ({"cells": 17}, "cells"),
        ({"cells": (6, 2)}, r"cells\n.* must be a whole number of 4 to 16, or two as \[width, height\]; not \(6, 2\)"),
        ({"cells": "six"}, "must be a whole number of 4 to 16"),
        ({"cells": 6, "open": (0.7, 0.6)}, r"open=\[0.7, 0.6\]"),
        ({"cells": 6, "open": (0.51, 0.52)}, r"open=\[0.51, 0.52\] leaves no number of open cells, of 36"),
        ({"cells": 6, "open": (0.5, 1.5)}, "open="),
        ({"cells": 6, "longest": 4}, "longest=4 is below the longest path"),
        ({"longest": 2}, "longest=2 is below the longest path"),
        ({"cells": 6, "distance": (8, 4)}, r"distance=\[8, 4\]"),
        ({"distance": (1, 4)}, "distance="),
        ({"distance": (8, 9)}, "distance: no start and goal are 8 cells apart, 7 at most"),
        ({**SIX, "distance": (14, 20)}, "distance: no start and goal are 14 cells apart"),
        ({"map": "medium", "distance": (40, 50)}, "distance: no start and goal are 40 cells apart"),
        (
            {**SIX, "distance": (9, 40)},
            "no start and goal are 40 cells apart, 13 at most; expected a largest",
        ),
        ({"strata": ("5-8 unseen",)}, "strata: no start and goal are 8 cells apart, 7 at most"),
        ({**SIX, "strata": ("5-8 unseen", "14-15 seen")}, "strata: no start and goal are 14 cells apart"),
        ({**SIX, "strata": ("5 unseen",)}, "strata has '5 unseen'; expected LEAST-MOST unseen"),
        ({**SIX, "strata": ("5-8 new",)}, "strata has '5-8 new'"),
        ({**SIX, "strata": ("8-5 seen",)}, "strata has '8-5 seen'"),
        ({**SIX, "strata": ()}, "strata"),
        ({**SIX, "strata": ("3-6 seen", "6-9 seen")}, "'3-6 seen' and '6-9 seen', which overlap"),
        ({**SIX, "strata": STRATA, "tasks": "seen"}, "strata has '5-8 unseen', but tasks=seen"),
        ({**SIX, "strata": STRATA, "tasks": "ood"}, "but tasks=ood"),
        ({**SIX, "strata": STRATA, "distance": (3, 5)}, "distance is not used with strata"),
        ({"map": "large", "cells": 6}, r"cells=6 is not the size of map=large; expected \[10, 7\]"),
        ({"map": "large", "tasks": "unseen"}, "map=large has one layout"),
        ({"map": "large", "strata": ("3-6 unseen",)}, "map=large has one layout"),
        ({"map": "huge"}, "map"),
    ],
)
def test_bad_parameters_are_refused(params, words):
    with pytest.raises(ValidationError, match=words):
        Maze.Params(**params)


def test_what_the_data_leave_no_room_for_is_refused():
    env = make(training_layouts=3100, tasks="ood")
    with pytest.raises(ValueError, match="tasks=ood: no layout found in which 2 cells differ"):
        env.sample_tasks(4, 0, env.collect(3100, 2, 0))
    env = make(cells=(4, 5), open=(0.5, 0.5), longest=6, training_layouts=100_000)
    with pytest.raises(ValueError, match=r"no layout but \d+ found, .* smaller maze.training_layouts"):
        env.collect(100_000, 2, 0)
    data = make(**SIX, longest=9).collect(5, 2, 0)
    with pytest.raises(ValueError, match="no layouts of the data with start and goal 12 to 13 cells apart"):
        make(**SIX, tasks="seen", distance=(12, 13)).sample_tasks(3, 0, data)


@pytest.mark.parametrize("params", [{}, SIX])
def test_more_layouts_than_trajectories_are_refused(params):
    with pytest.raises(ValueError, match=r"maze\.training_layouts=8 expects at least 8 trajectories, not 7; lower it"):
        make(**params, training_layouts=8).collect(7, 2, 0)
    data = make(**params, training_layouts=8).collect(8, 2, 0)
    assert len(np.unique(data.static["layout"], axis=0)) == 8
    # At once, whatever the number; a map has one layout, and nobody has asked for the default of 5.
    with pytest.raises(ValueError, match="expects at least 1000000000 trajectories"):
        make(**SIX, training_layouts=10**9).check_size(10**6, 2)
    make(map="medium", training_layouts=8).check_size(1, 2)
    few = make(**params).collect(3, 2, 0)
    assert len(np.unique(few.static["layout"], axis=0)) == 3


@pytest.mark.parametrize(
    "params, words",
    [
        ({"training_layouts": 3100, "tasks": "ood"}, "tasks=ood: no layout found in which 2 cells differ"),
        ({"strata": ("7-7 seen",)}, "no layouts of the data with start and goal 7 to 7 cells apart"),
        ({**SIX, "strata": ("3-4 unseen", "13-13 seen"), "training_layouts": 1}, "no layouts of the data .* 13 to 13"),
        ({"tasks": "seen", "distance": (7, 7), "policy": "stitch"}, "no layouts of the data .* 7 to 7 cells apart"),
    ],
)
def test_groups_without_layouts_are_refused_before_anything_is_collected(params, words):
    env, told = make(**params), []
    with pytest.raises(ValueError, match=words):
        env.collect(3100, 2, 0, lambda done, total: told.append(done))
    assert not told  # no step was taken


def test_a_block_of_candidates_may_have_no_layout():
    """Blocks of a large maze are small: sometimes none of one keeps the rules, which was an error of numpy's."""
    env = make(cells=12, open=(0.5, 0.5), tasks="ood", training_layouts=1)
    with pytest.raises(ValueError, match="no layout found in which 19-36 cells differ from a training layout"):
        env.collect(1, 2, 0)


def test_one_way_to_write_a_square():
    assert Maze.Params(cells=(6, 6)).identity() == Maze.Params(cells=6).identity()
    assert Maze.Params(cells=(4, 4)).identity() == Maze.Params().identity()
    params = Maze.Params(map="giant")
    assert Maze.Params(**params.model_dump()) == params and Maze.Params(map="medium").cells == 6
