"""Training sets as data sets of Minari, and back."""

import json
import re
import shlex
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from vgbench.data import files

minari = pytest.importorskip("minari")
import gymnasium  # noqa: E402

DOCS = (Path(__file__).parents[2] / "docs" / "gymnasium.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Local data sets of both in folders of the test's own."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "minari"


@pytest.fixture
def done(vgbench_cli):
    """Run a command that has to succeed."""

    def call(*args):
        result = vgbench_cli(*args)
        assert result.exit_code == 0, result.stderr
        return result

    return call


@pytest.fixture
def refused(vgbench_cli):
    """Run a command that has to be refused, and return what it says."""

    def call(*args, code=2):
        result = vgbench_cli(*args)
        assert result.exit_code == code and result.stderr.count("error:") == 1, result.stderr
        return result.stderr

    return call


@pytest.fixture
def maze(done, tmp_path):
    path = tmp_path / "maze.h5"
    done("collect", "--env", "maze", "--trajectories", 6, "--set", "data.length=12", "--out", path)
    return path


@pytest.fixture
def umaze(tmp_plugin):
    pytest.importorskip("gymnasium_robotics")
    code = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)[1]
    return tmp_plugin(code, dist="my-package", environments={"umaze": "UMaze"})


def episode(number, observations, actions):
    """What Minari's collector makes of an episode."""
    from minari.data_collector.episode_buffer import EpisodeBuffer

    steps = len(actions)
    ends = {"terminations": [False] * steps, "truncations": [False] * (steps - 1) + [True]}
    return EpisodeBuffer(id=number, observations=observations, actions=actions, rewards=[0.0] * steps, **ends)


def record(name, episodes, observation_space, action_space):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nobody is named as author
        spaces = {"observation_space": observation_space, "action_space": action_space}
        minari.create_dataset_from_buffers(name, episodes, **spaces)


@pytest.fixture
def recorded(umaze):
    """A data set of PointMaze as Minari has them, and its steps: 2 episodes of 45 and 30 actions."""
    import gymnasium_robotics

    gymnasium.register_envs(gymnasium_robotics)
    env = gymnasium.make("PointMaze_UMaze-v3")
    rng, episodes = np.random.default_rng(0), []
    for seed, steps in ((0, 45), (1, 30)):
        seen = [env.reset(seed=seed)[0]]
        actions = rng.uniform(-1, 1, (steps, 2)).astype(np.float32)
        seen += [env.step(action)[0] for action in actions]
        episodes.append((seen, actions))
    buffers = [
        episode(number, {name: np.array([s[name] for s in seen]) for name in seen[0]}, actions)
        for number, (seen, actions) in enumerate(episodes)
    ]
    record("pointmaze/umaze-v0", buffers, env.observation_space, env.action_space)
    return episodes


@pytest.mark.parametrize("name", ["wall", "maze"])
def test_a_data_set_comes_back_as_it_was(name, done, tmp_path):
    first, second = tmp_path / "first.h5", tmp_path / "second.h5"
    done("collect", "--env", name, "--trajectories", 6, "--set", "data.length=40", "--data-seed", 3, "--out", first)
    out = done("export", first, "--minari", f"vg/{name}-v0", "--format", "json").json()
    assert (out["episodes"], out["states"], out["environment"]) == (6, 40, name)
    back = done("import", "--minari", f"vg/{name}-v0", "--out", second, "--format", "json").json()
    assert (back["trajectories"], back["length"], back["environment"]) == (6, 40, name)
    (a, a_spec), (b, b_spec) = files.load(first), files.load(second)
    assert a_spec == b_spec and a.card == b.card == back["card"]
    for ours, theirs in ((a.states, b.states), (a.static, b.static), ({"a": a.actions}, {"a": b.actions})):
        assert list(ours) == list(theirs)
        for key, array in ours.items():
            assert array.dtype == theirs[key].dtype
            np.testing.assert_array_equal(array, theirs[key])


def test_trajectories_of_different_lengths_come_back_as_they_were(done, tmp_path):
    steps = [5, 9, 2]
    place = np.concatenate([np.linspace([8, 8], [20, 20], n + 1) for n in steps])
    rows = {"position": place, "layout": np.tile([[32.0, 22.0]], (len(place), 1))}
    actions = np.random.default_rng(0).uniform(-1, 1, (len(place), 2)).astype(np.float32)
    np.savez(tmp_path / "a.npz", observations=place, **rows, actions=actions, ep_len=np.array(steps) + 1)
    done("import", tmp_path / "a.npz", "--env", "wall", "--out", "first.h5")
    done("export", "first.h5", "--minari", "vg/cut-v0")
    assert minari.load_dataset("vg/cut-v0").total_steps == sum(steps)
    done("import", "--minari", "vg/cut-v0", "--out", "second.h5")
    first, second = (files.load(Path(name))[0] for name in ("first.h5", "second.h5"))
    assert first.counts.tolist() == second.counts.tolist() == [6, 10, 3]
    assert files.fingerprint(first) == files.fingerprint(second)


def test_minari_sees_episodes_of_states(maze, done, places):
    done("export", maze, "--minari", "maze-v3")
    found, (data, _) = minari.load_dataset("maze-v3"), files.load(maze)
    assert (found.total_episodes, found.total_steps) == (6, 66)
    for index, episode in enumerate(found.iterate_episodes()):
        np.testing.assert_array_equal(episode.observations["velocity"], data.states["velocity"][index])
        np.testing.assert_array_equal(episode.actions, data.actions[index])
        assert (episode.observations["layout"] == data.static["layout"][index]).all()
        assert episode.observations["layout"].shape == (12, 4, 4)
        assert episode.truncations.tolist() == [False] * 10 + [True] and not episode.terminations.any()
    step = next(found.iterate_episodes())
    assert found.observation_space.contains({name: array[0] for name, array in step.observations.items()})
    assert all(found.action_space.contains(action) for action in step.actions)
    assert [path.name for path in places.iterdir()] == ["maze-v3"]


def test_point_maze_of_minari_is_cut_if_asked_and_trained_on_whole(recorded, umaze, done, vgbench_process, tmp_path):
    out = tmp_path / "umaze.h5"
    about = done("import", "--minari", "pointmaze/umaze-v0", "--env", "umaze", "--length", 11, "--out", out)
    assert "has no protocol of its own" in about.stderr
    data, spec = files.load(out)
    assert (len(data), data.length, spec["minari"]) == (4 + 3, 11, "pointmaze/umaze-v0")
    assert data.card["share_of_steps_left_out"] == round(5 / 75, 4) and data.card["share_of_actions_clipped"] == 0
    seen, actions = recorded[0]
    np.testing.assert_array_equal(data.actions[1], actions[10:20])
    positions = np.array([s["observation"] for s in seen[10:21]], np.float32)
    np.testing.assert_array_equal(data.states["observation"][1], positions)
    np.testing.assert_array_equal(data.states["achieved_goal"][1], positions[:, :2])
    seen, actions = recorded[1]
    np.testing.assert_array_equal(data.states["observation"][4, 0], np.float32(seen[0]["observation"]))
    np.testing.assert_array_equal(data.actions[6], actions[20:30])

    done("import", "--minari", "pointmaze/umaze-v0", "--env", "umaze", "--out", whole := tmp_path / "whole.h5")
    data, _ = files.load(whole)
    assert data.counts.tolist() == [46, 31] and data.card["share_of_steps_left_out"] == 0
    run = shlex.split("run --env umaze --recipe vf --encoder vector --scale smoke --format json")
    trained = vgbench_process(*run, "--data", str(whole), PYTHONPATH=str(umaze), OMP_NUM_THREADS="1")
    assert trained.returncode == 0, trained.stderr
    result = json.loads(trained.stdout)
    assert result["n"] == 4 and result["data"]["fingerprint"] == files.fingerprint(data)


def test_nothing_is_stepped_from_states_that_were_not_recorded(recorded, done, tmp_path):
    out = tmp_path / "umaze.h5"
    done("import", "--minari", "pointmaze/umaze-v0", "--env", "umaze", "--length", 11, "--out", out)
    import torch

    from vgbench.plugin.registry import Registry, load_plugin

    cls = load_plugin(Registry().find("environment", "umaze"))
    states = {name: torch.from_numpy(array[:, 0]) for name, array in files.load(out)[0].states.items()}
    with pytest.raises(ValueError, match="this state has no `simulation`"):
        cls(cls.Params()).step(states, torch.zeros(7, 2))


def test_actions_beyond_the_set_are_clipped_as_the_environment_would(done, tmp_path):
    """A wall whose data come from elsewhere: its layout is found to be one for each episode."""
    position = np.cumsum(np.ones((9, 2), np.float64), axis=0) + 10
    actions = np.array([[30.0, 40.0]] + [[1.0, 1.0]] * 7)
    seen = {"position": position, "layout": np.tile([[32.0, 22.0]], (9, 1))}
    box = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    record(
        "walls-v0", [episode(i, seen, actions) for i in (0, 1)], gymnasium.spaces.Dict(position=box, layout=box), box
    )
    out = tmp_path / "wall.h5"
    card = done(
        *("import", "--minari", "walls-v0", "--env", "wall", "--length", 9, "--out", out, "--format", "json")
    ).json()["card"]
    data, _ = files.load(out)
    assert card["share_of_actions_clipped"] == 1 / 8
    np.testing.assert_allclose(data.actions[0, 0], [3.67 * 0.6, 3.67 * 0.8], rtol=1e-6)
    np.testing.assert_array_equal(data.static["layout"], [[32, 22]] * 2)
    assert list(data.states) == ["position"] and data.states["position"].dtype == np.float32


def test_names_that_do_not_fit(maze, refused, done, places):
    assert "expected [NAMESPACE/]NAME-vNUMBER, such as my-maze-v0" in refused("export", maze, "--minari", "my maze")
    done("export", maze, "--minari", "vg/maze-v0")
    before = (places / "vg" / "maze-v0" / "data" / "main_data.hdf5").read_bytes()
    assert "there is a data set of that name" in refused("export", maze, "--minari", "vg/maze-v0")
    assert (places / "vg" / "maze-v0" / "data" / "main_data.hdf5").read_bytes() == before
    words = refused("import", "--minari", "vg/maze-v1", "--out", "new.h5")
    assert "did you mean vg/maze-v0?" in words and "`minari download vg/maze-v1`" in words
    assert "expected [NAMESPACE/]NAME-vNUMBER" in refused("import", "--minari", "maze", "--out", "new.h5")
    assert not Path("new.h5").exists()


def test_what_was_exported_leaves_nothing_to_choose(maze, refused, done):
    done("export", maze, "--minari", "maze-v0")
    back = ("import", "--minari", "maze-v0", "--out")
    assert "exported from data of environment 'maze'" in refused(*back, "new.h5", "--env", "wall")
    assert "--length: maze-v0 was exported by vgbench" in refused(*back, "new.h5", "--length", 5)
    assert "exists already" in refused(*back, maze)
    done(*back, "new.h5", "--env", "maze")


def test_an_edited_export_is_refused(maze, refused, done, places):
    done("export", maze, "--minari", "maze-v0")
    with h5py.File(places / "maze-v0" / "data" / "main_data.hdf5", "r+") as file:
        file["episode_3/actions"][2, 0] += 1
    words = refused("import", "--minari", "maze-v0", "--out", "new.h5", code=1)
    assert "its arrays are not those that vgbench exported" in words
    metadata = places / "maze-v0" / "data" / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"velocity"', '"speed"'))
    assert refused("import", "--minari", "maze-v0", "--out", "new.h5", code=1)
    metadata.write_text("{")
    assert "Minari cannot read it" in refused("import", "--minari", "maze-v0", "--out", "new.h5", code=1)
    assert not Path("new.h5").exists()


def test_what_does_not_fit_an_environment(recorded, refused):
    theirs = ("import", "--minari", "pointmaze/umaze-v0", "--out", "new.h5")
    words = refused(*theirs, "--env", "wall")
    assert "state 'position' was not recorded; there is achieved_goal, desired_goal, observation" in words
    words = refused(*theirs, "--env", "umaze", "--length", 46)
    assert "have at most 46 states and give 1 pieces of data.length=46" in words
    assert "data.length" in refused(*theirs, "--env", "umaze", "--length", 1)
    assert "Did you mean 'umaze'?" in refused(*theirs, "--env", "umze")
    assert not Path("new.h5").exists()


def test_without_an_environment_what_it_saw_is_the_data_set(recorded, done, tmp_path):
    about = done("import", "--minari", "pointmaze/umaze-v0", "--out", tmp_path / "a.h5", "--format", "json").json()
    data, spec = files.load(tmp_path / "a.h5")
    assert (about["environment"], spec["minari"], data.states) == ("recorded", "pointmaze/umaze-v0", {})
    for number, (seen, actions) in enumerate(recorded):  # goals are no part of what a model sees
        frames = np.array([s["observation"] for s in seen], np.float32)
        np.testing.assert_array_equal(data.observations["observation"][number, : len(frames)], frames)
        np.testing.assert_array_equal(data.actions[number, : len(actions)], actions)
    assert list(data.observations) == ["observation"]


def test_one_broken_episode_is_named(recorded, refused, done, places, tmp_path):
    """Minari#199: as many observations as actions; Minari#189: infos one short."""
    with h5py.File(places / "pointmaze" / "umaze-v0" / "data" / "main_data.hdf5", "r+") as file:
        for name in ("observation", "achieved_goal", "desired_goal"):
            short = file[f"episode_1/observations/{name}"][:-1]
            del file[f"episode_1/observations/{name}"]
            file[f"episode_1/observations/{name}"] = short
    theirs = ("import", "--minari", "pointmaze/umaze-v0", "--out", "new.h5")
    for more in ((), ("--env", "umaze")):
        words = refused(*theirs, *more)
        assert "episode 1: field 'observation': 30 observations for 30 actions; expected 31" in words
    assert "1 of 2 episodes" in refused(*theirs, "--skip-bad")


def test_a_file_that_is_no_data_set(refused, tmp_path):
    assert "no data set at" in refused("export", tmp_path / "nothing.h5", "--minari", "a-v0")
    (tmp_path / "text.h5").write_text("text")
    words = refused("export", tmp_path / "text.h5", "--minari", "a-v0")
    assert "text.h5 is no HDF5 file, so not a vgbench data set" in words and "vgbench import" in words


def test_a_place_that_cannot_be_written(maze, refused, places, monkeypatch):
    places.write_text("a file where the folder should be")
    assert "cannot write to" in refused("export", maze, "--minari", "maze-v0")


def test_without_minari_it_says_what_to_install(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "minari", None)  # Python's way to say that there is none
    for args in (("export", "any.h5"), ("import", "--out", "new.h5")):
        words = refused(*args, "--minari", "a-v0")
        assert "Minari is not installed" in words and 'run `pip install -c constraints.txt ".[minari]"`' in words


def test_the_commands_of_the_docs(done):
    commands = [b for b in re.findall(r"```console\n(.*?)```", DOCS, re.DOTALL) if "vgbench export" in b]
    for line in commands[0].strip().splitlines():
        done(*shlex.split(line)[1:])
    assert files.fingerprint(files.load(Path("wall.h5"))[0]) == files.fingerprint(files.load(Path("again.h5"))[0])
