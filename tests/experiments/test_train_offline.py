"""`vgbench train` and `vgbench offline`: recordings alone, from a file of one's own to a report."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vgbench.analysis.offline import offline, untrained
from vgbench.data import files
from vgbench.data.held_out import split
from vgbench.experiments.trained import load_trained


def line(path, episodes=24, seed=0, lengths=(12, 60)):
    """A point on a plane that goes its own way: observation = position, action = displacement."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(*lengths, episodes)
    actions = [rng.uniform(0.5, 1.5, (n, 1)) * rng.choice([-1, 1], (1, 2)) for n in lengths]
    places = [np.concatenate([np.zeros((1, 2)), np.cumsum(a[:-1], axis=0)]) + rng.normal(size=2) for a in actions]
    np.savez(path, observations=np.concatenate(places), actions=np.float32(np.concatenate(actions)), lengths=lengths)
    return lengths


@pytest.fixture(scope="module")
def model(made_once, tmp_path_factory):
    """A folder with data.h5 and a trained model, made by three commands."""
    from typer.testing import CliRunner

    from vgbench.cli import app

    def make(folder):
        line(folder / "own.npz")
        for words in (
            ["import", folder / "own.npz", "--out", folder / "data.h5"],
            ["train", "--data", folder / "data.h5", "--recipe", "vf", "--scale", "smoke", "--out", folder / "model"],
            ["offline", folder / "model"],
        ):
            done = CliRunner().invoke(app, list(map(str, words)))
            assert done.exit_code == 0, done.stderr

    return made_once("recorded-model", make)


def test_three_commands_lead_from_an_npz_to_a_report(model):
    training = json.loads((model / "model" / "training.json").read_text())
    assert training["data"]["trajectories"] == 22 and training["data"]["held_out"] == 2
    assert set(training["losses"]) == {"encoder", "predictor"} and training["environment"] == "recorded"
    run = json.loads((model / "model" / "run.json").read_text())
    assert run["status"] == "trained" and {p["name"] for p in run["plugins"]} >= {"recorded", "vector"}
    report = json.loads((model / "model" / "offline.json").read_text())
    assert report["of"] == "held out" and report["episodes"] == 2
    data = files.load(model / "data.h5")[0]
    kept, held = split(data, 0.1)
    assert report["states"] == held.counts.sum() and training["data"]["states"] == kept.counts.sum()
    assert len(kept) + len(held) == len(data)


def test_training_that_is_done_is_told_again_and_not_repeated(model, vgbench_cli):
    before = (model / "model" / "checkpoints" / "encoder.pt").read_bytes()
    out = vgbench_cli(
        "train", "--config", model / "model" / "config.yaml", "--out", model / "model", "--format", "json"
    )
    assert out.exit_code == 0, out.stderr
    assert out.json()["key"] == json.loads((model / "model" / "run.json").read_text())["key"]
    assert (model / "model" / "checkpoints" / "encoder.pt").read_bytes() == before


def test_offline_prints_what_it_writes(model, vgbench_cli, tmp_path):
    out = vgbench_cli("offline", model / "model", "--out", tmp_path / "o.json", "--format", "json")
    assert out.exit_code == 0 and out.json() == json.loads((tmp_path / "o.json").read_text())
    again = vgbench_cli("offline", model / "model", "--out", tmp_path / "p.json", "--format", "json")
    assert again.json() == out.json()
    other = vgbench_cli(
        "offline", model / "model", "--data", model / "data.h5", "--out", tmp_path / "q.json", "--format", "json"
    )
    assert other.json()["of"] == "given" and other.json()["episodes"] == 24
    shown = vgbench_cli("offline", model / "model", "--out", tmp_path / "r.json").stdout
    assert "held-out episodes" in shown and shown.startswith(f"{other.json()['verdict'][:8]}")


def test_other_data_have_a_file_of_their_own_that_says_what_was_trained_on(model, vgbench_cli, tmp_path):
    """24 episodes of the training file, of which 2 were held out; then as many that nobody has seen."""
    before = (model / "model" / "offline.json").read_bytes()
    for part in ("one", "two"):
        (tmp_path / part).mkdir()
    (tmp_path / "one" / "own.h5").write_bytes((model / "data.h5").read_bytes())
    line(tmp_path / "other.npz", seed=7)
    assert vgbench_cli("import", "other.npz", "--out", "two/own.h5").exit_code == 0
    seen = vgbench_cli("offline", model / "model", "--data", "one/own.h5")
    assert seen.exit_code == 0 and "22 of these 24 episodes were trained on" in seen.stdout
    known = json.loads((model / "model" / "offline-own.json").read_text())["data"]
    assert known == {"file": "own.h5", "fingerprint": known["fingerprint"], "trained_on": 22, "held_out": 2}
    assert known["fingerprint"] == json.loads((model / "model" / "training.json").read_text())["data"]["fingerprint"]
    unseen = vgbench_cli("offline", model / "model", "--data", "two/own.h5")
    assert unseen.exit_code == 0 and "were trained on" not in unseen.stdout
    # Of the same name, so the fingerprint tells them apart.
    (other,) = set((model / "model").glob("offline-own-*.json"))
    about = json.loads(other.read_text())["data"]
    assert (about["trained_on"], about["held_out"]) == (0, 0) and about["fingerprint"] in other.name
    assert (model / "model" / "offline.json").read_bytes() == before


def test_each_figure_has_its_yardsticks(model, vgbench_cli, tmp_path):
    """The untrained networks of each seed, against a run that was not trained at all; and constants by hand."""
    record = json.loads((model / "model" / "offline.json").read_text())
    assert record["untrained_seeds"] == [0, 1, 2]
    blocks = record["blocks"]
    for name, figure in (("order", "spearman"), ("time", "error"), ("prediction", "latent"), ("plan", "cosine")):
        found = blocks[name]["untrained"][figure]
        assert len(found) == 3
        # On straight lines, any linear map of places is in their order.
        assert name == "order" or found[0] != found[1]
    # Encoder and distance of seed 1 before any step of training: here a learning rate of 0 keeps them.
    still = ["--set", "train.lr=1e-30", "--seed", 1, "--scale", "smoke", "--recipe", "vf"]
    done = vgbench_cli("train", "--data", model / "data.h5", *still, "--out", "still")
    assert done.exit_code == 0, done.stderr
    same = vgbench_cli("offline", "still", "--format", "json").json()["blocks"]
    assert same["time"]["error"] == pytest.approx(blocks["time"]["untrained"]["error"][1], abs=2e-3)
    assert same["time"]["untrained"]["error"][0] == pytest.approx(same["time"]["error"], abs=2e-3)
    held = split(files.load(model / "data.h5")[0], 0.1)[1]
    steps = blocks["time"]
    assert 0 < steps["error_of_constant"] <= held.counts.max()


def test_a_perfect_model_beats_the_yardsticks_and_an_untrained_one_does_not(model):
    assert "beat the yardsticks" in (said := offline(perfect(model / "model"))["verdict"]), said
    trained = load_trained(model / "model", tasks=False)
    trained.model = untrained(trained, trained.spec.seed, keep_encoder=False)
    said = offline(trained)["verdict"]
    assert said.startswith("Verdict: value") and "not clearly above untrained" in said and "\n" not in said


def test_threads_and_device_are_those_of_the_command(model, vgbench_cli, tmp_path):
    one = vgbench_cli("offline", model / "model", "--threads", 1, "--device", "cpu", "--out", tmp_path / "a.json")
    assert one.exit_code == 0, one.stderr
    refused = vgbench_cli("offline", model / "model", "--threads", 4096)
    assert refused.exit_code == 2 and "--threads 4096" in refused.stderr


class Places(nn.Module):
    """The encoder that a perfect model has: the position, and zeros."""

    def __init__(self, dim, scale):
        super().__init__()
        self.dim, self.scale = dim, scale

    def forward(self, observations):
        return nn.functional.pad(observations["observation"], (0, self.dim - 2))


class Moves(nn.Module):
    """The predictor that a perfect model has, in normalised units."""

    def __init__(self, scale):
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, latents, actions):
        return latents + nn.functional.pad(actions * self.scale, (0, latents.shape[1] - 2))


def perfect(path):
    """A run whose networks are replaced by the truth."""
    trained = load_trained(path, tasks=False)
    model, dim = trained.model, trained.spec.settings["model"].latent_dim
    _, std = model.statistics["observation"]
    model.encoder, model.predictor = Places(dim, std), Moves(trained.data.action_scale / std)
    model.set_latent_scale(torch.zeros(1), torch.ones(1))
    return trained


def test_a_perfect_model_is_judged_perfect(model):
    record = offline(perfect(model / "model"))
    blocks = record["blocks"]
    # The farther back along a straight way, the farther away.
    assert blocks["order"]["spearman"]["mean"] == pytest.approx(1, abs=1e-3)
    assert blocks["time"]["pairs"] > 50 and blocks["time"]["groups"][0]["recorded"] == [1, 4]
    assert max(blocks["prediction"]["latent"]) < 1e-6 < min(blocks["prediction"]["latent_shuffled"])
    plan = blocks["plan"]
    assert plan["cost_of_recorded"] < plan["cost_of_others"] and plan["cosine"] > plan["cosine_of_others"] + 0.3


class Blank(Places):
    """An encoder that tells all states alike."""

    def forward(self, observations):
        return 0 * super().forward(observations)


def test_a_model_that_tells_nothing_is_judged_so(model):
    trained = perfect(model / "model")
    trained.model.encoder = Blank(trained.model.encoder.dim, 1)
    blocks = offline(trained)["blocks"]
    assert blocks["order"]["spearman"]["mean"] == 0
    assert blocks["order"]["spearman"]["collapsed"] == blocks["order"]["spearman"]["goals"]
    assert blocks["time"]["pearson"] is None and blocks["time"]["median_ratio"] == 0


def test_a_run_of_an_environment_is_trained_and_then_played(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    how = ("--env", "wall", "--recipe", "vf", "--scale", "smoke", "--out", "w")
    assert vgbench_cli("train", *how).exit_code == 0
    assert vgbench_cli("offline", "w").exit_code == 0
    weights = Path("w/checkpoints/predictor.pt").read_bytes()
    assert (
        "for `vgbench offline`" not in vgbench_cli("train", *how).stdout
    )  # all were trained on: the data are of a seed
    played = vgbench_cli("run", *how, "--format", "json")
    assert played.exit_code == 0 and played.json()["n"] == 4
    assert Path("w/checkpoints/predictor.pt").read_bytes() == weights


@pytest.mark.parametrize(
    ("file", "old", "new", "again"),
    [
        ("training.json", '"states": ', '"states": 1', "train --data data.h5 --recipe vf --scale smoke --out model"),
        # Until a run is complete config.yaml is in no list of checksums.
        ("config.yaml", "\nseed: 0\n", "\nseed: 1\n", "offline model"),
    ],
)
def test_what_was_edited_after_training_is_not_believed(model, vgbench_cli, tmp_path, file, old, new, again):
    shutil.copytree(model, tmp_path, dirs_exist_ok=True)
    path = Path("model") / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    done = vgbench_cli(*again.split())
    assert done.exit_code == 1 and f"{path} is damaged or was edited" in done.stderr


def test_a_data_set_of_an_environment_is_trained_on_and_then_played_as_it_stands(vgbench_cli, tmp_path):
    made = vgbench_cli("collect", "--env", "wall", "--trajectories", 30, "--set", "data.length=24", "--out", "wall.h5")
    assert made.exit_code == 0, made.stderr
    trained = vgbench_cli(
        "train", "--data", "wall.h5", "--recipe", "vf", "--scale", "smoke", "--out", "w", "--format", "json"
    )
    assert trained.exit_code == 0 and trained.json()["data"]["held_out"] == 3
    assert vgbench_cli("offline", "w", "--format", "json").json()["episodes"] == 3
    weights = Path("w/checkpoints/encoder.pt").read_bytes()
    played = vgbench_cli("run", "--config", "w/config.yaml", "--out", "w", "--format", "json")
    assert played.exit_code == 0 and played.json()["key"] == trained.json()["key"], played.stderr
    assert Path("w/checkpoints/encoder.pt").read_bytes() == weights
    assert vgbench_cli("train", "--config", "w/config.yaml", "--out", "w").exit_code == 0
    assert json.loads(Path("w/run.json").read_text())["status"] == "done"


def test_what_cannot_be(model, vgbench_cli, tmp_path):
    def refused(*args):
        result = vgbench_cli(*args)
        assert result.exit_code == 2 and result.stderr.count("error:") == 1, result.stderr
        return result.stderr

    data = model / "data.h5"
    assert "missing --data FILE" in refused("train", "--recipe", "vf")
    assert "there is no simulator" in refused("run", "--data", data, "--recipe", "vf")
    assert "vgbench offline" in refused("diagnose", model / "model")
    assert "--env NAME" in (said := refused("evaluate", model / "model")) and "vgbench offline" in said
    shown = "it shows {'image': ((2, 64, 64), 'uint8')}, but the model was trained on {'observation'"
    assert f"--env wall: {shown}" in refused("evaluate", model / "model", "--env", "wall")
    for command in ("compare", "plot"):
        said = refused(command, model / "model", model)
        assert "was trained without evaluation" in said and "vgbench evaluate" in said, said
    assert "the training set is given by --data data.h5" in plain(vgbench_cli("train", "data.h5"))
    assert "it is a parameter: --set train.epochs=VALUE" in plain(vgbench_cli("train", "--epochs", 3))
    assert "`vgbench import FILE --out" in refused("train", "--data", "none.h5", "--recipe", "vf")
    assert "expected the folder of a run" in (said := refused("offline", data)) and "it is a file" in said
    said = refused("train", "--data", data, "--env", "wall", "--recipe", "vf")
    assert "holds data of environment 'recorded'" in said and "`vgbench import FILE --env wall`" in said
    assert "vgbench import --length N" in refused(
        *("train", "--data", data, "--recipe", "vf", "--scale", "smoke", "--set", "data.held_out=0.99", "--out", "x")
    )
    assert "there is no such folder" in refused("offline", "nowhere")
    line(tmp_path / "short.npz", lengths=(3, 9))
    assert vgbench_cli("import", "short.npz", "--out", "short.h5").exit_code == 0
    words = refused("train", "--data", "short.h5", "--recipe", "vf", "--scale", "smoke", "--out", "y")
    assert "train.window=16 is longer than a trajectory: data.length=8" in words


def plain(result):
    """What a parser's error says, on one line."""
    assert result.exit_code == 2
    return " ".join(result.stderr.split())


def test_a_dry_run_of_training_says_what_it_costs_and_writes_nothing(model, vgbench_cli, tmp_path):
    out = vgbench_cli("train", "--data", model / "data.h5", "--recipe", "vf", "--dry-run", "--out", "x")
    assert out.exit_code == 0 and "time on this machine" in out.stdout and "no task" not in out.stdout
    assert "data.held_out" in out.stdout and not (tmp_path / "x").exists()


def test_a_failed_training_says_how_its_folder_is_used_again(model, vgbench_cli, tmp_path):
    what = ("train", "--data", model / "data.h5", "--recipe", "vf", "--scale", "smoke", "--out", "x")
    failed = vgbench_cli(*what, "--set", "train.lr=1e30")
    assert failed.exit_code == 1 and "is nan" in failed.stderr
    again = vgbench_cli(*what)
    assert again.exit_code == 2 and "Choose another --out, or delete it: it failed" in again.stderr, again.stderr


def test_the_environment_of_recordings_can_be_shown_and_other_folders_are_no_runs(model, vgbench_cli, tmp_path):
    shown = vgbench_cli("show", "environment", "recorded")
    assert shown.exit_code == 0 and "name and kind" in shown.stdout.replace("name, kind", "name and kind")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("buy milk")
    listed = vgbench_cli("runs", tmp_path)
    assert listed.exit_code == 0 and "notes" not in listed.stdout and "damaged" not in listed.stdout


def test_data_files_are_held_to_what_collected_data_are(model, vgbench_cli, tmp_path):
    """Numbers that are not finite, in a file whose hash is right."""
    import h5py

    from vgbench.data import episode_file

    content = (model / "data.h5").read_bytes()
    for field, row, words in (
        ("observations/observation", 20, "observation 'observation' has NaN or infinity at step"),
        ("actions", 3, "trajectory 0: actions has NaN or infinity at step 3"),
    ):
        (tmp_path / "bad.h5").write_bytes(content)
        with h5py.File(tmp_path / "bad.h5", "r+") as file:
            file[field][row, 0] = np.nan
        found = files.fingerprint(episode_file.read(tmp_path / "bad.h5"))
        with h5py.File(tmp_path / "bad.h5", "r+") as file:
            file.attrs["fingerprint"] = found
            file.attrs["sha256"] = files.header_hash(file)
        out = vgbench_cli(
            "train", "--data", "bad.h5", "--recipe", "vf", "--scale", "smoke", "--out", field.replace("/", "-")
        )
        assert out.exit_code == 2 and words in out.stderr, out.stderr


def test_the_environment_is_that_of_the_data(vgbench_cli, tmp_path):
    from vgbench.config.resolve import RunRequest, resolve

    made = vgbench_cli("collect", "--env", "maze", "--trajectories", 8, "--set", "data.length=20", "--out", "maze.h5")
    assert made.exit_code == 0, made.stderr
    spec = resolve(RunRequest(data="maze.h5", recipe="vf", scale="smoke", set={"train.batch": 2}))
    assert (spec.environment.name, spec.protocol, spec.settings["data"].length) == ("maze", "maze", 20)


def test_a_run_on_trajectories_of_different_lengths(vgbench_cli, tmp_path):
    """Through training, tasks, planning and the diagnosis; lengths of 10 to 40, a window of 16."""
    from vgbench.api import Trajectories
    from vgbench.data import episode_file
    from vgbench.settings import DataSettings
    from vgbench_plugins.environments.wall import Wall

    wall = Wall(Wall.Params())
    whole = wall.collect(40, 40, 0)
    lengths = np.random.default_rng(0).integers(10, 41, 40)
    lengths[0] = 40
    data = Trajectories(whole.states, whole.static, whole.actions, {}, None, lengths)
    spec = files.specification("wall", wall, DataSettings(trajectories=40, length=40), 0)
    episode_file.write(tmp_path / "cut.h5", lengths, episode_file.episodes_of(data), spec, {})
    for recipe in ("vf", "two_space"):
        done = vgbench_cli(
            *("run", "--env", "wall", "--data", "cut.h5", "--recipe", recipe, "--scale", "smoke", "--out", recipe)
        )
        assert done.exit_code == 0, done.stderr
        assert vgbench_cli("diagnose", recipe, "--states", 64, "--goals", 4).exit_code == 0
