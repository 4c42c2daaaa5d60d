"""`vgbench compare`: two methods task by task, and runs of other tasks."""

import pytest
from scipy.stats import binomtest


@pytest.fixture
def compare(record, vgbench_cli):
    """Compare recipes inside of the folder of records."""

    def call(*args, **options):
        done = vgbench_cli("compare", *args, "--in", record.runs, "--format", "json")
        assert done.exit_code == 0, done.stderr
        return {(row["protocol"], row["stratum"], row["score"]): row for row in done.json()["comparisons"]}

    return call


def test_two_recipes_are_compared_on_their_common_tasks(record, compare):
    record(recipe="vf_quasi", solved=set(range(60)))
    record(recipe="vf", solved=set(range(40, 70)))
    row = compare("vf_quasi", "vf")["maze", None, "success"]
    assert (row["rate_a"], row["rate_b"], row["paired"], row["sign"]) == (0.75, 0.375, True, ">")
    # 40 tasks only the one, 10 only the other: McNemar's exact test.
    assert row["p_tasks"] == pytest.approx(binomtest(10, 50).pvalue)
    assert row["only_a"] == [[0, task] for task in range(40)] and row["only_b"] == [[0, t] for t in range(60, 70)]
    low, high = row["difference95"]
    assert low < 0.375 < high


def test_all_comparisons_are_corrected_together(record, vgbench_cli):
    for recipe, count in (("vf_quasi", 50), ("vf", 40), ("vf_pred", 34)):
        record(recipe=recipe, solved=set(range(count)))
    done = vgbench_cli("compare", "vf_quasi", "vf", "vf_pred", "--in", record.runs, "--format", "json")
    rows = {(row["a"], row["b"]): row for row in done.json()["comparisons"]}
    # Each solves what the next one does, and 10, 6 or 16 tasks more: p = 2 ** (1 - n).
    found = {pair: row["p_tasks"] for pair, row in rows.items()}
    assert found == {
        ("vf_quasi", "vf"): pytest.approx(2**-9),
        ("vf_quasi", "vf_pred"): pytest.approx(2**-15),
        ("vf", "vf_pred"): pytest.approx(2**-5),
    }
    assert rows["vf_quasi", "vf_pred"]["holm_tasks"] == pytest.approx(3 * 2**-15)
    assert rows["vf_quasi", "vf"]["holm_tasks"] == pytest.approx(2 * 2**-9)
    assert rows["vf", "vf_pred"]["holm_tasks"] == pytest.approx(2**-5)


def test_runs_on_other_tasks_are_compared_as_unpaired_and_it_is_said(record, vgbench_cli, edit):
    record(recipe="vf_quasi", solved=set(range(60)))
    other = record(recipe="vf", solved=set(range(30)))
    edit(other / "episodes.jsonl", lambda row: row.update(start_distance=1.0))
    done = vgbench_cli("compare", "vf-quasi", "vf", "--in", record.runs)
    assert done.exit_code == 0, done.stderr
    # Once, though success and spl have it for a reason.
    words = "the two were evaluated on different tasks, so the rates are compared as independent samples"
    assert done.stdout.count(words) == 1
    assert "vf-quasi > vf" in done.stdout


def test_what_is_left_out_is_said(record, vgbench_cli, edit, tmp_path):
    for seed in (0, 1, 2):
        record(recipe="vf_quasi", seed=seed, solved=set(range(60)))
    record(recipe="vf", solved=set(range(30)))
    failed = record(recipe="vf", seed=1)
    edit(failed / "run.json", lambda run: run.update(status="failed", error="NaN in loss"))
    (failed / "result.json").unlink()
    elsewhere = record(recipe="vf", seed=2, folder="elsewhere").rename(tmp_path / "elsewhere")
    link = record.runs / "maze" / "vf" / "s2"
    link.symlink_to(elsewhere)
    paths = ("runs/paper_table_2-quick/maze/vf_quasi", "runs/paper_table_2-quick/maze/vf")
    done = vgbench_cli("compare", *paths, "--format", "json")
    content = done.json()
    assert {row["score"]: row["seeds"] for row in content["comparisons"]}["success"] == [0]
    assert content["comparisons"][0]["unmatched_seeds"] == [1, 2]
    linked = f"{link.relative_to(tmp_path)}: it is a link to a folder, which is not followed; name the folder itself"
    assert content["left_out"] == [linked, f"{failed.relative_to(tmp_path)}: failed: NaN in loss"]
    for words in (linked, "s1: failed: NaN in loss", "left out: seeds 1, 2, of which only one of the two has a run"):
        assert words in done.stderr, done.stderr
    # So do the other commands that look for runs.
    for words in (["report", "runs"], ["runs", "runs"], ["rescore", "runs"], ["plot", "runs"]):
        told = vgbench_cli(*words)
        assert told.exit_code == 0 and linked in told.stderr, (words, told.stderr)


def test_strata_are_compared_each(record, compare, edit):
    for recipe, solved in (("vf_quasi", set(range(80))), ("vf", set(range(0, 80, 2)))):
        path = record(recipe=recipe, solved=solved)
        for file in path.glob("*.jsonl"):
            if file.name != "train.jsonl":
                edit(file, lambda row: row.update(stratum=("near", "far")[row["task"] % 2]))
    rows = compare("vf_quasi", "vf")
    assert rows["maze", "near", "success"]["rate_b"] == 1.0 and rows["maze", "far", "success"]["rate_b"] == 0.0
    assert rows["maze", "near", "success"]["sign"] == "~" and rows["maze", "far", "success"]["sign"] == ">"


def test_folders_and_globs_are_groups_of_seeds(record, vgbench_cli, tmp_path):
    for seed in range(3):
        record(recipe="vf_quasi", seed=seed, solved=set(range(60 + seed)))
        record(recipe="vf", seed=seed, solved=set(range(20 + seed)))
    place = record.runs / "maze"
    done = vgbench_cli("compare", place / "vf_quasi", f"{place}/vf/s*", "--tasks", "--plot", tmp_path / "c.svg")
    assert done.exit_code == 0, done.stderr
    assert "vf_quasi > vf/s*" in done.stdout and "over seeds" in done.stdout
    # How to read it, beside the table.
    assert "ONLY A : B" in done.stdout and "note: ONLY A : B: tasks that only A solves, and only B" in done.stderr
    assert f"maze: vf_quasi, not vf/s*: seed 0: {', '.join(map(str, range(20, 60)))}; seed 1" in done.stdout
    assert "maze: vf/s*, not vf_quasi: none" in done.stdout
    assert "<svg" in (tmp_path / "c.svg").read_text()


def test_with_three_methods_the_tasks_name_both_sides(record, vgbench_cli):
    for recipe, solved in (("vf", {1, 2}), ("vf_quasi", {2, 3}), ("vf_pred", {1})):
        record(recipe=recipe, solved=solved)
    asked = ("compare", "vf", "vf_quasi", "vf_pred", "--in", "runs/paper_table_2-quick", "--tasks")
    lines = [line for line in vgbench_cli(*asked).stdout.splitlines() if ", not " in line]
    assert lines == [
        "maze: vf, not vf_quasi: seed 0: 1",
        "maze: vf_quasi, not vf: seed 0: 3",
        "maze: vf, not vf_pred: seed 0: 2",
        "maze: vf_pred, not vf: none",
        "maze: vf_quasi, not vf_pred: seed 0: 2, 3",
        "maze: vf_pred, not vf_quasi: seed 0: 1",
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["vf"], "expected at least two methods"),
        (["vf", "vf"], "the same method is given twice"),
        (["vf", "vff"], "vff: no finished run of that recipe in runs/paper_table_2-quick; it has vf"),
        (["vf", "vf_pred", "--plot", "c.txt"], "--plot c.txt: expected a file that ends in .svg, .png, .pdf"),
    ],
)
def test_mistakes_are_named(record, vgbench_cli, args, message):
    record(recipe="vf")
    done = vgbench_cli("compare", *args, "--in", "runs/paper_table_2-quick")
    assert done.exit_code == 2 and message in done.stderr


def test_two_runs_of_one_seed_cannot_be_told_apart(record, vgbench_cli):
    record(recipe="vf")
    record(recipe="vf", folder="more/vf", key="other")
    done = vgbench_cli("compare", record.runs, "nowhere")
    assert done.exit_code == 2 and "two runs on maze with seed 0" in done.stderr
    done = vgbench_cli("compare", record.runs / "maze", "nowhere")
    assert done.exit_code == 2 and "nowhere: there is no such folder" in done.stderr


def test_a_run_with_other_values_does_not_stand_in_the_way_of_its_recipe(record, compare, vgbench_cli, edit):
    record(recipe="vf", solved=set(range(40)))
    record(recipe="vf_quasi", solved=set(range(60)))
    own = record(recipe="vf", folder="maze/vf/s0-again", solved=set(), argv=["vgbench", "run", "--set", "iql.tau=0.95"])
    edit(own / "run.json", lambda run: run["identity"]["objectives"][0]["params"].update(tau=0.95))
    for name in ("run", "result"):
        edit(own / f"{name}.json", lambda content: content.update(key="0" * 8))
    found = compare("vf_quasi", "vf")["maze", None, "success"]
    assert (found["rate_a"], found["rate_b"]) == (0.75, 0.5)
    # It is compared by its own name.
    found = compare("vf", "vf (iql.tau=0.95)")["maze", None, "success"]
    assert (found["rate_a"], found["rate_b"]) == (0.5, 0.0)


def test_runs_are_listed_with_what_is_wrong(record, vgbench_cli, edit):
    record(recipe="vf", solved=set(range(60)))
    failed = record(recipe="vf_pred")
    edit(failed / "run.json", lambda run: run.update(status="failed", error="diverged"))
    broken = record(recipe="vf_quasi")
    (broken / "run.json").write_text("{")
    done = vgbench_cli("runs", record.runs, "--format", "json")
    assert done.exit_code == 0, done.stderr
    rows = {row["path"].split("/")[-2]: row for row in done.json()}
    assert (rows["vf"]["status"], rows["vf"]["success_rate"], rows["vf"]["why"]) == ("done", 0.75, None)
    assert (rows["vf_pred"]["status"], rows["vf_pred"]["why"]) == ("failed", "diverged")
    assert rows["vf_quasi"]["status"] == "damaged" and rows["vf"]["bytes"] > 1000
    assert "3 runs: 1 done, 1 failed, 1 damaged" in vgbench_cli("runs", record.runs).stdout
    done = vgbench_cli("runs", "nowhere")
    assert done.exit_code == 2 and "DIR nowhere: no such folder" in done.stderr
