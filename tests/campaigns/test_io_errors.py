"""One call of the system fails below Python, at any moment: a clear message, no partial file, and then the same rows.

The calls are those on files of the run's folder and of the cache, and fail in a library that is loaded before C's own.
"""

import errno
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NAMES = ("here", "cache", ".h5", ".pt", ".json")
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
        call = "rwsym"[case % 5]
        number = rng.randrange(made["w" if call == "s" else call])
        error = rng.choice([errno.EIO, errno.ENOSPC, errno.EDQUOT] if call != "r" else [errno.EIO, errno.ESTALE])
        on = error != errno.EIO and call != "r"
        what = f"{CALLS[call]} {number}{' and those after it' if on else ''}: {errno.errorcode[error]}"
        how = {"FAIL_CALL": call, "FAIL_AT": str(number), "FAIL_ERROR": str(error), "FAIL_ON": str(int(on))}
        ended = run(work, FAIL_FOLDER=f"{work}/", **how)
        left = [str(path.relative_to(work)) for path in work.rglob("*.partial")]
        said = ended.err.strip().rpartition("error: ")[2]
        told = os.strerror(error) in said and any(name in said for name in NAMES)
        if ended.complaint() or left:
            fails.fail(case, f"{what}: {ended.complaint() or left}", ended)
        elif call == "s" and ended.code != 0:
            fails.fail(case, f"{what}: what the system may do is no error", ended)
        elif ended.code != 0 and not told:
            fails.fail(case, f"{what}: the message does not say so", ended)
        else:
            again = run(work)
            found = {path.name: path.read_text() for path in (work / "here").glob("*.jsonl")}
            if again.code != 0 or found != want:
                fails.fail(case, f"{what}: it does not go on to the same rows", again)
            else:
                fails.outcomes["went through" if ended.code == 0 else "refused, then the same rows"] += 1
        shutil.rmtree(work)
