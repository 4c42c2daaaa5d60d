"""What a terminal shows while commands run: 80 and 40 columns, without colours, without Unicode, a pipe."""

import re

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
    assert "next      vgbench report" in done.stdout
