"""`vgbench report` on copies of committed records, laid out as `vgbench suite` does."""

import json
import shutil
from pathlib import Path

import pytest
from scipy.stats import hypergeom

from vgbench.config.catalogue import load_catalogue, read
from vgbench.config.resolve import RunRequest, resolve
from vgbench.errors import UsageError

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "results" / "quick" / "maze-vf_quasi-s0"  # 64 of 80, baseline 14 of 80


def edit(path, change):
    """Change a JSON file, or each line of a JSONL file."""
    text = path.read_text()
    contents = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else [json.loads(text)]
    for content in contents:
        change(content)
    path.write_text("\n".join(map(json.dumps, contents)) + "\n")


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs" / "paper_table_2-quick"


@pytest.fixture
def record(runs):
    """Lay a copy of the record down as the current run of a cell; `solved` says which tasks it solved (a set)."""

    def make(protocol="maze", recipe="vf_quasi", seed=0, solved=None, folder=None, **changes):
        path = runs / (folder or f"{protocol}/{recipe}/s{seed}")
        shutil.copytree(SOURCE, path)
        spec = resolve(RunRequest(protocol=protocol, recipe=recipe, scale="quick", seed=seed, device="cpu"))
        about = {"key": spec.key(), "recipe": recipe, "protocol": protocol, "identity": spec.identity()}
        edit(path / "run.json", lambda run: run.update(about | changes))
        edit(path / "result.json", lambda result: result.update(key=run_key(path)))
        if solved is not None:
            edit(path / "episodes.jsonl", lambda row: row.update(success=row["task"] in solved))
            count = {"successes": len(solved), "success_rate": len(solved) / 80}
            edit(path / "result.json", lambda result: result.update(count))
        return path

    return make


def run_key(path):
    return json.loads((path / "run.json").read_text())["key"]


@pytest.fixture
def report(vgbench_cli):
    """Content of the JSON report, with the cells and claims by name."""

    def call(*args):
        result = vgbench_cli("report", "--format", "json", *args)
        assert result.exit_code == 0, result.stderr
        content = result.json()
        content["cells"] = {(cell["recipe"], cell["protocol"]): cell for cell in content["cells"]}
        content["stderr"] = result.stderr
        return content

    return call


def claim(content, name, protocol="maze", a=None):
    found = [c for c in content["claims"] if (c["claim"], c["protocol"]) == (name, protocol) and a in (None, c["a"])]
    assert len(found) == 1
    return found[0]


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
    assert cell["ci95"] == pytest.approx([0.7583, 0.8568], abs=1e-4)  # the seeds vary less than tasks do: 195 of 240
    assert cell["t95"] == pytest.approx([0.781448, 0.843552], abs=1e-6)  # t(.975; 2), by hand
    assert [run["successes"] for run in cell["runs"]] == [64, 66, 65]
    assert cell["mark"] == "above"


def test_seeds_that_agree_have_wilsons_interval_and_say_so(record, report, vgbench_cli):
    for seed in range(3):
        record(seed=seed)
    cell = report()["cells"]["vf_quasi", "maze"]
    assert cell["interval"] == "wilson_agreeing" and cell["ci95"] == pytest.approx([0.6995, 0.8730], abs=5e-5)
    assert "of seeds that agree exactly" in vgbench_cli("report").stdout


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
        (lambda i: i["settings"].pop("train"), "train.lr was not there, is now 0.001"),
        (lambda i: i["settings"]["train"].pop("lr"), "train.lr was not there, is now 0.001"),
    ],
)
def test_a_stale_record_says_what_differs(record, report, vgbench_cli, change, difference):
    path = record()
    edit(path / "run.json", lambda run: (run.update(key="0ld"), change(run["identity"])))
    edit(path / "result.json", lambda result: result.update(key="0ld"))
    content = report()
    cell = content["cells"]["vf_quasi", "maze"]
    assert cell["state"] == "stale" and difference in cell["differences"] and cell["mark"] is None
    assert ", stale (paper .63)" in vgbench_cli("report").stdout
    assert "no current record of vf_quasi" in claim(content, "quasi_over_euclidean")["reason"]


def test_a_younger_parameter_at_its_default_leaves_a_record_current(record, report):
    path = record()
    edit(path / "run.json", lambda run: (run.update(key="0ld"), run["identity"]["distance"]["params"].pop("reduction")))
    edit(path / "result.json", lambda result: result.update(key="0ld"))
    cell = report()["cells"]["vf_quasi", "maze"]
    assert cell["state"] == "done" and cell["younger_parameters"] == ["iqe.reduction"]


def test_another_variant_has_a_table_of_its_own(record, report):
    path = record(protocol="wall_big", recipe="vf", variant="pldm")
    spec = resolve(RunRequest(protocol="wall_big", recipe="vf", scale="quick", seed=0, device="cpu", variant="pldm"))
    edit(path / "run.json", lambda run: run.update(key=spec.key(), identity=spec.identity()))
    edit(path / "result.json", lambda result: result.update(key=spec.key()))
    assert report("--variant", "pldm")["cells"]["vf", "wall_big"]["state"] == "done"
    content = report()
    assert content["variant"] == "literal" and content["cells"]["vf", "wall_big"]["state"] == "missing"


def test_a_cell_never_mixes_task_seeds(record, report):
    record(seed=0)
    other = record(seed=1)
    edit(other / "run.json", lambda run: (run.update(key="0ld"), run["identity"]["seeds"].update(task=7)))
    edit(other / "result.json", lambda result: result.update(key="0ld"))
    cell = report()["cells"]["vf_quasi", "maze"]
    assert [run["seed"] for run in cell["runs"]] == [0]
    assert cell["aside"][0]["why"] == "stale: task seed was 7, is now 0"


def test_a_stale_run_beside_its_successor_is_set_aside(record, report):
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
        (lambda p: (p / "result.json").unlink(), "not finished"),
        (lambda p: edit(p / "run.json", lambda run: run.update(status="started")), "not finished (status started)"),
        (lambda p: (p / "run.json").unlink(), "there is no run.json"),
        (lambda p: (p / "run.json").write_text("{"), "cannot be read"),
        (lambda p: edit(p / "run.json", lambda run: run.pop("identity")), "has no 'identity'"),
        (lambda p: edit(p / "run.json", lambda run: run.update(identity=3)), "no identity.seeds.train"),
        (lambda p: edit(p / "run.json", lambda run: run.update(format=9)), "run format 9"),
        (lambda p: edit(p / "run.json", lambda run: run.update(scale="smoke")), "of scale smoke, not quick"),
        (lambda p: edit(p / "run.json", lambda run: run.update(variant="pldm")), "of variant pldm, not literal"),
        (lambda p: edit(p / "run.json", lambda run: run.update(recipe="mine")), "recipe mine is not part"),
        (lambda p: edit(p / "run.json", lambda run: run.update(recipe=None)), "of no recipe"),
        (lambda p: edit(p / "result.json", lambda r: r.update(successes=63)), "episodes.jsonl contradicts result.json"),
        (lambda p: edit(p / "result.json", lambda r: r.update(key="x")), "result.json has key x"),
        (lambda p: (p / "episodes.jsonl").unlink(), "episodes.jsonl cannot be read"),
        (lambda p: (p / "baseline.jsonl").write_text('{"task": 0}\n'), "baseline.jsonl is damaged"),
    ],
)
def test_what_is_not_a_whole_record_is_left_out_and_named(record, report, damage, reason):
    damage(record())
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


# Claims


def test_a_claim_is_tested_on_the_paired_tasks_of_one_checkpoint(record, report):
    # vf_quasi alone solves 40 tasks, vf alone 10: McNemar, 2 P(X <= 10 | 50, 1/2) = 2.386e-5.
    record(recipe="vf_quasi", solved=set(range(60)))
    record(recipe="vf", solved=set(range(40, 70)))
    found = claim(content := report(), "quasi_over_euclidean")
    assert found["p_tasks"] == pytest.approx(2.386e-5, rel=1e-3)
    assert found["holm_tasks"] == pytest.approx(len(content["claims"]) * found["p_tasks"])
    assert (found["sign"], found["verdict"], found["scope"]) == (">", "confirmed", "for this checkpoint")
    assert found["p_seeds"] is None and found["seeds"] == [0]


def test_greater_is_written_only_where_the_corrected_test_passes(record, report, vgbench_cli):
    # 16 against 5 discordant: p = .027 alone, but not among all the declared comparisons.
    record(recipe="vf_quasi", solved=set(range(40)))
    record(recipe="vf", solved=set(range(16, 45)))
    found = claim(report(), "quasi_over_euclidean")
    assert found["p_tasks"] == pytest.approx(0.0266, abs=1e-4) and found["holm_tasks"] > 0.05
    assert (found["sign"], found["verdict"]) == ("~", "undecided")
    shown = vgbench_cli("report", "--claims").stdout
    assert "vf_quasi ~ vf" in shown and "vf_quasi > vf " not in shown
    assert "“the VF quasi approach consistently outperforms the VF approach”" in shown
    assert "outperforms" not in vgbench_cli("report").stdout


def test_a_claim_is_contradicted_by_the_opposite(record, report):
    record(recipe="vf_quasi", solved=set(range(20)))
    record(recipe="vf", solved=set(range(60)))
    found = claim(report(), "quasi_over_euclidean")
    assert (found["sign"], found["verdict"]) == ("<", "contradicted")


def test_three_seeds_speak_of_the_methods(record, report):
    for seed, (ours, theirs) in enumerate([(70, 30), (71, 31), (69, 29)]):
        record(recipe="vf_quasi", seed=seed, solved=set(range(ours)))
        record(recipe="vf", seed=seed, solved=set(range(theirs)))
    found = claim(report(), "quasi_over_euclidean")
    assert (found["verdict"], found["scope"], found["seeds"]) == ("confirmed", "over seeds", [0, 1, 2])
    # The differences are 40 tasks for each seed: no spread to go by, so the test over tasks decides.
    assert found["p_seeds"] == found["p_tasks"] == pytest.approx(2 * 2.0**-41, rel=0.5)


def test_seeds_that_disagree_leave_it_at_these_checkpoints(record, report):
    for seed, (ours, theirs) in enumerate([(79, 10), (50, 40), (79, 60)]):
        record(recipe="vf_quasi", seed=seed, solved=set(range(ours)))
        record(recipe="vf", seed=seed, solved=set(range(theirs)))
    found = claim(report(), "quasi_over_euclidean")
    # Differences of 69, 10 and 19: mean 32.67, deviation 31.79, t = 1.780; with 2 degrees p = 1 - t / sqrt(t^2 + 2).
    assert found["p_seeds"] == pytest.approx(0.2170, abs=1e-4)
    assert (found["sign"], found["verdict"], found["scope"]) == (">", "confirmed", "for these 3 checkpoints")


def test_only_common_seeds_are_compared(record, report):
    record(recipe="vf_quasi", seed=0)
    record(recipe="vf_quasi", seed=1)
    record(recipe="vf", seed=1)
    assert claim(report(), "quasi_over_euclidean")["seeds"] == [1]


def test_different_tasks_are_not_paired(record, report):
    record(recipe="vf_quasi")
    other = record(recipe="vf")
    edit(other / "episodes.jsonl", lambda row: row.update(start_distance=1.0))
    assert claim(report(), "quasi_over_euclidean")["reason"] == "the two were judged on different tasks"


def test_two_protocols_are_compared_unpaired(record, report):
    record(protocol="wall_big", recipe="vf", solved=set(range(60)))
    record(protocol="wall_small", recipe="vf", solved=set(range(40)))
    found = claim(report(), "big_steps_over_small", "wall_big", "vf on wall_big")
    chances = hypergeom(160, 100, 80).pmf(range(81))  # of the 100 tasks solved, how many are among the first 80?
    assert found["b"] == "vf on wall_small"
    assert found["p_tasks"] == pytest.approx(chances[chances <= chances[60] * (1 + 1e-9)].sum())
    # Newcombe's interval of 60/80 - 40/80 by hand: rates .75 [.6454, .8321] and .5 [.3932, .6068].
    assert found["difference95"] == pytest.approx([0.1004, 0.3847], abs=2e-3)


@pytest.mark.parametrize(
    ("solved", "margin", "sign", "verdict"),
    # Newcombe's interval of 14/80 - 14/80 ends at .12.
    [
        (14, 0.05, "~", "undecided"),
        (14, 0.15, "~", "confirmed"),
        (50, 0.9, ">", "contradicted"),
        (0, 0, "<", "confirmed"),
    ],
)
def test_a_claim_of_no_gain_needs_an_interval_below_its_margin(record, runs, solved, margin, sign, verdict):
    from vgbench.report import claims, table
    from vgbench.storage import records

    record(recipe="vf", solved=set(range(solved)))
    raw = {"name": "c", "text": "fails", "a": "vf", "b": "baseline", "protocols": ["maze"]}
    raw |= {"direction": "not_greater", "margin": margin}
    catalogue = {"recipes": recipes("vf"), "protocols": PLACE, "suites": suite(raw)}
    made = read(catalogue, "x").suites["s"]
    [found] = claims.judge(table.build(made, "quick", records.scan([runs], "quick", made.recipes)[0]))
    assert found.b == "baseline" and found.rates[1] == 14 / 80
    assert (found.sign, found.verdict) == (sign, verdict)


# The file


def recipes(*names):
    return {n: {"summary": "", "objectives": [], "distance": "euclidean", "training": "joint"} for n in names}


PLACE = {"maze": {"summary": "", "encoder": "e", "predictor": "p", "planner": "q"}}


def suite(*claims, **more):
    return {"s": {"summary": "", "recipes": ["vf"], "protocols": ["maze"], "claims": list(claims)} | more}


GOOD = {"name": "c", "text": "t", "a": "vf", "b": "vf", "protocols": ["maze"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": "two_space"}, "x.yaml: suites.s.claims.0.a: no recipe named 'two_space'. Known: vf."),
        ({"b": ["vf", "fv"]}, "suites.s.claims.0.b: no recipe named 'fv'."),
        ({"protocols": ["moze"]}, "claims.0.protocols: no protocol named 'moze'. Did you mean 'maze'?"),
        ({"b": "same", "against": "moze"}, "claims.0.against: no protocol named 'moze'"),
        ({"direction": "less"}, "claims.0.direction: unknown value 'less'"),
        ({"b": "same"}, "`b: same` and `against: PROTOCOL` go together"),
        ({"words": ""}, "claims.0: unknown key 'words'"),
    ],
)
def test_mistakes_in_claims_are_named_with_file_and_key(change, message):
    content = {"recipes": recipes("vf"), "protocols": PLACE}
    assert read(content | {"suites": suite(GOOD)}, "x.yaml").suites["s"].claims[0].direction == "greater"
    with pytest.raises(UsageError) as raised:
        read(content | {"suites": suite(GOOD | change)}, "x.yaml")
    assert message in str(raised.value)


def test_published_rates_need_their_number_of_tasks():
    content = {"recipes": recipes("vf"), "protocols": PLACE, "suites": suite(published={"vf": {"maze": 0.5}})}
    with pytest.raises(UsageError, match=r"suites\.s\.published_n: missing the number of tasks behind 'maze'"):
        read(content, "x.yaml")


def test_published_numbers_of_tasks_are_the_papers():
    assert load_catalogue().suites["paper_table_2"].published_n == {"wall_small": 200, "wall_big": 200, "maze": 80}


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
    page.write_text("# Title\n\n<!-- report: begin -->\nold\n<!-- report: end -->\n\nafter\n")
    for _ in range(2):  # the second time changes nothing
        assert vgbench_cli("report", "--out", page).exit_code == 0
        text = page.read_text()
        assert text.startswith("# Title\n\n<!-- report: begin -->\n\n| recipe |") and "old" not in text
        assert text.endswith("<!-- report: end -->\n\nafter\n") and text.count("| recipe |") == 1
    page.write_text("<!-- report: end -->")
    result = vgbench_cli("report", "--out", page)
    assert result.exit_code == 2 and "<!-- report: begin --> once" in result.stderr
    assert page.read_text() == "<!-- report: end -->"


def test_csv_has_a_line_for_each_cell_or_claim(record, vgbench_cli):
    record()
    suite = load_catalogue().suites["paper_table_2"]
    lines = vgbench_cli("report", "--format", "csv").stdout.splitlines()
    assert {line.split(",")[0] for line in lines[1:]} >= set(suite.recipes) and lines[0].startswith(
        "recipe,protocol,state,success_rate,low"
    )
    assert any(line.startswith("vf_quasi,maze,done,0.8,0.6995") and line.endswith(",wilson,0,0.63,") for line in lines)
    assert vgbench_cli("report", "--format", "csv", "--claims").stdout.startswith("claim,protocol,against,a,b,")


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
        (["runs/paper_table_2-quik"], "there is no such folder"),
        (["--scale", "paper"], "DIR runs/paper_table_2-paper: there is no such folder (`vgbench suite paper_table_2"),
        (["--out", "."], "--out . is a folder"),
        (["--out", "runs/paper_table_2-quick/maze/vf_quasi/s0/run.json/x.md"], "cannot write there"),
    ],
)
def test_bad_input_exits_with_2_and_names_the_option(record, vgbench_cli, args, message):
    record()
    result = vgbench_cli("report", *args)
    assert result.exit_code == 2 and message in result.stderr, result.stderr


@pytest.mark.parametrize("name", ["paper_table_2", "stochastic_wall"])
def test_the_page_of_a_suite_is_what_its_records_give(name):
    """`vgbench report results/NAME/quick --suite NAME --claims --out docs/NAME.md` makes it anew."""
    from vgbench.report import claims, markdown, table
    from vgbench.storage import records

    suite, records_of, page_of = (
        load_catalogue().suite(name),
        ROOT / "results" / name / "quick",
        ROOT / "docs" / f"{name}.md",
    )
    variant = load_catalogue().variant(None).name
    found, left_out = records.scan([records_of], "quick", table.recipes(suite), variant)
    assert not left_out
    built = table.build(suite, "quick", found, variant)
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
