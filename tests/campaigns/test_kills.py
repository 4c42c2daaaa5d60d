"""Processes that are killed, or asked to stop, at random moments: what they make is what it is without."""

import contextlib
import importlib.util
import json
import os
import random
import shutil
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Made:
    """A command, and what it makes.

    Attributes:
        arguments: of vgbench.
        pattern: the files it makes.
        weight: how often it is taken, at most; each is taken once before any is taken twice.
        fresh: whether it needs nothing that was made before.
        workers: whether it works in processes of its own; then one of those may be killed in its place.
        once: whether it replaces nothing: a repetition may say that it exists.
    """

    arguments: list
    pattern: str
    weight: int = 2
    fresh: bool = False
    workers: bool = False
    once: bool = False


READING = {"list", "show", "runs", "rescore", "check", "doctor"}
"""Commands that write no file."""
TIMES = {"seconds", "cpu_seconds", "seconds_per_step", "sha256"}
TRAIN = ["train", "--data", "data.h5", "--recipe", "vf", "--scale", "smoke", "--threads", "1"]
SUITE = {
    "summary": "two recipes",
    "recipes": ["vf", "vf_quasi"],
    "protocols": ["wall_big"],
    "seeds": [0],
}


@pytest.fixture(scope="session")
def commands(tools):
    """Every command that writes a file."""
    data = ["--env", "wall", "--scale", "smoke"]
    cells = ["--scale", "smoke", "--workers", "2", *tools.SMALLER, "--out", "out"]
    # A simulator's own steps take most of the time of these two.
    short = ["--scale", "smoke", "--tasks", "2", "--set", "mpc.max_steps=4", "--set", "mppi.samples=8"]
    found = {
        "run": Made([*tools.SMOKE, "--out", "out"], "out/*.jsonl", 8, fresh=True),
        "suite": Made(["suite", "both.yaml", *cells], "out/wall_big/*/*/*.jsonl", 4, fresh=True, workers=True),
        "sweep": Made(
            ["sweep", "--recipe", "vf", "--protocol", "wall_big", "--grid", "mppi.horizon=4,5", *cells],
            "out/**/*.csv",
            3,
            fresh=True,
            workers=True,
        ),
        "evaluate": Made(["evaluate", "here", "--task-seed", "3", *tools.EVALUATED, "--out", "out"], "out/*.jsonl", 3),
        "train": Made([*TRAIN, *tools.SMALLER, "--out", "out"], "out/train.jsonl", 3),
        "collect": Made(["collect", *data, "--out", "out.h5"], "out.h5", fresh=True, once=True),
        "tasks": Made(["tasks", *data, "--out", "out.json"], "out.json", fresh=True, once=True),
        "import": Made(["import", "steps.npz", "--out", "out.h5"], "out.h5", once=True),
        "ladder": Made(["ladder", "--protocol", "wall_big", *short, "--out", "out.json"], "out.json"),
        "audit": Made(["audit", "wall_big", *short, "--out", "out.json"], "out.json"),
        "report": Made(["report", "here", "--scale", "smoke", "--html", "out.html"], "out.html"),
        "diagnose": Made(["diagnose", "here", "--goals", "2", "--states", "32", "--out", "out.json"], "out.json"),
        "offline": Made(["offline", "model", "--out", "out.json"], "out.json"),
        "failures": Made(["failures", "here", "--first", "1", "--draw"], "here/plots/failures.svg", 1),
        "plot": Made(["plot", "here", "--out", "out"], "out/*.*", 1),
        "compare": Made(["compare", "here", "there", "--plot", "out.png"], "out.png", 1),
        "figure": Made(["figure", "paper_figure_1", "--out", "out.png"], "out.png", 1, once=True),
        "export": Made(["export", "data.h5", "--minari", "out/wall-v0"], "minari/**/*.hdf5", 1, once=True),
        "new": Made(["new", "suite", "out"], "out.yaml", 1, fresh=True, once=True),
        "demo": Made(["demo", "--copy", "--out", "out"], "out/**/*.jsonl", 1, fresh=True),
    }
    if importlib.util.find_spec("minari") is None:
        del found["export"]
    return found


@pytest.fixture(scope="session")
def prepared(tools, whole, made_once):
    """`whole` with all that commands begin with: data, recordings, a suite's file, a trained model, another run."""

    def make(folder):
        numbers = np.random.default_rng(0)
        shapes = {"observations": (60, 6), "actions": (60, 2)}
        arrays = {name: numbers.uniform(-1, 1, shape).astype("f4") for name, shape in shapes.items()}
        np.savez(folder / "steps.npz", **arrays, terminals=np.arange(60) % 15 == 14)
        (folder / "both.yaml").write_text(yaml.safe_dump({"suites": {"both": SUITE}}))
        shutil.copytree(whole, folder, dirs_exist_ok=True)
        shutil.copytree(whole / "here", folder / "there")
        shutil.copyfile(next((whole / "cache" / "data").glob("*.h5")), folder / "data.h5")
        ended = tools.forked(tools.command(*TRAIN, *tools.SMALLER, "--out", "model", VGBENCH_CACHE="cache"), folder)
        assert ended.code == 0, ended.err

    return made_once("prepared", make)


@pytest.fixture(scope="session")
def unbroken(tools, prepared, commands, made_once):
    """What each command makes when nobody interferes, and the seconds that it takes, once they are needed."""
    known = {}

    def make(name):
        if name not in known:
            work = made_once(f"unbroken-{name}", lambda folder: started(tools, prepared, commands[name], folder))
            seconds = json.loads((work / "seconds").read_text())
            known[name] = contents(work, commands[name].pattern), seconds
            assert known[name][0], name
        return known[name]

    return make


def started(tools, prepared, made, work):
    shutil.copytree(prepared, work, dirs_exist_ok=True)
    ended = tools.forked(tools.command(*made.arguments, **environ(work)), work)
    assert ended.code == 0, ended.err
    (work / "seconds").write_text(json.dumps(ended.seconds))


def environ(work):
    return {"VGBENCH_CACHE": "cache", "MINARI_DATASETS_PATH": str(work / "minari")}


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def contents(work, pattern):
    """The bytes of what was made, without the times in it."""
    found = {}
    for path in sorted(work.glob(pattern)):
        content = path.read_bytes()
        if path.suffix == ".json":
            content = without_times(json.loads(content))
        elif path.suffix == ".html":
            content = len(content) > 10_000 and b"</html>" in content
        found[str(path.relative_to(work))] = content
    return found


def children():
    """The processes that this one has started."""
    return [int(word) for path in Path("/proc/self/task").glob("*/children") for word in path.read_text().split()]


def interrupted(tools, work, folder, moment, number, whom=os.getpid):
    """Run work, and send a signal once `moment` has come: a function of seconds, of CPU and of the clock."""

    def send():
        start, began = time.process_time(), time.monotonic()
        while not moment(time.process_time() - start, time.monotonic() - began):
            time.sleep(0.002)
        with contextlib.suppress(ProcessLookupError):
            os.kill(whom(), number)

    def timed():
        # In the process itself, so that nothing else is needed to send it at its time.
        threading.Thread(target=send, daemon=True).start()
        work()

    return tools.forked(timed, folder)


def moment_of(made, seconds, rng):
    """A moment of a command: by its CPU, which says on a busy machine, too, how far it is; workers have theirs."""
    if made.workers:
        when = rng.uniform(0, seconds)
        return lambda cpu, clock: clock > when
    when = rng.uniform(0, min(1.2, seconds))
    return lambda cpu, clock: cpu > when or clock > 60


def order(commands):
    """Each command once, then each that has more weight once more, and so on, in an order that mixes them."""
    rounds = range(max(made.weight for made in commands.values()))
    mixed = random.Random(0)
    names = [[name for name, made in commands.items() if made.weight > number] for number in rounds]
    return [name for some in names for name in mixed.sample(some, len(some))]


def test_every_command_is_known(commands):
    """A new command that writes has to be killed, too."""
    import typer

    from vgbench.cli import app

    assert set(typer.main.get_command(app).commands) == set(commands) | READING | {"export"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_signals(campaign, tools, prepared, commands, unbroken, tmp_path, number):
    full = 200 if number == signal.SIGKILL else 60
    kills = campaign(f"signals-{number.name}", small=3 if number == signal.SIGKILL else 1, full=full)
    names = order(commands)
    for case, rng in kills.cases():
        name = names[case % len(names)]
        made, (want, seconds), work = commands[name], unbroken(name), tmp_path / f"{number.name}-{case}"
        if made.fresh and name != "suite" and rng.random() < 0.5:
            work.mkdir()
        else:
            shutil.copytree(prepared, work)
        about = environ(work) | {"VGBENCH_CHECKPOINT_SECONDS": rng.choice(["0", "0.2", "20"])}
        for _ in range(rng.choice([1, 2, 3]) if not made.workers else 1):
            whom, allowed = os.getpid, {0, 130, -number} | ({2} if made.once else set())
            if made.workers and number == signal.SIGKILL and rng.random() < 0.5:
                # One of its workers in its place: it says so, and the run is missing.
                whom, allowed = (lambda: next(iter(children()), os.getpid())), allowed | {1}
            moment = moment_of(made, seconds, rng)
            ended = interrupted(tools, tools.command(*made.arguments, **about), work, moment, number, whom)
            if ended.code not in allowed or (ended.code != -number and ended.complaint()):
                kills.fail(case, f"{name}, {number.name}: exit {ended.code}", ended)
        ended = tools.forked(tools.command(*made.arguments, **about), work)
        kept = made.once and ended.code == 2 and "exists" in ended.err
        left = [str(path) for top in ("here", "out") for path in (work / top).rglob("*.partial")]
        if (ended.code != 0 and not kept) or ended.complaint():
            kills.fail(case, f"{name}, {number.name}: the command does not go on", ended)
        elif contents(work, made.pattern) != want or left:
            kills.fail(case, f"{name}, {number.name}: something else, or files left over: {left}", ended)
        else:
            kills.outcomes[f"{name}: the same"] += 1
        shutil.rmtree(work)
