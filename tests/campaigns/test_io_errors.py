"""One call of the system fails below Python, at any moment: a clear message, no partial file, and then the same rows.

The calls are those on files of the run's folder and of the cache, and fail in a library that is loaded before C's own.
"""

import errno
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

NAMES = ("here", "out", "cache", ".h5", ".pt", ".json", ".npz")
"""One of these is in the name of any file of a run and its cache."""
CALLS = {"r": "read", "w": "write", "s": "short write", "y": "fsync", "m": "rename"}


@pytest.fixture(scope="module")
def preloaded(fork_server, tmp_path_factory):
    """Starts commands, as `fork_server`, in processes into which the library is loaded."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (gcc), with which the library of failing calls is made")
    folder = tmp_path_factory.mktemp("failing_calls")
    library, source = folder / "failing_calls.so", Path(__file__).with_name("failing_calls.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        server = type(fork_server)(folder)
    yield server
    server.close()


def drawn(rng, call, made):
    """Choose which of a command's calls fails, and with what: words for it, and variables for the library."""
    number = rng.randrange(made["w" if call == "s" else call])
    error = rng.choice([errno.EIO, errno.ENOSPC, errno.EDQUOT] if call != "r" else [errno.EIO, errno.ESTALE])
    on = error != errno.EIO and call != "r"
    what = f"{CALLS[call]} {number}{' and those after it' if on else ''}: {errno.errorcode[error]}"
    return what, {"FAIL_CALL": call, "FAIL_AT": str(number), "FAIL_ERROR": str(error), "FAIL_ON": str(int(on))}


def complaint(work, how, ended):
    """What is wrong with the end of a command one of whose calls has failed."""
    left = [str(path.relative_to(work)) for path in work.rglob("*.partial")]
    said = ended.err.strip().rpartition("error: ")[2]
    told = os.strerror(int(how["FAIL_ERROR"])) in said and any(name in said for name in NAMES)
    if ended.complaint() or left:
        return ended.complaint() or f"left over: {left}"
    if how["FAIL_CALL"] == "s" and ended.code != 0:
        return "what the system may do is no error"
    return "" if ended.code == 0 or told else "the message does not say so"


def test_every_call(campaign, tools, whole, preloaded, tmp_path):
    fails = campaign("io-errors", small=4, full=400)
    want = {path.name: path.read_text() for path in (whole / "here").glob("*.jsonl")}

    def run(work, **environ):
        environ = {"VGBENCH_CACHE": str(work / "cache"), "VGBENCH_CHECKPOINT_SECONDS": "0", **environ}
        process = preloaded.start([*tools.SMOKE, "--out", "here"], work, dict(os.environ) | environ)
        out, err = process.communicate(300)
        return tools.Ended(process.returncode, out, err)

    work = tmp_path / "all"
    work.mkdir()
    ended = run(work, FAIL_FOLDER=f"{work}/", FAIL_LOG=str(tmp_path / "log"))
    assert ended.code == 0, ended.err
    made = Counter((tmp_path / "log").read_text())
    assert all(made[call] for call in "rwym"), made  # the library is there, and sees them
    for case, rng in fails.cases():
        work = tmp_path / str(case)
        work.mkdir()
        what, how = drawn(rng, "rwsym"[case % 5], made)
        ended = run(work, FAIL_FOLDER=f"{work}/", **how)
        if wrong := complaint(work, how, ended):
            fails.fail(case, f"{what}: {wrong}", ended)
        else:
            again = run(work)
            found = {path.name: path.read_text() for path in (work / "here").glob("*.jsonl")}
            if again.code != 0 or found != want:
                fails.fail(case, f"{what}: it does not go on to the same rows", again)
            else:
                fails.outcomes["went through" if ended.code == 0 else "refused, then the same rows"] += 1
        shutil.rmtree(work)


def test_every_call_of_other_commands(campaign, tools, whole, preloaded, tmp_path):
    """Repeated, each makes the same: rows of episodes, or a file byte for byte."""
    fails = campaign("io-errors-others", small=5, full=300)
    train = ["train", "--data", "data.h5", "--recipe", "vf", "--scale", "smoke", "--threads", "1", *tools.SMALLER]
    commands = {
        "collect": ["collect", "--env", "wall", "--scale", "smoke", "--out", "out.h5"],
        "evaluate": ["evaluate", "here", "--task-seed", "3", "--out", "out"],
        "import": ["import", "steps.npz", "--out", "out.h5"],
        "tasks": ["tasks", "--env", "wall", "--scale", "smoke", "--out", "out.json"],
        "train": [*train, "--out", "out"],
    }
    data, known, counts = next((whole / "cache" / "data").glob("*.h5")), {}, {}

    def begun(name):
        work = tmp_path / name
        shutil.copytree(whole / "here", work / "here")
        shutil.copyfile(data, work / "data.h5")
        arrays = {n: np.ones((60, k), "f4") for n, k in (("observations", 6), ("actions", 2))}
        np.savez(work / "steps.npz", **arrays, terminals=np.arange(60) % 15 == 14)
        return work

    def run(name, work, **environ):
        environ = {"VGBENCH_CACHE": str(work / "cache"), "VGBENCH_CHECKPOINT_SECONDS": "0", **environ}
        process = preloaded.start(commands[name], work, dict(os.environ) | environ)
        out, err = process.communicate(300)
        return tools.Ended(process.returncode, out, err)

    def made(work):
        places = [path for path in work.glob("out*") if path.is_file()]
        places += [path for path in work.glob("out/*") if path.name in ("episodes.jsonl", "train.jsonl")]
        return {path.name: path.read_bytes() for path in places}

    for case, rng in fails.cases():
        name = sorted(commands)[case % len(commands)]
        if name not in known:
            work = begun(f"{name}-whole")
            ended = run(name, work, FAIL_FOLDER=f"{work}/", FAIL_LOG=str(tmp_path / f"{name}.log"))
            assert ended.code == 0, ended.err
            known[name], counts[name] = made(work), Counter((tmp_path / f"{name}.log").read_text())
            assert known[name], name
        work = begun(f"{name}-{case}")
        calls = [call for call in "rwsym" if counts[name]["w" if call == "s" else call]]
        what, how = drawn(rng, calls[case // len(commands) % len(calls)], counts[name])
        ended = run(name, work, FAIL_FOLDER=f"{work}/", **how)
        if wrong := complaint(work, how, ended):
            fails.fail(case, f"{name}: {what}: {wrong}", ended)
            continue
        again = run(name, work) if ended.code else ended
        if again.code != 0 or made(work) != known[name]:
            fails.fail(case, f"{name}: {what}: the same command does not make the same", again)
        else:
            fails.outcomes["went through" if ended.code == 0 else "refused, then the same"] += 1
        shutil.rmtree(work)
