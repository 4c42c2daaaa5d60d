"""What commands print: text that a terminal only shows, results on stdout alone, an error where that is full."""

import json
import os
import subprocess
import sys

import pytest

from vgbench.text import message, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jx", r"\x1b[2Jx"),
        ("a\rb", r"a\x0db"),
        ("a\r\nb\tc\n", "a\r\nb\tc\n"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb", r"a\u202eb"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("é 漢 😀\u00a0", "é 漢 😀\u00a0"),
    ],
)
def test_characters_that_do_something_are_shown_as_escapes(text, shown):
    assert printable(text) == shown


def test_long_words_lose_their_middle():
    found = message(f"--env {'x' * 10_000}: no such")
    assert len(found) < 500 and found.startswith("--env xxx") and found.endswith("xxx: no such")
    assert len(message("a b " * 10_000)) < 5000


def test_escapes_in_names_of_files_records_and_configs_do_not_reach_the_terminal(vgbench_cli, tmp_path):
    (tmp_path / "runs" / "\x1b[31mred").mkdir(parents=True)
    (tmp_path / "runs" / "\x1b[31mred" / "x").write_text("")
    (tmp_path / "c.yaml").write_text('recipe: "\\e]0;title\\a"\n')
    for command in (["report", "runs"], ["run", "--config", "c.yaml", "--env", "wall"], ["list", "\x1b[2J"]):
        result = vgbench_cli(*command)
        assert "\x1b" not in result.stderr + result.stdout and r"\x1b" in result.stderr


def test_what_a_plugin_prints_is_no_result(tmp_plugin, vgbench_cli):
    code = """
        import sys
        from vgbench.api import *
        print("at import")

        class Mine(Planner):
            \"\"\"Prints.\"\"\"

            def __init__(self, params):
                super().__init__(params)
                print("NOISE")
                sys.stdout.write("NOISE")

            def plan(self, problem, state):
                return None
    """
    tmp_plugin(code, planners={"mine": "Mine"}, dist="vgx-mine", version="0.3")
    result = vgbench_cli("run", "--env", "wall", "--recipe", "vf", "--planner", "mine", *SET)
    assert result.exit_code == 0, result.stderr
    assert result.json()["title"] and "NOISE" in result.stderr and "at import" in result.stderr


SET = ("--set", "mpc.replan_every=1", "--dry-run", "--format", "json")


def started(arguments, **how):
    command = [sys.executable, "-m", "vgbench", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **how)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
def test_a_result_that_cannot_be_written_is_an_error():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = started(["list"], stdout=full)
    assert done.returncode == 1
    assert done.stderr == "error: the result cannot be written to standard output: No space left on device\n"


def test_an_encoding_that_lacks_characters_gets_escapes(tmp_path):
    (tmp_path / "漢").mkdir()
    (tmp_path / "漢" / "x").write_text("")
    environ = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = started(["report", "漢", "--format", "json"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == "error: DIR \\u6f22: no run there can be shown: \\u6f22: there is no run.json\n"
    done = started(["runs", "漢", "--format", "json"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE)
    assert done.returncode == 0 and json.loads(done.stdout) == [], done
