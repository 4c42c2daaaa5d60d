"""Commands that help pages, README and documentation show run as they stand, at smoke scale, in a folder as they mean.

Those that train for long get `--dry-run`, which resolves and builds all that they would compute.
"""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from vgbench.cli import app

ROOT = Path(__file__).parents[2]
COMMANDS = tuple(sorted(command.name for command in app.registered_commands))
PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
FOLLOWED = ("docs/data.md", "docs/encoder.md", "docs/plugin.md")
"""Pages whose commands other tests give, in their order, with the files of the page."""

TRAIN = ["data.trajectories=8", "train.steps=2", "train_predictor.steps=2", "mpc.block_rows=64"]
TRAIN += ["strided.stem=4", "strided.channels=4", "mlp.hidden=[16]", "model.latent_dim=16"]
PLAN = ["evaluation.tasks=2", "mpc.max_steps=4", "evaluation.stop=never"]
TINY = ["--scale", "smoke", "--device", "cpu", *(part for value in (*TRAIN, *PLAN) for part in ("--set", value))]
FEW_LAYOUTS = ["--set", "maze.training_layouts=2"]
"""Of far mazes: no more than there are trajectories."""
TABLE = "runs/paper_table_2-quick"
SMOKE = ["--scale", "smoke"]
SMALLER = {
    "audit": [SMOKE, ["--tasks", "2"], *(["--set", value] for value in (*TRAIN, *PLAN))],
    "collect": [SMOKE],
    "demo": [["--copy"]],
    "figure": [["--set", "data.trajectories=4"]],
    "ladder": [["--tasks", "2"]],
    "report": [SMOKE],
    "run": [["--dry-run"]],
    "suite": [["--dry-run"], SMOKE],
    "sweep": [["--dry-run"]],
    "tasks": [SMOKE],
    "train": [SMOKE, *(["--set", value] for value in TRAIN[1:])],
}
"""Options that make a command short; those that it has already are left out, but for `--set`."""
ELSEWHERE = {
    "--executor slurm": "needs sbatch; tests/experiments/test_slurm.py",
    "--executor ray": "needs Ray; tests/experiments/test_suite_ray.py",
    "--minari": "needs the extra minari; tests/data/test_minari.py",
    "--devices cuda:0,cuda:1": "needs two GPUs",
    "--device cuda:1": "needs two GPUs",
    "umaze": "an environment of the page's own; tests/gymnasium",
    "vgbench suite NAME": "a pattern, not a command",
}
if importlib.util.find_spec("av") is None:
    ELSEWHERE["--format mp4"] = "needs the extra video"
READY = ("data.h5", "others.h5", "wall.h5", "maze.h5", "tasks.json", "my_table.yaml")
"""Files that a command may read which an earlier one on the page has not written."""

MINE = """
recipes:
  mine: {extends: vf}
protocols:
  my_rooms: {extends: turnstile, summary: mine}
suites:
  mine: {summary: mine, recipes: [mine, vf], protocols: [wall_small]}
"""


def of_help(name):
    """Commands under `Examples:` of a help page."""
    command = next(command for command in app.registered_commands if command.name == name)
    return [line.strip() for line in command.epilog.splitlines() if "vgbench " in line]


def of_page(text):
    """Commands in the blocks of a page."""
    found = []
    for block in re.findall(r"^```(?:console|bash|sh)\n(.*?)^```$", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            found += [part.strip() for part in re.sub(r"\s#.*", "", line).split("&&") if "vgbench " in part]
    return found


def made(folder, start):
    """Make what the commands name: runs, a suite, recordings, files."""

    def call(*arguments):
        process = start(*arguments, cwd=folder, VGBENCH_CACHE=str(folder / "cache"))
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err

    only = ["--only", "vf,vf_quasi,pred_vcreg,wall_big", "--seeds", "0"]
    call("suite", "paper_table_2", *TINY, *only, "--out", TABLE)
    shutil.copytree(folder / TABLE, folder / "shared" / "table")
    for name in ("mine", "mine-s0", "wall_big-vf_quasi-quick-s0-1a2b3c4d"):
        shutil.copytree(folder / TABLE / "wall_big" / "vf_quasi" / "s0", folder / "runs" / name)
    shutil.copytree(folder / TABLE / "wall_big" / "vf" / "s0", folder / "runs" / "theirs-s0")
    call(
        "run",
        "--protocol",
        "turnstile",
        "--recipe",
        "vf_quasi",
        *TINY,
        "--set",
        "evaluation.tasks=9",
        "--out",
        "runs/NAME",
    )
    for name in ("quasi/s0", "vf/s0"):
        shutil.copytree(folder / "runs" / "NAME", folder / "runs" / name)
    for name in ("literal", "tuned", "paper_table_2-smoke"):
        shutil.copytree(folder / TABLE, folder / "runs" / name)
    tuning = ["--data-seed", "1000", "--task-seed", "1000", *FEW_LAYOUTS]
    call("run", "--protocol", "maze_far", "--recipe", "vf", *TINY, *tuning, "--out", "runs/ranking/vf")
    call("new", "suite", "my_table")
    only = ["--only", "vf_quasi,turnstile", "--seeds", "0"]
    call("suite", "my_table.yaml", *SMOKE, *only, "--out", "runs/my_table-quick")
    (folder / "my_table.yaml").rename(folder / "ready-my_table.yaml")
    (folder / "projects").mkdir()
    call("tasks", "--env", "maze", *SMOKE, "--out", "ready-tasks.json")
    (folder / "mine.yaml").write_text(MINE)
    for name in ("maze", "wall"):
        call("collect", "--env", name, *SMOKE, "--trajectories", "8", "--out", f"ready-{name}.h5")
    for name in ("data", "others"):
        shutil.copy(folder / "ready-wall.h5", folder / f"ready-{name}.h5")
    rng = np.random.default_rng(0)
    frames, actions = rng.integers(0, 255, (90, 64, 64, 3), dtype=np.uint8), rng.uniform(-1, 1, (90, 2))
    done = np.arange(90) % 30 == 29
    for name in ("recordings.npz", "own.npz"):
        np.savez(folder / name, observations=frames, actions=actions.astype(np.float32), terminals=done)
    with h5py.File(folder / "robot.hdf5", "w") as file:
        file["frames"], file["u"], file["done"] = frames, actions.astype(np.float32), done


@pytest.fixture
def give(made_once, vgbench_start, vgbench_cli, tmp_path, tmp_plugin, monkeypatch):
    """Give commands one after the other, in a copy of the folder."""
    base = made_once("commands", lambda folder: made(folder, vgbench_start))
    shutil.copytree(base, tmp_path, dirs_exist_ok=True)
    (tmp_path / "results").symlink_to(ROOT / "results")
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    ours = ROOT / "plugins" / "vgbench_plugins"
    tmp_plugin((ours / "distances" / "euclidean.py").read_text(), dist="my-package", distances={"mine": "Euclidean"})
    code = (ours / "objectives" / "regressive.py").read_text()

    def one(line):
        if any(part in line for part in ELSEWHERE):
            return
        plain = re.sub(r"\$\{?SLURM_ARRAY_TASK_ID\}?", "3", line).replace(
            "results/quick/NAME", "results/quick/maze-vf-s0"
        )
        words = shlex.split(plain)
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            monkeypatch.setenv(name, value)
        program, verb, *arguments = words
        assert program.endswith("vgbench")
        if verb == "check" and "my_loss" in arguments:
            tmp_plugin(code, dist="vgbench-my-loss", objectives={"my_loss": "Regressive"})
        if "--status" not in arguments and not (verb == "report" and "results" in line):
            for option, *value in SMALLER.get(verb, []):
                arguments += [option, *value] if option == "--set" or option not in arguments else []
        if verb == "audit" and "maze_far" in arguments:
            arguments += FEW_LAYOUTS
        if verb == "ladder" and "--run" not in arguments:
            arguments += SMOKE
        for name in READY:
            read = name in arguments and arguments[arguments.index(name) - 1] != "--out"
            if read and not (tmp_path / name).exists():
                shutil.copy(tmp_path / f"ready-{name}", tmp_path / name)
        done = vgbench_cli(verb, *arguments)
        assert done.exit_code == 0, (
            f"{line}\n{verb} {shlex.join(arguments)}\n{done.stdout[-1500:]}{done.stderr[-3000:]}"
        )

    return one


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_help_run(name, give):
    lines = of_help(name)
    assert lines, f"vgbench {name} --help shows no example"
    if name == "offline":
        give("vgbench train --data data.h5 --recipe vf --out model")
    for line in lines:
        give(line)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in FOLLOWED])
def test_the_commands_of_pages_run(page, give):
    for line in of_page((ROOT / page).read_text(encoding="utf-8")):
        give(line)


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_that_prose_names_exist(page, vgbench_cli):
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.M | re.S)
    help_of = {}
    for code in re.findall(r"`(?:\S*/)?vgbench ([^`]+)`", text):
        verb, *words = code.split()
        if not re.fullmatch(r"[a-z]+", verb):
            continue
        assert verb in COMMANDS, f"{page}: `vgbench {code}`"
        help_of.setdefault(verb, vgbench_cli(verb, "--help").stdout)
        for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", " ".join(words)):
            assert re.search(rf"(?<!\S){option}(?![a-z-])", help_of[verb].replace("/--", " --")), f"{page}: {code}"
