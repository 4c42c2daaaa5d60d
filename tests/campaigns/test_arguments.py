"""Argument vectors made of what the command line knows, and of what it does not."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

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
SLOW |= {"train", "offline", "evaluate", "audit", "demo", "import", "export", "tasks"}
"""Commands that could compute for long, or write much: with `--dry-run` where there is that, else with what is none."""
SCALE = ["--scale", "smoke"]
REFUSED = ["--set", "none.such=1"]
TOO_FEW = ["--tasks", "0"]
SOUND = [
    (["run", "--env", "wall", "--recipe", "vf", *SCALE], ["--dry-run"]),
    (["run", "--protocol", "maze", "--recipe", "vf_quasi", "--planner", "cem", *SCALE], ["--dry-run"]),
    (["run", "--config", "here/config.yaml"], ["--dry-run"]),
    (["run", "--env", "wall", "--recipe", "mine", "--recipes", "mine.yaml", *SCALE], ["--dry-run"]),
    (["train", "--data", "data.h5", "--recipe", "vf", *SCALE], ["--dry-run"]),
    (["suite", "paper_table_2", "--only", "vf,wall_small", "--seeds", "0", *SCALE], ["--dry-run"]),
    (["suite", "mine.yaml", *SCALE, "--out", "out"], ["--dry-run"]),
    (["suite", "--status", "table"], []),
    (["sweep", "--recipe", "vf", "--protocol", "wall_small", "--grid", "iql.tau=0.6,0.7", *SCALE], ["--dry-run"]),
    (["sweep", "paper_figure_3", "--seeds", "0", *SCALE], ["--dry-run"]),
    (["list", "objective"], []),
    (["show", "objective", "iql"], []),
    (["show", "protocol", "wall_big"], []),
    (["runs", "."], []),
    (["report", "here", *SCALE], []),
    (["report", "here", "--suite", "paper_table_2", "--claims", "--format", "md"], []),
    (["compare", "here", "there"], []),
    (["rescore", "here", "--radius", "1"], []),
    (["rescore", "here", "--at", "end"], []),
    (["failures", "here", "--first", "1"], []),
    (["diagnose", "here", "--goals", "2"], ["--states", "32"]),
    (["offline", "here"], []),
    (["plot", "here"], ["--task", "999"]),
    (["evaluate", "here", "--task-seed", "3"], REFUSED),
    (["ladder", "--protocol", "wall_big", *SCALE], TOO_FEW),
    (["audit", "wall_big", *SCALE], TOO_FEW),
    (["figure", "paper_figure_1", "--out", "out.png"], REFUSED),
    (["collect", "--env", "wall", *SCALE, "--out", "out.h5"], REFUSED),
    (["tasks", "--env", "wall", *SCALE, "--out", "out.json"], REFUSED),
    (["import", "steps.npz", "--out", "out.h5"], REFUSED),
    (["check", "objective", "iql"], ["-k", "none such"]),
    (["new", "objective", "mine"], ["--into", "none such"]),
]
"""Commands that are sound, and what ends each of them quickly, whatever becomes of the rest of its words."""

VALUES = {
    "env": ["wall", "maze", "rooms", "gamble", "vgbench:wall", "walls", "recorded"],
    "recipe": ["vf", "vf_quasi", "pred_vcreg", "two_space", "vf-quasi", "VF", "mine"],
    "protocol": ["wall_small", "wall_big", "maze", "turnstile", "generic", "wall_huge"],
    "scale": ["smoke", "quick", "paper", "tiny"],
    "variant": ["literal", "tuned", "lit"],
    "objective": ["iql", "prediction", "vcreg", "iql,vcreg", "loss"],
    "distance": ["iqe", "euclidean", "two_level", "cosine"],
    "planner": ["mppi", "cem", "icem", "gradient", "random", "mpc"],
    "baseline": ["random", "none", "mppi"],
    "encoder": ["impala", "strided", "vector", "mlp", "timm"],
    "device": ["cpu", "cuda:99", "cuda", "mps", "CPU"],
    "precision": ["float32", "bfloat16", "float8"],
    "format": ["table", "json", "md", "csv", "latex", "xml"],
    "set": ["iql.tau=0.7", "iql.tau=2", "train.lr=1e-3", "mppi.samples=8", "mpc.max_steps=1e10", "iql.taus=0.7"],
    "grid": ["mppi.samples=8,16", "planner=mppi,cem", "iql.tau=", "=1,2", "mppi.samples=8,8"],
    "seeds": ["0", "0,1", "0-2", "3x", "2-1", "0,0", "-1"],
    "shard": ["1/2", "3/2", "0/1", "1"],
    "executor": ["local", "ray", "slurm", "loc"],
    "score": ["success", "spl", "timely", "speed"],
    "at": ["ever", "end", "never"],
    "kind": ["objective", "objectives", "recipe", "planner", "suite", "protocol", "field"],
    "name": ["iql", "vf", "wall_big", "paper_table_2", "paper_figure_1", "mppi", "iqe", "mine.yaml", "here"],
    "suite": ["paper_table_2", "ranking", "mine.yaml", "paper_table_9"],
    "only": ["vf", "vf,wall_small", "wall_huge", ""],
    "in": ["here", ".", "none"],
}
"""Values of options and arguments by name, sound ones and slips."""
FILES = ["here", "there", "table", ".", "here/config.yaml", "here/result.json", "mine.yaml", "data.h5", "steps.npz"]
FILES += ["none", "here/none", "out.png", "out.md", "out.json", "/dev/null", "/proc/self/mem", "here/checkpoints"]
NUMBERS = ["0", "1", "2", "-1", "3.5", "1e3", "99999999999", "nan", "x"]


MINE = {
    "recipes": {"mine": {"extends": "vf", "set": {"iql.tau": 0.6}}},
    "suites": {"mine": {"summary": "one", "recipes": ["mine", "vf"], "protocols": ["wall_small"], "seeds": [0]}},
}


def slip(word, rng):
    """Type a word as somebody might who is in a hurry."""
    place, kind = rng.randrange(len(word) + 1), rng.randrange(6)
    if kind == 0:
        return word[:place] + word[place + 1 :]
    if kind == 1:
        return word[:place] + rng.choice("aZ0-_=.,/é ") + word[place:]
    if kind == 2:
        return word.upper()
    if kind == 3:
        return f"{word}{rng.choice(['s', ' ', ',', '=1', '.yaml', '/'])}"
    return rng.choice(ODD) if kind == 4 else word


def value(option, rng):
    """Return a value for an option or an argument: of its kind mostly."""
    import click

    known = VALUES.get(option.name.rstrip("_"))
    if known is None:
        number = isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
        # What the parser takes for a number: another word is refused there, and learnt nothing from.
        known = ["0", "1", "2", "-1", "99999999999"] if number and rng.random() < 0.9 else NUMBERS if number else FILES
    word = rng.choice(known)
    return slip(word, rng) if rng.random() < 0.2 and known is not NUMBERS else word


def reasonable(rng, commands):
    """Return a command that is sound but for some words."""
    words, ends = rng.choice(SOUND)
    name, *words = words
    words = [slip(word, rng) if rng.random() < 0.1 and not word.startswith("-") else word for word in words]
    options = [option for option in commands[name].params if option.param_type_name == "option"]
    options = [option for option in options if not {"--help", "--debug", "--watch"} & set(option.opts)]
    for option in rng.sample(options, min(len(options), rng.choice([0, 1, 1, 2, 3]))):
        flag = rng.choice([*option.opts, *option.secondary_opts])
        words += [flag] if option.is_flag else [flag, value(option, rng)]
    return [name, *words, *ends]


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


def told(work, commands):
    """Have work note in the file `parsed` that its words have passed the parser."""

    def wrapped():
        kind = type(commands["run"])
        plain = kind.invoke

        def invoke(command, context):
            Path("parsed").touch()
            return plain(command, context)

        kind.invoke = invoke
        work()

    return wrapped


def test_argument_vectors(campaign, tools, whole, tmp_path):
    import typer

    from vgbench.cli import app

    commands = typer.main.get_command(app).commands
    assert {words[0] for words, _ in SOUND} | {"doctor", "demo", "export"} == set(commands)
    vectors = campaign("arguments", small=20, full=2000)
    for name in ("here", "there"):
        shutil.copytree(whole / "here", tmp_path / name)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(MINE))
    shutil.copyfile(next((whole / "cache" / "data").glob("*.h5")), tmp_path / "data.h5")
    np.savez(
        tmp_path / "steps.npz",
        observations=np.zeros((60, 6), "f4"),
        actions=np.zeros((60, 2), "f4"),
        terminals=np.arange(60) % 15 == 14,
    )
    made = {path.name for path in tmp_path.iterdir()}
    for case, rng in vectors.cases():
        arguments = reasonable(rng, commands) if rng.random() < 0.75 else vector(rng, commands)
        work = tools.command(*arguments, VGBENCH_CACHE=str(whole / "cache"))
        ended = tools.forked(told(work, commands), tmp_path, cpu=60)
        if complaint := ended.complaint():
            vectors.fail(case, f"vgbench {arguments!r:.600}: {complaint}", ended)
        else:
            passed = "past the parser" if (tmp_path / "parsed").exists() else "refused by the parser"
            vectors.outcomes[f"{passed}: exit {ended.code}"] += 1
        for path in set(tmp_path.iterdir()) - {tmp_path / name for name in made}:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if vectors.outcomes and not os.environ.get("VGBENCH_CAMPAIGN_CASE"):
        parsed = sum(count for what, count in vectors.outcomes.items() if what.startswith("past the parser"))
        assert 2 * parsed >= sum(vectors.outcomes.values()), vectors.outcomes
