"""A disk that is full, or fails, at each write of a run: a clear message, no partial file, and then the same rows."""

import errno
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

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
