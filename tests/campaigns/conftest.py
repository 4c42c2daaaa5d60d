"""Campaigns: many seeded attempts at breaking something, each in a process of its own, with a tally at the end.

`pytest -n 0 -m slow tests/campaigns` runs the small form. In full, by hand: VGBENCH_CAMPAIGN=full, or a number by which
the attempts of the small form are multiplied. VGBENCH_CAMPAIGN_SEED chooses other attempts (0 by default), and
VGBENCH_CAMPAIGN_CASE=NAME:NUMBER repeats one, as a failure's message says. VGBENCH_CAMPAIGN_SECONDS ends each campaign
after a time, and VGBENCH_CAMPAIGN_OUT=FILE has the tallies: a line for each campaign, of its last time. With
VGBENCH_CAMPAIGN_LOG=FOLDER each attempt is noted there as it ends, and a campaign goes on after those that are.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import pkgutil
import random
import resource
import signal
import sys
import time
import traceback
import types
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SETS = ["mlp.hidden=[16]", "strided.stem=4", "strided.channels=4", "model.latent_dim=16"]
SETS += ["mppi.samples=8", "mpc.max_steps=4", "evaluation.tasks=2"]
SMALLER = [word for value in SETS for word in ("--set", value)]
"""What makes a smoke run take a second, as there are thousands of them."""
SMOKE = ["run", "--env", "wall", "--objective", "iql", "--distance", "iqe", "--scale", "smoke", "--threads", "1"]
SMOKE += SMALLER
EVALUATED = ["--threads", "1", "--set", "mppi.samples=8", "--set", "mpc.max_steps=4", "--set", "evaluation.tasks=2"]
SEED = os.environ.get("VGBENCH_CAMPAIGN_SEED", "0")
HANG = 10.0  # seconds of CPU that a refusal may take
MEMORY = 2**30  # bytes above the start


@dataclass
class Ended:
    """How a command ended.

    Attributes:
        code: exit status, or minus the signal.
        memory: bytes above those at its start, at most.
    """

    code: int
    out: str
    err: str
    seconds: float = 0.0
    memory: int = 0

    def complaint(self) -> str | None:
        """What is wrong with its end whatever was asked: a crash, a traceback, an error that nobody foresaw."""
        if self.code < 0:
            return f"ended by {signal.Signals(-self.code).name}"
        if "Traceback" in self.err or "run again with --debug" in self.err:
            return "an unforeseen error"
        if self.code not in (0, 1, 2, 130):
            return f"exit status {self.code}"
        if self.code in (1, 2) and not self.err.strip():
            return f"exit status {self.code} without a word"
        if any(ord(letter) < 32 and letter not in "\n\t" for letter in self.err):
            return "control characters in its messages"
        return f"{self.memory >> 20} MiB above its start" if self.memory > MEMORY else None


@dataclass
class Campaign:
    """Attempts of one kind; those that fail are told together, each with how to repeat it."""

    name: str
    small: int
    full: int
    planned: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    done: set[int] = field(default_factory=set)

    @property
    def whole(self) -> bool:
        """Whether this is the full form: then a campaign may go through all there is, in its order."""
        return os.environ.get("VGBENCH_CAMPAIGN") == "full" or bool(os.environ.get("VGBENCH_CAMPAIGN_CASE"))

    def cases(self) -> Iterator[tuple[int, random.Random]]:
        """Yield the number of each attempt, and the generator that decides all about it."""
        only, _, number = os.environ.get("VGBENCH_CAMPAIGN_CASE", "").partition(":")
        form = os.environ.get("VGBENCH_CAMPAIGN", "1")
        count = self.full if form == "full" else min(self.full, round(self.small * float(form)))
        chosen = [int(number)] if only == self.name else [] if only else range(count)
        self.planned = len(chosen)
        ends = time.monotonic() + float(os.environ.get("VGBENCH_CAMPAIGN_SECONDS") or "inf")
        log = self._log() if not only else None
        for case in chosen:
            if case in self.done:
                continue
            if time.monotonic() > ends:
                return
            before, failed = self.outcomes.copy(), len(self.failures)
            yield case, random.Random(f"{SEED}/{self.name}/{case}")
            if log is not None:
                # Without an outcome: an attempt that the campaign leaves out.
                line = {"case": case, "outcomes": self.outcomes - before, "failures": self.failures[failed:]}
                with log.open("a") as file:
                    file.write(json.dumps(line) + "\n")

    def _log(self) -> Path | None:
        """Read what earlier calls have noted, and return the file of it."""
        folder = os.environ.get("VGBENCH_CAMPAIGN_LOG")
        if not folder:
            return None
        path = Path(folder) / f"{self.name}-seed{SEED}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text().splitlines() if path.exists() else []:
            about = json.loads(line)
            self.done.add(about["case"])
            self.outcomes.update(about["outcomes"])
            self.failures += about["failures"]
        return path

    def fail(self, case: int, what: str, ended: Ended | None = None) -> None:
        """Note that an attempt has failed."""
        repeat = f"VGBENCH_CAMPAIGN_SEED={SEED} VGBENCH_CAMPAIGN_CASE={self.name}:{case}"
        words = f"\n    exit {ended.code}: {ended.err[-1500:]}" if ended else ""
        self.failures.append(f"{what}{words}\n    repeat: {repeat} python -m pytest -n 0 -m slow tests/campaigns")
        self.outcomes["FAILED"] += 1

    def close(self) -> None:
        """Print the tally, and fail if an attempt has."""
        tally = ", ".join(f"{count} {what}" for what, count in sorted(self.outcomes.items()))
        print(f"\ncampaign {self.name}, seed {SEED}: {sum(self.outcomes.values())} attempts: {tally}")
        if (out := os.environ.get("VGBENCH_CAMPAIGN_OUT")) and self.outcomes:
            about = {"campaign": self.name, "seed": SEED, "planned": self.planned, "outcomes": self.outcomes}
            about["date"] = time.strftime("%Y-%m-%d")
            path = Path(out)
            lines = path.read_text().splitlines() if path.exists() else []
            lines = [line for line in lines if json.loads(line)["campaign"] != self.name]
            path.write_text("".join(f"{line}\n" for line in sorted([*lines, json.dumps(about, sort_keys=True)])))
        assert not self.failures, "\n".join([f"{len(self.failures)} failed", *self.failures[:20]])


@pytest.fixture
def campaign() -> Iterator[Callable[[str, int, int], Campaign]]:
    """Begin a campaign: its name, and the number of attempts in the small and the full form."""
    made: list[Campaign] = []

    def begin(name: str, small: int, full: int) -> Campaign:
        made.append(Campaign(name, small, full))
        return made[-1]

    yield begin
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def warm() -> None:
    """Import what commands import, so that processes forked from this one need not."""
    import vgbench
    from vgbench.plugin.registry import Registry, load_plugin

    names = [module.name for module in pkgutil.walk_packages(vgbench.__path__, "vgbench.")]
    # PyTorch imports the second when a network is first built without memory, which takes most of a dry run's time.
    for name in [*names, "torch._dynamo", "matplotlib.backends.backend_agg", "PIL.Image"]:
        if not name.endswith("__main__"):
            with contextlib.suppress(ImportError, SystemExit):
                importlib.import_module(name)
    for entry in Registry().entries():
        if entry.dist == "vgbench" and entry.name not in ("wandb", "tensorboard"):
            load_plugin(entry)


def memory() -> int:
    """Return the bytes that this process holds."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def waited(pid: int) -> float:
    """Return the seconds that a process was ready and had no CPU, as others are at work; 0 where none can say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def forked(work: Callable[[], object], folder: Path, seconds: float = 120.0, cpu: float | None = None) -> Ended:
    """Do work in a process forked from this one, in a folder; `cpu`: seconds of CPU after which it counts as hanging.

    Seconds are those that it would take on an idle machine: waiting for a CPU does not count.
    """
    began, start, lost = time.monotonic(), memory(), 0.0
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / ".stdout", folder / ".stderr"]
    pid = os.fork()
    if not pid:
        _become(work, folder, files, cpu)
    status, usage = None, None
    while status is None:
        done, found, usage = os.wait4(pid, os.WNOHANG)
        if done:
            status = found
        elif time.monotonic() - began - (lost := waited(pid)) > seconds:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            status = signal.SIGKILL
        else:
            time.sleep(0.005)
    out, err = (path.read_text(errors="replace") for path in files)
    peak = usage.ru_maxrss * 1024 - start if usage is not None else 0
    return Ended(os.waitstatus_to_exitcode(status), out, err, time.monotonic() - began - lost, peak)


def _become(work: Callable[[], object], folder: Path, files: list[Path], cpu: float | None) -> None:
    """Turn this process, just forked, into one for `work`, and end with it."""
    code: Any = 1
    try:
        os.chdir(folder)
        for number, path in zip((1, 2), files, strict=True):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(descriptor, number)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
        # Until the command has a handler of its own, as for an interpreter that is still starting.
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))
        if cpu is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu + time.process_time()) + 1, resource.RLIM_INFINITY))
        work()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def command(*arguments: object, **environ: str) -> Callable[[], None]:
    """Work for `forked`: a command of vgbench."""

    def work() -> None:
        os.environ.update(environ)
        sys.argv = ["vgbench", *map(str, arguments)]
        from vgbench.cli import main

        main()

    return work


@pytest.fixture(scope="session")
def tools(warm: None) -> Any:
    """Everything above, for the campaigns, and how a file is damaged."""
    scrambling, changing = (beside(name) for name in ("scrambling", "changing"))
    names = {"SMOKE": SMOKE, "SMALLER": SMALLER, "EVALUATED": EVALUATED, "HANG": HANG, "Ended": Ended}
    names |= {"scrambled": scrambling.scrambled, "changed": changing.changed, "dumped": changing.dumped}
    return types.SimpleNamespace(forked=forked, command=command, judge=changing.judge, **names)


def beside(name: str) -> types.ModuleType:
    """Import a module that lies beside this one: pytest puts no folder of tests on the path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def whole(warm: None, made_once: Callable[..., Path]) -> Path:
    """Folder with a complete smoke run `here`, and the cache `cache` that it has filled."""

    def make(folder: Path) -> None:
        ended = forked(command(*SMOKE, "--out", "here", VGBENCH_CACHE="cache", VGBENCH_CHECKPOINT_SECONDS="0"), folder)
        assert ended.code == 0, ended.err

    return made_once("campaigns", make)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a campaign that is more than its small form take its time; each attempt has its own limit."""
    if os.environ.get("VGBENCH_CAMPAIGN"):
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.timeout(0))
