"""Shared fixtures. `tmp_plugin` comes from vgbench itself (`vgbench.testing.pytest_plugin`)."""

import importlib.util
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

# One thread of torch for each of the workers of xdist; torch reads this when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest
import torch
from filelock import FileLock

from vgbench.api import ObjectiveShapes
from vgbench.data.dataset import Dataset
from vgbench.model import jepa
from vgbench.settings import DataSettings, TrainSettings
from vgbench.storage.interrupt import Stop
from vgbench.storage.run_folder import RunFolder
from vgbench.training.stage import Term
from vgbench_plugins.distances.iqe import IQE
from vgbench_plugins.environments.wall import Wall
from vgbench_plugins.networks.mlp import MLP
from vgbench_plugins.networks.strided import Strided
from vgbench_plugins.objectives.iql import IQL
from vgbench_plugins.objectives.prediction import Prediction

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")


class Forked:
    """A process of `tests/fork_server.py`, with what tests use of `subprocess.Popen`."""

    def __init__(self, server: "ForkServer", pid: int, stdout: Path, stderr: Path) -> None:
        self.pid, self.returncode = pid, None
        self._server, self._stdout, self._stderr = server, stdout, stderr

    @property
    def stderr(self) -> IO[str]:
        """What it has written so far."""
        return self._stderr.open()

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        self._server.update()
        self.returncode = self._server.ended.get(self.pid)
        return self.returncode

    def communicate(self, timeout: float = 600) -> tuple[str, str]:
        """Wait for its end; return its stdout and stderr."""
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("vgbench", timeout)
            self._server.update(end - time.monotonic())
        return self._stdout.read_text(), self._stderr.read_text()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """Starts `vgbench` commands that need not import anything first: see `tests/fork_server.py`."""

    def __init__(self, folder: Path) -> None:
        self.ended: dict[int, int] = {}
        self._folder, self._started = folder, 0
        self._begun: int | None = None
        self._connection, theirs = multiprocessing.Pipe()
        command = [sys.executable, Path(__file__).with_name("fork_server.py"), str(theirs.fileno())]
        environ = os.environ | {"OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environ, stdin=subprocess.DEVNULL)
        theirs.close()

    def start(self, arguments: Iterable[object], cwd: Path, environ: dict[str, str]) -> Forked:
        """Start `vgbench` with these arguments, on one thread."""
        self._started += 1
        stdout, stderr = (self._folder / f"{self._started}.{name}" for name in ("stdout", "stderr"))
        request = {"arguments": [*map(str, arguments)], "cwd": str(cwd), "environ": environ}
        self._connection.send(request | {"stdout": str(stdout), "stderr": str(stderr)})
        self._begun = None
        while self._begun is None:
            self.update(60)
        return Forked(self, self._begun, stdout, stderr)

    def update(self, timeout: float = 0) -> None:
        """Take what the server has reported; wait for a first report for some seconds."""
        while self._connection.poll(timeout):
            pid, status = self._connection.recv()
            if status is None:
                self._begun = pid
                self.ended.pop(pid, None)  # of an earlier process of this number
            else:
                self.ended[pid] = status
            timeout = 0

    def close(self) -> None:
        """Let the server end."""
        self._connection.close()
        self._process.wait()


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """One for each worker of pytest-xdist, from its first use on."""
    server = ForkServer(tmp_path_factory.mktemp("processes"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """`made_once(name, make)`: a folder for tests to read, filled by `make(folder)` once for all workers of xdist."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made_once"
    shared.mkdir(exist_ok=True)

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, whole = shared / name, shared / f"{name}.whole"
        with FileLock(shared / f"{name}.lock"):
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                whole.touch()
        return folder

    return once


@pytest.fixture
def vgbench_start(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Start the `vgbench` command in a process, as `subprocess.Popen`; with `cold`, by an interpreter of its own."""

    def start(*arguments: object, cwd: Path, cold: bool = False, **env: str) -> Any:
        environ = os.environ | {"OMP_NUM_THREADS": "1"} | env
        if sys.platform == "linux" and not cold:
            return request.getfixturevalue("fork_server").start(arguments, cwd, environ)
        command = [sys.executable, "-c", "from vgbench.cli import main; main()", *map(str, arguments)]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=cwd, env=environ, **pipes)

    return start


@pytest.fixture
def vgbench_process(vgbench_start: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Run the `vgbench` command in its own process, in an empty folder: returncode, stdout and stderr."""
    folder = tmp_path / "process"
    folder.mkdir()

    def run(*args: str, cold: bool = False, **env: str) -> subprocess.CompletedProcess[str]:
        process = vgbench_start(*args, cwd=folder, cold=cold, **env)
        stdout, stderr = process.communicate(timeout=600)
        return subprocess.CompletedProcess(args, process.returncode, stdout, stderr)

    return run


@pytest.fixture
def vgbench_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Call the command line in this process, in an empty folder: exit_code, stdout, stderr and json()."""
    from typer.testing import CliRunner

    from vgbench.cli import app

    monkeypatch.chdir(tmp_path)

    def call(*args: str | Path) -> Any:
        result = CliRunner().invoke(app, [str(arg) for arg in args])
        result.json = lambda: json.loads(result.stdout)  # type: ignore[attr-defined]
        return result

    return call


@pytest.fixture
def run_once(
    made_once: Callable[..., Path], vgbench_cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """`run_once(name, *command)`: a copy, `run` in this folder, of a run that is computed once for all tests."""

    def call(name: str, *command: str) -> Path:
        def make(folder: Path) -> None:
            with monkeypatch.context() as there:
                there.chdir(folder)
                there.setenv("VGBENCH_CACHE", str(folder / "cache"))
                done = vgbench_cli(*command, "--out", "run")
                assert done.exit_code == 0, done.stderr

        shutil.copytree(made_once(name, make), tmp_path, dirs_exist_ok=True)
        monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
        return tmp_path / "run"

    return call


@pytest.fixture(scope="session")
def wall_data():
    environment = Wall(Wall.Params(layout="per_trajectory"))
    return Dataset(environment, environment.collect(12, 40, 0), torch.device("cpu"))


@pytest.fixture
def small(wall_data):
    """Builders with which a test makes what it needs; weights depend on the seed alone."""

    def model(seed=0):
        torch.manual_seed(seed)
        networks = {"encoder": Strided(Strided.Params(stem=4, channels=8)), "predictor": MLP(MLP.Params(hidden=(48,)))}
        built, dim = jepa.build(networks, wall_data.environment.spec, 32)
        built.distance = IQE(IQE.Params(), dim)
        built.set_statistics(wall_data.statistics())
        return built

    shapes = ObjectiveShapes(32, 2)
    return SimpleNamespace(
        data=wall_data,
        model=model,
        iql=lambda **p: Term("iql", IQL(IQL.Params(**p), shapes), 1.0),
        prediction=lambda **p: Term("prediction", Prediction(Prediction.Params(**p), shapes), 1.0),
        train=lambda **p: TrainSettings(**{"steps": 6, "batch": 8, "window": 5, "lr": 1e-3, "clip": 1.0} | p),
        shapes=shapes,
    )


@pytest.fixture
def folder(tmp_path):
    """A run folder without the runner around it."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    return RunFolder(tmp_path / "run")


@pytest.fixture(scope="session")
def offered() -> Callable[..., Any]:
    """`with offered(forget=SITE):` has a device that is not the CPU: see `tests/other_device/device.py`."""
    name = "vgbench_tests_other_device"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "other_device" / "device.py")
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name].other_device


@pytest.fixture
def elsewhere(offered: Callable[..., Any]) -> Iterator[str]:
    """The name of that device."""
    with offered():
        yield "elsewhere:0"


@pytest.fixture
def data_settings():
    return DataSettings(trajectories=8, length=40)


@pytest.fixture
def stop_after():
    """Make a request to stop that comes when it has been looked at `n` times."""

    class StopAfter(Stop):
        def __init__(self, n):
            self._left = n

        @property
        def requested(self):
            self._left -= 1
            return self._left < 0

    return StopAfter
