"""Argument vectors made of what the command line knows, and of what it does not."""

import pytest

pytestmark = pytest.mark.slow

ODD = [
    "",
    "-",
    "--",
    "=",
    ".",
    "..",
    "/",
    "\0x"[1:],
    "\x1b[31m",
    "é",
    "\u202e",
    "nan",
    "inf",
    "-1",
    "0",
    "1e999",
    "9" * 400,
]
ODD += [
    "x" * 5000,
    "[" * 500,
    "{a: 1}",
    "null",
    "true",
    "~",
    "a.b=c",
    "iql.tau=",
    "=1",
    "iql.tau=nan",
    "%s",
    "{}",
    "$HOME",
]
ODD += [
    "mpc.max_steps=1e10",
    "data.length=3",
    "train.lr=1e-3",
    "iql.tau=0.7",
    "mppi.samples=0",
    "wall",
    "maze",
    "vf",
    "iqe",
]
ODD += [
    "smoke",
    "tuned",
    "here",
    "here/result.json",
    "../here",
    "config.yaml",
    "/dev/null",
    "/dev/full",
    "/proc/self/mem",
]
ODD += [
    "3",
    "0,1",
    "1,1",
    "cpu",
    "cuda:99",
    "float32",
    "1GiB",
    "json",
    "md",
    "a.png",
    "a.h5",
    "paper_table_2",
    "--help",
]
SLOW = {"suite", "sweep", "run", "ladder", "diagnose", "plot", "collect", "check", "figure", "doctor", "new"}
SLOW |= {"train", "offline", "evaluate", "audit", "demo", "import", "export"}
"""Commands that could compute for long, or write much: with `--dry-run` where there is that, else with what is none."""


def vector(rng, commands):
    """Return the name of a command and its arguments."""
    name = rng.choice(sorted(commands))
    known = [flag for option in commands[name].params for flag in (*option.opts, *option.secondary_opts)]
    flags = [flag for flag in known if flag != "--debug"]  # which shows tracebacks
    words = [rng.choice([rng.choice(flags), rng.choice(ODD), rng.choice(ODD)]) for _ in range(rng.randrange(7))]
    if name in ("run", "suite", "sweep"):
        words.append("--dry-run")
    elif name in SLOW:
        words.append(rng.choice(["--env", "--scale", "--format", "--no-such"]))
        words.append("none such")
    if rng.random() < 0.05:
        name = rng.choice(ODD)
    return [name, *words]


def test_argument_vectors(campaign, tools, whole, tmp_path):
    import shutil

    import typer

    from vgbench.cli import app

    commands = typer.main.get_command(app).commands
    vectors = campaign("arguments", small=30, full=2000)
    shutil.copytree(whole / "here", tmp_path / "here")
    for case, rng in vectors.cases():
        arguments = vector(rng, commands)
        ended = tools.forked(tools.command(*arguments, VGBENCH_CACHE=str(whole / "cache")), tmp_path, cpu=60)
        if complaint := ended.complaint():
            vectors.fail(case, f"vgbench {arguments!r:.300}: {complaint}", ended)
        else:
            vectors.outcomes[f"exit {ended.code}"] += 1
