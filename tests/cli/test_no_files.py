"""What is no file in the place of one, such as a pipe that nobody writes to: refused at once, in one message."""

import os
import socket
import stat
from pathlib import Path

import numpy as np
import pytest

RUNS = str(Path(__file__).parents[2] / "results" / "quick")
RUN = ["run", "--env", "wall", "--recipe", "vf", "--scale", "smoke", "--device", "cpu"]
SOURCES = {
    "--data": [*RUN, "--data", "PIPE"],
    "--tasks": [*RUN, "--tasks", "PIPE"],
    "--recipes": [*RUN, "--recipes", "PIPE"],
    "--config": [*RUN, "--config", "PIPE"],
    "--data of train": ["train", "--data", "PIPE", "--recipe", "vf", "--out", "model"],
    "FILE of import": ["import", "PIPE", "--out", "never.h5"],
    "NAME of suite": ["suite", "./PIPE"],
    "NAME of sweep": ["sweep", "./PIPE"],
    "--suite of report": ["report", ".", "--suite", "./PIPE"],
    "--recipes of audit": ["audit", "wall_big", "--recipes", "PIPE"],
    "--records": ["audit", "wall_big", "--records", "PIPE", "--scale", "smoke"],
    "RUN of evaluate": ["evaluate", "PIPE"],
    "RUN of plot": ["plot", "PIPE"],
    "RUN of diagnose": ["diagnose", "PIPE"],
    "RUN of failures": ["failures", "PIPE"],
    "RUN of offline": ["offline", "PIPE"],
    "RUN of rescore": ["rescore", "PIPE"],
    "RUN of ladder": ["ladder", "--run", "PIPE"],
    "DIR of report": ["report", "PIPE"],
    "DIR of runs": ["runs", "PIPE"],
    "names of compare": ["compare", "PIPE", RUNS],
    "--in": ["compare", "vf", "vf_quasi", "--in", "PIPE"],
    "--status": ["suite", "--status", "PIPE"],
}
"""Commands that read a file or a folder, by what names it."""
TARGETS = {
    "--out of run": [*RUN, "--out", "PIPE"],
    "--out of collect": ["collect", "--env", "wall", "--trajectories", "4", "--out", "PIPE"],
    "--preview": ["collect", "--env", "wall", "--trajectories", "4", "--out", "x.h5", "--preview", "PIPE.png"],
    "--out of tasks": ["tasks", "--env", "wall", "--scale", "smoke", "--out", "PIPE"],
    "--out of import": ["import", "r.npz", "--out", "PIPE"],
    "--out of figure": ["figure", "paper_figure_1", "--out", "PIPE.png"],
    "--out of audit": ["audit", "wall_big", "--scale", "smoke", "--out", "PIPE"],
    "--plot of audit": ["audit", "wall_big", "--scale", "smoke", "--plot", "PIPE.png"],
    "--out of ladder": ["ladder", "--protocol", "wall_big", "--scale", "smoke", "--out", "PIPE"],
    "--out of report": ["report", RUNS, "--format", "md", "--out", "PIPE"],
    "--html": ["report", RUNS, "--html", "PIPE"],
    "--curves": ["report", RUNS, "--curves", "PIPE"],
    "--figure": ["report", RUNS, "--figure", "PIPE.svg"],
    "--out of demo": ["demo", "--copy", "--out", "PIPE"],
    "--out of suite": ["suite", "ranking", "--out", "PIPE"],
    "--into": ["new", "planner", "mine", "--into", "PIPE"],
}
"""Commands that write a file or a folder."""


@pytest.fixture
def refused(vgbench_start, tmp_path):
    """Give a command in a folder with a pipe; it has to end by itself, with one message that names the pipe."""

    def call(command):
        for name in ("PIPE", "PIPE.png", "PIPE.svg"):
            os.mkfifo(tmp_path / name)
        x = np.zeros((10, 1), np.float32)
        np.savez(tmp_path / "r.npz", observations=x, actions=x, episode_ends=np.array([5, 10]))
        process = vgbench_start(*command, cwd=tmp_path, VGBENCH_CACHE=str(tmp_path / "cache"))
        try:
            said = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 2, said
        assert "PIPE" in said[1] and said[1].count("error:") == 1 and "Traceback" not in said[1], said
        assert not said[0]
        assert all(stat.S_ISFIFO((tmp_path / name).stat().st_mode) for name in ("PIPE", "PIPE.png", "PIPE.svg"))
        assert not (tmp_path / "cache").exists()
        return said[1]

    return call


@pytest.mark.parametrize("what", SOURCES)
def test_a_pipe_is_not_waited_for(refused, what):
    refused(SOURCES[what])


@pytest.mark.parametrize("what", TARGETS)
def test_a_pipe_is_not_written_over(refused, what):
    refused(TARGETS[what])


@pytest.mark.parametrize("kind", ["socket", "device", "folder"])
@pytest.mark.parametrize("what", ["--data", "--tasks", "--recipes", "--config", "FILE of import"])
def test_other_things_that_are_no_files(vgbench_cli, tmp_path, monkeypatch, kind, what):
    monkeypatch.chdir(tmp_path)
    place = "/dev/zero" if kind == "device" else "x"
    if kind == "socket":
        server = socket.socket(socket.AF_UNIX)
        server.bind("x")
        server.close()
    elif kind == "folder":
        Path("x").mkdir()
    done = vgbench_cli(*[place if part == "PIPE" else part for part in SOURCES[what]])
    assert done.exit_code == 2 and done.stderr.count("error:") == 1 and place in done.stderr, done.stderr


@pytest.mark.parametrize("layout", ["npy", "lerobot"])
def test_a_pipe_in_a_folder_of_recordings(refused, tmp_path, layout):
    inside = tmp_path / "folder" / ("meta" if layout == "lerobot" else "")
    inside.mkdir(parents=True)
    os.mkfifo(inside / ("info.json" if layout == "lerobot" else "PIPE.npy"))
    command = ["import", "folder", "--out", "PIPE.h5"]
    if layout == "lerobot":
        pytest.importorskip("pyarrow")
    refused(command)


def test_a_link_beside_a_file_to_write_is_not_followed(vgbench_process, tmp_path):
    """Under the names that the trial of earlier versions could have: it went by the number of the process."""
    folder, victims = tmp_path / "process", tmp_path / "victims"
    victims.mkdir()
    top = int(Path("/proc/sys/kernel/ns_last_pid").read_text()) if Path("/proc/sys/kernel/ns_last_pid").exists() else 0
    for number in range(max(1, top or os.getpid()), (top or os.getpid()) + 400):
        (folder / f"t.json.{number}.partial").symlink_to(victims / str(number))
    done = vgbench_process(
        "tasks", "--env", "wall", "--scale", "smoke", "--out", "t.json", "--set", "wall.layout=fixed"
    )
    assert not list(victims.iterdir()), done.stderr
    assert len(list(folder.glob("t.json.*.partial"))) == 400
