"""What is no plain file in the place of each that is read: pipes, sockets, folders, links, endless and vast ones."""

import os
import shutil
import socket
from importlib.util import find_spec

import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.slow

SMOKE = ["--scale", "smoke"]
RUN_FILES = ["run.json", "result.json", "config.yaml", "tasks.json", "episodes.jsonl", "train.jsonl", "SHA256SUMS"]
RUN_FILES += ["baseline-random.jsonl", "diagnosis.json", "checkpoints", "checkpoints/encoder.pt"]
RUN_FILES += ["checkpoints/predictor.pt", "checkpoints/episodes.pt"]
RUN_READERS = [
    *(["report", "runs", *SMOKE], ["runs", "runs"], ["compare", "runs/one", "runs/other"], ["rescore", "runs/one"]),
    *(["failures", "runs/one", "--first", "1"], ["diagnose", "runs/one", "--goals", "2", "--states", "32"]),
    *(["plot", "runs/one", "--task", "999"], ["report", "runs", *SMOKE, "--html", "page.html"]),
    *(
        ["ladder", "--run", "runs/one", "--tasks", "1"],
        ["offline", "runs/one"],
        ["run", "--config", "runs/one/config.yaml", "--dry-run"],
    ),
    ["evaluate", "runs/one", "--set", "none.such=1"],
]
GOES_ON = ["run", "--config", "CONFIG", "--out", "runs/one"]
READ = [
    ("data.h5", ["tasks", "--env", "wall", *SMOKE, "--data", "data.h5", "--out", "t.json"]),
    ("data.h5", ["train", "--data", "data.h5", "--recipe", "vf", *SMOKE, "--dry-run"]),
    ("data.h5", ["offline", "runs/one", "--data", "data.h5"]),
    ("steps.npz", ["import", "steps.npz", "--out", "o.h5"]),
    ("steps.h5", ["import", "steps.h5", "--out", "o.h5"]),
    *([("lerobot/meta/info.json", ["import", "lerobot", "--out", "o.h5"])] if find_spec("pyarrow") else []),
    ("folder/actions.npy", ["import", "folder", "--out", "o.h5"]),
    ("mine.yaml", ["run", "--recipes", "mine.yaml", "--recipe", "mine", "--env", "wall", *SMOKE, "--dry-run"]),
    ("mine.yaml", ["suite", "mine.yaml", *SMOKE, "--dry-run"]),
    ("mine.yaml", ["report", "runs", *SMOKE, "--suite", "mine.yaml"]),
    ("mine.yaml", ["audit", "wall_big", "--recipes", "mine.yaml", "--set", "none.such=1"]),
    ("tasks.json", ["run", "--env", "wall", "--recipe", "vf", *SMOKE, "--tasks", "tasks.json", "--dry-run"]),
    ("table/suite.json", ["suite", "--status", "table"]),
    ("table/suite.json", ["suite", "mine.yaml", *SMOKE, "--out", "table", "--dry-run"]),
    ("table/sweep.json", ["sweep", "paper_figure_3", *SMOKE, "--seeds", "0", "--out", "table", "--dry-run"]),
]
"""A file, and what reads it."""
SLIPS = ("--task 999", "none.such")
"""Mistakes of these commands, which end them early where what they read is sound, or they do not need it."""


def fifo(path, work):
    os.mkfifo(path)


def unix_socket(path, work):
    one = socket.socket(socket.AF_UNIX)
    short = work / "s"
    one.bind(str(short))
    short.rename(path)
    one.close()


def sparse(path, work):
    path.touch()
    os.truncate(path, 10 * 2**30)


KINDS = {
    "pipe": fifo,
    "socket": unix_socket,
    "folder": lambda path, work: path.mkdir(),
    "dangling link": lambda path, work: path.symlink_to(work / "nowhere"),
    "link to itself": lambda path, work: path.symlink_to(path.name),
    "link out of the folder": lambda path, work: path.symlink_to("/etc/passwd"),
    "link to endless zeros": lambda path, work: path.symlink_to("/dev/zero"),
    "link to a folder above": lambda path, work: path.symlink_to(work),
    "ten gigabytes of nothing": sparse,
    "nothing": lambda path, work: path.touch(),
    "nothing there": lambda path, work: None,
}


def combinations():
    """All of them: each file of a run by each reader of runs, and every other file by what reads it."""
    files = [(f"runs/one/{name}", words) for name in RUN_FILES for words in [*RUN_READERS, GOES_ON]]
    return [(name, words, kind) for name, words in [*READ, *files] for kind in KINDS]


@pytest.fixture(scope="module")
def begun(tools, whole, tmp_path_factory):
    """A folder with all that is read, sound."""
    folder = tmp_path_factory.mktemp("special")
    for name in ("one", "other"):
        shutil.copytree(whole / "here", folder / "runs" / name)
    ended = tools.forked(tools.command("diagnose", "runs/one", "--goals", "2", "--states", "32"), folder)
    assert ended.code == 0, ended.err
    shutil.copyfile(next((whole / "cache" / "data").glob("*.h5")), folder / "data.h5")
    shutil.copyfile(whole / "here" / "tasks.json", folder / "tasks.json")
    shutil.copyfile(whole / "here" / "config.yaml", folder / "CONFIG.yaml")
    arrays = {"observations": np.zeros((60, 6), "f4"), "actions": np.zeros((60, 2), "f4")}
    arrays["terminals"] = np.arange(60) % 15 == 14
    np.savez(folder / "steps.npz", **arrays)
    (folder / "lerobot" / "meta").mkdir(parents=True)
    (folder / "folder").mkdir()
    for name, array in arrays.items():
        np.save(folder / "folder" / f"{name}.npy", array)
    import h5py

    with h5py.File(folder / "steps.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    mine = {"summary": "one", "recipes": ["mine"], "protocols": ["wall_small"], "seeds": [0]}
    sections = {"recipes": {"mine": {"extends": "vf"}}, "suites": {"mine": mine}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(sections))
    (folder / "table").mkdir()
    return folder


def test_special_files(campaign, tools, whole, begun, tmp_path):
    every = combinations()
    special = campaign("special-files", small=8, full=len(every))
    for case, rng in special.cases():
        name, words, kind = every[case] if special.whole else rng.choice(every)
        work = tmp_path / "w"  # short: the name of a socket may have 107 bytes
        shutil.copytree(begun, work)
        path = work / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        KINDS[kind](path, work)
        if words is GOES_ON:
            for known in {"result.json", "SHA256SUMS"} - {path.name}:
                (work / "runs" / "one" / known).unlink(missing_ok=True)
        words = [work / "CONFIG.yaml" if word == "CONFIG" else word for word in words]
        plain = tools.command(*words, VGBENCH_CACHE=str(whole / "cache"))
        ended = tools.forked(plain, work, seconds=60, cpu=3 * tools.HANG)
        what = f"{kind} in place of {name}, {words[0]}"
        if complaint := ended.complaint():
            special.fail(case, f"{what}: {complaint}", ended)
        elif ended.code == 0 and words[0] == "import":
            special.fail(case, f"{what}: something was imported", ended)
        elif ended.code == 0 or path.name in ended.err or str(path.parent.relative_to(work)) in ended.err:
            special.outcomes[f"exit {ended.code}"] += 1
        elif any(slip in ended.err for slip in SLIPS):
            special.outcomes["another mistake is named first"] += 1
        else:
            special.fail(case, f"{what}: the file is not named", ended)
        shutil.rmtree(work)
