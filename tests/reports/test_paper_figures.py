"""`vgbench figure`: pictures from data, looked at pixel by pixel."""

import numpy as np
import pytest
from matplotlib.image import imread

from vgbench.config.catalogue import read
from vgbench.config.catalogue_files import load_catalogue
from vgbench.errors import UsageError
from vgbench.plugin.registry import Registry, load_plugin


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    return ["--set", "data.trajectories=20"]


def near(picture, colour, tolerance=0.04):
    return (np.abs(picture[..., :3] - np.array(colour) / 255).max(axis=-1) < tolerance).sum()


def test_figure_1_shows_walls_ways_and_ends(vgbench_cli, small, tmp_path):
    result = vgbench_cli("figure", "paper_figure_1", "--out", "new/one.png", *small, "--format", "json")
    assert result.exit_code == 0, result.stderr
    crossing, staying = result.json()["panels"]
    assert (crossing["protocol"], staying["protocol"]) == ("wall_small", "wall_big")
    picture = imread(tmp_path / "new" / "one.png")
    height, width = picture.shape[:2]
    assert 300 < height < width < 1200 and (tmp_path / "new" / "one.png").stat().st_size < 150_000
    assert near(picture, (0, 0, 0)) > 0.2 * height * width  # the rooms
    assert near(picture, (255, 127, 14)) > 100  # start and end
    assert near(picture, (253, 231, 37)) > 100  # the last steps
    # One bar of colours for both: at the right edge, and nowhere between the pictures.
    teal = np.abs(picture[..., :3] - np.array((33, 145, 140)) / 255).max(axis=-1) < 0.04
    # Wider than the points of a way: nearly each of 14 pixels beside each other, in several lines.
    wide = np.apply_along_axis(np.convolve, 1, teal.astype(int), np.ones(14, int), "same") >= 13
    assert wide.any() and np.flatnonzero(wide.any(axis=0)).min() > 0.8 * width
    for panel, crosses in ((crossing, True), (staying, False)):
        assert _crosses(panel, tmp_path) == crosses


def _crosses(panel, tmp_path):
    """Whether a trajectory has states on both sides of its wall, 1.5 px to each side of its middle."""
    from vgbench.data.files import load

    for path in (tmp_path / "cache" / "data").iterdir():
        data, spec = load(path)
        if spec["params"]["step"] == {"wall_small": "small", "wall_big": "big"}[panel["protocol"]]:
            x = data.states["position"][panel["drawn"][0], :, 0]
            wall = data.static["layout"][panel["drawn"][0], 0]
            return bool((x < wall - 1.5).any() and (x > wall + 1.5).any())
    raise AssertionError("no data")


def test_figure_2_shows_ten_mazes_with_their_agents(vgbench_cli, small, tmp_path):
    result = vgbench_cli("figure", "paper_figure_2", "--out", "two.png", *small, "--format", "json")
    assert result.exit_code == 0, result.stderr
    training, evaluation = result.json()["panels"]
    assert len(training["drawn"]) == len(evaluation["drawn"]) == 5
    picture = imread(tmp_path / "two.png")
    half = picture.shape[0] // 2
    for row in (picture[:half], picture[half:]):
        for column in np.array_split(np.arange(row.shape[1]), 5):
            assert near(row[:, column], (86, 171, 86)) > 20  # an agent
            assert near(row[:, column], (221, 160, 99)) > 2000  # walls


def test_track_is_where_the_agent_is_drawn():
    """The centre of what changes in the picture, from the pixels alone."""
    for name in ("wall", "maze"):
        cls = load_plugin(Registry().find("environment", name))
        world = cls(cls.Params())
        tasks = world.sample_tasks(8, 3, world.collect(8, 32, 0))
        other = {key: value.clone() for key, value in tasks.start.items()} | {"position": tasks.goal["position"]}
        ways = world.track(tasks.start), world.track(other)
        here, there = (world.observe(state)["image"].double() for state in (tasks.start, other))
        changed = (here - there).abs().sum(dim=1).numpy()
        rows, columns = np.mgrid[:64, :64]
        for index in range(8):
            a, b = (way[index].numpy() for way in ways)
            if np.linalg.norm(a - b) < 16:
                continue
            weight = changed[index] * (np.hypot(columns - a[0], rows - a[1]) < 7)
            centre = [(weight * axis).sum() / weight.sum() for axis in (columns, rows)]
            assert np.allclose(centre, a, atol=0.5), (name, index)


def test_labels_say_which_trajectories_pass_the_door():
    cls = load_plugin(Registry().find("environment", "wall"))
    world = cls(cls.Params())
    data = world.collect(10, 64, 0)
    assert world.labels(data)["crossing"].sum() == data.card["crossing_trajectories"] == 5


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["paper_figure_9", "--out", "x.png"], "NAME paper_figure_9: no figure named 'paper_figure_9'. Did you mean"),
        (["paper_figure_1", "--out", "x.jpg"], "--out x.jpg: expected a name that ends in .png"),
        (["paper_figure_1", "--out", "."], "--out .: expected a name that ends in .png"),
        (["paper_figure_1", "--out", "x.png", "--data-seed", "-1"], "--data-seed -1: a seed must be"),
        (["paper_figure_2", "--out", "x.png", "--task-seed", "-1"], "--task-seed -1: a seed must be"),
        (["paper_figure_2", "--out", "x.png", "--set", "maze.sbsteps=1"], "Did you mean 'substeps'?"),
        (["paper_figure_1", "--out", "x.png", "--set", "mppi.samples=1"], "has no part in collecting data"),
        (
            ["paper_figure_1", "--out", "x.png", "--set", "data.trajectories=2"],
            "1 of 2 trajectories have crossing=true",
        ),
    ],
)
def test_bad_input(vgbench_cli, small, tmp_path, args, message):
    result = vgbench_cli("figure", *args)
    assert result.exit_code == 2 and message in result.stderr
    assert not list(tmp_path.glob("x.*"))


@pytest.mark.parametrize(
    ("panel", "message"),
    [
        (
            {"protocol": "mazy", "show": "states"},
            r"figures\.f\.panels\.0\.protocol: unknown value 'mazy'. Did you mean",
        ),
        ({"protocol": "p", "show": "state"}, r"panels\.0\.show: unknown value 'state'. Did you mean 'states'"),
        ({"protocol": "p", "shows": "states"}, r"panels\.0: unknown key 'shows'"),
    ],
)
def test_mistakes_in_the_file_are_named(panel, message):
    protocol = {"summary": "", "encoder": "e", "predictor": "p", "planner": "p"}
    content = {"protocols": {"p": protocol, "maze": protocol}}
    with pytest.raises(UsageError, match=message):
        read(content | {"figures": {"f": {"summary": "", "panels": [{"title": "t"} | panel]}}}, "a.yaml")


def test_an_environment_without_the_capability_is_refused(small):
    from dataclasses import replace

    from vgbench.reports.plots import paper_figures

    figure = load_catalogue().figure("paper_figure_1")
    panel = replace(figure.panels[0], protocol="maze")
    with pytest.raises(UsageError, match="environment 'maze' has no `labels`, which this panel needs"):
        paper_figures.prepare(replace(figure, panels=(panel,)), None, None, ())
