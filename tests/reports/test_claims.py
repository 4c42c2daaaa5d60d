"""Claims: what `vgbench report` finds of what a publication says of its table, and how registry.yaml declares them."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest, hypergeom

from vgbench.config.catalogue import read
from vgbench.config.catalogue_files import load_catalogue
from vgbench.errors import UsageError


def claim(content, name, protocol="maze", a=None):
    found = [c for c in content["claims"] if (c["claim"], c["protocol"]) == (name, protocol) and a in (None, c["a"])]
    assert len(found) == 1
    return found[0]


def test_a_claim_is_tested_on_the_paired_tasks_of_one_checkpoint(record, report):
    # vf_quasi alone solves 40 tasks, vf alone 10: McNemar, 2 P(X <= 10 | 50, 1/2) = 2.386e-5.
    record(recipe="vf_quasi", solved=set(range(60)))
    record(recipe="vf", solved=set(range(40, 70)))
    found = claim(report(), "quasi_over_euclidean")
    assert found["p_tasks"] == pytest.approx(2.386e-5, rel=1e-3)
    # The claim is a family of its own: this comparison, and those on the two walls, without records.
    assert found["family"] == "quasi_over_euclidean" and found["holm_tasks"] == pytest.approx(3 * found["p_tasks"])
    assert (found["sign"], found["verdict"], found["scope"]) == (">", "confirmed", "for this checkpoint")
    assert found["p_seeds"] is None and found["seeds"] == [0]


def test_greater_is_written_only_where_the_corrected_test_passes(record, report, vgbench_cli):
    # 16 against 5 discordant: p = .027 alone, but not among the three comparisons of the claim.
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


def test_different_tasks_are_not_paired(record, report, edit):
    record(recipe="vf_quasi")
    other = record(recipe="vf")
    edit(other / "episodes.jsonl", lambda row: row.update(start_distance=1.0))
    assert claim(report(), "quasi_over_euclidean")["reason"] == "the two were evaluated on different tasks"


def test_two_protocols_are_compared_unpaired(record, report):
    record(protocol="wall_big", recipe="vf", solved=set(range(60)))
    record(protocol="wall_small", recipe="vf", solved=set(range(40)))
    found = claim(report(), "big_steps_over_small", "wall_big", "vf on wall_big")
    chances = hypergeom(160, 100, 80).pmf(range(81))  # of the 100 tasks solved, how many are among the first 80?
    assert found["b"] == "vf on wall_small"
    assert found["p_tasks"] == pytest.approx(chances[chances <= chances[60] * (1 + 1e-9)].sum())
    # Newcombe's interval of 60/80 - 40/80 by hand: rates .75 [.6454, .8321] and .5 [.3932, .6068].
    assert found["difference95"] == pytest.approx([0.1004, 0.3847], abs=2e-3)


# Claims of no gain


@pytest.fixture
def judged(runs):
    """Findings of a suite of some claims on the records."""
    from vgbench.reports import claims, table
    from vgbench.storage import records

    def call(*raw, **more):
        catalogue = {
            "recipes": recipes("vf", "vf_quasi"),
            "protocols": PLACES,
            "suites": suite(*raw, **({"recipes": ["vf", "vf_quasi"]} | more)),
        }
        made = read(catalogue, "x").suites["s"]
        return claims.judge(table.build(made, "quick", records.scan([runs], "quick", table.recipes(made))[0]))

    return call


def no_gain(margin, **more):
    raw = {"name": "c", "text": "fails", "a": "vf", "b": "baseline", "protocols": ["maze"]}
    return raw | {"direction": "not_greater", "margin": margin} | more


@pytest.mark.parametrize(
    ("solved", "margin", "sign", "verdict"),
    # The baseline solves 14 of 80. 50 of 80: a gain of .45, shown by any test, [.31, .57] or so.
    [
        (14, 0.05, "~", "undecided"),
        (14, 0.15, "<", "confirmed"),
        (50, 0.9, "<", "confirmed"),
        (50, 0.65, "<", "confirmed"),
        (50, 0.4, "~", "undecided"),
        (50, 0.2, ">", "contradicted"),
        (0, 0, "<", "confirmed"),
    ],
)
def test_a_claim_of_no_gain_is_judged_at_its_margin(record, judged, solved, margin, sign, verdict):
    record(recipe="vf", solved=set(range(solved)))
    [found] = judged(no_gain(margin))
    assert (found.b, found.baseline) == ("baseline", "random") and found.rates[1] == 14 / 80
    assert (found.sign, found.verdict) == (sign, verdict)
    # In a family of its own, the test is the interval turned round.
    low, high = found.interval
    assert {"confirmed": high < margin, "contradicted": low > margin, "undecided": low <= margin <= high}[verdict]


def test_what_is_below_its_margin_by_an_interval_is_corrected_for_the_number_of_comparisons(record, judged):
    record(recipe="vf", solved=set(range(20)))
    record(recipe="vf_quasi", solved=set(range(1, 20)))  # one task fewer: [-.045, .02]
    [alone] = judged(no_gain(0.03, a="vf_quasi", b="vf"))
    assert alone.verdict == "confirmed" and 0.01 < alone.holm_tasks < 0.05
    found = judged(no_gain(0.03, a="vf_quasi", b="vf", protocols=["maze", "wall_big", "wall_small"]))
    assert [f.verdict for f in found] == ["undecided"] * 3
    assert found[0].holm_tasks == pytest.approx(3 * alone.holm_tasks, rel=1e-3)


def test_a_small_gain_over_seeds_does_not_contradict_its_absence(record, judged):
    """A gain of 4 of 80 tasks, the same ones for all seeds: significant, and below a margin of .2."""
    for seed in range(3):
        record(recipe="vf", seed=seed, solved=set(range(40)), tasks=f"{seed}")
        record(recipe="vf_quasi", seed=seed, solved=set(range(44)), tasks=f"{seed}")
    gain = {"name": "g", "text": "t", "a": "vf_quasi", "b": "vf", "protocols": ["maze"]}
    [gained] = judged(gain)
    assert (gained.sign, gained.verdict, gained.scope) == (">", "confirmed", "over seeds")
    [found] = judged(no_gain(0.2, a="vf_quasi", b="vf"))
    assert (found.sign, found.verdict, found.scope) == ("<", "confirmed", "over seeds")


# Units, scores, baselines and families


def test_a_task_counts_once_where_seeds_share_it_and_each_time_where_they_do_not(record, runs, judged, edit):
    """Each seed solves 4 tasks more: 4 units that are 3 large, or 12 units."""
    gain = {"name": "g", "text": "t", "a": "vf_quasi", "b": "vf", "protocols": ["maze"]}
    for seed in range(3):
        record(recipe="vf", seed=seed, solved=set(range(40)))
        record(recipe="vf_quasi", seed=seed, solved=set(range(44)))
    [shared] = judged(gain)
    assert shared.p_tasks == pytest.approx(2 * 0.5**4) and shared.seeds == (0, 1, 2)
    for seed, recipe in itertools.product(range(3), ("vf", "vf_quasi")):
        edit(
            runs / f"maze/{recipe}/s{seed}" / "result.json", lambda r, seed=seed: r.update(tasks={"sha256": f"{seed}"})
        )
    [own] = judged(gain)
    assert own.p_tasks == pytest.approx(2 * 0.5**12)
    assert np.diff(own.interval) < 0.75 * np.diff(shared.interval)


def test_the_two_sides_need_the_same_tasks_not_only_the_same_distances(record, judged):
    record(recipe="vf", tasks="one")
    record(recipe="vf_quasi", tasks="other")
    [found] = judged({"name": "g", "text": "t", "a": "vf_quasi", "b": "vf", "protocols": ["maze"]})
    assert found.reason == "the two were evaluated on different tasks"


def played(edit, path, steps, expert=10):
    """Give the rows of a record the expert's steps, and those taken."""
    edit(path / "episodes.jsonl", lambda row: row.update(steps=steps, expert_steps=expert))


def test_a_claim_may_be_about_another_score(record, judged, edit):
    # Both solve 40 tasks; one in 14 steps, which is timely for an expert of 10, the other in 16.
    played(edit, record(recipe="vf_quasi", solved=set(range(40))), 14)
    played(edit, record(recipe="vf", solved=set(range(40))), 16)
    claims = [
        {"name": score, "text": "t", "a": "vf_quasi", "b": "vf", "protocols": ["maze"], "score": score}
        for score in ("success", "spl", "timely")
    ]
    success, spl, timely = judged(*claims)
    assert success.rates == (0.5, 0.5) and success.verdict == "undecided" and success.p_tasks == 1.0
    assert spl.rates == pytest.approx((0.5 * 10 / 14, 0.5 * 10 / 16)) and spl.verdict == "confirmed"
    assert spl.p_tasks < 0.001  # 40 differences of one sign, of 2^40 signs; drawn
    assert timely.rates == (0.5, 0.0) and timely.p_tasks == pytest.approx(2 * 0.5**40)


def test_scores_over_two_protocols_are_compared_unpaired(record, judged, edit):
    played(edit, record(protocol="wall_big", recipe="vf", solved=set(range(60))), 10)
    played(edit, record(protocol="wall_small", recipe="vf", solved=set(range(60))), 20)
    raw = {"name": "g", "text": "t", "a": "vf", "b": "same", "protocols": ["wall_big"], "against": "wall_small"}
    [found] = judged(raw | {"score": "spl"})
    assert found.rates == pytest.approx((0.75, 0.375)) and found.verdict == "confirmed"


STRATA = {"name": "g", "text": "t", "a": "vf", "b": "same", "protocols": ["maze"]}
STRATA |= {"stratum": "near", "against_stratum": "far"}


@pytest.fixture
def stratified(record, edit):
    """Lay down a run whose first 40 tasks are near and the others far, with so many solved of either.

    `moved` moves the starts of a stratum, so that its tasks are those of this run alone.
    """

    def make(seed, near, far, moved=()):
        solved = {*range(near), *range(40, 40 + far)}
        path = record(recipe="vf", seed=seed, solved=solved, tasks=f"{seed:064}")

        def place(row):
            stratum = "near" if row["task"] < 40 else "far"
            # The places of the record that is copied have nothing to do with strata.
            start = row["task"] + 1.0 + (seed * 1000 if stratum in moved else 0)
            row.update(stratum=stratum, start_distance=start)

        edit(path / "episodes.jsonl", place)
        return path

    return make


def test_strata_of_the_same_checkpoints_are_paired_over_seeds(stratified, judged):
    """The seeds differ by far more than the strata do, in both alike."""
    for seed, (near, far) in enumerate([(18, 12), (24, 18), (30, 25)]):
        stratified(seed, near, far, moved=("near", "far"))
    [found] = judged(STRATA)
    assert found.rates == pytest.approx((0.6, 55 / 120))
    differences = [6 / 40, 6 / 40, 5 / 40]
    t = stats.ttest_1samp(differences, 0).pvalue
    fisher = stats.fisher_exact([[72, 48], [55, 65]]).pvalue
    assert t < 0.01 < fisher and found.p_seeds == pytest.approx(max(t, fisher))
    low, high = found.interval
    assert low < found.rates[0] - found.rates[1] < high and high - low < 0.3


def test_tasks_that_seeds_share_in_a_stratum_count_once(stratified, judged):
    """The hashes of all tasks differ, as the near ones are those of a seed; the far ones are the same for all."""
    for seed in range(3):
        stratified(seed, 24, 16, moved=("near",))
    [found] = judged(STRATA)
    assert found.p_tasks == pytest.approx(stats.fisher_exact([[72, 48], [16, 24]]).pvalue)
    [other] = judged(STRATA | {"stratum": "far", "against_stratum": "near"})
    assert other.p_tasks == pytest.approx(found.p_tasks)


def test_a_record_without_the_experts_steps_has_no_such_score(record, judged, edit):
    record(recipe="vf_quasi")
    played(edit, record(recipe="vf"), 16)
    raw = {"name": "g", "text": "t", "a": "vf_quasi", "b": "vf", "protocols": ["maze"], "score": "spl"}
    assert judged(raw)[0].reason == "no score spl in the record of vf_quasi, seed 0"
    # An expert that did not solve one of the tasks.
    edit(record(recipe="vf_quasi", seed=1) / "episodes.jsonl", lambda row: row.update(expert_steps=None))
    played(edit, record(recipe="vf", seed=1), 16)
    assert "no score spl in the record of vf_quasi" in judged(raw)[0].reason


def beside(edit, path, **solved):
    """Judge several baselines beside a run, in the form of new records; each solves the first so many tasks."""
    rows = [json.loads(line) for line in (path / "baseline.jsonl").read_text().splitlines()]
    (path / "baseline.jsonl").unlink()
    listed = []
    for name, count in solved.items():
        text = "".join(json.dumps(row | {"success": row["task"] < count}) + "\n" for row in rows)
        (path / f"baseline-{name}.jsonl").write_text(text)
        rate = {"success_rate": count / 80, "successes": count, "n": 80, "ci95": [0, 1]}
        listed.append({"planner": name, "file": f"baseline-{name}.jsonl", **rate})
    edit(path / "result.json", lambda result: result.update(baseline=listed[-1], baselines=listed))


def test_a_claim_compares_with_the_strongest_baseline_and_the_table_has_all(record, report, judged, edit, vgbench_cli):
    for seed in range(2):
        beside(edit, record(recipe="vf", seed=seed, solved=set(range(30))), random=6, uninformed=25)
    [found] = judged(no_gain(0.1))
    assert (found.baseline, found.rates) == ("uninformed", (30 / 80, 25 / 80))
    content = report()
    assert [(b["planner"], b["successes"], b["n"], b["seeds"]) for b in content["baselines"]["maze"]] == [
        ("random", 6, 80, [0, 1]),
        ("uninformed", 25, 80, [0, 1]),
    ]
    [run, _] = content["cells"]["vf", "maze"]["runs"]
    assert run["baseline"] == {"planner": "uninformed", "successes": 25, "n": 80}
    assert [b["planner"] for b in run["baselines"]] == ["random", "uninformed"]
    shown = vgbench_cli("report").stdout
    assert "maze random .07 [.03, .15] of 80 / uninformed .31 [.22, .42] of 80" in shown


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ([{"planner": "random", "file": "../x.jsonl", "successes": 1, "n": 80}], "has baselines random in ../x.jsonl"),
        ([{"planner": "random", "file": "baseline.jsonl"}], "has baselines"),
        ([{"planner": "random", "successes": 14, "n": 80}] * 2, "has baselines random, random"),
        ([7], "result.json is damaged: baselines.0 is 7"),
        ([{"planner": "random", "file": "gone.jsonl", "successes": 1, "n": 80}], "gone.jsonl cannot be read"),
    ],
)
def test_a_damaged_list_of_baselines_leaves_the_record_out(record, report, edit, listed, reason):
    edit(record() / "result.json", lambda result: result.update(baselines=listed))
    [left_out] = report()["left_out"]
    assert reason in left_out


def test_each_family_is_corrected_on_its_own(record, judged):
    # 16 against 5 discordant tasks: p = .0266.
    record(recipe="vf_quasi", solved=set(range(40)))
    record(recipe="vf", solved=set(range(16, 45)))
    raw = {"text": "t", "a": "vf_quasi", "b": "vf", "protocols": ["maze"]}
    claims = [raw | {"name": "a", "family": "f"}, raw | {"name": "b", "family": "f"}, raw | {"name": "c"}]
    found = judged(*claims, families={"f": "two of a kind"})
    p = binomtest(5, 21).pvalue
    assert [f.holm_tasks for f in found] == pytest.approx([2 * p, 2 * p, p])
    assert [f.verdict for f in found] == ["undecided", "undecided", "confirmed"]


def test_the_papers_nine_claims_are_nine_families():
    claims = load_catalogue().suites["paper_table_2"].claims
    assert len({claim.family_key for claim in claims}) == len(claims) == 9


def test_verdicts_read_as_three_values(record, vgbench_cli):
    record(recipe="vf_quasi", solved=set(range(20)))
    record(recipe="vf", solved=set(range(60)))
    record(recipe="vf_pred", solved=set(range(59)))
    record(recipe="vf_vcreg", solved=set(range(20)))
    lines = vgbench_cli("report", "--claims").stdout.splitlines()

    def verdict(name):
        return next(line for line in lines if line.startswith(name) and " maze " in line)

    assert verdict("vcreg_hurts").endswith("  shown for this checkpoint")
    assert verdict("quasi_over_euclidean").endswith("not shown, opposite holds for this checkpoint")
    assert verdict("separate_over_joint_vf").endswith("too few tasks to tell for this checkpoint")
    assert "not tested: no current record of vf_quasi_pred" in verdict("separate_over_joint_quasi")
    # A page of its own begins with a row for each claim.
    made = vgbench_cli("report", "--claims", "--out", "page.md")
    assert made.exit_code == 0, made.stderr
    lines = Path("page.md").read_text(encoding="utf-8").splitlines()

    def counts(name):
        return next(line for line in lines if line.startswith(f"| {name} | “")).rpartition("” | ")[2]

    assert counts("vcreg_hurts") == "1 shown; 2 without records |"
    assert counts("quasi_over_euclidean") == "1 not shown, opposite holds; 2 without records |"
    assert counts("separate_over_joint_quasi") == "3 without records |"


# The file


def recipes(*names):
    return {n: {"summary": "", "objectives": [], "distance": "euclidean", "training": "joint"} for n in names}


PLACE = {"maze": {"summary": "", "encoder": "e", "predictor": "p", "planner": "q"}}
PLACES = {name: PLACE["maze"] for name in ("maze", "wall_big", "wall_small")}


def suite(*claims, **more):
    asked = {place for c in claims for place in [*c["protocols"], c.get("against", "maze")]} | {"maze"}
    places = sorted(asked & set(PLACES))
    return {"s": {"summary": "", "recipes": ["vf"], "protocols": places, "claims": list(claims)} | more}


GOOD = {"name": "c", "text": "t", "a": "vf", "b": "vf_quasi", "protocols": ["maze"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": "two_space"}, "x.yaml: suites.s.claims.0.a: no recipe named 'two_space'."),
        ({"b": ["vf", "fv"]}, "suites.s.claims.0.b: no recipe named 'fv'."),
        ({"protocols": ["moze"]}, "claims.0.protocols: no protocol named 'moze'. Did you mean 'maze'?"),
        ({"b": "same", "against": "moze"}, "claims.0.against: no protocol named 'moze'"),
        ({"direction": "less"}, "claims.0.direction: unknown value 'less'"),
        ({"b": "same"}, "`b: same` and `against: PROTOCOL` or `against_stratum: NAME` go together"),
        ({"stratum": "far", "b": "same", "against_stratum": "far"}, "'far' is the stratum of `a`, too"),
        ({"interaction": "moze"}, "claims.0.interaction: no protocol named 'moze'"),
        ({"interaction": "maze"}, "expected another protocol than those of the claim"),
        ({"words": ""}, "claims.0: unknown key 'words'"),
        ({"score": "slp"}, "claims.0.score: no score named 'slp'. Did you mean 'spl'?"),
        ({"family": "vale"}, "claims.0.family: no family named 'vale' in this suite. Did you mean 'value'?"),
        ({"margin": 5}, "claims.0.margin: expected a difference between -1 and 1, got 5"),
        ({"b": "vf"}, "claims.0.b: 'vf' is on both sides; leave it out on one"),
        ({"a": []}, "claims.0.a: expected at least one name"),
        ({"a": {"x": 1}}, "claims.0.a: expected names, got {'x': 1}"),
        ({"score": ["spl", "spl"]}, "claims.0.score: 'spl' stands there twice; leave one out"),
        ({"stratum": ["far", "far"]}, "claims.0.stratum: 'far' stands there twice"),
        ({"stratum": 5}, "claims.0.stratum: expected names, got 5"),
        (
            {"b": "same", "against_stratum": "far"},
            "'far' would be a part of the tasks of `a`; name the `stratum` of `a`",
        ),
        ({"family": {"x": 1}}, "claims.0.family: expected text, got {'x': 1}"),
        ({"interaction": {"x": 1}}, "claims.0.interaction: expected text, got {'x': 1}"),
    ],
)
def test_mistakes_in_claims_are_named_with_file_and_key(change, message):
    content = {"recipes": recipes("vf", "vf_quasi"), "protocols": PLACE}
    more = {"families": {"value": "values"}, "recipes": ["vf", "vf_quasi"]}
    assert read(content | {"suites": suite(GOOD, **more)}, "x.yaml").suites["s"].claims[0].direction == "greater"
    with pytest.raises(UsageError) as raised:
        read(content | {"suites": suite(GOOD | change, **more)}, "x.yaml")
    assert message in str(raised.value)


def test_a_claim_about_runs_that_only_leaves_out_is_refused():
    content = {"recipes": recipes("vf", "vf_quasi"), "protocols": PLACES}
    more = {"recipes": ["vf", "vf_quasi"], "protocols": list(PLACES), "only": {"vf_quasi": ["wall_big"]}}
    with pytest.raises(UsageError, match="by `only`, the suite does not run 'vf_quasi' on 'maze'"):
        read(content | {"suites": suite(GOOD, **more)}, "x.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranking": 3}, "suites.s.ranking: expected a list of names, got 3"),
        ({"ranking": ["maze", "maze"]}, "suites.s.ranking.1: 'maze' stands there twice"),
        ({"summary": ["x"]}, "suites.s.summary: expected text"),
    ],
)
def test_mistakes_in_suites_are_named_with_file_and_key(change, message):
    with pytest.raises(UsageError) as raised:
        read({"recipes": recipes("vf"), "protocols": PLACE, "suites": suite(**change)}, "x.yaml")
    assert message in str(raised.value)


def test_published_rates_need_their_number_of_tasks():
    content = {"recipes": recipes("vf"), "protocols": PLACE, "suites": suite(published={"vf": {"maze": 0.5}})}
    with pytest.raises(UsageError, match=r"suites\.s\.published_n: missing the number of tasks behind 'maze'"):
        read(content, "x.yaml")


def test_published_numbers_of_tasks_are_the_papers():
    assert load_catalogue().suites["paper_table_2"].published_n == {"wall_small": 200, "wall_big": 200, "maze": 80}


def in_strata(edit, path, *names):
    """Give the tasks of a record strata, one after the other in turn."""
    for file in path.glob("*.jsonl"):
        if file.name != "train.jsonl":
            edit(file, lambda row: row.update(stratum=names[row["task"] % len(names)]))


def test_a_recipe_is_compared_with_itself_on_another_stratum(record, report, edit):
    # 80 tasks in turn of 3 strata. Solved: 27 of 27 near (0, 3, ...), 6 of 27 far unseen (1, 4, ...), 20 of 26 seen.
    solved = set(range(0, 80, 3)) | set(range(1, 17, 3)) | set(range(2, 62, 3))
    path = record(protocol="maze_far", recipe="vf", solved=solved)
    in_strata(edit, path, "5-8 unseen", "9-13 unseen", "9-13 seen")
    content = report(str(record.runs), "--suite", "ranking")
    found = {(c["claim"], c["score"]): c for c in content["claims"] if c["a"].startswith("vf (")}
    near = found["near_over_far", "success"]
    assert (near["a"], near["b"]) == ("vf (5-8 unseen)", "vf (9-13 unseen)") and near["stratum"] == "5-8 unseen"
    assert (near["rate_a"], near["rate_b"]) == (1.0, pytest.approx(6 / 27))
    # Of 33 that are solved, how many are among the first 27 of 54? By hand from the hypergeometric law.
    chances = hypergeom(54, 33, 27).pmf(range(28))
    assert near["p_tasks"] == pytest.approx(chances[chances <= chances[27] * (1 + 1e-9)].sum())
    assert near["sign"] == ">" and near["verdict"] == "confirmed"
    seen = found["seen_over_unseen", "success"]
    assert (seen["rate_a"], seen["rate_b"]) == (pytest.approx(20 / 26), pytest.approx(6 / 27))
    strata = content["cells"]["vf", "maze_far"]["strata"]
    assert {name: (part["n"], round(part["success_rate"] * part["n"])) for name, part in strata.items()} == {
        "5-8 unseen": (27, 27),
        "9-13 unseen": (27, 6),
        "9-13 seen": (26, 20),
    }


@pytest.mark.parametrize(
    ("names", "known"),
    [((), "There is none."), (("5-8 seen", "far"), "Did you mean '5-8 seen'? Known: 5-8 seen, far.")],
)
def test_a_claim_on_a_stratum_that_no_task_has_says_which_there_are(record, report, edit, names, known):
    path = record(protocol="maze_far", recipe="vf")
    if names:
        in_strata(edit, path, *names)
    claims = report(str(record.runs), "--suite", "ranking")["claims"]
    found = [claim for claim in claims if claim["claim"] == "near_over_far" and claim["a"] == "vf"]
    assert {claim["reason"] for claim in found} == {
        f"no task of stratum '5-8 unseen' in the records of vf on maze_far. {known}"
    }


def four(record, rates, seed=0, tasks=None):
    """Records of two recipes on a world and its twin: solved are the first tasks, as many as `rates` say."""
    places = [(r, p) for p in ("turnstile", "turnstile_two_way") for r in ("vf_quasi_gamma98", "vf")]
    for (recipe, protocol), count in zip(places, rates, strict=True):
        record(protocol=protocol, recipe=recipe, seed=seed, solved=set(range(count)), tasks=tasks)


def interaction(content, score="success"):
    return next(c for c in content["claims"] if (c["claim"], c["score"]) == ("direction_turnstile", score))


def test_an_interaction_is_the_difference_of_two_differences_task_by_task(record, report):
    four(record, (70, 40, 80, 75))
    found = interaction(report(str(record.runs), "--suite", "ranking"))
    assert (found["rate_a"], found["rate_b"]) == (pytest.approx(30 / 80), pytest.approx(5 / 80))
    # Tasks 40 to 69: +1 on one-way; 75 to 79: -1 by the twin. Of 35 signs, as many as 25 too many: two-sided binomial.
    assert found["p_tasks"] == pytest.approx(binomtest(30, 35).pvalue)
    low, high = found["difference95"]
    assert low < 25 / 80 < high and found["sign"] == ">"
    assert found["interaction"] == "turnstile_two_way" and found["a"] == "vf_quasi_gamma98 - vf"


def test_interactions_over_seeds_use_the_differences_of_each_seed(record, report):
    for seed, rates in enumerate([(70, 40, 80, 75), (60, 40, 80, 80), (75, 35, 79, 75)]):
        four(record, rates, seed)
    found = interaction(report(str(record.runs), "--suite", "ranking"))
    # Differences of differences 25, 20, 36 of 80: mean 27, deviation 8.185, t = 5.713; p = 1 - t / sqrt(t^2 + 2).
    assert found["p_seeds"] == pytest.approx(0.0293, abs=1e-4)
    # The family has six comparisons.
    assert found["holm_seeds"] == pytest.approx(6 * found["p_seeds"])
    assert (found["verdict"], found["scope"]) == ("confirmed", "for these 3 checkpoints")


def test_an_interaction_wants_the_twin_to_have_the_same_tasks(record, report, edit):
    four(record, (70, 40, 80, 75))
    for path in (record.runs / "turnstile_two_way").glob("*/s0/episodes.jsonl"):
        edit(path, lambda row: row.update(start_distance=1.0))
    assert interaction(report(str(record.runs), "--suite", "ranking"))["reason"] == "the tasks of the twin are others"
