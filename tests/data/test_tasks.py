"""`vgbench tasks` and `run --tasks`: what is frozen, what is refused, and what is told of tasks and data."""

import hashlib
import json

import numpy as np
import pytest
import torch

from vgbench.api import Tasks
from vgbench.data import files, task_manifest
from vgbench_plugins.environments.maze import Maze
from vgbench_plugins.environments.wall import Wall

SMOKE = ("--recipe", "vf_quasi", "--scale", "smoke")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def made(vgbench_cli, tmp_path):
    """Make the smoke tasks of a protocol; returns their file."""

    def make(protocol="wall_big", *args):
        path = tmp_path / f"{protocol}.json"
        result = vgbench_cli("tasks", "--protocol", protocol, "--scale", "smoke", "--out", path, *args)
        assert result.exit_code == 0, result.stderr
        return path

    return make


def sealed(content):
    """The hash as the format says: SHA-256 of the sorted, compact JSON of all else."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def edited(path, change, seal=True):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content | ({"sha256": sealed(content)} if seal else {})))
    return path


def test_a_file_holds_exactly_what_is_sampled(made):
    path = made("wall_small", "--set", "wall.layout=per_trajectory", "--task-seed", "3", "--set", "evaluation.tasks=9")
    content = json.loads(path.read_text())
    assert content["sha256"] == sealed(content)
    assert (content["format"], content["protocol"], content["seed"], content["number"]) == (1, "wall_small", 3, 9)
    assert content["environment"]["name"] == "wall" and content["environment"]["params"]["step"] == "small"
    assert "holdout" not in content["environment"]["params"]  # younger than the format, and at its default
    assert content["radius"] == 2**0.5 and content["unit"] == "px"
    assert [task["key"] for task in content["tasks"]] == [[3, i] for i in range(9)]
    sampled = Wall(Wall.Params(step="small", layout="per_trajectory")).sample_tasks(9, 3, None)
    assert content["both"] == ["layout"]
    for end, state in (("start", sampled.start), ("goal", sampled.goal)):
        for name, place in (("position", end), ("layout", "both")):
            read = np.array([task[place][name] for task in content["tasks"]], content["arrays"][name]["dtype"])
            assert np.array_equal(read, state[name].numpy())


def test_a_task_is_a_line(made):
    """So that `diff` shows which tasks differ."""
    tasks = []
    for count in (3, 4):
        text = made("wall_big", "--set", f"evaluation.tasks={count}").rename(str(count)).read_text()
        tasks.append([line.rstrip(",") for line in text.splitlines() if line.startswith('{"key"')])
    assert [len(found) for found in tasks] == [3, 4] and tasks[0] == tasks[1][:3]


def test_a_run_writes_its_tasks_and_another_one_plans_them(made, vgbench_cli, tmp_path):
    path = made("wall_big", "--set", "evaluation.tasks=6")
    first = vgbench_cli("run", "--protocol", "wall_big", *SMOKE, "--out", "one", "--format", "json").json()
    again = ("run", "--protocol", "wall_big", *SMOKE, "--tasks", path, "--out", "two", "--format", "json")
    second = vgbench_cli(*again, "--set", "evaluation.tasks=4").json()
    assert (tmp_path / "one" / "episodes.jsonl").read_bytes() == (tmp_path / "two" / "episodes.jsonl").read_bytes()
    manifests = [json.loads((tmp_path / name / "tasks.json").read_text()) for name in ("one", "two")]
    assert manifests[0] == manifests[1]
    about = {"sha256": manifests[0]["sha256"], "n": 4, "seed": 0, "radius": 2**0.5, "share_in_layouts_of_data": 1.0}
    assert first["tasks"] == about | {"file": None} and second["tasks"] == about | {"file": "wall_big.json"}
    assert first["key"] != second["key"]

    (tmp_path / "two" / "result.json").unlink()  # what is left goes on, from its config, if its tasks are the same
    resume = ("run", "--config", "two/config.yaml", "--out", "two", "--format", "json")
    kept = (tmp_path / "two" / "tasks.json").read_text()
    edited(tmp_path / "two" / "tasks.json", lambda c: c["tasks"][0]["start"]["position"].reverse())
    refused = vgbench_cli(*resume)
    assert refused.exit_code == 2 and "two/tasks.json has other tasks" in refused.stderr
    (tmp_path / "two" / "tasks.json").write_text(kept)
    assert vgbench_cli(*resume).json()["key"] == second["key"]


def move_to_goal(content):
    content["tasks"][2]["start"] = content["tasks"][2]["goal"]


@pytest.mark.parametrize(
    ("change", "seal", "message"),
    [
        (lambda c: c["tasks"][1]["goal"]["position"].reverse(), False, "was edited or damaged"),
        (lambda c: c.update(format=2), True, "has task format 2; this vgbench reads format 1"),
        (lambda c: c.update(protocol="wall_small"), True, "of protocol 'wall_small', but this run is on 'wall_big'"),
        (lambda c: c["environment"].update(name="maze"), True, "of environment 'vgbench:maze'"),
        (lambda c: c["environment"].update(version=0), True, "of version 0 of environment 'wall'"),
        (
            lambda c: c["environment"]["params"].update(collision="stop"),
            True,
            "wall.collision=stop, but the run has stay",
        ),
        (lambda c: c["environment"]["params"].update(doors=2), True, "parameters are not valid"),
        (move_to_goal, True, "1 of its 4 tasks are solved at their start (the first is task 2)"),
        (lambda c: c["tasks"].pop(), True, "it says 4 tasks, but has 3"),
        (lambda c: c["tasks"][0].update(key=[9, 9]), True, "its noise is not keyed as here"),
        (lambda c: c["arrays"]["position"].update(dtype="float64"), True, "'position' is"),
        (lambda c: c["tasks"][0]["start"]["position"].append(1.0), True, "inhomogeneous"),
        (lambda c: c.update(radius=9.0), True, "solved within 9.0 px"),
        (lambda c: c.pop("noise"), True, "it has no 'noise'"),
        (lambda c: c.update(environment=[]), True, "it has no 'environment', or another kind of value"),
        (lambda c: c.update(tasks=[3, 4, 5, 6]), True, "wall_big.json: "),
        (lambda c: c["tasks"][0].pop("goal"), True, "it has no 'goal'"),
    ],
)
def test_what_is_not_these_tasks_is_refused_before_anything_is_computed(made, vgbench_cli, change, seal, message):
    path = edited(made(), change, seal)
    result = vgbench_cli("run", "--protocol", "wall_big", *SMOKE, "--tasks", path, "--dry-run")
    assert result.exit_code == 2
    assert message in result.stderr and "wall_big.json" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--set", "evaluation.tasks=5"), "it has 4 tasks, but evaluation.tasks=5 was asked for"),
        (("--task-seed", "1"), "its tasks are of seed 0; leave out --task-seed"),
        (("--set", "wall.noise=1"), "wall.noise=0.0, but the run has 1.0"),
    ],
)
def test_a_run_that_asks_for_other_tasks_is_refused(made, vgbench_cli, args, message):
    result = vgbench_cli("run", "--protocol", "wall_big", *SMOKE, "--tasks", made(), "--dry-run", *args)
    assert result.exit_code == 2 and message in result.stderr


def test_a_file_older_than_a_parameter_is_taken_at_its_default(made, vgbench_cli):
    path = edited(made(), lambda c: c["environment"]["params"].pop("noise"))
    result = vgbench_cli("run", "--protocol", "wall_big", *SMOKE, "--tasks", path, "--dry-run", "--format", "json")
    assert result.json()["values"]["evaluation.tasks"] == {"value": 4, "source": f"--tasks {path}"}


@pytest.mark.parametrize("content", [None, "no JSON", "[1]", '{"format": 1}'])
def test_a_file_that_is_no_manifest_is_refused(vgbench_cli, tmp_path, content):
    if content is not None:
        (tmp_path / "x.json").write_text(content)
    result = vgbench_cli("run", "--protocol", "wall_big", *SMOKE, "--tasks", "x.json", "--dry-run")
    assert result.exit_code == 2 and "x.json" in result.stderr and "vgbench tasks" in result.stderr


def test_tasks_never_replace_a_file(made, vgbench_cli):
    path = made()
    before = path.read_bytes()
    result = vgbench_cli("tasks", "--protocol", "wall_big", "--scale", "smoke", "--out", path)
    assert result.exit_code == 2 and "exists already" in result.stderr and path.read_bytes() == before


def test_tasks_that_could_not_be_read_again_are_refused_before_training(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setattr(task_manifest, "JSON_BYTES", 900)
    small = ("--env", "wall", "--scale", "smoke", "--set", "evaluation.tasks=9")
    for words in (("tasks", *small, "--out", "t.json"), ("run", *small, "--recipe", "vf", "--out", "here")):
        refused = vgbench_cli(*words)
        assert refused.exit_code == 2 and "these 9 tasks would take" in refused.stderr, refused.stderr
        assert "take fewer (evaluation.tasks)" in refused.stderr
    assert not (tmp_path / "t.json").exists() and not list(tmp_path.rglob("train.jsonl"))


def test_tasks_that_another_process_wrote_meanwhile_are_kept(vgbench_cli, tmp_path, monkeypatch):
    path, sample = tmp_path / "tasks.json", Wall.sample_tasks

    def meanwhile(self, *args):
        path.write_text("theirs")
        return sample(self, *args)

    monkeypatch.setattr(Wall, "sample_tasks", meanwhile)
    done = vgbench_cli("tasks", "--protocol", "wall_big", "--scale", "smoke", "--out", "tasks.json")
    assert done.exit_code == 2 and "tasks.json was made by another process meanwhile, and is kept" in done.stderr
    assert path.read_text() == "theirs" and not list(tmp_path.glob(".*.partial"))


def test_a_maze_that_was_trained_on_is_no_task(made, vgbench_cli, tmp_path):
    """Also where the tasks come from a file: here, one made beside other data."""
    path = made("maze", "--data-seed", "1")
    data = Maze(Maze.Params()).collect(40, 3, 0)  # the layouts of data seed 0 do not depend on the length
    seen = data.static["layout"][0]

    def intrude(content):
        task = content["tasks"][1]
        task["both"]["layout"] = seen.tolist()

    edited(path, intrude)
    result = vgbench_cli("run", "--protocol", "maze", *SMOKE, "--tasks", path, "--out", "run")
    assert result.exit_code == 2, result.stderr
    assert "maze.json: maze: 1 of 4 tasks (the first is task 1) are in layouts that the data have" in result.stderr
    assert not (tmp_path / "run" / "train.jsonl").exists()


@pytest.fixture
def wall():
    return lambda **params: Wall(Wall.Params(layout="per_trajectory", **params))


def test_the_walls_default_layouts_are_what_they_were(wall):
    """Fingerprints: of the data from before `holdout`; of the tasks from when they got a random stream of their own."""
    assert files.fingerprint(wall().collect(6, 20, 3)) == "d4c24c1baa19239a"
    tasks = wall().sample_tasks(5, 2, None)
    arrays = [end[name].numpy().tobytes() for name in ("layout", "position") for end in (tasks.start, tasks.goal)]
    assert hashlib.sha256(b"".join(arrays)).hexdigest()[:16] == "6e0024fe39853fd5"


def test_the_share_of_tasks_in_layouts_of_the_data(wall):
    data, tasks = wall(policy="expert").collect(300, 2, 0), wall().sample_tasks(200, 0, None)
    known = {tuple(row) for row in data.static["layout"].tolist()}
    share = np.mean([tuple(row) in known for row in tasks.start["layout"].tolist()])
    assert 0.1 < share < 0.4  # 300 of 1056 with repetition
    assert wall().check_tasks(tasks, data) == {"share_in_layouts_of_data": pytest.approx(share)}


def test_a_holdout_keeps_layouts_from_the_data(wall):
    held = wall(holdout=True, policy="expert")
    data, tasks = held.collect(3000, 2, 0), held.sample_tasks(3000, 0, None)
    trained, judged = (
        {tuple(row) for row in array.tolist()} for array in (data.static["layout"], tasks.start["layout"])
    )
    assert not trained & judged and len(trained) > 750 and len(judged) == 264  # 792 and 264 of 24 x 44
    assert {x for x, _ in judged} == {x for x, _ in trained} == set(range(20, 44))
    assert {y for _, y in judged} == {y for _, y in trained} == set(range(10, 54))
    assert held.check_tasks(tasks, data) == {"share_in_layouts_of_data": 0.0}
    with pytest.raises(ValueError, match=r"holdout=true: \d+ of 3000 tasks .* were these collected with"):
        held.check_tasks(tasks, wall(policy="expert").collect(300, 2, 0))


def test_a_holdout_needs_many_layouts():
    with pytest.raises(ValueError, match="expects layout=per_trajectory, not fixed"):
        Wall.Params(layout="fixed", holdout=True)


def test_tasks_for_another_single_layout_are_refused():
    wall = Wall(Wall.Params(layout="per_dataset"))
    data = wall.collect(4, 20, 0)
    tasks = wall.sample_tasks(3, 0, data)
    other = {name: array.clone() for name, array in tasks.start.items()}
    other["layout"][2] += torch.tensor([1.0, 0.0])
    with pytest.raises(ValueError, match=r"1 of 3 tasks \(the first is task 2\) are in a layout that the data do not"):
        wall.check_tasks(Tasks(other, tasks.goal), data)


def test_data_of_a_file_may_lack_a_later_parameter(vgbench_cli, tmp_path):
    """A file without `holdout` was collected without it; a run with it says so, and refuses its tasks."""
    where = ("--protocol", "wall_big", "--scale", "smoke", "--set", "wall.layout=per_trajectory")
    assert vgbench_cli("collect", *where, "--trajectories", "80", "--out", "d.h5").exit_code == 0
    held = ("--set", "wall.holdout=true", "--set", "evaluation.tasks=100", "--data", "d.h5", "--out", "t.json")
    result = vgbench_cli("tasks", *where, *held)
    assert "was collected with wall.holdout=False, but the run has True" in result.stderr
    assert result.exit_code == 2 and "were these collected with wall.holdout=true?" in result.stderr
    assert not (tmp_path / "t.json").exists()
