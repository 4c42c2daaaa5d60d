"""Processes that are killed, or asked to stop, at random moments: the rows are those of a whole run."""

import os
import shutil
import signal
import threading
import time

import pytest

pytestmark = pytest.mark.slow


def interrupted(tools, work, folder, seconds, number):
    """Run work, and send it a signal after some seconds."""
    began = time.monotonic()

    def timed():
        # In the process itself, so that nothing else is needed to send it at its time.
        threading.Timer(max(0.0, seconds - (time.monotonic() - began)), os.kill, (os.getpid(), number)).start()
        work()

    return tools.forked(timed, folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_signals(campaign, tools, whole, tmp_path, number):
    full = 200 if number == signal.SIGKILL else 60
    kills = campaign(f"signals-{number.name}", small=2 if number == signal.SIGKILL else 1, full=full)
    command = [*tools.SMOKE, "--out", "here"]
    want = {path.name: path.read_text() for path in (whole / "here").glob("*.jsonl")}
    for case, rng in kills.cases():
        work = tmp_path / f"{number.name}-{case}"
        work.mkdir()
        if rng.random() < 0.5:
            shutil.copytree(whole / "cache", work / "cache")
        environ = {"VGBENCH_CACHE": "cache", "VGBENCH_CHECKPOINT_SECONDS": rng.choice(["0", "0.2", "20"])}
        for _ in range(rng.choice([1, 2, 3])):
            ended = interrupted(tools, tools.command(*command, **environ), work, rng.uniform(0, 3.0), number)
            if number != signal.SIGKILL and ended.code not in (0, 130, -number):
                kills.fail(case, f"{number.name}: exit {ended.code}", ended)
        ended = tools.forked(tools.command(*command, **environ), work)
        found = {path.name: path.read_text() for path in (work / "here").glob("*.jsonl")}
        left = [str(path) for path in (work / "here").rglob("*.partial")]
        if ended.code != 0 or ended.complaint():
            kills.fail(case, f"{number.name}: the run does not go on", ended)
        elif found != want or left:
            kills.fail(case, f"{number.name}: other rows, or files left over: {left}", ended)
        else:
            kills.outcomes["same rows"] += 1
        shutil.rmtree(work)
