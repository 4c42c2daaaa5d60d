"""The ranking of a suite: means, ranks that other seeds and tasks might give, and what was shown."""

import pytest

PLACES = ("one_door", "wall_gamble", "turnstile", "ring")


@pytest.fixture
def ranked(record, report):
    """Lay records down, with successes by recipe and seed on all protocols, and return the report's ranking."""

    def make(solved):
        for recipe, seeds in solved.items():
            for seed, count in enumerate(seeds):
                for protocol in PLACES:
                    tasks = count if isinstance(count, set) else set(range(count))
                    record(protocol=protocol, recipe=recipe, seed=seed, solved=tasks, variant="tuned")
        (ranking,) = report(str(record.runs), "--suite", "ranking")["ranking"]
        return {row["recipe"]: row for row in ranking["recipes"]}

    return make


def test_recipes_that_differ_on_most_tasks_have_ranks_of_their_own(ranked):
    rows = ranked({"vf": [70], "vf_pred": [40], "pred_vcreg": [5]})
    assert list(rows) == ["vf", "vf_pred", "pred_vcreg"]
    assert [row["rank95"] for row in rows.values()] == [[1, 1], [2, 2], [3, 3]]
    assert rows["vf"]["mean"] == pytest.approx(70 / 80) and rows["vf"]["rates"]["ring"] == pytest.approx(70 / 80)


def test_recipes_that_solve_the_same_share_a_rank_and_its_interval(ranked):
    rows = ranked({"vf": [60], "vf_quasi": [set(range(40))], "contrastive": [set(range(20, 60))]})
    assert rows["vf_quasi"]["rank"] == rows["contrastive"]["rank"] == 2.5
    assert rows["vf"]["rank95"] == [1, 1]
    assert rows["vf_quasi"]["rank95"] == rows["contrastive"]["rank95"] == [2, 3]


def test_a_seed_that_differs_widens_the_ranks(ranked):
    rows = ranked({"vf": [70, 10, 60], "vf_pred": [45, 45, 45]})
    assert rows["vf"]["seeds"] == 3 and rows["vf"]["rank95"] == [1, 2] == rows["vf_pred"]["rank95"]


def test_better_is_said_only_where_a_declared_claim_was_tested(ranked):
    rows = ranked({"vf": [70], "vf_pred": [40], "contrastive": [1]})
    # The suite compares vf with vf_pred, and with contrastive nothing.
    assert rows["vf"]["better_than"] == {"vf_pred": dict.fromkeys(PLACES, "for this checkpoint")}
    assert rows["vf_pred"]["better_than"] == {} == rows["contrastive"]["better_than"]


def test_what_a_seed_adds_to_all_recipes_changes_no_rank(ranked):
    """A seed is a data set and layouts: vf solves ten tasks more of each, and both solve fewer of the harder ones."""
    rows = ranked({"vf": [75, 45, 15], "vf_pred": [60, 30, 0]})
    assert rows["vf"]["rank95"] == [1, 1] and rows["vf_pred"]["rank95"] == [2, 2]


def test_recipes_are_ranked_on_the_seeds_that_all_have(ranked):
    rows = ranked({"vf": [60, 0, 0], "vf_pred": [30]})
    assert rows["vf"]["rank"] == 1 and rows["vf"]["mean"] == 60 / 80 and rows["vf"]["seeds"] == 1
    assert rows["vf"]["rank95"] == [1, 1]


def test_recipes_with_more_seeds_are_ranked_among_themselves_first(record, report, vgbench_cli):
    counts = {"vf": [60, 10, 10], "vf_quasi": [50, 50, 50], "vf_pred": [55]}
    for recipe, seeds in counts.items():
        for seed, count in enumerate(seeds):
            for protocol in PLACES:
                record(protocol=protocol, recipe=recipe, seed=seed, solved=set(range(count)), variant="tuned")
    most, every = report(str(record.runs), "--suite", "ranking")["ranking"]
    assert [(row["recipe"], row["seeds"]) for row in most["recipes"]] == [("vf_quasi", 3), ("vf", 3)]
    assert [(row["recipe"], row["seeds"]) for row in every["recipes"]] == [("vf", 1), ("vf_pred", 1), ("vf_quasi", 1)]
    page = vgbench_cli("report", str(record.runs), "--suite", "ranking", "--format", "md").stdout
    assert page.count("| rank | 95 % |") == 2


def test_the_printed_ranking_says_what_was_shown_and_of_whom(ranked, record, vgbench_cli):
    ranked({"vf": [70], "vf_pred": [40]})
    done = vgbench_cli("report", str(record.runs), "--suite", "ranking")
    assert "vf_pred (one_door*, wall_gamble*, turnstile*, ring*)" in " ".join(done.stdout.split())
    assert "CLAIM" not in done.stdout


def test_the_ranking_as_latex_is_that_of_markdown(ranked, record, vgbench_cli):
    ranked({"vf": [70], "vf_pred": [40]})
    asked = ("report", str(record.runs), "--suite", "ranking", "--format")
    page = vgbench_cli(*asked, "md").stdout.splitlines()
    begin = next(number for number, line in enumerate(page) if line.startswith("| rank |"))
    headers, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in page[begin : begin + 4])
    done = vgbench_cli(*asked, "latex")
    assert done.exit_code == 0, done.stderr
    text = done.stdout
    # The ranking, then the rates; comparisons only with --claims.
    assert text.count(r"\begin{tabular}") == 2
    assert vgbench_cli(*asked, "latex", "--claims").stdout.count(r"\begin{tabular}") == 3
    comment, table = text[: text.index(r"\end{tabular}")].split(r"\begin{tabular}")
    assert "% Ranked on the training seeds" in comment and all(line.startswith("%") for line in comment.splitlines())
    shape, top, head, middle, *body, bottom = table.splitlines()
    assert (shape, top, middle, bottom) == ("{lllrrrrrrl}", r"\toprule", r"\midrule", r"\bottomrule")
    cells = [line.removesuffix(r" \\").split(" & ") for line in (head, *body)]
    assert cells[0][:3] == ["rank", r"95 \%", "recipe"] and cells[0][4] == r"one\_door"
    assert cells[1][2] == "vf" and cells[1][-1].startswith(r"vf\_pred (one\_door*, wall\_gamble*, ")
    assert cells[2][2] == r"vf\_pred" and cells[2][-1] == "--"
    plain = [[cell.replace("\\", "").replace("--", "-") for cell in row] for row in cells]
    assert plain == [headers, *([cell.replace("\u2013", "-").replace("\u2014", "-") for cell in row] for row in rows)]


def test_a_suite_without_a_ranking_has_none_as_latex(record, vgbench_cli):
    record()
    done = vgbench_cli("report", str(record.runs), "--suite", "paper_table_2", "--format", "latex")
    assert done.stdout.count(r"\begin{tabular}") == 1


def test_a_recipe_without_all_protocols_has_no_rank(record, report):
    record(protocol="ring", recipe="vf", variant="tuned")
    content = report(str(record.runs), "--suite", "ranking")
    assert content["ranking"] == []


def test_success_against_distance_is_drawn(record, vgbench_cli, tmp_path):
    for protocol in PLACES:
        record(protocol=protocol, recipe="vf", variant="tuned")
    options = [str(record.runs), "--suite", "ranking"]
    done = vgbench_cli("report", *options, "--curves", tmp_path / "curves.svg", "--html", tmp_path / "page.html")
    assert done.exit_code == 0, done.stderr
    drawn = (tmp_path / "curves.svg").read_text()
    assert all(f">{name}<" in drawn for name in (*PLACES, "vf"))
    page = (tmp_path / "page.html").read_text()
    assert "<h2>Ranking</h2>" in page and "Success\nagainst distance" in page
    done = vgbench_cli("report", str(record.runs), "--curves", tmp_path / "x.svg")
    assert done.exit_code == 2 and "--curves: suite paper_table_2 has no ranking" in done.stderr


def test_curves_are_of_groups_of_as_many_tasks():
    from pathlib import Path

    from vgbench.reports.plots.distance import distance_curves
    from vgbench.storage.episode_rows import Episodes
    from vgbench.storage.records import RunRecord

    def run(recipe, success):
        episodes = Episodes(success, (0.0,) * 10, expert_steps=tuple(range(1, 11)))
        return RunRecord(Path(), "", recipe, "p", "quick", 0, {}, episodes=episodes)

    curves = distance_curves([run("a", (True,) * 10), run("b", (True,) * 5 + (False,) * 5)], bins=5)
    assert [count for _, _, count in curves["a"]] == [2] * 5
    assert [x for x, _, _ in curves["a"]] == [1.5, 3.5, 5.5, 7.5, 9.5]
    assert [rate for _, rate, _ in curves["b"]] == [1.0, 1.0, 0.5, 0.0, 0.0]


def test_curves_have_one_unit():
    """Of records of which one lacks the expert's steps of a task, all are over the distance at the start."""
    from pathlib import Path

    from vgbench.reports.plots.distance import distance_curves, distance_label
    from vgbench.storage.episode_rows import Episodes
    from vgbench.storage.records import RunRecord

    def run(recipe, steps):
        episodes = Episodes((True,) * 10, tuple(x / 10 for x in range(1, 11)), expert_steps=steps)
        return RunRecord(Path(), "", recipe, "p", "quick", 0, {}, episodes=episodes)

    whole = run("a", tuple(range(101, 111)))
    assert distance_label([whole]) == "steps of the expert" and distance_curves([whole])["a"][-1][0] == 109.5
    for steps in ((None, *range(102, 111)), (), (101,)):
        both = [whole, run("b", steps)]
        assert distance_label(both) == "distance at the start"
        curves = distance_curves(both)
        assert curves["a"] == curves["b"] and curves["a"][-1][0] == pytest.approx(0.95)
