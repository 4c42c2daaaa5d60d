"""The options of a run: declared once, and the same on the command line, from Python, in a file and in the docs."""

import inspect
import re

import pytest

import vgbench
from vgbench.config.config_file import KEYS
from vgbench.config.options import OPTIONS, SHARED
from vgbench.config.request import RunRequest


def flags(text):
    return set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", text, re.MULTILINE))


def test_every_option_is_a_flag_an_argument_and_documented(vgbench_cli):
    shown = vgbench_cli("run", "--help").stdout
    own = {"--seeds", "--num-seeds", "--format", "--dry-run", "--debug", "--help"}
    assert flags(shown) == {option.flag for option in OPTIONS.values()} | own
    assert list(inspect.signature(vgbench.run).parameters) == list(OPTIONS)
    described = re.findall(r"^        (\w+): \S", vgbench.run.__doc__.partition("Raises:")[0], re.MULTILINE)
    assert described == list(OPTIONS)
    assert all(option.key in KEYS for option in OPTIONS.values() if option.key)


@pytest.mark.parametrize("command", ["suite", "sweep"])
def test_suites_and_sweeps_take_the_shared_ones(vgbench_cli, command):
    assert {OPTIONS[name].flag for name in SHARED} <= flags(vgbench_cli(command, "--help").stdout)


def test_what_is_given_is_read_and_what_is_none_or_empty_is_not_given():
    made = RunRequest(
        env="wall", recipe=None, objective="iql", logger=(), set={"iql.tau": 0.8, "a.b": None}, config="c"
    )
    assert made.options.keys() == {"env", "objective", "set", "config"}
    assert made.options["objective"] == ("iql",) and made.options["config"].name == "c"
    assert made.sets == ("iql.tau=0.8", "a.b=null")
    other = made.replaced(env="maze", recipe="vf", seed=0, objective=None)
    assert (other.options["env"], other.options["seed"], other.options["objective"]) == ("maze", 0, ("iql",))
    assert made.options["env"] == "wall"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": True}, "seed=True: a seed must be a whole number"),
        ({"task_seed": 1.0}, "task_seed=1.0: a seed must be a whole number"),
        ({"threads": "2"}, "threads='2': expected a whole number"),
        ({"compile": 1}, "compile=1: expected True or False"),
        ({"recipe": ["vf"]}, "recipe=['vf']: expected text"),
        ({"config": 3}, "config=3: expected the name of a file"),
        ({"objective": 3}, "objective=3: expected a name, or a list of names"),
        ({"set": 3}, "set=3: expected values by name.param"),
        ({"set": {"iql.tau": object}}, "set: 'iql.tau': expected a plain value, not type"),
        ({"objectives": ["iql"]}, "objectives: there is no such option of a run. Did you mean 'objective'?"),
        ({"sead": 1}, "Did you mean 'seed'?"),
    ],
)
def test_unknown_names_and_values_of_another_kind_are_usage_errors(given, message):
    with pytest.raises(vgbench.UsageError) as caught:
        vgbench.run(**given)
    assert message in str(caught.value)
