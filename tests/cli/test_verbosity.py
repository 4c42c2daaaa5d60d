"""-q, -v, -V, and what a shell completes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import vgbench
from vgbench.text import encodable

RESULTS = Path(__file__).parents[2] / "results"


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(vgbench_cli, flag):
    assert vgbench_cli(flag).stdout == f"vgbench {vgbench.__version__}\n"


@pytest.mark.parametrize("args", [["-q", "-v", "list"], ["list", "-q", "-v"]])
def test_quiet_and_verbose_contradict_each_other(vgbench_cli, args):
    result = vgbench_cli(*args)
    assert result.exit_code == 2
    assert result.stderr == "error: -q and -v contradict each other; leave one out\n"


@pytest.mark.parametrize("place", [["-q", "run"], ["run", "-q"], ["run", "--quiet"]])
def test_quiet_prints_no_notes(vgbench_cli, place):
    args = ["--env", "wall", "--objective", "iql", "--distance", "iqe", "--dry-run"]
    assert "note: " in vgbench_cli("run", *args).stderr
    quiet = vgbench_cli(*place, *args)
    assert quiet.exit_code == 0 and quiet.stderr == "" and "iql.tau" in quiet.stdout
    assert "error: " in vgbench_cli(*place, "--env", "nowhere").stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("run --recipe vf_quasi_", {"vf_quasi_pred"}),
        ("run --scale ", {"smoke", "quick", "paper"}),
        ("run --protocol wall_", {"wall_small", "wall_big"}),
        ("suite paper_", {"paper_table_2"}),
        ("sweep paper_", {"paper_figure_3"}),
        ("show objective i", {"iql", "inverse_dynamics"}),
        ("list environ", {"environment"}),
        ("ev", {"evaluate"}),
    ],
)
def test_a_shell_completes_names(line, expected):
    words = f"vgbench {line}"
    variables = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    environ = os.environ | variables | {"_VGBENCH_COMPLETE": "complete_bash"}
    code = "import sys; sys.argv = ['vgbench']; from vgbench.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert expected <= set(done.stdout.split()), done.stderr
    assert all(name.startswith(line.split(" ")[-1]) for name in done.stdout.split())


def test_characters_that_an_encoding_lacks_are_written_plainly():
    assert encodable("a – b … ↑ 漢", "latin-1") == r"a - b ... ^ \u6f22"  # noqa: RUF001
    assert encodable("a – b ↑ 漢", "utf-8") == "a – b ↑ 漢"  # noqa: RUF001
    assert encodable("é", None) == r"\xe9"


def test_a_report_in_a_terminal_without_unicode(terminal):
    latin = {"PYTHONIOENCODING": "latin-1", "NO_COLOR": "1"}
    place = RESULTS / "paper_table_2" / "quick" / "tuned" / "wall_big"
    screen = terminal("report", place, columns=60, encoding="latin-1", **latin)
    assert screen.code == 0, screen.text[-2000:]
    assert "vf_quasi" in screen.text and "\\u" not in screen.text
    assert all(ord(letter) < 256 for letter in screen.text)
