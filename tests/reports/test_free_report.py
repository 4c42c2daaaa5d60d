"""Reports that no suite is named for: rows of whatever is there, own ones below the paper's; and LaTeX."""

import json
import re
import sys

import pytest

import vgbench
from vgbench.config.resolve import RunRequest, resolve


def test_rows_and_columns_are_those_that_there_are(record, report):
    record(recipe="vf", protocol="maze")
    record(recipe="contrastive", protocol="turnstile")
    content = report("runs")
    assert content["recipes"] == ["contrastive", "vf"] and content["protocols"] == ["maze", "turnstile"]
    # What the paper has of them stands beside.
    assert content["cells"]["vf", "maze"]["published"]["rate"] == 0.49
    assert content["cells"]["vf", "turnstile"]["published"] is None
    # A named suite has all of its rows.
    assert len(report("runs", "--suite", "paper_table_2")["recipes"]) == 12


def test_values_that_the_command_asked_for_make_a_row_not_a_stale_one(record, report, vgbench_cli, edit):
    record(recipe="vf", solved=set(range(40)))
    own = record(
        recipe="vf", folder="mine", seed=1, solved=set(range(70)), argv=["vgbench", "run", "--set", "iql.tau=0.95"]
    )

    def other(run):
        run["identity"]["objectives"][0]["params"]["tau"] = 0.95
        run["key"] = "0" * 8

    edit(own / "run.json", other)
    edit(own / "result.json", lambda result: result.update(key="0" * 8))
    content = report("runs")
    assert content["recipes"] == ["vf", "vf (iql.tau=0.95)"]
    mine = content["cells"]["vf (iql.tau=0.95)", "maze"]
    assert (mine["state"], mine["success_rate"]) == ("done", 70 / 80)
    # So it does in a picture of the folder.
    curves = vgbench_cli("plot", "runs", "--format", "json").json()["curves"]
    assert curves == {"maze": {"vf": 1, "vf (iql.tau=0.95)": 1}}
    # In a suite's table it is listed below, and the cell has the recipe's own run.
    content = report("runs", "--suite", "paper_table_2")
    cell = content["cells"]["vf", "maze"]
    assert (cell["state"], cell["success_rate"]) == ("done", 0.5)
    assert [(one["seed"], one["why"]) for one in cell["aside"]] == [(1, "has other values: iql.tau=0.95")]
    shown = vgbench_cli("report", "runs", "--suite", "paper_table_2").stdout
    assert "vf on maze, seed 1 has other values: iql.tau=0.95." in shown and "stale" not in shown


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (["--set", "planner.samples=64"], True),
        (["--set=mppi.samples=64"], True),
        (["--set", "planner:mppi.samples=64"], True),
        (["--set", "my_mppi.samples=64"], False),
        (["--set", "mppi.samples_more=64"], False),
        (["--out", "mppi.samples=64"], False),
        (["--grid", "planner.samples=32,64"], True),
        (["vgbench.run(set={'mppi.samples': 64})"], True),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_command_asked_for_is_told_by_whole_addresses(record, report, edit, argv, asked):
    own = record(recipe="vf", argv=["vgbench", "run", *argv], key="0" * 8)
    edit(own / "run.json", lambda run: run["identity"]["planner"]["params"].update(samples=64))
    edit(own / "result.json", lambda result: result.update(key="0" * 8))
    ((place, cell),) = report("runs")["cells"].items()
    wanted = (("vf (mppi.samples=64)", "maze"), "done") if asked else (("vf", "maze"), "stale")
    assert (place, cell["state"]) == wanted


@pytest.mark.parametrize("form", [["--set", "head_objective:iql.tau=0.95"], ["--set", "iql.tau=0.95"]])
def test_what_is_asked_of_a_head_is_not_asked_of_the_encoder(record, report, edit, form):
    """Both have an iql, so the address of the encoder's is objective:iql.tau; a stale one is not asked for."""
    own = record(recipe="vf", argv=["vgbench", "run", *form], key="0" * 8)

    def other(run):
        first = run["identity"]["objectives"][0]
        run["identity"]["head_objectives"] = [json.loads(json.dumps(first))]
        run["identity"]["objectives"][0]["params"]["tau"] = 0.95

    edit(own / "run.json", other)
    edit(own / "result.json", lambda result: result.update(key="0" * 8))
    differences = report("runs", "--suite", "paper_table_2")["cells"]["vf", "maze"]["differences"]
    assert any("iql.tau was 0.95" in text for text in differences) == (form[1].startswith("head"))


def test_a_file_of_recipes_that_was_edited_is_read_again(record, vgbench_cli, edit, tmp_path):
    """In one process, as in a notebook."""
    file = tmp_path / "own.yaml"
    file.write_text("recipes: {mine: {extends: vf, summary: s, set: {iql.tau: 0.7}}}\n")
    spec = resolve(RunRequest(protocol="maze", recipe="mine", scale="quick", device="cpu", recipes=file))
    own = record(recipe="vf", folder="mine", key=spec.key(), identity=spec.identity())
    edit(own / "run.json", lambda run: run.update(recipe="mine"))

    def state():
        (cell,) = vgbench.report("runs", recipes=file)["cells"]
        return cell["recipe"], cell["state"]

    assert state() == ("mine", "done")
    file.write_text("recipes: {mine: {extends: vf, summary: s, set: {iql.tau: 0.95}}}\n")
    assert state() == ("mine", "stale")


def test_the_values_of_a_file_for_a_run_are_asked_for(vgbench_cli, tmp_path, monkeypatch):
    small = ["--set", "mpc.max_steps=4", "--set", "evaluation.tasks=2", "--set", "mppi.samples=8"]
    run = ["run", "--protocol", "wall_big", "--recipe", "vf", "--scale", "smoke", *small]
    (tmp_path / "mine.yaml").write_text("set: {iql.tau: 0.7}\n")
    for words in ([*run, "--out", "runs/a"], [*run, "--config", "mine.yaml", "--out", "runs/b"]):
        monkeypatch.setattr(sys, "argv", ["vgbench", *words])
        done = vgbench_cli(*words)
        assert done.exit_code == 0, done.stderr
    about = [json.loads((tmp_path / "runs" / name / "run.json").read_text()).get("asked") for name in "ab"]
    assert about == [None, ["iql.tau"]]
    content = vgbench_cli("report", "runs", "--scale", "smoke", "--format", "json").json()
    names = [cell["recipe"] for cell in content["cells"] if cell["state"] == "done"]
    assert len(names) == 2 and [name for name in names if "iql.tau=0.7" in name] == names[:1], names


@pytest.mark.parametrize("count", [80, 20], ids=["as many tasks", "fewer tasks"])
def test_a_baseline_is_not_pooled_over_other_values(record, report, vgbench_cli, edit, count):
    record(recipe="vf")
    value = "mpc.max_steps=50" if count == 80 else "evaluation.tasks=20"
    own = record(recipe="vf", folder="mine", seed=1, argv=["vgbench", "run", "--set", value], key="0" * 8)
    group, name = value.partition("=")[0].split(".")
    edit(own / "run.json", lambda run: run["identity"]["settings"][group].update({name: int(value.partition("=")[2])}))
    for path in (own / "episodes.jsonl", own / "baseline.jsonl"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:count]))
    rows = [json.loads(line) for line in (own / "episodes.jsonl").read_text().splitlines()]
    random = [json.loads(line) for line in (own / "baseline.jsonl").read_text().splitlines()]

    def other(result):
        result.update(n=count, successes=sum(row["success"] for row in rows))
        result["baseline"].update(n=count, successes=sum(row["success"] for row in random))

    edit(own / "result.json", other)
    edit(own / "baseline.jsonl", lambda row: row.update(success=row["task"] < 5))
    edit(own / "result.json", lambda result: result["baseline"].update(successes=5))
    content = report("runs")
    found = [(b["planner"], b["beside"], b["successes"], b["n"], b["seeds"]) for b in content["baselines"]["maze"]]
    assert found == [("random", None, 14, 80, [0]), ("random", f"vf ({value})", 5, count, [1])]
    shown = vgbench_cli("report", "runs").stdout
    assert f"/ random beside vf ({value}) {'.06' if count == 80 else '.25'} [" in shown


def test_seeds_with_unlike_numbers_of_tasks_in_a_stratum_have_a_report(record, report, vgbench_cli, edit):
    """Environments of plugins may part their tasks as they like."""
    for recipe in ("vf", "vf_quasi"):
        for seed, near in ((0, 40), (1, 30)):
            path = record(recipe=recipe, seed=seed, tasks=f"{seed}" * 64)
            edit(path / "episodes.jsonl", lambda row, near=near: row.update(stratum="ab"[row["task"] >= near]))
    strata = report("runs")["cells"]["vf", "maze"]["strata"]
    assert list(strata) == ["a", "b"]
    assert all(one["ci95"][0] < one["success_rate"] < one["ci95"][1] for one in strata.values())
    suite = "runs/paper_table_2-quick/maze"
    done = vgbench_cli("compare", f"{suite}/vf", f"{suite}/vf_quasi")
    assert done.exit_code == 0 and "have different numbers of tasks: 40 with seed 0, 30 with seed 1" in done.stdout


def test_an_evaluation_beside_its_run_is_a_row_and_no_second_run(record, report, vgbench_cli, edit):
    record(recipe="vf", solved=set(range(40)))
    record(recipe="vf_quasi", solved=set(range(30)))
    place = "maze/vf/s0-evaluated-00000000"
    own = record(
        recipe="vf", folder=place, solved=set(range(70)), argv=["vgbench", "evaluate", "s0", "--planner", "cem"]
    )

    def other(run):
        run["identity"]["planner"]["name"] = "cem"
        run["key"] = "0" * 8

    edit(own / "run.json", other)
    edit(own / "result.json", lambda result: result.update(key="0" * 8))
    rates = {recipe: cell["success_rate"] for (recipe, _), cell in report("runs")["cells"].items()}
    assert rates == {"vf": 0.5, "vf_quasi": 30 / 80, "vf (planner=cem)": 70 / 80}
    shown = vgbench_cli("report", "runs", "--suite", "paper_table_2").stdout
    assert "vf on maze, seed 0 has other values: planner=cem." in shown and "without --suite, gives them rows" in shown
    # The folder of a recipe means its own runs, and an evaluation is compared where it is named.
    suite = "runs/paper_table_2-quick/maze"
    compared = vgbench_cli("compare", f"{suite}/vf", f"{suite}/vf_quasi", "--format", "json")
    assert compared.exit_code == 0, compared.stderr
    assert [rate["success_rate"] for rate in compared.json()["rates"]] == [0.5, 30 / 80]
    named = vgbench_cli("compare", f"runs/paper_table_2-quick/{place}", f"{suite}/vf_quasi", "--format", "json").json()
    assert [rate["success_rate"] for rate in named["rates"]] == [70 / 80, 30 / 80]


def test_a_model_that_was_trained_elsewhere_is_not_stale(record, report, edit):
    own = record(recipe="vf", argv=["vgbench", "evaluate", "run", "--protocol", "maze"])

    def other(run):
        run["identity"]["trained"] = "1" * 8
        run["identity"]["settings"]["train"]["steps"] = 7
        run["key"] = "0" * 8

    edit(own / "run.json", other)
    edit(own / "result.json", lambda result: result.update(key="0" * 8))
    ((place, cell),) = report("runs")["cells"].items()
    assert place == ("vf (trained elsewhere)", "maze") and (cell["state"], cell["differences"]) == ("done", [])


@pytest.mark.parametrize("named", [(), ("--suite", "paper_table_2")])
def test_the_only_scale_of_a_folder_is_the_default(record, report, edit, named):
    for seed in (0, 1):
        edit(record(seed=seed) / "run.json", lambda run: run.update(scale="smoke"))
    content = report("runs", *named)
    assert content["scale"] == "smoke" and content["left_out"] == []
    # Of several quick is meant; what is skipped for one reason is one line.
    record(seed=2)
    content = report("runs", *named)
    assert content["scale"] == "quick" and len(content["left_out"]) == 2
    (line,) = [line for line in content["stderr"].splitlines() if "skipped" in line]
    assert "s0 and 1 more: it is of scale smoke, not quick" in line


def test_no_table_without_a_run(record, vgbench_cli, edit, tmp_path):
    (tmp_path / "runs" / "empty").mkdir(parents=True)
    done = vgbench_cli("report", "runs/empty")
    assert (done.exit_code, done.stdout) == (2, "") and "DIR runs/empty: there is no run in it" in done.stderr
    for seed in (0, 1):
        edit(record(seed=seed) / "run.json", lambda run: run.update(recipe=None))
    for arguments, reason in (((), "s0 and 1 more: its run is of no recipe"), (("--scale", "smoke"), "no recipe")):
        done = vgbench_cli("report", "runs", *arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "error: DIR runs: no run there can be shown: runs/" in done.stderr and reason in done.stderr


def test_a_run_on_a_protocol_that_a_suite_does_not_have_is_named(record, report):
    record()
    record(protocol="turnstile")
    content = report("runs", "--suite", "paper_table_2")
    (line,) = content["left_out"]
    assert line.endswith("it is on turnstile, which suite paper_table_2 does not have")


@pytest.mark.parametrize("count", [2, 7])
def test_long_names_of_methods_leave_room_for_the_curves(record, vgbench_cli, edit, count):
    for number in range(count):
        values = [f"iql.tau=0.8{number}", "train.batch_size=512", "train.steps=12345", "data.trajectories=88"]
        path = record(recipe="vf", folder=f"{number}", argv=["vgbench", "run", *(f"--set={value}" for value in values)])

        def other(run, number=number):
            run["key"] = "0" * 8
            run["identity"]["objectives"][0]["params"]["tau"] = 0.8 + number / 100
            settings = run["identity"]["settings"]
            settings["train"]["steps"], settings["data"]["trajectories"] = 12345, 88

        edit(path / "run.json", other)
        edit(path / "result.json", lambda result: result.update(key="0" * 8))
    # matplotlib warns where axes have no room left, which is an error of ours.
    done = vgbench_cli("plot", "runs", "--out", "curves.png")
    assert done.exit_code == 0, done.stderr


def test_a_value_that_changed_without_the_user_is_stale_all_the_same(record, report, edit):
    path = record(recipe="vf", argv=["vgbench", "run", "--recipe", "vf"])
    edit(path / "run.json", lambda run: run["identity"]["objectives"][0]["params"].update(tau=0.95))
    edit(path / "run.json", lambda run: run.update(key="0" * 8))
    edit(path / "result.json", lambda result: result.update(key="0" * 8))
    assert report("runs")["cells"]["vf", "maze"]["state"] == "stale"


def rows_of(text):
    """Rows of each tabular of a text, as lists of cells."""
    tables = re.findall(
        r"\\begin\{tabular\}\{(l[lr]*)\}\n\\toprule\n(.*?)\\bottomrule\n\\end\{tabular\}", text, re.DOTALL
    )
    found = []
    for shape, body in tables:
        lines = [line for line in body.splitlines() if line != r"\midrule"]
        rows = [[cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))] for line in lines]
        assert {len(row) for row in rows} == {len(shape)}
        found.append(rows)
    return found


def test_the_table_as_latex(record, vgbench_cli, tmp_path):
    record(recipe="vf", solved=set(range(60)))
    record(recipe="vf", solved=set(range(60)), seed=1)
    record(recipe="vf_quasi", solved=set(range(40)))
    done = vgbench_cli("report", "--format", "latex")
    assert done.exit_code == 0, done.stderr
    (rows,) = rows_of(done.stdout)
    assert rows[0] == ["", "seeds", r"wall\_small", "paper", r"wall\_big", "paper", "maze", "paper"]
    (best,) = [row for row in rows if row[0] == "vf"]
    assert best[1] == "2" and best[-2].startswith(r"\textbf{.75} {\scriptsize [") and best[-1] == ".49"
    (other,) = [row for row in rows if row[0] == r"vf\_quasi"]
    assert other[1] == "1" and other[-2] == r".50 {\scriptsize [.39, .61]}"
    (missing,) = [row for row in rows if row[0] == "contrastive"]
    assert missing[1:3] == ["--", "--"]
    vgbench_cli("report", "--out", "table.tex")
    assert (tmp_path / "table.tex").read_text() == done.stdout


@pytest.mark.parametrize("recipes", [["vf"], ["vf", "vf_quasi"]])
def test_nothing_is_bold_where_nothing_is_better(record, vgbench_cli, recipes):
    for recipe in recipes:
        record(recipe=recipe, solved=set(range(40)))
    text = vgbench_cli("report", "runs", "--format", "latex").stdout
    assert text.count(".50 {") == len(recipes) and "textbf" not in text


def test_one_command_writes_table_tests_and_picture(record, vgbench_cli, tmp_path):
    for seed in (0, 1, 2):
        record(recipe="vf_quasi", seed=seed, solved=set(range(60)))
        record(recipe="vf", seed=seed, solved=set(range(20 + seed)))
    suite = """
suites:
  mine:
    summary: two
    recipes: [vf_quasi, vf]
    protocols: [maze]
    families: {better: the value is better when it is directed}
    claims:
      - {name: over_vf, text: better than vf, family: better, a: vf_quasi, b: vf, protocols: [maze]}
      - {name: over_it, text: better than vf_quasi, family: better, a: vf, b: vf_quasi, protocols: [maze]}
"""
    (tmp_path / "mine.yaml").write_text(suite)
    asked = ("report", "runs/paper_table_2-quick", "--suite", "mine.yaml", "--claims")
    done = vgbench_cli(*asked, "--out", "table.tex", "--figure", "table.pdf")
    assert (done.exit_code, done.stdout) == (0, "table.tex\n"), done.stderr
    assert "drawn: table.pdf" in done.stderr and (tmp_path / "table.pdf").read_bytes().startswith(b"%PDF")
    rates, claims = rows_of((tmp_path / "table.tex").read_text())
    assert [row[:2] for row in rates] == [["", "seeds"], [r"vf\_quasi", "3"], ["vf", "3"]]
    assert claims[0] == ["claim", "protocol", "comparison", "rates", "difference", "p (Holm)", "verdict"]
    shown, opposite = claims[1:]
    assert shown[:4] == [r"over\_vf", "maze", r"vf\_quasi $>$ vf", ".75, .26"]
    # (60 - 21) / 80; all seeds agree, so the test passes, and p is written without letters that LaTeX reads otherwise.
    assert shown[4].startswith(".49 [") and shown[5].startswith("$<$ .001") and shown[6] == "shown over seeds"
    assert opposite[2] == r"vf $<$ vf\_quasi" and opposite[4].startswith("-.49 [")
    # CSV: rates, then comparisons.
    first, second = vgbench_cli(*asked, "--format", "csv").stdout.split("\n\n")
    assert first + "\n" == vgbench_cli(*asked[:-1], "--format", "csv").stdout
    assert [line.split(",")[0] for line in second.splitlines()] == ["claim", "over_vf", "over_it"]


def test_a_comparison_that_shows_nothing_is_written_as_one(record, vgbench_cli):
    record(recipe="vf", solved=set(range(40)))
    record(recipe="vf_quasi", solved=set(range(41)))
    text = vgbench_cli("report", "--format", "latex", "--claims").stdout
    _, claims = rows_of(text)
    assert any(
        row[3 if "score" in claims[0] else 2] in (r"vf\_quasi $\sim$ vf", r"vf $\sim$ vf\_quasi") for row in claims
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("table.txt", "--figure table.txt: expected a file that ends in .svg, .png, .pdf"),
        ("nowhere/table.pdf", "--figure nowhere/table.pdf: expected the name of a file in a folder that exists"),
        ("runs", "--figure runs is a folder"),
    ],
)
def test_a_figure_that_cannot_be_written(record, vgbench_cli, name, message):
    record()
    done = vgbench_cli("report", "--figure", name)
    assert done.exit_code == 2 and message in done.stderr


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_the_figure_leaves_stdout_to_the_report(record, vgbench_cli, tmp_path, form):
    record()
    done = vgbench_cli("report", "runs", "--format", "json", "--figure", f"table.{form}")
    assert done.json()["recipes"] == ["vf_quasi"]
    start = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[form]
    assert (tmp_path / f"table.{form}").read_bytes().startswith(start)


def test_a_rate_is_rounded_once_from_the_counts(record, report, vgbench_cli):
    """0, 0 and 6 of 80 are 6 of 240, .025, printed as .03; the mean of the three rates is less by a last bit: .02."""
    for seed, count in ((0, 0), (1, 0), (2, 6)):
        record(recipe="vf", seed=seed, solved=set(range(count)))
    assert report("runs")["cells"]["vf", "maze"]["success_rate"] == 6 / 240
    assert "vf      .03 [" in vgbench_cli("report", "runs").stdout


def test_a_score_that_scale_smoke_does_not_have_says_so(record, vgbench_cli, tmp_path):
    for recipe in ("vf", "vf_quasi"):
        spec = resolve(RunRequest(protocol="maze", recipe=recipe, scale="smoke", seed=0, device="cpu"))
        record(recipe=recipe, scale="smoke", key=spec.key(), identity=spec.identity())
    (tmp_path / "mine.yaml").write_text(
        "suites: {mine: {summary: s, recipes: [vf, vf_quasi], protocols: [maze], claims: "
        "[{name: c, text: t, a: vf, b: vf_quasi, protocols: [maze], score: [success, spl]}]}}"
    )
    done = vgbench_cli("report", "runs", "--suite", "mine.yaml", "--claims")
    assert done.exit_code == 0, done.stderr
    assert "no score spl in the record of vf, seed 0 (scale smoke is too short for it)" in done.stdout
