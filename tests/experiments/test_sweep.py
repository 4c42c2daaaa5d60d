"""`vgbench sweep`, and training that cells share."""

import csv
import dataclasses
import json
from pathlib import Path

import pytest

from vgbench.api import Params
from vgbench.config.catalogue import read
from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.resolve import RunRequest, resolve
from vgbench.errors import UsageError
from vgbench.experiments.budget import rows as budget
from vgbench.experiments.sweep import of_grid, of_registry, read_grid
from vgbench.experiments.sweep_results import areas
from vgbench.reports.plots.sweep import plot, plot_budget
from vgbench.statistics import wilson
from vgbench.storage.episode_rows import Episodes
from vgbench.storage.records import RunRecord
from vgbench.training.stage_cache import stages

TINY = [  # of scale smoke, which is small already
    "data.trajectories=8",
    "train.steps=12",
    "train_predictor.steps=3",
    "evaluation.tasks=2",
    "mpc.max_steps=8",
    "mpc.block_rows=64",
    "strided.stem=4",
    "strided.channels=4",
    "mlp.hidden=[16]",
    "model.latent_dim=16",
]
SETS = [part for value in TINY for part in ("--set", value)]
SMALL = ["--scale", "smoke", "--device", "cpu", *SETS]
SWEEP = ["sweep", "--protocol", "wall_small", *SMALL, "--out", "out"]


@pytest.fixture
def vgbench(tmp_path, tmp_path_factory, vgbench_start):
    """Run `vgbench` in an empty folder."""
    cache = tmp_path_factory.getbasetemp() / "cache"

    def run(*arguments, code=0):
        process = vgbench_start(*arguments, cwd=tmp_path, VGBENCH_CACHE=str(cache))
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, err
        return out, err

    return run


def load(path):
    return json.loads(Path(path).read_text())


def shared(folder):
    return {stage for stage, times in load(folder / "run.json")["stages"].items() if times.get("shared")}


def test_a_grid_of_the_planner_trains_once_with_the_same_rows_as_alone(vgbench, tmp_path):
    out, _ = vgbench(*SWEEP, "--recipe", "vf", "--grid", "mppi.samples=8,16", "--grid", "mppi.horizon=4,6")
    folders = [tmp_path / "out" / f"vf-mppi.horizon={h}-mppi.samples={s}" / "s0" for s in (8, 16) for h in (4, 6)]
    trained = [folder for folder in folders if not shared(folder)]
    assert len(trained) == 1
    assert all(shared(folder) == {"encoder", "predictor"} for folder in folders if folder not in trained)
    original = load(trained[0] / "run.json")
    for folder in folders:
        run = load(folder / "run.json")
        assert (folder / "train.jsonl").read_text() == (trained[0] / "train.jsonl").read_text()
        if folder not in trained:
            assert run["stages"]["encoder"]["trained_by"] == original["key"]
            assert run["stages"]["encoder"]["seconds"] == original["stages"]["encoder"]["seconds"]
            assert "encoder: done" not in (folder / "log.txt").read_text()  # the logger saw no such stage
    assert "encoder: done" in (trained[0] / "log.txt").read_text()

    last = next(folder for folder in folders if folder not in trained)
    config = last / "config.yaml"
    vgbench("run", "--config", config, "--out", "alone")
    for name in ("episodes.jsonl", "baseline-random.jsonl", "train.jsonl"):
        assert (last / name).read_text() == (tmp_path / "alone" / name).read_text()
    assert not shared(tmp_path / "alone")

    assert out.splitlines()[-3:] == ["out/sweep.png", "out/budget.png", "out"]
    # One seed: the areas have intervals, and it says of whom.
    [*areas_found] = load(tmp_path / "out" / "sweep.json")["areas"]
    assert len(areas_found) == 2 and all(a["ci95"][0] <= a["area"] <= a["ci95"][1] for a in areas_found)
    assert "for these checkpoints only, on tasks like these" in " ".join(out.split())
    with (tmp_path / "out" / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(r["curve"], r["value"]) for r in rows} == {
        (f"vf, mppi.horizon={h}", str(s)) for s in (8, 16) for h in (4, 6)
    }
    assert (tmp_path / "out" / "sweep.png").read_bytes().startswith(b"\x89PNG")
    points = load(tmp_path / "out" / "sweep.json")["points"]
    for point in points:
        result = load(tmp_path / "out" / point["folder"] / "s0" / "result.json")
        assert (point["successes"], point["n"], point["ci95"]) == (result["successes"], result["n"], result["ci95"])


def test_planners_as_an_axis_train_once_and_are_compared_by_their_budget(vgbench, tmp_path):
    grids = ["planner=mppi,icem,random", "mppi.samples=8,16", "icem.samples=8"]
    command = [*SWEEP, "--recipe", "vf", *(part for grid in grids for part in ("--grid", grid)), "--format", "json"]
    answer = json.loads(vgbench(*command)[0])
    names = ["mppi.samples=8-planner=mppi", "mppi.samples=16-planner=mppi", "icem.samples=8-planner=icem"]
    folders = [tmp_path / "out" / f"vf-{name}" / "s0" for name in (*names, "planner=random")]
    assert [tmp_path / cell["folder"] for cell in answer["runs"]] == folders
    assert sorted(len(shared(folder)) for folder in folders) == [0, 2, 2, 2]  # one trained encoder and predictor
    assert len({(folder / "train.jsonl").read_text() for folder in folders}) == 1
    results = [load(folder / "result.json") for folder in folders]
    assert [result["planner"] for result in results] == ["mppi", "mppi", "icem", "random"]

    # Smoke scale plans at steps 0 and 4 of 8; tasks that are solved before step 4 need no second plan.
    per_plan = {"mppi": 4, "icem": 4 * (1 + 6 / 8 + 5 / 8)}  # steps, times the samples of each round over the first's
    cost = {row["folder"]: row for row in answer["budget"]}
    for result, folder in zip(results, folders, strict=True):
        row, rows = cost[folder.parent.name], [json.loads(t) for t in (folder / "episodes.jsonl").open()]
        samples = 16 if "16" in folder.parent.name else 8
        plans = sum(2 if episode["steps"] > 4 else 1 for episode in rows)
        assert row["evaluations_per_task"] == plans * samples * per_plan.get(result["planner"], 0) / len(rows)
        assert (row["successes"], row["n"], row["ci95"]) == (result["successes"], result["n"], result["ci95"])
    assert [(row["curve"], row["settings"]) for row in answer["budget"]] == [
        ("mppi", "mppi.samples=8"),
        ("mppi", "mppi.samples=16"),
        ("icem", "icem.samples=8"),
        ("random", ""),
    ]
    with (tmp_path / "out" / "budget.csv").open() as file:
        assert [row["folder"] for row in csv.DictReader(file)] == list(cost)
    assert (tmp_path / "out" / "budget.png").read_bytes().startswith(b"\x89PNG")
    assert load(tmp_path / "out" / "sweep.json")["budget"] == answer["budget"]


@pytest.mark.slow
def test_seeds_are_pooled_and_joint_training_is_shared(vgbench, tmp_path):
    command = [*SWEEP, "--recipe", "vf_pred", "--grid", "mpc.aggregate=sum,last", "--seeds", "2x", "--format", "json"]
    answer = json.loads(vgbench(*command)[0])
    assert [(p["value"], p["n"], p["runs"], p["missing"]) for p in answer["points"]] == [
        ("sum", 4, 2, 0),
        ("last", 4, 2, 0),
    ]
    marks = [shared(tmp_path / c["folder"]) for c in answer["runs"]]
    assert sorted(map(sorted, marks)) == [[], [], ["joint"], ["joint"]]
    again = json.loads(vgbench(*command)[0])
    assert {c["status"] for c in again["runs"]} == {"complete"}
    assert again["points"] == answer["points"]


@pytest.mark.slow
def test_a_damaged_shared_checkpoint_is_made_anew(vgbench, tmp_path):
    command = [*SWEEP, "--recipe", "vf", "--grid"]
    vgbench(*command, "mppi.samples=8")
    damaged = list((tmp_path / "out" / ".shared").glob("*.pt"))
    assert len(damaged) == 2
    for path in damaged:
        path.unlink()  # it is a link to the run's own
        path.write_bytes(b"not a checkpoint")
    vgbench(*command, "mppi.samples=8,16")
    first, second = (tmp_path / "out" / f"vf-mppi.samples={samples}" / "s0" for samples in (8, 16))
    assert not shared(second) and "cannot be used" in (second / "log.txt").read_text()
    assert (first / "train.jsonl").read_text() == (second / "train.jsonl").read_text()
    assert all(path.samefile(second / "checkpoints" / f"{stage}.pt") for path, stage in by_stage(tmp_path / "out"))


@pytest.mark.slow
def test_a_shared_checkpoint_under_the_name_of_another_is_not_taken(vgbench, tmp_path):
    """Whole files, of a stage of the same name, but of another seed."""
    command = [*SWEEP, "--recipe", "vf", "--grid"]
    vgbench(*command, "mppi.samples=8", "--seeds", "0,1")
    first, second = (path for path, stage in by_stage(tmp_path / "out") if stage == "encoder")
    for suffix in (".pt", ".json"):
        one, other = first.with_suffix(suffix), second.with_suffix(suffix)
        aside = one.with_suffix(".aside")
        one.rename(aside), other.rename(one), aside.rename(other)
    vgbench(*command, "mppi.samples=8,16", "--seeds", "0,1")
    for seed in ("s0", "s1"):
        old, new = (tmp_path / "out" / f"vf-mppi.samples={samples}" / seed for samples in (8, 16))
        assert "is of another stage" in (new / "log.txt").read_text()
        assert (old / "train.jsonl").read_text() == (new / "train.jsonl").read_text()


def by_stage(out):
    """Shared checkpoints with the stage that each is of."""
    return [(path.with_suffix(".pt"), load(path)["stage"]) for path in (out / ".shared").glob("*.json")]


# what a training stage depends on


def hashes(recipe="vf", sets=(), **fields):
    return stages(
        resolve(RunRequest(protocol="wall_small", recipe=recipe, scale="smoke", device="cpu", set=sets, **fields))
    )


@pytest.mark.parametrize(
    "change",
    [
        {"task_seed": 5},
        {"sets": ["mppi.samples=7"]},
        {"sets": ["mpc.power=2"]},
        {"sets": ["evaluation.tasks=3"]},
        {"planner": "random"},
    ],
)
def test_planning_and_tasks_do_not_enter(change):
    assert hashes(**change) == hashes()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"data_seed": 1},
        {"recipe": "vf_quasi"},
        {"recipe": "vf_vcreg"},
        {"sets": ["iql.tau=0.7"]},
        {"sets": ["train.lr=2e-3"]},
        {"sets": ["data.trajectories=41"]},
        {"sets": ["model.latent_dim=64"]},
        {"sets": ["model.image_norm=whiten"]},
        {"sets": ["wall.layout=fixed"]},
        {"sets": ["mlp.hidden=[8]"]},  # it draws its weights from the same stream as the encoder
        {"encoder": "impala"},
    ],
)
def test_what_training_depends_on_enters_both_stages(change):
    mine, plain = hashes(**change), hashes()
    assert set(mine) == {"encoder", "predictor"}
    assert all(mine[stage] != plain[stage] for stage in plain)


def test_a_stage_does_not_depend_on_the_one_after():
    mine, plain = hashes(sets=["train_predictor.steps=9"]), hashes()
    assert mine["encoder"] == plain["encoder"] and mine["predictor"] != plain["predictor"]


def test_weights_and_versions_enter():
    plain = resolve(RunRequest(protocol="wall_small", recipe="vf_pred", scale="smoke", device="cpu"))
    heavy = dataclasses.replace(plain.objectives[0], weight=2.0)
    joint = dataclasses.replace(plain.stages[0], objectives=(heavy, *plain.objectives[1:]))
    other = dataclasses.replace(plain, stages=(joint,))
    assert list(stages(plain)) == ["joint"] and stages(plain) != stages(other)

    class Newer(plain.distance.cls):
        version = plain.distance.cls.version + 1

    newer = dataclasses.replace(plain, distance=dataclasses.replace(plain.distance, cls=Newer))
    assert isinstance(plain.distance.params, Params) and stages(plain) != stages(newer)


# grids


def test_the_paper_s_figure_has_exactly_four_curves():
    sweep = load_catalogue().sweep("paper_figure_3")
    curves = [(c.recipe, c.over, dict(c.set)) for c in sweep.curves]
    assert curves == [
        ("vf", "iql.tau", {"iql.gamma": 0.98}),
        ("vf_quasi", "iql.tau", {"iql.gamma": 0.93}),
        ("vf", "iql.gamma", {"iql.tau": 0.7}),
        ("vf_quasi", "iql.gamma", {"iql.tau": 0.7}),
    ]
    assert sweep.protocol == "wall_small"
    points = of_registry(sweep, RunRequest(protocol=sweep.protocol))
    assert len({(p.curve, p.over) for p in points}) == 4 and len({p.over for p in points}) == 2
    # The values that the paper chose lie on the curves.
    assert {0.6, 0.8} < set(sweep.curves[0].values) and {0.93, 0.98} < set(sweep.curves[2].values)


def test_its_cells_have_data_and_tasks_of_their_own(vgbench_cli, tmp_path):
    result = vgbench_cli("sweep", "paper_figure_3", "--scale", "smoke", "--dry-run", "--format", "json")
    cells = result.json()["runs"]
    assert len(cells) == len({c["key"] for c in cells})  # where two curves cross, one run serves both
    assert "vf-iql.gamma=0.98-iql.tau=0.7" in {c["point"] for c in cells}
    table = resolve(RunRequest(protocol="wall_small", recipe="vf", scale="smoke"))
    (mine,) = [c for c in cells if c["point"] == "vf-iql.gamma=0.98-iql.tau=0.8"]
    assert mine["key"] != table.key()
    same = resolve(RunRequest(protocol="wall_small", recipe="vf", scale="smoke", data_seed=100, task_seed=100))
    assert mine["key"] == same.key()
    assert not list(tmp_path.iterdir())


def test_one_property_at_a_time_shares_the_run_that_all_curves_begin_from(vgbench_cli):
    cells = vgbench_cli("sweep", "data_properties", "--scale", "smoke", "--dry-run", "--format", "json").json()["runs"]
    assert len(cells) == len({c["key"] for c in cells})
    points = of_registry(load_catalogue().sweep("data_properties"), RunRequest(protocol="wall_big"))
    base = [p for p in points if p.recipe == "vf_quasi" and p.place == "vf_quasi-data.trajectories=1000"]
    assert [p.over for p in base] == [
        "data.trajectories",
        "data.length",
        "wall.directed",
        "wall.crossing",
        "wall.policy",
    ]
    # Lengths at (about) constant transitions.
    lengths = [p.values for p in points if p.over == "data.length"]
    transitions = [(int(v["data.length"]) - 1) * int(v["data.trajectories"]) for v in lengths]
    assert all(abs(n - 63000) < 20 for n in transitions)


def test_values_beside_an_axis_are_as_many_as_its_own(tmp_path):
    curve = {"recipe": "vf", "over": "data.length", "values": [17, 33], "beside": {"data.trajectories": [3938]}}
    content = {"sweeps": {"s": {"summary": "", "protocol": "wall_big", "curves": [curve]}}}
    with pytest.raises(UsageError, match=r"sweeps.s.curves.0.beside.data.trajectories: expected a list of 2 values"):
        read(content, "x.yaml")


def runs_of(*solved, seed=0, tasks="same"):
    """A record for each seed of one point, with the successes of its tasks."""
    return [
        RunRecord(Path(), "", "vf", "p", "quick", seed + n, {}, None, None, Episodes(one, (0.0,) * len(one)), {}, tasks)
        for n, one in enumerate(solved)
    ]


def points_of(curve, rates, over="data.trajectories"):
    return [
        {"curve": curve, "over": over, "value": value, "success_rate": rate, "folder": f"{curve}{value}"}
        for value, rate in rates
    ]


def test_the_area_is_the_mean_success_over_the_logarithm():
    # Not in order; by trapezia over the decades (.2 + .6) / 2 = .4 and (.6 + 1) / 2 = .8.
    rows = points_of("a", (("100", 0.6), ("10", 0.2), ("1000", 1.0)))
    words = points_of("b", (("random", 0.5), ("stitch", 0.5)), "maze.policy")
    zero = points_of("c", (("0.0", 0.5), ("0.5", 0.5)), "wall.crossing")
    missing = points_of("d", (("1", 0.5), ("2", None)), "x.y")
    solved = {"10": 1, "100": 3, "1000": 5}
    done = {f"a{value}": runs_of((True,) * n + (False,) * (5 - n)) for value, n in solved.items()}
    [found] = areas([*rows, *words, *zero, *missing], done)
    assert found | {"ci95": None} == {
        "curve": "a",
        "over": "data.trajectories",
        "area": pytest.approx(0.6),
        "ci95": None,
        "scope": "for these checkpoints",
    }
    assert found["ci95"][0] < 0.6 < found["ci95"][1]


def test_the_interval_of_an_area_speaks_of_tasks_or_of_seeds():
    first, second = (True, True, False, False) * 20, (True, False, True, False) * 20
    rows = points_of("a", (("10", 0.5), ("100", 0.5)))

    def interval(ten, hundred):
        [found] = areas(rows, {"a10": ten, "a100": hundred})
        return found["ci95"], found["scope"]

    alone = interval(runs_of(first), runs_of(first))
    # The same tasks at both points, solved alike: no more is known than from one point.
    assert alone == ([pytest.approx(x, abs=1e-4) for x in wilson(40, 80)], "for these checkpoints")
    own = interval(runs_of(first), runs_of(first, tasks="other"))
    assert own == ([pytest.approx(x, abs=1e-4) for x in wilson(80, 160)], "for these checkpoints")
    (low, high), scope = interval(runs_of(first, second), runs_of(first, second))
    assert scope == "over seeds" and low < 0.5 < high
    # Seeds of tasks that differ from point to point, or of which one is missing: there is no interval to be had.
    assert interval(runs_of(first, second), runs_of(first, second, tasks="other")) == (None, None)
    assert interval(runs_of(first, second), runs_of(first)) == (None, None)


def test_a_sweep_is_named_where_a_suite_is_asked_for(vgbench_cli):
    done = vgbench_cli("suite", "data-properties", "--dry-run")
    assert done.exit_code == 2 and "is a sweep, not a suite: vgbench sweep data_properties" in done.stderr


def test_points_of_a_product_have_folders_of_their_own():
    grid = read_grid(["strided.channels=8,16", "mlp.hidden=[8, 8],[16]", "mlp.activation='a,b'"])
    assert grid == {"strided.channels": ["8", "16"], "mlp.hidden": ["[8, 8]", "[16]"], "mlp.activation": ["'a,b'"]}
    name, points = of_grid("vf", "maze", grid)
    assert name == "vf-maze-strided.channels-mlp.hidden-mlp.activation"
    assert len({point.place for point in points}) == len(points) == 4
    assert all(set(point.place) <= set("abcdefghijklmnopqrstuvwxyz0123456789._=+-") for point in points)
    assert {point.curve for point in points} == {
        "vf, mlp.hidden=[8, 8], mlp.activation='a,b'",
        "vf, mlp.hidden=[16], mlp.activation='a,b'",
    }


def product(*texts):
    """Points of grids, as (curve, axis, value, all values)."""
    _, points = of_grid("vf", "maze", read_grid(texts))
    assert len({point.place for point in points}) == len(points)
    return [(point.curve, point.over, point.values[point.over], len(point.values)) for point in points]


def test_a_slot_makes_curves_and_is_the_axis_only_where_nothing_else_is():
    assert product("planner=a,b") == [("vf", "planner", "a", 1), ("vf", "planner", "b", 1)]
    both = [(f"vf, planner={name}", "planner.n", n, 2) for name in "ab" for n in "12"]
    assert product("planner=a,b", "planner.n=1,2") == product("planner.n=1,2", "planner=a,b") == both


def test_values_for_a_plugin_are_left_out_where_another_is_chosen():
    assert product("planner=a,b,dist:c", "a.n=1,2", "planner:c.m=3", "iql.tau=0.5,0.6") == [
        *[(f"vf, planner=a, iql.tau={tau}", "a.n", n, 3) for tau in ("0.5", "0.6") for n in "12"],
        *[("vf, planner=b", "iql.tau", tau, 2) for tau in ("0.5", "0.6")],
        *[(f"vf, planner=dist:c, iql.tau={tau}", "planner:c.m", "3", 3) for tau in ("0.5", "0.6")],
    ]
    # Values for a plugin that no cell chooses are kept, to be refused.
    assert product("planner=a,b", "c.n=1") == [(f"vf, planner={name}", "c.n", "1", 2) for name in "ab"]


@pytest.mark.parametrize(
    "text",
    [
        "iql.tau",
        "tau=1,2",
        "planer=mppi",
        "planner=",
        "planner=mppi,mppi",
        "iql.tau=",
        "iql.tau=1,,2",
        "iql.tau=0.5,0.5",
        "=1",
    ],
)
def test_a_grid_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="--grid"):
        read_grid([text])


VF = ["--recipe", "vf", "--protocol", "wall_small", *SMALL]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["NAME", "--grid"]),
        (["paper_figure_4"], ["no sweep named", "paper_figure_3"]),
        (["paper_figure_3", "--grid", "iql.tau=0.5"], ["--grid contradicts", "paper_figure_3"]),
        ([*VF], ["--grid"]),
        ([*VF, "--grid", "iql.tua=0.5,0.6"], ["--grid iql.tua=0.5", "tau"]),
        ([*VF, "--grid", "iqe.component_dim=4,8"], ["--grid iqe.component_dim=4", "not part of this run"]),
        ([*VF, "--grid", "iql.tau=0.5,0.6,1.7"], ["run vf-iql.tau=1.7/s0", "--grid iql.tau=1.7"]),
        ([*VF, "--grid", "iql.tau=0.5,0.50"], ["the same run", "vf-iql.tau=0.50"]),
        ([*VF, "--grid", "iql.tau=0.5", "--grid", "iql.tau=0.6"], ["another --grid"]),
        ([*VF, "--grid", "iql.tau=0.5", "--set", "iql.tau=0.6"], ["contradicts --set"]),
        (
            [*VF, "--grid", "objective.tau=0.5,0.6", "--grid", "iql.tau=0.6"],
            ["--grid objective.tau=0.5", "iql.tau=0.6"],
        ),
        ([*VF, "--grid", "planer=mppi,icem"], ["--grid planer=mppi,icem", "'planner'"]),
        ([*VF, "--grid", "planner=mppi,icme"], ["run vf-planner=icme/s0", "--grid planner=icme", "'icem'"]),
        (
            [*VF, "--grid", "planner=cem,icem", "--grid", "mppi.samples=8"],
            ["--grid mppi.samples=8", "not part of this"],
        ),
        ([*VF, "--grid", "planner=cem", "--grid", "cem.elites=65"], ["--grid cem.elites=65", "more than samples=32"]),
        ([*VF, "--grid", "planner=mppi,mppi"], ["duplicate value"]),
        (["--recipe", "vq", *VF[2:], "--grid", "iql.tau=0.5"], ["no recipe named", "vf"]),
        ([*VF, "--grid", "train.window=8,65"], ["run vf-train.window=65/s0", "data.length"]),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(vgbench_cli, tmp_path, arguments, words):
    result = vgbench_cli("sweep", *arguments)
    assert result.exit_code == 2, result.stderr
    for word in words:
        assert word in result.stderr
    assert not list(tmp_path.iterdir())


# the picture


def test_the_picture_shows_what_there_is(tmp_path):
    def row(curve, over, value, rate):
        ci = None if rate is None else [max(rate - 0.1, 0), min(rate + 0.1, 1)]
        return {"curve": curve, "over": over, "value": value, "success_rate": rate, "ci95": ci}

    rows = [row("a", "iql.tau", "0.9", 0.4), row("a", "iql.tau", "0.5", None), row("b", "mpc.aggregate", "sum", 1.0)]
    plot(tmp_path / "one.png", rows, "title")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["one.png"]


def point(planner, values, cost, rate=0.5, recipe="vf"):
    folder = "-".join([recipe, *(f"{name}={value}" for name, value in values.items())])
    about = {"recipe": recipe, "planner": planner, "values": values, "evaluations_per_task": cost, "folder": folder}
    return about | {"success_rate": rate, "successes": 5, "n": 10, "ci95": [rate - 0.2, rate + 0.2]}


def test_a_budget_has_a_curve_for_each_planner_by_cost():
    points = [
        point("a", {"planner": "x:a", "x:a.n": "9", "iql.tau": "0.5"}, 90.0),
        point("a", {"planner": "x:a", "x:a.n": "3", "iql.tau": "0.5"}, 30.0),
        point("b", {"planner": "b", "planner.n": "3", "mpc.replan_every": "2", "iql.tau": "0.5"}, 50.0),
        point("b", {"planner": "b", "planner.n": "3", "mpc.replan_every": "2", "iql.tau": "0.6"}, 40.0),
    ]
    assert [(row["curve"], row["settings"], row["evaluations_per_task"]) for row in budget([*points, points[0]])] == [
        ("a, iql.tau=0.5", "x:a.n=3", 30.0),
        ("a, iql.tau=0.5", "x:a.n=9", 90.0),
        ("b, iql.tau=0.5", "planner.n=3 mpc.replan_every=2", 50.0),
        ("b, iql.tau=0.6", "planner.n=3 mpc.replan_every=2", 40.0),
    ]
    other = point("a", {"planner": "x:a", "x:a.n": "3", "iql.tau": "0.5"}, 30.0, recipe="vf_quasi")
    assert budget([*points, other])[0]["curve"] == "a, vf, iql.tau=0.5"


def test_there_is_no_budget_where_nothing_of_the_planner_varies():
    assert budget([point("a", {"iql.tau": tau}, 5.0) for tau in ("0.5", "0.6")]) == []
    assert budget([point("a", {"a.n": "3"}, 5.0)]) == []


def test_the_budget_s_picture_shows_what_there_is(tmp_path):
    rows = budget([point("a", {"a.n": "1"}, 5.0), point("b", {}, 0.0), point("c", {}, None, 1.0), point("d", {}, 7.0)])
    plot_budget(tmp_path / "one.png", [rows[0] | {"success_rate": None, "ci95": None}, *rows[1:]], "title")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["one.png"]


def test_seeds_of_a_point_share_their_tasks(tmp_path):
    """64, 66 and 65 of the same 80 tasks; each task of each seed counted, the interval would be .1 wide."""
    from vgbench.config.resolve import RunRequest, resolve
    from vgbench.experiments.cells import CellOutcome, RunCell
    from vgbench.experiments.sweep import Point
    from vgbench.experiments.sweep_results import figures

    root = Path(__file__).parents[2] / "results" / "quick"
    spec = resolve(RunRequest(protocol="maze", recipe="vf_quasi", scale="quick", device="cpu"))
    point, outcomes = Point("curve", "vf_quasi", "iql.tau", {"iql.tau": "0.6"}), []
    for seed in range(3):
        folder = root / f"maze-vf_quasi-s{seed}"
        cell = RunCell({"point": point.place, "seed": seed}, spec, folder)
        outcomes.append(CellOutcome(cell, "done", result=load(folder / "result.json")))
    [row] = figures([point], outcomes)
    assert (row["successes"], row["n"], row["missing"]) == (195, 240, 0)
    low, high = row["ci95"]
    assert 0.145 < high - low < 0.175
    [alone] = figures([point], outcomes[:1])
    assert alone["ci95"] == load(root / "maze-vf_quasi-s0" / "result.json")["ci95"]
