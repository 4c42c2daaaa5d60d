"""Processes of the `vgbench` command that are forked from one which has imported torch and all of vgbench already.

Imports are 4 of the 5 seconds of a smoke run. A forked process is otherwise one like any other: it has its folder,
environment, output files, signals and exit status. The server stays single-threaded, and touches no random generator.

Run as `python fork_server.py DESCRIPTOR`: a `multiprocessing` connection over which requests come (arguments, cwd,
environ, files of stdout and stderr), and (PID, None) goes at once and (PID, exit status) at the end of a process.
"""

import atexit
import gc
import importlib
import os
import pkgutil
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any, NoReturn

PACKAGES = ("vgbench.cli", "vgbench.experiments", "vgbench.analysis", "vgbench.config", "vgbench_plugins")
OTHERS = ("torch.fx.experimental.symbolic_shapes", "scipy.stats", "scipy.linalg", "h5py", "PIL.Image")
EXTRAS = ("vgbench_plugins.loggers.", "vgbench.experiments.executors.ray")


def preload() -> None:
    """Import what a command might; not the plugins that need an extra."""
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith(EXTRAS) and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in OTHERS:
        importlib.import_module(name)


def become(request: dict[str, Any]) -> None:
    """Turn this process, just forked, into one that was started by a shell."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environ"])
    paths = os.environ.get("PYTHONPATH", "")
    sys.path[:1] = [request["cwd"], *filter(None, paths.split(os.pathsep))]
    sys.argv = ["vgbench", *request["arguments"]]
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["stdout"], os.O_WRONLY | os.O_CREAT),
        (2, request["stderr"], os.O_WRONLY | os.O_CREAT),
    ):
        descriptor = os.open(name, flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)


def serve(connection: Connection) -> bool:
    """Fork on request until the other end is closed; true in a process that has been forked."""
    running: set[int] = set()
    while True:
        if connection.poll(0.005 if running else None):
            try:
                request = connection.recv()
            except EOFError:
                return False
            pid = os.fork()
            if not pid:
                connection.close()
                become(request)
                return True
            running.add(pid)
            connection.send((pid, None))
        for pid in list(running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                running.remove(pid)
                connection.send((pid, os.waitstatus_to_exitcode(status)))


def run() -> NoReturn:
    """Run the command and end as an interpreter does, except that nothing is freed: the 3,000 modules are shared."""
    from vgbench.cli import main

    status: object = None
    try:
        main()
    except SystemExit as stop:
        status = stop.code
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    preload()
    gc.freeze()
    if serve(Connection(int(sys.argv[1]))):
        run()
