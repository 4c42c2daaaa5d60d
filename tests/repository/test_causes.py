"""The table of causes in docs/paper_table_2.md is what the committed ladders and diagnoses say; a script prints it."""

import json
from pathlib import Path

from vgbench.text import share_text

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "results/causes/literal"
RUNGS = ("exact model, straight", "exact model, learned value", "learned model, true value", "the run itself")


def rows():
    """A row for each run that has a diagnosis; its rungs where it has a ladder."""
    heads = ("protocol", "recipe", *RUNGS, "value's order", "error after one step", "and with actions shuffled")
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    found = RECORDS.glob("*/*/diagnosis.json")
    for path in sorted(found, key=lambda path: (path.parts[-3] == "maze", path.parts[-3] == "wall_small", path)):
        blocks = json.loads(path.read_text())["blocks"]
        order = blocks["rank"]["groups"]["all"]["spearman"]["mean"]
        errors = (f"{blocks['prediction'][name][0]:.3g}" for name in ("latent", "latent_shuffled"))
        values = [*path.parts[-3:-1], *rungs(path.with_name("ladder.json")), share_text(order), *errors]
        yield f"| {' | '.join(values)} |"


def rungs(path):
    """What each rung solved."""
    if not path.exists():
        return ["-"] * len(RUNGS)
    played = {row["name"]: f"{row['successes']} of {row['n']}" for row in json.loads(path.read_text())["rows"]}
    return [played[name] for name in RUNGS]


def test_the_table_is_that_of_the_records():
    page = (ROOT / "docs/paper_table_2.md").read_text(encoding="utf-8")
    assert "\n".join(rows()) in page


def test_what_more_steps_are_worth_is_what_the_records_say():
    found = {}
    for steps in (256, 1024):
        result = json.loads((ROOT / f"results/causes/steps/{steps}/result.json").read_text())
        found[steps] = [share_text(result["success_rate"]), share_text(result["strata"]["detour"]["success_rate"])]
    page = " ".join((ROOT / "docs/ranking.md").read_text(encoding="utf-8").split())
    assert f"256 steps solves {found[256][0]} of one_door's tasks and {found[256][1]} of its detours" in page
    assert f"with 1024, {found[1024][0]} and {found[1024][1]} (" in page


def two_way():
    """A row for each seed: success, order of the value beyond the doors, and local minima."""
    for path in sorted((ROOT / "results/causes/two_way").glob("*/*/diagnosis.json")):
        record = json.loads(path.read_text())
        blocks, strata = record["blocks"], record["strata"].values()
        rate = sum(one["successes"] for one in strata) / sum(one["tasks"] for one in strata)
        groups = (blocks["rank"]["groups"][f"other room, {way} the doors' direction"] for way in ("in", "against"))
        order = ", ".join(share_text(group["spearman"]["mean"]) for group in groups)
        minima = blocks["descent"]["learned"]["minima"]["mean"]
        who = f"{path.parts[-3]}, seed {path.parts[-2].removeprefix('s')}"
        yield f"| {who} | {share_text(rate)} | {order} | {minima:.1f} |"


def test_why_a_quasimetric_loses_through_two_way_doors_is_what_the_diagnoses_say():
    found = list(two_way())
    assert len(found) == 6 and "\n".join(found) in (ROOT / "docs/ranking.md").read_text(encoding="utf-8")


if __name__ == "__main__":
    print("\n".join(rows()))
