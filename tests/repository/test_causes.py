"""The table of causes in docs/paper_table_2.md is what the committed ladders and diagnoses say; a script prints it."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "results/causes/literal"
RUNGS = ("exact model, straight", "exact model, learned value", "learned model, true value", "the run itself")


def rows():
    """A row for each run that has a ladder."""
    yield f"| protocol | recipe | {' | '.join(RUNGS)} | error after one step | and with actions shuffled |"
    yield "|---" * (len(RUNGS) + 4) + "|"
    for path in sorted(RECORDS.glob("*/*/ladder.json"), key=lambda path: (path.parts[-3] == "maze", path)):
        protocol, recipe = path.parts[-3:-1]
        solved = {row["name"]: f"{row['successes']} of {row['n']}" for row in json.loads(path.read_text())["rows"]}
        block = json.loads(path.with_name("diagnosis.json").read_text())["blocks"]["prediction"]
        errors = (f"{block[name][0]:.3g}" for name in ("latent", "latent_shuffled"))
        yield f"| {protocol} | {recipe} | {' | '.join([*(solved[name] for name in RUNGS), *errors])} |"


def test_the_table_is_that_of_the_records():
    page = (ROOT / "docs/paper_table_2.md").read_text(encoding="utf-8")
    assert "\n".join(rows()) in page


if __name__ == "__main__":
    print("\n".join(rows()))
