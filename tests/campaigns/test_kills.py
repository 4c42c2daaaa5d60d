"""Processes that are killed, or asked to stop, at random moments: what they make is what it is without."""

import json
import os
import shutil
import signal
import threading
import time

import pytest

pytestmark = pytest.mark.slow

WEIGHTS = {"run": 8, "evaluate": 3, "collect": 2, "tasks": 2, "report": 2, "diagnose": 2, "plot": 1}
"""How often each command is taken."""


@pytest.fixture(scope="session")
def commands(tools):
    """The arguments of each command, and the files it makes (a pattern)."""
    data = ["--env", "wall", "--scale", "smoke"]
    return {
        "run": ([*tools.SMOKE, "--out", "out"], "out/*.jsonl"),
        "evaluate": (["evaluate", "here", "--task-seed", "3", *tools.EVALUATED, "--out", "out"], "out/*.jsonl"),
        "collect": (["collect", *data, "--out", "out.h5"], "out.h5"),
        "tasks": (["tasks", *data, "--out", "out.json"], "out.json"),
        "report": (["report", "here", "--scale", "smoke", "--html", "out.html"], "out.html"),
        "diagnose": (["diagnose", "here", "--goals", "2", "--states", "16", "--out", "out.json"], "out.json"),
        "plot": (["plot", "here", "--out", "out"], "out/*.png"),
    }


@pytest.fixture(scope="session")
def unbroken(tools, whole, commands, made_once):
    """What each command makes when nobody interferes, once it is needed."""
    known = {}

    def make(name):
        if name not in known:
            work = made_once(f"unbroken-{name}", lambda folder: started(tools, whole, commands[name][0], folder))
            known[name] = contents(work, commands[name][1])
            assert known[name], name
        return known[name]

    return make


def started(tools, whole, arguments, work):
    shutil.copytree(whole, work, dirs_exist_ok=True)
    ended = tools.forked(tools.command(*arguments, VGBENCH_CACHE="cache"), work)
    assert ended.code == 0, ended.err


def contents(work, pattern):
    """The bytes of what was made, without the times in it."""
    found = {}
    for path in work.glob(pattern):
        found[path.name] = path.read_bytes()
        if path.suffix == ".json":
            about = json.loads(found[path.name])
            found[path.name] = {k: v for k, v in about.items() if k not in ("seconds", "cpu_seconds", "sha256")}
        elif path.suffix == ".html":
            found[path.name] = len(path.read_bytes()) > 10_000 and b"</html>" in found[path.name]
    return found


def interrupted(tools, work, folder, seconds, number):
    """Run work, and send it a signal after some seconds of CPU, which say on a busy machine, too, how far it is."""

    def send():
        start, began = time.process_time(), time.monotonic()
        while time.process_time() - start < seconds and time.monotonic() - began < 60:
            time.sleep(0.002)
        os.kill(os.getpid(), number)

    def timed():
        # In the process itself, so that nothing else is needed to send it at its time.
        threading.Thread(target=send, daemon=True).start()
        work()

    return tools.forked(timed, folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_signals(campaign, tools, whole, commands, unbroken, tmp_path, number):
    full = 200 if number == signal.SIGKILL else 60
    kills = campaign(f"signals-{number.name}", small=2 if number == signal.SIGKILL else 1, full=full)
    for case, rng in kills.cases():
        name = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        arguments, pattern = commands[name]
        want, work = unbroken(name), tmp_path / f"{number.name}-{case}"
        fresh = name in ("run", "collect", "tasks") and rng.random() < 0.5
        if fresh:
            work.mkdir()
        else:
            shutil.copytree(whole, work)
        environ = {"VGBENCH_CACHE": "cache", "VGBENCH_CHECKPOINT_SECONDS": rng.choice(["0", "0.2", "20"])}
        for _ in range(rng.choice([1, 2, 3])):
            seconds = rng.uniform(0, 1.2)
            ended = interrupted(tools, tools.command(*arguments, **environ), work, seconds, number)
            # A file that an attempt had completed is not replaced.
            allowed = (0, 2, 130, -number) if pattern.startswith("out.") else (0, 130, -number)
            if number != signal.SIGKILL and ended.code not in allowed:
                kills.fail(case, f"{name}, {number.name}: exit {ended.code}", ended)
        ended = tools.forked(tools.command(*arguments, **environ), work)
        kept = ended.code == 2 and "exists" in ended.err and name in ("collect", "tasks")
        left = [str(path) for top in ("here", "out") for path in (work / top).rglob("*.partial")]
        if (ended.code != 0 and not kept) or ended.complaint():
            kills.fail(case, f"{name}, {number.name}: the command does not go on", ended)
        elif contents(work, pattern) != want or left:
            kills.fail(case, f"{name}, {number.name}: something else, or files left over: {left}", ended)
        else:
            kills.outcomes[f"{name}: the same"] += 1
        shutil.rmtree(work)
