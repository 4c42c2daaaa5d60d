"""A data set that memory does not hold: trained on from its file, to the same weights, within a limit."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch

from vgbench.data import episode_file, files, stored
from vgbench.data.dataset import Dataset
from vgbench.training import latents as latents_module
from vgbench.training.latents import encode_all, fit_latent_scale

LIMITED = """
import resource, sys
import torch, h5py, vgbench.cli, vgbench.experiments.runner, matplotlib, scipy.stats
torch.set_num_threads(1)
torch.nn.functional.conv2d(torch.zeros(64, 3, 64, 64), torch.zeros(8, 3, 8, 8))
with open("/proc/self/status") as file:
    now = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData"))
limit = now + int(float(sys.argv[1]) * 2**30)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
sys.argv[1:] = sys.argv[2:]
vgbench.cli.app()
"""


def sparse(path, episodes, length, shape):
    """A data file as `vgbench import` makes it, of frames that are mostly not there (and so 0)."""
    rng, rows = np.random.default_rng(0), episodes * length
    observations = [["observation", "image", list(shape)]]
    spec = {
        **{"environment": "recorded", "package": "vgbench_plugins", "version": 1, "seed": 0, "format": 1},
        **{"trajectories": episodes, "length": length},
        "params": {"observations": observations, "low": [-1.0, -1.0], "high": [1.0, 1.0]},
    }
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": 2, "generator": "test", "specification": json.dumps(spec), "card": "{}"})
        file["lengths"] = np.full(episodes, length)
        file["actions"] = rng.uniform(-1, 1, (episodes * (length - 1), 2)).astype(np.float32)
        size = int(np.prod(shape))
        frames = file.create_dataset(
            "observations/observation", (rows, *shape), "u1", chunks=(max(1, 262144 // size), *shape)
        )
        for at in rng.integers(0, rows - 64, 40):
            frames[at : at + 64] = rng.integers(0, 256, (64, *shape), dtype=np.uint8)
    found = files.fingerprint(episode_file.read(path))
    with h5py.File(path, "a") as file:
        file.attrs["fingerprint"] = found


def train(vgbench_cli, out):
    done = vgbench_cli(
        *("train", "--data", "data.h5", "--recipe", "vf", "--scale", "smoke", "--out", out, "--format", "json")
    )
    assert done.exit_code == 0, done.stderr
    return {name: torch.load(f"{out}/checkpoints/{name}.pt")["content"]["model"] for name in ("encoder", "predictor")}


def test_a_set_in_its_file_trains_to_the_weights_of_one_in_memory(vgbench_cli, tmp_path, monkeypatch):
    sparse(tmp_path / "data.h5", 12, 40, (3, 32, 32))
    first = train(vgbench_cli, "memory")
    monkeypatch.setattr(episode_file, "LARGE", 0)
    monkeypatch.setattr(episode_file.read, "__defaults__", (0,))
    assert isinstance(files.load(tmp_path / "data.h5")[0].observations["observation"], stored.StoredArray)
    second = train(vgbench_cli, "file")
    for name, weights in first.items():
        for key, value in weights.items():
            assert torch.equal(value, second[name][key]), (name, key)


def test_latents_on_disk_are_those_in_memory(tmp_path, small, monkeypatch):
    sparse(tmp_path / "data.h5", 12, 40, (2, 64, 64))
    kept = episode_file.read(tmp_path / "data.h5", large=0)
    data = Dataset(small.data.environment, kept, torch.device("cpu"))
    model = small.model()
    model.set_statistics({"image": data.statistics()["observation"]})
    data._observations = {"image": data._observations["observation"]}
    in_memory, on_disk = encode_all(model, data), encode_all(model, data, folder=tmp_path, large=0)
    assert isinstance(on_disk, latents_module.LatentFile)
    ids = torch.tensor([[3, 4, 5, 200], [479, 0, 1, 7]])
    assert torch.equal(on_disk[ids], in_memory[ids])
    for how in ("overall", "per_dimension", "scalar"):
        fit_latent_scale(model, in_memory, how)
        shift, scale = model.latent_shift, model.latent_scale
        fit_latent_scale(model, on_disk, how)
        torch.testing.assert_close(model.latent_shift, shift, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(model.latent_scale, scale, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory as Linux has them")
def test_two_gigabytes_train_within_one_above_the_model(tmp_path):
    """Joint training and a separate one with its latents; 2 GB of frames, 1 GiB of room for data of any kind."""
    sparse(tmp_path / "data.h5", 350, 500, (3, 64, 64))
    with h5py.File(tmp_path / "data.h5") as file:
        assert file["observations/observation"].nbytes > 2 * 10**9
    for recipe in ("vf", "pred_vcreg"):
        args = ["train", "--data", "data.h5", "--recipe", recipe, "--scale", "smoke", "--out", recipe]
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, "1", *args], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
    # In memory it does not fit: the limit is one.
    hungry = LIMITED.replace("vgbench.cli.app()", "import numpy; numpy.ones(2 * 10**9, numpy.uint8)")
    done = subprocess.run([sys.executable, "-c", hungry, "1"], capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr
