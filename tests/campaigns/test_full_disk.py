"""A disk that is full, or fails, at each write of a run: a clear message, no partial file, and then the same rows."""

import errno
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

WRITING = os.O_WRONLY | os.O_RDWR


def failing(work, after, number, folder):
    """Have the opening of files for writing fail with an error of the system, from the `after`-th in a folder on."""
    seen = 0

    def look(event, arguments):
        nonlocal seen
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path, flags = Path(os.fsdecode(arguments[0])).absolute(), arguments[2] or 0
        if not flags & WRITING or not path.is_relative_to(folder) or path.name == ".lock":
            return
        seen += 1
        if seen > after:
            raise OSError(number, os.strerror(number), str(path))

    def wrapped():
        sys.addaudithook(look)
        work()

    return wrapped


def limited(work, size):
    """Have writing fail beyond a size of files, as on a full disk, in the middle of a write."""

    def wrapped():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        work()

    return wrapped


def test_every_write_point(campaign, tools, whole, tmp_path):
    disk = campaign("full-disk", small=4, full=120)
    command = [*tools.SMOKE, "--out", "here"]
    want = {path.name: path.read_text() for path in (whole / "here").glob("*.jsonl")}
    for case, rng in disk.cases():
        work = tmp_path / str(case)
        (work / "here").mkdir(parents=True)
        plain = tools.command(
            *command, VGBENCH_CACHE=str(work / "cache"), VGBENCH_CHECKPOINT_SECONDS=rng.choice(["0", "20"])
        )
        # Every write point once, in order; and as many sizes of a file at which there is no more room.
        if case % 2 == 0:
            number = rng.choice([errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
            what = f"write {case // 2} fails with {errno.errorcode[number]}"
            ended = tools.forked(failing(plain, case // 2, number, work), work)
        else:
            size = int(10 ** rng.uniform(1, 6.5))
            what = f"no file may have more than {size} bytes"
            # Its own output goes to files, too, which have to stay short of that.
            ended = tools.forked(limited(plain, max(size, 4000)), work)
        left = [str(path.relative_to(work)) for path in work.rglob("*.partial")]
        if ended.complaint() or left:
            disk.fail(case, f"{what}: {ended.complaint() or left}", ended)
            continue
        if ended.code != 0 and not ("cannot write" in ended.err or "cannot be written" in ended.err):
            disk.fail(case, f"{what}: the message does not say so", ended)
            continue
        again = tools.forked(plain, work)
        found = {path.name: path.read_text() for path in (work / "here").glob("*.jsonl")}
        if again.code != 0 or found != want:
            disk.fail(case, f"{what}: it does not go on to the same rows", again)
        else:
            disk.outcomes["went through" if ended.code == 0 else "refused, then the same rows"] += 1
        shutil.rmtree(work)


DATA = {
    "collect": ["collect", "--env", "wall", "--scale", "smoke", "--out", "here/out.h5"],
    "tasks": ["tasks", "--env", "wall", "--scale", "smoke", "--out", "here/out.json"],
    "import": ["import", "steps.npz", "--out", "here/out.h5"],
}
"""Commands that write one file, and replace none."""


def test_every_write_point_of_data(campaign, tools, tmp_path):
    disk, wanted = campaign("full-disk-data", small=6, full=120), {}
    numbers = np.random.default_rng(0)
    arrays = {n: numbers.uniform(-1, 1, (600, k)).astype("f4") for n, k in (("observations", 60), ("actions", 2))}

    def begun(name):
        work = tmp_path / name
        (work / "here").mkdir(parents=True)
        np.savez(work / "steps.npz", **arrays, terminals=np.arange(600) % 15 == 14)
        return work, tools.command(*DATA[name.partition("-")[0]], VGBENCH_CACHE=str(work / "cache"))

    def made(work):
        return {path.name: path.read_bytes() for path in (work / "here").iterdir()}

    for case, rng in disk.cases():
        name = sorted(DATA)[case % len(DATA)]
        if name not in wanted:
            work, plain = begun(f"{name}-whole")
            assert tools.forked(plain, work).code == 0
            wanted[name] = made(work)
            assert len(wanted[name]) == 1, name
        work, plain = begun(f"{name}-{case}")
        turn = case // len(DATA)
        if turn % 2 == 0:
            number = rng.choice([errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
            what = f"{name}: write {turn // 2} fails with {errno.errorcode[number]}"
            ended = tools.forked(failing(plain, turn // 2, number, work / "here"), work)
        else:
            size = max(4000, int(10 ** rng.uniform(3, 6.5)))
            what = f"{name}: no file may have more than {size} bytes"
            ended = tools.forked(limited(plain, size), work)
        left = sorted(made(work)) if ended.code else []
        again = tools.forked(plain, work) if ended.code else ended
        if ended.complaint() or left:
            disk.fail(case, f"{what}: {ended.complaint() or left}", ended)
        elif ended.code != 0 and not ("cannot write" in ended.err or "cannot be written" in ended.err):
            disk.fail(case, f"{what}: the message does not say so", ended)
        elif again.code != 0 or made(work) != wanted[name]:
            disk.fail(case, f"{what}: the same command makes something else", again)
        else:
            disk.outcomes["went through" if ended.code == 0 else "refused, then the same file"] += 1
        shutil.rmtree(work)
