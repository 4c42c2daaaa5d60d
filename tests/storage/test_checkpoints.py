"""Checkpoints: what was written comes back, and nothing else does."""

import hashlib
import os
import random
import zipfile

import pytest
import torch

from vgbench.errors import VgbenchError
from vgbench.storage import checkpoints

CONTENT = {"step": 3, "model": {"w": torch.arange(50.0)}}


@pytest.fixture
def path(tmp_path):
    checkpoints.save(tmp_path / "predictor.pt", "abc", CONTENT)
    return tmp_path / "predictor.pt"


def test_a_checkpoint_comes_back_and_is_still_what_torch_reads(path):
    found, _ = checkpoints.load(path, "abc")
    assert found["step"] == 3 and torch.equal(found["model"]["w"], CONTENT["model"]["w"])
    assert torch.equal(torch.load(path, weights_only=True)["content"]["model"]["w"], CONTENT["model"]["w"])


def test_its_checksum_is_that_of_the_file_without_it(path):
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        comment = archive.comment
    plain = data[: -len(comment) - 2] + b"\0\0"
    assert comment == b"vgbench sha256 " + hashlib.sha256(plain).hexdigest().encode()


def test_a_flipped_bit_anywhere_is_refused_by_name(path):
    data, rng = path.read_bytes(), random.Random(0)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(VgbenchError, match=r"predictor\.pt cannot be used: .*Delete this file"):
            checkpoints.load(path, "abc")


def test_of_an_older_checkpoint_the_archive_s_own_checksums_are_compared(path):
    torch.save({"key": "abc", "content": CONTENT}, path)
    assert checkpoints.load(path, "abc")[0]["step"] == 3
    data = path.read_bytes()
    weights = torch.arange(50.0).numpy().tobytes()
    place = data.index(weights) + 17  # in the middle of a weight
    path.write_bytes(data[:place] + bytes([data[place] ^ 64]) + data[place + 1 :])
    assert not torch.equal(torch.load(path, weights_only=True)["content"]["model"]["w"], torch.arange(50.0))
    with pytest.raises(VgbenchError, match=r"predictor\.pt cannot be used: it is damaged \(in "):
        checkpoints.load(path, "abc")


@pytest.mark.timeout(60)
def test_what_is_no_file_or_too_large_for_memory_is_refused_by_name(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "endless.pt").symlink_to("/dev/zero")
    with (tmp_path / "large.pt").open("wb") as file:
        file.truncate(2**42)
    for name, words in (("pipe", "pipe or a device"), ("endless", "pipe or a device"), ("large", "File too large")):
        with pytest.raises(VgbenchError, match=rf"{name}\.pt cannot be used: .*{words}"):
            checkpoints.load(tmp_path / f"{name}.pt", "abc")


@pytest.mark.parametrize("marked", [False, True], ids=["older", "with a valid checksum"])
def test_an_archive_that_unpacks_to_more_than_it_has_is_refused(path, marked):
    torch.save({"key": "abc", "content": {"w": torch.zeros(2_000_000)}}, path)
    packed = path.with_name("packed.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    if marked:
        plain = packed.read_bytes()
        words = b"vgbench sha256 " + hashlib.sha256(plain).hexdigest().encode()
        packed.write_bytes(plain[:-2] + len(words).to_bytes(2, "little") + words)
    assert packed.stat().st_size < path.stat().st_size / 100
    with pytest.raises(VgbenchError, match=r"packed\.pt cannot be used: it is damaged"):
        checkpoints.load(packed, "abc")


@pytest.mark.parametrize("log", [{"bytes": 3}, {"bytes": "3", "sha256": ""}, {"bytes": -1, "sha256": ""}, "x", {}])
def test_one_that_does_not_say_how_far_the_log_had_come_is_refused_by_name(path, log):
    torch.save({"key": "abc", "content": CONTENT, "log": log}, path)
    with pytest.raises(VgbenchError, match=r"predictor\.pt cannot be used: it does not say how far the log had come"):
        checkpoints.load(path, "abc")
