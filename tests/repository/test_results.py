"""Figures in the documentation against the committed records."""

import itertools
import json
import re
from pathlib import Path

import pytest
import yaml

import vgbench
from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.resolve import RunRequest, resolve
from vgbench.statistics import wilson
from vgbench.storage import yaml_file
from vgbench.text import interval_text, share_text

ROOT = Path(__file__).parents[2]
ROWS = [
    (page.name, *row)
    for page in (ROOT / "docs" / "results.md",)
    for row in re.findall(
        r"^\| \[`.+?`\]\((?:\.\./)?results/(\S+)\) \| [^|]+ \| (\d+) of (\d+) = (\d?\.\d+) \[(.+?), (.+?)\] ",
        page.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
]


def test_there_are_figures():
    assert {row[0] for row in ROWS} == {"results.md"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row[:2]))
def test_a_figure_is_that_of_its_record(row):
    _, name, successes, n, rate, low, high = row
    result = json.loads((ROOT / "results" / name / "result.json").read_text())
    assert (result["successes"], result["n"]) == (int(successes), int(n))
    assert float(rate) == round(result["success_rate"], 2 if len(rate) <= 3 else 3)
    assert (float(low), float(high)) == tuple(round(x, 2) for x in wilson(int(successes), int(n)))


RESULTS = ROOT / "results"
FOLDERS = sorted(p.parent for p in RESULTS.rglob("run.json"))
each_record = pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.relative_to(RESULTS).as_posix())


@each_record
def test_a_records_configuration_still_makes_its_run(folder, tmp_path):
    """What it does not have is younger than it and must be at its default, which is what the run had."""
    recorded = yaml_file.load(folder / "config.yaml")
    # Recordings are not committed with what was trained on them.
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(recorded | {"data": None}))
    values = resolve(RunRequest(config=config)).values
    assert {name: values[name].value for name in recorded["set"]} == recorded["set"]
    assert all(value.source == "default" for name, value in values.items() if name not in recorded["set"])


@each_record
def test_a_record_is_whole_and_from_a_clean_commit(folder):
    run, result = (json.loads((folder / f"{name}.json").read_text()) for name in ("run", "result"))
    assert run["status"] == "done" and run["key"] == result["key"]
    assert run["git"] and run["git"]["dirty"] is False
    rows = [json.loads(line) for line in (folder / "episodes.jsonl").read_text().splitlines()]
    assert sum(row["success"] for row in rows) == result["successes"] and len(rows) == result["n"]


def table(page, marker):
    """Cells of the rows of the table that follows `<!-- marker -->`."""
    text = (ROOT / "docs" / page).read_text().split(f"<!-- {marker} -->")[1].strip().split("\n\n")[0]
    return [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def cell(folder):
    """A rate as tables of the documentation have it."""
    result = json.loads((folder / "result.json").read_text())
    low, high = wilson(result["successes"], result["n"])
    rate, low, high = (f"{x:.2f}".removeprefix("0") for x in (result["success_rate"], low, high))
    return f"{result['successes']} of {result['n']} = {rate} [{low}, {high}]"


def test_the_worth_of_a_variants_choices_is_that_of_their_records():
    for variant in load_catalogue().variants.values():
        for each in variant.choices:
            assert bool(each.worth) == (variant.name == "tuned"), each.name
            for worth in each.worth:
                place = RESULTS / f"variant_{variant.name}" / worth.protocol / worth.recipe
                results = [
                    json.loads((place / name / "result.json").read_text()) for name in ("tuned", f"without-{each.name}")
                ]
                assert [r["successes"] for r in results] == [worth.solved, worth.without]
                assert {r["n"] for r in results} == {worth.n}
                assert all(r["seeds"] == {"train": 11, "data": 1000, "task": 1000} for r in results)


def test_the_tables_of_the_pilot_are_its_records():
    rows = table("decisions.md", "pilot")
    folders = {f"{row[0]}-{row[1].strip('`')}-{layout}" for row in rows for layout in ("per_dataset", "per_trajectory")}
    assert folders == {folder.name for folder in (RESULTS / "layout_pilot/quick").iterdir()}
    for protocol, recipe, *cells, _ in rows:
        names = (f"{protocol}-{recipe.strip('`')}-{layout}" for layout in ("per_dataset", "per_trajectory"))
        assert cells == [cell(RESULTS / "layout_pilot/quick" / name) for name in names]


def test_the_table_of_the_bias_is_its_records():
    rows = json.loads((RESULTS / "stochastic_wall/bias.json").read_text())["rows"]
    shown = table("stochastic_wall.md", "bias")
    keys = ("joint", "averaged", "bias", "order_joint_averaged", "order_joint_cost", "order_averaged_cost")
    for row, (noise, value, bound, *figures) in zip(rows, shown, strict=True):
        assert (noise, value, float(bound)) == (f"{row['noise']:g} px", f"`{row['value']}`", round(row["bound"], 1))
        digits = [float(figure) for cell in figures for figure in cell.split(", ")]
        assert digits == [round(row[key], 3 if key.startswith("order") else 2) for key in keys]


def test_what_noise_and_chance_cost_is_their_records():
    folders = [RESULTS / "stochastic_wall/quick", RESULTS / "ranking/quick"]
    record = vgbench.report(*folders, suite="stochastic_wall", variants=["tuned"])
    plain = vgbench.report(RESULTS / "paper_table_2/quick/tuned", suite="paper_table_2", variants=["tuned"])
    page = " ".join((ROOT / "docs/stochastic_wall.md").read_text(encoding="utf-8").split("## The bias")[0].split())
    found = {
        (c["recipe"], c["protocol"]): c for c in (*record["cells"], *plain["cells"]) if c["success_rate"] is not None
    }
    noisy, chance = ([found[r, p] for r in ("vf", "pred_vcreg", "vf_quasi")] for p in ("wall_noisy", "wall_gamble"))
    assert all(len(cell["runs"]) == 3 for cell in noisy + chance)
    vf, prediction, quasi = ([share_text(of[i]["success_rate"]) for of in (noisy, chance)] for i in range(3))
    assert (
        f"`vf` solves {vf[0]} of wall_noisy and {vf[1]} of wall_gamble, `pred_vcreg` {' and '.join(prediction)}" in page
    )
    assert f"`vf_quasi` solves {quasi[0]}, which is undecided, and {quasi[1]}" in page
    without = [share_text(found[recipe, "wall_big"]["success_rate"]) for recipe in ("vf", "pred_vcreg", "vf_quasi")]
    assert "without noise the three solve {}, {} and {}".format(*without) in page
    verdicts = {(one["protocol"], one["b"]): one["verdict"] for one in record["claims"]}
    assert verdicts.pop(("wall_noisy", "vf_quasi")) == "undecided" and set(verdicts.values()) == {"contradicted"}


def test_the_table_of_the_door_of_chance_is_its_records():
    rows = json.loads((RESULTS / "stochastic_wall/bias-gamble.json").read_text())["rows"]
    for row, (value, both, tasks, *distances, share) in zip(rows, table("stochastic_wall.md", "gamble"), strict=True):
        assert (value, both) == (f"`{row['value']}`", f"{row['tau']:g}, {row['gamma']:g}")
        assert tasks == f"{row['tasks']} {row['stratum']}"
        assert [float(d) for d in distances] == [round(row[key], 2) for key in ("joint", "averaged", "bias")]
        assert [float(part) for part in share.split(", ")] == [row["takes_joint"], row["takes_averaged"]]


def figures(row):
    return [float(figure) for figure in re.findall(r"[01]?\.\d{3}", " | ".join(row))]


COVERAGE = json.loads((ROOT / "results/interval-coverage.json").read_text())


def test_the_table_of_coverage_is_the_simulations():
    one, *several = table("decisions.md", "coverage")
    covered = [[r["wilson"] for r in COVERAGE["rows"] if r["seeds"] == 1 and (r["rate"] == 0.99) == x] for x in (0, 1)]
    assert figures(one) == pytest.approx([end(v) for v in covered for end in (min, max)], abs=6e-4)
    for (design, seeds), row in zip(itertools.product(("shared", "own"), (3, 5, 10)), several, strict=True):
        assert row[:2] == [design, str(seeds)]
        rows = [r for r in COVERAGE["rows"] if r.get("design") == design and r["seeds"] == seeds]
        usual = [r for r in rows if r["rate"] != 0.99]
        parts = [[r for r in usual if (r["seed_std"] > 0) == differ] for differ in (False, True)]
        shown = [[r["rate_interval"] for r in part] for part in (*parts, [r for r in rows if r["rate"] == 0.99])]
        shown += [[r[kind] for r in usual if kind in r] for kind in ("pooled", "student", "bootstrap")]
        assert figures(row) == pytest.approx([end(v) for v in shown if v for end in (min, max)], abs=6e-4)


def test_the_table_of_the_coverage_of_differences_is_the_simulations():
    for row in table("decisions.md", "differences"):
        rows = [r for r in COVERAGE["differences"] if (r["design"], r["seeds"]) == (row[0], int(row[1]))]
        extreme = [r for r in rows if {0.04, 0.99} & set(r["rates"])]
        shown = [[r["difference_interval"] for r in rows if r not in extreme]]
        shown += [[r[kind] for r in part] for part, kind in ((extreme, "difference_interval"), (rows, "independent"))]
        assert figures(row) == pytest.approx([end(v) for v in shown for end in (min, max)], abs=6e-4)


def test_the_intervals_that_are_shown_cover():
    """At rates that a few tasks do not decide: never far below 95 %, and above 97 % only for few seeds."""
    usual = [r for r in COVERAGE["rows"] if r["seeds"] > 1 and r["rate"] in (0.5, 0.9)]
    assert min(r["rate_interval"] for r in usual) > 0.93
    assert min(r["rate_interval"] for r in COVERAGE["rows"] if r["seeds"] > 1 and r["rate"] == 0.04) > 0.915
    assert min(r["pooled"] for r in usual) < 0.6


def test_training_on_cut_episodes_is_compared_as_recorded():
    """docs/data.md has the counts; the difference is within the paired test."""
    folder = ROOT / "results" / "cut_episodes"
    counts = {
        side: sum(json.loads(path.read_text())["successes"] for path in folder.glob(f"{side}/s*/result.json"))
        for side in ("whole", "cut")
    }
    page = " ".join((ROOT / "docs" / "data.md").read_text(encoding="utf-8").split())
    assert f"vf_quasi solved {counts['cut']} of 300 tasks instead of {counts['whole']}, with three seeds" in page
    found = json.loads((folder / "compare.json").read_text())["comparisons"]
    (success,) = (one for one in found if one["score"] == "success")
    assert success["paired"] and success["sign"] == "~"
    assert f"p = {share_text(success['holm_tasks'])}" in page


def test_the_first_sentences_of_table_2_are_what_its_report_says(vgbench_cli):
    folder = ROOT / "results" / "paper_table_2" / "quick"
    done = vgbench_cli("report", str(folder), "--suite", "paper_table_2", "--claims", "--format", "json")
    record = done.json()
    page = (ROOT / "docs" / "paper_table_2.md").read_text(encoding="utf-8").partition("<!-- report: begin -->")[0]
    page = " ".join(page.split())
    marks = {"tuned": [], "literal": []}
    for cell in record["cells"]:
        marks[cell["variant"]] += [cell["mark"]] if cell["published"] else []
    found = marks["tuned"]
    assert f"of {len(found)} intervals of `tuned`, {found.count(None)} meet the published one" in page
    assert f"{found.count('above')} lie above it and {found.count('below')} below; of `literal`" in page
    assert f"of `literal`, {marks['literal'].count('below')} lie below" in page
    claims = [one for one in record["claims"] if one["variant"] == "tuned"]

    def verdicts(claim, **where):
        wanted = where | {"claim": claim}
        return [one["verdict"] for one in claims if all(one[name] == value for name, value in wanted.items())]

    quasi = [one for one in claims if one["claim"] == "quasi_over_euclidean"]
    assert all(one["verdict"] == "contradicted" and one["scope"] == "over seeds" for one in quasi)
    for name, side in (("vf", "rate_b"), ("vf_quasi", "rate_a")):
        assert f"{name} {', '.join(share_text(one[side]) for one in quasi)}" in page
    for other in ("contrastive", "pred_vcreg", "pred_ema"):
        assert verdicts("value_over_baselines", a="vf", b=other) == ["confirmed"] * 3
    beside = {"wall_small": "confirmed", "wall_big": "contradicted", "maze": "undecided"}
    for protocol, verdict in beside.items():
        assert verdicts("value_over_baselines", a="vf", b="regressive", protocol=protocol) == [verdict]
    assert verdicts("separate_over_joint_quasi") == ["confirmed"] * 3
    assert verdicts("separate_over_joint_vf") == ["confirmed", "undecided", "confirmed"]
    assert verdicts("separate_over_joint_vcreg") == ["undecided", "contradicted", "confirmed"]
    assert verdicts("vcreg_hurts") == ["confirmed", "undecided", "confirmed"]
    assert verdicts("big_steps_over_small").count("confirmed") == 5
    assert verdicts("ema_fails_in_the_maze") == ["confirmed"]
    (spaces,) = (one for one in claims if one["claim"] == "two_spaces_bring_nothing")
    assert spaces["verdict"] == "contradicted"
    assert f"({share_text(spaces['rate_a'])} against {share_text(spaces['rate_b'])})" in page


def test_the_interaction_of_distance_and_direction_is_what_its_records_say(vgbench_cli):
    folder = ROOT / "results" / "ranking" / "quick"
    done = vgbench_cli("report", str(folder), "--suite", "ranking", "--claims", "--format", "json")
    record = done.json()
    page = (ROOT / "docs" / "ranking.md").read_text(encoding="utf-8")
    rates = {(cell["recipe"], cell["protocol"]): cell["success_rate"] for cell in record["cells"]}
    found = {(one["claim"], one["score"]): one for one in record["claims"] if one["family"] == "direction"}
    for world in ("turnstile", "ring"):
        one = found[f"direction_{world}", "success"]
        sides = [
            ", ".join(share_text(rates[recipe, protocol]) for recipe in ("vf", "vf_quasi_gamma98"))
            for protocol in (world, f"{world}_two_way")
        ]
        difference = one["rate_a"] - one["rate_b"]
        words = f"{share_text(difference)} {interval_text(one['difference95'])} | shown {one['scope']} |"
        assert one["verdict"] == "confirmed" and one["seeds"] == [0, 1, 2]
        assert f"| {world} | {' | '.join(sides)} | {words}" in page
        assert f"{share_text(one['rate_a'])} ({world})" in page
        assert found[f"direction_{world}", "timely"]["verdict"] == "undecided"


WORLDS = ("one_door", "wall_gamble", "turnstile", "ring")


@pytest.fixture(scope="module")
def ranking():
    """The report of the ranking, and what the page says of it."""
    record = vgbench.report(ROOT / "results" / "ranking" / "quick", suite="ranking")
    page = (ROOT / "docs" / "ranking.md").read_text(encoding="utf-8").split("## What it shows")[1]
    return record, " ".join(page.split("## Which protocols")[0].split())


def test_the_sentences_on_the_ranking_are_its_records(ranking):
    record, page = ranking
    cells = {(cell["recipe"], cell["protocol"]): cell for cell in record["cells"]}

    def rate(recipe, protocol, stratum=None):
        cell = cells[recipe, protocol]
        return share_text((cell["strata"][stratum] if stratum else cell)["success_rate"])

    def claimed(*names, score="success"):
        return [one for one in record["claims"] if one["claim"] in names and one["score"] == score]

    def gains(rows):
        return [round(one["rate_a"] - one["rate_b"], 2) for one in rows]

    full = [recipe for recipe in ("vf", "vf_quasi", "vf_pred", "vf_quasi_pred", "pred_vcreg")]
    assert all(len(cells[recipe, world]["runs"]) == 3 for recipe in full for world in WORLDS)
    value = claimed("value_over_prediction")
    assert {one["verdict"] for one in value} == {"confirmed"} and len(value) == 8
    assert [one["scope"] for one in value].count("over seeds") == 3
    assert f"solve {share_text(min(gains(value)))} to {share_text(max(gains(value)))} more than `pred_vcreg`" in page
    first = record["ranking"][0]["recipes"]
    assert [row["recipe"] for row in first[:2]] == ["vf", "vf_quasi"]
    assert [row["rank95"] for row in first] == [[1, 2], [1, 2], [3, 3], [4, 4], [5, 5]]
    for recipe, words in (("vf", "solves {} of one_door and {} of turnstile"), ("vf_quasi", "`vf_quasi` {} and {}")):
        assert words.format(rate(recipe, "one_door"), rate(recipe, "turnstile")) in page
    separate, quasi = claimed("separate_over_joint"), claimed("separate_over_joint_quasi")
    assert {(one["verdict"], one["scope"]) for one in separate + quasi} == {("confirmed", "for these 3 checkpoints")}
    euclid = sorted(gains(separate))
    assert (
        f"by {share_text(euclid[0])} to {share_text(euclid[2])} with Euclid, by {share_text(min(gains(quasi)))} to "
        in page
    )
    assert f"{share_text(max(gains(quasi)))} with IQE, and {share_text(euclid[3])} on one_door with Euclid" in page
    assert rate("pred_vcreg", "turnstile", "trap") == ".00"
    traps = [rate(recipe, "turnstile", "trap") for recipe in ("vf", "vf_quasi", "vf_quasi_gamma98")]
    assert "`vf` solves {} of them, `vf_quasi` {}, and IQE at Euclid's discount {}".format(*traps) in page
    detours = [rate(recipe, "one_door", "detour") for recipe in ("vf_quasi", "vf", "vf_quasi_gamma98")]
    assert (
        "`vf_quasi` solves {}, `vf` {}. The discount is not the reason: with .98 it solves {}".format(*detours) in page
    )
    chance = [rate(recipe, "wall_gamble", "trap") for recipe in ("vf", "vf_quasi", "pred_vcreg")]
    assert "`vf` solves {}, `vf_quasi` {} and `pred_vcreg` {}".format(*chance) in page
    solved = [[run["successes"] for run in cells[recipe, "ring"]["runs"]] for recipe in ("vf_quasi", "pred_vcreg")]
    (a, b), (c, d) = ((min(of), max(of)) for of in solved)
    assert f"`vf_quasi` solves {a} to {b} of ring's 200 tasks, `pred_vcreg` {c} to {d}" in page
    far = [rate("vf", "maze_far", stratum) for stratum in ("5-8 unseen", "9-13 unseen", "9-13 seen")]
    text = "`vf` solves {} of the goals 5 to 8 cells away and {} of those 9 to 13 cells away, in seen layouts {}."
    assert text.format(*far) in page
    assert {one["verdict"] for one in claimed("seen_over_unseen")} == {"undecided"}
    assert [one["verdict"] for one in claimed("near_over_far") if one["a"].startswith("vf")] == ["confirmed"] * 2
    timely = {world: max(cells[recipe, world]["timely"]["mean"] for recipe in full) for world in WORLDS}
    assert max(timely, key=timely.get) == "one_door" and f"solves {share_text(timely['one_door'])} of one_door" in page


def test_the_ranking_of_the_readme_is_its_records(ranking):
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("<!-- ranking -->")[1].split("<!-- end -->")[0]
    shown = [[part.strip() for part in line.strip("|").split("|")] for line in text.strip().splitlines()[2:]]
    wanted = [
        [
            " to ".join(map(str, dict.fromkeys(row["rank95"]))),
            f"`{row['recipe']}`",
            *(share_text(row["rates"][world]) for world in WORLDS),
        ]
        for row in ranking[0]["ranking"][0]["recipes"]
    ]
    assert shown == wanted


def test_most_declared_comparisons_of_the_ranking_are_decided(ranking):
    verdicts = [one["verdict"] for one in ranking[0]["claims"]]
    decided = sum(verdict in ("confirmed", "contradicted") for verdict in verdicts)
    assert 3 * decided >= 2 * len(verdicts)
    assert f"Of {len(verdicts)} declared comparisons {decided} are decided." in ranking[1]


def test_the_cost_of_the_papers_scale_is_its_record():
    record = json.loads((RESULTS / "paper-scale-flops.json").read_text())
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\S+) FLOP \| (\S+) FLOP \| (\S+) FLOP \| (\S+) \|$", page, re.MULTILINE)
    assert [row[0] for row in rows] == ["wall_small", "wall_big", "maze"]
    for protocol, *shown in rows:
        for run in (run for run in record if run["protocol"] == protocol):
            planning = run["flops_by_stage"]["planning"]
            found = (run["flops"] - planning, planning, run["flops"], run["predictor_evaluations"])
            assert [float(text) for text in shown] == pytest.approx(
                [float(f"{number:.1e}") for number in found], rel=0.03
            )
    total = sum(run["flops"] for run in record if run["recipe"] not in ("two_space", "pred_vcreg_idm"))
    assert f"the ten rows on three protocols ({total:.1e}".replace("+", "") in page


@pytest.mark.parametrize("name", ["final_norm", "iqe_scale"])
def test_the_counts_beside_a_decision_are_those_of_its_records(name):
    page = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    (item,) = (item for item in page.split("\n* ") if f"(../results/{name})" in item)
    paths = [path for folder in ("final_norm", "iqe_scale") for path in (RESULTS / folder).rglob("result.json")]
    found = {(record["successes"], record["n"]) for record in (json.loads(path.read_text()) for path in paths)}
    shown = {(int(solved), int(n)) for solved, n in re.findall(r"(\d+)\s+of\s+(\d+)", item.partition("\n\n")[0])}
    assert len(shown) >= 3 and shown <= found
