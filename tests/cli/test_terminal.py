"""What a terminal shows while commands run: 80 and 40 columns, without colours, without Unicode, a pipe."""

import re
import shlex

import pytest

from vgbench.cli.live import table
from vgbench.experiments.stage_file import StagePosition
from vgbench_plugins.loggers.progress import clock, parts, short

TINY = ["data.trajectories=8", "train.steps=90", "train_predictor.steps=2", "evaluation.tasks=2", "mpc.max_steps=4"]
TINY += [
    "train.batch=4",
    "mpc.block_rows=64",
    "strided.stem=4",
    "strided.channels=4",
    "mlp.hidden=[16]",
    "model.latent_dim=16",
]
SETS = [part for value in TINY for part in ("--set", value)]
RUN = ["run", "--protocol", "wall_big", "--recipe", "vf_quasi", "--device", "cpu", *SETS, "--out", "here"]
SUITE = ["suite", "paper_table_2", "--only", "vf,regressive,wall_big", "--seeds", "0", "--device", "cpu", *SETS]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_a_stage_keeps_name_count_rate_and_time_left_at_80_columns(terminal):
    screen = terminal(*RUN)
    assert screen.code == 0, screen.text[-2000:]
    drawn = [line for line in screen.lines if line.startswith("encoder") and "loss" in line]
    assert drawn
    pattern = r"encoder {12} [━┄]+ {2}[ \d]{2}/90 {2}.{5}/s {2} *\S+ left {2}loss [\d.e-]+"
    for line in drawn:
        assert re.fullmatch(pattern, line) and len(line) <= 80, line
    # Nothing moves: the columns of all lines begin at the same places.
    assert len({(line.index("/90"), line.index("/s"), line.index(" left")) for line in drawn}) == 1
    assert re.search(r"^estimated time .* s$", screen.text, re.M)
    assert COLOUR.search(screen.raw)


def test_40_columns_without_colours_and_without_unicode(terminal):
    screen = terminal(*RUN, columns=40, encoding="latin-1", NO_COLOR="1", PYTHONIOENCODING="latin-1")
    assert screen.code == 0, screen.text[-2000:]
    drawn = [line for line in screen.lines if re.match(r"encoder .*/90", line)]
    assert drawn and all(len(line) < 40 and " left" in line for line in drawn)
    assert not COLOUR.search(screen.raw.replace("\x1b[0m", "").replace("\x1b[1m", ""))
    assert all(ord(letter) < 256 for letter in screen.text)


def test_verbose_shows_all_figures_and_quiet_the_result_alone(terminal):
    verbose = terminal("run", "-v", *RUN[1:], columns=200)
    assert any("iql" in line for line in verbose.lines if line.startswith("encoder"))
    quiet = terminal("-q", *RUN)
    assert quiet.code == 0 and quiet.lines[0] == "wall_big, vf_quasi, scale quick"


def test_a_suite_says_how_many_and_how_long_then_each_running_one(terminal):
    screen = terminal(*SUITE, "--workers", "2", "--out", "out")
    assert screen.code == 0, screen.text[-2000:]
    first = next(line for line in screen.lines if "at once" in line)
    assert re.fullmatch(r"2 runs: all to compute, 2 at once; estimated time \d+ (s )?to [\d.]+ (s|min)", first)
    live = [line for line in screen.lines if re.match(r"  wall_big/(vf|regressive)/s0 ", line)]
    assert {line.split()[0] for line in live} == {"wall_big/vf/s0", "wall_big/regressive/s0"}
    assert any(re.search(r" (encoder|predictor|episodes|encode|collect|baseline-\S+) +\d+ %", line) for line in live)
    assert any(re.match(r"\[0/2\] 2 running, \d+ s of ", line) for line in screen.lines)
    assert all(len(line) <= 80 for line in live)
    assert any(line.startswith("[2/2] wall_big/") for line in screen.lines)
    assert screen.lines[-1] == "out"


def test_a_suite_in_40_columns_without_unicode(terminal):
    latin = {"PYTHONIOENCODING": "latin-1", "NO_COLOR": "1"}
    screen = terminal(*SUITE, "--scale", "smoke", "--out", "out", columns=40, rows=5, encoding="latin-1", **latin)
    assert screen.code == 0, screen.text[-2000:]
    live = [line for line in screen.lines if re.match(r"  \S*(vf|regressive)/s0 ", line) and "done" not in line]
    assert live and all(len(line) < 40 for line in live)


def test_a_pipe_gets_whole_lines_without_escapes(vgbench_process, tmp_path):
    done = vgbench_process(*SUITE, "--scale", "smoke", "--workers", "2", VGBENCH_CACHE=str(tmp_path / "cache"))
    lines = done.stderr.splitlines()
    assert "\x1b" not in done.stderr + done.stdout and "\r" not in done.stderr
    assert "2 runs: all to compute, 2 at once" in lines
    assert [line for line in lines if line.startswith("[2/2] ")] == [lines[-1]]
    (given,) = [line for line in done.stdout.splitlines() if line.startswith("next ")]
    words = shlex.split(given)[2:]
    assert words[0] == "report" and words[2:] == ["--scale", "smoke", "--claims"]
    # As it stands, it shows what was computed, here with other values than the suite's.
    shown = vgbench_process(*words)
    assert shown.returncode == 0 and "skipped" not in shown.stderr
    assert len(re.findall(r"1 seed\b", shown.stdout)) == 2


@pytest.mark.parametrize("width", [24, 39, 60, 79, 200])
def test_lines_of_running_runs_fit_and_keep_name_and_percent(width):
    names = ["wall_small/vf_quasi_pred/s0", "maze/vf/s11", "iql.tau=0.7,mppi.samples=1024/s2", "maze/new/s0"]
    positions = [StagePosition("baseline-uninformed", 40, 100, 7322.0), StagePosition("encoder", 7, 90, 12.4)]
    lines = table(list(zip(names, [*positions, StagePosition("encode", 0, 0), None], strict=True)), width, 9)
    assert all(len(line) <= width for line in lines) and len(lines) == 4
    assert [re.search(r"(\d+) %", line)[1] for line in lines[:3]] == ["40", "7", "0"]
    assert lines[1].split()[0].endswith("s11") and ("starting" in lines[3]) == (width >= 58)
    assert ("2 h left" in lines[0] and "12 s left" in lines[1]) == (width >= 72)
    assert len({line.index(" %") for line in lines[:3]}) == 1


def test_more_runs_than_the_terminal_has_lines_are_counted():
    lines = table([(f"run/s{i}", None) for i in range(50)], 79, 6)
    assert len(lines) == 6 and lines[-1].strip() == "... and 45 more"


@pytest.mark.parametrize("width", [39, 55, 79, 140])
@pytest.mark.parametrize("unicode", [True, False])
def test_the_line_of_a_stage_fits_and_loses_the_loss_first(width, unicode):
    name, bar, rest = parts("baseline-uninformed", 123, 4000, 12.34, "loss 0.3927 iql 0.4", width, unicode)
    line = name + bar + rest
    assert len(line) <= width and "123/4000" in line and "5:15 left" in line
    assert ("loss 0.3927" in line, "12.3/s" in line) == (width >= 79, width >= 55)
    assert name.startswith("baseline") and (unicode or line.isascii())
    # As wide before there is a loss, a rate and a time left.
    assert len("".join(parts("encoder", 0, 4000, 0.0, "", width, unicode))) == len(line)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0:01"), (59, "0:59"), (754.1, "12:35"), (10930, "3:02:10"), (183600, "51:00:00")]
)
def test_times_left_read_as_on_a_clock(seconds, text):
    assert clock(seconds) == text
    assert len(clock(1e8)) <= 10


@pytest.mark.parametrize(("value", "text"), [(6.333, "6.33"), (123.4, "123"), (999.7, "1.00k"), (12345, "12.3k")])
def test_rates_take_five_columns(value, text):
    assert short(value) == text
