"""`vgbench report` on copies of committed records, laid out as `vgbench suite` does."""

import re
import shutil
from pathlib import Path

import pytest

from vgbench.config.catalogue_files import load_catalogue
from vgbench.statistics import wilson

ROOT = Path(__file__).parents[2]


def test_rows_and_columns_are_the_suites(record, vgbench_cli):
    record()
    lines = vgbench_cli("report").stdout.splitlines()
    suite = load_catalogue().suites["paper_table_2"]
    assert lines[0].split() == ["RECIPE", "WALL_SMALL", "WALL_BIG", "MAZE"]
    assert [line.split()[0] for line in lines[1 : lines.index("")]] == list(suite.recipes)


def test_one_checkpoint_has_wilsons_interval_beside_the_published_rate(record, report, vgbench_cli):
    record()
    content = report()
    cell = content["cells"]["vf_quasi", "maze"]
    assert (cell["state"], cell["success_rate"], cell["interval"]) == ("done", 0.8, "wilson")
    assert cell["ci95"] == pytest.approx([0.6995, 0.8730], abs=5e-5)  # the record's own
    assert cell["published"]["rate"] == 0.63 and cell["published"]["n"] == 80
    assert cell["mark"] is None  # .63 of 80 reaches up to .72
    assert content["baselines"]["maze"][0]["successes"] == 14 and content["baselines"]["wall_big"] == []
    assert content["cells"]["vf", "wall_big"]["state"] == "missing"
    states = [content["cells"]["two_space", protocol]["state"] for protocol in ("wall_small", "wall_big", "maze")]
    assert states == ["missing", "not asked", "not asked"]  # the suite runs it where the paper has it
    shown = vgbench_cli("report").stdout
    assert ".80 [.70, .87] 1 seed (paper .63)" in shown and "– (paper .94)" in shown  # noqa: RUF001
    assert "maze random .17 [.11, .27] of 80" in shown and "Wilson" in shown


def test_several_seeds_have_an_interval_over_seeds(record, report):
    for seed, solved in enumerate((64, 66, 65)):
        record(seed=seed, solved=set(range(solved)))
    cell = report()["cells"]["vf_quasi", "maze"]
    assert cell["success_rate"] == pytest.approx(0.8125) and cell["interval"] == "wilson_over_seeds"
    # The seeds solve the same tasks but for two: some 75 of 240 are left. The pooled 195 of 240 have [.758, .857].
    assert cell["ci95"] == pytest.approx(list(wilson(61, 75)), abs=0.01) and cell["share_tasks"] is True
    assert cell["t95"] == pytest.approx([0.781448, 0.843552], abs=1e-6)  # t(.975; 2), by hand
    assert [run["successes"] for run in cell["runs"]] == [64, 66, 65]
    assert cell["mark"] is None  # .63 of 80 reaches up to .73, which those 75 tasks do not exclude


def test_seeds_that_agree_on_their_tasks_know_no_more_than_one(record, report, vgbench_cli):
    for seed in range(3):
        record(seed=seed)
    cell = report()["cells"]["vf_quasi", "maze"]
    assert cell["interval"] == "wilson_over_seeds" and cell["ci95"] == pytest.approx([0.6995, 0.8730], abs=5e-5)
    assert "of several seeds that share their tasks" in vgbench_cli("report").stdout


def test_seeds_with_tasks_of_their_own_have_as_many_tasks(record, report, vgbench_cli):
    for seed in range(3):
        record(seed=seed, tasks=f"hash {seed}")
    content = report()
    cell = content["cells"]["vf_quasi", "maze"]
    assert cell["interval"] == "wilson_own_tasks" and cell["share_tasks"] is False
    assert cell["ci95"] == pytest.approx(list(wilson(192, 240)), abs=5e-5) and cell["bootstrap95"] is None
    assert "tasks of their own" in vgbench_cli("report").stdout
    # The baseline, too: 14 of 80 on each seed's tasks. On the same tasks the same outcome counts once.
    [baseline] = content["baselines"]["maze"]
    assert (baseline["successes"], baseline["n"], baseline["seeds"]) == (14, 80, [0, 1, 2])


@pytest.mark.parametrize(("solved", "arrow"), [(30, " ↓"), (45, ""), (75, " ↑")])
def test_arrows_stand_where_the_intervals_do_not_meet(record, vgbench_cli, solved, arrow):
    # Published .63 of 80: [.52, .72]. Ours: 30 of 80 [.28, .48], 45 of 80 [.45, .67], 75 of 80 [.86, .97].
    record(solved=set(range(solved)))
    line = next(text for text in vgbench_cli("report").stdout.splitlines() if text.startswith("vf_quasi "))
    assert line.endswith(f"(paper .63){arrow}")


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda i: i["objectives"][0]["params"].update(tau=0.5), "iql.tau was 0.5, is now 0.6"),
        (lambda i: i["objectives"][0].update(version=0), "iql version was 0, is now 1"),
        (lambda i: i["seeds"].update(task=7), "task seed was 7, is now 0"),
        (lambda i: i["settings"]["mpc"].update(old=3), "mpc.old was 3 and is no longer there"),
        (lambda i: i["planner"].update(name="other", dist="x"), "planner was 'x:other', is now 'mppi'"),
        (lambda i: i["settings"].update(more={"x": 1}), "more.x was 1 and is no longer there"),
        (lambda i: i["settings"].pop("train_predictor"), "train_predictor.window was not there, is now 8"),
        (lambda i: i["settings"]["train_predictor"].pop("window"), "train_predictor.window was not there, is now 8"),
    ],
)
def test_a_stale_record_says_what_differs(record, report, vgbench_cli, change, difference, edit):
    path = record()
    edit(path / "run.json", lambda run: (run.update(key="0ld"), change(run["identity"])))
    edit(path / "result.json", lambda result: result.update(key="0ld"))
    content = report()
    cell = content["cells"]["vf_quasi", "maze"]
    assert cell["state"] == "stale" and difference in cell["differences"] and cell["mark"] is None
    assert ", stale (paper .63)" in vgbench_cli("report").stdout
    reasons = {found["reason"] for found in content["claims"] if found["claim"] == "quasi_over_euclidean"}
    assert any("no current record of vf_quasi" in reason for reason in reasons)


def test_a_younger_parameter_at_its_default_leaves_a_record_current(record, report, edit):
    path = record()
    edit(path / "run.json", lambda run: (run.update(key="0ld"), run["identity"]["distance"]["params"].pop("reduction")))
    edit(path / "result.json", lambda result: result.update(key="0ld"))
    cell = report()["cells"]["vf_quasi", "maze"]
    assert cell["state"] == "done" and cell["younger_parameters"] == ["iqe.reduction"]


def test_a_record_of_other_source_is_current_and_says_so(record, report, edit, vgbench_cli):
    other = {"vgbench_plugins.objectives.iql": "0"}
    path = record()
    edit(path / "run.json", lambda run: [p.update(source=other) for p in run["plugins"] if p["name"] == "iql"])
    cell = report()["cells"]["vf_quasi", "maze"]
    [changed] = cell["changed_sources"]
    assert cell["state"] == "done" and "objective 'iql'" in changed and "iql.py" in changed
    shown = "The source has changed since some records were made, of objective 'iql' (vgbench 0.1.0)."
    assert shown in vgbench_cli("report").stdout


def test_a_table_has_the_variants_that_have_records(record, report):
    record(protocol="wall_big", recipe="vf", variant="pldm")
    for args in ((), ("--variant", "pldm")):
        content = report(*args)
        assert content["variants"] == ["pldm"] and content["cells"]["vf", "wall_big"]["state"] == "done"
    content = report("--variant", "literal")
    assert content["variants"] == ["literal"] and content["cells"]["vf", "wall_big"]["state"] == "missing"
    assert "of variant pldm, not literal" in content["left_out"][0]


def test_the_json_report_is_documented(record, vgbench_cli):
    record()
    content = vgbench_cli("report", "--format", "json").json()
    page = (ROOT / "docs" / "runs.md").read_text().split("## `vgbench report --format json`")[1]
    top, cells, claims = (set(re.findall(r"^\| `(\w+)` \|", part, re.M)) for part in page.split("\n### "))
    assert top == set(content) and content["format"] == 2
    assert cells == set(content["cells"][0]) and claims == set(content["claims"][0])


def test_variants_stand_side_by_side(record, report, vgbench_cli):
    """One folder has both: PROTOCOL/RECIPE of one, VARIANT/PROTOCOL/RECIPE of the other."""
    record(recipe="vf", variant="literal", solved=set(range(40)))
    record(recipe="vf", variant="tuned", solved=set(range(60)), folder="tuned/maze/vf/s0")
    record(recipe="vf_quasi", variant="tuned", solved=set(range(10)), folder="tuned/maze/vf_quasi/s0")
    content = report()
    assert content["variants"] == ["literal", "tuned"] and content["left_out"] == []
    cells = content["cells"]
    assert [cells["vf", "maze", v]["success_rate"] for v in ("literal", "tuned")] == [0.5, 0.75]
    assert cells["vf_quasi", "maze", "literal"]["state"] == "missing"
    assert [b["variant"] for b in content["baselines"]["maze"]] == ["literal", "tuned"]
    # Each variant's claims are its own, and so are their families.
    claims = [c for c in content["claims"] if (c["claim"], c["protocol"]) == ("quasi_over_euclidean", "maze")]
    literal, tuned = claims
    assert (literal["variant"], literal["reason"]) == ("literal", "no current record of vf_quasi")
    assert (tuned["variant"], tuned["verdict"]) == ("tuned", "contradicted")
    assert tuned["holm_tasks"] == pytest.approx(3 * tuned["p_tasks"])
    lines = vgbench_cli("report", "--claims").stdout.splitlines()
    columns = [f"{p} {v}" for p in ("wall_small", "wall_big", "maze") for v in ("literal", "tuned", "paper")]
    assert lines[0].lower().split() == " ".join(["recipe", *columns]).split()
    line = next(line for line in lines if line.startswith("vf "))
    assert ".50 [.39, .61] 1 seed" in line and ".75 [.65, .83] 1 seed ↑" in line and line.endswith(".49")
    assert any(line.startswith("quasi_over_euclidean") and " tuned " in line and "not shown" in line for line in lines)
    assert any(line.startswith("Scale quick, variants literal, tuned.") for line in lines)
    # The order is the user's.
    assert report("--variant", "tuned", "--variant", "literal")["variants"] == ["tuned", "literal"]
    csv = vgbench_cli("report", "--format", "csv").stdout.splitlines()
    assert csv[0].endswith(",variant,spl,timely") and sum(line.startswith("vf,maze,done,") for line in csv) == 2


def test_a_cell_never_mixes_task_seeds(record, report, edit):
    record(seed=0)
    other = record(seed=1)
    edit(other / "run.json", lambda run: (run.update(key="0ld"), run["identity"]["seeds"].update(task=7)))
    edit(other / "result.json", lambda result: result.update(key="0ld"))
    cell = report()["cells"]["vf_quasi", "maze"]
    assert [run["seed"] for run in cell["runs"]] == [0]
    assert cell["aside"][0]["why"] == "stale: task seed was 7, is now 0"


def test_a_stale_run_beside_its_successor_is_set_aside(record, report, edit):
    record(seed=0)
    old = record(seed=0, folder="maze/vf_quasi/s0-0ld", solved=set(range(10)))
    edit(old / "run.json", lambda run: (run.update(key="0ld"), run["identity"]["objectives"][0].update(version=0)))
    edit(old / "result.json", lambda result: result.update(key="0ld"))
    cell = report()["cells"]["vf_quasi", "maze"]
    assert cell["success_rate"] == 0.8 and "iql version was 0" in cell["aside"][0]["why"]


def test_a_failed_run_is_marked_with_its_reason(record, report, vgbench_cli):
    record(recipe="vf", status="failed", error="the loss is nan\nat step 3.")
    record(recipe="vf_quasi", seed=0)
    record(recipe="vf_quasi", seed=1, status="failed", error="no disk")
    cells = report()["cells"]
    assert cells["vf", "maze"]["state"] == "failed"
    assert [run["seed"] for run in cells["vf_quasi", "maze"]["runs"]] == [0]
    shown = vgbench_cli("report").stdout
    assert "failed (paper .49)" in shown and "vf on maze, seed 0 failed: the loss is nan at step 3." in shown
    assert "vf_quasi on maze, seed 1 failed: no disk." in shown


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda p, e: (p / "result.json").unlink(), "not finished"),
        (lambda p, e: e(p / "run.json", lambda run: run.update(status="started")), "not finished (status started)"),
        (lambda p, e: (p / "run.json").unlink(), "there is no run.json"),
        (lambda p, e: (p / "run.json").write_text("{"), "cannot be read"),
        (lambda p, e: e(p / "run.json", lambda run: run.pop("identity")), "has no 'identity'"),
        (lambda p, e: e(p / "run.json", lambda run: run.update(identity=3)), "identity is 3, expected an object"),
        (lambda p, e: e(p / "run.json", lambda run: run.update(format=9)), "run format 9"),
        (
            lambda p, e: e(p / "run.json", lambda run: run.update(scale="smoke")),
            "of scale smoke, not quick (--scale smoke shows it)",
        ),
        (
            lambda p, e: e(p / "run.json", lambda run: run.update(variant="odd")),
            "of variant odd, which is not installed",
        ),
        (lambda p, e: e(p / "run.json", lambda run: run.update(recipe="mine")), "recipe mine is not part"),
        (lambda p, e: e(p / "run.json", lambda run: run.update(recipe=None)), "of no recipe"),
        (lambda p, e: e(p / "result.json", lambda r: r.update(successes=63)), "episodes.jsonl contradicts result.json"),
        (lambda p, e: e(p / "result.json", lambda r: r.update(key="x")), "result.json has key x"),
        (lambda p, e: (p / "episodes.jsonl").unlink(), "episodes.jsonl cannot be read"),
        (lambda p, e: (p / "baseline.jsonl").write_text('{"task": 0}\n'), "baseline.jsonl is damaged"),
    ],
)
def test_what_is_not_a_whole_record_is_left_out_and_named(record, report, edit, damage, reason):
    damage(record(), edit)
    content = report()
    assert content["cells"]["vf_quasi", "maze"]["state"] == "missing"
    assert len(content["left_out"]) == 1 and reason in content["left_out"][0]
    assert reason in content["stderr"] and "vf_quasi/s0" in content["stderr"]


def test_foreign_files_and_hidden_folders_do_no_harm(record, report, runs):
    record()
    (runs / "suite.json").write_text("{}")
    (runs / ".shared").mkdir()
    (runs / ".shared" / "x.pt").write_text("")
    (runs / "notes").mkdir()
    (runs / "notes" / "a.txt").write_text("")
    content = report()
    assert content["cells"]["vf_quasi", "maze"]["state"] == "done"
    assert [line.split(":")[0].rpartition("/")[2] for line in content["left_out"]] == ["notes"]


def test_a_copy_of_a_run_does_not_count_twice(record, report, tmp_path, runs):
    record()
    shutil.copytree(runs, tmp_path / "copy")
    content = report(runs, tmp_path / "copy")
    assert len(content["cells"]["vf_quasi", "maze"]["runs"]) == 1
    assert "the same run as" in content["left_out"][0]


# Formats and bad input


def test_markdown_links_to_the_records_from_where_it_lies(record, vgbench_cli, tmp_path):
    record()
    assert vgbench_cli("report", "--out", "docs/table.md").exit_code == 0
    text = (tmp_path / "docs" / "table.md").read_text()
    assert "| vf_quasi |" in text and "[s0](../runs/paper_table_2-quick/maze/vf_quasi/s0)" in text
    assert "| claim | protocol |" in text


def test_a_page_keeps_what_is_around_the_markers(record, vgbench_cli, tmp_path):
    record()
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- report: begin -->\nstale words\n<!-- report: end -->\n\nafter\n")
    for _ in range(2):  # the second time changes nothing
        assert vgbench_cli("report", "--out", page).exit_code == 0
        text = page.read_text()
        assert text.startswith("# Title\n\n<!-- report: begin -->\n\n| recipe |") and "stale words" not in text
        assert text.endswith("<!-- report: end -->\n\nafter\n") and text.count("| recipe |") == 1
    page.write_text("<!-- report: end -->")
    result = vgbench_cli("report", "--out", page)
    assert result.exit_code == 2 and "<!-- report: begin --> once" in result.stderr
    assert page.read_text() == "<!-- report: end -->"


def test_csv_has_a_line_for_each_cell_and_claim(record, vgbench_cli):
    record()
    suite = load_catalogue().suites["paper_table_2"]
    lines = vgbench_cli("report", "--format", "csv").stdout.splitlines()
    assert {line.split(",")[0] for line in lines[1:]} >= set(suite.recipes) and lines[0].startswith(
        "recipe,protocol,state,success_rate,low"
    )
    [line] = [line for line in lines if line.startswith("vf_quasi,maze,")]
    assert line.startswith("vf_quasi,maze,done,0.8,0.6995") and line.endswith(",wilson,0,0.63,,tuned,,")
    both = vgbench_cli("report", "--format", "csv", "--claims").stdout
    assert both.startswith("\n".join(lines) + "\n\nclaim,protocol,against,a,b,")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--suite", "paper_table2"],
            "--suite paper_table2: no suite named 'paper_table2'. Did you mean 'paper_table_2'",
        ),
        (["--scale", "quck"], "--scale: unknown value 'quck'. Did you mean 'quick'?"),
        (["--variant", "litteral"], "--variant litteral: no variant named 'litteral'. Did you mean 'literal'?"),
        (["--format", "markdown"], "--format: unknown value 'markdown'"),
        (["runs/paper_table_2-quik"], "expected a folder with runs. Did you mean 'runs/paper_table_2-quick'?"),
        (["--scale", "paper"], "DIR runs/paper_table_2-paper: there is no such folder (`vgbench suite paper_table_2"),
        (["runs/paper_table_2-paper"], "folder (`vgbench suite paper_table_2 --scale paper` makes it); expected"),
        (["--out", "."], "--out . is a folder"),
        (["--out", "runs/paper_table_2-quick/maze/vf_quasi/s0/run.json/x.md"], "cannot write there"),
    ],
)
def test_bad_input_exits_with_2_and_names_the_option(record, vgbench_cli, args, message):
    record()
    result = vgbench_cli("report", *args)
    assert result.exit_code == 2 and message in result.stderr, result.stderr


def test_many_skipped_folders_are_not_all_named(record, report):
    runs = record().parents[2]
    for number in range(23):
        (runs / f"odd{number:02}").mkdir()
        (runs / f"odd{number:02}" / "run.json").write_text("{" + "\n" * number)  # each damaged on another line
    content = report()
    assert len(content["left_out"]) == 23
    assert content["stderr"].count("note: skipped") == 21 and "skipped 3 more folders" in content["stderr"]


@pytest.mark.parametrize("name", ["paper_table_2"])
def test_the_page_of_a_suite_is_what_its_records_give(name):
    """`vgbench report results/NAME/quick --suite NAME --claims --out docs/NAME.md` makes it anew."""
    from vgbench.reports import claims, markdown, table
    from vgbench.storage import records

    suite, records_of, page_of = (
        load_catalogue().suite(name),
        ROOT / "results" / name / "quick",
        ROOT / "docs" / f"{name}.md",
    )
    found, left_out = records.scan([records_of], "quick", table.recipes(suite))
    assert not left_out
    built = table.build(suite, "quick", found, table.variants(found))
    page = page_of.read_text(encoding="utf-8")
    assert markdown.BEGIN in page
    assert page == markdown.between(page, markdown.markdown(built, claims.judge(built), page_of.parent), page_of.name)


def test_runs_that_have_not_begun_are_counted_in_one_line(record, report):
    suite = record().parents[2]
    for name in ("vf", "vf_pred"):
        waiting = suite / "maze" / name / "s0"
        waiting.mkdir(parents=True)
        (waiting / "config.yaml").touch()
    assert [line.partition(": ")[2] for line in report()["left_out"]] == ["2 of 3 runs have not begun"]


def test_spl_and_timely_success_stand_below_the_table(record, runs, report, edit, vgbench_cli):
    """Half of the tasks solved, in 20 steps; the expert takes 15, or 10: 20 of them are in time, the others are not."""
    path = record(solved=set(range(40)))
    edit(path / "episodes.jsonl", lambda row: row.update(steps=20, expert_steps=15 if row["task"] < 20 else 10))
    cell = report()["cells"]["vf_quasi", "maze"]
    assert cell["spl"]["mean"] == pytest.approx((20 * 15 / 20 + 20 * 10 / 20) / 80)
    assert cell["timely"]["mean"] == 20 / 80 and cell["timely"]["ci95"][0] < 0.25 < cell["timely"]["ci95"][1]
    vgbench_cli("report", "--out", "page.md")
    page = Path("page.md").read_text()
    line = next(line for line in page.split("| SPL, timely |")[1].splitlines() if "vf_quasi" in line)
    assert ".31 [.25, " in line and ", .25 |" in line
    record(recipe="vf")  # an older record, of no expert
    assert report()["cells"]["vf", "maze"]["spl"] is None
    vgbench_cli("report", "--html", "page.html")
    assert "success weighted by path length" in Path("page.html").read_text()
