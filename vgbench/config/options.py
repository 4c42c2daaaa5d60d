"""The options of a run, declared once.

From this declaration come the flags of `vgbench run` (and of other commands that take some of them), the arguments of
`vgbench.run`, the fields of `RunRequest`, the keys of a file for --config, and the documentation of all four.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict, get_args, get_type_hints

from vgbench.errors import UsageError
from vgbench.text import suggest

Text = str | None
Number = int | None
Switch = bool | None
File = str | Path | None
Names = str | Sequence[str] | None
Values = Mapping[str, Any] | Sequence[str] | None


@dataclass(frozen=True)
class About:
    """What is said of an option.

    Attributes:
        help: one sentence, for the command line and, with `--name` as the argument `name`, for Python.
        metavar: what stands after the flag; choices as `a|b`.
        key: key of a file for --config; "" is the option's own name, None: such a file does not have it.
    """

    help: str
    metavar: str | None = None
    key: str | None = ""


class RunOptions(TypedDict, total=False):
    """Options of a run, as `vgbench.run` takes them: one that is None or empty counts as not given."""

    env: Annotated[Text, About("Environment (uses its default protocol).", "NAME", key="environment")]
    protocol: Annotated[Text, About("Evaluation protocol; see `vgbench list protocol`.", "NAME")]
    recipe: Annotated[Text, About("Objectives, distance and training; see `vgbench list recipe`.", "NAME")]
    recipes: Annotated[File, About("YAML file with your own recipes and protocols.", "FILE", key=None)]
    objective: Annotated[Names, About("Term of the loss; repeatable.", "NAME[:WEIGHT]", key="objectives")]
    distance: Annotated[Text, About("Distance between latents.", "NAME")]
    planner: Annotated[Text, About("Planner (default: the protocol's).", "NAME")]
    encoder: Annotated[Text, About("Encoder network (default: the protocol's).", "NAME")]
    predictor: Annotated[Text, About("Predictor network (default: the protocol's).", "NAME")]
    training: Annotated[Text, About("Train encoder and predictor separately or jointly.", "auto|separate|joint")]
    scale: Annotated[
        Text,
        About(
            "smoke: seconds, not meaningful; quick: minutes (default); paper: published settings.", "smoke|quick|paper"
        ),
    ]
    variant: Annotated[
        Text, About("Interpretation of details the paper leaves open; see `vgbench list variant`.", "NAME")
    ]
    seed: Annotated[Number, About("Seed of training (default: 0).")]
    data_seed: Annotated[Number, About("Seed of the training set (default: that of training).")]
    task_seed: Annotated[Number, About("Seed of the tasks (default: 0).")]
    device: Annotated[Text, About("Device (default: auto, a GPU if there is one).", "auto|cpu|cuda[:N]")]
    precision: Annotated[Text, About("Numeric precision (default: float32); tf32 needs CUDA.", "float32|tf32|bfloat16")]
    compile: Annotated[Switch, About("Compile the networks with torch.compile (default: no).")]
    threads: Annotated[Number, About("PyTorch threads (default: 0, one per core).", "N")]
    memory: Annotated[
        Text, About("Memory limit for one planning batch, such as 2GiB (default: half of the free memory).", "SIZE")
    ]
    out: Annotated[File, About("Run folder (default: a name under runs/).", "DIR", key=None)]
    again: Annotated[
        Switch,
        About("Repeat a run whose plugins have changed; the old folder is kept beside it.", key=None),
    ]
    config: Annotated[File, About("YAML file with options; options on the command line override it.", "FILE", key=None)]
    set: Annotated[Values, About("Set a parameter (overrides everything else).", "NAME.PARAM=VALUE")]
    data: Annotated[File, About("Train on this file of `vgbench collect` or `vgbench import`.", "FILE")]
    tasks: Annotated[File, About("Use these tasks, from `vgbench tasks` or a run's tasks.json.", "FILE")]
    logger: Annotated[Names, About("Also log to jsonl, tensorboard or wandb; repeatable.", "NAME", key=None)]
    plugin_timeout: Annotated[
        Number, About("Time limit for one call of a plugin (default: 0, none).", "SECONDS", key=None)
    ]


COMPUTE = ("device", "precision", "compile", "memory")
"""Where and how to compute."""

SHARED = ("scale", "variant", "set", "plugin_timeout", *COMPUTE)
"""Options that all runs of a suite or sweep have in common."""


@dataclass(frozen=True)
class RunOption:
    """An option with its name, which is the argument's in Python, and its kind: `Text`, `Number`, ..."""

    name: str
    kind: Any
    about: About

    @property
    def flag(self) -> str:
        """Its spelling on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def key(self) -> str | None:
        """Its key in a file for --config, if such a file has it."""
        return self.name if self.about.key == "" else self.about.key

    def sentence(self) -> str:
        """Describe it in the words of Python: arguments for flags, the choices written out."""
        text = re.sub(r"--([a-z-]+)", lambda found: f"`{found[1].replace('-', '_')}`", self.about.help)
        choices = (self.about.metavar or "").split("|")
        named = f" One of {', '.join(f'`{choice}`' for choice in choices)}." if len(choices) > 1 else ""
        return text + named + _PYTHON[self.kind][2]

    def read(self, value: Any) -> Any:
        """Return a value as the request holds it: a path, a tuple of names or of `name.param=value`, or as it is.

        Raises:
            UsageError: it is of another kind.
        """
        types, words, _ = _PYTHON[self.kind]
        # bool is a subclass of int: `seed=True` would pass for 1.
        if not isinstance(value, types) or (isinstance(value, bool) and self.kind != Switch):
            words = f"a seed must be {words}" if self.name.endswith("seed") else f"expected {words}"
            raise UsageError(f"{self.name}={value!r}: {words}")
        if self.kind == File:
            return Path(value)
        if self.kind == Values and isinstance(value, Mapping):
            return tuple(f"{name}={_as_text(name, plain)}" for name, plain in value.items())
        if self.kind in (Names, Values):
            return (value,) if isinstance(value, str) else tuple(value)
        return value


_PYTHON: dict[Any, tuple[Any, str, str]] = {
    Text: (str, "text", ""),
    Number: (int, "a whole number", ""),
    Switch: (bool, "True or False", ""),
    File: ((str, Path), "the name of a file", ""),
    Names: ((str, Sequence), "a name, or a list of names", " One, or a list."),
    Values: (
        (str, Mapping, Sequence),
        "values by name.param",
        ' A mapping, `{"iql.tau": 0.8}`, or a list, `["iql.tau=0.8"]`.',
    ),
}
"""Types of each kind in Python, words for them, and what to say of it."""


def _as_text(name: str, value: Any) -> str:
    """Write a value of `set` as it would follow `--set NAME=`."""
    try:
        # JSON is also YAML, so it is read back as the same value; `str` would make text of None.
        return json.dumps(value, ensure_ascii=False)
    except TypeError as err:
        raise UsageError(f"set: {name!r}: expected a plain value, not {type(value).__name__}") from err


# The arguments of Annotated are kind and `About`, in the order of RunOption's fields.
OPTIONS = {
    name: RunOption(name, *get_args(hint)) for name, hint in get_type_hints(RunOptions, include_extras=True).items()
}
"""All options, by name."""


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that have a value, as it was given, in the order of the declaration.

    Raises:
        UsageError: there is no option of a name.
    """
    for name in options:
        if name not in OPTIONS:
            raise UsageError(f"{name}: there is no such option of a run. {suggest(name, OPTIONS)}")
    return {name: options[name] for name in OPTIONS if options.get(name) not in (None, (), [], {})}
