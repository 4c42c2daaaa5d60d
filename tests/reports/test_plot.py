"""`vgbench plot` on a committed record and on a run that was trained for two steps."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image

from vgbench.reports.plots.value_map import layout_alone
from vgbench_plugins.environments.maze import Maze
from vgbench_plugins.environments.wall import Wall

RECORD = Path(__file__).parents[2] / "results" / "quick" / "maze-vf_quasi-s0"  # 64 of 80
SVG = "{http://www.w3.org/2000/svg}"
TINY = ("data.trajectories=8", "train.steps=20", "train_predictor.steps=2", "evaluation.tasks=3", "mpc.max_steps=6")
TINY += ("mpc.block_rows=64", "strided.stem=4", "strided.channels=4", "mlp.hidden=[16]", "model.latent_dim=16")
TINY += ("iqe.component_dim=4",)


@pytest.fixture
def record(tmp_path):
    shutil.copytree(RECORD, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def plot(vgbench_cli):
    def call(*args, code=0):
        result = vgbench_cli("plot", *args, "--format", "json")
        assert result.exit_code == code, result.stderr
        return result.json() if code == 0 else result.stderr

    return call


def train(vgbench_cli, folder, environment, *sets):
    given = [part for value in (*TINY, *sets) for part in ("--set", value)]
    what = ("run", "--env", environment, "--recipe", "vf_quasi", "--scale", "smoke", "--device", "cpu", *given)
    done = vgbench_cli(*what, "--out", folder)
    assert done.exit_code == 0, done.stderr


def words(path):
    """Texts of an SVG, which have to be texts, not outlines."""
    return [element.text for element in ElementTree.parse(path).iter(f"{SVG}text")]


def test_a_record_without_checkpoints_has_its_curves(record, plot):
    made = plot(record)
    assert [Path(p["file"]).name for p in made["pictures"]] == ["success.svg", "training.svg", "training-logs.svg"]
    assert {"optimiser step", "loss", "stage encoder", "stage predictor"} <= set(words(record / "plots/training.svg"))
    assert {"steps in the environment", "vf_quasi: mppi on the learned model", "random actions"} <= set(
        words(record / "plots/success.svg")
    )
    # What a copied picture is of.
    assert "maze, vf_quasi, seed 0: 64 of 80 tasks solved" in words(record / "plots/success.svg")
    (left_out,) = made["left_out"]
    assert "Value map" in left_out["kind"] and "no checkpoint at all" in left_out["why"]
    for picture in made["pictures"]:
        size = Path(picture["file"]).stat().st_size
        text = Path(picture["file"]).read_text()
        assert 5_000 < size < 100_000 and "prefers-color-scheme: dark" in text and "<!DOCTYPE" not in text


def test_what_a_diagnosis_draws_is_not_left_out(tmp_path, plot):
    recorded = RECORD.parents[1] / "first_round" / "paper_table_2" / "maze" / "vf_quasi" / "s0"
    shutil.copytree(recorded, tmp_path / "my run")
    made = plot(tmp_path / "my run")
    assert "prediction.svg" in [Path(p["file"]).name for p in made["pictures"]]
    (left_out,) = made["left_out"]
    assert left_out["kind"] == "Value map and rollouts"
    # A whole command, to be typed as it is.
    assert f"`vgbench run --config '{tmp_path}/my run/config.yaml' --out " in left_out["why"]


def test_pictures_are_drawn_again_only_where_they_show_something_else(record, plot):
    plot(record)
    first = {path.name: path.stat().st_mtime_ns for path in (record / "plots").iterdir()}
    plot(record)
    assert {path.name: path.stat().st_mtime_ns for path in (record / "plots").iterdir()} == first
    before = {name: (record / "plots" / name).read_bytes() for name in first}
    rows = (record / "episodes.jsonl").read_text().replace('"success": true', '"success": false')
    (record / "episodes.jsonl").write_text(rows)
    plot(record)
    changed = [name for name, content in before.items() if (record / "plots" / name).read_bytes() != content]
    assert sorted(changed) == ["plots.json", "success.svg"]


def test_a_damaged_file_costs_its_own_picture_alone(record, plot):
    (record / "episodes.jsonl").write_text('{"task": 0, "steps": "many", "success": true}\n')
    (record / "plots").mkdir()
    (record / "plots" / "plots.json").write_text("{")
    made = plot(record)
    assert [Path(p["file"]).name for p in made["pictures"]] == ["training.svg", "training-logs.svg"]
    assert any(e["kind"] == "Success against steps" and "episodes.jsonl" in e["why"] for e in made["left_out"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"horizon": 3}, "its errors do not fit its horizon"),
        ({"cost_unchanged": None}, "diagnosis.json cannot be used"),
        ({"skipped": "there are no rollouts"}, "there are no rollouts"),
    ],
)
def test_a_damaged_diagnosis_costs_its_own_picture_alone(record, plot, change, why):
    names = ("latent", "latent_shuffled", "cost", "cost_shuffled", "cost_unchanged")
    errors = {name: [0.5, 0.7] for name in names}
    key = json.loads((record / "run.json").read_text())["key"]
    content = {"key": key, "title": "t", "goals": 1, "states": 32}
    content["blocks"] = {"prediction": {"rollouts": 7, "horizon": 2, **errors} | change}
    (record / "diagnosis.json").write_text(json.dumps(content))
    made = plot(record)
    assert [Path(p["file"]).name for p in made["pictures"]] == ["success.svg", "training.svg", "training-logs.svg"]
    assert any(e["kind"] == "Prediction error over the horizon" and why in e["why"] for e in made["left_out"])


def test_curves_end_at_the_recorded_rate(record, plot):
    # The last point of the step curve, in the picture's own coordinates, between the ticks of 0 and 1.
    plot(record, "--out", record.parent / "pictures")
    tree = ElementTree.parse(record.parent / "pictures" / "success.svg")
    groups = {g.get("id"): g for g in tree.iter(f"{SVG}g")}

    def ticks(axis):
        found = {}
        for name, group in groups.items():
            if name and name.startswith(axis):
                label = "".join(t.text or "" for t in group.iter(f"{SVG}text"))
                use = next(group.iter(f"{SVG}use"))
                found[label] = float(use.get("x")), float(use.get("y"))
        return found

    low, high = (ticks("ytick")[label][1] for label in ("0.0", "1.0"))
    lines = [p.get("d").split() for p in tree.iter(f"{SVG}path") if "#0072b2" in (p.get("style") or "")]
    curve = max((d for d in lines if "z" not in d), key=len)
    share = (low - float(curve[-1])) / (low - high)
    assert share == pytest.approx(64 / 80, abs=0.005)


def test_strata_of_the_tasks_have_curves_of_their_own(record, plot):
    rows = [json.loads(line) for line in (record / "episodes.jsonl").read_text().splitlines()]
    for number, row in enumerate(rows):
        row["stratum"] = "near" if number < 30 else "far"
    (record / "episodes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plot(record, "--out", record.parent / "pictures")
    text = (record.parent / "pictures" / "success.svg").read_text()
    solved = sum(row["success"] for row in rows[:30])
    assert f"planner, near: {solved} of 30" in text and f"planner, far: {64 - solved} of 50" in text


def test_rates_at_the_edge_do_not_touch(record, plot):
    # Baselines of 14 and of 13 of 80 tasks: .175 and .1625, a hundredth apart.
    rows = (record / "baseline.jsonl").read_text().splitlines()
    solved = next(i for i, row in enumerate(rows) if '"success": true' in row)
    (record / "baseline-random.jsonl").write_text("\n".join(rows) + "\n")
    rows[solved] = rows[solved].replace('"success": true', '"success": false')
    (record / "baseline-uninformed.jsonl").write_text("\n".join(rows) + "\n")
    plot(record, "--out", record.parent / "pictures")
    tree = ElementTree.parse(record.parent / "pictures" / "success.svg")
    places = {text.text: float(text.get("y") or 0) for text in tree.iter(f"{SVG}text")}
    # In points, for letters of 8 points; lower rates are lower.
    assert places[".16"] - places[".17"] >= 8 and places[".17"] - places[".80"] >= 8


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nowhere",), "RUN nowhere: there is no such folder"),
        (("empty",), "RUN empty: no finished run there"),
        (("empty", "--out", "file"), "--out file: expected a file that ends in .svg, .png, .pdf"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, plot, args, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert message in plot(*args, code=2)


def milliseconds(film):
    """How long a film lasts."""
    total = 0
    for index in range(film.n_frames):
        film.seek(index)
        film.load()
        total += film.info["duration"]
    return total


@pytest.mark.parametrize("environment", ["wall", "maze"])
def test_a_trained_run_has_all_pictures(environment, tmp_path, vgbench_cli, plot, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    train(vgbench_cli, run, environment)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    made = plot(run)
    assert all(path.read_bytes() == content for path, content in before.items())  # the run itself is not touched
    kinds = [picture["kind"] for picture in made["pictures"]]
    assert {"Value map", "Prediction error over the horizon", "Rollouts"} <= set(kinds)
    titles = words(run / "plots" / "value.svg")
    assert {"learned distance d(s, g)", "true cost to go (steps)", "share of the largest value"} <= set(titles)
    assert any(title and title.startswith("task 0, ") for title in titles)
    rows = {row["task"]: row for row in map(json.loads, (run / "episodes.jsonl").read_text().splitlines())}
    films = [picture for picture in made["pictures"] if picture["kind"] == "Rollouts"]
    assert films
    for film in films:
        task = int(film["file"].removesuffix(".webp").rpartition("task")[2])
        # It went as it was recorded: the same noise, block by block.
        assert film["text"].endswith(f"{rows[task]['steps']} steps.")
        with Image.open(film["file"]) as image:
            # A step that a wall cancels leaves the picture as it is: the format then shows one frame for longer.
            frames = rows[task]["steps"] + 1
            assert image.size == (448, 504) and milliseconds(image) == (frames - 1) * max(60, 4000 // frames) + 1500


def test_pictures_of_the_model_outlive_its_checkpoints(tmp_path, vgbench_cli, plot, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    train(vgbench_cli, tmp_path / "run", "wall", "evaluation.tasks=1")
    made = plot(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert plot(tmp_path / "run") == made


@pytest.mark.parametrize("environment", [Wall(Wall.Params()), Maze(Maze.Params())])
def test_map_place_is_where_the_picture_shows_the_agent(environment):
    data = environment.collect(4, 10, seed=0)
    state = environment.sample_tasks(1, 3, data).start
    states = environment.state_grid(state).states
    image = environment.observe(states)["image"]
    differs = (image.float() - torch.from_numpy(layout(image)).float()).abs().sum(1)
    left, right, bottom, top = environment.map_extent
    rows, columns = (torch.arange(64) + 0.5 for _ in range(2))
    weight = differs / differs.sum((1, 2), keepdim=True)
    x = left + (weight.sum(1) * columns).sum(1) * (right - left) / 64
    y = top + (weight.sum(2) * rows).sum(1) * (bottom - top) / 64
    pixel = abs(right - left) / 64
    place = environment.map_place(states)
    inside = (place - torch.stack([x, y], dim=1)).abs() / pixel
    # Half a pixel and a little: at walls a part of the agent may be hidden by what has the same colour.
    assert float(inside.median()) < 0.3 and float((inside < 1).float().mean()) > 0.95


def layout(images):
    """Picture [C, H, W] that most images share, channel by channel."""
    return images.float().median(dim=0).values.numpy()


def test_the_layout_alone_has_no_agent():
    wall = Wall(Wall.Params())
    data = wall.collect(4, 10, seed=0)
    state = wall.sample_tasks(1, 0, data).start
    picture = layout_alone(wall.observe(wall.state_grid(state).states)["image"])
    walls = wall.observe(state)["image"][0, 1].numpy()
    assert (picture[..., 0] == walls).all()
