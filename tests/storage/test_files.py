"""Files are seen whole or not at all, and nothing else is written to."""

import json
import os
import resource
import signal
import time

import pytest

from vgbench.errors import VgbenchError
from vgbench.experiments.executors import local
from vgbench.experiments.executors.base import Job, Resources
from vgbench.storage import checksums, files


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_planted_link_is_not_written_through(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("x.json.partial", ".x.json.partial", f"x.json.{os.getpid()}.partial"):
        (tmp_path / name).symlink_to(victim)
    target = tmp_path / "x.json"
    target.symlink_to(victim)
    files.write_json(target, {"a": 1})
    assert victim.read_text() == "mine"
    assert json.loads(target.read_text()) == {"a": 1} and not target.is_symlink()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("there", [False, True])
def test_what_is_added_to_a_file_goes_through_no_link_and_into_no_pipe(folder, tmp_path, there):
    """The log of a run, and what a worker says."""
    victim = tmp_path / "victim"
    if there:
        victim.write_text("mine")
    for name in ("train.jsonl", "log.txt"):
        (folder.path / name).symlink_to(victim)
    with pytest.raises(VgbenchError, match=r"cannot write .*train\.jsonl: it is a link, .*; delete it"):
        folder.append("train.jsonl", {"step": 1})
    job = Job(str(folder.path), "key", str(tmp_path), "token")
    with pytest.raises(VgbenchError, match=r"cannot write .*log\.txt: it is a link, .*; delete it"):
        local.Executor(Resources()).submit(job)
    assert victim.read_text() == "mine" if there else not victim.exists()
    os.mkfifo(folder.path / "episodes.jsonl")
    with pytest.raises(VgbenchError, match=r"cannot write .*episodes\.jsonl: "):
        folder.append("episodes.jsonl", {"task": 1})


@pytest.mark.parametrize("error", [OSError("no"), RuntimeError("torch is\nverbose"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "x"
    path.write_text("old")

    def write(partial):
        partial.write_text("half")
        raise error

    with pytest.raises((VgbenchError, KeyboardInterrupt)) as raised:
        files.write_atomically(path, write)
    assert path.read_text() == "old" and names(tmp_path) == ["x"]
    assert isinstance(error, KeyboardInterrupt) or "cannot write" in str(raised.value)


def test_a_full_disk_gets_its_space_back(tmp_path):
    """A limit on the size of files stands for the disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(VgbenchError, match=r"cannot write .*x: File too large; free some space"):
            files.write_bytes(tmp_path / "x", b"a" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert names(tmp_path) == []


def test_what_killed_writers_left_is_dropped_once_it_is_old(tmp_path):
    for name, age in (("a.partial", 0), ("b.partial", 2 * 86400), ("c.json", 2 * 86400)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    files.drop_partials(tmp_path)
    assert names(tmp_path) == ["a.partial", "c.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b'{"a": "\xff"}', "cannot be read"),
        (b" " * (files.JSON_BYTES + 1), "more than"),
        (b"9" * 10_000, "cannot be read"),
        (b"[1]", "has no 'a'"),
    ],
)
def test_json_that_is_none_or_too_much_of_it_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(VgbenchError, match=rf"run\.json .*{message}.*; do this"):
        files.read_json(path, ("a",), "do this")


def test_a_sealed_object_that_was_changed_is_refused_whatever_its_layout(tmp_path):
    path = tmp_path / "run.json"
    files.write_sealed(path, {"a": 1.25, "b": [None, "é", 1e-30], "c": {"2": 1, "10": 2}})
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content, indent=None, sort_keys=True))
    assert files.read_json(path, ("a",), "")["b"] == [None, "é", 1e-30]
    path.write_text(json.dumps(content | {"a": 1.5}))
    with pytest.raises(VgbenchError, match="damaged or was edited"):
        files.read_json(path, ("a",), "")


def test_checksums_name_the_file_that_differs(tmp_path):
    (tmp_path / "episodes.jsonl").write_text("{}\n")
    (tmp_path / "diagnosis.json").write_text("{}")
    checksums.write(tmp_path, {"result.json": b"{}"})
    checksums.verify(tmp_path)  # result.json is still to come
    (tmp_path / "diagnosis.json").write_text("{ }")  # of another command
    checksums.verify(tmp_path)
    (tmp_path / "episodes.jsonl").write_text("{ }\n")
    with pytest.raises(VgbenchError, match=r"episodes\.jsonl is damaged or was edited"):
        checksums.verify(tmp_path)
    text = (tmp_path / "SHA256SUMS").read_text()
    (tmp_path / "SHA256SUMS").write_text(text.replace("episodes", "../sodes"))
    with pytest.raises(VgbenchError, match="SHA256SUMS is damaged"):
        checksums.verify(tmp_path)
