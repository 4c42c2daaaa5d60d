"""The tables of docs/limits.md are those of the committed ladders and diagnoses; run as a script, it prints them."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "results/first_round/paper_table_2"
RECIPES = ("vf", "vf_quasi", "pred_vcreg")
ROWS = {
    "exact model, learned value": "exact model, learned value",
    "learned model, true value": "learned model, true value",
    "the run itself": "learned model, learned value (the run)",
}
SHARED = ("random actions", "straight line", "exact model, straight", "exact model, true value", "expert")


def protocols():
    return sorted({path.parents[2].name for path in RECORDS.glob("*/*/s0/ladder.json")}, reverse=True)


def recipes(protocol):
    return [recipe for recipe in RECIPES if (RECORDS / protocol / recipe / "s0/ladder.json").exists()]


def ladder(protocol, recipe):
    record = json.loads((RECORDS / protocol / recipe / "s0/ladder.json").read_text())
    return {row["name"]: row for row in record["rows"]}


def share(row):
    return f"{row['successes']} of {row['n']}"


def shared_rows():
    """Rungs that need no run: the same tasks, whatever is trained."""
    yield f"| protocol | {' | '.join(SHARED)} |"
    yield "|---" * (len(SHARED) + 1) + "|"
    for protocol in protocols():
        rows = ladder(protocol, "vf")
        yield f"| {protocol} | {' | '.join(share(rows[name]) for name in SHARED)} |"


def run_rows():
    yield f"| protocol | recipe | {' | '.join(ROWS.values())} |"
    yield "|---" * (len(ROWS) + 2) + "|"
    for protocol in protocols():
        for recipe in recipes(protocol):
            rows = ladder(protocol, recipe)
            yield f"| {protocol} | {recipe} | {' | '.join(share(rows[name]) for name in ROWS)} |"


def diagnosis_rows():
    titles = (
        "order, all pairs",
        "order, far pairs",
        "walking down reaches the goal",
        "minima per goal",
        "latent error at the horizon",
        "kept of what is promised",
        "position: held-out data",
        "position: tasks",
    )
    yield f"| protocol | recipe | {' | '.join(titles)} |"
    yield "|---" * (len(titles) + 2) + "|"
    for protocol in protocols():
        for recipe in recipes(protocol):
            blocks = json.loads((RECORDS / protocol / recipe / "s0/diagnosis.json").read_text())["blocks"]
            groups = blocks["rank"]["groups"]
            far = groups["far third" if "far third" in groups else "across the door"]
            descent, probe = blocks["descent"]["learned"], blocks["probe"]["arrays"]["position"]
            figures = (
                f"{groups['all']['spearman']['mean']:.2f}",
                f"{far['spearman']['mean']:.2f}",
                f"{descent['coverage']['mean']:.0%}",
                f"{descent['minima']['mean']:.1f}",
                f"{blocks['prediction']['latent'][-1]:.2f}",
                f"{blocks['planning']['kept']:.0%}",
                f"{probe['held_out']:.2f}",
                f"{probe['at_tasks']:.2f}",
            )
            yield f"| {protocol} | {recipe} | {' | '.join(figures)} |"


TABLES = {"shared": shared_rows, "runs": run_rows, "diagnoses": diagnosis_rows}


@pytest.mark.parametrize("table", TABLES)
def test_the_pages_table_is_that_of_the_records(table):
    rows = list(TABLES[table]())
    assert len(rows) > 2
    assert "\n".join(rows) in (ROOT / "docs/limits.md").read_text()


@pytest.mark.parametrize("protocol", protocols())
def test_the_tasks_can_be_solved(protocol):
    """The expert and the exact model with the true value: .99 or more, or the tasks and budgets are at fault."""
    rows = ladder(protocol, "vf")
    for name in ("expert", "exact model, true value"):
        assert rows[name]["successes"] >= 0.99 * rows[name]["n"]


if __name__ == "__main__":
    for make in TABLES.values():
        print("\n".join(make()), end="\n\n")
